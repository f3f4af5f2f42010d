//! The times that cannot be trusted, by the lake's ledger: something was lost, the venue gave nothing,
//! no engine ran, or the ledger does not say. A quote that stands in such a time says nothing of the
//! market, so it is not live.

use crate::input::{Unit, VenueDay, bounds};
use crate::kernel::times::{Times, joined, less};
use spreadwire_lake::completeness::Interval;
use spreadwire_lake::layout;
use std::collections::BTreeMap;

/// The times for which a ledger vouches, by the lake's folders of venue and symbol.
#[derive(Debug, Default)]
pub struct Torn(Option<BTreeMap<(String, String), Times>>);

impl Torn {
    /// Returns what nothing vouches for, so that everything counts. The report says so.
    #[must_use]
    pub fn unknown() -> Torn {
        Torn(None)
    }

    /// Returns what the table of a lake's ledger leaves untrusted. What was recorded or imported
    /// counts.
    #[must_use]
    pub fn of(table: &[Interval]) -> Torn {
        let mut all: BTreeMap<(String, String), Times> = BTreeMap::new();
        for interval in table {
            let venue = layout::venue_folder(&interval.venue);
            let instrument = layout::instrument_folder(&interval.instrument);
            let (Ok(venue), Ok(instrument)) = (venue, instrument) else { continue };
            let whole = all.entry((venue, instrument)).or_default();
            if interval.known.is_whole() {
                whole.push((interval.from.cast_signed(), interval.until.cast_signed()));
            }
        }
        Torn(Some(all.into_iter().map(|(key, times)| (key, joined(times))).collect()))
    }

    /// Returns whether the ledger speaks of a venue's symbol at all, if there is a ledger.
    pub(crate) fn knows(&self, venue: &str, symbol: &str) -> bool {
        let key = (venue.to_owned(), symbol.to_owned());
        self.0.as_ref().is_none_or(|known| known.contains_key(&key))
    }

    /// Returns the times of a unit's venues, of its day and the day before, from which quotes may
    /// still stand.
    pub(crate) fn of_unit<'a>(
        &self,
        unit: &'a Unit,
        others: impl Iterator<Item = &'a VenueDay>,
    ) -> Vec<(String, Times)> {
        let Some(known) = &self.0 else { return Vec::new() };
        let day = bounds(unit.date);
        let window = (day.0 - (day.1 - day.0), day.1);
        // A venue's own day comes last, and counts.
        let days = others.chain(&unit.venues).map(|day| (day.venue.as_str(), day));
        let days: BTreeMap<&str, &VenueDay> = days.collect();
        let of = |(venue, day): (&str, &VenueDay)| {
            let key = |symbol: &String| (venue.to_owned(), symbol.clone());
            let whole = day.symbols.iter().filter_map(|symbol| known.get(&key(symbol)));
            let whole = joined(whole.flatten().copied().collect());
            (venue.to_owned(), less(&[window], &whole))
        };
        days.into_iter().map(of).filter(|(_, times)| !times.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Scale, midnight};
    use spreadwire_lake::completeness::Known;

    #[test]
    fn what_the_ledger_does_not_vouch_for_is_torn() {
        let date: jiff::civil::Date = "2024-08-08".parse().unwrap();
        let begin = midnight(date);
        let interval = |known, from: i64, until: i64| Interval {
            venue: "binance-usdm".to_owned(),
            instrument: "BTC/USDT:PERP".to_owned(),
            from: (begin + from).unsigned_abs(),
            until: (begin + until).unsigned_abs(),
            known,
            cause: String::new(),
            run: "run".to_owned(),
        };
        let venue_day = |venue: &str| VenueDay {
            venue: venue.to_owned(),
            symbols: vec!["BTC#USDT:PERP".to_owned()],
            scale: Scale::default(),
            date,
            files: Vec::new(),
            time_unit: None,
        };
        let unit = Unit {
            instrument: "BTC/USDT:PERP".to_owned(),
            symbol_folder: "BTC#USDT:PERP".to_owned(),
            date,
            venues: vec![venue_day("binance_usdm"), venue_day("okx")],
        };
        let day = 86_400_000_000_000;
        for known in Known::ALL {
            let torn = Torn::of(&[interval(Known::Recorded, 0, 5), interval(known, 5, 9)]);
            let vouched = if known.is_whole() { 9 } else { 5 };
            let own = vec![(begin - day, begin), (begin + vouched, begin + day)];
            // The other venue is not in the ledger.
            let other = vec![(begin - day, begin + day)];
            let expected = [("binance_usdm".to_owned(), own), ("okx".to_owned(), other)];
            assert_eq!(torn.of_unit(&unit, std::iter::empty()), expected, "{known}");
            let knows = |venue: &str| torn.knows(venue, "BTC#USDT:PERP");
            assert!(knows("binance_usdm") && !knows("okx"));
        }
        assert_eq!(Torn::unknown().of_unit(&unit, std::iter::empty()), []);
        assert!(Torn::unknown().knows("okx", "BTC#USDT:PERP"));
    }
}
