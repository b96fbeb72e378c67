//! What a SQL text may be: one SELECT over datasets. Everything else is refused here, by its syntax tree, before the engine
//! plans anything.

use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, Select, SetExpr, Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::sandbox::Sandbox;
use super::{functions, patterns};
use crate::error::{Error, Result};

/// The longest text that is read.
pub const MAX_BYTES: usize = 64 << 10;

/// The most words and signs.
const MAX_TOKENS: usize = 10_000;

/// How deep it may be nested.
const MAX_DEPTH: usize = 50;

/// How many operators and calls may stand within one another, with those of a chain such as `a + b + c`: the engine walks them one
/// inside the other.
const MAX_CHAIN: usize = 200;

/// The most SELECTs, with those of subqueries and unions.
const MAX_SELECTS: usize = 64;

/// The most datasets.
const MAX_TABLES: usize = 16;

/// The longest text literal: one for each row of a batch is made of it.
const MAX_LITERAL: usize = 4 << 10;

/// The most calls of functions that make long texts out of short ones.
pub(crate) const MAX_GROWING: usize = 10;

/// A dataset as a query names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// As it stands in the query, without quotes.
    pub name: String,
    /// The dataset.
    pub slug: String,
    /// The version, where one is named.
    pub version: Option<i32>,
}

/// A query that may be planned.
#[derive(Debug)]
pub struct Checked {
    pub(super) statement: EngineStatement,
    /// The rules of the sandbox, where it is answered by them.
    pub(super) sandbox: Option<Sandbox>,
    /// Whether its tables have the numbers of their rows as a first column.
    pub(super) numbered: bool,
    /// The datasets that it reads.
    pub tables: Vec<TableName>,
}

impl Checked {
    /// The query as it is answered in the sandbox, or as it stands without one.
    ///
    /// # Errors
    /// When it reads more than one dataset, and there is a sandbox.
    pub fn within(self, sandbox: Option<Sandbox>) -> Result<Self> {
        if sandbox.is_some() && self.tables.len() > 1 {
            return Err(wrong("the grant is for the sandbox, where a query reads one dataset"));
        }
        Ok(Checked { sandbox, ..self })
    }

    /// The same query over tables that have the numbers of their rows as a first column.
    #[must_use]
    pub fn numbered(self) -> Self {
        Checked { numbered: true, ..self }
    }
}

pub(super) fn wrong(detail: impl Into<String>) -> Error {
    Error::invalid("/sql", detail)
}

/// Reads a text and checks that it is one SELECT over datasets.
///
/// # Errors
/// Says what is wrong, and where it can be told.
pub fn check(text: &str) -> Result<Checked> {
    if text.len() > MAX_BYTES {
        return Err(wrong(format!("the query is longer than {MAX_BYTES} bytes")));
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    let words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count();
    if words > MAX_TOKENS {
        return Err(wrong(format!("the query has {words} words and signs; the most is {MAX_TOKENS}")));
    }
    let mut parser = Parser::new(&dialect).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens);
    let mut statements = parser.parse_statements().map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
        return Err(wrong("give exactly one SELECT"));
    };
    if !matches!(statement, Statement::Query(_)) {
        return Err(wrong(format!("`{}` is not allowed; give one SELECT", first_word(&statement))));
    }
    let mut walk = Walk::default();
    if let ControlFlow::Break(error) = statement.visit(&mut walk) {
        return Err(error);
    }
    let statement = EngineStatement::Statement(Box::new(statement));
    let (references, _) = resolve_table_references(&statement, true).map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    let tables = references.iter().map(table_name).collect::<Result<Vec<_>>>()?;
    if tables.len() > MAX_TABLES {
        return Err(wrong(format!("the query reads {} datasets; the most is {MAX_TABLES}", tables.len())));
    }
    Ok(Checked { statement, sandbox: None, numbered: false, tables })
}

fn first_word(statement: &Statement) -> String {
    statement.to_string().split_whitespace().next().unwrap_or_default().to_uppercase()
}

