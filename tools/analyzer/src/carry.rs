//! What holding a position costs beside its trades: funding of perpetuals, and interest on what was borrowed
//! to be sold. Both come from tables that a person gives; without one, nothing is reckoned.
//!
//! ```text
//! venue,instrument,time,rate          venue,instrument,rate_per_day
//! okx-swap,BTC/USDT,2026-11-24T08:00:00Z,0.0001          kraken,BTC/USDT,0.0002
//! ```
//!
//! A rate is a fraction of the position, as venues publish it. At each time of funding, who is long pays it
//! to who is short, if he held the position then: opened before, and closed then or later.

use crate::input::venue;
use crate::kernel::play::ledger::{Deal, Played};
use crate::kernel::play::strategy::Strategy;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use spreadwire_market::execution::Exit;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A rate beyond this is no fraction, but a percentage or basis points.
const MOST: f64 = 0.1;
/// One day in ns.
const DAY_NS: f64 = 86_400e9;

/// Venue and instrument.
type Market = (String, String);

/// Rates of funding and of borrowing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carry {
    /// Times in ns since 1970, ascending, with the rate that a long position pays.
    funding: BTreeMap<Market, Vec<(i64, f64)>>,
    /// Rate per day that a short position pays.
    borrow: BTreeMap<Market, f64>,
}

/// Columns of the two tables, in any order.
const FUNDING: [&str; 4] = ["venue", "instrument", "time", "rate"];
const BORROW: [&str; 3] = ["venue", "instrument", "rate_per_day"];

#[derive(Deserialize)]
struct FundingRow {
    venue: String,
    instrument: String,
    #[serde(deserialize_with = "nanos")]
    time: i64,
    rate: f64,
}

#[derive(Deserialize)]
struct BorrowRow {
    venue: String,
    instrument: String,
    rate_per_day: f64,
}

/// Reads a time as ns since 1970.
fn nanos<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let text = String::deserialize(from)?;
    let time: Timestamp = text.parse().map_err(|_| {
        D::Error::custom(format!("{text:?} is no time such as 2026-11-24T08:00:00Z"))
    })?;
    i64::try_from(time.as_nanosecond()).map_err(D::Error::custom)
}

