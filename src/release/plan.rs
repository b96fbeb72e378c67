//! The one engine plan that a policy becomes: which rows of a version leave, and as what.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{approx_distinct, count, sum};
use datafusion::logical_expr::{Expr, ident, lit, when};
use datafusion::parquet::arrow::ArrowWriter;
use futures::StreamExt;

use super::groups::{Grouping, Way, numbers};
use super::report::{FieldReport, GroupsReport, ReleaseReport, Risk, RowsReport};
use super::transform::{self, Keys, MARK, OWN};
use crate::catalog::{self, Field, Policy, ReleaseRule, Version};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::storage::{Scratch, Storage};

/// Which eight bytes of a row's mark decide on what.
const SAMPLE_PLACE: usize = 2;
const LEAVE_OUT_PLACE: usize = 3;

/// The column that says whether a row is left out of the receiver's release.
pub(super) const LEFT_OUT: &str = " left out ";

/// The column with the subject of each row, where there are subjects.
pub(super) const SUBJECT: &str = " subject ";

const SUBJECT_MARK: &str = " subject mark ";

/// What is planned.
pub(super) struct Plan<'a> {
    pub engine: &'a Engine,
    pub storage: &'a Storage,
    pub slug: &'a str,
    pub version: &'a Version,
    /// As [`Policy::for_version`] gives it.
    pub policy: &'a Policy,
    pub keys: &'a Keys,
    /// How coarse each field is at the least.
    pub floor: &'a [usize],
}

/// The rows of a release in their order, and what became of those of the version.
pub(super) struct Planned {
    pub rows: DataFrame,
    pub fields: Vec<Field>,
    pub report: ReleaseReport,
    /// The rows before they were grouped; they are read until the release is written.
    pub base: Scratch,
}

