//! The unit of the times in a file: seconds, milliseconds, microseconds or nanoseconds.
//!
//! A number says its unit by its size: between 2000 and 2100, no number is a time in two of the
//! units. Every value of a column votes for its unit. If all agree, that is the column's unit, and
//! a value outside these years is no time. If they do not agree, or nobody votes, the column is
//! refused: a wrong unit would file the quotes in 1970, or not at all. `--time-unit` decides
//! instead, and then every value is taken as it is.

use super::refusal::Refusal;
use anyhow::bail;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal;

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// 2000-01-01 and 2100-01-01 00:00 UTC, in seconds.
const YEARS: (f64, f64) = (946_684_800.0, 4_102_444_800.0);
/// A time in exponent form with fewer digits was rounded by the program that wrote it: a spreadsheet
/// leaves six. A double leaves at least 15.
const EXPONENT_DIGITS_MIN: usize = 15;

impl Unit {
    const ALL: [Unit; 4] = [Unit::S, Unit::Ms, Unit::Us, Unit::Ns];

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::S => "s",
            Unit::Ms => "ms",
            Unit::Us => "us",
            Unit::Ns => "ns",
        }
    }

    /// Returns the number of decimals with which a time in this unit is exact to the ns.
    fn decimals(self) -> u8 {
        9 - 3 * self as u8
    }

    /// Returns the unit in which a number is a time between 2000 and 2100.
    fn of(text: &str) -> Option<Unit> {
        let number: f64 = text.parse().ok()?;
        let is = |unit: &Unit| {
            let per_second = 10_f64.powi(3 * *unit as i32);
            (YEARS.0 * per_second..YEARS.1 * per_second).contains(&number)
        };
        Unit::ALL.into_iter().find(is)
    }

    /// Returns a time in ns; `None` if it is not a number above 0 that fits.
    fn nanos(self, text: &str) -> Option<Nanos> {
        if let Some((digits, _)) = text.split_once(['e', 'E']) {
            let digits = digits.bytes().filter(u8::is_ascii_digit).count();
            if digits < EXPONENT_DIGITS_MIN {
                return None;
            }
        }
        let nanos = decimal::parse(text.as_bytes(), self.decimals()).ok()?;
        u64::try_from(nanos).ok().filter(|nanos| 0 < *nanos)
    }
}

/// How the times of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The unit.
    pub unit: Unit,
    /// Whether the unit was given, so that times of any year are accepted.
    pub given: bool,
}

impl Clock {
    /// Returns a time in ns; `None` if it was not recorded, for which some programs write 0.
    ///
    /// # Errors
    /// [`Refusal::Time`].
    pub fn nanos(&self, text: &str) -> Result<Option<Nanos>, Refusal> {
        if is_absent(text) {
            return Ok(None);
        }
        if !self.given && Unit::of(text) != Some(self.unit) {
            return Err(Refusal::Time);
        }
        self.unit.nanos(text).map(Some).ok_or(Refusal::Time)
    }
}

