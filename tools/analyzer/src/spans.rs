//! When both venues of a pair were recorded, by the lake's ledger.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use spreadwire_lake::completeness::{Interval, Known};
use spreadwire_market::clock::{Nanos, SECOND};

const DAY: Nanos = 86_400 * SECOND;

/// A time, from its beginning to its end, which is after it and not part of it, ns since 1970 UTC.
pub type Span = (Nanos, Nanos);

/// Returns the days, each as a span; adjacent ones are one.
#[must_use]
pub fn of_days(days: &[Date]) -> Vec<Span> {
    let midnight = |day: &Date| {
        let at = day.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_second());
        u64::try_from(at).unwrap_or(0).saturating_mul(SECOND)
    };
    union(days.iter().map(midnight).map(|at| (at, at.saturating_add(DAY))).collect())
}

/// Returns when an engine recorded an instrument on both venues; `None` if the ledger does not know
/// one of them. `table` is that of the ledger.
#[must_use]
pub fn of_pair(
    table: &[Interval],
    (instrument, one, two): (&str, &str, &str),
) -> Option<Vec<Span>> {
    let both = [one, two].map(|venue| {
        let is_it = |of: &&Interval| of.venue == venue && of.instrument == instrument;
        let mut known = table.iter().filter(is_it).peekable();
        known.peek()?;
        let recorded = known.filter(|of| of.known == Known::Recorded);
        Some(union(recorded.map(|of| (of.from, of.until)).collect()))
    });
    let [one, two] = both;
    Some(intersection(&one?, &two?))
}

/// Joins spans that touch or overlap, and sorts them.
#[must_use]
pub fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for (from, until) in spans {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            Some(_) | None => joined.push((from, until)),
        }
    }
    joined
}

/// Returns the times that are in both lists, each of which is sorted and has no overlap.
#[must_use]
pub fn intersection(one: &[Span], two: &[Span]) -> Vec<Span> {
    let (mut a, mut b) = (one.iter().peekable(), two.iter().peekable());
    let mut both = Vec::new();
    while let (Some(&&(from_a, until_a)), Some(&&(from_b, until_b))) = (a.peek(), b.peek()) {
        let (from, until) = (from_a.max(from_b), until_a.min(until_b));
        if from < until {
            both.push((from, until));
        }
        if until_a <= until_b {
            a.next()
        } else {
            b.next()
        };
    }
    both
}

/// Returns how long spans last in all, ns.
#[must_use]
pub fn length(spans: &[Span]) -> Nanos {
    spans.iter().map(|(from, until)| until - from).sum()
}

/// Returns whether a time is in one of the spans.
#[must_use]
pub fn within(time: Nanos, spans: &[Span]) -> bool {
    spans.iter().any(|(from, until)| *from <= time && time < *until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(venue: &str, from: Nanos, until: Nanos, known: Known) -> Interval {
        let (venue, instrument) = (venue.to_owned(), "A/B".to_owned());
        let (cause, run) = (String::new(), "r".to_owned());
        Interval { venue, instrument, from, until, known, cause, run }
    }

    #[test]
    fn spans_are_joined_and_intersected() {
        assert_eq!(union(vec![(5, 7), (1, 3), (3, 4), (6, 9)]), [(1, 4), (5, 9)]);
        let (one, two) = ([(0, 4), (6, 10), (12, 13)], [(1, 2), (3, 7), (9, 20)]);
        let both = [(1, 2), (3, 4), (6, 7), (9, 10), (12, 13)];
        assert_eq!(intersection(&one, &two), both);
        assert_eq!(intersection(&two, &one), both);
        assert_eq!((length(&both), intersection(&one, &[])), (5, Vec::new()));
        assert!(within(1, &both) && !within(2, &both) && within(3, &both));
    }

    #[test]
    fn a_pair_was_recorded_where_both_venues_were_and_an_unknown_venue_is_unknown() {
        let table = [
            interval("x", 0, 10, Known::Recorded),
            interval("x", 10, 12, Known::Outage),
            interval("x", 12, 20, Known::Recorded),
            interval("y", 5, 15, Known::Recorded),
            interval("y", 15, 20, Known::VenueDown),
            interval("z", 0, 20, Known::Imported),
        ];
        assert_eq!(of_pair(&table, ("A/B", "x", "y")), Some(vec![(5, 10), (12, 15)]));
        assert_eq!(of_pair(&table, ("A/B", "x", "z")), Some(Vec::new()), "no engine ran");
        assert_eq!(of_pair(&table, ("A/B", "x", "w")), None);
        assert_eq!(of_pair(&table, ("C/B", "x", "y")), None);
    }

    #[test]
    fn adjacent_days_are_one_span() {
        let day = jiff::civil::date(1970, 1, 2);
        let days = [jiff::civil::date(1970, 1, 1), day, jiff::civil::date(1970, 1, 4)];
        assert_eq!(of_days(&days), [(0, 2 * DAY), (3 * DAY, 4 * DAY)]);
    }
}
