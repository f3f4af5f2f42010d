//! ASCII decimals to i64 mantissas at a stated scale, and back; exact, without floats on the way in.
//!
//! `"0.35210000"` at scale 4 is 3521. What the scale cannot hold is refused, never rounded.
//! It must not know what the number measures.

/// The largest scale there is: 10^18 still fits an i64.
pub const SCALE_MAX: u8 = 18;

/// Why a text is not a mantissa at the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not `[-]digits[.digits][e[+-]digits]`.
    #[error("not a decimal number")]
    Malformed,
    /// Digits other than zero stand behind the scale.
    #[error("more decimals than the instrument's scale holds")]
    TooPrecise,
    /// Beyond the i64 range at this scale.
    #[error("too large for the instrument's scale")]
    TooLarge,
}

/// Parses `text` to a mantissa: value x 10^scale. Trailing zeros behind the scale are accepted.
///
/// # Errors
/// [`DecimalError`]; nothing is rounded.
#[inline]
pub fn parse(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
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
                    // Behind the scale only zeros are exact.
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

/// A digit behind the scale is an error unless an exponent further on moves the point.
#[cold]
fn refuse_or_shift(text: &[u8], scale: u8, error: DecimalError) -> Result<i64, DecimalError> {
    if text.iter().any(|b| matches!(b, b'e' | b'E')) {
        return parse_exponent(text, scale);
    }
    // What follows must still be digits; otherwise the text is no number at all.
    let tail_ok = text.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'));
    Err(if tail_ok { error } else { DecimalError::Malformed })
}

/// `1.5e-7` and the like: rare (JSON numbers of some venues), so simple rather than quick.
#[cold]
fn parse_exponent(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    let text = std::str::from_utf8(text).map_err(|_| DecimalError::Malformed)?;
    let (base, exponent) = text.split_once(['e', 'E']).ok_or(DecimalError::Malformed)?;
    let exponent: i32 = exponent.parse().map_err(|_| DecimalError::Malformed)?;
    if !(-40..=40).contains(&exponent) {
        return Err(DecimalError::TooLarge);
    }
    let (whole, fraction) = base.split_once('.').unwrap_or((base, ""));
    if whole.trim_start_matches('-').is_empty() || (base.contains('.') && fraction.is_empty()) {
        return Err(DecimalError::Malformed);
    }
    let digits: i128 = format!("{whole}{fraction}").parse().map_err(|_| DecimalError::Malformed)?;
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

/// 10^exponent.
///
/// # Panics
/// Above [`SCALE_MAX`].
#[must_use]
pub fn power_of_ten(exponent: u8) -> i64 {
    10_i64.pow(u32::from(exponent))
}

/// The double nearest to `mantissa` / 10^scale: a decimal of up to 15 significant digits prints
/// again as it was sent.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "only where the mantissa is below 2^53")]
pub fn to_f64(mantissa: i64, scale: u8) -> f64 {
    if mantissa.unsigned_abs() < 1 << 53 {
        // Both operands are exact doubles, so the division rounds once, correctly.
        return mantissa as f64 / power_of_ten(scale) as f64;
    }
    to_text(mantissa, scale).parse().unwrap_or(f64::NAN)
}

/// The shortest decimal text of `mantissa` / 10^scale, without trailing zeros: `61837.63`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
