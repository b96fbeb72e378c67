//! Rows as CSV. Formats a batch by itself, so that many batches can be formatted at once; arrow's own writer takes several times as
//! long, since it goes through `fmt` for each cell.

use datafusion::arrow::array::{Array, AsArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::MOMENT;
use crate::error::{Error, Result};

/// Days from year 0 to 1970.
const DAYS_TO_1970: i64 = 719_528;

/// Days of the years 0 to 9999, of which each has four digits.
const FOUR_DIGIT_DAYS: i64 = 3_652_425;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The header row.
pub fn header(schema: &Schema, spreadsheet: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, field) in schema.fields().iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(&mut out, field.name().as_bytes(), spreadsheet);
    }
    end_row(&mut out, 0, schema.fields().len());
    out
}

/// The rows of a batch.
///
/// # Errors
/// When a value cannot be written.
pub fn rows(batch: &RecordBatch, spreadsheet: bool) -> Result<Vec<u8>> {
    let options = FormatOptions::default().with_timestamp_format(Some(MOMENT));
    let columns = batch.columns().iter().map(|array| Cells::new(array, &options)).collect::<Result<Vec<_>>>()?;
    let mut out = Vec::with_capacity(batch.num_rows() * columns.len() * 10);
    let mut spare = String::new();
    for row in 0..batch.num_rows() {
        let start = out.len();
        for (at, cells) in columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            cells.write(&mut out, row, spreadsheet, &mut spare)?;
        }
        end_row(&mut out, start, columns.len());
    }
    Ok(out)
}

/// A row of one empty cell would be an empty line, which many readers leave out.
fn end_row(out: &mut Vec<u8>, start: usize, columns: usize) {
    if columns == 1 && out.len() == start {
        out.extend_from_slice(b"\"\"");
    }
    out.push(b'\n');
}

