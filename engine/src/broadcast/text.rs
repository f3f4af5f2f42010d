//! A buffer that numbers and names are written into, without `fmt`.
//!
//! Eight digits are made at once by arithmetic on the lanes of one word, and stay in registers
//! until they are stored: zeros before and behind them are counted and shifted out of the word.
//! Copies have a fixed size wherever they can (the buffer always has room behind what is written),
//! because a copy of known size is a few moves and one of unknown size is a call. Everything is
//! inlined into the function that writes a whole message and holds the buffer as a local, so that
//! the place to write to stays in a register: through memory a spread takes half as long again.
#![expect(clippy::inline_always, reason = "measured: 89 instead of 136 ns for a spread's text")]

use spreadwire_market::spread::BPS;
use std::io;

/// The first number that has more than eight digits.
const WORD: u64 = 100_000_000;
/// Added to eight digits to make them ASCII.
const ASCII: u64 = 0x3030_3030_3030_3030;
/// Bytes of the pieces in which a [`Fragment`] is copied.
const CHUNK: usize = 32;
/// Powers of ten by exponent.
const UNITS: [u64; 19] = {
    let mut units = [1; 19];
    let mut at = 1;
    while at < units.len() {
        units[at] = units[at - 1] * 10;
        at += 1;
    }
    units
};

/// Text that grows at its end.
#[derive(Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    at: usize,
}

/// Bytes that are written often, padded so that they are copied in chunks of fixed size.
#[derive(Debug)]
pub(super) struct Fragment {
    chunks: Vec<[u8; CHUNK]>,
    length: usize,
}

impl Fragment {
    /// Keeps a text.
    pub(super) fn new(text: &str) -> Fragment {
        let chunk = |bytes: &[u8]| {
            let mut chunk = [0; CHUNK];
            chunk[..bytes.len()].copy_from_slice(bytes);
            chunk
        };
        Fragment { chunks: text.as_bytes().chunks(CHUNK).map(chunk).collect(), length: text.len() }
    }

    /// Returns its number of bytes.
    pub(super) fn length(&self) -> usize {
        self.length
    }
}

impl Text {
    /// Drops everything and leaves `count` bytes free, which are written later.
    pub(super) fn begin(&mut self, count: usize) {
        self.at = count;
        if self.bytes.len() < count {
            self.bytes = grown(std::mem::take(&mut self.bytes), count);
        }
    }

    /// Returns what was written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.at]
    }

    /// Returns what was written, to change it.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.at]
    }

    #[inline(always)]
    fn room<const N: usize>(&mut self) -> &mut [u8] {
        let end = self.at + N;
        if self.bytes.len() < end {
            self.bytes = grown(std::mem::take(&mut self.bytes), end);
        }
        &mut self.bytes[self.at..end]
    }

    /// Appends bytes of a length known to the compiler.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.room::<N>().copy_from_slice(bytes);
        self.at += N;
    }

    /// Appends any bytes.
    #[inline(always)]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        if self.bytes.len() < end {
            self.bytes = grown(std::mem::take(&mut self.bytes), end);
        }
        self.bytes[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    /// Appends a text that was prepared.
    #[inline(always)]
    pub(super) fn fragment(&mut self, fragment: &Fragment) {
        let start = self.at;
        for chunk in &fragment.chunks {
            self.put(chunk);
        }
        self.at = start + fragment.length;
    }

    /// Appends up to eight bytes of a word, the lowest first.
    #[inline(always)]
    fn word(&mut self, word: u64, count: usize) {
        self.room::<8>().copy_from_slice(&word.to_le_bytes());
        self.at += count;
    }

    /// Appends a number below 10^8, without leading zeros.
    #[inline(always)]
    fn short(&mut self, value: u64) {
        let digits = eight(value);
        let zeros = digits.trailing_zeros().min(63) / 8;
        self.word((digits | ASCII) >> (8 * zeros), 8 - zeros as usize);
    }

    /// Appends a whole number.
    #[inline(always)]
    pub(super) fn number(&mut self, value: u64) {
        if value < WORD {
            return self.short(value);
        }
        let high = value / WORD;
        if high < WORD {
            self.short(high);
        } else {
            self.short(high / WORD);
            self.word(eight(high % WORD) | ASCII, 8);
        }
        self.word(eight(value % WORD) | ASCII, 8);
    }

    /// Appends the same text as [`decimal::write_text`](spreadwire_market::decimal::write_text).
    #[inline(always)]
    pub(super) fn decimal(&mut self, mantissa: i64, scale: u8) {
        if mantissa < 0 {
            self.put(b"-");
        }
        let (value, unit) = (mantissa.unsigned_abs(), UNITS[usize::from(scale)]);
        let fraction = value % unit;
        self.number(value / unit);
        if fraction > 0 {
            self.put(b".");
            self.fraction(fraction, scale);
        }
    }

    /// Appends the `width` digits of a number above zero, without trailing zeros.
    #[inline(always)]
    fn fraction(&mut self, value: u64, width: u8) {
        if 8 < width {
            return self.long_fraction(value, width);
        }
        let digits = eight(value);
        let zeros = digits.leading_zeros() / 8;
        let before = u32::from(8 - width);
        self.word((digits | ASCII) >> (8 * before), (8 - before - zeros) as usize);
    }

    /// Does the same as [`fraction`](Text::fraction), in words of eight digits.
    fn long_fraction(&mut self, value: u64, width: u8) {
        let unit = UNITS[usize::from(width - 8)];
        let (first, rest) = (value / unit, value % unit);
        if rest == 0 {
            return self.fraction(first, 8);
        }
        self.word(eight(first) | ASCII, 8);
        self.fraction(rest, width - 8);
    }

    /// Appends a fraction in basis points with up to four decimals.
    #[inline(always)]
    pub(super) fn bps(&mut self, fraction: f64) {
        let scaled = fraction * BPS * 10_000.0;
        if scaled.abs() < ROUNDED_MAX {
            self.decimal(rounded(scaled), 4);
        } else {
            self.huge_bps(fraction);
        }
    }

    /// Appends basis points that have no decimals that an `f64` could hold, with an exponent; `null`
    /// if the fraction is no number, because JSON has none for it.
    #[cold]
    fn huge_bps(&mut self, fraction: f64) {
        let bps = fraction * BPS;
        let text = if bps.is_finite() { format!("{bps:e}") } else { "null".to_owned() };
        self.append(text.as_bytes());
    }
}