/// Returns whether a field has no time: it is empty or 0.
fn is_absent(text: &str) -> bool {
    text.is_empty() || text.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// What a unit would make of a column.
#[derive(Clone, Copy, Debug)]
struct Vote {
    values: u64,
    first: Nanos,
    last: Nanos,
}

/// The values of a column of times, counted by the unit that each suggests.
#[derive(Debug)]
pub(super) struct Votes {
    /// The unit that was given for the column.
    given: Option<Unit>,
    votes: [Vote; 4],
    /// The first value that suggests no unit.
    odd: Option<String>,
}

impl Votes {
    /// Begins to count.
    pub(super) fn new(given: Option<Unit>) -> Votes {
        let none = Vote { values: 0, first: Nanos::MAX, last: 0 };
        Votes { given, votes: [none; 4], odd: None }
    }

    /// Counts a value.
    pub(super) fn count(&mut self, text: &str) {
        if is_absent(text) {
            return;
        }
        let unit = self.given.or_else(|| Unit::of(text));
        let Some((unit, nanos)) = unit.and_then(|unit| Some((unit, unit.nanos(text)?))) else {
            self.odd.get_or_insert_with(|| text.chars().take(40).collect());
            return;
        };
        let Vote { values, first, last } = &mut self.votes[unit as usize];
        *values += 1;
        (*first, *last) = ((*first).min(nanos), (*last).max(nanos));
    }

    /// Returns how the column `name` is read; `None` if it has no time at all.
    ///
    /// # Errors
    /// If the unit is in doubt.
    pub(super) fn clock(&self, name: &str) -> anyhow::Result<Option<Clock>> {
        let voted: Vec<Unit> =
            Unit::ALL.into_iter().filter(|unit| 0 < self.votes[*unit as usize].values).collect();
        match (voted.as_slice(), &self.odd, self.given) {
            (_, _, Some(unit)) => Ok(Some(Clock { unit, given: true })),
            ([unit], _, None) => Ok(Some(Clock { unit: *unit, given: false })),
            ([], None, None) => Ok(None),
            ([], Some(odd), None) => bail!(
                "the unit of {name} is in doubt: {odd:?} is not a time between 2000 and 2100 in s, \
                 ms, us or ns. If it is one of another year, give --time-unit {name}=ns, or the \
                 unit that it has"
            ),
            (several, ..) => {
                let of = |unit: &Unit| {
                    format!("{} in {}", self.votes[*unit as usize].values, unit.name())
                };
                let list = several.iter().map(of).collect::<Vec<_>>().join(", ");
                bail!(
                    "the unit of {name} is in doubt: its values are times between 2000 and 2100 \
                     in different units ({list}). If all are in one, give --time-unit {name}=ns, \
                     or the unit that they have; otherwise split the file"
                )
            }
        }
    }

    /// Returns the first and the last time in a unit; `None` if there is none.
    pub(super) fn span(&self, unit: Unit) -> Option<(Nanos, Nanos)> {
        let Vote { values, first, last } = self.votes[unit as usize];
        (0 < values).then_some((first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::clock::SECOND;

    const AUGUST: Nanos = 1_723_161_600 * SECOND;

    fn votes(given: Option<Unit>, texts: &[&str]) -> Votes {
        let mut votes = Votes::new(given);
        texts.iter().for_each(|text| votes.count(text));
        votes
    }

    #[test]
    fn a_number_says_its_unit_by_its_size() {
        for (text, unit, nanos) in [
            ("1723161600", Unit::S, AUGUST),
            ("1723161600.25", Unit::S, AUGUST + SECOND / 4),
            ("1723161600250", Unit::Ms, AUGUST + SECOND / 4),
            ("1723161600250.5", Unit::Ms, AUGUST + SECOND / 4 + 500_000),
            ("1723161600250001", Unit::Us, AUGUST + SECOND / 4 + 1000),
            ("1723161600250001007", Unit::Ns, AUGUST + SECOND / 4 + 1007),
            ("1.723161600250001e9", Unit::S, AUGUST + SECOND / 4 + 1000),
            ("1.7231616002500010E+18", Unit::Ns, AUGUST + SECOND / 4 + 1000),
            ("946684800", Unit::S, 946_684_800 * SECOND),
            ("4102444799999", Unit::Ms, 4_102_444_799_999 * 1_000_000),
        ] {
            let votes = votes(None, &[text]);
            let clock = votes.clock("t").unwrap().unwrap();
            assert_eq!(clock, Clock { unit, given: false }, "{text}");
            assert_eq!(clock.nanos(text), Ok(Some(nanos)), "{text}");
            assert_eq!(votes.span(unit), Some((nanos, nanos)), "{text}");
        }
    }

    #[test]
    fn a_doubtful_unit_is_refused_unless_it_is_given() {
        for texts in [
            &["5"][..],
            &["946684799"],
            &["4102444800"],
            &["17231616000"],
            &["1723161600", "1723161600000"],
            &["1723161600000", "1723161600000000000", "1723161600000000001"],
            &["NaN"],
            &["inf"],
            &["-1723161600"],
            &["2024-08-09T00:00:00Z"],
        ] {
            let refused = votes(None, texts).clock("recv").unwrap_err().to_string();
            assert!(refused.contains("--time-unit recv=ns"), "{refused}");
            let given = votes(Some(Unit::Us), texts).clock("recv").unwrap();
            assert_eq!(given, Some(Clock { unit: Unit::Us, given: true }));
        }
        let literal = Clock { unit: Unit::Ms, given: true };
        assert_eq!(literal.nanos("5"), Ok(Some(5_000_000)));
    }

    #[test]
    fn one_odd_value_is_no_time_but_the_column_has_its_unit() {
        let votes = votes(None, &["", "0", "0.0", "1723161600000", "7", "1723161600001"]);
        let clock = votes.clock("t").unwrap().unwrap();
        assert_eq!(clock.unit, Unit::Ms);
        assert_eq!(clock.nanos("7"), Err(Refusal::Time));
        assert_eq!(clock.nanos("0"), Ok(None));
        assert_eq!(votes.span(Unit::Ms).unwrap().0, AUGUST);
    }

    #[test]
    fn a_time_that_a_spreadsheet_rounded_is_no_time() {
        let clock = Clock { unit: Unit::Ms, given: false };
        assert_eq!(clock.nanos("1.72316E+12"), Err(Refusal::Time));
        assert_eq!(clock.nanos("1723161600000.1234567"), Err(Refusal::Time), "finer than a ns");
        let given = Clock { unit: Unit::Ms, given: true };
        for bad in ["-5", "abc", "99999999999999999999"] {
            assert_eq!(given.nanos(bad), Err(Refusal::Time), "{bad}");
        }
    }

    #[test]
    fn a_column_without_times_has_no_unit() {
        assert_eq!(votes(None, &["", "0"]).clock("t").unwrap(), None);
    }
}
