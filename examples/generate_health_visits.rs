//! Writes the synthetic table of the `community-health-visits` dataset to standard output.
//!
//! ```text
//! cargo run --example generate_health_visits > datasets/community-health-visits/visits.csv
//! cargo run --example generate_health_visits -- 500 7
//! ```
//!
//! The first argument is the number of rows, the second the seed; both may be left out. Equal arguments give equal
//! bytes on every platform: the generator is seeded and all of its arithmetic is on whole numbers.
//!
//! Nobody in the table exists. The marks that show it are part of the data: resident IDs carry the region 310199,
//! which no district has; names read `合成居民` and a number; mobile numbers begin with 100, as no mobile number does.
//! The subdistrict codes are real, but the shares of residents among them are made up.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::io::{self, BufWriter, Write};

/// Rows written when no number is given.
const DEFAULT_ROWS: usize = 20_000;

/// Beyond this many rows, finding a free resident ID would begin to take long.
const MAX_ROWS: usize = 2_000_000;

/// The seed of the table in the repository.
const DEFAULT_SEED: u64 = 20_250_101;

/// The region of every resident ID: no division of Shanghai has this code.
const REGION: &str = "310199";

/// The year of every visit.
const VISIT_YEAR: u32 = 2025;

/// 1 January 2025 was a Wednesday; Monday is 0.
const FIRST_WEEKDAY: u32 = 2;

const HEADER: [&str; 12] = [
    "visit_id",
    "resident_id",
    "resident_name",
    "mobile",
    "sex",
    "birth_date",
    "subdistrict_code",
    "visit_date",
    "diagnosis_group",
    "cost_cny",
    "insured",
    "referral_note",
];

/// The subdistricts and the town of Xuhui, with invented shares of the residents.
const SUBDISTRICTS: [(&str, u32); 13] = [
    ("310104003", 6),
    ("310104004", 4),
    ("310104007", 7),
    ("310104008", 9),
    ("310104010", 11),
    ("310104011", 10),
    ("310104012", 4),
    ("310104013", 10),
    ("310104014", 9),
    ("310104015", 10),
    ("310104016", 8),
    ("310104017", 9),
    ("310104103", 7),
];

/// Bands of age on 1 January 2025, as (youngest, years in the band), with their shares of the residents.
const AGE_BANDS: [((u32, u32), u32); 9] = [
    ((0, 6), 60),
    ((6, 12), 80),
    ((18, 17), 140),
    ((35, 15), 180),
    ((50, 10), 150),
    ((60, 10), 190),
    ((70, 10), 140),
    ((80, 10), 55),
    ((90, 8), 5),
];

/// Visits in the year of a resident younger than 60; the mean is 2.51.
const VISITS_UNDER_60: [(usize, u32); 8] = [(1, 28), (2, 31), (3, 20), (4, 11), (5, 6), (6, 2), (7, 1), (8, 1)];

/// Visits in the year of a resident of 60 or more; the mean is 3.40.
const VISITS_FROM_60: [(usize, u32); 8] = [(1, 15), (2, 20), (3, 22), (4, 18), (5, 12), (6, 7), (7, 3), (8, 3)];

/// Groups of diagnoses, named after chapters of the ICD, with their weights for residents younger than 18, from 18 to
/// 59, and of 60 or more.
const DIAGNOSES: [(&str, [u32; 3]); 12] = [
    ("循环系统疾病", [1, 16, 36]),
    ("呼吸系统疾病", [38, 20, 12]),
    ("内分泌、营养和代谢疾病", [3, 12, 20]),
    ("肌肉骨骼系统和结缔组织疾病", [2, 14, 14]),
    ("消化系统疾病", [12, 14, 8]),
    ("泌尿生殖系统疾病", [2, 8, 5]),
    ("皮肤和皮下组织疾病", [12, 8, 3]),
    ("神经系统疾病", [2, 5, 5]),
    ("精神和行为障碍", [2, 4, 2]),
    ("眼和附器疾病", [9, 4, 6]),
    ("某些传染病和寄生虫病", [7, 3, 1]),
    ("影响健康状态和与保健机构接触的因素", [30, 8, 4]),
];

