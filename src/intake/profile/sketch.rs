//! Quantiles and a histogram in bounded memory: a stack of buffers whose values stand for 1, 2, 4, … values each. A full buffer is
//! sorted, and every other value of it moves up. Up to [`BUFFER`] values nothing is lost; above, the rank of a quantile is off by
//! some tenths of a per cent.

/// Values of one buffer.
const BUFFER: usize = 512;

/// From so many full buffers of the lowest kind on, only every second value is looked at, and so on: a long column costs no more.
const FULL_BUFFERS: u64 = 1024;

/// Bars of a histogram.
pub const BINS: usize = 20;

/// A bounded picture of how numbers are distributed.
pub struct Sketch {
    /// Of level `n`, each value stands for `2^n`.
    levels: Vec<Vec<f64>>,
    /// New values go to this level, one of `2^base`.
    base: usize,
    /// Values to pass over before the next one is taken.
    skip: u64,
    /// Values to pass over after it, to the end of its group.
    rest: u64,
    taken: u64,
    random: u64,
}

impl Sketch {
    /// Nothing was seen so far.
    pub fn new() -> Self {
        Sketch { levels: vec![Vec::new()], base: 0, skip: 0, rest: 0, taken: 0, random: 0x2545_F491_4F6C_DD1D }
    }

    /// Takes a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.take(value);
    }

    /// The values at these shares, from 0 to 1; empty when nothing was seen.
    pub fn quantiles(&self, shares: &[f64]) -> Vec<f64> {
        let (values, total) = self.weighted();
        if values.is_empty() {
            return Vec::new();
        }
        let at = |share: &f64| {
            let wanted = (share * total as f64).ceil().max(1.0) as u64;
            let mut passed = 0;
            let found = values.iter().find(|(_, weight)| {
                passed += weight;
                passed >= wanted
            });
            found.or(values.last()).map_or(0.0, |(value, _)| *value)
        };
        shares.iter().map(at).collect()
    }

    /// How many of `count` values lie between neighbouring edges; the last range includes its upper edge. The sum is `count`.
    pub fn histogram(&self, edges: &[f64], count: i64) -> Vec<i64> {
        let bins = edges.len().saturating_sub(1);
        let (values, total) = self.weighted();
        let mut shares = vec![0u64; bins];
        for (value, weight) in &values {
            let at = edges.partition_point(|edge| edge <= value).clamp(1, bins) - 1;
            shares[at] += weight;
        }
        // Rounding the running total makes the parts sum up.
        let (mut passed, mut given) = (0u64, 0i64);
        let part = |share: &u64| {
            passed += share;
            let until = (i128::from(count) * i128::from(passed) / i128::from(total.max(1))) as i64;
            let part = until - given;
            given = until;
            part
        };
        shares.iter().map(part).collect()
    }

    /// The share of the values that pass a test.
    pub fn share(&self, test: impl Fn(f64) -> bool) -> f64 {
        let (values, total) = self.weighted();
        let passing: u64 = values.iter().filter(|(value, _)| test(*value)).map(|(_, weight)| weight).sum();
        if total == 0 { 0.0 } else { passing as f64 / total as f64 }
    }

    /// The values that were kept, in order, each with the number of values that it stands for.
    fn weighted(&self) -> (Vec<(f64, u64)>, u64) {
        let mut values: Vec<(f64, u64)> =
            self.levels.iter().enumerate().flat_map(|(level, values)| values.iter().map(move |value| (*value, 1 << level))).collect();
        values.sort_by(|one, other| one.0.total_cmp(&other.0));
        let total = values.iter().map(|(_, weight)| weight).sum();
        (values, total)
    }

    fn take(&mut self, value: f64) {
        self.levels[self.base].push(value);
        if self.levels[self.base].len() >= BUFFER {
            self.compact(self.base);
        }
        self.taken += 1;
        if self.taken >= FULL_BUFFERS * BUFFER as u64 {
            self.taken /= 2;
            self.base += 1;
            if self.levels.len() <= self.base {
                self.levels.push(Vec::new());
            }
        }
        if self.base > 0 {
            // One value of each group of 2^base, at random.
            let group = 1u64 << self.base;
            let before = self.next_random() % group;
            self.skip = self.rest + before;
            self.rest = group - 1 - before;
        }
    }

    fn compact(&mut self, from: usize) {
        let mut level = from;
        while self.levels[level].len() >= BUFFER {
            if self.levels.len() <= level + 1 {
                self.levels.push(Vec::new());
            }
            let mut values = std::mem::take(&mut self.levels[level]);
            values.sort_unstable_by(f64::total_cmp);
            let odd = (self.next_random() & 1) as usize;
            let up: Vec<f64> = values.iter().skip(odd).step_by(2).copied().collect();
            self.levels[level + 1].extend(up);
            values.clear();
            self.levels[level] = values;
            level += 1;
        }
    }

    /// Xorshift with a fixed seed: the same column gives the same numbers again.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

    fn numbers(count: usize, mut seed: u64) -> Vec<f64> {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as f64
        };
        (0..count).map(|_| (next() / 1e9).powi(3) + next() / 1e8).collect()
    }

    #[test]
    fn ranks_are_off_by_less_than_one_per_cent() {
        for (count, seed) in [(100, 1), (1_000, 2), (5_000, 3), (100_000, 4), (300_000, 5), (2_000_000, 6)] {
            let mut orders = [numbers(count, seed), numbers(count, seed), numbers(count, seed)];
            orders[1].sort_by(f64::total_cmp);
            orders[2].sort_by(|one, other| other.total_cmp(one));
            let sorted = orders[1].clone();
            for values in orders {
                let mut sketch = Sketch::new();
                values.iter().for_each(|value| sketch.add(*value));
                for (share, found) in SHARES.iter().zip(sketch.quantiles(&SHARES)) {
                    let rank = sorted.partition_point(|value| *value < found) as f64 / count as f64;
                    // The rank of one value of 100 is a per cent itself.
                    assert!((rank - share).abs() < 0.01 + 1.0 / count as f64, "{count}: {share} is at {rank}");
                }
                assert!(sketch.levels.iter().map(Vec::capacity).sum::<usize>() * 8 < 130_000, "{count}");
            }
        }
    }

    #[test]
    fn few_values_are_kept_as_they_are() {
        let mut sketch = Sketch::new();
        (1..=100).rev().for_each(|value| sketch.add(f64::from(value)));
        assert_eq!(sketch.quantiles(&SHARES), [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0]);
        assert_eq!(sketch.histogram(&[1.0, 11.0, 50.0, 100.0], 100), [10, 39, 51]);
        assert!(Sketch::new().quantiles(&SHARES).is_empty());
    }

    #[test]
    fn a_histogram_sums_up() {
        let values = numbers(1_234_567, 9);
        let mut sketch = Sketch::new();
        values.iter().for_each(|value| sketch.add(*value));
        let edges: Vec<f64> = (0..=20).map(f64::from).collect();
        let counts = sketch.histogram(&edges, values.len() as i64);
        assert_eq!(counts.iter().sum::<i64>(), values.len() as i64);
        for (at, count) in counts.iter().enumerate() {
            let low = edges[at];
            let truth = values.iter().filter(|value| **value >= low && (**value < low + 1.0 || at == 19 && **value >= 19.0)).count() as f64;
            assert!((*count as f64 - truth).abs() / (values.len() as f64) < 0.01, "{low}: {count} {truth}");
        }
    }
}
