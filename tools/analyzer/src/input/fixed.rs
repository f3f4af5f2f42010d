//! Fixed-point numbers as NautilusTrader's catalogs have them, and their conversion to doubles.
//!
//! A number is 16 bytes with 16 decimals, or 8 bytes or a 64-bit integer with 9 decimals,
//! little-endian. The metadata of the file says how many decimals count; the others may be off by a
//! rounding error. The largest number stands for one that is not defined.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Int64Type, UInt64Type};

/// Decimals up to which powers of ten are doubles.
const EXACT_DECIMALS: u32 = 22;
/// Numbers up to this are doubles.
const EXACT: i128 = 1 << 53;

/// How a column holds fixed-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    decimals: u32,
    precision: u32,
}

impl Fixed {
    /// Returns how a column of this type holds numbers of this precision; `None` if it cannot.
    pub(super) fn of(data_type: &DataType, precision: u32) -> Option<Fixed> {
        const SHORT: [DataType; 3] =
            [DataType::FixedSizeBinary(8), DataType::Int64, DataType::UInt64];
        let is_short = SHORT.contains(data_type);
        let decimals = if is_short { 9 } else { 16 };
        let is_known = is_short || *data_type == DataType::FixedSizeBinary(16);
        (is_known && precision <= decimals).then_some(Fixed { decimals, precision })
    }

    /// Converts numbers to doubles; those that are not defined become null.
    pub(super) fn decode(self, values: &ArrayRef) -> Float64Array {
        let raw = |at: usize| raw(values, at).map(|raw| self.double(raw));
        (0..values.len()).map(raw).collect()
    }

    /// Returns the double nearest to the decimal number.
    fn double(self, raw: i128) -> f64 {
        let unit = 10_i128.pow(self.decimals - self.precision);
        let mantissa = raw.saturating_add(raw.signum() * (unit / 2)) / unit;
        let is_exact = mantissa.abs() <= EXACT && self.precision <= EXACT_DECIMALS;
        if !is_exact {
            return format!("{mantissa}e-{}", self.precision).parse().unwrap_or(f64::NAN);
        }
        // Both are exact, so the quotient is rounded once.
        #[expect(clippy::cast_precision_loss, reason = "up to 2^53 nothing is lost")]
        let mantissa = mantissa as f64;
        mantissa / 10_f64.powi(self.precision.cast_signed())
    }
}

/// Returns a number as it is stored; `None` if it is absent or not defined.
fn raw(values: &ArrayRef, at: usize) -> Option<i128> {
    if values.is_null(at) {
        return None;
    }
    if let Some(numbers) = values.as_primitive_opt::<Int64Type>() {
        return Some(i128::from(numbers.value(at))).filter(|raw| *raw != i64::MAX.into());
    }
    if let Some(numbers) = values.as_primitive_opt::<UInt64Type>() {
        return Some(i128::from(numbers.value(at))).filter(|raw| *raw != u64::MAX.into());
    }
    let bytes = values.as_fixed_size_binary_opt()?.value(at);
    // The largest unsigned number, of an undefined size, is -1 here.
    if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
        return Some(i128::from_le_bytes(bytes)).filter(|raw| *raw != i128::MAX && *raw != -1);
    }
    let raw = i64::from_le_bytes(bytes.try_into().ok()?);
    Some(i128::from(raw)).filter(|_| raw != i64::MAX && raw != -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_point_numbers_become_the_nearest_doubles() {
        for (raw, decimals, precision, expected) in [
            (61_837_630_000_000, 9, 2, 61_837.63),
            (61_837_629_999_999, 9, 2, 61_837.63),
            (61_837_630_000_001, 9, 9, 61_837.630_000_001),
            (1_000_000_000, 9, 0, 1.0),
            (1, 16, 16, 1e-16),
            (-15_000_000_000_000_000, 16, 1, -1.5),
            (123_456_789_012_345_678_901_234, 16, 16, 12_345_678.901_234_567),
        ] {
            let fixed = Fixed { decimals, precision };
            assert_eq!(fixed.double(raw).to_bits(), f64::to_bits(expected), "{raw}");
        }
    }
}
