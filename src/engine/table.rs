//! The Parquet objects of one release as a table of the engine.
//!
//! An object never changes, so that its footer is read once and kept in the engine's cache; a table is made without listing
//! or asking the store. A table can be cut into pieces that are read one by one, and its rows can be numbered.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics, internal_err};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::{TableSchema, TableSchemaBuilder};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, ident, lit};
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion::parquet::arrow::{RowNumber, parquet_to_arrow_schema};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::storage::Object;

/// How many rows the first piece of a row group has; each further one has twice as many, so that a page near the front reads little.
const FIRST_PIECE: usize = 1 << 15;

/// The most rows of a piece, so that several readers end at about the same time.
const LARGEST_PIECE: usize = 1 << 19;

/// The columns of a numbered table that say where a row lies: how many rows the files before its own have, and how many of its file stand
/// before it. No field has a name that begins with a space.
const ROWS_BEFORE: &str = " rows before";
const ROW: &str = " row";

/// The number of a row of a numbered table: its place in the release, from 1 on.
pub fn row_number() -> Expr {
    ident(ROWS_BEFORE) + ident(ROW) + lit(1_i64)
}

/// Rows that lie together in one row group of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The object, by its place in the table.
    pub object: usize,
    /// The row group within the object.
    pub row_group: usize,
    /// The first row within the row group.
    pub start: usize,
    /// How many rows there are.
    pub rows: usize,
}

/// How the texts of a table lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// One after the other, as they are written out.
    Plain,
    /// As views: a short text lies in its row, and a long one stays where it was unpacked. They are grouped, compared and picked
    /// out with less copying.
    Views,
}

#[derive(Debug)]
struct Part {
    meta: ObjectMeta,
    /// Rows of each row group.
    row_groups: Vec<usize>,
    statistics: Arc<Statistics>,
}

/// The table of one release.
#[derive(Debug, Clone)]
pub struct ReleaseTable {
    schema: SchemaRef,
    /// The columns of the files, and with them, where rows are numbered, those that say where a row lies.
    columns: TableSchema,
    parts: Arc<Vec<Part>>,
    statistics: Statistics,
    /// Whether rows come in the order of the files, one after the other.
    ordered: bool,
    /// What each partition reads, where it is not all.
    pieces: Option<Vec<Vec<Piece>>>,
}

