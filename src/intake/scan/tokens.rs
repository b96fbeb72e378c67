//! One pass over a text: runs of digits and letters are checked one by one, and runs of digits that single spaces or dashes divide also
//! as one. A run that is part of a longer one is no hit.

use std::ops::Range;

use chrono::NaiveDate;

use super::codes::{self, Check};
use super::hints::Hints;
use super::{Marks, mask, names, words};
use crate::intake::FindingKind;

/// The most runs that are put together.
const MAX_RUNS: usize = 8;

/// The longest identifier.
const MAX_JOINED: usize = 24;

/// The shortest one.
const MIN_JOINED: usize = 11;

/// How resident IDs, bank cards and mobile numbers are divided; longer divisions stand before those that they begin with.
const GROUPS: &[&[usize]] = &[
    &[6, 8, 4],
    &[6, 8, 3, 1],
    &[6, 4, 4, 4],
    &[3, 3, 4, 4, 4],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4],
    &[6, 13],
    &[6, 10],
    &[2, 3, 4, 4],
    &[2, 11],
    &[3, 4, 4],
    &[3, 3, 5],
    &[3, 8],
];

/// Is told what was found, and where.
pub trait Sink {
    /// A value of a kind, masked or not, in this range of the text.
    fn hit(&mut self, kind: FindingKind, masked: bool, range: Range<usize>);
    /// Something that is no value, but has to be counted.
    fn mark(&mut self, marks: Marks);
}

enum Found {
    Nothing,
    Form(FindingKind),
    Valid(FindingKind),
    Masked(FindingKind),
    Legacy,
}

/// Looks for everything in a text that has its plain shape.
pub fn look(text: &str, hints: Hints, today: NaiveDate, sink: &mut impl Sink) {
    let mut pass = Pass { text, bytes: text.as_bytes(), hints, today, sink, runs: Runs::default() };
    pass.run();
    pass.whole();
}

struct Pass<'a, S> {
    text: &'a str,
    bytes: &'a [u8],
    hints: Hints,
    today: NaiveDate,
    sink: &'a mut S,
    /// Runs of digits that stand one behind the other.
    runs: Runs,
}

/// A few runs; no memory is asked for.
#[derive(Default)]
struct Runs {
    all: [(usize, usize); MAX_RUNS],
    count: usize,
}

impl Runs {
    fn as_slice(&self) -> &[(usize, usize)] {
        &self.all[..self.count]
    }

    fn push(&mut self, run: &Range<usize>) {
        if self.count == MAX_RUNS {
            self.all.rotate_left(1);
            self.count -= 1;
        }
        self.all[self.count] = (run.start, run.end);
        self.count += 1;
    }
}

