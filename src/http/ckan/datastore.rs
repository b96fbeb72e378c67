//! CKAN's datastore, the reading side: rows of what the caller may read, by the same checks, limits and ledger as `GET …/rows` and `POST …/sql`.
//!
//! A resource is a dataset as one of its files; whichever file is named, the rows are the same. `_id` is the row's place in the version.

mod dump;
mod query;
mod words;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::{HttpResponse, web};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::params::Params;
use super::{CONTENT, Fault};
use crate::access::Read;
use crate::app::{App, Watch, watched};
use crate::catalog::{self, Field, FieldType};
use crate::error::Error;
use crate::http::caller::limit_key;
use crate::http::v1::download::{cite, describe};
use crate::identity::Caller;
use crate::limits::LimitKey;
use crate::read::numbered::{self, Layout, Next, NumberedPage, numbered_fields};
use crate::read::sql::{self, Bounds};
use crate::read::{Encoding, Format};
use crate::release::Release;
use crate::settings::TierLimits;

pub(super) use dump::dump;
use query::Wish;

/// The most bytes of an answer to SQL, which is put together before it leaves.
const MOST_SQL_BYTES: u64 = 64 << 20;

/// The most rows of one answer, as in CKAN.
const MOST_ROWS: u64 = 32_000;

/// Whether an action is one of the datastore.
pub fn knows(action: &str) -> bool {
    matches!(action, "datastore_search" | "datastore_search_sql" | "datastore_info")
}

/// Who asks the datastore, and what every answer says first.
pub struct Asking<'a> {
    /// The application.
    pub app: &'a web::Data<App>,
    /// Who asks.
    pub caller: &'a Caller,
    /// Where the action is explained.
    pub help: &'a str,
}

/// A release that the caller may read, and the watch over the read.
struct Opened {
    release: Arc<Release>,
    watch: Watch,
}

