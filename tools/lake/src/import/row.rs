//! A row of a file, before and after its numbers are read.
//!
//! Formats give every field as text, so that a price means the same wherever it comes from. A
//! decimal text is converted to a mantissa exactly, or refused.

use super::contract::{Contract, ContractUnit};
use super::refusal::Refusal;
use super::time::Clock;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal::{self, DecimalError};

/// A row as it is in the file. An empty field was not recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The venue, in the file's spelling.
    pub venue: String,
    /// The symbol, in the file's spelling.
    pub symbol: String,
    /// Time of receiving.
    pub received: String,
    /// Time of the event, by the venue's clock.
    pub event: String,
    /// Price and size of the bid.
    pub bid: [String; 2],
    /// Price and size of the ask.
    pub ask: [String; 2],
    /// The venue's sequence number.
    pub sequence: String,
}

impl Row {
    /// Empties every field, and keeps the memory.
    pub fn clear(&mut self) {
        let Row { venue, symbol, received, event, bid, ask, sequence } = self;
        let fields = [venue, symbol, received, event, sequence].into_iter();
        fields.chain(bid).chain(ask).for_each(String::clear);
    }

    /// Returns the prices, bid first.
    #[must_use]
    pub fn prices(&self) -> [&str; 2] {
        [&self.bid[0], &self.ask[0]]
    }

    /// Returns the sizes, bid first.
    #[must_use]
    pub fn sizes(&self) -> [&str; 2] {
        [&self.bid[1], &self.ask[1]]
    }

    /// Returns the time of receiving, and that of the event if it was recorded.
    ///
    /// # Errors
    /// [`Refusal::Time`].
    pub fn times(&self, clocks: &[Option<Clock>; 2]) -> Result<(Nanos, Option<Nanos>), Refusal> {
        let time =
            |clock: &Option<Clock>, text: &str| clock.map_or(Ok(None), |clock| clock.nanos(text));
        let received = time(&clocks[0], &self.received)?.ok_or(Refusal::Time)?;
        Ok((received, time(&clocks[1], &self.event)?))
    }

    /// Returns the venue's sequence number; 0 if there is none.
    ///
    /// # Errors
    /// [`Refusal::NotANumber`].
    pub fn sequence(&self) -> Result<u64, Refusal> {
        if self.sequence.is_empty() {
            return Ok(0);
        }
        self.sequence.parse().map_err(|_| Refusal::NotANumber)
    }
}

/// Returns price and size of a side as mantissas at these scales. Both are 0 if the side was not
/// recorded; the size is 0 if only the size was not recorded. With a contract, sizes of the file are
/// numbers of it.
///
/// # Errors
/// The reason why the lake cannot store it.
pub(super) fn side(
    [price, size]: &[String; 2],
    scales: (u8, u8),
    contract: Option<Contract>,
) -> Result<(i64, i64), Refusal> {
    let number = |text: &str, scale| {
        decimal::parse(text.as_bytes(), scale).map_err(|error| match error {
            DecimalError::Malformed => Refusal::NotANumber,
            DecimalError::TooPrecise => Refusal::TooPrecise,
            DecimalError::TooLarge => Refusal::TooLarge,
        })
    };
    if price.is_empty() {
        return if size.is_empty() { Ok((0, 0)) } else { Err(Refusal::SizeAlone) };
    }
    let price = number(price, scales.0)?;
    let size = match contract {
        _ if size.is_empty() => 0,
        Some(contract) => of_contracts(size, contract, price, scales)?,
        None => number(size, scales.1)?,
    };
    if price <= 0 || size < 0 { Err(Refusal::Negative) } else { Ok((price, size)) }
}

