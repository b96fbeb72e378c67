//! The parameters of `datastore_search` and of the dump.

use serde_json::{Map, Value, json};

use super::MOST_ROWS;
use super::words;
use crate::http::ckan::Fault;
use crate::http::ckan::params::Params;
use crate::read::numbered::{Comparison, Filter, Layout, NumberedQuery, Sort};

/// How many rows there are where no limit is named.
const USUAL_ROWS: u64 = 100;

/// What both take.
const SHARED: &[&str] = &["filters", "q", "full_text", "distinct", "plain", "language", "limit", "offset", "fields", "sort", "version"];

/// What is asked of a resource.
#[derive(Debug)]
pub(super) struct Wish {
    /// The resource.
    pub resource: String,
    /// The version, where one is named.
    pub version: Option<i32>,
    /// Which rows.
    pub query: NumberedQuery,
    /// How they are written.
    pub layout: Layout,
    /// Whether all that match are counted.
    pub counted: bool,
    /// Whether the answer says where the next page begins.
    pub next_page: bool,
    /// What an answer says again of the question.
    pub echo: Map<String, Value>,
}

impl Wish {
    /// What `datastore_search` is asked.
    pub fn of_search(params: &Params) -> Result<Self, Fault> {
        let own = ["resource_id", "id", "include_total", "total_estimation_threshold", "records_format", "include_next_page"];
        params.only(&[SHARED, own.as_slice()].concat())?;
        let mut wish = Wish::read(params, resource(params, "resource_id")?)?;
        let limit = wish.query.limit.unwrap_or(USUAL_ROWS).min(MOST_ROWS);
        let format = params.text("records_format").filter(|format| !format.is_empty()).unwrap_or_else(|| "objects".to_owned());
        wish.layout = match format.as_str() {
            "objects" => Layout::Objects,
            "lists" => Layout::Lists,
            "csv" => Layout::Csv,
            "tsv" => Layout::Tsv,
            _ => return Err(Fault::validation("records_format", "must be one of objects, lists, csv and tsv")),
        };
        wish.query.limit = Some(limit);
        wish.counted = params.flag_or("include_total", true)?;
        wish.next_page = params.flag_or("include_next_page", true)?;
        let mut add = |name: &str, value: Value| wish.echo.insert(name.to_owned(), value);
        add("limit", limit.into());
        add("records_format", format.into());
        add("include_total", wish.counted.into());
        add("include_next_page", wish.next_page.into());
        Ok(wish)
    }

    /// What the dump of a resource is asked.
    pub fn of_dump(params: &Params, resource: String) -> Result<Self, Fault> {
        params.only(&[SHARED, ["format", "bom"].as_slice()].concat())?;
        let mut wish = Wish::read(params, resource)?;
        wish.layout = match params.text("format").filter(|format| !format.is_empty()).as_deref() {
            None | Some("csv") => Layout::Csv,
            Some("tsv") => Layout::Tsv,
            Some("json") => Layout::Lists,
            Some("xml") => Layout::Xml,
            Some(_) => return Err(Fault::validation("format", "must be one of csv, tsv, json and xml")),
        };
        Ok(wish)
    }

