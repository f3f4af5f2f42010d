//! The mantissa that a double of the lake was made of.
//!
//! The lake holds the double nearest to a decimal. A decimal of up to 15 significant digits is the only
//! one of that length with this double, so it can be found again. Of a longer one only its double is left:
//! then the shortest decimal with that double is taken, and the value is called rounded if another
//! mantissa has the same double.

use spreadwire_market::decimal;

/// Mantissas below this have at most 15 digits.
const FIFTEEN_DIGITS: f64 = 1e15;
const DIGITS_KEPT: usize = 15;

/// A scale, ready for many values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    decimals: u8,
    /// 10^decimals, which is an exact double.
    unit: f64,
}

/// A value at a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The mantissa, or of values with more than 15 digits the only one that has at most 15.
    Exact(i64),
    /// A mantissa that has the same double as the one that was recorded.
    Rounded(i64),
    /// The scale cannot hold the value.
    Unfit,
}

impl Scale {
    #[expect(clippy::cast_precision_loss, reason = "10^18 is an exact double")]
    pub(super) fn new(decimals: u8) -> Scale {
        Scale { decimals, unit: decimal::power_of_ten(decimals) as f64 }
    }

    /// Finds the mantissa of a value.
    #[inline]
    #[expect(clippy::float_cmp, reason = "the division gives the recorded double or another one")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a mantissa of 15 digits is an exact double"
    )]
    pub(super) fn mantissa(self, value: f64) -> Found {
        let scaled = value * self.unit;
        if scaled.abs() < FIFTEEN_DIGITS {
            // The product is off by less than a quarter, so this rounds to the right mantissa.
            let mantissa = (scaled + 0.5_f64.copysign(scaled)) as i64;
            let same = mantissa as f64 / self.unit == value;
            return if same { Found::Exact(mantissa) } else { Found::Unfit };
        }
        self.long_mantissa(value)
    }

    #[cold]
    #[expect(clippy::float_cmp, reason = "two mantissas with one double are looked for")]
    fn long_mantissa(self, value: f64) -> Found {
        let text = format!("{value}");
        let Ok(mantissa) = decimal::parse(text.as_bytes(), self.decimals) else {
            return Found::Unfit;
        };
        let has_it = |mantissa: Option<i64>| {
            mantissa.is_some_and(|m| decimal::to_f64(m, self.decimals) == value)
        };
        if !has_it(Some(mantissa)) {
            return Found::Unfit;
        }
        let digits = text.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>();
        let from_first = digits.iter().skip_while(|digit| **digit == b'0').count();
        let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        let is_only = !has_it(mantissa.checked_sub(1)) && !has_it(mantissa.checked_add(1));
        if is_only || from_first.saturating_sub(zeros) <= DIGITS_KEPT {
            return Found::Exact(mantissa);
        }
        Found::Rounded(mantissa)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_found_or_refused() {
        use Found::{Exact, Rounded, Unfit};
        for (value, decimals, found) in [
            (0.0, 2, Exact(0)),
            (0.1, 1, Exact(1)),
            (0.3, 2, Exact(30)),
            (61_837.63, 2, Exact(6_183_763)),
            (-61_837.63, 2, Exact(-6_183_763)),
            (61_837.63, 1, Unfit),
            (0.000_001_23, 12, Exact(1_230_000)),
            (0.000_001_23, 7, Unfit),
            // More digits than 15 at this scale, and few that are not zeros.
            (1_234_567_890_000.0, 6, Exact(1_234_567_890_000_000_000)),
            (1e17, 8, Unfit),
            (9e15, 2, Exact(900_000_000_000_000_000)),
            // 2^53 + 1 has the double of 2^53.
            (9_007_199_254_740_993.0, 0, Rounded(9_007_199_254_740_992)),
            (f64::NAN, 2, Unfit),
            (f64::INFINITY, 2, Unfit),
        ] {
            assert_eq!(Scale::new(decimals).mantissa(value), found, "{value} with {decimals}");
        }
    }

    proptest! {
        #[test]
        fn a_mantissa_of_up_to_15_digits_is_found_again(
            mantissa in -999_999_999_999_999..=999_999_999_999_999_i64,
            shift in 0..15_u32,
            decimals in 0..=18_u8,
        ) {
            let mantissa = mantissa / 10_i64.pow(shift);
            let value = decimal::to_f64(mantissa, decimals);
            prop_assert_eq!(Scale::new(decimals).mantissa(value), Found::Exact(mantissa));
        }

        #[test]
        fn trailing_zeros_do_not_count(digits in 1..999_999_999_999_i64, zeros in 0..6_u32) {
            let mantissa = digits * 10_i64.pow(zeros);
            let value = decimal::to_f64(mantissa, 4);
            prop_assert_eq!(Scale::new(4).mantissa(value), Found::Exact(mantissa));
        }

        #[test]
        fn what_is_found_always_has_the_double(mantissa in any::<i64>(), decimals in 0..=18_u8) {
            let value = decimal::to_f64(mantissa, decimals);
            match Scale::new(decimals).mantissa(value) {
                // A shorter decimal is taken for the one that was recorded.
                Found::Exact(found) if found == mantissa => {}
                Found::Exact(found) | Found::Rounded(found) => {
                    prop_assert!(1_000_000_000_000_000 <= mantissa.unsigned_abs());
                    let same = decimal::to_f64(found, decimals).to_bits();
                    prop_assert_eq!(same, value.to_bits());
                }
                // The shortest decimal of the largest mantissas is beyond them.
                Found::Unfit => prop_assert!(mantissa.unsigned_abs() > (1 << 62)),
            }
        }
    }
}