impl ReleaseTable {
    /// The table over objects in their order. Every object has the same columns; decimals may be wider in some than in others.
    pub(super) async fn open(env: &RuntimeEnv, objects: &[Object], texts: Texts) -> Result<Self> {
        let store = env.object_store(store_url()?)?;
        let (mut footers, mut schema) = (Vec::with_capacity(objects.len()), None);
        for object in objects {
            let meta = ObjectMeta {
                location: Path::from(object.path()),
                // The name is the digest: there is no other state than this one.
                last_modified: chrono::DateTime::UNIX_EPOCH,
                size: object.size_bytes,
                e_tag: None,
                version: None,
            };
            let cache = env.cache_manager.get_file_metadata_cache();
            let footer = DFParquetMetadata::new(store.as_ref(), &meta).with_file_metadata_cache(Some(cache)).fetch_metadata().await?;
            let own = schema_of(&footer, texts)?;
            schema = Some(match schema {
                None => own,
                Some(known) => widest(&known, &own)?,
            });
            footers.push((meta, footer));
        }
        let schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
        let part = |(meta, footer): (ObjectMeta, Arc<ParquetMetaData>)| {
            let statistics = Arc::new(DFParquetMetadata::statistics_from_parquet_metadata(&footer, &schema)?);
            let row_groups = footer.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).collect();
            Ok(Part { meta, row_groups, statistics })
        };
        let parts = footers.into_iter().map(part).collect::<Result<Vec<_>>>()?;
        let statistics = Statistics::try_merge_iter(parts.iter().map(|part| part.statistics.as_ref()), &schema)?;
        let columns = TableSchema::from(Arc::clone(&schema));
        Ok(ReleaseTable { schema, columns, parts: Arc::new(parts), statistics, ordered: false, pieces: None })
    }

    /// The same table with [`row_number`], read in these pieces, of which each of at most `partitions` readers has as many that follow one
    /// another.
    #[must_use]
    pub fn numbered(mut self, pieces: &[Piece], partitions: usize) -> Self {
        let number = |name: &str| Field::new(name, DataType::Int64, false);
        self.columns = TableSchemaBuilder::from(self.columns.file_schema())
            .with_table_partition_cols(vec![Arc::new(number(ROWS_BEFORE))])
            .with_virtual_columns(vec![Arc::new(number(ROW).with_extension_type(RowNumber))])
            .build();
        self.schema = Arc::clone(self.columns.table_schema());
        self.ordered = true;
        self.statistics = Statistics::new_unknown(&self.schema);
        let each = pieces.len().div_ceil(partitions.max(1)).max(1);
        self.pieces = Some(pieces.chunks(each).map(<[Piece]>::to_vec).collect());
        self
    }

    /// The same table, whose rows come in the order of the files.
    pub fn in_order(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// The same table, of which each partition is one of these pieces.
    pub fn in_pieces(mut self, pieces: Vec<Piece>) -> Self {
        self.pieces = Some(pieces.into_iter().map(|piece| vec![piece]).collect());
        self.ordered = true;
        // Of a part of the rows nothing is known.
        self.statistics = Statistics::new_unknown(&self.schema);
        self
    }

    /// The whole table from a row on, in pieces and in order. `None` where there is no such row.
    pub fn pieces(&self, object: usize, row_group: usize, start: usize) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        let whole = self.parts.is_empty() && (object, row_group, start) == (0, 0, 0);
        let first = self.parts.get(object).map(|part| part.row_groups.as_slice()).unwrap_or_default();
        // The place behind the last row of a row group is one too: a page may end there.
        if !whole && first.get(row_group).is_none_or(|rows| start > *rows) && !(first.is_empty() && row_group == 0 && start == 0) {
            return None;
        }
        let mut size = FIRST_PIECE;
        for (at, part) in self.parts.iter().enumerate().skip(object) {
            for (group, rows) in part.row_groups.iter().enumerate() {
                let mut from = match (at, group) {
                    place if place < (object, row_group) => continue,
                    place if place == (object, row_group) => start,
                    _ => 0,
                };
                while from < *rows {
                    let rows = size.min(*rows - from);
                    pieces.push(Piece { object: at, row_group: group, start: from, rows });
                    from += rows;
                    size = (size * 2).min(LARGEST_PIECE);
                }
            }
        }
        Some(pieces)
    }

    /// The rows from one number on to before another, where the first row is number 0, in pieces and in order.
    pub fn pieces_of(&self, rows: &Range<u64>) -> Vec<Piece> {
        let (mut pieces, mut before) = (self.pieces(0, 0, 0).unwrap_or_default(), 0_u64);
        for piece in &mut pieces {
            let (from, to) = (before, before + piece.rows as u64);
            before = to;
            // Both are within the piece, whose rows fit.
            let start = (rows.start.clamp(from, to) - from) as usize;
            let end = (rows.end.clamp(from, to) - from) as usize;
            (piece.start, piece.rows) = (piece.start + start, end.saturating_sub(start));
        }
        pieces.retain(|piece| piece.rows > 0);
        pieces
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.parts.iter().flat_map(|part| &part.row_groups).map(|rows| *rows as u64).sum()
    }

    /// How many row groups there are.
    pub fn row_groups(&self) -> u64 {
        self.parts.iter().map(|part| part.row_groups.len() as u64).sum()
    }

    fn file(&self, part: &Part) -> PartitionedFile {
        PartitionedFile::new_from_meta(part.meta.clone())
    }

    fn groups(&self) -> Vec<FileGroup> {
        match &self.pieces {
            None => {
                let files = self.parts.iter().map(|part| self.file(part).with_statistics(Arc::clone(&part.statistics)));
                vec![FileGroup::new(files.collect())]
            }
            Some(partitions) => {
                let file = |piece: &Piece| {
                    let part = self.parts.get(piece.object)?;
                    let file = self.file(part).with_extension(access(part, piece));
                    Some(if self.is_numbered() { file.with_partition_values(vec![self.rows_before(piece.object)]) } else { file })
                };
                partitions.iter().map(|pieces| FileGroup::new(pieces.iter().filter_map(file).collect())).collect()
            }
        }
    }

    fn is_numbered(&self) -> bool {
        !self.columns.virtual_columns().is_empty()
    }

    fn rows_before(&self, object: usize) -> ScalarValue {
        let rows: usize = self.parts.iter().take(object).flat_map(|part| &part.row_groups).sum();
        ScalarValue::Int64(Some(rows as i64))
    }
}

/// Which rows of an object a piece is.
fn access(part: &Part, piece: &Piece) -> ParquetAccessPlan {
    let mut plan = ParquetAccessPlan::new_none(part.row_groups.len());
    let rows = part.row_groups.get(piece.row_group).copied().unwrap_or(0);
    if piece.row_group < part.row_groups.len() {
        let behind = rows.saturating_sub(piece.start + piece.rows);
        let mut selectors = vec![RowSelector::skip(piece.start), RowSelector::select(piece.rows), RowSelector::skip(behind)];
        selectors.retain(|selector| selector.row_count > 0);
        let whole = piece.start == 0 && behind == 0;
        let access = if whole { RowGroupAccess::Scan } else { RowGroupAccess::Selection(RowSelection::from(selectors)) };
        plan.set(piece.row_group, access);
    }
    plan
}

