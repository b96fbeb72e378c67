//! The two functions that the output check adds to a plan: which unit or row this is, and how far a cell is moved.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{Row, RowConverter, SortField};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::crypto::sha256;

/// How far a count is moved at the most, in rows of the unit with the most rows (up to the next power of two). Three times in four it is less
/// than a third of that.
pub const COUNT: f64 = 6.0;

/// Between minus and plus this a noise is about two times in five, and above and below about three times in ten.
pub const MIDDLE: f64 = 1.0 / 6.0;

/// How far a sum is moved at the most, in parts of the largest amount of a unit (up to the next power of two). Not less than a count: the sum of a
/// field that is 1 or 0 is one.
pub const SUM: f64 = 6.0;

/// A number that is the same for the same values and tells nothing of them.
pub(super) fn mark(seed: [u8; 32]) -> ScalarUDF {
    ScalarUDF::new_from_impl(Mark { seed, signature: Signature::variadic_any(Volatility::Immutable) })
}

/// From the sum of the marks of a cell's rows, and how the table is cut, to a number between -1 and 1, another one for each label.
pub(super) fn noise(seed: [u8; 32], label: String) -> ScalarUDF {
    ScalarUDF::new_from_impl(Noise { seed, label, signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(PartialEq, Eq, Hash)]
struct Mark {
    seed: [u8; 32],
    signature: Signature,
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("mark")
    }
}

impl Mark {
    /// Of each row as a whole: hashes of its values that are added up would be the same for rows that have them in other places.
    fn of(&self, columns: &[ArrayRef]) -> Result<Int64Array> {
        let kinds = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let rows = RowConverter::new(kinds)?.convert_columns(columns)?;
        let number = |row: Row<'_>| {
            let tag = sha256(&[self.seed.as_slice(), row.as_ref()].concat());
            i64::from_be_bytes(std::array::from_fn(|byte| tag[byte]))
        };
        Ok(rows.iter().map(number).collect())
    }
}

impl ScalarUDFImpl for Mark {
    fn name(&self) -> &'static str {
        "sandbox_mark"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let arrays = arguments.args.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        Ok(ColumnarValue::Array(Arc::new(self.of(&arrays)?)))
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Noise {
    seed: [u8; 32],
    label: String,
    signature: Signature,
}

impl std::fmt::Debug for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "noise of {}", self.label)
    }
}

impl Noise {
    fn of(&self, key: &str) -> f64 {
        let mut bytes = self.seed.to_vec();
        bytes.extend(key.as_bytes());
        bytes.push(0);
        bytes.extend(self.label.as_bytes());
        let tag = sha256(&bytes);
        // The mean of four, which comes near to its bounds in one case of many thousands: of a number that often does, two draws would tell the true one.
        let four = tag.as_chunks::<8>().0.iter().map(|bytes| {
            // As many digits as the number has, so that the last ones of an answer tell nothing of what was moved.
            let digits = u64::from_be_bytes(*bytes) >> 11;
            digits as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
        });
        four.sum::<f64>() / 4.0
    }
}

impl ScalarUDFImpl for Noise {
    fn name(&self) -> &'static str {
        "sandbox_noise"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let keys = ColumnarValue::values_to_arrays(&arguments.args)?;
        let keys = keys.iter().map(|keys| Ok(cast(keys, &DataType::Utf8)?)).collect::<Result<Vec<ArrayRef>>>()?;
        let [rows, cut] = keys.as_slice() else { return exec_err!("the noise of a cell follows from two numbers") };
        let pairs = rows.as_string::<i32>().iter().zip(cut.as_string::<i32>().iter());
        let moved: Float64Array = pairs.map(|(rows, cut)| Some(self.of(&format!("{} {}", rows?, cut?)))).collect();
        Ok(ColumnarValue::Array(Arc::new(moved)))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::StringArray;

    use super::*;

    #[test]
    fn marks_are_of_rows_as_a_whole() {
        let mark = |seed| Mark { seed, signature: Signature::variadic_any(Volatility::Immutable) };
        let set = |seed, one: [Option<&str>; 2], other: [Option<&str>; 2]| {
            let columns = [one, other].map(|column| Arc::new(StringArray::from(column.to_vec())) as ArrayRef);
            mark(seed).of(&columns).unwrap().values().iter().map(|mark| i128::from(*mark)).sum::<i128>()
        };
        let told = set([1; 32], [Some("a"), Some("b")], [Some("x"), Some("y")]);
        assert_eq!(told, set([1; 32], [Some("b"), Some("a")], [Some("y"), Some("x")]));
        assert_ne!(told, set([2; 32], [Some("a"), Some("b")], [Some("x"), Some("y")]));
        // The same values in each column, in other rows; and a value that is missing elsewhere.
        assert_ne!(told, set([1; 32], [Some("a"), Some("b")], [Some("y"), Some("x")]));
        assert_ne!(set([1; 32], [Some("a"), None], [None, None]), set([1; 32], [None, None], [Some("a"), None]));
    }

    #[test]
    fn noise_follows_the_rows_and_the_label_alone() {
        let noise = |seed, label: &str| Noise { seed, label: label.to_owned(), signature: Signature::any(1, Volatility::Immutable) };
        let one = noise([1; 32], "count");
        assert_eq!(one.of("7"), one.of("7"));
        assert_ne!(one.of("7"), one.of("8"));
        assert_ne!(one.of("7"), noise([2; 32], "count").of("7"));
        assert_ne!(one.of("7"), noise([1; 32], "sum amount").of("7"));
        let many: Vec<f64> = (0..10_000).map(|key: i32| one.of(&key.to_string())).collect();
        assert!(many.iter().all(|number| (-1.0..=1.0).contains(number)));
        // Few digits would let a true amount be told from what was added to it.
        assert!(many.iter().filter(|number| (**number * (1_u64 << 32) as f64).fract() != 0.0).count() > 9_990);
        let mean = many.iter().sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.02, "{mean}");
        // Few come near to the bounds.
        let far = many.iter().filter(|number| number.abs() > 0.9).count();
        assert!(far < 30, "{far}");
    }
}
