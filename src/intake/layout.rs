//! How Parquet files of the service are laid out: row groups of a bounded size, pages with an index, statistics, dictionaries, and
//! bloom filters for columns whose single values are looked up.

use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use datafusion::parquet::schema::types::ColumnPath;

use super::{Declared, FieldType};

/// Rows of one row group: few enough to be skipped by their statistics.
const ROW_GROUP_ROWS: usize = 262_144;

/// Encoded bytes of one row group.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// The share of look-ups that a bloom filter lets through for nothing.
const BLOOM_FALSE: f64 = 0.01;

/// Ends of the names of columns that hold identifiers.
const IDENTIFIERS: &[&str] = &["id", "code", "no", "编号", "编码", "代码"];

fn builder() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_created_by("qingdan".to_owned())
}

/// How every Parquet file of the service is written.
pub fn writer_properties() -> WriterProperties {
    builder().build()
}

/// How a Parquet file with these columns is written: those of the key and those that hold identifiers have bloom filters.
pub fn properties_for(columns: &[Declared]) -> WriterProperties {
    let looked_up = |column: &&Declared| {
        let name = column.name.to_lowercase();
        let text = column.field_type == Some(FieldType::String);
        column.field_type != Some(FieldType::Geometry) && (column.key || (text && IDENTIFIERS.iter().any(|end| name.ends_with(end))))
    };
    let with_bloom = |properties: WriterPropertiesBuilder, column: &Declared| {
        let path = ColumnPath::new(vec![column.name.clone()]);
        properties.set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE).set_column_bloom_filter_max_ndv(path, ROW_GROUP_ROWS as u64)
    };
    columns.iter().filter(looked_up).fold(builder(), with_bloom).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_keys_have_bloom_filters() {
        let column =
            |name: &str, field_type, key| Declared { name: name.to_owned(), field_type: Some(field_type), key, ..Declared::default() };
        let columns = [
            column("visit_id", FieldType::String, false),
            column("n", FieldType::Integer, true),
            column("count_id", FieldType::Integer, false),
            column("name", FieldType::String, false),
        ];
        let properties = properties_for(&columns);
        let has = |name: &str| properties.bloom_filter_properties(&ColumnPath::new(vec![name.to_owned()])).is_some();
        assert_eq!(["visit_id", "n", "count_id", "name"].map(has), [true, true, false, false]);
    }
}