/// Numbers below this are rounded to whole ones exactly: 2^53.
const ROUNDED_MAX: f64 = 9_007_199_254_740_992.0;

/// Returns the nearest whole number, halves away from zero, as `f64::round` has it, which is a
/// call.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the caller asks for less than 2^53")]
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53, above it nothing is rounded")]
fn rounded(value: f64) -> i64 {
    let whole = value as i64;
    let rest = value - whole as f64;
    if 0.5 <= rest {
        whole.saturating_add(1)
    } else if rest <= -0.5 {
        whole.saturating_sub(1)
    } else {
        whole
    }
}

/// Drops the last digits of basis points, which turning a fraction into them has added.
pub(super) fn tidy(bps: f64) -> f64 {
    (bps * 1e9).round() / 1e9
}

/// Grows a buffer, by value, so that the buffer it is called for may stay in registers.
#[cold]
fn grown(mut bytes: Vec<u8>, end: usize) -> Vec<u8> {
    bytes.resize(end.next_power_of_two().max(1024), 0);
    bytes
}

/// serde writes through this.
impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the eight decimal digits of a number below 10^8, one in each byte, the first in the
/// lowest.
///
/// Each step splits every lane of the word in two: 4 and 4 digits, 2 and 2, 1 and 1.
#[inline(always)]
fn eight(value: u64) -> u64 {
    let high = value / 10_000;
    let fours = high | (value - high * 10_000) << 32;
    let hundreds = (fours.wrapping_mul(5_243) >> 19) & 0x7F_0000_007F;
    let twos = hundreds | fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16;
    let tens = (twos.wrapping_mul(103) >> 10) & 0x000F_000F_000F_000F;
    tens | twos.wrapping_sub(tens.wrapping_mul(10)) << 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use spreadwire_market::decimal;

    fn text(write: impl FnOnce(&mut Text)) -> String {
        let mut out = Text::default();
        write(&mut out);
        String::from_utf8(out.bytes().to_vec()).unwrap()
    }

    #[test]
    fn basis_points_have_up_to_four_decimals() {
        for (fraction, expected) in [
            (0.000_123_456_7, "1.2346"),
            (-0.001, "-10"),
            (0.0, "0"),
            (-0.000_000_001, "0"),
            (1e6, "10000000000"),
            (9e6 + 0.125, "90000001250"),
            (1e12, "1e16"),
            (-2.5e300, "-2.5000000000000003e304"),
            (f64::INFINITY, "null"),
            (f64::NAN, "null"),
        ] {
            assert_eq!(text(|out| out.bps(fraction)), expected);
        }
    }

    #[test]
    fn four_digits_in_either_half_are_those_of_the_formatter() {
        for value in 0..10_000_u64 {
            for value in [value, value * 10_000, value * 10_000 + 9_999 - value] {
                let digits = eight(value).to_le_bytes().map(|d| char::from(b'0' + d));
                assert_eq!(digits.iter().collect::<String>(), format!("{value:08}"));
            }
        }
    }

    #[test]
    fn numbers_at_every_edge_are_those_of_the_formatter() {
        let powers = (0..20).map(|power| 10_u64.pow(power));
        for value in powers.flat_map(|p| [p - 1, p, p + 1]).chain([u64::MAX, u64::MAX - 1]) {
            assert_eq!(text(|out| out.number(value)), value.to_string());
        }
    }

    #[test]
    fn prepared_texts_of_any_length_come_back() {
        for length in [0, 1, 31, 32, 33, 63, 64, 65, 2_000] {
            let source = "x".repeat(length);
            let fragment = Fragment::new(&source);
            let written = text(|out| {
                out.fragment(&fragment);
                out.put(b"!");
            });
            assert_eq!((written, fragment.length()), (source + "!", length));
        }
    }

    proptest! {
        #[test]
        #[expect(clippy::cast_possible_truncation, reason = "what is compared saturates too")]
        fn rounding_is_that_of_the_standard_library(
            whole in any::<i32>(), bits in any::<u64>(), quarters in -4..=4_i32
        ) {
            let near = f64::from(whole) + f64::from(quarters) / 4.0;
            for value in [near, near.next_up(), near.next_down(), f64::from_bits(bits)] {
                prop_assert_eq!(rounded(value), value.round() as i64, "{}", value);
            }
        }

        #[test]
        fn numbers_are_those_of_the_formatter(value in any::<u64>(), shift in 0_u32..64) {
            let value = value >> shift;
            prop_assert_eq!(text(|out| out.number(value)), value.to_string());
        }

        #[test]
        fn decimals_are_those_of_the_decimal_module(
            mantissa in any::<i64>(), shift in 0_u32..64, zeros in 0_u32..6,
            scale in 0..=decimal::SCALE_MAX
        ) {
            for mantissa in [mantissa >> shift, (mantissa >> shift).wrapping_mul(10_i64.pow(zeros))] {
                let ours = text(|out| out.decimal(mantissa, scale));
                prop_assert_eq!(ours, decimal::to_text(mantissa, scale));
            }
        }
    }
}
