//! Conversion between ASCII decimals and i64 mantissas at a given scale. Parsing is exact and uses
//! no floats.
//!
//! `"0.35210000"` at scale 4 is 3521. A value that does not fit the scale is refused, never
//! rounded. [`leading`] reads eight digits at once. If it declines a text, the text is parsed digit
//! by digit, and only that parser reports what is wrong.

use crate::word::{self, POWERS};

/// Largest supported scale: 10^18 still fits an i64.
pub const SCALE_MAX: u8 = 18;

/// Reason why a text is not a mantissa at the requested scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not `[-]digits[.digits][e[+-]digits]`.
    #[error("not a decimal number")]
    Malformed,
    /// There are nonzero digits beyond the scale.
    #[error("more decimals than the instrument's scale holds")]
    TooPrecise,
    /// The value is outside the i64 range at this scale.
    #[error("too large for the instrument's scale")]
    TooLarge,
}

/// Parses `text` to a mantissa, value x 10^scale. Trailing zeros beyond the scale are accepted.
///
/// # Errors
/// [`DecimalError`] if the text is malformed or the value does not fit exactly. Nothing is rounded.
#[inline]
pub fn parse(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    match leading(text, 0, scale) {
        Some((mantissa, end)) if end == text.len() => Ok(mantissa),
        Some(_) | None => digit_by_digit(text, scale),
    }
}

/// Parses the decimal `digits[.digits]` at `at` in `text`, with at most 16 digits on each side of
/// the point. Returns its mantissa and the position after it. Returns `None` where [`parse`] must
/// decide: at a sign, without a digit, or if the value does not fit the scale. The caller checks
/// what follows, such as a 17th digit, an exponent or the end of a string.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of a positional decoder: see `word`")]
#[must_use]
pub fn leading(text: &[u8], at: usize, scale: u8) -> Option<(i64, usize)> {
    // Venues usually send 1 to 7 digits, a point and 1 to 8 digits: one look at 16 bytes is enough.
    let pair = word::pair_at(text, at);
    let Some((point, b'.')) = word::other(pair[0]) else { return leading_long(text, at, scale) };
    let rest = word::behind(pair, point + 1);
    let (fraction, end) = match word::other(rest) {
        Some((count, _)) => (word::first(word::values(rest), count), at + point + 1 + count),
        None => (word::values(rest), at + point + 9),
    };
    let long = end == at + point + 9 && text.get(end).is_some_and(u8::is_ascii_digit);
    if long || point == 0 || end == at + point + 1 {
        return leading_long(text, at, scale);
    }
    let unit = *POWERS.get(usize::from(scale))?;
    let fraction = if scale < 8 {
        let scale = usize::from(scale);
        if word::first(fraction, scale) != fraction {
            return None;
        }
        word::number(fraction, scale)
    } else {
        word::eight(fraction) * POWERS[usize::from(scale) - 8]
    };
    let whole = word::number(word::values(pair[0]), point);
    let mantissa = whole.checked_mul(unit)?.checked_add(fraction)?;
    Some((i64::try_from(mantissa).ok()?, end))
}

/// As [`leading`], for decimals of any supported length.
#[inline(never)]
fn leading_long(text: &[u8], at: usize, scale: u8) -> Option<(i64, usize)> {
    let (whole, end) = whole(text, at)?;
    let unit = POWERS.get(usize::from(scale)).copied()?;
    let mantissa = whole.checked_mul(unit)?;
    if text.get(end) != Some(&b'.') {
        return Some((i64::try_from(mantissa).ok()?, end));
    }
    let (fraction, end) = fraction(text, end + 1, scale)?;
    Some((i64::try_from(mantissa.checked_add(fraction)?).ok()?, end))
}

/// Parses 1 to 16 digits at `at` and returns the number and the position after them.
#[inline]
fn whole(text: &[u8], at: usize) -> Option<(u64, usize)> {
    let (values, count) = word::digits(word::at(text, at));
    let number = word::number(values, count);
    if count < 8 {
        return (0 < count).then_some((number, at + count));
    }
    let (values, more) = word::digits(word::at(text, at + 8));
    // If there is a 17th digit, the caller finds it when it checks what follows.
    Some((number * POWERS[more] + word::number(values, more), at + 8 + more))
}