/// The columns of a file, without what its writer noted about the file as a whole.
fn schema_of(footer: &ParquetMetaData, texts: Texts) -> Result<SchemaRef> {
    let file = footer.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
    let column = |field: &FieldRef| match (texts, field.data_type()) {
        (Texts::Views, DataType::Utf8) => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    Ok(Arc::new(Schema::new(schema.fields().iter().map(column).collect::<Vec<_>>())))
}

/// The columns of two files, with the wider one of two decimals. Columns are never taken for one another by their place alone.
fn widest(one: &SchemaRef, other: &SchemaRef) -> Result<SchemaRef> {
    let names = |schema: &SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    if names(one) != names(other) {
        return internal_err!("the files of one release have the columns {:?} and {:?}", names(one), names(other));
    }
    let wider = |(one, other): (&FieldRef, &FieldRef)| match (one.data_type(), other.data_type()) {
        (DataType::Decimal128(left, _), DataType::Decimal128(right, _)) if right > left => Arc::clone(other),
        _ => Arc::clone(one),
    };
    Ok(Arc::new(Schema::new(one.fields().iter().zip(other.fields()).map(wider).collect::<Vec<_>>())))
}

/// Whether a condition asks for single values. Then the reader does best to decode the other columns of these rows alone; with a range,
/// of which many rows are, it costs less to decode all and to filter whole batches.
#[expect(clippy::wildcard_enum_match_arm, reason = "of many forms of a condition these ask for single values")]
fn looks_up(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryExpr(both) if both.op == Operator::And => looks_up(&both.left) || looks_up(&both.right),
        Expr::BinaryExpr(same) if same.op == Operator::Eq => {
            matches!((same.left.as_ref(), same.right.as_ref()), (Expr::Column(_), Expr::Literal(..)) | (Expr::Literal(..), Expr::Column(_)))
        }
        Expr::InList(list) => !list.negated && matches!(list.expr.as_ref(), Expr::Column(_)),
        _ => false,
    }
}

/// Where the engine finds the store.
pub(super) fn store_url() -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse(super::STORE)
}

#[async_trait]
impl TableProvider for ReleaseTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut options =
            TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..TableParquetOptions::default() };
        options.global.pushdown_filters |= filters.iter().any(looks_up);
        let url = store_url()?;
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let readers = CachedParquetFileReaderFactory::new(state.runtime_env().object_store(&url)?, cache);
        let source = ParquetSource::new(self.columns.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let scan = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(self.groups())
            .with_statistics(self.statistics.clone())
            .with_preserve_order(self.ordered)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    /// The engine keeps its own filter above the scan, and takes it away where the reader does the whole of it.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        let known = matches!(self.statistics.num_rows, Precision::Exact(_));
        known.then(|| self.statistics.clone())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::col;

    use super::*;

    #[test]
    fn columns_are_never_taken_by_their_place() {
        let schema = |columns: &[(&str, u8)]| -> SchemaRef {
            let field = |(name, digits): &(&str, u8)| Field::new(*name, DataType::Decimal128(*digits, 2), true);
            Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
        };
        let first = schema(&[("a", 18), ("b", 38)]);
        let wide = widest(&first, &schema(&[("a", 38), ("b", 18)])).unwrap();
        assert_eq!(wide, schema(&[("a", 38), ("b", 38)]));
        for other in [&[("b", 18), ("a", 38)][..], &[("a", 18)], &[("a", 18), ("b", 38), ("c", 18)], &[("a", 18), ("c", 38)]] {
            assert!(widest(&first, &schema(other)).is_err(), "{other:?}");
        }
    }

    #[test]
    fn single_values_are_looked_up_and_ranges_are_scanned() {
        let (kind, count) = (|| col("kind"), || col("count"));
        for condition in [
            kind().eq(lit("a")),
            lit(3).eq(count()),
            count().gt(lit(3)).and(kind().eq(lit("a"))),
            kind().in_list(vec![lit("a"), lit("b")], false),
        ] {
            assert!(looks_up(&condition), "{condition}");
        }
        for condition in [
            count().gt(lit(3)),
            count().between(lit(1), lit(3)),
            kind().eq(col("other")),
            kind().not_eq(lit("a")),
            kind().in_list(vec![lit("a")], true),
            kind().eq(lit("a")).or(count().gt(lit(3))),
        ] {
            assert!(!looks_up(&condition), "{condition}");
        }
    }
}
