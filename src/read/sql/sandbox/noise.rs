//! The two functions that the output check adds to a plan: which unit or row this is, and how far a cell is moved.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::crypto::sha256;

/// How far a count is moved at the most, in rows of the unit with the most rows (up to the next power of two).
pub const COUNT: f64 = 2.0;

/// How many units above the least a set may have and still not be told.
pub const LEAST: f64 = 2.0;

/// How far a sum is moved at the most, in parts of the largest amount of a unit (up to the next power of two). Not less than a count: the sum of a
/// field that is 1 or 0 is one.
pub const SUM: f64 = 2.0;

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
        let half = |at: usize| u64::from_be_bytes(std::array::from_fn(|byte| self.seed[at + byte]));
        let mut hashes = vec![0; rows];
        create_hashes(&arrays, &QualityRandomState::with_seed(half(0)), &mut hashes)?;
        let numbers: Int64Array = hashes.iter().map(|hash| i64::from_ne_bytes((hash ^ half(8)).to_ne_bytes())).collect();
        Ok(ColumnarValue::Array(Arc::new(numbers)))
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
        // As many digits as the number has, so that the last ones of an answer tell nothing of what was moved.
        let digits = u64::from_be_bytes(std::array::from_fn(|byte| tag[byte])) >> 11;
        digits as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
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
    use super::*;

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
        assert!(many.iter().filter(|number| (**number * f64::from(u32::MAX)).fract() != 0.0).count() > 9_990);
        let mean = many.iter().sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.02, "{mean}");
    }
}