/// `slug`, or `slug@3` for a version.
fn table_name(reference: &TableReference) -> Result<TableName> {
    let TableReference::Bare { table } = reference else {
        return Err(wrong(format!("`{reference}` is no dataset: name one by its slug, in double quotes where it has hyphens")));
    };
    let (slug, version) = match table.split_once('@') {
        None => (table.as_ref(), None),
        Some((slug, number)) => {
            let version = number.parse::<i32>().ok().filter(|version| *version > 0 && version.to_string() == number);
            let version = version.ok_or_else(|| wrong(format!("`{table}` names no version: write \"{slug}@1\" for the first")))?;
            (slug, Some(version))
        }
    };
    let is_slug = !slug.is_empty() && slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_slug {
        return Err(wrong(format!("`{table}` is no slug of a dataset: these have lower-case letters, digits and hyphens")));
    }
    Ok(TableName { name: table.to_string(), slug: slug.to_owned(), version })
}

#[derive(Default)]
struct Walk {
    selects: usize,
    growing: usize,
    patterns: usize,
    depth: usize,
}

impl Walk {
    fn growing(&mut self) -> ControlFlow<Error> {
        self.growing += 1;
        if self.growing > MAX_GROWING {
            return refuse(format!("the query joins or repeats texts more than {MAX_GROWING} times"));
        }
        ControlFlow::Continue(())
    }

    fn pattern(&mut self) -> ControlFlow<Error> {
        self.patterns += 1;
        if self.patterns > patterns::MAX_PATTERNS {
            return refuse(format!("the query has more than {} regular expressions", patterns::MAX_PATTERNS));
        }
        ControlFlow::Continue(())
    }

    /// A pattern behind an operator.
    fn operand(&mut self, expr: &Expr) -> ControlFlow<Error> {
        let mut expr = expr;
        while let Expr::Nested(inner) = expr {
            expr = inner;
        }
        let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = expr else {
            return refuse(patterns::ONE);
        };
        match patterns::fault(text) {
            Some(fault) => refuse(fault),
            None => self.pattern(),
        }
    }
}

fn refuse(detail: impl Into<String>) -> ControlFlow<Error> {
    ControlFlow::Break(wrong(detail))
}

