//! Makes the release of a version for a grant: one engine plan that keeps, hashes and generalises as the policy says.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::functions::datetime::expr_fn::date_part;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarUDF, Volatility, cast as cast_expr, create_udf, ident, lit};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::WriterProperties;
use futures::StreamExt;

use super::store::{self, NewRelease};
use crate::access::grants::Grant;
use crate::catalog::{self, Field, FieldType, MEMBERS_AT_ONCE, Part, Policy, PolicyField, ReleaseRule, Version};
use crate::crypto::{HmacKey, MasterKey, hex};
use crate::db::Db;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::intake::collection::PATH;
use crate::intake::geometry::{Extent, geoparquet};
use crate::intake::{Declared, properties_for};
use crate::storage::{Scratch, Storage};

/// Hexadecimal digits of a whole hash.
const HASH_CHARS: usize = 64;

/// Hexadecimal digits of a pseudonym: 128 bits, so that two values practically never meet.
const PSEUDONYM_CHARS: usize = 32;

/// Makes the release of `version` for a grant, and writes it down. Gives nobody anything: reading it takes a pass.
///
/// # Errors
/// When the version lacks a field of the policy, or making it fails; then nothing is written down.
pub async fn materialise(
    db: &Db,
    storage: &Storage,
    engine: &Arc<Engine>,
    master: &MasterKey,
    grant: &Grant,
    version: Version,
) -> Result<()> {
    let fields = grant.policy.release_fields(&version.fields)?;
    // The key is of this grant alone: the pseudonyms of two grants share no value.
    let key = master.derive(&format!("pseudonym:{}", grant.id));
    let table = engine.table(&version.objects()).await?;
    let plan = apply(table, &grant.policy, &key, master.derive(&format!("order:{}", grant.id)))?;
    let scratch = storage.scratch()?;
    let paths = hands_out_files(&grant.policy, &version).then(Vec::new);
    let (layout, geo) = layout_of(&fields);
    let Written { scratch, row_count, paths } = engine.run(None, write(plan, scratch, layout, geo, paths)).await?;
    let object = storage.keep(scratch, "parquet").await?;
    let members = match paths {
        Some(paths) => Some(copy_members(db, &version, paths).await?),
        None => None,
    };
    let (slug, receiver) = (grant.dataset.clone(), grant.id.clone());
    db.write(move |conn| {
        let new = NewRelease { version: &version, receiver: &receiver, fields: &fields, parts: &[Part { object, row_count, members }] };
        store::add(conn, &slug, &new)
    })
    .await
}

/// Whether the release of a collection hands out the files, and not only what the manifest says of them.
fn hands_out_files(policy: &Policy, version: &Version) -> bool {
    let leaving = policy.fields.iter().map(|field| (field.name.as_str(), field.rule));
    version.parts.iter().any(|part| part.members.is_some()) && catalog::files_leave(leaving)
}

/// Makes the release's own set of files: those whose rows it has. A set that no release comes to name is collected.
async fn copy_members(db: &Db, version: &Version, mut paths: Vec<String>) -> Result<String> {
    let set = catalog::new_set();
    while !paths.is_empty() {
        let piece = paths.split_off(paths.len().saturating_sub(MEMBERS_AT_ONCE));
        let (set, parts) = (set.clone(), version.parts.clone());
        db.write(move |conn| {
            let members = catalog::members_of(conn, &parts, &piece)?;
            if members.len() != piece.len() {
                return Err(Error::internal(anyhow::anyhow!("a release has rows of files that its version has not")));
            }
            catalog::put_members(conn, &set, &members)
        })
        .await?;
    }
    Ok(set)
}

/// The name of a column that no field has, since names of fields have no spaces around them.
const ORDER: &str = " order ";

/// The rows in an order of this grant's own: in the version's order, two releases could be joined row by row.
fn apply(table: DataFrame, policy: &Policy, key: &HmacKey, order: HmacKey) -> Result<DataFrame> {
    let columns: Vec<Expr> = table.schema().fields().iter().map(|field| as_text(field.name(), field.data_type())).collect();
    let schema = table.schema().clone();
    let typed = |field: &PolicyField| expression(field, schema.field_with_unqualified_name(&field.name)?.data_type(), key);
    let mut expressions = policy.fields.iter().map(typed).collect::<Result<Vec<_>>>()?;
    expressions.push(keyed_hash("order_hash", order, columns.len(), HASH_CHARS).call(columns).alias(ORDER));
    let names: Vec<Expr> = policy.fields.iter().map(|field| ident(&field.name)).collect();
    Ok(table.select(expressions)?.sort(vec![ident(ORDER).sort(true, false)])?.select(names)?)
}