impl Asking<'_> {
    /// What an action of the datastore answers.
    ///
    /// # Errors
    /// When a parameter is wrong, or the caller may not read the resource.
    pub async fn act(&self, action: &str, params: &Params) -> Result<HttpResponse, Fault> {
        match action {
            "datastore_info" => self.info(params).await,
            "datastore_search_sql" => Box::pin(self.search_sql(params)).await,
            _ => Box::pin(self.search(params)).await,
        }
    }

    /// The caller's limits, once it is known that the day's bytes are not used up.
    async fn limits(&self) -> Result<(LimitKey, TierLimits), Fault> {
        let key = limit_key(self.caller);
        let limits = self.app.limits.of(key.tier);
        self.app.usage.check(&self.app.db, &key, limits.bytes_per_day).await?;
        Ok((key, limits))
    }

    /// The release of a resource.
    async fn open(&self, resource: &str, version: Option<i32>) -> Result<Opened, Fault> {
        let missing = || Fault::NotFound(format!("resource {}", resource.chars().take(64).collect::<String>()));
        // A resource is called by its dataset's id and its format.
        let (dataset, format) = resource.rsplit_once('-').ok_or_else(missing)?;
        uuid::Uuid::parse_str(dataset).map_err(|_no_id| missing())?;
        let format = Format::ALL.into_iter().find(|known| known.as_str() == format).ok_or_else(missing)?;
        let id = dataset.to_owned();
        let slug = self.app.db.read(move |conn| catalog::slug_of(conn, &id)).await?.ok_or_else(missing)?;
        let allowed = self.app.release(self.caller, &slug, Read::rows(version)).await?;
        let watch = Watch::over(self.app, self.caller, &allowed, Read::rows(version));
        let release = allowed.release;
        if !format.suits(release.fields(), release.row_count()) || !numbered::is_numbered(release.fields()) {
            return Err(missing());
        }
        Ok(Opened { release, watch })
    }

    async fn search(&self, params: &Params) -> Result<HttpResponse, Fault> {
        let wish = Wish::of_search(params)?;
        let (key, limits) = self.limits().await?;
        let _place = self.app.limits.query(&key)?;
        let Opened { release, mut watch } = self.open(&wish.resource, wish.version).await?;
        let time = Duration::from_secs(limits.query_seconds);
        let page = numbered::page(&self.app.engine, &release, wish.query.clone(), wish.counted, time).await?;
        let head = self.head(wish.result(&page, params, release.version()))?;
        let (layout, most) = (wish.layout, limits.query_bytes);
        // A page may be large: it is written where no other request waits for it.
        let written = self.app.engine.run(None, async move {
            let body = whole(head, &page, layout, most)?;
            Ok((page, body))
        });
        let (page, body) = written.await?;
        watch.holds().await?;
        watch.take(page.count(), body.len() as u64)?;
        self.app.usage.add(&key, body.len() as u64);
        let mut response = HttpResponse::Ok();
        describe(&mut response, self.app, &release);
        response.insert_header((HeaderName::from_static("qingdan-query-stats"), page.stats.to_string()));
        Ok(response.content_type(CONTENT).body(body))
    }

    /// The envelope up to the records.
    fn head(&self, result: Map<String, Value>) -> Result<Vec<u8>, Fault> {
        let mut head = serde_json::to_vec(&json!({ "help": self.help, "success": true })).map_err(Error::from)?;
        // The closing braces stand behind the records.
        head.pop();
        head.extend_from_slice(b",\"result\":");
        head.extend(serde_json::to_vec(&result).map_err(Error::from)?);
        head.pop();
        head.extend_from_slice(b",\"records\":");
        Ok(head)
    }

    async fn info(&self, params: &Params) -> Result<HttpResponse, Fault> {
        params.only(&["id", "resource_id", "version"])?;
        let id = query::resource(params, "id")?;
        let Opened { release, .. } = self.open(&id, query::version(params)?).await?;
        let fields: Vec<Value> = release.fields().iter().map(described).collect();
        let schema: Map<String, Value> =
            release.fields().iter().map(|field| (field.name.clone(), type_of(field.field_type).into())).collect();
        let bytes: u64 = release.objects().iter().map(|object| object.size_bytes).sum();
        let result = json!({
            "meta": {
                "id": id,
                "count": release.row_count(),
                "size": bytes,
                "db_size": bytes,
                "idx_size": 0,
                "table_type": "BASE TABLE",
                "aliases": [],
                "version": release.version(),
            },
            "fields": fields,
            "schema": schema,
            "aliases": [],
        });
        let mut response = HttpResponse::Ok();
        describe(&mut response, self.app, &release);
        Ok(response.content_type(CONTENT).body(json!({ "help": self.help, "success": true, "result": result }).to_string()))
    }

    async fn search_sql(&self, params: &Params) -> Result<HttpResponse, Fault> {
        params.only(&["sql"])?;
        let text = params.needed("sql")?;
        let (key, limits) = self.limits().await?;
        let bounds = Bounds {
            rows: limits.query_rows.min(MOST_ROWS),
            bytes: limits.query_bytes.min(MOST_SQL_BYTES),
            time: Duration::from_secs(limits.query_seconds),
        };
        let _place = self.app.limits.query(&key)?;
        let checked = sql::check(&self.app.engine, text.clone(), bounds.time).await?;
        let (mut tables, mut watches) = (Vec::new(), Vec::new());
        for table in &checked.tables {
            let Opened { release, watch } = self.open(&table.slug, table.version).await?;
            tables.push((table.clone(), release));
            watches.push(watch);
        }
        let answer = sql::run(&self.app.engine, checked.numbered(), tables.clone(), bounds, Encoding::Json).await?;
        let (rows, mut told) = (answer.rows, 0);
        let more_rows = move || {
            let now = rows.load(Ordering::Relaxed);
            now - std::mem::replace(&mut told, now)
        };
        // It is bounded by the bytes of the tier.
        let pieces: Vec<web::Bytes> = watched(watches, answer.body, more_rows).try_collect().await?;
        let body = self.sql_result(text, &pieces.concat())?;
        self.app.usage.add(&key, body.len() as u64);
        let mut response = HttpResponse::Ok();
        response.insert_header((actix_web::http::header::CACHE_CONTROL, "private, no-store"));
        tables.iter().for_each(|(_, release)| cite(&mut response, self.app, release));
        Ok(response.content_type(CONTENT).body(body))
    }

    /// The answer of the SQL reader in CKAN's shape, its rows as they are.
    fn sql_result(&self, text: String, answered: &[u8]) -> Result<Vec<u8>, Fault> {
        let SqlAnswer { fields, rows, truncated } = serde_json::from_slice(answered).map_err(Error::from)?;
        let fields: Vec<Value> = fields.iter().map(|column| json!({ "id": column.name, "type": type_named(&column.kind) })).collect();
        let mut result = Map::new();
        result.insert("sql".to_owned(), text.into());
        result.insert("fields".to_owned(), fields.into());
        if truncated {
            result.insert("records_truncated".to_owned(), true.into());
        }
        let mut body = self.head(result)?;
        body.extend_from_slice(rows.get().as_bytes());
        body.extend_from_slice(b"}}");
        Ok(body)
    }
}

/// A column of it.
#[derive(Deserialize)]
struct SqlColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// What the SQL reader answers.
#[derive(Deserialize)]
struct SqlAnswer<'a> {
    fields: Vec<SqlColumn>,
    #[serde(borrow)]
    rows: &'a RawValue,
    truncated: bool,
}

