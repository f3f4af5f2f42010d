//! Exact amounts: prices, sizes and balances as whole numbers of 10^-18.
//!
//! Nothing here rounds unless its name says so. What cannot be held exactly is `None`.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// Number of digits after the point that an amount can hold.
pub(crate) const PLACES: usize = 18;

const ONE: i128 = 10_i128.pow(18);

/// Greatest number of digits before the point that is accepted from a text.
const WHOLE_LEN_MAX: usize = 18;

/// An exact amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// Parses a plain decimal, with a minus in front if it is negative. Returns `None` if `text` is
    /// no such number, or has more than 18 digits before or after the point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Amount> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_bare_point = digits.contains('.') && fraction.is_empty();
        let whole_digits = whole.trim_start_matches('0');
        let fraction_digits = fraction.trim_end_matches('0');
        if whole.is_empty() || is_bare_point || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        if WHOLE_LEN_MAX < whole_digits.len() || PLACES < fraction_digits.len() {
            return None;
        }
        let padded = format!("{whole_digits}{fraction_digits:0<PLACES$}");
        padded.parse::<i128>().ok().map(|units| Amount(sign * units))
    }

    /// Returns whether the amount is above zero.
    #[must_use]
    pub fn is_positive(self) -> bool {
        0 < self.0
    }

    /// Returns the product, or `None` if it cannot be held exactly.
    #[must_use]
    pub fn times(self, other: Amount) -> Option<Amount> {
        let (a, a_places) = self.mantissa();
        let (b, b_places) = other.mantissa();
        let product = a.checked_mul(b)?;
        let shift = u32::try_from(PLACES.checked_sub(a_places + b_places)?).ok()?;
        product.checked_mul(10_i128.checked_pow(shift)?).map(Amount)
    }

    /// Returns `millionths` of the amount, rounded towards zero to `places` digits after the point.
    #[must_use]
    pub fn part(self, millionths: u32, places: usize) -> Amount {
        Amount(
            self.0 / 1_000_000 * i128::from(millionths)
                + self.0 % 1_000_000 * i128::from(millionths) / 1_000_000,
        )
        .truncated(places)
    }

    /// Returns the amount with at most `places` digits after the point, rounded towards zero.
    #[must_use]
    pub fn truncated(self, places: usize) -> Amount {
        let dropped = u32::try_from(PLACES.saturating_sub(places)).unwrap_or(0);
        let unit = 10_i128.pow(dropped);
        Amount(self.0 / unit * unit)
    }

    /// Returns how many whole `parts` it has. The parts must be above zero.
    #[must_use]
    pub fn whole(self, part: Amount) -> i128 {
        self.0 / part.0
    }

    /// Returns the amount taken `count` times.
    #[must_use]
    pub fn repeated(self, count: i128) -> Option<Amount> {
        self.0.checked_mul(count).map(Amount)
    }

    /// Returns whether it is a multiple of `step`. Any amount is one of a step of zero.
    #[must_use]
    pub fn is_multiple_of(self, step: Amount) -> bool {
        step.0 == 0 || self.0 % step.0 == 0
    }

    /// Returns this amount divided by `other`, to `places` digits after the point, rounded towards zero.
    /// Used for average prices, which venues round too. Returns zero if `other` is zero.
    #[must_use]
    pub fn ratio(self, other: Amount, places: usize) -> Amount {
        if other.0 == 0 {
            return Amount::ZERO;
        }
        // Long division, digit by digit, so that nothing overflows.
        let (mut rest, mut quotient) = (self.0 % other.0, self.0 / other.0);
        for _ in 0..places {
            rest *= 10;
            quotient = quotient * 10 + rest / other.0;
            rest %= other.0;
        }
        let shift = u32::try_from(PLACES.saturating_sub(places)).unwrap_or(0);
        Amount(quotient * 10_i128.pow(shift))
    }

    /// Returns the number with at least `places` digits after the point.
    #[must_use]
    pub fn padded(self, places: usize) -> String {
        let mut text = self.to_string();
        let has = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if has == 0 && 0 < places {
            text.push('.');
        }
        text.extend(std::iter::repeat_n('0', places.saturating_sub(has)));
        text
    }

    /// Returns the shortest whole number and its number of digits after the point.
    fn mantissa(self) -> (i128, usize) {
        let (mut units, mut places) = (self.0, PLACES);
        while 0 < places && units % 10 == 0 {
            units /= 10;
            places -= 1;
        }
        (units, places)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = ((self.0 / ONE).abs(), (self.0 % ONE).abs());
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:0PLACES$}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl Add for Amount {
    type Output = Amount;

    fn add(self, other: Amount) -> Amount {
        Amount(self.0 + other.0)
    }
}

impl Sub for Amount {
    type Output = Amount;

    fn sub(self, other: Amount) -> Amount {
        Amount(self.0 - other.0)
    }
}

impl Neg for Amount {
    type Output = Amount;

    fn neg(self) -> Amount {
        Amount(-self.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).expect(text)
    }

    #[test]
    fn texts_come_back_without_useless_zeros() {
        for (text, shown) in [
            ("0.00000123", "0.00000123"),
            ("68420.50", "68420.5"),
            ("007", "7"),
            ("-0.5", "-0.5"),
            ("0", "0"),
            ("999999999999999999.000000000000000001", "999999999999999999.000000000000000001"),
        ] {
            assert_eq!(amount(text).to_string(), shown);
        }
        for bad in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "1e3",
            "+1",
            "1,5",
            "NaN",
            "--1",
            "0.0000000000000000001",
            "1000000000000000000",
        ] {
            assert_eq!(Amount::parse(bad), None, "{bad}");
        }
        assert_eq!(amount("7").padded(8), "7.00000000");
        assert_eq!(amount("0.123456789").padded(8), "0.123456789");
        assert_eq!(amount("7").padded(0), "7");
    }

    #[test]
    fn products_are_exact_or_refused() {
        for (a, b, product) in [
            ("68420.51", "0.00123", Some("84.1572273")),
            ("0.00001143", "1000000000", Some("11430")),
            ("-2", "0.5", Some("-1")),
            ("0.0000000001", "0.0000000001", None),
            ("999999999999999999", "999999999999999999", None),
        ] {
            let found = amount(a).times(amount(b));
            assert_eq!(found, product.map(amount), "{a} x {b}");
        }
    }

    #[test]
    fn parts_and_ratios_round_towards_zero() {
        assert_eq!(amount("0.00847").part(1_000, 8).to_string(), "0.00000847");
        assert_eq!(amount("0.00000001").part(1_000, 8), Amount::ZERO);
        assert_eq!(amount("0.00000001").part(1_000, 18).to_string(), "0.00000000001");
        assert_eq!(amount("2").ratio(amount("3"), 4).to_string(), "0.6666");
        assert_eq!(amount("84.1572273").ratio(amount("0.00123"), 8).to_string(), "68420.51");
        assert_eq!(amount("1").ratio(Amount::ZERO, 4), Amount::ZERO);
    }

    #[test]
    fn steps_are_counted_exactly() {
        assert!(amount("0.3").is_multiple_of(amount("0.1")));
        assert!(!amount("0.35").is_multiple_of(amount("0.1")));
        assert!(amount("0.35").is_multiple_of(Amount::ZERO));
        assert_eq!(amount("100").whole(amount("0.3")), 333);
    }
}