/// A column as the text that is hashed; of shapes, their bytes in hexadecimal.
fn as_text(name: &str, data_type: &DataType) -> Expr {
    if !data_type.is_binary() {
        return cast_expr(ident(name), DataType::Utf8);
    }
    let to_hex = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let texts: StringArray = match arrays.first() {
            Some(bytes) => cast(bytes, &DataType::Binary)?.as_binary::<i32>().iter().map(|bytes| bytes.map(hex)).collect(),
            None => StringArray::from(Vec::<String>::new()),
        };
        Ok(ColumnarValue::Array(Arc::new(texts) as ArrayRef))
    };
    create_udf("hex_of_bytes", vec![DataType::Binary], DataType::Utf8, Volatility::Immutable, Arc::new(to_hex))
        .call(vec![cast_expr(ident(name), DataType::Binary)])
}

fn expression(field: &PolicyField, data_type: &DataType, key: &HmacKey) -> Result<Expr> {
    let column = ident(&field.name);
    let expression = match field.rule {
        ReleaseRule::Keep => column,
        ReleaseRule::Pseudonym => keyed_hash("pseudonym", key.clone(), 1, PSEUDONYM_CHARS).call(vec![as_text(&field.name, data_type)]),
        ReleaseRule::Year => cast_expr(date_part(lit("year"), column), DataType::Int64),
        ReleaseRule::Drop => return Err(Error::internal(anyhow::anyhow!("a dropped field in a policy"))),
    };
    Ok(expression.alias(&field.name))
}

/// A function that answers the keyed hash of its arguments; of one that is missing, a missing value.
fn keyed_hash(name: &str, key: HmacKey, arguments: usize, chars: usize) -> ScalarUDF {
    let hash = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let columns = arrays.iter().map(|array| cast(array, &DataType::Utf8)).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<&StringArray> = columns.iter().map(|column| column.as_string::<i32>()).collect();
        let rows = columns.first().map_or(0, |column| column.len());
        let hashed: StringArray = (0..rows).map(|row| hash_row(&key, &columns, row).map(|hash| hash[..chars].to_owned())).collect();
        Ok(ColumnarValue::Array(Arc::new(hashed) as ArrayRef))
    };
    create_udf(name, vec![DataType::Utf8; arguments], DataType::Utf8, Volatility::Immutable, Arc::new(hash))
}

/// One value is hashed as it is; several with their lengths before them, so that no two rows run into the same text.
fn hash_row(key: &HmacKey, columns: &[&StringArray], row: usize) -> Option<String> {
    if let [column] = columns {
        return column.is_valid(row).then(|| key.hex(column.value(row).as_bytes()));
    }
    let text = columns.iter().fold(String::new(), |text, column| match column.is_valid(row) {
        true => format!("{text}{}:{}", column.value(row).len(), column.value(row)),
        false => text + "-",
    });
    Some(key.hex(text.as_bytes()))
}

/// The file of a release, and the paths of its rows where they were asked for.
struct Written {
    scratch: Scratch,
    row_count: i64,
    paths: Option<Vec<String>>,
}

/// How the file of these fields is laid out, and what it says of its shapes: of those of a release nobody has looked at how far they reach.
fn layout_of(fields: &[Field]) -> (WriterProperties, Option<String>) {
    let column = |field: &Field| Declared { name: field.name.clone(), field_type: field.field_type, ..Declared::default() };
    let columns: Vec<Declared> = fields.iter().map(column).collect();
    let unknown = Extent::default();
    let shapes = columns.iter().filter(|column| column.field_type == Some(FieldType::Geometry));
    let geo = geoparquet(shapes.map(|column| (column.name.as_str(), &unknown)));
    (properties_for(&columns), geo)
}

async fn write(
    plan: DataFrame,
    scratch: Scratch,
    layout: WriterProperties,
    geo: Option<String>,
    mut paths: Option<Vec<String>>,
) -> Result<Written> {
    let mut rows = plan.execute_stream().await?;
    let mut writer = ArrowWriter::try_new(scratch.writer()?, rows.schema(), Some(layout)).map_err(Error::internal)?;
    let mut row_count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        row_count += batch.num_rows() as i64;
        if let Some(paths) = &mut paths {
            let column = batch.column_by_name(PATH).ok_or_else(|| Error::internal(anyhow::anyhow!("a manifest without paths")))?;
            let column = cast(column, &DataType::Utf8).map_err(Error::internal)?;
            paths.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        writer.write(&batch).map_err(Error::internal)?;
    }
    if let Some(geo) = geo {
        writer.append_key_value_metadata(KeyValue::new("geo".to_owned(), geo));
    }
    writer.close().map_err(Error::internal)?;
    Ok(Written { scratch, row_count, paths })
}
