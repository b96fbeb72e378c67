//! What is known of a column of shapes: how many different ones, and whether they are points, which may be places of persons.

use datafusion::arrow::array::{ArrayRef, AsArray};

use super::distinct::Distinct;
use super::hash;
use crate::intake::scan::Side;

/// Most values are of a kind from this share on.
pub const MOST: f64 = 0.9;

/// A share that tells coordinates from round numbers.
pub const HALF: f64 = 0.5;

/// The length of a point in WKB: the order of bytes, the type, two doubles.
const POINT_BYTES: usize = 21;

/// The statistics of a column of shapes.
pub struct Shapes {
    distinct: Distinct,
    values: i64,
    in_china: i64,
    fine: i64,
}

impl Shapes {
    /// Nothing was seen so far.
    pub fn new() -> Self {
        Shapes { distinct: Distinct::new(), values: 0, in_china: 0, fine: 0 }
    }

    /// Takes the values of an array. Its type is that of the column; of another type nothing is taken.
    pub fn observe(&mut self, array: &ArrayRef) {
        let Some(shapes) = array.as_binary_opt::<i32>() else { return };
        for shape in shapes.iter().flatten() {
            self.distinct.add(hash::of_bytes(shape));
            self.values += 1;
            if let Some((east, north)) = point(shape) {
                self.in_china += i64::from(in_china(Side::Longitude, east) && in_china(Side::Latitude, north));
                self.fine += i64::from(is_fine(east) && is_fine(north));
            }
        }
    }

    /// How many different ones there are, and whether that is exact.
    pub fn distinct(&self) -> (i64, bool) {
        self.distinct.count()
    }

    /// Whether most are points in China, and fine ones.
    pub fn places(&self) -> (bool, bool) {
        let share = |count: i64| count as f64 / self.values.max(1) as f64;
        (share(self.in_china) >= MOST, share(self.fine) >= HALF)
    }
}

/// The coordinates of a point in little-endian WKB.
fn point(shape: &[u8]) -> Option<(f64, f64)> {
    let (head, rest) = shape.split_first_chunk::<5>()?;
    let (east, rest) = rest.split_first_chunk::<8>()?;
    let north = rest.first_chunk::<8>()?;
    (*head == [1, 1, 0, 0, 0] && shape.len() == POINT_BYTES).then(|| (f64::from_le_bytes(*east), f64::from_le_bytes(*north)))
}

/// Whether a coordinate lies in China, on its side.
pub fn in_china(side: Side, value: f64) -> bool {
    match side {
        Side::Longitude => (73.0..136.0).contains(&value),
        Side::Latitude => (3.0..54.0).contains(&value),
        Side::Both => false,
    }
}

/// Whether a coordinate has four decimals or more.
pub fn is_fine(value: f64) -> bool {
    let thousandths = value * 1000.0;
    (thousandths - thousandths.round()).abs() > 1e-6
}