/// Remarks on referrals, among them texts that a CSV writer has to quote.
const REFERRAL_NOTES: [(&str, u32); 10] = [
    ("转上级医院专科门诊", 30),
    ("建议复查血压, 两周后随访", 20),
    ("建议复查血糖，必要时调整用药", 20),
    ("转诊至三级医院, 已预约, 等待回执", 10),
    ("主诉\"活动后胸闷\"，建议心内科就诊", 10),
    ("referred to cardiology, review in 2 weeks", 8),
    ("转康复科，按\"每周三次\"方案训练", 8),
    ("\"绿色通道\"转诊", 6),
    ("影像检查后转回, 结论为\"未见异常\", 继续观察", 6),
    ("无需转诊；居家观察", 12),
];

/// The `SplitMix64` generator.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `limit - 1`; 0 for a limit of 0.
    fn below(&mut self, limit: u32) -> u32 {
        let high_half = self.next() >> 32;
        ((high_half * u64::from(limit)) >> 32) as u32
    }

    /// True `percent` times in a hundred.
    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of the values, each as often as its weight says. The table is not empty.
    fn pick<T: Copy, const N: usize>(&mut self, table: &[(T, u32); N]) -> T {
        let total = table.iter().map(|(_, weight)| weight).sum();
        let mut left = self.below(total);
        for (value, weight) in table {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        table[N - 1].0
    }
}

/// A day of the calendar, written YYYY-MM-DD.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Date {
    year: u32,
    month: u32,
    day: u32,
}

