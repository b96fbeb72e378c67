//! Collects a profile batch by batch, in one pass and in bounded memory.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;

use super::distinct::Distinct;
use super::numbers::{Kind, Numbers};
use super::texts::Texts;
use super::{ColumnProfile, Finding, FindingKind, FindingLevel, Profile, TopValue, hash};
use crate::clock;
use crate::intake::scan::{self, ColumnScan, Place};
use crate::intake::{Declared, FieldType};

/// Collects the profile of a table batch by batch. It may move to another thread between batches.
pub struct Profiler {
    columns: Vec<Column>,
    row_count: i64,
}

struct Column {
    profile: ColumnProfile,
    personal: bool,
    cleared: bool,
    values: Values,
    scan: ColumnScan,
}

enum Values {
    Numbers(Box<Numbers>),
    Texts(Box<Texts>),
    Booleans { no: i64, yes: i64 },
    Shapes(Distinct),
}

impl Profiler {
    /// A profiler for a table with these columns, each with its type.
    pub fn new(columns: &[Declared]) -> Self {
        let today = clock::now().date_naive();
        let column = |declared: &Declared| Column {
            profile: empty(declared),
            personal: declared.personal,
            cleared: declared.cleared,
            values: Values::of(declared),
            scan: ColumnScan::new(declared, today),
        };
        Profiler { columns: columns.iter().map(column).collect(), row_count: 0 }
    }

    /// Takes the next rows of the table; its columns are those of [`Profiler::new`], in their order.
    pub fn observe(&mut self, batch: &RecordBatch) {
        let first_row = self.row_count + 1;
        self.row_count += batch.num_rows() as i64;
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            column.observe(array, first_row);
        }
    }

    /// The profile of everything that was observed.
    pub fn finish(self) -> Profile {
        let row_count = self.row_count;
        let (places, moments) = self.places();
        let (mut profiles, mut scans, mut findings, mut people) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut hidden = Vec::new();
        for column in self.columns {
            let (personal, cleared) = (column.personal, column.cleared);
            let (profile, scan) = column.finish();
            let found = scan::findings(&scan, row_count - profile.nulls);
            people.push(found.iter().any(is_mover));
            hidden.push(personal || (!cleared && !found.is_empty()));
            findings.extend(found);
            profiles.push(profile);
            scans.push(scan);
        }
        for finding in scan::whereabouts(&scans, &places, &moments, &people) {
            let at = profiles.iter().position(|profile| profile.name == finding.column);
            if let Some(hidden) = at.and_then(|at| hidden.get_mut(at)) {
                *hidden |= finding.level == FindingLevel::Strong && !finding.cleared;
            }
            findings.push(finding);
        }
        profiles.iter_mut().zip(hidden).filter(|(_, hidden)| *hidden).for_each(|(profile, _)| hide(profile));
        Profile { row_count, columns: profiles, findings }
    }

    /// The columns that may be sides of a place, and which columns hold moments.
    fn places(&self) -> (Vec<Place>, Vec<bool>) {
        let columns = self.columns.iter().enumerate();
        let place = |(at, column): (usize, &Column)| {
            let hints = column.scan.hints();
            let Values::Numbers(numbers) = &column.values else { return None };
            let latitude = hints.latitude;
            let (low, high) = if latitude { (3.0, 54.0) } else { (73.0, 136.0) };
            let values = self.row_count - column.profile.nulls;
            (hints.longitude || latitude).then(|| Place {
                column: at,
                values,
                in_china: numbers.share(|value| (low..high).contains(&value)) >= 0.9,
                fine: numbers.share(is_fine) >= 0.5,
                latitude,
            })
        };
        let moments = self.columns.iter().map(|column| column.profile.field_type == FieldType::Datetime).collect();
        (columns.filter_map(place).collect(), moments)
    }
}

/// Whether a coordinate has four decimals or more.
fn is_fine(value: f64) -> bool {
    let thousandths = value * 1000.0;
    (thousandths - thousandths.round()).abs() > 1e-6
}

/// Whether a column of such values says whose row it is.
fn is_mover(finding: &Finding) -> bool {
    let kinds =
        [FindingKind::ResidentId, FindingKind::Mobile, FindingKind::Plate, FindingKind::Vin, FindingKind::Name, FindingKind::Document];
    finding.level == FindingLevel::Strong && kinds.contains(&finding.kind)
}

