//! The rows of a release made once more, those that it left out among them: for finding out whose release a copy comes from.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BinaryArray, BooleanArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::ident;
use futures::StreamExt;

use super::materialise::Maker;
use super::plan::{LEFT_OUT, Plan, SUBJECT};
use super::store;
use super::transform::{self, Holder, Keys, MARK};
use crate::catalog::{Policy, Version};
use crate::error::{Error, Result};

/// A release that may have been copied.
pub struct Candidate<'a> {
    /// The dataset, by slug.
    pub slug: &'a str,
    /// The policy that was applied.
    pub policy: &'a Policy,
    /// Whose keys were used.
    pub holder: &'a Holder,
    /// The grant whose release of the version says how coarse its fields are.
    pub grant: &'a str,
    /// The version.
    pub version: Version,
}

/// Some rows of it.
pub struct CandidateRows {
    /// The columns that were asked for, as texts; none where the release has no such column.
    pub columns: Vec<Option<StringArray>>,
    /// Whom each row is about, where the policy speaks of subjects.
    pub subjects: StringArray,
    /// What tells the rows of a version apart.
    pub marks: BinaryArray,
    /// Whether the release left them out.
    pub left_out: BooleanArray,
}

impl Maker<'_> {
    /// Goes through the rows of a release and those that it left out. They go nowhere but to `look`.
    ///
    /// # Errors
    /// When the version cannot be read, or the policy does not fit it.
    pub async fn each_row<T: Send + 'static>(
        &self,
        candidate: Candidate<'_>,
        columns: Vec<String>,
        mut found: T,
        look: impl Fn(&mut T, &CandidateRows) + Send + 'static,
    ) -> Result<T> {
        let policy = candidate.policy.for_version(&candidate.version.fields)?;
        let keys = Keys::of(self.master, candidate.holder);
        let (grant, version_id) = (candidate.grant.to_owned(), candidate.version.id.clone());
        let floor = self.db.read(move |conn| store::levels_of_version(conn, &grant, &version_id)).await?;
        let (engine, storage) = (Arc::clone(self.engine), self.storage.clone());
        let (slug, version) = (candidate.slug.to_owned(), candidate.version);
        let reading = async move {
            let plan =
                Plan { engine: &engine, storage: &storage, slug: &slug, version: &version, policy: &policy, keys: &keys, floor: &floor };
            let (rows, fields, base) = plan.with_left_out().await?;
            let known: Vec<bool> = columns.iter().map(|name| fields.iter().any(|field| field.name == *name)).collect();
            let mut outputs = Vec::new();
            for name in columns.iter().zip(&known).filter_map(|(name, known)| known.then_some(name)) {
                let data_type = rows.schema().field_with_unqualified_name(name)?.data_type().clone();
                outputs.push(transform::as_text(ident(name), &data_type).alias(name));
            }
            let subject_type = rows.schema().field_with_unqualified_name(SUBJECT)?.data_type().clone();
            outputs.push(transform::as_text(ident(SUBJECT), &subject_type).alias(SUBJECT));
            outputs.extend([ident(MARK), ident(LEFT_OUT)]);
            let mut stream = rows.select(outputs)?.execute_stream().await?;
            while let Some(batch) = stream.next().await {
                look(&mut found, &rows_of(&batch?, &known)?);
            }
            drop(base);
            Ok(found)
        };
        self.engine.run(None, reading).await
    }
}

fn rows_of(batch: &RecordBatch, known: &[bool]) -> Result<CandidateRows> {
    let missing = || Error::internal(anyhow::anyhow!("a candidate without its columns"));
    let mut next = batch.columns().iter();
    let mut columns = Vec::new();
    for known in known {
        let column = if *known { Some(next.next().ok_or_else(missing)?) } else { None };
        columns.push(column.map(|column| cast(column, &DataType::Utf8)).transpose().map_err(Error::internal)?);
    }
    let columns = columns.into_iter().map(|column| column.map(|column| column.as_string::<i32>().clone())).collect();
    let subjects = cast(next.next().ok_or_else(missing)?, &DataType::Utf8).map_err(Error::internal)?.as_string::<i32>().clone();
    let (marks, flags) = (next.next().ok_or_else(missing)?, next.next().ok_or_else(missing)?);
    let marks = cast(marks, &DataType::Binary).map_err(Error::internal)?.as_binary::<i32>().clone();
    Ok(CandidateRows { columns, subjects, marks, left_out: flags.as_boolean().clone() })
}
