//! Makes the release of a version for a grant: one engine plan that keeps, hashes and generalises as the policy says.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::functions::datetime::expr_fn::date_part;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarUDF, Volatility, cast as cast_expr, create_udf, ident, lit};
use datafusion::parquet::arrow::ArrowWriter;
use futures::StreamExt;

use super::store::{self, NewRelease};
use crate::access::grants::Grant;
use crate::catalog::{Policy, PolicyField, ReleaseRule, Version};
use crate::crypto::{HmacKey, MasterKey};
use crate::db::Db;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::intake::writer_properties;
use crate::storage::{Scratch, Storage};

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
    let table = engine.table(&version.object).await?;
    let plan = apply(table, &grant.policy, &key)?;
    let scratch = storage.scratch()?;
    let (scratch, row_count) = engine.run(None, write(plan, scratch)).await?;
    let object = storage.keep(scratch, "parquet").await?;
    let (slug, receiver) = (grant.dataset.clone(), grant.id.clone());
    db.write(move |conn| {
        let new = NewRelease { version: &version, receiver: &receiver, fields: &fields, object: &object, row_count };
        store::add(conn, &slug, &new)
    })
    .await
}

fn apply(table: DataFrame, policy: &Policy, key: &HmacKey) -> Result<DataFrame> {
    let expressions = policy.fields.iter().map(|field| expression(field, key)).collect::<Result<Vec<_>>>()?;
    Ok(table.select(expressions)?)
}

fn expression(field: &PolicyField, key: &HmacKey) -> Result<Expr> {
    let column = ident(&field.name);
    let expression = match field.rule {
        ReleaseRule::Keep => column,
        ReleaseRule::Pseudonym => pseudonym(key.clone()).call(vec![cast_expr(column, DataType::Utf8)]),
        ReleaseRule::Year => cast_expr(date_part(lit("year"), column), DataType::Int64),
        ReleaseRule::Drop => return Err(Error::internal(anyhow::anyhow!("a dropped field in a policy"))),
    };
    Ok(expression.alias(&field.name))
}

/// A function that replaces each value by its keyed hash; a missing value stays missing.
fn pseudonym(key: HmacKey) -> ScalarUDF {
    let hash = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let texts = cast(&arrays[0], &DataType::Utf8)?;
        let texts = texts
            .as_any()
            .downcast_ref::<StringArray>()
            .ok_or_else(|| datafusion::error::DataFusionError::Internal("a pseudonym is made of text".to_owned()))?;
        let hashed: StringArray =
            texts.iter().map(|text| text.map(|text| key.hex(text.as_bytes())[..PSEUDONYM_CHARS].to_owned())).collect();
        Ok(ColumnarValue::Array(Arc::new(hashed) as ArrayRef))
    };
    create_udf("pseudonym", vec![DataType::Utf8], DataType::Utf8, Volatility::Immutable, Arc::new(hash))
}

async fn write(plan: DataFrame, scratch: Scratch) -> Result<(Scratch, i64)> {
    let mut rows = plan.execute_stream().await?;
    let mut writer = ArrowWriter::try_new(scratch.writer()?, rows.schema(), Some(writer_properties())).map_err(Error::internal)?;
    let mut row_count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        row_count += batch.num_rows() as i64;
        writer.write(&batch).map_err(Error::internal)?;
    }
    writer.close().map_err(Error::internal)?;
    Ok((scratch, row_count))
}
