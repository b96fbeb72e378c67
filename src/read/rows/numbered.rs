//! Rows of a release by their numbers: the place of a row in the release, from 1 on, which is the same for as long as the version is.
//! It is not kept in the files: the reader knows where in its file a row lies, also when a condition leaves out all those before it.
//!
//! A page begins at a number, so that no page costs more than the first. Only with a condition and an `offset` the rows that are
//! left out have to be counted, and only in another order than that of the numbers they have to be sorted.

mod filter;
mod page;
mod stream;
mod write;

use std::ops::Range;
use std::sync::Arc;

use datafusion::logical_expr::{Expr, SortExpr, ident};
use datafusion::prelude::{DataFrame, SessionContext};

pub use filter::{Comparison, Filter};
pub use page::{Next, NumberedPage, numbered_page as page};
pub use stream::{NumberedStream, numbered_stream as stream};
pub use write::Layout;

use crate::catalog::{Field, FieldType, Text, unknown_field};
use crate::engine::{Engine, Piece, ReleaseTable, Texts, row_number};
use crate::error::{Error, Result};
use crate::release::Release;

/// The name of the number among the columns.
pub const NUMBER: &str = "_id";

/// What a row is ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The field, or [`NUMBER`].
    pub field: String,
    /// From the smallest on.
    pub ascending: bool,
    /// Whether missing values come first.
    pub nulls_first: bool,
}

/// What is asked of a release.
#[derive(Debug, Clone, Default)]
pub struct NumberedQuery {
    /// What has to hold of a row, all of it.
    pub filters: Vec<Filter>,
    /// The columns; without any, the number and all fields.
    pub columns: Option<Vec<String>>,
    /// The order; without any, that of the numbers.
    pub order: Vec<Sort>,
    /// Whether rows that are the same in all columns are one.
    pub distinct: bool,
    /// How many rows are left out.
    pub offset: u64,
    /// How many rows there are at the most.
    pub limit: Option<u64>,
}

/// The fields of a release with the number before them.
///
/// # Errors
/// When the release has a field of that name itself: then its rows have no numbers.
pub fn numbered_fields(release: &Release) -> Result<Vec<Field>> {
    if !is_numbered(release.fields()) {
        return Err(Error::not_found("table with row numbers for dataset", &release.dataset().slug));
    }
    let title = Text { zh: "行号".to_owned(), en: "Row number".to_owned() };
    let number = Field::plain(NUMBER, Some(FieldType::Integer), None, title);
    Ok(std::iter::once(number).chain(release.fields().iter().cloned()).collect())
}

/// Whether rows with these fields can have numbers.
pub fn is_numbered(fields: &[Field]) -> bool {
    !fields.iter().any(|field| field.name == NUMBER)
}

/// How the rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In the order of the numbers.
    ByNumber,
    /// From the last number to the first.
    Backwards,
    /// Sorted by fields.
    Sorted,
    /// Each once, by all columns.
    Distinct,
}

/// A query that was read.
struct Plan {
    table: ReleaseTable,
    /// The columns of the answer, as fields and as what is computed.
    fields: Vec<Field>,
    columns: Vec<Expr>,
    /// The rows that the query is about, from 0 on, and what else has to hold of them.
    rows: Range<u64>,
    condition: Option<Expr>,
    way: Way,
    order: Vec<SortExpr>,
}

/// A column as it is computed.
fn column(name: &str) -> Expr {
    if name == NUMBER { row_number() } else { ident(name) }
}