/// One column, by the types that occur most; the others go through arrow's formatter.
enum Cells<'a> {
    Text(&'a StringArray),
    Integer(&'a PrimitiveArray<Int64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, usize),
    Number(&'a PrimitiveArray<Float64Type>),
    Boolean(&'a BooleanArray),
    Date(&'a PrimitiveArray<Date32Type>, ArrayFormatter<'a>),
    Moment(&'a PrimitiveArray<TimestampMicrosecondType>, ArrayFormatter<'a>),
    Other(&'a dyn Array, ArrayFormatter<'a>),
}

impl<'a> Cells<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "arrow has many types, and all others are formatted alike")]
    fn new(array: &'a dyn Array, options: &FormatOptions<'a>) -> Result<Self> {
        let formatter = || ArrayFormatter::try_new(array, options).map_err(Error::internal);
        Ok(match array.data_type() {
            DataType::Utf8 => Cells::Text(array.as_string()),
            DataType::Int64 => Cells::Integer(array.as_primitive()),
            DataType::Decimal128(_, scale) if (0..=38).contains(scale) => {
                Cells::Decimal(array.as_primitive(), usize::from(scale.unsigned_abs()))
            }
            DataType::Float64 => Cells::Number(array.as_primitive()),
            DataType::Boolean => Cells::Boolean(array.as_boolean()),
            DataType::Date32 => Cells::Date(array.as_primitive(), formatter()?),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Cells::Moment(array.as_primitive(), formatter()?),
            _ => Cells::Other(array, formatter()?),
        })
    }

    fn write(&self, out: &mut Vec<u8>, row: usize, spreadsheet: bool, spare: &mut String) -> Result<()> {
        match self {
            Cells::Text(cells) if cells.is_valid(row) => text(out, cells.value(row).as_bytes(), spreadsheet),
            Cells::Integer(cells) if cells.is_valid(row) => out.extend_from_slice(itoa::Buffer::new().format(cells.value(row)).as_bytes()),
            Cells::Decimal(cells, scale) if cells.is_valid(row) => decimal(out, cells.value(row), *scale),
            Cells::Number(cells) if cells.is_valid(row) => out.extend_from_slice(ryu::Buffer::new().format(cells.value(row)).as_bytes()),
            Cells::Boolean(cells) if cells.is_valid(row) => out.extend_from_slice(if cells.value(row) { b"true" } else { b"false" }),
            Cells::Date(cells, formatter) if cells.is_valid(row) => {
                if !date(out, i64::from(cells.value(row))) {
                    other(out, formatter, row, false, spare)?;
                }
            }
            Cells::Moment(cells, formatter) if cells.is_valid(row) => {
                if !moment(out, cells.value(row)) {
                    other(out, formatter, row, false, spare)?;
                }
            }
            Cells::Other(cells, formatter) if cells.is_valid(row) => other(out, formatter, row, spreadsheet, spare)?,
            // A missing value is an empty cell.
            Cells::Text(_)
            | Cells::Integer(_)
            | Cells::Decimal(..)
            | Cells::Number(_)
            | Cells::Boolean(_)
            | Cells::Date(..)
            | Cells::Moment(..)
            | Cells::Other(..) => {}
        }
        Ok(())
    }
}

fn other(out: &mut Vec<u8>, formatter: &ArrayFormatter<'_>, row: usize, spreadsheet: bool, spare: &mut String) -> Result<()> {
    spare.clear();
    formatter.value(row).write(spare).map_err(Error::internal)?;
    text(out, spare.as_bytes(), spreadsheet);
    Ok(())
}

/// A text, quoted where it has to be. For a spreadsheet, a text that would be taken for a formula gets an apostrophe before it.
fn text(out: &mut Vec<u8>, bytes: &[u8], spreadsheet: bool) {
    let is_formula = spreadsheet && matches!(bytes.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n'));
    // Without a way out in the middle, the compiler makes this look at many bytes at once.
    let quoted = bytes.iter().fold(false, |found, byte| found | matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if quoted {
        out.push(b'"');
    }
    if is_formula {
        out.push(b'\'');
    }
    if quoted {
        for byte in bytes {
            if *byte == b'"' {
                out.push(b'"');
            }
            out.push(*byte);
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(bytes);
    }
}

fn decimal(out: &mut Vec<u8>, value: i128, scale: usize) {
    if value < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    // 64 bits are written several times as fast.
    let digits = match u64::try_from(value.unsigned_abs()) {
        Ok(small) => buffer.format(small),
        Err(_large) => buffer.format(value.unsigned_abs()),
    }
    .as_bytes();
    match digits.len().checked_sub(scale) {
        Some(whole) if whole > 0 => {
            out.extend_from_slice(&digits[..whole]);
            if scale > 0 {
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + scale - digits.len(), b'0');
            out.extend_from_slice(digits);
        }
    }
}

/// A day of the years 0 to 9999; answers whether it is one.
fn date(out: &mut Vec<u8>, days: i64) -> bool {
    let days = days + DAYS_TO_1970;
    if !(0..FOUR_DIGIT_DAYS).contains(&days) {
        return false;
    }
    // Years are counted from March, so that the leap day is the last one; the first day of March of the year 0 is day 60. All days
    // are moved by one era of 400 years to stay above zero.
    let days = days - 60 + 146_097;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = (era - 1) * 400 + year_of_era + i64::from(month <= 2);
    digits::<4>(out, year);
    out.push(b'-');
    digits::<2>(out, month);
    out.push(b'-');
    digits::<2>(out, day);
    true
}

/// A moment of the years 0 to 9999, with three or six digits of a second where it has them; answers whether it is one.
fn moment(out: &mut Vec<u8>, micros: i64) -> bool {
    if !date(out, micros.div_euclid(MICROS_PER_DAY)) {
        return false;
    }
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    for (mark, part) in [(b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        out.push(mark);
        digits::<2>(out, part);
    }
    if fraction > 0 {
        out.push(b'.');
        if fraction % 1000 == 0 { digits::<3>(out, fraction / 1000) } else { digits::<6>(out, fraction) }
    }
    true
}

/// A number of that many digits, with leading zeros.
fn digits<const N: usize>(out: &mut Vec<u8>, number: i64) {
    let mut text = [b'0'; N];
    let mut rest = number;
    for place in text.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, TimestampMicrosecondArray,
    };
    use datafusion::arrow::csv::WriterBuilder;

    use super::*;

    /// A row of numbers that look random and are the same in each run.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        /// A number of any magnitude.
        fn any(&mut self) -> i64 {
            (self.next() as i64) >> (self.next() % 64)
        }

        fn text(&mut self) -> String {
            const PARTS: [&str; 14] =
                ["", "a", "徐汇", ",", "\"", "\n", "\r", "=1+1", "-2", "@x", "\t", " ", "\"\"", "long enough for eight bytes"];
            (0..self.next() % 4).map(|_| PARTS[(self.next() % 14) as usize]).collect()
        }
    }

    fn column<T, A: FromIterator<Option<T>> + Array + 'static>(numbers: &mut Numbers, make: impl Fn(&mut Numbers) -> T) -> ArrayRef {
        let cell = |_| (numbers.next() % 5).ne(&0).then(|| make(numbers));
        Arc::new((0..500).map(cell).collect::<A>())
    }

    fn by_arrow(batch: &RecordBatch) -> String {
        let mut out = Vec::new();
        WriterBuilder::new().with_header(true).with_timestamp_format(MOMENT.to_owned()).build(&mut out).write(batch).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn by_us(batch: &RecordBatch) -> String {
        let all = [header(&batch.schema(), false), rows(batch, false).unwrap()].concat();
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn it_writes_what_arrow_writes() {
        let mut numbers = Numbers(0x1234_5678_9abc_def1);
        for round in 0..20_u8 {
            let n = &mut numbers;
            let scale = (round * 2) as i8;
            let large = |n: &mut Numbers| i128::from(n.any()) * i128::from(n.any());
            let decimals = column::<i128, Decimal128Array>(n, large).as_primitive::<Decimal128Type>().clone();
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("text", column::<String, StringArray>(n, Numbers::text)),
                ("integer", column::<i64, Int64Array>(n, Numbers::any)),
                ("small, integer", column::<i32, Int32Array>(n, |n| n.any() as i32)),
                ("decimal", Arc::new(decimals.with_precision_and_scale(38, scale).unwrap())),
                ("number", column::<f64, Float64Array>(n, |n| f64::from_bits(n.next()))),
                ("simple", column::<f64, Float64Array>(n, |n| (n.any() % 10_000) as f64 / 100.0)),
                ("boolean", column::<bool, BooleanArray>(n, |n| n.next() % 2 == 0)),
                ("date", column::<i32, Date32Array>(n, |n| (n.next() % 8_000_000) as i32 - 2_000_000)),
                ("near", column::<i32, Date32Array>(n, |n| (n.next() % 40_000) as i32 - 5_000)),
                (
                    "moment",
                    column::<i64, TimestampMicrosecondArray>(n, |n| {
                        (n.any() % 400_000_000_000_000_000) / 10_i64.pow((n.next() % 9) as u32)
                    }),
                ),
                ("millis", column::<i64, TimestampMicrosecondArray>(n, |n| n.any() % 4_000_000_000_000 * 1000)),
            ];
            let batch = RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (*name, array.clone(), true))).unwrap();
            let (ours, theirs) = (by_us(&batch), by_arrow(&batch));
            for (our, their) in ours.lines().zip(theirs.lines()) {
                assert_eq!(our, their);
            }
            assert!(ours == theirs);
            for (name, array) in columns {
                let single = RecordBatch::try_from_iter_with_nullable([(name, array, true)]).unwrap();
                assert!(by_us(&single) == by_arrow(&single), "{name} alone");
            }
        }
    }

    #[test]
    fn a_spreadsheet_gets_no_formula() {
        let cells = ["=1+1", "+1", "-1", "@x", "\tx", "\r", "a=1", "'=1", "=\"x\"", ""];
        let batch = RecordBatch::try_from_iter([
            ("=name", Arc::new(StringArray::from(cells.to_vec())) as ArrayRef),
            ("number", Arc::new(Int64Array::from(vec![-1; cells.len()])) as ArrayRef),
        ])
        .unwrap();
        let all = [header(&batch.schema(), true), rows(&batch, true).unwrap()].concat();
        let wanted = "'=name,number\n'=1+1,-1\n'+1,-1\n'-1,-1\n'@x,-1\n'\tx,-1\n\"'\r\",-1\na=1,-1\n'=1,-1\n\"'=\"\"x\"\"\",-1\n,-1\n";
        assert_eq!(String::from_utf8(all).unwrap(), wanted);
    }
}