fn hide(profile: &mut ColumnProfile) {
    profile.min = None;
    profile.max = None;
    profile.mean = None;
    profile.quantiles.clear();
    profile.histogram.clear();
    profile.top.clear();
}

fn empty(declared: &Declared) -> ColumnProfile {
    ColumnProfile {
        name: declared.name.clone(),
        field_type: declared.field_type.unwrap_or(FieldType::String),
        nulls: 0,
        distinct: 0,
        distinct_exact: true,
        min: None,
        max: None,
        mean: None,
        quantiles: Vec::new(),
        histogram: Vec::new(),
        top: Vec::new(),
        length: None,
    }
}

impl Values {
    fn of(declared: &Declared) -> Self {
        let numbers = |kind| Values::Numbers(Box::new(Numbers::new(kind)));
        match declared.field_type.unwrap_or(FieldType::String) {
            FieldType::String => Values::Texts(Box::new(Texts::new())),
            FieldType::Integer => numbers(Kind::Integer),
            FieldType::Decimal => numbers(Kind::Decimal(declared.scale.unwrap_or(0))),
            FieldType::Number => numbers(Kind::Number),
            FieldType::Boolean => Values::Booleans { no: 0, yes: 0 },
            FieldType::Date => numbers(Kind::Day),
            FieldType::Datetime => numbers(Kind::Moment),
            FieldType::Geometry => Values::Shapes(Distinct::new()),
        }
    }
}

impl Column {
    fn observe(&mut self, array: &ArrayRef, first_row: i64) {
        self.profile.nulls += array.null_count() as i64;
        match &mut self.values {
            Values::Texts(texts) => texts.observe(array, first_row, &mut self.scan),
            Values::Numbers(numbers) => {
                numbers.observe(array);
                if let Some(integers) = array.as_primitive_opt::<Int64Type>().filter(|_| numbers.reaches(ColumnScan::LEAST_NUMBER)) {
                    let rows = integers.iter().zip(first_row..);
                    rows.filter_map(|(value, row)| Some((value?, row))).for_each(|(value, row)| self.scan.look_at_number(value, row));
                }
            }
            Values::Booleans { no, yes } => {
                if let Some(booleans) = array.as_boolean_opt() {
                    *yes += booleans.true_count() as i64;
                    *no += booleans.false_count() as i64;
                }
            }
            Values::Shapes(distinct) => {
                if let Some(shapes) = array.as_binary_opt::<i32>() {
                    shapes.iter().flatten().for_each(|shape| {
                        distinct.add(hash::of_bytes(shape));
                    });
                }
            }
        }
    }

    fn finish(self) -> (ColumnProfile, ColumnScan) {
        let (mut profile, mut scan) = (self.profile, self.scan);
        match self.values {
            Values::Texts(texts) => {
                let text = texts.finish(&mut scan);
                (profile.distinct, profile.distinct_exact) = text.distinct;
                (profile.min, profile.max, profile.top, profile.length) = (text.min, text.max, text.top, text.length);
            }
            Values::Numbers(numbers) => {
                let numbered = numbers.finish();
                (profile.distinct, profile.distinct_exact) = numbered.distinct;
                (profile.min, profile.max, profile.mean) = (numbered.min, numbered.max, numbered.mean);
                (profile.quantiles, profile.histogram, profile.top) = (numbered.quantiles, numbered.histogram, numbered.top);
            }
            Values::Booleans { no, yes } => {
                let mut seen: Vec<TopValue> =
                    [(false, no), (true, yes)].map(|(value, count)| TopValue { value: value.to_string(), count }).into();
                seen.retain(|value| value.count > 0);
                profile.distinct = seen.len() as i64;
                profile.min = seen.first().map(|value| value.value.clone());
                profile.max = seen.last().map(|value| value.value.clone());
                seen.sort_by_key(|value| std::cmp::Reverse(value.count));
                profile.top = seen;
            }
            Values::Shapes(distinct) => (profile.distinct, profile.distinct_exact) = distinct.count(),
        }
        (profile, scan)
    }
}
