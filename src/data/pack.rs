//! Bytes as the 32-bit words that a storage buffer is made of.

/// Four bytes a word, the first in the lowest bits; the last word is filled up with 0.
pub fn pack(bytes: &[u8]) -> Vec<u32> {
    let (whole, rest) = bytes.as_chunks::<4>();
    let mut words: Vec<u32> = whole.iter().map(|&c| u32::from_le_bytes(c)).collect();
    if !rest.is_empty() {
        words.push(rest.iter().rev().fold(0, |w, &b| w << 8 | u32::from(b)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_lowest_and_the_last_word_is_padded() {
        assert_eq!(pack(&[1, 2, 3, 4, 5, 6]), [0x0403_0201, 0x0000_0605]);
        assert_eq!(pack(&[0xff; 4]), [u32::MAX]);
        assert!(pack(&[]).is_empty());
    }
}
