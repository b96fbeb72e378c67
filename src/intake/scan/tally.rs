//! A first look at the bytes of a value, so cheap that a column without personal data costs next to nothing.

/// How many bytes of each kind a text has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// ASCII digits.
    pub digits: u32,
    /// Bytes that continue a character: the length in bytes less these is the length in characters.
    pub continued: u32,
    /// First bytes of full-width forms.
    pub wide: u32,
    /// `@`.
    pub at: u32,
    /// `:`.
    pub colon: u32,
    /// `.`.
    pub dot: u32,
    /// `*`, and the first bytes of `×` and `●`.
    pub star: u32,
    /// `-`.
    pub dash: u32,
}

/// One byte of the number for each count.
const WEIGHTS: [u64; 256] = weights();

const fn weights() -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let place = match byte as u8 {
            b'0'..=b'9' => 0,
            0x80..=0xBF => 1,
            0xEF => 2,
            b'@' => 3,
            b':' => 4,
            b'.' => 5,
            b'*' | 0xC3 | 0xE2 => 6,
            b'-' => 7,
            _ => 8,
        };
        if place < 8 {
            table[byte] = 1 << (8 * place);
        }
        byte += 1;
    }
    table
}

impl Tally {
    /// Counts the bytes of a text.
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        let mut tally = Tally::default();
        // No count of a byte overflows in a block of 255.
        for block in bytes.chunks(255) {
            let packed = block.iter().fold(0u64, |sum, byte| sum + WEIGHTS[usize::from(*byte)]);
            let [digits, continued, wide, at, colon, dot, star, dash] = packed.to_le_bytes();
            tally.digits += u32::from(digits);
            tally.continued += u32::from(continued);
            tally.wide += u32::from(wide);
            tally.at += u32::from(at);
            tally.colon += u32::from(colon);
            tally.dot += u32::from(dot);
            tally.star += u32::from(star);
            tally.dash += u32::from(dash);
        }
        tally
    }

    /// Whether a text of so many bytes can hold anything that is looked for in a column without a telling header.
    #[inline]
    pub fn is_suspect(&self, length: usize) -> bool {
        self.digits >= 11
            || (self.continued > 0 && self.digits + self.wide >= 3)
            || (self.digits >= 5 && length >= 17)
            || self.at > 0
            || self.star > 0
            || (self.dot >= 3 && self.digits >= 4)
            || self.colon >= 3
            || self.dash >= 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_beyond_255() {
        let text = "1字@:.*-a".repeat(1000);
        let tally = Tally::of(text.as_bytes());
        let wanted = Tally { digits: 1000, continued: 2000, wide: 0, at: 1000, colon: 1000, dot: 1000, star: 1000, dash: 1000 };
        assert_eq!(tally, wanted);
    }

    #[test]
    fn plain_values_are_passed_over() {
        for text in ["", "holiday", "2025-01-01", "310104003", "V2025-000001", "上海新村居委会", "121.4737", "10:30", "36号"] {
            assert!(!Tally::of(text.as_bytes()).is_suspect(text.len()), "{text}");
        }
        for text in ["13800000000", "１３８０００００００", "沪A12345", "a@b.cn", "张*", "10.1.2.33", "2001:db8::1", "LSVAA49J132047371"]
        {
            assert!(Tally::of(text.as_bytes()).is_suspect(text.len()), "{text}");
        }
    }
}