    fn read(params: &Params, resource: String) -> Result<Self, Fault> {
        let mut filters = Vec::new();
        let mut echo = Map::new();
        if let Some(given) = params.object("filters")? {
            filters.push(all_of(&given)?);
            echo.insert("filters".to_owned(), given.into());
        }
        let plain = params.flag_or("plain", true)?;
        for name in ["q", "full_text"] {
            let Some(question) = params.value(name) else { continue };
            filters.extend(words::filter(name, &question, plain)?);
            echo.insert(name.to_owned(), question);
        }
        let sort = params.texts("sort").iter().flat_map(|text| parts(text)).collect::<Vec<String>>();
        if let Some(text) = params.text("sort").filter(|_| !sort.is_empty()) {
            echo.insert("sort".to_owned(), text.into());
        }
        let offset = params.number("offset", 0)?;
        if let Some(offset) = offset {
            echo.insert("offset".to_owned(), offset.into());
        }
        let distinct = params.flag_or("distinct", false)?;
        if distinct {
            echo.insert("distinct".to_owned(), true.into());
        }
        let columns = match params.texts("fields") {
            one if one.len() == 1 => parts(&one[0]).iter().map(|name| unquoted(name)).collect::<Vec<String>>(),
            many => many,
        };
        let query = NumberedQuery {
            filters,
            columns: (!columns.is_empty()).then_some(columns),
            order: sort.iter().map(|part| order(part)).collect::<Result<Vec<Sort>, Fault>>()?,
            distinct,
            offset: offset.unwrap_or(0).unsigned_abs(),
            limit: params.number("limit", 0)?.map(i64::unsigned_abs),
        };
        let version = version(params)?;
        Ok(Wish { resource, version, query, layout: Layout::Objects, counted: true, next_page: true, echo })
    }

    /// Where the same question begins, and where it goes on by offset, as CKAN up to 2.11 says it. They pin the version.
    pub fn links(&self, params: &Params, version: i32) -> Value {
        let (limit, offset) = (self.query.limit.unwrap_or(USUAL_ROWS), self.query.offset);
        let at = |offset: Option<u64>| {
            let mut pairs = url::form_urlencoded::Serializer::new(String::new());
            let given = params.names().filter(|name| !matches!(*name, "offset" | "version"));
            pairs.extend_pairs(given.filter_map(|name| params.text(name).map(|text| (name.to_owned(), text))));
            pairs.append_pair("version", &version.to_string());
            offset.into_iter().for_each(|offset| _ = pairs.append_pair("offset", &offset.to_string()));
            format!("/ckan/api/3/action/datastore_search?{}", pairs.finish())
        };
        let mut links = json!({ "start": at(None), "next": at(Some(offset.saturating_add(limit))) });
        if offset > 0 {
            links["prev"] = at(Some(offset.saturating_sub(limit))).into();
        }
        links
    }
}

/// The resource that is asked for, by either of its names.
pub(super) fn resource(params: &Params, name: &str) -> Result<String, Fault> {
    let other = if name == "id" { "resource_id" } else { "id" };
    let given = params.text(name).or_else(|| params.text(other)).filter(|id| !id.is_empty());
    given.ok_or_else(|| Fault::validation(name, "Missing value"))
}

/// The version that is asked for.
pub(super) fn version(params: &Params) -> Result<Option<i32>, Fault> {
    let number = params.number("version", 1)?.map(i32::try_from).transpose();
    number.map_err(|_large| Fault::validation("version", "is no number of a version"))
}

/// What has to hold by an object of filters, all of it.
fn all_of(filters: &Map<String, Value>) -> Result<Filter, Fault> {
    let wrong = |why: String| Fault::validation("filters", why);
    let mut all = Vec::new();
    for (name, value) in filters {
        match (name.as_str(), value) {
            ("$or", Value::Array(some)) => all.push(Filter::Any(each(some)?)),
            ("$and", Value::Array(some)) => all.push(Filter::All(each(some)?)),
            ("$or" | "$and", _) => return Err(wrong(format!("`{name}` takes a list of filters"))),
            (_, Value::Array(values)) => all.push(Filter::OneOf { field: name.clone(), values: values.clone() }),
            (_, Value::Object(compared)) => {
                for (operator, value) in compared {
                    all.push(compare(name, operator, value)?);
                }
            }
            (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                all.push(Filter::Compare { field: name.clone(), comparison: Comparison::Equal, value: value.clone() });
            }
        }
    }
    Ok(Filter::All(all))
}

fn each(filters: &[Value]) -> Result<Vec<Filter>, Fault> {
    let one = |filter: &Value| match filter.as_object() {
        Some(filter) => all_of(filter),
        None => Err(Fault::validation("filters", "`$or` and `$and` take lists of objects")),
    };
    filters.iter().map(one).collect()
}

