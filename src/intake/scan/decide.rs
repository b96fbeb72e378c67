//! From what was seen in the values to what is said of the columns.

use super::{ColumnScan, EXAMPLES, KINDS, Marks};
use crate::intake::{Finding, FindingKind, FindingLevel};

/// From this share of the values on, a column is of a kind.
const STRONG_SHARE: f64 = 0.6;

/// A column without a telling header is of a kind only with so many values of it.
const STRONG_MATCHES: i64 = 10;

/// Under a header that names the kind, this share is enough.
const HINTED_SHARE: f64 = 0.2;

/// Fewer candidates say nothing of chance.
const FEW_CANDIDATES: i64 = 3;

/// More matches than the mean and so many standard deviations are no chance.
const DEVIATIONS: f64 = 2.5;

const ALL: [FindingKind; KINDS] = [
    FindingKind::ResidentId,
    FindingKind::SoleTraderCode,
    FindingKind::BankCard,
    FindingKind::Mobile,
    FindingKind::Plate,
    FindingKind::Vin,
    FindingKind::Email,
    FindingKind::Document,
    FindingKind::Name,
    FindingKind::Address,
    FindingKind::Whereabouts,
    FindingKind::Network,
];

/// The findings in a column with so many values that are not missing.
pub fn findings(column: &ColumnScan, values: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    for kind in ALL {
        for masked in [false, true] {
            let mut matches = column.counted(Marks::found(kind, masked));
            if kind == FindingKind::ResidentId && !masked {
                let legacy = column.counted(Marks::LEGACY);
                // One run of 15 digits in a hundred looks like one; a column of them does not.
                let believed = legacy >= STRONG_MATCHES && share(legacy + matches, values) >= STRONG_SHARE;
                matches += if believed { legacy } else { 0 };
            }
            if let Some(level) = level(column, kind, masked, matches, values) {
                let kept = column.examples[kind as usize + if masked { KINDS } else { 0 }].iter().take(EXAMPLES);
                let (examples, rows) = kept.cloned().unzip();
                let (name, cleared) = (column.name.clone(), column.cleared);
                found.push(Finding { column: name, kind, level, matches, share: share(matches, values), masked, cleared, examples, rows });
            }
        }
    }
    found
}

fn level(column: &ColumnScan, kind: FindingKind, masked: bool, matches: i64, values: i64) -> Option<FindingLevel> {
    if matches == 0 {
        return None;
    }
    let (share, hints) = (share(matches, values), column.hints);
    let named = hints.is_exact(kind) && share >= HINTED_SHARE;
    let related = hints.is_any(kind) && share >= STRONG_SHARE;
    if named || related || (share >= STRONG_SHARE && matches >= STRONG_MATCHES) {
        return Some(FindingLevel::Strong);
    }
    let candidates = column.counted(Marks::candidate(kind)).max(matches);
    // Amounts of money, and numbers of anything, have eleven digits too.
    if column.numeric && !hints.is_any(kind) && matches!(kind, FindingKind::Mobile | FindingKind::BankCard) {
        return None;
    }
    let by_chance = !masked && !hints.is_any(kind) && is_chance(matches, candidates, chance(kind));
    (!by_chance).then_some(FindingLevel::Some)
}

/// The share of what has the right form that passes the check without being of the kind.
fn chance(kind: FindingKind) -> f64 {
    match kind {
        FindingKind::ResidentId | FindingKind::Vin => 1.0 / 11.0,
        FindingKind::SoleTraderCode => 1.0 / (31.0 * 11.0),
        FindingKind::BankCard => 0.1,
        // Seven in ninety runs of eleven digits that do not begin with zero.
        FindingKind::Mobile => 0.078,
        FindingKind::Plate
        | FindingKind::Email
        | FindingKind::Document
        | FindingKind::Name
        | FindingKind::Address
        | FindingKind::Whereabouts
        | FindingKind::Network => 0.0,
    }
}

/// Whether no more passed than chance explains: its mean and some standard deviations. Of one or two nobody can say; they are reported.
fn is_chance(matches: i64, candidates: i64, chance: f64) -> bool {
    let mean = candidates as f64 * chance;
    chance > 0.0 && candidates >= FEW_CANDIDATES && matches as f64 <= mean + DEVIATIONS * mean.sqrt()
}

fn share(matches: i64, values: i64) -> f64 {
    if values == 0 { 0.0 } else { matches as f64 / values as f64 }
}

/// A column as one side of a place on earth.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Which of the scanned columns it is.
    pub column: usize,
    /// Values that are not missing.
    pub values: i64,
    /// Whether most values are in China, on its side.
    pub in_china: bool,
    /// Whether most have four decimals or more: a place of some metres.
    pub fine: bool,
    /// Which side it is.
    pub side: Side,
}

/// What a column tells of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// How far east.
    Longitude,
    /// How far north.
    Latitude,
    /// Both, as a point.
    Both,
}

/// The findings of places of persons or vehicles over time: a longitude and a latitude beside a column that says whose they are, or when.
/// `moments` says of each column whether it holds moments, and `strong` whether it is one of persons or vehicles by its values.
pub fn whereabouts(columns: &[ColumnScan], places: &[Place], moments: &[bool], strong: &[bool]) -> Vec<Finding> {
    let mut proper: Vec<&Place> = places.iter().filter(|place| place.in_china && place.fine).collect();
    let has = |side| proper.iter().any(|place| place.side == side);
    let (point, pair) = (has(Side::Both), has(Side::Longitude) && has(Side::Latitude));
    proper.retain(|place| if place.side == Side::Both { point } else { pair });
    if proper.is_empty() {
        return Vec::new();
    }
    let mover = columns.iter().any(|column| column.hints.mover) || strong.contains(&true);
    let moment = columns.iter().zip(moments).any(|(column, moment)| column.hints.moment || (*moment && !column.hints.bookkeeping));
    let level = match (mover, moment) {
        (true, _) => FindingLevel::Strong,
        (false, true) => FindingLevel::Some,
        (false, false) => return Vec::new(),
    };
    let finding = |place: &Place| Finding {
        column: columns[place.column].name.clone(),
        kind: FindingKind::Whereabouts,
        level,
        matches: place.values,
        share: 1.0,
        masked: false,
        cleared: columns[place.column].cleared,
        examples: Vec::new(),
        rows: Vec::new(),
    };
    proper.into_iter().map(finding).collect()
}
