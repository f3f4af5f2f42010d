//! The times that cannot be trusted, by the lake's ledger: something was lost, the venue gave nothing,
//! or no engine ran. A quote that stands in such a time says nothing of the market, so it is not live.

use crate::input::{Unit, midnight};
use jiff::ToSpan;
use spreadwire_lake::completeness::{Interval, Known};
use spreadwire_lake::layout;
use std::collections::BTreeMap;

/// Times, each from one to another after it, ascending and apart, in ns since 1970.
type Times = Vec<(i64, i64)>;

/// The times that cannot be trusted, by the lake's folders of venue and instrument.
#[derive(Debug, Default)]
pub struct Torn(BTreeMap<(String, String), Times>);

impl Torn {
    /// Returns what the table of a lake's ledger leaves untrusted. What was imported counts. Where the
    /// ledger cannot be read, nothing is known to be missing; the report says so.
    #[must_use]
    pub fn of(table: &[Interval]) -> Torn {
        let mut all: BTreeMap<(String, String), [Times; 2]> = BTreeMap::new();
        for interval in table {
            let venue = layout::venue_folder(&interval.venue);
            let instrument = layout::instrument_folder(&interval.instrument);
            let (Ok(venue), Ok(instrument)) = (venue, instrument) else { continue };
            let [torn, imported] = all.entry((venue, instrument)).or_default();
            let times = (interval.from.cast_signed(), interval.until.cast_signed());
            match interval.known {
                Known::Recorded => {}
                Known::Imported => imported.push(times),
                Known::VenueDown | Known::Lost | Known::Outage => torn.push(times),
            }
        }
        let without =
            |(key, [torn, imported]): (_, [Times; 2])| (key, less(joined(torn), imported));
        Torn(all.into_iter().map(without).collect())
    }

    /// Returns the times of a unit's venues, of its day and the day before, from which quotes may
    /// still stand.
    pub(crate) fn of_unit<'a>(
        &self,
        unit: &'a Unit,
        others: impl Iterator<Item = &'a str>,
    ) -> Vec<(String, Times)> {
        let day = (midnight(unit.date), midnight(unit.date.saturating_add(1.day())));
        let begin = day.0 - (day.1 - day.0);
        let mut venues: Vec<&str> = unit.venues.iter().map(|of| of.venue.as_str()).collect();
        venues.extend(others);
        venues.sort_unstable();
        venues.dedup();
        let of = |venue: &str| {
            let key =
                (venue.to_owned(), unit.symbol_folder.trim_start_matches("symbol=").to_owned());
            let times = self.0.get(&key).into_iter().flatten();
            let times = times.filter(|(from, until)| *from < day.1 && begin < *until);
            (venue.to_owned(), times.copied().collect::<Times>())
        };
        venues.into_iter().map(of).filter(|(_, times)| !times.is_empty()).collect()
    }
}

/// Returns times that may overlap as times that are apart.
fn joined(mut times: Times) -> Times {
    times.sort_unstable();
    let mut found: Times = Vec::new();
    for (from, until) in times {
        match found.last_mut() {
            Some((_, last)) if from <= *last => *last = until.max(*last),
            Some(_) | None => found.push((from, until)),
        }
    }
    found
}

/// Returns times without others.
fn less(times: Times, mut others: Times) -> Times {
    others.sort_unstable();
    let mut found = Vec::new();
    for (mut from, until) in times {
        for (begin, end) in others.iter().copied().filter(|(begin, _)| *begin < until) {
            if from < begin {
                found.push((from, begin));
            }
            from = from.max(end);
        }
        if from < until {
            found.push((from, until));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_joined_and_what_was_imported_is_taken_out() {
        assert_eq!(joined(vec![(5, 7), (1, 3), (3, 4), (6, 9)]), [(1, 4), (5, 9)]);
        let torn = vec![(0, 10), (20, 30), (40, 50)];
        assert_eq!(
            less(torn.clone(), vec![(5, 6), (2, 3)]),
            [(0, 2), (3, 5), (6, 10), (20, 30), (40, 50)]
        );
        assert_eq!(less(torn.clone(), vec![(8, 45)]), [(0, 8), (45, 50)]);
        assert_eq!(less(torn, vec![(0, 50)]), []);
    }

    #[test]
    fn the_names_are_those_of_folders() {
        let interval = |known| Interval {
            venue: "binance-usdm".to_owned(),
            instrument: "BTC/USDT:PERP".to_owned(),
            from: 5,
            until: 9,
            known,
            cause: String::new(),
            run: "run".to_owned(),
        };
        for known in Known::ALL {
            let torn = Torn::of(&[interval(known)]);
            let key = ("binance_usdm".to_owned(), "BTC#USDT:PERP".to_owned());
            let expected = if known.is_whole() { vec![] } else { vec![(5, 9)] };
            assert_eq!(torn.0[&key], expected, "{known}");
        }
    }
}
