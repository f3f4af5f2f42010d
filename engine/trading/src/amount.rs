//! Exact amounts of money and of assets.
//!
//! An [`Amount`] counts units of 10^-18 in an `i128`: it holds up to 1.7 x 10^20 of anything. Sums are
//! exact. A product of a price and a size is exact where their scales add up to at most 18 decimals;
//! otherwise it is rounded, and the caller says in which direction.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// Decimals of an amount.
pub const DECIMALS: u8 = 18;
const ONE: i128 = 10_i128.pow(DECIMALS as u32);
/// Millionths of a whole.
const ONE_MILLION: i64 = 1_000_000;

/// An exact amount, signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

/// Direction in which a product is rounded that has more than 18 decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards negative infinity: what we receive.
    Down,
    /// Towards positive infinity: what we pay.
    Up,
}

/// Reason why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not `[-]digits[.digits]`.
    #[error("not a decimal number")]
    Malformed,
    /// More than 18 decimals.
    #[error("more than 18 decimals")]
    TooPrecise,
    /// Beyond what an amount holds.
    #[error("too large")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// More than anything.
    pub const MAX: Amount = Amount(i128::MAX);

    /// Returns the amount of so many units of 10^-18.
    #[must_use]
    pub const fn of_units(units: i128) -> Amount {
        Amount(units)
    }

    /// Returns the number of units of 10^-18.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Returns the amount of a mantissa at a scale of at most 18 decimals.
    #[must_use]
    #[inline]
    pub fn of_mantissa(mantissa: i64, scale: u8) -> Amount {
        Amount(i128::from(mantissa) * power(DECIMALS.saturating_sub(scale)))
    }

    /// Returns price times size, both as mantissas at their scales. Saturates.
    #[must_use]
    #[inline]
    pub fn product(px: i64, px_scale: u8, sz: i64, sz_scale: u8, rounding: Rounding) -> Amount {
        let product = i128::from(px) * i128::from(sz);
        let scale = px_scale + sz_scale;
        if scale <= DECIMALS {
            return Amount(product.saturating_mul(power(DECIMALS - scale)));
        }
        Amount(divided(product, power(scale - DECIMALS), rounding))
    }

    /// Returns this amount times `millionths / 1,000,000`, as a fee or a rate is stated. Saturates.
    #[must_use]
    #[inline]
    pub fn times(self, millionths: i64, rounding: Rounding) -> Amount {
        if millionths == ONE_MILLION {
            return self;
        }
        match self.0.checked_mul(i128::from(millionths)) {
            Some(product) => Amount(divided(product, 1_000_000, rounding)),
            // Beyond 10^14 of anything: divide first, which rounds more.
            None => Amount((self.0 / 1_000_000).saturating_mul(i128::from(millionths))),
        }
    }

    /// Returns how many units are worth this amount, if one is worth `millionths / 1,000,000`, which must
    /// be above 0. Saturates.
    #[must_use]
    pub fn per(self, millionths: i64, rounding: Rounding) -> Amount {
        if millionths == ONE_MILLION {
            return self;
        }
        let rate = i128::from(millionths.max(1));
        match self.0.checked_mul(1_000_000) {
            Some(product) => Amount(divided(product, rate, rounding)),
            None => Amount((self.0 / rate).saturating_mul(1_000_000)),
        }
    }

    /// Returns the value of this amount of a base at a price, mantissa. Saturates.
    #[must_use]
    pub fn at_price(self, px: i64, px_scale: u8, rounding: Rounding) -> Amount {
        let unit = power(px_scale);
        match self.0.checked_mul(i128::from(px)) {
            Some(product) => Amount(divided(product, unit, rounding)),
            None => Amount((self.0 / unit).saturating_mul(i128::from(px))),
        }
    }

    /// Returns this amount divided by a price, as a size mantissa at a scale, rounded down. `None` if
    /// the price is not above 0.
    #[must_use]
    pub fn over(self, px: i64, px_scale: u8, sz_scale: u8) -> Option<i64> {
        if px <= 0 {
            return None;
        }
        // units / 10^18 / (px / 10^px_scale) * 10^sz_scale
        let up = u32::from(px_scale) + u32::from(sz_scale);
        let (mut units, down) = (self.0, u32::from(DECIMALS));
        let mut divisor = i128::from(px);
        if down <= up {
            units = units.checked_mul(10_i128.pow(up - down)).unwrap_or(i128::MAX);
        } else {
            divisor = divisor.checked_mul(10_i128.pow(down - up)).unwrap_or(i128::MAX);
        }
        let size = units.div_euclid(divisor);
        Some(i64::try_from(size).unwrap_or(if size < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Returns the mantissa at a scale, rounded towards negative infinity. Saturates.
    #[must_use]
    pub fn mantissa(self, scale: u8) -> i64 {
        let mantissa = self.0.div_euclid(power(DECIMALS.saturating_sub(scale)));
        i64::try_from(mantissa).unwrap_or(if mantissa < 0 { i64::MIN } else { i64::MAX })
    }

    /// Returns the distance from zero.
    #[must_use]
    pub fn abs(self) -> Amount {
        Amount(self.0.saturating_abs())
    }

    /// Returns the amount as a float, for display and ratios.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for display and ratios")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// Parses `[-]digits[.digits]`.
    ///
    /// # Errors
    /// [`AmountError`] if the text is malformed or the value does not fit. Nothing is rounded.
    pub fn parse(text: &str) -> Result<Amount, AmountError> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(AmountError::Malformed);
        }
        let fraction = fraction.trim_end_matches('0');
        if usize::from(DECIMALS) < fraction.len() {
            return Err(AmountError::TooPrecise);
        }
        let number = |part: &str| part.parse::<i128>().map_err(|_| AmountError::TooLarge);
        let whole = number(whole)?.checked_mul(ONE).ok_or(AmountError::TooLarge)?;
        let unit = power(DECIMALS - u8::try_from(fraction.len()).unwrap_or(DECIMALS));
        let part = if fraction.is_empty() { 0 } else { number(fraction)? * unit };
        Ok(Amount(sign * whole.checked_add(part).ok_or(AmountError::TooLarge)?))
    }
}