impl Plan<'_> {
    /// Works out which rows leave and as what.
    ///
    /// # Errors
    /// When the version cannot be read, or the policy does not fit it. That k is not reached is said in the report.
    pub async fn make(&self) -> Result<Planned> {
        let table = self.engine.table(&self.version.objects()).await?;
        let columns = columns_of(&table);
        let (base, mut rows) = self.base(table.clone(), &columns).await?;
        let frame = self.engine.file(base.path()).await?;
        let grouping = self.grouping(&columns);
        let way = grouping.search(&frame).await?;
        let kept = if way.suppressed > 0 { grouping.without_small_groups(frame.clone(), &frame, &way.levels)? } else { frame.clone() };
        rows.suppressed = way.suppressed;
        rows.suppressed_share = if rows.released > 0 { way.suppressed as f64 / rows.released as f64 } else { 0.0 };
        rows.released -= way.suppressed;
        let rules = grouping.rules(&way.levels);
        let groups = self.groups(&grouping, &way, &frame, &kept).await?;
        let released = self.released(kept, &rules, &columns)?;
        let fields = self.fields(&table, &released, &way, &rules).await?;
        let report = ReleaseReport {
            dataset: self.slug.to_owned(),
            version: self.version.number,
            policy: self.policy.clone(),
            reached: way.reached,
            rows,
            fields,
            groups,
        };
        let fields = self.policy.release_fields(&self.version.fields, &rules);
        let names: Vec<Expr> = fields.iter().map(|field| ident(&field.name)).collect();
        // The rows in an order of this receiver's own: in the version's order, two releases could be joined row by row.
        let rows = released.sort(vec![ident(MARK).sort(true, false)])?.select(names)?;
        Ok(Planned { rows, fields, report, base })
    }

    fn grouping(&self, columns: &[(String, DataType)]) -> Grouping<'_> {
        let floor = self.floor.to_vec();
        Grouping { policy: self.policy, version: &self.version.fields, columns: columns.to_vec(), keys: self.keys, floor }
    }

    /// The rows of a release that was made so, with their marks, and those that it left out among them: for finding out whose release a copy
    /// comes from. `floor` is how coarse each field was.
    ///
    /// # Errors
    /// When the version cannot be read.
    pub async fn with_left_out(&self) -> Result<(DataFrame, Vec<Field>, Scratch)> {
        let table = self.engine.table(&self.version.objects()).await?;
        let columns = columns_of(&table);
        let (base, _) = self.base(table.clone(), &columns).await?;
        let grouping = self.grouping(&columns);
        let rules = grouping.rules(self.floor);
        let rows = self.sampled(self.marked(table, &columns)?, &columns)?;
        let rows = rows.with_column(LEFT_OUT, self.left_out())?;
        let frame = self.engine.file(base.path()).await?;
        let rows = if grouping.is_needed() { grouping.without_small_groups(rows, &frame, self.floor)? } else { rows };
        let fields = self.policy.release_fields(&self.version.fields, &rules);
        let mut outputs = self.outputs(&rules, &columns)?;
        let subject = self.policy.rows.subject.as_ref().or(self.shift_subject()).map(ident);
        outputs.push(subject.unwrap_or_else(|| lit("")).alias(SUBJECT));
        outputs.extend([ident(MARK), ident(LEFT_OUT)]);
        Ok((rows.select(outputs)?, fields, base))
    }

    /// The field by whose values dates are moved, where some are.
    fn shift_subject(&self) -> Option<&String> {
        self.policy.fields.iter().flat_map(|field| field.rule.subjects()).next()
    }

    /// The columns that what leaves is made of: no others are written down meanwhile.
    fn needed(&self, columns: &[(String, DataType)]) -> Vec<Expr> {
        let rows = &self.policy.rows;
        let shifted = self.policy.fields.iter().flat_map(|field| field.rule.subjects()).map(String::as_str);
        let leaving = self.policy.fields.iter().map(|field| field.name.as_str());
        let names: Vec<&str> = leaving.chain(rows.subject.as_deref()).chain(shifted).collect();
        columns.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(name, _)| ident(name)).collect()
    }

    /// Writes the rows that leave before groups are looked at, as they are in the version, with their marks.
    async fn base(&self, table: DataFrame, columns: &[(String, DataType)]) -> Result<(Scratch, RowsReport)> {
        let in_version = self.version.row_count;
        let marked = self.marked(table.clone(), columns)?;
        let after_filter = match (&self.policy.rows.condition, &self.policy.rows.receiver_condition) {
            (None, None) => in_version,
            (Some(_), _) | (_, Some(_)) => numbers(self.filtered(table)?.aggregate(vec![], vec![count(lit(1i64))])?, 1).await?[0],
        };
        let rows = self.sampled(marked, columns)?.with_column(LEFT_OUT, self.left_out())?;
        let mut kept_columns = self.needed(columns);
        kept_columns.extend([ident(MARK), ident(OWN), ident(LEFT_OUT)]);
        let rows = rows.select(kept_columns)?;
        let scratch = self.storage.scratch()?;
        let (mut left_out, mut kept) = (0, 0);
        let mut stream = rows.execute_stream().await?;
        let schema = stream.schema();
        let flag = schema.index_of(LEFT_OUT).map_err(Error::internal)?;
        let mut writer = ArrowWriter::try_new(scratch.writer()?, schema, None).map_err(Error::internal)?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let flags = datafusion::arrow::array::AsArray::as_boolean(batch.column(flag));
            left_out += flags.true_count() as i64;
            let stay = datafusion::arrow::compute::not(flags).map_err(Error::internal)?;
            let batch = datafusion::arrow::compute::filter_record_batch(&batch, &stay).map_err(Error::internal)?;
            kept += batch.num_rows() as i64;
            writer.write(&batch).map_err(Error::internal)?;
        }
        writer.close().map_err(Error::internal)?;
        let rows = RowsReport {
            in_version,
            filtered: in_version - after_filter,
            not_sampled: after_filter - left_out - kept,
            left_out,
            suppressed: 0,
            suppressed_share: 0.0,
            released: kept,
        };
        Ok((scratch, rows))
    }

    fn filtered(&self, table: DataFrame) -> Result<DataFrame> {
        let table = match &self.policy.rows.receiver_condition {
            None => table,
            Some(text) => {
                let filter = self.policy.receiver_filter(text, &self.version.fields);
                let filter =
                    filter.map_err(|cause| Error::Conflict(format!("the grant's own condition does not fit this version: {cause}")))?;
                table.filter(filter)?
            }
        };
        let Some(text) = &self.policy.rows.condition else { return Ok(table) };
        let condition = catalog::condition(text, &self.version.fields, &|_| Ok(None)).map_err(|cause| {
            Error::Conflict(format!("the condition of the dataset's policy does not fit this version: {cause}; have the entry mended"))
        })?;
        Ok(table.filter(condition)?)
    }

    fn marked(&self, table: DataFrame, columns: &[(String, DataType)]) -> Result<DataFrame> {
        let key = &self.policy.rows.key;
        let named: Vec<(String, DataType)> = columns.iter().filter(|(name, _)| key.is_empty() || key.contains(name)).cloned().collect();
        let [mark, own] = transform::marks(&named, self.keys);
        Ok(self.filtered(table)?.with_column(MARK, mark)?.with_column(OWN, own)?)
    }

    fn sampled(&self, rows: DataFrame, columns: &[(String, DataType)]) -> Result<DataFrame> {
        let Some(share) = self.policy.rows.sample else { return Ok(rows) };
        let Some(subject) = &self.policy.rows.subject else {
            return Ok(rows.filter(transform::picked(OWN, SAMPLE_PLACE, share))?);
        };
        let known = columns.iter().find(|(name, _)| name == subject);
        let (_, data_type) = known.ok_or_else(|| Error::Conflict(format!("this version has no field `{subject}`")))?;
        let rows = rows.with_column(SUBJECT_MARK, transform::subject_mark(subject, data_type, self.keys))?;
        let rows = rows.filter(transform::picked(SUBJECT_MARK, 0, share))?;
        Ok(rows.drop_columns(&[Column::new_unqualified(SUBJECT_MARK)])?)
    }

    fn left_out(&self) -> Expr {
        transform::picked(MARK, LEAVE_OUT_PLACE, self.policy.rows.leave_out_share)
    }

    fn outputs(&self, rules: &[&ReleaseRule], columns: &[(String, DataType)]) -> Result<Vec<Expr>> {
        let leaving = self.policy.fields.iter().zip(rules).filter(|(_, rule)| !rule.is_drop());
        let output = |(leaving, rule): (&catalog::PolicyField, &&ReleaseRule)| {
            let field = self.version.fields.iter().find(|field| field.name == leaving.name);
            let field = field.ok_or_else(|| Error::Conflict(format!("this version has no field `{}` any more", leaving.name)))?;
            Ok(transform::expression(field, leaving, rule, columns, self.keys)?.0.alias(&leaving.name))
        };
        leaving.map(output).collect()
    }

    fn released(&self, rows: DataFrame, rules: &[&ReleaseRule], columns: &[(String, DataType)]) -> Result<DataFrame> {
        let mut outputs = self.outputs(rules, columns)?;
        outputs.push(ident(MARK));
        Ok(rows.select(outputs)?)
    }

    async fn groups(&self, grouping: &Grouping<'_>, way: &Way, base: &DataFrame, kept: &DataFrame) -> Result<GroupsReport> {
        let fields: Vec<String> = grouping.fields().map(|field| field.name.clone()).collect();
        let (mut before, mut linked) = (None, None);
        if !fields.is_empty() {
            before = Some(grouping.untouched(base).await?);
            linked = grouping.linked(kept, &grouping.rules(&way.levels)).await?;
        }
        let after = (!fields.is_empty() || grouping.is_needed()).then(|| way.kept.clone());
        Ok(GroupsReport {
            subject: self.policy.rows.subject.clone(),
            loss: grouping.loss(&way.levels),
            risk_before: before.as_ref().and_then(Risk::of),
            risk_after: after.as_ref().and_then(Risk::of),
            linked_subjects: linked,
            fields,
            before,
            after,
        })
    }

    async fn fields(&self, table: &DataFrame, released: &DataFrame, way: &Way, rules: &[&ReleaseRule]) -> Result<Vec<FieldReport>> {
        let names: Vec<&str> = self.policy.fields.iter().map(|field| field.name.as_str()).collect();
        let before = values(table, &names).await?;
        let leaving = self.policy.fields.iter().zip(rules).filter(|(_, rule)| !rule.is_drop());
        let names: Vec<&str> = leaving.map(|(field, _)| field.name.as_str()).collect();
        let mut after = values(released, &names).await?.into_iter();
        let mut reports = Vec::new();
        for (at, (field, before)) in self.policy.fields.iter().zip(before).enumerate() {
            let rule = rules.get(at).copied().unwrap_or(&field.rule);
            let after = if rule.is_drop() { (0, 0) } else { after.next().unwrap_or_default() };
            reports.push(FieldReport {
                name: field.name.clone(),
                rule: rule.clone(),
                level: way.levels.get(at).copied().unwrap_or(0),
                coarser: field.coarser.len(),
                grouped: field.is_grouped(),
                values_before: before.0,
                values_after: after.0,
                missing_before: before.1,
                missing_after: after.1,
            });
        }
        Ok(reports)
    }
}

fn columns_of(table: &DataFrame) -> Vec<(String, DataType)> {
    table.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
}

/// Of each column, about how many different values it has, and how many are missing.
async fn values(table: &DataFrame, names: &[&str]) -> Result<Vec<(i64, i64)>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut totals = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let field = table.schema().field_with_unqualified_name(name)?;
        totals.push(approx_distinct(transform::as_text(ident(*name), field.data_type())).alias(format!(" values {at} ")));
        totals.push(sum(when(ident(*name).is_null(), lit(1i64)).otherwise(lit(0i64))?).alias(format!(" missing {at} ")));
    }
    let found = numbers(table.clone().aggregate(vec![], totals)?, names.len() * 2).await?;
    Ok(found.chunks(2).map(|pair| (pair[0], pair[1])).collect())
}
