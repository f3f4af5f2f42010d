//! Events: deals that are no evidence of their own are taken together.
//!
//! A deal that opens while another is open, or less than a minute after its end, sees the same
//! move of the market. So an event goes on as long as deals follow each other like that. A pair
//! that trades all day long would have a single event; therefore an event takes no deal more than
//! an hour after it began, unless a deal of its first hour is still open. Positions that are held
//! for hours, one overlapping the next, are one event.
//!
//! The *moves* of an event are what its positions earned beyond the cost of unwinding at once,
//! and their *variation* is the sum of squares of the path of each from there to its worst mark and
//! on to its end. Were a price a random walk, moves would be 0 on average, with that variance,
//! however seldom a loss was realised.

use super::tried::Deal;

/// Deals less than this apart are one event, in ns.
const APART: i64 = 60_000_000_000;
/// The time in which an event takes deals, in ns.
const LONGEST: i64 = 3_600_000_000_000;

/// Deals that count once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Event {
    /// When its last deal ended, in ns since 1970.
    pub(super) settled: i64,
    /// What it earned, in quote currency.
    pub(super) profit: f64,
    /// What it earned beyond the cost of unwinding at once, in quote currency.
    pub(super) moved: f64,
    /// The sum of squares of its path, in quote currency squared.
    pub(super) variation: f64,
}

/// A position: deals that overlap.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    closed: i64,
    profit: f64,
    at_once: f64,
    worst: f64,
}

impl Position {
    fn add(&mut self, deal: &Deal) {
        self.closed = self.closed.max(deal.closed);
        self.profit += deal.profit;
        self.at_once += deal.at_once;
        self.worst += deal.worst.min(deal.at_once).min(deal.profit);
    }

    fn end(&self, event: &mut Event) {
        let (down, up) = (self.at_once - self.worst, self.profit - self.worst);
        event.moved += self.profit - self.at_once;
        event.variation += down * down + up * up;
    }
}

/// Returns the events of deals that are in order of opening.
pub(super) fn events(deals: &[Deal]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = deals;
    while let Some(first) = rest.first() {
        let count = taken(first, rest);
        events.push(event(&rest[..count]));
        rest = &rest[count..];
    }
    events
}

/// Returns how many of these deals are one event; the first one begins it.
fn taken(first: &Deal, deals: &[Deal]) -> usize {
    // When the last deal so far ends, and the last one that was opened in the first hour.
    let (mut end, mut held) = (first.closed, first.closed);
    let end_of_hour = first.opened.saturating_add(LONGEST);
    for (count, deal) in deals.iter().enumerate().skip(1) {
        let is_near = deal.opened < end.saturating_add(APART);
        if !is_near || end_of_hour.max(held) <= deal.opened {
            return count;
        }
        end = end.max(deal.closed);
        if deal.opened < end_of_hour {
            held = held.max(deal.closed);
        }
    }
    deals.len()
}

fn event(deals: &[Deal]) -> Event {
    let mut event = Event::default();
    let mut position: Option<Position> = None;
    for deal in deals {
        if let Some(ended) = position.filter(|open| open.closed <= deal.opened) {
            ended.end(&mut event);
            position = None;
        }
        position.get_or_insert_default().add(deal);
        event.profit += deal.profit;
        event.settled = event.settled.max(deal.closed);
    }
    if let Some(last) = position {
        last.end(&mut event);
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;

    fn deal(opened: i64, closed: i64) -> Deal {
        Deal { opened, closed, profit: 1.0, at_once: -2.0, worst: -4.0 }
    }

    fn settled(deals: &[Deal]) -> Vec<i64> {
        events(deals).iter().map(|event| event.settled).collect()
    }

    #[test]
    fn deals_a_minute_apart_are_two_events_and_nearer_ones_are_one() {
        let near = [deal(0, SECOND), deal(61 * SECOND - 1, 62 * SECOND)];
        assert_eq!(settled(&near), [62 * SECOND]);
        let apart = [deal(0, SECOND), deal(61 * SECOND, 62 * SECOND)];
        assert_eq!(settled(&apart), [SECOND, 62 * SECOND]);
    }

    #[test]
    fn deals_within_a_long_one_belong_to_it() {
        let deals = [deal(0, 5 * HOUR), deal(HOUR, HOUR + 1), deal(4 * HOUR, 6 * HOUR)];
        assert_eq!(settled(&deals), [6 * HOUR]);
        // What overlaps only a later one does not.
        let next = [deals[0], deals[2], deal(5 * HOUR, 5 * HOUR + 1)];
        assert_eq!(settled(&next), [6 * HOUR, 5 * HOUR + 1]);
    }

    #[test]
    fn deals_every_second_all_day_are_an_event_an_hour() {
        let deals: Vec<Deal> =
            (0..24 * 3_600).map(|at| deal(at * SECOND, (at + 1) * SECOND)).collect();
        let events = events(&deals);
        assert_eq!(events.len(), 24);
        assert_eq!(events[0].settled, HOUR);
        assert!((events[0].profit - 3_600.0).abs() < 1e-9);
    }

    #[test]
    fn the_path_goes_through_the_worst_mark_and_overlapping_deals_add_theirs() {
        let alone = events(&[deal(0, SECOND)])[0];
        assert_eq!((alone.profit, alone.moved, alone.variation), (1.0, 3.0, 4.0 + 25.0));
        let both = events(&[deal(0, 2 * SECOND), deal(SECOND, 3 * SECOND)])[0];
        assert_eq!((both.profit, both.moved, both.variation), (2.0, 6.0, 4.0 * 29.0));
        let turns = events(&[deal(0, SECOND), deal(SECOND, 2 * SECOND)])[0];
        assert_eq!((turns.profit, turns.moved, turns.variation), (2.0, 6.0, 2.0 * 29.0));
    }

    #[test]
    fn there_are_no_events_without_deals() {
        assert_eq!(events(&[]), []);
    }
}