impl Date {
    /// The day after `days` whole days of the year; 0 is 1 January.
    fn in_year(year: u32, days: u32) -> Self {
        let february = if is_leap(year) { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 1;
        let mut left = days;
        for length in lengths {
            if left < length {
                break;
            }
            left -= length;
            month += 1;
        }
        Date { year, month, day: left + 1 }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn is_leap(year: u32) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

/// What all visits of one resident share.
struct Resident {
    number: usize,
    id: String,
    male: bool,
    birth: Date,
    age: u32,
    subdistrict: &'static str,
    insured: bool,
}

impl Resident {
    /// Makes up a resident whose ID is not yet in `taken`, and adds it there.
    fn new(rng: &mut Rng, number: usize, taken: &mut BTreeSet<String>) -> Self {
        let (youngest, years) = rng.pick(&AGE_BANDS);
        let age = youngest + rng.below(years);
        let birth_year = VISIT_YEAR - 1 - age;
        let year_length = if is_leap(birth_year) { 366 } else { 365 };
        let birth = Date::in_year(birth_year, rng.below(year_length));
        let male = rng.chance(46);
        let id = loop {
            let id = resident_id(birth, male, rng.below(500));
            if taken.insert(id.clone()) {
                break id;
            }
        };
        Resident { number, id, male, birth, age, subdistrict: rng.pick(&SUBDISTRICTS), insured: rng.chance(94) }
    }

    /// The groups of diagnoses with the weights of the resident's age.
    fn diagnoses(&self) -> [(&'static str, u32); 12] {
        let column = match self.age {
            0..18 => 0,
            18..60 => 1,
            _ => 2,
        };
        DIAGNOSES.map(|(name, weights)| (name, weights[column]))
    }

    /// Different for each resident: the factor has no divisor in common with the size of the range.
    fn mobile(&self) -> String {
        let mixed = (self.number as u64 * 61_803_399) % 100_000_000;
        format!("100{mixed:08}")
    }
}

/// An 18-digit ID as GB 11643 builds it: region, date of birth, a sequence number whose last digit is odd for men,
/// and the check digit. `pair` is below 500.
fn resident_id(birth: Date, male: bool, pair: u32) -> String {
    let Date { year, month, day } = birth;
    let sequence = pair * 2 + u32::from(male);
    let body = format!("{REGION}{year:04}{month:02}{day:02}{sequence:03}");
    let check = check_digit(&body);
    format!("{body}{check}")
}

/// The check digit of the first 17 digits, by the rule of ISO 7064 MOD 11-2.
fn check_digit(body: &str) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const DIGITS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let sum: u32 = body.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    DIGITS[(sum % 11) as usize]
}

struct Visit {
    date: Date,
    /// Index of the resident in the list of residents.
    resident: usize,
    diagnosis: &'static str,
    cost_fen: u64,
    referral_note: &'static str,
}

/// A day of the year, from 0, with fewer visits at weekends. Public holidays are not taken into account.
fn visit_day(rng: &mut Rng) -> u32 {
    loop {
        let day = rng.below(365);
        let weekend = (FIRST_WEEKDAY + day) % 7 >= 5;
        if !weekend || rng.chance(25) {
            return day;
        }
    }
}

/// A cost in fen whose logarithm is close to normal: the median is about 82 yuan, and one standard deviation
/// doubles or halves it. Twelve uniform numbers add up to a near-normal one, and the power of two is drawn as a
/// straight line between whole exponents.
fn cost_fen(rng: &mut Rng) -> u64 {
    const UNIT: u64 = 1 << 16;
    let sum: u64 = (0..12).map(|_| u64::from(rng.below(1 << 16))).sum();
    // The sum is 6 units in the middle and less than 12, so the exponent runs from 7 to below 19, around 13.
    let exponent = sum + 7 * UNIT;
    ((1 << (exponent / UNIT)) * (UNIT + exponent % UNIT)) / UNIT
}

/// Adds the visits of one resident, on different days. Most of them are for the same group of diagnoses.
fn add_visits(rng: &mut Rng, resident: &Resident, index: usize, visits: &mut Vec<Visit>) {
    let count = if resident.age < 60 { rng.pick(&VISITS_UNDER_60) } else { rng.pick(&VISITS_FROM_60) };
    let diagnoses = resident.diagnoses();
    let usual = rng.pick(&diagnoses);
    let mut days = BTreeSet::new();
    while days.len() < count {
        days.insert(visit_day(rng));
    }
    for day in days {
        let diagnosis = if rng.chance(60) { usual } else { rng.pick(&diagnoses) };
        let referral_note = if rng.chance(18) { rng.pick(&REFERRAL_NOTES) } else { "" };
        visits.push(Visit { date: Date::in_year(VISIT_YEAR, day), resident: index, diagnosis, cost_fen: cost_fen(rng), referral_note });
    }
}

/// Makes up residents until their visits fill the table, and puts the visits in order of date.
fn generate(rows: usize, seed: u64) -> (Vec<Resident>, Vec<Visit>) {
    let mut rng = Rng(seed);
    let mut taken = BTreeSet::new();
    let mut residents = Vec::new();
    let mut visits = Vec::new();
    while visits.len() < rows {
        let index = residents.len();
        let resident = Resident::new(&mut rng, index + 1, &mut taken);
        add_visits(&mut rng, &resident, index, &mut visits);
        residents.push(resident);
    }
    visits.truncate(rows);
    visits.sort_by_key(|visit| (visit.date, visit.resident));
    (residents, visits)
}

/// Writes one line, with quotes around the values that need them.
fn write_row<S: AsRef<str>>(out: &mut impl Write, values: &[S]) -> io::Result<()> {
    for (i, value) in values.iter().map(AsRef::as_ref).enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        if value.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", value.replace('"', "\"\""))?;
        } else {
            out.write_all(value.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

fn write_table(out: &mut impl Write, residents: &[Resident], visits: &[Visit]) -> io::Result<()> {
    write_row(out, &HEADER)?;
    for (i, visit) in visits.iter().enumerate() {
        let resident = &residents[visit.resident];
        let values: [String; 12] = [
            format!("V{VISIT_YEAR}-{:06}", i + 1),
            resident.id.clone(),
            format!("合成居民{:05}", resident.number),
            resident.mobile(),
            if resident.male { "男" } else { "女" }.to_owned(),
            resident.birth.to_string(),
            resident.subdistrict.to_owned(),
            visit.date.to_string(),
            visit.diagnosis.to_owned(),
            format!("{}.{:02}", visit.cost_fen / 100, visit.cost_fen % 100),
            resident.insured.to_string(),
            visit.referral_note.to_owned(),
        ];
        write_row(out, &values)?;
    }
    Ok(())
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Reads the number of rows and the seed from the arguments.
fn arguments(mut given: impl Iterator<Item = String>) -> io::Result<(usize, u64)> {
    let rows = match given.next() {
        None => DEFAULT_ROWS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|rows| (1..=MAX_ROWS).contains(rows))
            .ok_or_else(|| invalid(format!("rows: {text:?} is not from 1 to {MAX_ROWS}")))?,
    };
    let seed = match given.next() {
        None => DEFAULT_SEED,
        Some(text) => text.parse().map_err(|error| invalid(format!("seed: {text:?}: {error}")))?,
    };
    match given.next() {
        None => Ok((rows, seed)),
        Some(text) => Err(invalid(format!("one argument too many: {text:?}"))),
    }
}

fn main() -> io::Result<()> {
    let (rows, seed) = arguments(env::args().skip(1))?;
    let (residents, visits) = generate(rows, seed);
    let mut out = BufWriter::new(io::stdout().lock());
    write_table(&mut out, &residents, &visits)?;
    out.flush()
}
