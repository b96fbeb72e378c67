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

/// How mobile numbers, resident IDs and bank cards are divided.
const MOBILE_GROUPS: &[&[usize]] = &[&[3, 4, 4], &[3, 3, 5], &[3, 8], &[2, 11], &[2, 3, 4, 4]];
const LONG_GROUPS: &[&[usize]] =
    &[&[6, 8, 4], &[6, 4, 4, 4], &[3, 3, 4, 4, 4], &[4, 4, 4, 4, 2], &[6, 8, 3, 1], &[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[6, 13], &[6, 10]];

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
    let mut pass = Pass { text, bytes: text.as_bytes(), hints, today, sink, runs: Vec::with_capacity(MAX_RUNS) };
    pass.run();
    pass.whole();
}

struct Pass<'a, S> {
    text: &'a str,
    bytes: &'a [u8],
    hints: Hints,
    today: NaiveDate,
    sink: &'a mut S,
    runs: Vec<Range<usize>>,
}

impl<S: Sink> Pass<'_, S> {
    fn run(&mut self) {
        let (mut at, mut rooms, mut marks) = (0, false, 0);
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
                b'.' | b':' | b'-' => {
                    marks += 1;
                    at += 1;
                }
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
        if (rooms || address) && words::is_room(self.text, address) {
            self.sink.hit(FindingKind::Address, self.text.contains("**"), 0..self.text.len());
        }
        let network = self.hints.is_any(FindingKind::Network);
        if marks >= 3 || network {
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
        let follows = self.runs.last().is_some_and(|last| last.end + 1 == range.start && matches!(self.bytes[last.end], b' ' | b'-'));
        if !follows || !numeric {
            self.join();
        }
        if numeric {
            if self.runs.len() == MAX_RUNS {
                self.runs.remove(0);
            }
            self.runs.push(range.clone());
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
        if id == Check::Valid {
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
        let runs = std::mem::take(&mut self.runs);
        if let [first, .., last] = runs.as_slice() {
            let all = first.start..last.end;
            let whole = self.bytes[..all.start].iter().chain(&self.bytes[all.end..]).all(|byte| !byte.is_ascii_alphanumeric());
            let mut known = false;
            for start in 0..runs.len() {
                known |= self.windows(&runs[start..]);
            }
            if whole && !known {
                self.put_together(&runs, |length| length >= 15);
            }
        }
        self.runs = runs;
        self.runs.clear();
    }

    /// Tries the divisions that are in use at the start of the runs.
    fn windows(&mut self, runs: &[Range<usize>]) -> bool {
        let divided =
            |groups: &&&[usize]| runs.len() >= groups.len() && runs.iter().zip(groups.iter()).all(|(run, length)| run.len() == *length);
        if let Some(groups) = LONG_GROUPS.iter().find(divided) {
            return self.put_together(&runs[..groups.len()], |length| length >= 15);
        }
        if let Some(groups) = MOBILE_GROUPS.iter().find(divided) {
            return self.put_together(&runs[..groups.len()], |length| (11..=13).contains(&length));
        }
        false
    }

    fn put_together(&mut self, runs: &[Range<usize>], fits: impl Fn(usize) -> bool) -> bool {
        let joined: Vec<u8> = runs.iter().flat_map(|run| self.bytes[run.clone()].iter().copied()).take(MAX_JOINED + 1).collect();
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return false };
        if joined.len() > MAX_JOINED || !fits(joined.len()) {
            return false;
        }
        let found = self.check(&joined);
        // The form alone proves nothing of runs that only might be one.
        if let Found::Valid(_) | Found::Masked(_) = found {
            self.tell(found, first.start..last.end);
            return true;
        }
        false
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
