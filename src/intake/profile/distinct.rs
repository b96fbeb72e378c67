//! How many different values there are, by their hashes: a table while they are few, a HyperLogLog from then on.

/// Up to so many different values are counted one by one.
pub const EXACT: usize = 1024;

const SLOTS: usize = 2 * EXACT;

/// Bits of a hash that choose a register: 2^14 registers, a standard error of 0.8 %.
const REGISTER_BITS: u32 = 14;

/// What is known of a value that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It was seen before.
    Before,
    /// It is new, and has this place among the entries.
    New,
    /// There are too many different values to tell.
    Many,
}

/// Counts different values.
pub struct Distinct {
    table: Option<Table>,
    /// The counts of the table that overflowed, until they are taken.
    spilled: Vec<u64>,
    registers: Vec<u8>,
}

struct Table {
    /// A hash and the place of its entry; an empty slot has [`EMPTY`].
    slots: Vec<(u64, u32)>,
    counts: Vec<u64>,
}

const EMPTY: u32 = u32::MAX;

impl Distinct {
    /// Nothing was seen so far.
    pub fn new() -> Self {
        Distinct { table: Some(Table { slots: vec![(0, EMPTY); SLOTS], counts: Vec::new() }), spilled: Vec::new(), registers: Vec::new() }
    }

    /// Takes the hash of a value.
    #[inline]
    pub fn add(&mut self, hash: u64) -> Seen {
        let Some(table) = &mut self.table else {
            register(&mut self.registers, hash);
            return Seen::Many;
        };
        let mut at = hash as usize % SLOTS;
        loop {
            let (known, entry) = table.slots[at];
            if entry == EMPTY {
                break;
            }
            if known == hash {
                table.counts[entry as usize] += 1;
                return Seen::Before;
            }
            at = (at + 1) % SLOTS;
        }
        if table.counts.len() < EXACT {
            table.slots[at] = (hash, table.counts.len() as u32);
            table.counts.push(1);
            return Seen::New;
        }
        self.overflow(hash);
        Seen::Many
    }

    /// How often each value was seen, in the order of their first appearance; `None` when there were too many.
    pub fn counts(&self) -> Option<&[u64]> {
        self.table.as_ref().map(|table| table.counts.as_slice())
    }

    /// The counts of [`EXACT`] values when there came to be too many, without the one that was too many; empty when taken before.
    pub fn take_counts(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.spilled)
    }

    /// How many different values there are, and whether that is exact.
    pub fn count(&self) -> (i64, bool) {
        match &self.table {
            Some(table) => (table.counts.len() as i64, true),
            None => (estimate(&self.registers).round() as i64, false),
        }
    }

    #[cold]
    fn overflow(&mut self, hash: u64) {
        self.registers = vec![0; 1 << REGISTER_BITS];
        if let Some(table) = self.table.take() {
            self.spilled = table.counts;
            for (known, _) in table.slots.iter().filter(|(_, entry)| *entry != EMPTY) {
                register(&mut self.registers, *known);
            }
        }
        register(&mut self.registers, hash);
    }
}

#[inline]
fn register(registers: &mut [u8], hash: u64) {
    let at = (hash >> (64 - REGISTER_BITS)) as usize;
    // The bit set at the end bounds the rank by 51.
    let rank = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() as u8 + 1;
    if let Some(known) = registers.get_mut(at) {
        *known = rank.max(*known);
    }
}

/// The estimate of Ertl (2017), which needs no correction for small or large counts.
fn estimate(registers: &[u8]) -> f64 {
    let longest = (64 - REGISTER_BITS) as usize;
    let mut of_rank = vec![0u32; longest + 2];
    registers.iter().for_each(|rank| of_rank[usize::from(*rank)] += 1);
    let size = registers.len() as f64;
    let mut sum = size * tau(1.0 - f64::from(of_rank[longest + 1]) / size);
    for rank in (1..=longest).rev() {
        sum = 0.5 * (sum + f64::from(of_rank[rank]));
    }
    sum += size * sigma(f64::from(of_rank[0]) / size);
    size * size / (2.0 * std::f64::consts::LN_2 * sum)
}

/// `x + Σ x^(2^k)·2^(k-1)`.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut factor, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * factor;
        factor += factor;
        if sum <= before {
            return sum;
        }
    }
}

/// `(1 - x - Σ (1 - x^(2^-k))²·2^-k) / 3`.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut factor, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - x).powi(2) * factor;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash;
    use super::*;

    #[test]
    fn few_values_are_counted_exactly() {
        let mut distinct = Distinct::new();
        for round in 0..3 {
            for number in 0..EXACT as u64 {
                let seen = distinct.add(hash::of_bits(number));
                assert_eq!(seen, if round == 0 { Seen::New } else { Seen::Before }, "{number}");
            }
        }
        assert_eq!(distinct.count(), (EXACT as i64, true));
        assert!(distinct.counts().unwrap().iter().all(|count| *count == 3));
        assert_eq!(distinct.add(hash::of_bits(u64::MAX)), Seen::Many);
        assert_eq!(distinct.counts(), None);
        assert!(!distinct.count().1);
    }

    #[test]
    fn many_values_are_estimated_within_two_per_cent() {
        for wanted in [1_025u64, 3_000, 10_000, 40_000, 65_000, 100_000, 300_000, 1_000_000] {
            let (mut numbers, mut texts) = (Distinct::new(), Distinct::new());
            for number in 0..wanted {
                numbers.add(hash::of_bits(number * 1000));
                texts.add(hash::of_bytes(format!("V2025-{number:06}").as_bytes()));
            }
            for found in [numbers.count().0, texts.count().0] {
                let off = (found as f64 / wanted as f64 - 1.0).abs();
                assert!(off < 0.02, "{wanted}: {found}");
            }
        }
    }
}