/// Returns a size in units of the base, as a mantissa at the scale of sizes, where the file has a
/// number of contracts. `price` is a mantissa at the scale of prices. A size that is not 0 stays so.
///
/// # Errors
/// The reason why the lake cannot store it.
pub(super) fn of_contracts(
    count: &str,
    contract: Contract,
    price: i64,
    scales: (u8, u8),
) -> Result<i64, Refusal> {
    let places = decimal::significant(count);
    let count = decimal::parse(count.as_bytes(), places).map_err(|_| Refusal::NotANumber)?;
    let (price_scale, size_scale) = (i32::from(scales.0), i32::from(scales.1));
    let amount = i128::from(count) * i128::from(contract.size);
    let shift = size_scale - i32::from(places) - i32::from(contract.scale);
    let size = match contract.unit {
        ContractUnit::Base => {
            let (size, rest) = shifted(amount, shift)?;
            if rest { return Err(Refusal::TooPrecise) } else { size }
        }
        ContractUnit::Quote => {
            // Half a unit more, so that the division rounds to the nearest.
            let price = i128::from(price.max(1));
            let (amount, price) = match shift + price_scale {
                up @ 0.. => (shifted(amount, up)?.0, price),
                down => (amount, shifted(price, -down)?.0),
            };
            let size = (amount + price / 2) / price;
            if 0 < amount { size.max(1) } else { size }
        }
    };
    i64::try_from(size).map_err(|_| Refusal::TooLarge)
}

/// Returns a number times a power of ten, and whether digits were cut off.
fn shifted(number: i128, exponent: i32) -> Result<(i128, bool), Refusal> {
    let power = 10_i128.checked_pow(exponent.unsigned_abs()).ok_or(Refusal::TooLarge)?;
    if 0 <= exponent {
        return number.checked_mul(power).map(|it| (it, false)).ok_or(Refusal::TooLarge);
    }
    Ok((number / power, number % power != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_become_sizes_of_the_base() {
        let of = |size: &str, unit| Contract::parse(size, unit).unwrap();
        let (base, quote) = (ContractUnit::Base, ContractUnit::Quote);
        for (count, contract, price, scales, expected) in [
            ("3", of("0.01", base), 5_000_000, (2, 4), Ok(300)),
            ("2.5", of("1000", base), 1, (2, 0), Ok(2_500)),
            ("3", of("0.01", base), 1, (2, 1), Err(Refusal::TooPrecise)),
            // 40 contracts of 100 USD at 50,000 are 0.08.
            ("40", of("100", quote), 5_000_000, (2, 8), Ok(8_000_000)),
            ("40", of("100", quote), 50_000, (0, 2), Ok(8)),
            ("1", of("10", quote), 3, (0, 8), Ok(333_333_333)),
            ("2", of("10", quote), 3, (0, 0), Ok(7)),
            // Never 0, which would mean that the size is not known.
            ("1", of("1", quote), 5_000_000, (2, 2), Ok(1)),
            ("0", of("1", quote), 5_000_000, (2, 2), Ok(0)),
            ("9000000000000000000", of("1000", base), 1, (0, 18), Err(Refusal::TooLarge)),
            ("many", of("1000", base), 1, (0, 2), Err(Refusal::NotANumber)),
        ] {
            assert_eq!(
                of_contracts(count, contract, price, scales),
                expected,
                "{count} {contract:?}"
            );
        }
    }

    #[test]
    fn sides_are_exact_or_refused() {
        for (price, size, expected) in [
            ("1.25", "3", Ok((125, 300))),
            ("1.25", "", Ok((125, 0))),
            ("1.25e0", "3E-2", Ok((125, 3))),
            ("", "", Ok((0, 0))),
            ("", "3", Err(Refusal::SizeAlone)),
            ("1.255", "3", Err(Refusal::TooPrecise)),
            ("-1", "3", Err(Refusal::Negative)),
            ("0", "3", Err(Refusal::Negative)),
            ("1", "-3", Err(Refusal::Negative)),
            ("1,5", "3", Err(Refusal::NotANumber)),
            ("inf", "3", Err(Refusal::NotANumber)),
            ("92233720368547758070", "3", Err(Refusal::TooLarge)),
        ] {
            let side = side(&[price.to_owned(), size.to_owned()], (2, 2), None);
            assert_eq!(side, expected, "{price} {size}");
        }
    }
}