/// The powers of ten that fit.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut place = 1;
    while place < powers.len() {
        powers[place] = 10 * powers[place - 1];
        place += 1;
    }
    powers
};

#[inline]
fn power(exponent: u8) -> i128 {
    POWERS[usize::from(exponent)]
}

/// Divides by a divisor above 0, with a single division: it costs more than everything around it.
#[inline]
fn divided(dividend: i128, divisor: i128, rounding: Rounding) -> i128 {
    let quotient = dividend / divisor;
    let rest = dividend - quotient * divisor;
    match rounding {
        Rounding::Down => quotient - i128::from(rest < 0),
        Rounding::Up => quotient + i128::from(0 < rest),
    }
}

impl std::fmt::Display for Amount {
    /// Writes a plain decimal without trailing zeros.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (
            self.0.unsigned_abs() / ONE.unsigned_abs(),
            self.0.unsigned_abs() % ONE.unsigned_abs(),
        );
        let sign = if self.0 < 0 { "-" } else { "" };
        let mut text = format!("{sign}{whole}");
        if part != 0 {
            let fraction = format!("{part:018}");
            text.push('.');
            text.push_str(fraction.trim_end_matches('0'));
        }
        f.pad(&text)
    }
}

impl Add for Amount {
    type Output = Amount;
    fn add(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }
}

impl Sub for Amount {
    type Output = Amount;
    fn sub(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0))
    }
}

impl Neg for Amount {
    type Output = Amount;
    fn neg(self) -> Amount {
        Amount(self.0.saturating_neg())
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        *self = *self + other;
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Amount) {
        *self = *self - other;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Amount {
        amounts.fold(Amount::ZERO, Add::add)
    }
}

impl Serialize for Amount {
    /// Writes a text: JSON's numbers do not hold an amount.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(from)?;
        Amount::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_read_exactly_or_refused() {
        for (text, units) in [
            ("0", 0),
            ("1", ONE),
            ("-1.5", -ONE - ONE / 2),
            ("0.000000000000000001", 1),
            ("12.340", 12 * ONE + 34 * ONE / 100),
        ] {
            assert_eq!(Amount::parse(text).unwrap().units(), units, "{text}");
        }
        for (text, error) in [
            ("", AmountError::Malformed),
            ("1.", AmountError::Malformed),
            (".1", AmountError::Malformed),
            ("1e3", AmountError::Malformed),
            ("+1", AmountError::Malformed),
            ("0.0000000000000000001", AmountError::TooPrecise),
            ("999999999999999999999", AmountError::TooLarge),
        ] {
            assert_eq!(Amount::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn products_and_fees_round_as_told() {
        // 0.00001234 x 3.5, exactly.
        let product = Amount::product(1234, 8, 35, 1, Rounding::Down);
        assert_eq!(product.to_string(), "0.00004319");
        // 1 x 1 at 19 decimals: a tenth of a unit.
        assert_eq!(Amount::product(1, 10, 1, 9, Rounding::Down).units(), 0);
        assert_eq!(Amount::product(1, 10, 1, 9, Rounding::Up).units(), 1);
        assert_eq!(Amount::product(-1, 10, 1, 9, Rounding::Down).units(), -1);
        // 10 basis points are 1,000 millionths.
        assert_eq!(Amount::parse("200").unwrap().times(1_000, Rounding::Up).to_string(), "0.2");
        assert_eq!(Amount::of_units(1).times(1, Rounding::Up).units(), 1);
    }

    #[test]
    fn an_amount_buys_what_fits_in_it() {
        let amount = Amount::parse("100").unwrap();
        assert_eq!(amount.over(3_000, 2, 4), Some(33_333));
        assert_eq!(amount.over(0, 2, 4), None);
        assert_eq!(Amount::parse("-1").unwrap().over(100, 2, 0), Some(-1));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units in any::<i64>(), by in 1_i128..1_000_000_000_000) {
            let amount = Amount::of_units(i128::from(units) * by);
            prop_assert_eq!(Amount::parse(&amount.to_string()), Ok(amount));
        }

        #[test]
        fn quotients_are_rounded_to_the_side_told(dividend in any::<i64>(), divisor in 1_i64..i64::MAX) {
            let (dividend, divisor) = (i128::from(dividend), i128::from(divisor));
            let down = divided(dividend, divisor, Rounding::Down);
            let up = divided(dividend, divisor, Rounding::Up);
            prop_assert!(down * divisor <= dividend && dividend < (down + 1) * divisor);
            prop_assert!((up - 1) * divisor < dividend && dividend <= up * divisor);
        }

        #[test]
        fn what_an_amount_buys_costs_no_more(
            units in 0_i64..i64::MAX, px in 1_i64..1_000_000_000, px_scale in 0_u8..9, sz_scale in 0_u8..9,
        ) {
            let amount = Amount::of_units(i128::from(units) * 1_000_000);
            let size = amount.over(px, px_scale, sz_scale).unwrap();
            prop_assume!(size < i64::MAX);
            let cost = |size| Amount::product(px, px_scale, size, sz_scale, Rounding::Up);
            prop_assert!(cost(size) <= amount && amount < cost(size + 1));
        }
    }
}