async fn plan(engine: &Engine, release: &Release, query: &NumberedQuery) -> Result<Plan> {
    let known = numbered_fields(release)?;
    let find = |parameter: &'static str, name: &str| {
        let found = known.iter().find(|field| field.name == name);
        found.ok_or_else(|| Error::invalid(parameter, unknown_field(name, &known)))
    };
    let fields = match &query.columns {
        None => known.clone(),
        Some(names) => names.iter().map(|name| find("fields", name).cloned()).collect::<Result<Vec<_>>>()?,
    };
    for (at, field) in fields.iter().enumerate() {
        if fields[..at].iter().any(|other| other.name == field.name) {
            return Err(Error::invalid("fields", format!("the field `{}` is named twice", field.name)));
        }
    }
    query.order.iter().try_for_each(|sort| find("sort", &sort.field).map(|_known| ()))?;
    let table = engine.open(&release.objects(), Texts::Plain).await?;
    let (rows, condition) = filter::plan(&query.filters, &known, table.rows())?;
    let columns = fields.iter().map(|field| column(&field.name).alias(field.name.as_str())).collect();
    let (way, order) = way(query, &fields)?;
    Ok(Plan { table, fields, columns, rows, condition, way, order })
}

/// In which way the rows come, and in which order where they have to be sorted.
fn way(query: &NumberedQuery, fields: &[Field]) -> Result<(Way, Vec<SortExpr>)> {
    let sort = |sort: &Sort, column: Expr| column.sort(sort.ascending, sort.nulls_first);
    // Two rows with one number are the same row: nothing behind it changes anything.
    let decided = query.order.iter().position(|sort| sort.field == NUMBER).map_or(query.order.len(), |at| at + 1);
    let order = &query.order[..decided];
    if query.distinct && !fields.iter().any(|field| field.name == NUMBER) {
        if let Some(other) = order.iter().find(|sort| !fields.iter().any(|field| field.name == sort.field)) {
            return Err(Error::invalid("sort", format!("with `distinct`, `{}` has to be one of `fields`", other.field)));
        }
        let all = fields.iter().filter(|field| !order.iter().any(|sort| sort.field == field.name));
        let rest = all.map(|field| ident(&field.name).sort(true, false));
        let order = order.iter().map(|one| sort(one, ident(&one.field))).chain(rest).collect();
        return Ok((Way::Distinct, order));
    }
    let by_number = row_number().sort(true, false);
    match order {
        [] => Ok((Way::ByNumber, Vec::new())),
        [only] if only.field == NUMBER && only.ascending => Ok((Way::ByNumber, Vec::new())),
        [only] if only.field == NUMBER => Ok((Way::Backwards, vec![sort(only, row_number())])),
        order => {
            let order = order.iter().map(|one| sort(one, column(&one.field))).chain(std::iter::once(by_number)).collect();
            Ok((Way::Sorted, order))
        }
    }
}

impl Plan {
    /// The rows in which something is looked for, one reader for each part of them.
    fn frame(&self, context: &SessionContext, pieces: &[Piece], partitions: usize) -> Result<DataFrame> {
        let rows = context.read_table(Arc::new(self.table.clone().numbered(pieces, partitions)))?;
        match &self.condition {
            Some(condition) => Ok(rows.filter(condition.clone())?),
            None => Ok(rows),
        }
    }

    /// How many rows there are, where that follows from their numbers.
    fn known_total(&self) -> Option<u64> {
        (self.condition.is_none() && self.way != Way::Distinct).then(|| self.rows.end - self.rows.start)
    }
}

/// A session whose readers keep to their pieces: nothing may split these.
fn context(engine: &Engine, partitions: usize) -> SessionContext {
    let mut config = engine.config(partitions.max(1));
    config.options_mut().optimizer.repartition_file_scans = false;
    SessionContext::new_with_config_rt(config, engine.query_env())
}

/// All rows of a release with their numbers, for a session of its own.
///
/// # Errors
/// When the release has a field with the name of the number.
pub fn numbered_view(engine: &Engine, context: &SessionContext, table: ReleaseTable, release: &Release) -> Result<DataFrame> {
    let columns: Vec<Expr> = numbered_fields(release)?.iter().map(|field| column(&field.name).alias(field.name.as_str())).collect();
    let pieces = table.pieces_of(&(0..table.rows()));
    Ok(context.read_table(Arc::new(table.numbered(&pieces, engine.cores())))?.select(columns)?)
}
