//! Statistics of a column whose values are numbers in memory: whole numbers, decimals, doubles, days and moments.

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};

use super::distinct::{Distinct, Seen};
use super::hash;
use super::sketch::{BINS, Sketch};
use super::{Bin, QUANTILES, TopValue, written};

/// Microseconds of a day.
const DAY_MICROS: f64 = 86_400e6;

/// A value of an array, and what is asked of it.
pub trait Native: Copy {
    /// The hash of the value; equal values have equal hashes.
    fn hash(self) -> u64;
    /// The value as bits that [`Kind::write`] turns into text again.
    fn bits(self) -> i128;
    /// The nearest double.
    fn double(self) -> f64;
    /// Whether it stands before the other.
    fn before(self, other: Self) -> bool;
    /// Whether it has a place on the line of numbers.
    fn finite(self) -> bool {
        true
    }
}

impl Native for i64 {
    #[inline]
    fn hash(self) -> u64 {
        hash::of_bits(self as u64)
    }
    #[inline]
    fn bits(self) -> i128 {
        i128::from(self)
    }
    #[inline]
    fn double(self) -> f64 {
        self as f64
    }
    #[inline]
    fn before(self, other: Self) -> bool {
        self < other
    }
}

impl Native for i32 {
    #[inline]
    fn hash(self) -> u64 {
        hash::of_bits(self as u64)
    }
    #[inline]
    fn bits(self) -> i128 {
        i128::from(self)
    }
    #[inline]
    fn double(self) -> f64 {
        f64::from(self)
    }
    #[inline]
    fn before(self, other: Self) -> bool {
        self < other
    }
}

impl Native for i128 {
    #[inline]
    fn hash(self) -> u64 {
        hash::of_wide(self)
    }
    #[inline]
    fn bits(self) -> i128 {
        self
    }
    #[inline]
    fn double(self) -> f64 {
        // The conversion from 64 bits is one instruction.
        i64::try_from(self).map_or(self as f64, |narrow| narrow as f64)
    }
    #[inline]
    fn before(self, other: Self) -> bool {
        self < other
    }
}

impl Native for f64 {
    #[inline]
    fn hash(self) -> u64 {
        // Both zeros are one value.
        hash::of_bits((self + 0.0).to_bits())
    }
    #[inline]
    fn bits(self) -> i128 {
        i128::from((self + 0.0).to_bits())
    }
    #[inline]
    fn double(self) -> f64 {
        self
    }
    #[inline]
    fn before(self, other: Self) -> bool {
        self < other
    }
    #[inline]
    fn finite(self) -> bool {
        self.is_finite()
    }
}

/// What the numbers of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Decimals with so many digits behind the point.
    Decimal(i8),
    /// Doubles.
    Number,
    /// Days since 1970.
    Day,
    /// Microseconds since 1970.
    Moment,
}

impl Kind {
    /// A value as it is written in CSV.
    pub fn write(self, bits: i128) -> String {
        match self {
            Kind::Integer => bits.to_string(),
            Kind::Decimal(scale) => written::decimal(bits, scale),
            Kind::Number => written::number(f64::from_bits(bits as u64)),
            Kind::Day => written::day(bits),
            Kind::Moment => written::moment(bits),
        }
    }

    /// A value as a position on the axis of a histogram: days for days and moments.
    fn position(self, double: f64) -> f64 {
        match self {
            Kind::Integer | Kind::Number | Kind::Day => double,
            Kind::Decimal(scale) => double / 10f64.powi(i32::from(scale)),
            Kind::Moment => double / DAY_MICROS,
        }
    }

    fn has_mean(self) -> bool {
        matches!(self, Kind::Integer | Kind::Decimal(_) | Kind::Number)
    }
}

/// The statistics of a column of numbers.
pub struct Numbers {
    kind: Kind,
    distinct: Distinct,
    /// The different values in the order of their first appearance, while they are few.
    values: Vec<i128>,
    range: Option<(i128, i128)>,
    sketch: Sketch,
    /// A sum of doubles and what rounding took from it.
    sum: (f64, f64),
    /// Values that are neither missing nor infinite.
    finite: i64,
}

/// What is known of a column of numbers in the end.
pub struct Numbered {
    pub distinct: (i64, bool),
    pub min: Option<String>,
    pub max: Option<String>,
    pub mean: Option<f64>,
    pub quantiles: Vec<f64>,
    pub histogram: Vec<Bin>,
    pub top: Vec<TopValue>,
}

impl Numbers {
    /// Nothing was seen so far.
    pub fn new(kind: Kind) -> Self {
        let (distinct, sketch) = (Distinct::new(), Sketch::new());
        Numbers { kind, distinct, values: Vec::new(), range: None, sketch, sum: (0.0, 0.0), finite: 0 }
    }

    /// Takes the values of an array. Its type is that of the column; of another type nothing is taken.
    pub fn observe(&mut self, array: &ArrayRef) {
        match self.kind {
            Kind::Integer => self.all(array.as_primitive_opt::<Int64Type>()),
            Kind::Decimal(_) => self.all(array.as_primitive_opt::<Decimal128Type>()),
            Kind::Number => self.all(array.as_primitive_opt::<Float64Type>()),
            Kind::Day => self.all(array.as_primitive_opt::<Date32Type>()),
            Kind::Moment => self.all(array.as_primitive_opt::<TimestampMicrosecondType>()),
        }
    }