impl<S: Sink> Pass<'_, S> {
    fn run(&mut self) {
        let (mut at, mut rooms) = (0, false);
        let (mut dots, mut colons, mut dashes) = (0, 0, 0);
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'*' => {
                    let length = self.bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'*').count();
                    self.token(at..at + length);
                    at += length;
                }
                b'@' => {
                    if let Some((start, end)) = words::email(self.bytes, at) {
                        let masked = self.bytes[start..at].contains(&b'*');
                        self.sink.hit(FindingKind::Email, masked, start..end);
                    }
                    at += 1;
                }
                b'.' => (dots, at) = (dots + 1, at + 1),
                b':' => (colons, at) = (colons + 1, at + 1),
                b'-' => (dashes, at) = (dashes + 1, at + 1),
                0xE0..=0xEF => {
                    rooms |= matches!(self.bytes.get(at..at + 3), Some([0xE5, 0xAE, 0xA4] | [0xE5, 0x8D, 0x95]));
                    self.plate(at);
                    at += 3;
                }
                0xF0..=0xFF => at += 4,
                0xC0..=0xDF => at += 2,
                _ => at += 1,
            }
        }
        self.join();
        let address = self.hints.is_any(FindingKind::Address);
        if (rooms && words::is_room(self.text)) || (address && words::is_flat(self.text)) {
            self.sink.hit(FindingKind::Address, self.text.contains("**"), 0..self.text.len());
        }
        let network = self.hints.is_any(FindingKind::Network);
        if dots >= 3 || colons >= 3 || dashes >= 5 || network {
            words::network(self.text, network, |start, end| self.sink.hit(FindingKind::Network, false, start..end));
        }
    }

    fn plate(&mut self, at: usize) {
        if self.bytes.get(at + 3).is_some_and(u8::is_ascii_alphabetic)
            && let Some(end) = words::plate_end(self.text, at)
        {
            let masked = self.bytes[at..end].contains(&b'*');
            self.sink.hit(FindingKind::Plate, masked, at..end);
        }
    }

    /// What is asked of the value as a whole, where the header asks for it.
    fn whole(&mut self) {
        let range = 0..self.text.len();
        if self.hints.is_any(FindingKind::Name) {
            match names::read(self.text, self.hints.is_exact(FindingKind::Name)) {
                names::Named::Other => {}
                names::Named::Name => self.sink.hit(FindingKind::Name, false, range.clone()),
                names::Named::Masked => self.sink.hit(FindingKind::Name, true, range.clone()),
            }
        }
        if self.hints.is_any(FindingKind::Document) {
            let digits = self.bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
            let masked = self.text.contains("**");
            let proper = (digits >= 4 || (masked && digits >= 2)) && (5..=24).contains(&self.text.chars().count());
            let exact = self.hints.is_exact(FindingKind::Document);
            if proper && (exact || is_document(self.text.trim())) {
                self.sink.hit(FindingKind::Document, masked, range);
            }
        }
    }

    fn token(&mut self, range: Range<usize>) {
        let token = &self.bytes[range.clone()];
        let numeric = token[..token.len() - 1].iter().all(|byte| byte.is_ascii_digit() || *byte == b'*');
        let follows = self.runs.as_slice().last().is_some_and(|(_, end)| end + 1 == range.start && matches!(self.bytes[*end], b' ' | b'-'));
        if !follows || !numeric {
            self.join();
        }
        if numeric {
            self.runs.push(&range);
        }
        if token.len() >= 11 && !(numeric && self.is_fraction(&range)) {
            let found = self.check(token);
            self.tell(found, range);
        } else if token.len() >= 5 && token.contains(&b'*') {
            let found = mask::kind_of(token, &self.hints).map_or(Found::Nothing, Found::Masked);
            self.tell(found, range);
        }
    }

    /// Whether digits stand behind a decimal point, or before one with more than zeros behind it.
    fn is_fraction(&self, range: &Range<usize>) -> bool {
        let digit = |at: Option<usize>| at.and_then(|at| self.bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let point = |at: Option<usize>| at.and_then(|at| self.bytes.get(at)) == Some(&b'.');
        let behind = point(range.start.checked_sub(1)) && digit(range.start.checked_sub(2));
        let before = point(Some(range.end)) && {
            let fraction = self.bytes[range.end + 1..].iter().take_while(|byte| byte.is_ascii_digit());
            fraction.clone().any(|byte| *byte != b'0')
        };
        behind || before
    }

    fn check(&self, token: &[u8]) -> Found {
        let letters = token.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
        let last_letter = token.last().is_some_and(u8::is_ascii_alphabetic);
        if token.contains(&b'*') {
            return mask::kind_of(token, &self.hints).map_or(Found::Nothing, Found::Masked);
        }
        if letters == 0 || (letters == 1 && last_letter && token.len() == 18) {
            return self.check_digits(token);
        }
        if letters >= 3 && token.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'x' | b'X')) {
            return self.check_crossed(token);
        }
        match (codes::sole_trader(token), codes::vin(token)) {
            (Check::Valid, _) => Found::Valid(FindingKind::SoleTraderCode),
            (_, Check::Valid) => Found::Valid(FindingKind::Vin),
            (Check::Form, _) => Found::Form(FindingKind::SoleTraderCode),
            (_, Check::Form) if self.hints.is_any(FindingKind::Vin) => Found::Valid(FindingKind::Vin),
            (_, Check::Form) => Found::Form(FindingKind::Vin),
            (Check::Other, Check::Other) if self.hints.is_any(FindingKind::ResidentId) && codes::is_foreign_permit(token) => {
                Found::Valid(FindingKind::ResidentId)
            }
            (Check::Other, Check::Other) => Found::Nothing,
        }
    }

    /// 138xxxx0000
    fn check_crossed(&self, token: &[u8]) -> Found {
        let mut starred: Vec<u8> = token.iter().map(|byte| if byte.is_ascii_digit() { *byte } else { b'*' }).collect();
        if let ([.., b'0'..=b'9', b'x' | b'X'], Some(last)) = (token, starred.last_mut()) {
            *last = b'X';
        }
        mask::kind_of(&starred, &self.hints).map_or(Found::Nothing, Found::Masked)
    }

    fn check_digits(&self, token: &[u8]) -> Found {
        let id = codes::resident_id(token, self.today);
        // Under a header that asks for it, one that was mistyped is one all the same.
        if id == Check::Valid || (id == Check::Form && self.hints.is_any(FindingKind::ResidentId)) {
            return Found::Valid(FindingKind::ResidentId);
        }
        if codes::sole_trader(token) == Check::Valid {
            return Found::Valid(FindingKind::SoleTraderCode);
        }
        match (
            codes::mobile(token, self.hints.is_exact(FindingKind::Mobile)),
            codes::bank_card(token, self.hints.is_any(FindingKind::BankCard)),
        ) {
            (Check::Valid, _) => Found::Valid(FindingKind::Mobile),
            (_, Check::Valid) => Found::Valid(FindingKind::BankCard),
            _ if id == Check::Form => Found::Form(FindingKind::ResidentId),
            _ if codes::is_legacy_id(token, self.today) => Found::Legacy,
            (Check::Form, _) => Found::Form(FindingKind::Mobile),
            (_, Check::Form) => Found::Form(FindingKind::BankCard),
            (Check::Other, Check::Other) => Found::Nothing,
        }
    }

    /// Checks the runs so far as one, and forgets them.
    fn join(&mut self) {
        let taken = std::mem::take(&mut self.runs);
        let runs = taken.as_slice();
        let [(start, _), .., (_, end)] = runs else { return };
        if length(runs) < MIN_JOINED {
            return;
        }
        let mut known = false;
        for first in 0..runs.len() {
            known |= self.divided(&runs[first..]);
        }
        let around = self.bytes[..*start].iter().chain(&self.bytes[*end..]);
        if !known && around.clone().all(|byte| !byte.is_ascii_alphanumeric()) && length(runs) >= 15 {
            self.put_together(runs);
        }
    }

    /// Tries the divisions that are in use at the start of the runs.
    fn divided(&mut self, runs: &[(usize, usize)]) -> bool {
        let fits = |groups: &&&[usize]| {
            runs.len() >= groups.len() && runs.iter().zip(groups.iter()).all(|((start, end), length)| end - start == *length)
        };
        let groups = GROUPS.iter().find(fits).map_or(0, |groups| groups.len());
        groups > 0 && self.put_together(&runs[..groups])
    }

    fn put_together(&mut self, runs: &[(usize, usize)]) -> bool {
        let ([(from, _), ..], [.., (_, to)]) = (runs, runs) else { return false };
        let length = length(runs);
        let mut joined = [0; MAX_JOINED];
        if length > MAX_JOINED {
            return false;
        }
        let bytes = runs.iter().flat_map(|(start, end)| &self.bytes[*start..*end]);
        joined.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let found = self.check(&joined[..length]);
        // The form alone proves nothing of runs that only might be one.
        let proven = matches!(found, Found::Valid(_) | Found::Masked(_));
        if proven {
            self.tell(found, *from..*to);
        }
        proven
    }

    fn tell(&mut self, found: Found, range: Range<usize>) {
        match found {
            Found::Nothing => {}
            Found::Form(kind) => self.sink.mark(Marks::candidate(kind)),
            Found::Valid(kind) => {
                self.sink.mark(Marks::candidate(kind));
                self.sink.hit(kind, false, range);
            }
            Found::Masked(kind) => self.sink.hit(kind, true, range),
            Found::Legacy if self.hints.is_any(FindingKind::ResidentId) => self.sink.hit(FindingKind::ResidentId, false, range),
            Found::Legacy => self.sink.mark(Marks::LEGACY),
        }
    }
}

/// 护照, 港澳通行证, 台胞证: a letter or two and seven to nine digits.
fn is_document(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = text.bytes().skip(letters).take_while(u8::is_ascii_digit).count();
    (1..=2).contains(&letters) && (7..=10).contains(&digits) && letters + digits == text.len()
}

fn length(runs: &[(usize, usize)]) -> usize {
    runs.iter().map(|(start, end)| end - start).sum()
}
