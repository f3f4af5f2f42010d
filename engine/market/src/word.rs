//! Eight bytes of a text as one number, for decimals and positional decoders.
//!
//! Loads never read outside the text. Predicates test all eight bytes at once (SIMD within a
//! register). The first byte of the text is the least significant byte of the number on every
//! machine.
#![expect(
    clippy::inline_always,
    reason = "keeps the position in a register: 82 to 59 ns a frame, with that of `positional`"
)]

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// 10^0 to 10^18, the powers of ten that fit an i64.
pub const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Loads the eight bytes at `at`, with zeros beyond the end of the text.
#[inline(always)]
#[must_use]
pub fn at(text: &[u8], at: usize) -> u64 {
    match text.get(at..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => near_end(text, at),
    }
}

/// Loads the sixteen bytes at `at` as two words, with zeros beyond the end of the text.
#[inline(always)]
#[must_use]
pub fn pair_at(text: &[u8], at: usize) -> [u64; 2] {
    match text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        Some(bytes) => halves(u128::from_le_bytes(*bytes)),
        None => pair_near_end(text, at),
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "each half is kept")]
fn halves(pair: u128) -> [u64; 2] {
    [pair as u64, (pair >> 64) as u64]
}

/// As [`pair_at`], where fewer than sixteen bytes may be left.
#[inline(never)]
fn pair_near_end(text: &[u8], at: usize) -> [u64; 2] {
    if let Some(last) = text.last_chunk::<16>()
        && let Some(left @ 1..16) = text.len().checked_sub(at)
    {
        return halves(u128::from_le_bytes(*last) >> (8 * (16 - left)));
    }
    [near_end(text, at), near_end(text, at.saturating_add(8))]
}

/// As [`at()`], where fewer than eight bytes may be left.
#[cold]
#[inline(never)]
fn near_end(text: &[u8], at: usize) -> u64 {
    if let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
        return u64::from_le_bytes(*bytes);
    }
    let (last, skipped) = match (text.last_chunk::<8>(), text.last_chunk::<4>()) {
        (Some(last), _) => (u64::from_le_bytes(*last), at.wrapping_sub(text.len() - 8)),
        (None, Some(last)) => {
            let first = text.first_chunk::<4>().map_or(0, |first| u32::from_le_bytes(*first));
            let last = u64::from(u32::from_le_bytes(*last)) << (8 * (text.len() - 4));
            (u64::from(first) | last, at)
        }
        (None, None) => (text.iter().rev().fold(0, |word, b| word << 8 | u64::from(*b)), at),
    };
    if skipped < 8 { last >> (8 * skipped) } else { 0 }
}

/// Keeps the first `count` bytes and clears the others. Keeps all for 8 or more.
#[inline(always)]
#[must_use]
pub fn first(word: u64, count: usize) -> u64 {
    if count < 8 { word & ((1 << (8 * count)) - 1) } else { word }
}