    /// The share of the values, on the axis of the histogram, that pass a test.
    pub fn share(&self, test: impl Fn(f64) -> bool) -> f64 {
        self.sketch.share(|value| test(self.kind.position(value)))
    }

    /// Whether a value was as large as this.
    pub fn reaches(&self, least: i64) -> bool {
        let max = self.double_of(self.range.map(|(_, max)| max));
        max.is_some_and(|max| self.kind.position(max) >= least as f64)
    }

    /// What is known in the end.
    pub fn finish(self) -> Numbered {
        let kind = self.kind;
        let quantiles = if kind.has_mean() {
            self.sketch.quantiles(&QUANTILES).into_iter().map(|value| kind.position(value)).collect()
        } else {
            Vec::new()
        };
        let mean = (kind.has_mean() && self.finite > 0).then(|| kind.position((self.sum.0 + self.sum.1) / self.finite as f64));
        // A sum that no double holds has no mean that could be told.
        let mean = mean.filter(|mean| mean.is_finite());
        Numbered {
            distinct: self.distinct.count(),
            min: self.range.map(|(min, _)| kind.write(min)),
            max: self.range.map(|(_, max)| kind.write(max)),
            mean,
            quantiles,
            histogram: self.histogram(),
            top: super::top(self.distinct.counts(), |at| self.values.get(at).map(|bits| kind.write(*bits))),
        }
    }

    fn all<T>(&mut self, array: Option<&PrimitiveArray<T>>)
    where
        T: ArrowPrimitiveType,
        T::Native: Native,
    {
        let Some(array) = array else { return };
        let (values, mut local) = (array.values(), Local { range: None, sum: 0.0, finite: 0 });
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => values.iter().for_each(|value| self.one(*value, &mut local)),
            Some(nulls) => nulls.valid_indices().for_each(|at| self.one(values[at], &mut local)),
        }
        if let Some((min, max)) = local.range {
            self.widen(min, max);
        }
        self.finite += local.finite;
        let before = self.sum.0;
        self.sum.0 += local.sum;
        // Neumaier: what the larger summand swallowed of the smaller.
        self.sum.1 += if before.abs() >= local.sum.abs() { (before - self.sum.0) + local.sum } else { (local.sum - self.sum.0) + before };
    }

    #[inline]
    fn one<N: Native>(&mut self, value: N, local: &mut Local<N>) {
        if self.distinct.add(value.hash()) == Seen::New {
            self.values.push(value.bits());
        }
        if !value.finite() {
            return;
        }
        let (min, max) = local.range.unwrap_or((value, value));
        local.range = Some((if value.before(min) { value } else { min }, if max.before(value) { value } else { max }));
        let double = value.double();
        local.sum += double;
        local.finite += 1;
        self.sketch.add(double);
    }

    fn widen<N: Native>(&mut self, min: N, max: N) {
        let (low, high) = (self.double_of(self.range.map(|range| range.0)), self.double_of(self.range.map(|range| range.1)));
        let exact = !matches!(self.kind, Kind::Number);
        let lower = |bits: i128| if exact { min.bits() < bits } else { low.is_none_or(|low| min.double() < low) };
        let higher = |bits: i128| if exact { max.bits() > bits } else { high.is_none_or(|high| max.double() > high) };
        self.range = Some(match self.range {
            None => (min.bits(), max.bits()),
            Some((least, most)) => (if lower(least) { min.bits() } else { least }, if higher(most) { max.bits() } else { most }),
        });
    }

    fn double_of(&self, bits: Option<i128>) -> Option<f64> {
        bits.map(|bits| if self.kind == Kind::Number { f64::from_bits(bits as u64) } else { bits as f64 })
    }

    fn histogram(&self) -> Vec<Bin> {
        let (Some((min, max)), Some(low), Some(high)) =
            (self.range, self.double_of(self.range.map(|range| range.0)), self.double_of(self.range.map(|range| range.1)))
        else {
            return Vec::new();
        };
        let whole = matches!(self.kind, Kind::Integer | Kind::Day) && max - min < BINS as i128;
        let edges: Vec<f64> = if min == max {
            vec![low, high]
        } else if whole {
            // One bar for each whole number.
            (min..=max + 1).map(|edge| edge as f64).collect()
        } else {
            // With halves, since what lies between two large numbers of unlike sign is more than a double holds.
            let (half, step) = (low / 2.0, (high / 2.0 - low / 2.0) / BINS as f64);
            let between = |at: usize| (half + step * at as f64) * 2.0;
            (0..=BINS)
                .map(|at| {
                    if at == 0 {
                        low
                    } else if at == BINS {
                        high
                    } else {
                        between(at)
                    }
                })
                .collect()
        };
        let counts = self.sketch.histogram(&edges, self.finite);
        let position = |edge: f64| self.kind.position(edge);
        edges.windows(2).zip(counts).map(|(edge, count)| Bin { low: position(edge[0]), high: position(edge[1]), count }).collect()
    }
}

struct Local<N> {
    range: Option<(N, N)>,
    sum: f64,
    finite: i64,
}
