//! Collects a profile batch by batch, in one pass and in bounded memory.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;

use super::numbers::{Kind, Numbers};
use super::shapes::{self, Shapes};
use super::texts::Texts;
use super::{ColumnProfile, Finding, FindingKind, FindingLevel, Profile, TopValue};
use crate::clock;
use crate::intake::scan::{self, ColumnScan, Place, Side};
use crate::intake::{Declared, FieldType};

/// Above it, not every whole number is a double.
const MOST_EXACT: f64 = 9e15;

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
    Shapes(Box<Shapes>),
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
        Profile { row_count, columns: profiles, findings, combination: None }
    }

    /// The columns that may be sides of a place, and which columns hold moments.
    fn places(&self) -> (Vec<Place>, Vec<bool>) {
        let columns = self.columns.iter().enumerate();
        let places = columns.filter_map(|(at, column)| column.place(at, self.row_count - column.profile.nulls));
        let moments = self.columns.iter().map(|column| column.profile.field_type == FieldType::Datetime).collect();
        (places.collect(), moments)
    }
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
            FieldType::Geometry => Values::Shapes(Box::new(Shapes::new())),
        }
    }
}

/// Mobile numbers and the like may be kept as numbers of any type.
fn look_at_numbers(array: &ArrayRef, first_row: i64, scan: &mut ColumnScan) {
    let rows = first_row..;
    if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
        integers.iter().zip(rows).for_each(|(value, row)| value.into_iter().for_each(|value| scan.look_at_number(value, row)));
    } else if let Some(doubles) = array.as_primitive_opt::<Float64Type>() {
        let whole = |value: f64| (value.fract() == 0.0 && value.abs() < MOST_EXACT).then_some(value as i64);
        doubles
            .iter()
            .zip(rows)
            .for_each(|(value, row)| value.and_then(whole).into_iter().for_each(|value| scan.look_at_number(value, row)));
    } else if let Some(decimals) = array.as_primitive_opt::<Decimal128Type>() {
        let unit = 10i128.pow(u32::try_from(decimals.scale()).unwrap_or_default());
        let whole = |value: i128| if value % unit == 0 { i64::try_from(value / unit).ok() } else { None };
        decimals
            .iter()
            .zip(rows)
            .for_each(|(value, row)| value.and_then(whole).into_iter().for_each(|value| scan.look_at_number(value, row)));
    }
}

impl Column {
    /// The column as a side of a place, where it is one.
    fn place(&self, column: usize, values: i64) -> Option<Place> {
        let hints = self.scan.hints();
        match &self.values {
            Values::Numbers(numbers) if hints.longitude || hints.latitude => {
                let side = if hints.latitude { Side::Latitude } else { Side::Longitude };
                let in_china = numbers.share(|value| shapes::in_china(side, value)) >= shapes::MOST;
                Some(Place { column, values, in_china, fine: numbers.share(shapes::is_fine) >= shapes::HALF, side })
            }
            Values::Shapes(shapes) => {
                let (in_china, fine) = shapes.places();
                Some(Place { column, values, in_china, fine, side: Side::Both })
            }
            Values::Numbers(_) | Values::Texts(_) | Values::Booleans { .. } => None,
        }
    }

    fn observe(&mut self, array: &ArrayRef, first_row: i64) {
        self.profile.nulls += array.null_count() as i64;
        match &mut self.values {
            Values::Texts(texts) => texts.observe(array, first_row, &mut self.scan),
            Values::Numbers(numbers) => {
                numbers.observe(array);
                if numbers.reaches(ColumnScan::LEAST_NUMBER) {
                    look_at_numbers(array, first_row, &mut self.scan);
                }
            }
            Values::Booleans { no, yes } => {
                if let Some(booleans) = array.as_boolean_opt() {
                    *yes += booleans.true_count() as i64;
                    *no += booleans.false_count() as i64;
                }
            }
            Values::Shapes(shapes) => shapes.observe(array),
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
            Values::Shapes(shapes) => (profile.distinct, profile.distinct_exact) = shapes.distinct(),
        }
        (profile, scan)
    }
}