/// Returns the number of bytes before the first one that ends a plain string: a quote, a backslash,
/// a control character or a non-ASCII byte. Returns 8 if there is none.
#[inline(always)]
#[must_use]
pub fn plain(word: u64) -> usize {
    let quote = zeros(word ^ (ONES * u64::from(b'"')));
    let backslash = zeros(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    places((quote | backslash | control | word) & HIGH)
}

/// Returns the number of bytes before the first quote; 16 if there is none.
#[inline(always)]
#[must_use]
pub fn quote(pair: [u64; 2]) -> usize {
    let marks = |word: u64| zeros(word ^ (ONES * u64::from(b'"'))) & HIGH;
    places_of(pair.map(marks))
}

/// Returns the position of the first marked byte of a pair.
#[inline(always)]
fn places_of(marks: [u64; 2]) -> usize {
    if marks[0] == 0 { 8 + places(marks[1]) } else { places(marks[0]) }
}

/// Marks zero bytes in their highest bit. Bytes above a zero byte may be marked wrongly by the
/// borrow, but the first mark is always right.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// Returns the value of each digit in its byte, and the number of bytes before the first non-digit
/// (8 if all are digits). Bytes from there on are meaningless.
#[inline(always)]
#[must_use]
pub fn digits(word: u64) -> (u64, usize) {
    (values(word), places(others(word)))
}

/// Returns the value of each digit in its byte. Bytes that are not digits are meaningless.
#[inline(always)]
#[must_use]
pub fn values(word: u64) -> u64 {
    word ^ (ONES * u64::from(b'0'))
}

/// Marks bytes that are not digits: a value above 9 sets the highest bit in the sum or already has
/// it. Digits and other ASCII characters carry nothing into the next byte.
#[inline(always)]
fn others(word: u64) -> u64 {
    let values = values(word);
    (values.wrapping_add(ONES * 0x76) | values) & HIGH
}

/// Returns the first non-digit and its position; `None` if all are digits.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "keeps a single byte")]
pub fn other(word: u64) -> Option<(usize, u8)> {
    let marks = others(word);
    let place = places(marks);
    (marks != 0).then(|| (place, (word >> (8 * place)) as u8))
}

/// Returns the eight bytes of a pair after the first `count`, which is 1 to 8.
#[inline(always)]
#[must_use]
pub fn behind([low, high]: [u64; 2], count: usize) -> u64 {
    low >> (8 * count - 1) >> 1 | high << (64 - 8 * count)
}

/// Returns the number formed by the first `count` digit values; 0 if `count` is 0.
#[inline(always)]
#[must_use]
pub fn number(values: u64, count: usize) -> u64 {
    if count == 0 { 0 } else { eight(values << (64 - 8 * count.min(8))) }
}

/// Returns the number formed by eight digit values, the first one in the lowest byte.
#[inline(always)]
#[must_use]
pub fn eight(values: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00FF_0000_00FF;
    let tens = values.wrapping_mul(10).wrapping_add(values >> 8);
    let high = (tens & PAIRS).wrapping_mul(0x000F_4240_0000_0064);
    let low = (tens >> 16 & PAIRS).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

/// Returns the position of the first marked byte.
#[inline(always)]
fn places(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plainly(text: &[u8], at: usize) -> [u8; 8] {
        std::array::from_fn(|n| text.get(at + n).copied().unwrap_or(0))
    }

    /// Generates bytes near those that matter, and any others.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            proptest::sample::select(b"0123456789\"\\\x1f \x7f\x80./:!#[]\0".to_vec()),
            any::<u8>()
        ]
    }

    #[test]
    fn every_load_of_every_short_text() {
        let text: Vec<u8> = (1..=20).collect();
        for length in 0..=text.len() {
            for start in 0..=text.len() + 9 {
                let expected = u64::from_le_bytes(plainly(&text[..length], start));
                assert_eq!(at(&text[..length], start), expected, "{length} {start}");
                let behind = u64::from_le_bytes(plainly(&text[..length], start + 8));
                assert_eq!(pair_at(&text[..length], start), [expected, behind]);
            }
        }
        assert_eq!((at(&text, usize::MAX), pair_at(&text, usize::MAX)), (0, [0, 0]));
    }

    proptest! {
        #[test]
        fn the_ends_in_a_pair_are_those_in_its_bytes(bytes in proptest::array::uniform16(byte())) {
            let pair = pair_at(&bytes, 0);
            prop_assert_eq!(quote(pair), bytes.iter().position(|b| *b == b'"').unwrap_or(16));
            let other = bytes[..8].iter().position(|b| !b.is_ascii_digit());
            prop_assert_eq!(super::other(pair[0]), other.map(|at| (at, bytes[at])));
            for count in 1..=8 {
                let expected = u64::from_le_bytes(plainly(&bytes[..count + 8], count));
                prop_assert_eq!(behind(pair, count), expected);
            }
        }

        #[test]
        fn all_bytes_at_once_are_each_byte(bytes in proptest::array::uniform8(byte())) {
            let word = u64::from_le_bytes(bytes);
            let ends = |b: &u8| matches!(b, b'"' | b'\\' | 0..0x20 | 0x80..);
            prop_assert_eq!(plain(word), bytes.iter().position(ends).unwrap_or(8));
            let count = bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(8);
            let (values, found) = digits(word);
            prop_assert_eq!(found, count);
            let text = std::str::from_utf8(&bytes[..count]).unwrap();
            prop_assert_eq!(number(values, count), text.parse().unwrap_or(0));
            prop_assert_eq!(first(word, count), u64::from_le_bytes(plainly(&bytes[..count], 0)));
        }
    }
}