impl Carry {
    /// Adds a table of funding.
    ///
    /// # Errors
    /// Everything that is wrong with it, with the line.
    pub fn read_funding(&mut self, path: &Path) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        for (line, row) in rows::<FundingRow>(path, &FUNDING)? {
            match row {
                Ok(row) if MOST < row.rate.abs() || row.rate.is_nan() => {
                    problems.push(no_fraction(line, row.rate));
                }
                Ok(FundingRow { venue: name, instrument, time, rate }) => {
                    let rates = self.funding.entry((venue(&name), instrument)).or_default();
                    rates.push((time, rate));
                }
                Err(what) => problems.push(what),
            }
        }
        for ((venue, instrument), rates) in &mut self.funding {
            rates.sort_by_key(|(time, _)| *time);
            if rates.windows(2).any(|two| two[0].0 == two[1].0) {
                problems.push(format!("{instrument} at {venue} has two rates at one time"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Adds a table of interest on what is borrowed.
    ///
    /// # Errors
    /// As [`Carry::read_funding`].
    pub fn read_borrow(&mut self, path: &Path) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        for (line, row) in rows::<BorrowRow>(path, &BORROW)? {
            match row {
                Ok(row) if !(0.0..=MOST).contains(&row.rate_per_day) => {
                    problems.push(no_fraction(line, row.rate_per_day));
                }
                Ok(BorrowRow { venue: name, instrument, rate_per_day }) => {
                    let market = (venue(&name), instrument);
                    let said = format!("line {line}: {} at {} is there twice", market.1, market.0);
                    if self.borrow.insert(market, rate_per_day).is_some() {
                        problems.push(said);
                    }
                }
                Err(what) => problems.push(what),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Returns whether there is nothing to reckon.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.funding.is_empty() && self.borrow.is_empty()
    }

    /// Returns the venues and instruments of which there are rates.
    #[must_use]
    pub fn markets(&self) -> BTreeSet<&(String, String)> {
        self.funding.keys().chain(self.borrow.keys()).collect()
    }

    /// Returns how many rates there are, of funding and of borrowing.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.funding.values().map(Vec::len).sum(), self.borrow.len())
    }

    /// Books what holding each position of a pair brought or cost.
    pub fn book(&self, instrument: &str, venues: [&str; 2], played: &mut Played) {
        if self.is_empty() {
            return;
        }
        let venues = venues.map(venue);
        let market = |at: usize| (venues[at].clone(), instrument.to_owned());
        let markets = [market(0), market(1)];
        played.book_carry(|strategy, deal| self.of(&markets, strategy, deal));
    }

    /// Returns what holding a position brought in quote currency, below 0 where it cost.
    fn of(&self, markets: &[Market; 2], strategy: &Strategy, deal: &Deal) -> f64 {
        let bought = usize::from(deal.direction);
        let paid = self.funded(&markets[bought], deal) - self.funded(&markets[1 - bought], deal);
        // An inventory sells what it has.
        let is_short = strategy.model == Exit::Convergence;
        let borrow = self.borrow.get(&markets[1 - bought]).filter(|_| is_short);
        #[expect(clippy::cast_precision_loss, reason = "a time within a day")]
        let days = (deal.closed - deal.opened) as f64 / DAY_NS;
        -deal.notional * (paid + borrow.map_or(0.0, |rate| rate * days))
    }

    /// Returns the sum of the rates at the times at which a position was held.
    fn funded(&self, market: &Market, deal: &Deal) -> f64 {
        let Some(rates) = self.funding.get(market) else { return 0.0 };
        let from = rates.partition_point(|(time, _)| *time <= deal.opened);
        let to = rates.partition_point(|(time, _)| *time <= deal.closed);
        rates[from..to.max(from)].iter().map(|(_, rate)| rate).sum()
    }
}

/// A line and its row, or what is wrong with it.
type Row<T> = (u64, Result<T, String>);

/// Returns the rows of a table that has these columns.
fn rows<T: DeserializeOwned>(path: &Path, columns: &[&str]) -> Result<Vec<Row<T>>, Vec<String>> {
    let cannot = |error: csv::Error| vec![format!("cannot read {}: {error}", path.display())];
    let mut table = csv::ReaderBuilder::new();
    let table = table.trim(csv::Trim::All).flexible(true).from_path(path);
    let mut table = table.map_err(cannot)?;
    let header = table.headers().map_err(cannot)?.clone();
    let found: BTreeSet<&str> = header.iter().collect();
    if header.len() != columns.len() || found != columns.iter().copied().collect() {
        let found = header.iter().collect::<Vec<_>>().join(",");
        let first = format!("the first line of {} is {found:?}", path.display());
        return Err(vec![format!("{first} instead of {:?}", columns.join(","))]);
    }
    let row = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.map_err(cannot)?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let what = format!("line {line}: {} values instead of {}", record.len(), header.len());
            return Ok((line, Err(what)));
        }
        let row = record.deserialize(Some(&header));
        Ok((line, row.map_err(|error| format!("line {line}: {}", cause(&error)))))
    };
    table.records().map(row).collect()
}

fn cause(error: &csv::Error) -> String {
    if let csv::ErrorKind::Deserialize { err, .. } = error.kind() {
        err.to_string()
    } else {
        error.to_string()
    }
}

fn no_fraction(line: u64, rate: f64) -> String {
    format!("line {line}: {rate} is no fraction of a position: 1 bp is 0.0001, and {MOST} the most")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::play::ledger::{Totals, Tried};
    use std::io::Write;

    const HOUR: i64 = 3_600_000_000_000;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn played(model: Exit, direction: u8, (opened, closed): (i64, i64)) -> Played {
        let deal = Deal {
            opened: opened * HOUR,
            closed: closed * HOUR,
            direction,
            notional: 1_000.0,
            profit: 5.0,
            worst: 4.0,
            ..Deal::default()
        };
        let totals = |notional| Totals { deals: 1, profit: 5.0, notional };
        let strategy = Strategy { model, ..Strategy::default() };
        let variants = vec![totals(1_000.0), totals(4_000.0)];
        let tried = Tried { strategy, deals: vec![deal], variants, ..Tried::default() };
        Played { tried: vec![tried] }
    }

    fn carry() -> Carry {
        let mut carry = Carry::default();
        let funding = "venue,instrument,time,rate\n\
                       b_perp,X/USDT,1970-01-01T16:00:00Z,-0.002\n\
                       b-perp,X/USDT,1970-01-01T08:00:00Z,0.001\n\
                       a,Y/USDT,1970-01-01T08:00:00Z,0.05\n";
        carry.read_funding(file(funding).path()).unwrap();
        let borrow = "venue,instrument,rate_per_day\na,X/USDT,0.0024\n";
        carry.read_borrow(file(borrow).path()).unwrap();
        carry
    }

    #[test]
    fn a_position_pays_and_gets_what_falls_into_its_time() {
        // Direction, hours held, what holding brings by convergence and by inventory. The first venue is a,
        // whose interest is 0.0001 an hour; the second is b-perp.
        let cases = [
            // Long b through both times: pays 0.001 and gets 0.002; short a for 12 hours.
            (1, (6, 18), 1.0 - 1.2, 1.0),
            // Closed at the very time counts, opened at it does not.
            (1, (7, 8), -1.0 - 0.1, -1.0),
            (1, (8, 10), -0.2, 0.0),
            (1, (8, 16), 2.0 - 0.8, 2.0),
            // Short b: the other way round, and nothing is borrowed there.
            (0, (6, 18), -1.0, -1.0),
            (0, (9, 10), 0.0, 0.0),
        ];
        for (direction, held, convergence, inventory) in cases {
            for (model, brings) in [(Exit::Convergence, convergence), (Exit::Inventory, inventory)]
            {
                let mut played = played(model, direction, held);
                carry().book("X/USDT", ["a", "b_perp"], &mut played);
                let tried = &played.tried[0];
                let deal = tried.deals[0];
                let near = |found: f64, expected: f64| {
                    let told = format!("{direction} {held:?} {model:?}: {found} is not {expected}");
                    assert!((found - expected).abs() < 1e-9, "{told}");
                };
                near(deal.carry, brings);
                near(deal.profit, 5.0 + brings);
                near(deal.worst, 4.0_f64.min(4.0 + brings));
                near(tried.variants[0].profit, 5.0 + brings);
                near(tried.variants[1].profit, 5.0 + 4.0 * brings);
            }
        }
    }

    #[test]
    fn all_that_is_wrong_with_a_table_is_told_with_its_line() {
        let told = |text: &str| Carry::default().read_funding(file(text).path()).unwrap_err();
        let found = told(
            "venue,instrument,time,rate\n\
             a,X/USDT,yesterday,0.001\n\
             a,X/USDT,2026-11-24T08:00:00Z,1.5\n\
             a,X/USDT,2026-11-24T16:00:00Z,NaN\n\
             a,X/USDT,2026-11-26T16:00:00Z\n\
             a,X/USDT,2026-11-25T16:00:00Z,0.001\n\
             a,X/USDT,2026-11-25T16:00:00Z,0.002\n",
        );
        let begins: Vec<&str> = found.iter().map(|of| of.split(':').next().unwrap()).collect();
        assert_eq!(begins[..4], ["line 2", "line 3", "line 4", "line 5"], "{found:?}");
        assert!(found[4].contains("two rates at one time"), "{found:?}");
        let found = told("venue,symbol,time,rate\na,X/USDT,2026-11-24T08:00:00Z,0.1\n");
        assert!(found[0].contains("instead of \"venue,instrument,time,rate\""), "{found:?}");
        let borrow = "venue,instrument,rate_per_day\na,X/USDT,-0.1\na,Y/USDT,0.1\na,Y/USDT,0\n";
        let found = Carry::default().read_borrow(file(borrow).path()).unwrap_err();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            Carry::default().read_borrow(Path::new("none.csv")).unwrap_err()[0].contains("none")
        );
    }
}