/// Parses 1 to 16 fractional digits at `at` as a number at `scale`, and returns it with the
/// position after them. Returns `None` if there are nonzero digits beyond the scale.
#[inline]
fn fraction(text: &[u8], at: usize, scale: u8) -> Option<(u64, usize)> {
    let scale = usize::from(scale);
    let (values, count) = word::digits(word::at(text, at));
    let values = word::first(values, count);
    let number = word::number(values, scale);
    if word::first(values, scale) != values || count == 0 {
        return None;
    }
    if count < 8 || !text.get(at + 8).is_some_and(u8::is_ascii_digit) {
        return Some((number * POWERS[scale.saturating_sub(8)], at + count));
    }
    let (values, more) = word::digits(word::at(text, at + 8));
    let (values, behind) = (word::first(values, more), scale.saturating_sub(8));
    if word::first(values, behind) != values || 8 < behind {
        return None;
    }
    Some((number * POWERS[behind] + word::number(values, behind), at + 8 + more))
}

/// Parses digit by digit and reports what is wrong.
fn digit_by_digit(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    debug_assert!(scale <= SCALE_MAX);
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut mantissa: i64 = 0;
    let mut seen_digit = false;
    let mut decimals: Option<u8> = None;
    for (at, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                seen_digit = true;
                if decimals == Some(scale) {
                    // Beyond the scale, only zeros are exact.
                    if byte != b'0' {
                        return refuse_or_shift(text, scale, DecimalError::TooPrecise);
                    }
                    continue;
                }
                decimals = decimals.map(|d| d + 1);
                mantissa = mantissa
                    .checked_mul(10)
                    .and_then(|m| m.checked_add(i64::from(byte - b'0')))
                    .ok_or(DecimalError::TooLarge)?;
            }
            b'.' if decimals.is_none() && seen_digit && at + 1 < digits.len() => decimals = Some(0),
            b'e' | b'E' if seen_digit => return parse_exponent(text, scale),
            _ => return Err(DecimalError::Malformed),
        }
    }
    if !seen_digit {
        return Err(DecimalError::Malformed);
    }
    let missing = scale - decimals.unwrap_or(0);
    let scaled = mantissa.checked_mul(power_of_ten(missing)).ok_or(DecimalError::TooLarge)?;
    Ok(if negative { -scaled } else { scaled })
}

/// Returns the error for a digit beyond the scale, unless an exponent later in the text moves the
/// point.
#[cold]
fn refuse_or_shift(text: &[u8], scale: u8, error: DecimalError) -> Result<i64, DecimalError> {
    if text.iter().any(|b| matches!(b, b'e' | b'E')) {
        return parse_exponent(text, scale);
    }
    // The rest must still be digits; otherwise the text is not a number at all.
    let tail_ok = text.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'));
    Err(if tail_ok { error } else { DecimalError::Malformed })
}

/// Parses forms such as `1.5e-7`. They are rare (JSON numbers of some venues), so the code is
/// simple rather than fast.
#[cold]
fn parse_exponent(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    let text = std::str::from_utf8(text).map_err(|_| DecimalError::Malformed)?;
    let (base, exponent) = text.split_once(['e', 'E']).ok_or(DecimalError::Malformed)?;
    let exponent: i32 = exponent.parse().map_err(|_| DecimalError::Malformed)?;
    if !(-40..=40).contains(&exponent) {
        return Err(DecimalError::TooLarge);
    }
    let (whole, fraction) = base.split_once('.').unwrap_or((base, ""));
    if whole.is_empty() || whole == "-" || (base.contains('.') && fraction.is_empty()) {
        return Err(DecimalError::Malformed);
    }
    let (negative, whole) = whole.strip_prefix('-').map_or((false, whole), |rest| (true, rest));
    let mut digits: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(DecimalError::Malformed);
        }
        let shifted = digits.checked_mul(10).ok_or(DecimalError::TooLarge)?;
        digits = shifted + i128::from(byte - b'0');
    }
    let digits = if negative { -digits } else { digits };
    let decimals = i32::try_from(fraction.len()).map_err(|_| DecimalError::TooLarge)?;
    let shift = i32::from(scale) - decimals + exponent;
    let power = 10_i128.checked_pow(shift.unsigned_abs()).ok_or(DecimalError::TooLarge)?;
    let scaled = if shift < 0 {
        if digits % power != 0 {
            return Err(DecimalError::TooPrecise);
        }
        digits / power
    } else {
        digits.checked_mul(power).ok_or(DecimalError::TooLarge)?
    };
    i64::try_from(scaled).map_err(|_| DecimalError::TooLarge)
}