/// The envelope with the records of a page.
fn whole(mut head: Vec<u8>, page: &NumberedPage, layout: Layout, most: u64) -> Result<Vec<u8>, Error> {
    let records = page.records(layout, most)?;
    match layout {
        Layout::Objects | Layout::Lists => {
            head.push(b'[');
            head.extend(records);
            head.push(b']');
        }
        Layout::Csv | Layout::Tsv | Layout::Xml => head.extend(serde_json::to_vec(&String::from_utf8_lossy(&records))?),
    }
    head.extend_from_slice(b"}}");
    Ok(head)
}

impl Wish {
    /// What an answer says beside its records.
    fn result(&self, page: &NumberedPage, params: &Params, version: i32) -> Map<String, Value> {
        let mut result = self.echo.clone();
        let mut add = |name: &str, value: Value| {
            result.insert(name.to_owned(), value);
        };
        add("resource_id", self.resource.as_str().into());
        add("fields", page.fields.iter().map(column).collect());
        // Of CKAN's clients none knows this: the version of which these are the rows. With it as a parameter all pages are of one.
        add("version", version.into());
        if let Some(total) = page.total.filter(|_| self.counted) {
            add("total", total.into());
            add("total_was_estimated", false.into());
        }
        if let Some(next) = page.next.filter(|_| self.next_page) {
            add("next_page", self.filters_of(next));
        }
        add("_links", self.links(params, version));
        result
    }
}

impl Wish {
    /// The filters by which the next page begins. Whoever puts them over those of this page loses none: what these say of the number is said again.
    fn filters_of(&self, next: Next) -> Value {
        let mut number = match self.echo.get("filters").and_then(|filters| filters.get(numbered::NUMBER)) {
            Some(Value::Object(compared)) => compared.clone(),
            Some(Value::Array(values)) => Map::from_iter([("in".to_owned(), values.clone().into())]),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => Map::new(),
        };
        match next {
            Next::Above(last) => number.insert("gt".to_owned(), last.into()),
            Next::Below(last) => number.insert("lt".to_owned(), last.into()),
        };
        json!({ numbered::NUMBER: number })
    }
}

/// A column of an answer.
fn column(field: &Field) -> Value {
    if field.name == numbered::NUMBER {
        return json!({ "id": field.name, "type": type_of(field.field_type) });
    }
    json!({ "id": field.name, "type": type_of(field.field_type), "info": words_of(field) })
}

/// A column as `datastore_info` tells it.
fn described(field: &Field) -> Value {
    let kind = type_of(field.field_type);
    let schema = json!({ "notnull": false, "native_type": kind, "index_name": Value::Null, "is_index": false, "uniquekey": false });
    json!({ "id": field.name, "type": kind, "schema": schema, "info": words_of(field) })
}

/// What CKAN calls the data dictionary.
fn words_of(field: &Field) -> Value {
    let notes = field.description.as_ref().map_or("", |description| description.zh.as_str());
    let notes_en = field.description.as_ref().map_or("", |description| description.en.as_str());
    let (label, label_en) = (&field.title.zh, &field.title.en);
    json!({ "label": label, "label_en": label_en, "notes": notes, "notes_en": notes_en, "unit": field.unit, "type_override": "" })
}

/// A type by CKAN's name for it.
fn type_of(kind: Option<FieldType>) -> &'static str {
    match kind.unwrap_or(FieldType::String) {
        FieldType::String => "text",
        FieldType::Integer => "int",
        FieldType::Decimal | FieldType::Number => "numeric",
        FieldType::Boolean => "bool",
        FieldType::Date => "date",
        FieldType::Datetime => "timestamp",
        FieldType::Geometry => "json",
    }
}

/// The type of a column of SQL by CKAN's name for it; one that no field has keeps its own.
fn type_named(name: &str) -> &str {
    let kinds = [
        FieldType::String,
        FieldType::Integer,
        FieldType::Decimal,
        FieldType::Number,
        FieldType::Boolean,
        FieldType::Date,
        FieldType::Datetime,
        FieldType::Geometry,
    ];
    kinds.into_iter().find(|kind| kind.as_str() == name).map_or(name, |kind| type_of(Some(kind)))
}

/// The columns of a release with the number first, for whoever writes a head before the rows are there.
fn columns(release: &Release, names: Option<&[String]>) -> Result<Vec<Field>, Error> {
    let known = numbered_fields(release)?;
    Ok(match names {
        None => known,
        Some(names) => names.iter().filter_map(|name| known.iter().find(|field| field.name == *name).cloned()).collect(),
    })
}
