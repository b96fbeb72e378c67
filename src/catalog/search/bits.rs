//! A set of the documents of a segment, a bit for each.

use tantivy::DocId;

/// A set of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// None of so many.
    pub fn none(documents: u32) -> Self {
        Bits(vec![0; documents.div_ceil(64) as usize])
    }

    /// All of so many.
    pub fn all(documents: u32) -> Self {
        let mut bits = Bits(vec![u64::MAX; documents.div_ceil(64) as usize]);
        let over = documents % 64;
        if let (Some(last), true) = (bits.0.last_mut(), over > 0) {
            *last = (1 << over) - 1;
        }
        bits
    }

    /// Adds one; what lies beyond the last word of bits is none.
    pub fn insert(&mut self, document: DocId) {
        if let Some(word) = self.0.get_mut(document as usize / 64) {
            *word |= 1 << (document % 64);
        }
    }

    /// Whether one is in it.
    pub fn has(&self, document: DocId) -> bool {
        self.0.get(document as usize / 64).is_some_and(|word| word >> (document % 64) & 1 == 1)
    }

    /// Adds those of another set.
    pub fn add(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(one, other)| *one |= other);
    }

    /// Keeps those that are in another set too.
    pub fn keep(&mut self, other: &Bits) {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter_mut().zip(others).for_each(|(one, other)| *one &= other);
    }

    /// Takes out those of another set.
    pub fn remove(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(one, other)| *one &= !other);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.0.len() * size_of::<u64>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = DocId> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at as u32 * 64 + bit)
            })
        })
    }

    /// Those that are in at least so many of some sets, of so many documents.
    pub fn in_at_least<'a>(least: usize, sets: impl Iterator<Item = &'a Bits>, documents: u32) -> Bits {
        if least == 0 {
            return Bits::all(documents);
        }
        // The set at place n has what is in more than n of those that were seen.
        let mut more: Vec<Bits> = vec![Bits::none(documents); least];
        for set in sets {
            for at in (1..least).rev() {
                let (lower, upper) = more.split_at_mut(at);
                if let (Some(lower), Some(upper)) = (lower.last(), upper.first_mut()) {
                    upper.0.iter_mut().zip(&lower.0).zip(&set.0).for_each(|((upper, lower), seen)| *upper |= lower & seen);
                }
            }
            if let Some(first) = more.first_mut() {
                first.add(set);
            }
        }
        more.pop().unwrap_or_else(|| Bits::none(documents))
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    fn of(documents: &[u32]) -> Bits {
        let mut bits = Bits::none(200);
        documents.iter().for_each(|document| bits.insert(*document));
        bits
    }

    #[test]
    fn sets_are_joined_and_counted() {
        assert_eq!(Bits::all(130).count(), 130);
        assert_eq!(Bits::all(128).count(), 128);
        let mut bits = of(&[0, 63, 64, 199, 256]);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 64, 199]);
        bits.remove(&of(&[63]));
        bits.add(&of(&[7]));
        bits.keep(&of(&[7, 64, 100]));
        assert_eq!(bits.iter().collect::<Vec<_>>(), [7, 64]);
        assert!(!bits.is_empty() && Bits::none(3).is_empty());
    }

    #[test]
    fn what_is_in_several_sets_is_found() {
        let sets = [of(&[1, 2, 3]), of(&[2, 3, 4]), of(&[3, 4, 5])];
        let at_least = |least| Bits::in_at_least(least, sets.iter(), 200).iter().collect::<Vec<_>>();
        assert_eq!(at_least(1), [1, 2, 3, 4, 5]);
        assert_eq!(at_least(2), [2, 3, 4]);
        assert_eq!(at_least(3), [3]);
        assert!(at_least(4).is_empty());
        assert_eq!(at_least(0).len(), 200);
    }
}
