//! 64-bit hashes that are the same on every machine and in every run, so that a profile can be made again.

const K1: u64 = 0x9E37_79B9_7F4A_7C15;
const K2: u64 = 0xD6E8_FEB8_6659_FD93;
const K3: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// The hash of a number's bits.
#[inline]
pub fn of_bits(bits: u64) -> u64 {
    fold(fold(bits ^ K1, K2) ^ bits, K3)
}

/// The hash of wide bits.
#[inline]
pub fn of_wide(bits: i128) -> u64 {
    let (low, high) = (bits as u64, (bits >> 64) as u64);
    fold(fold(low ^ K1, K2) ^ low ^ high.rotate_left(17), K3 ^ high)
}

/// The hash of a text.
#[inline]
pub fn of_bytes(bytes: &[u8]) -> u64 {
    let length = bytes.len() as u64;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        if bytes.len() <= 16 {
            return fold(fold(first ^ K1, last ^ K2) ^ length ^ first.rotate_left(32), K3);
        }
        return of_long(bytes, last);
    }
    let mut bits = 0;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        bits = u64::from(u32::from_le_bytes(*first)) | (u64::from(u32::from_le_bytes(*last)) << 32);
    } else {
        for byte in bytes {
            bits = (bits << 8) | u64::from(*byte);
        }
    }
    fold(fold(bits ^ K1, K2 ^ length) ^ bits, K3)
}

fn of_long(bytes: &[u8], last: u64) -> u64 {
    let mut state = K1 ^ bytes.len() as u64;
    for block in bytes.chunks_exact(16) {
        if let (Some(first), Some(second)) = (block.first_chunk::<8>(), block.last_chunk::<8>()) {
            let (first, second) = (u64::from_le_bytes(*first), u64::from_le_bytes(*second));
            state = fold(first ^ state, second ^ K2) ^ first.rotate_left(23);
        }
    }
    // The last 8 to 16 bytes may lie outside of the blocks.
    let rest = bytes.chunks_exact(16).remainder();
    let tail = rest.first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    fold(fold(state ^ last, K2 ^ tail) ^ last.rotate_left(32), K3)
}

#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_byte_counts_at_every_length() {
        let text: Vec<u8> = (0..60).map(|at| b'a' + at % 26).collect();
        let mut seen = HashSet::new();
        for length in 0..=text.len() {
            assert!(seen.insert(of_bytes(&text[..length])), "{length}");
            for at in 0..length {
                let mut other = text[..length].to_vec();
                other[at] ^= 1;
                assert!(seen.insert(of_bytes(&other)), "{length} {at}");
            }
        }
    }

    #[test]
    fn bits_are_spread() {
        // Neighbouring numbers fall into different registers of a HyperLogLog.
        let registers: HashSet<u64> = (0..100_000u64).map(|number| of_bits(number) >> 50).collect();
        assert!(registers.len() > 16_000, "{}", registers.len());
        let wide: HashSet<u64> = (0..100_000i128).map(|number| of_wide(number) >> 50).collect();
        assert!(wide.len() > 16_000, "{}", wide.len());
    }
}