/// Returns 10^exponent.
///
/// # Panics
/// If `exponent` is above [`SCALE_MAX`].
#[must_use]
pub fn power_of_ten(exponent: u8) -> i64 {
    10_i64.pow(u32::from(exponent))
}

/// Returns the double nearest to `mantissa` / 10^scale. A decimal of up to 15 significant digits
/// prints again as it was sent.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the mantissa is below 2^53 in this branch")]
pub fn to_f64(mantissa: i64, scale: u8) -> f64 {
    if mantissa.unsigned_abs() < 1 << 53 {
        // Both operands are exact doubles, so the division rounds once, correctly.
        return mantissa as f64 / power_of_ten(scale) as f64;
    }
    to_text(mantissa, scale).parse().unwrap_or(f64::NAN)
}

/// Returns the shortest decimal text of `mantissa` / 10^scale, without trailing zeros: `61837.63`.
#[must_use]
pub fn to_text(mantissa: i64, scale: u8) -> String {
    let mut text = String::with_capacity(24);
    write_text(mantissa, scale, &mut text);
    text
}

/// Appends [`to_text`] to `out`.
pub fn write_text(mantissa: i64, scale: u8, out: &mut String) {
    use std::fmt::Write;
    let unit = power_of_ten(scale).unsigned_abs();
    let (whole, mut fraction) = (mantissa.unsigned_abs() / unit, mantissa.unsigned_abs() % unit);
    let mut width = usize::from(scale);
    let sign = if mantissa < 0 { "-" } else { "" };
    // Writing to a String cannot fail.
    let written = if fraction == 0 {
        write!(out, "{sign}{whole}")
    } else {
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        write!(out, "{sign}{whole}.{fraction:0width$}")
    };
    debug_assert!(written.is_ok());
}