impl Visitor for Walk {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return refuse("WITH RECURSIVE is not allowed: it may have no end");
        }
        let plain = query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        if !plain {
            return refuse("FOR UPDATE, FOR XML, SETTINGS, FORMAT and |> are not allowed");
        }
        body(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        self.selects += 1;
        if self.selects > MAX_SELECTS {
            return refuse(format!("the query has more than {MAX_SELECTS} SELECTs"));
        }
        if select.into.is_some() {
            return refuse("SELECT INTO is not allowed");
        }
        if !select.lateral_views.is_empty() || select.prewhere.is_some() || !select.connect_by.is_empty() {
            return refuse("LATERAL VIEW, PREWHERE and CONNECT BY are not allowed");
        }
        ControlFlow::Continue(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "of the parser's many forms a few are allowed, and every other one is refused")]
    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::Table { args: Some(_), name, .. } => {
                refuse(format!("`{name}(…)` is not allowed: functions stand for no table here"))
            }
            TableFactor::Table { version: None, sample: None, json_path: None, with_ordinality: false, with_hints, partitions, .. }
                if with_hints.is_empty() && partitions.is_empty() =>
            {
                ControlFlow::Continue(())
            }
            TableFactor::Derived { sample: None, .. } | TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            other => refuse(format!("`{other}` is not allowed in FROM; use datasets and subqueries")),
        }
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Error> {
        match value.value.clone().into_string() {
            Some(text) if text.len() > MAX_LITERAL => refuse(format!("a text of the query is longer than {MAX_LITERAL} bytes")),
            _ => ControlFlow::Continue(()),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not named here is for the planner to accept or not")]
    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        self.depth += 1;
        if self.depth > MAX_CHAIN {
            return refuse(format!("more than {MAX_CHAIN} operators stand within one another; use IN for long lists"));
        }
        match expr {
            Expr::BinaryOp { op: BinaryOperator::StringConcat, .. } => self.growing(),
            Expr::BinaryOp { op, right, .. } if patterns::is_operator(op) => self.operand(right),
            Expr::SimilarTo { pattern, .. } | Expr::RLike { pattern, .. } => self.operand(pattern),
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                match name.trim_matches('"') {
                    name if functions::is_growing(name) => self.growing(),
                    name if patterns::is_function(name) => self.pattern(),
                    _ => ControlFlow::Continue(()),
                }
            }
            Expr::Overlay { .. } => refuse("OVERLAY is not allowed; use substr and ||"),
            Expr::Array(_) | Expr::Map(_) | Expr::Dictionary(_) | Expr::Struct { .. } | Expr::Tuple(_) => {
                refuse(format!("`{expr}` is not allowed: values are texts, numbers, dates and the like, and no lists"))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// A SELECT, values, or such joined by UNION and the like.
fn body(expr: &SetExpr) -> ControlFlow<Error> {
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        match expr {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
            SetExpr::SetOperation { left, right, .. } => pending.extend([&**left, &**right]),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return refuse("INSERT, UPDATE, DELETE and MERGE are not allowed; give one SELECT");
            }
            SetExpr::Table(_) => return refuse("TABLE is not allowed; write SELECT * FROM"),
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        check(text).unwrap().tables.into_iter().map(|table| format!("{}:{}:{:?}", table.name, table.slug, table.version)).collect()
    }

    #[test]
    fn datasets_are_those_that_are_named() {
        assert_eq!(names("select 1"), [""; 0]);
        assert_eq!(names("SELECT * FROM Lineitem"), ["lineitem:lineitem:None"]);
        assert_eq!(names(r#"select * from "a-b@3" x join c on true -- from d"#), ["a-b@3:a-b:Some(3)", "c:c:None"]);
        assert_eq!(
            names("with t as (select * from a) select * from t union all select (select max(x) from b) from t"),
            ["a:a:None", "b:b:None"]
        );
    }

    #[test]
    fn whatever_else_is_refused() {
        let deep = format!("select {}1{}", "(".repeat(4000), ")".repeat(4000));
        let long = format!("select '{}'", "x".repeat(70_000));
        let words = format!("select 1{}", "+1".repeat(6000));
        let chain = format!("select 1{}", "+1".repeat(600));
        let unions = format!("select 1{}", " union all select 1".repeat(70));
        let literal = format!("select '{}'", "x".repeat(5_000));
        let joined = format!("select 'a'{}", "||'a'".repeat(40));
        let cases = [
            ("", "exactly one"),
            ("select 1; select 2", "exactly one"),
            ("drop table a", "`DROP` is not allowed"),
            ("create table a as select 1", "`CREATE` is not allowed"),
            ("create external table a stored as csv location '/etc/passwd'", "cannot be read"),
            ("insert into a values (1)", "`INSERT` is not allowed"),
            ("update a set b = 1", "`UPDATE` is not allowed"),
            ("delete from a", "`DELETE` is not allowed"),
            ("copy a to '/tmp/x'", "`COPY` is not allowed"),
            ("explain select 1", "`EXPLAIN` is not allowed"),
            ("show tables", "`SHOW` is not allowed"),
            ("set x = 1", "`SET` is not allowed"),
            ("with recursive t as (select 1 union all select * from t) select * from t", "RECURSIVE"),
            ("select * into b from a", "INTO"),
            ("select * from read_csv('/etc/passwd')", "functions stand for no table"),
            ("select * from generate_series(1, 1000000000)", "functions stand for no table"),
            ("select * from table(f(1))", "not allowed"),
            ("select * from unnest([1,2])", "not allowed"),
            ("select * from '/etc/passwd'", "slug"),
            ("select * from \"file:///etc/passwd\"", "slug"),
            ("select * from information_schema.tables", "is no dataset"),
            ("select * from \"a@0\"", "no version"),
            ("select * from \"a@01\"", "no version"),
            ("select * from \"a\"\"b\"", "slug"),
            ("select * from a for update", "FOR UPDATE"),
            ("select overlay('a' placing 'b' from 1)", "OVERLAY"),
            ("select [1,2]", "no lists"),
            ("with t as (delete from a returning *) select * from t", "not allowed"),
            ("table a", "cannot be read"),
            ("select 1 union table a", "not allowed"),
            (literal.as_str(), "a text of the query"),
            (deep.as_str(), "cannot be read"),
            (long.as_str(), "longer than"),
            (words.as_str(), "words and signs"),
            (chain.as_str(), "within one another"),
            (unions.as_str(), "SELECTs"),
            (joined.as_str(), "more than"),
        ];
        for (text, wanted) in cases {
            let message = check(text).map(|_| ()).expect_err(text).to_string();
            assert!(message.contains(wanted), "{text:.80}: {message:.300}");
        }
    }
}