fn compare(field: &str, operator: &str, value: &Value) -> Result<Filter, Fault> {
    let wrong = |why: String| Fault::validation("filters", why);
    let comparison = match operator {
        "eq" => Comparison::Equal,
        "lt" => Comparison::Less,
        "lte" => Comparison::LessOrEqual,
        "gt" => Comparison::Greater,
        "gte" => Comparison::GreaterOrEqual,
        "in" => {
            let values = value.as_array().ok_or_else(|| wrong("`in` takes a list of values".to_owned()))?;
            return Ok(Filter::OneOf { field: field.to_owned(), values: values.clone() });
        }
        other => return Err(wrong(format!("there is no operator `{other}`; the operators are eq, lt, lte, gt, gte and in"))),
    };
    Ok(Filter::Compare { field: field.to_owned(), comparison, value: value.clone() })
}

/// The parts of a text between its commas; a comma in double quotes is none.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut quoted) = (vec![String::new()], false);
    for letter in text.chars() {
        quoted ^= letter == '"';
        match parts.last_mut() {
            Some(part) if letter != ',' || quoted => part.push(letter),
            Some(_) | None => parts.push(String::new()),
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn unquoted(name: &str) -> String {
    name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name).replace("\"\"", "\"")
}

/// `name`, `name desc`, `name asc nulls first`. Without a word on them, missing values stand where PostgreSQL puts them: last, and first where the
/// order is descending.
fn order(part: &str) -> Result<Sort, Fault> {
    let mut rest = part.trim();
    let mut last = |words: &str| {
        let cut = rest.len().checked_sub(words.len() + 1)?;
        let (before, end) = rest.split_at_checked(cut)?;
        let is_word = end.starts_with(' ') && end[1..].eq_ignore_ascii_case(words);
        is_word.then(|| rest = before.trim_end())
    };
    let nulls = if last("nulls first").is_some() { Some(true) } else { last("nulls last").map(|()| false) };
    let ascending = last("desc").is_none();
    if ascending {
        last("asc");
    }
    if rest.is_empty() {
        return Err(Fault::validation("sort", format!("`{part}` names no field")));
    }
    Ok(Sort { field: unquoted(rest), ascending, nulls_first: nulls.unwrap_or(!ascending) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read() {
        let cases = [
            ("a", ("a", true, false)),
            ("a asc", ("a", true, false)),
            ("a DESC", ("a", false, true)),
            ("a desc nulls last", ("a", false, false)),
            ("a nulls first", ("a", true, true)),
            ("\"a b\" desc", ("a b", false, true)),
            ("a b", ("a b", true, false)),
            ("甲 desc", ("甲", false, true)),
        ];
        for (text, (field, ascending, nulls_first)) in cases {
            assert_eq!(order(text).unwrap(), Sort { field: field.to_owned(), ascending, nulls_first }, "{text}");
        }
        assert!(order("").is_err());
        assert_eq!(parts("a desc, \"b,c\" ,,d"), ["a desc", "\"b,c\"", "d"]);
    }

    #[test]
    fn filters_are_read() {
        let read = |value: Value| all_of(value.as_object().unwrap());
        let equal = |field: &str, value: Value| Filter::Compare { field: field.to_owned(), comparison: Comparison::Equal, value };
        assert_eq!(read(json!({ "a": 1 })).unwrap(), Filter::All(vec![equal("a", json!(1))]));
        let or = read(json!({ "$or": [{ "a": 1 }, { "b": ["x"] }] })).unwrap();
        let list = Filter::OneOf { field: "b".to_owned(), values: vec![json!("x")] };
        assert_eq!(or, Filter::All(vec![Filter::Any(vec![Filter::All(vec![equal("a", json!(1))]), Filter::All(vec![list])])]));
        let between = read(json!({ "a": { "gte": 1, "lt": 2 } })).unwrap();
        assert!(matches!(between, Filter::All(both) if both.len() == 2));
        for wrong in [json!({ "$or": 1 }), json!({ "$and": [1] }), json!({ "a": { "like": "x" } }), json!({ "a": { "in": 1 } })] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