/// Returns the number of significant decimals, at most [`SCALE_MAX`]; 0 if the text is not a
/// number.
#[must_use]
pub fn significant(text: &str) -> u8 {
    if parse(text.as_bytes(), 0) == Err(DecimalError::Malformed) {
        return 0;
    }
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    if number.bytes().all(|byte| !(b'1'..=b'9').contains(&byte)) {
        return 0;
    }
    let exponent: i64 = exponent.parse().unwrap_or(0);
    // `5000e-3` is 5: zeros at the end of the whole part need no decimals either.
    let zeros = match fraction {
        "" => whole.len() - whole.trim_end_matches('0').len(),
        _ => 0,
    };
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX).saturating_sub(exponent);
    let places = places.saturating_sub(i64::try_from(zeros).unwrap_or(i64::MAX));
    u8::try_from(places.clamp(0, i64::from(SCALE_MAX))).unwrap_or(SCALE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_those_that_matter() {
        for (text, count) in [
            ("61837.63", 2),
            ("61837.6300", 2),
            ("5", 0),
            ("500", 0),
            ("1.5e-7", 8),
            ("6.183763e4", 2),
            ("6.183763E+04", 2),
            ("5000e-3", 0),
            ("1e3", 0),
            ("0e-9", 0),
            ("0.000", 0),
            ("0.1234567890123456789", 18),
            ("abc.defg", 0),
            ("", 0),
        ] {
            assert_eq!(significant(text), count, "{text}");
        }
    }

    #[test]
    fn texts_become_mantissas_or_are_refused() {
        use DecimalError::{Malformed, TooLarge, TooPrecise};
        for (text, scale, expected) in [
            ("0.35210000", 4, Ok(3521)),
            ("0.35210000", 8, Ok(35_210_000)),
            ("19920", 1, Ok(199_200)),
            ("-1.5", 1, Ok(-15)),
            ("0", 8, Ok(0)),
            ("0.0", 0, Ok(0)),
            ("1.50", 0, Err(TooPrecise)),
            ("0.35211", 4, Err(TooPrecise)),
            ("92233720368547758.07", 2, Ok(i64::MAX)),
            ("92233720368547758.08", 2, Err(TooLarge)),
            ("1e-7", 8, Ok(10)),
            ("1.25E3", 0, Ok(1250)),
            ("1.25e-3", 4, Err(TooPrecise)),
            ("1e99", 0, Err(TooLarge)),
            ("1.555e2", 1, Ok(1555)),
            ("", 2, Err(Malformed)),
            ("-", 2, Err(Malformed)),
            (".5", 2, Err(Malformed)),
            ("5.", 2, Err(Malformed)),
            ("1.2.3", 2, Err(Malformed)),
            ("1,5", 2, Err(Malformed)),
            ("+1", 2, Err(Malformed)),
            ("--1", 2, Err(Malformed)),
            ("1.239x", 2, Err(Malformed)),
            ("e5", 2, Err(Malformed)),
            ("NaN", 2, Err(Malformed)),
        ] {
            assert_eq!(parse(text.as_bytes(), scale), expected, "{text:?} at {scale}");
        }
    }

    #[test]
    fn digits_are_taken_up_to_what_stands_behind() {
        for (text, scale, expected) in [
            ("61837.63000000\",", 2, Some((6_183_763, 14))),
            ("61837.63000000\",", 1, None),
            ("0.0000112351\"", 10, Some((112_351, 12))),
            ("12345678\"", 0, Some((12_345_678, 8))),
            ("123456789.5,", 1, Some((1_234_567_895, 11))),
            ("1.5e3", 1, Some((15, 3))),
            ("1.2.3", 1, Some((12, 3))),
            ("1.,", 1, None),
            (".5", 1, None),
            ("-1", 1, None),
            ("", 1, None),
        ] {
            assert_eq!(leading(text.as_bytes(), 0, scale), expected, "{text:?} at {scale}");
            let behind = expected.map(|(mantissa, end)| (mantissa, end + 3));
            assert_eq!(leading(format!("\",\"{text}").as_bytes(), 3, scale), behind, "{text:?}");
        }
    }

    /// Generates texts of digits, points and a few other characters.
    fn numberish() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "-?[0-9]{1,20}(\\.[0-9]{0,20})?(0{0,9})([eE][-+]?[0-9]{1,2})?"
                .prop_map(String::into_bytes),
            "[0-9]{1,9}\\.[0-9]{1,4}0{0,12}".prop_map(String::into_bytes),
            "[-+0-9.eE\", :/]{0,24}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..24),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn eight_digits_at_once_are_each_digit(text in numberish(), scale in 0..=SCALE_MAX) {
            prop_assert_eq!(parse(&text, scale), digit_by_digit(&text, scale));
        }

        #[test]
        fn what_leads_is_what_is_parsed(text in numberish(), tail in "[\",}eE0-9.]{0,9}", scale in 0..=SCALE_MAX) {
            let mut bytes = text.clone();
            bytes.extend_from_slice(tail.as_bytes());
            if let Some((mantissa, end)) = leading(&bytes, 0, scale) {
                prop_assert_eq!(digit_by_digit(&bytes[..end], scale), Ok(mantissa));
            }
        }
    }

    proptest! {
        #[test]
        fn text_and_mantissa_are_inverse(mantissa in any::<i64>(), scale in 0..=SCALE_MAX) {
            prop_assume!(mantissa != i64::MIN);
            prop_assert_eq!(parse(to_text(mantissa, scale).as_bytes(), scale), Ok(mantissa));
        }

        #[test]
        fn doubles_are_those_of_the_standard_parser(mantissa in any::<i64>(), scale in 0..=SCALE_MAX) {
            prop_assume!(mantissa != i64::MIN);
            let expected: f64 = to_text(mantissa, scale).parse().unwrap();
            prop_assert_eq!(to_f64(mantissa, scale).to_bits(), expected.to_bits());
        }

        #[test]
        fn any_bytes_are_refused_or_parsed(bytes in proptest::collection::vec(any::<u8>(), 0..24), scale in 0..=SCALE_MAX) {
            if let Ok(mantissa) = parse(&bytes, scale) {
                let text = std::str::from_utf8(&bytes).unwrap();
                let expected: f64 = text.parse().unwrap();
                let got = to_f64(mantissa, scale);
                prop_assert!((got - expected).abs() <= expected.abs() * 1e-12, "{text} {got}");
            }
        }
    }
}
