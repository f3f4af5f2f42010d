//! What the log is told about pairs of venues whose net is taken for a mistake: each pair once when it
//! begins, whichever way comes first, and once when both ways are believed again. A pair that comes
//! and goes is told once a minute.

use crate::calculator::Doubt;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::spread::BPS;
use std::collections::HashMap;

/// The same pair is told again after this time.
const AGAIN_AFTER: Nanos = 60 * SECOND;

/// What was told of the pairs.
#[derive(Debug, Default)]
pub(super) struct Disbelief {
    /// By instrument, and the lower and the higher id of the venues.
    pairs: HashMap<(InstrumentId, VenueId, VenueId), Pair>,
}

/// Two venues of one instrument.
#[derive(Debug, Default)]
struct Pair {
    /// Whether the net is withheld: buying on the venue of the lower id, and buying on the other.
    withheld: [bool; 2],
    /// When its beginning was told last.
    told_at: Option<Nanos>,
    /// Whether its end is still to be told.
    is_open: bool,
}

impl Disbelief {
    /// Returns the line for a doubt that is read at `now`, if it is to be told.
    pub(super) fn line(&mut self, doubt: &Doubt, all: &Catalogue, now: Nanos) -> Option<String> {
        let (buy, sell) = (doubt.buy_venue, doubt.sell_venue);
        let pair = self.pairs.entry((doubt.instrument, buy.min(sell), buy.max(sell))).or_default();
        pair.withheld[usize::from(sell < buy)] = doubt.net.is_some();
        let is_news = match doubt.net {
            Some(_) => pair.begins(now),
            None => pair.ends(),
        };
        is_news.then(|| told(doubt, all))
    }
}

impl Pair {
    fn begins(&mut self, now: Nanos) -> bool {
        let is_recent = self.told_at.is_some_and(|at| now.saturating_sub(at) < AGAIN_AFTER);
        if is_recent || self.is_open {
            return false;
        }
        (self.told_at, self.is_open) = (Some(now), true);
        true
    }

    fn ends(&mut self) -> bool {
        self.withheld == [false; 2] && std::mem::take(&mut self.is_open)
    }
}

fn told(doubt: &Doubt, all: &Catalogue) -> String {
    let name = format!(
        "{} buy {} sell {}",
        all.instrument(doubt.instrument).name,
        all.venue(doubt.buy_venue).name,
        all.venue(doubt.sell_venue).name
    );
    let Some(net) = doubt.net else { return format!("{name}: the net is plausible again") };
    format!(
        "{name}: a net of {:.0} bp is beyond calculator.max_net_bps, so the pair has no spread; are \
         both symbols the same asset in the same unit, and are price_decimals right?",
        net * BPS
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::catalogue;

    #[test]
    fn a_pair_is_told_when_it_begins_and_ends_and_at_most_once_a_minute() {
        let all = catalogue::of(["A/B", "C/B"], ["x", "y"]).listed().build();
        let mut disbelief = Disbelief::default();
        let mut line = |second: u64, instrument: u32, net: Option<f64>| {
            let instrument = InstrumentId(instrument);
            let doubt = Doubt { instrument, buy_venue: VenueId(0), sell_venue: VenueId(1), net };
            disbelief.line(&doubt, &all, second * SECOND)
        };
        let begins = "A/B buy x sell y: a net of 9990000 bp is beyond calculator.max_net_bps, so \
             the pair has no spread; are both symbols the same asset in the same unit, and are \
             price_decimals right?";
        let ends = "A/B buy x sell y: the net is plausible again";
        assert_eq!(line(1, 0, None), None, "nothing was told");
        assert_eq!(line(1, 0, Some(999.0)).as_deref(), Some(begins));
        assert!(line(1, 1, Some(999.0)).is_some(), "each pair");
        assert_eq!(line(2, 0, None).as_deref(), Some(ends));
        for second in 3..61 {
            assert_eq!(line(second, 0, Some(999.0)), None);
            assert_eq!(line(second, 0, None), None);
        }
        assert_eq!(line(61, 0, Some(999.0)).as_deref(), Some(begins));
        assert_eq!(line(61, 0, None).as_deref(), Some(ends));
    }

    #[test]
    fn both_ways_of_a_pair_are_one_line() {
        let all = catalogue::of(["A/B"], ["x", "y"]).listed().build();
        let mut disbelief = Disbelief::default();
        let mut told = |buy: u8, net: Option<f64>, second: u64| {
            let (buy_venue, sell_venue) = (VenueId(buy), VenueId(1 - buy));
            let doubt = Doubt { instrument: InstrumentId(0), buy_venue, sell_venue, net };
            disbelief.line(&doubt, &all, second * SECOND).is_some()
        };
        assert!(told(1, Some(999.0), 0));
        assert!(!told(0, Some(-0.999), 0) && !told(0, Some(-0.999), 100), "it was told");
        assert!(!told(0, None, 101), "the other way is not believed yet");
        assert!(told(1, None, 102));
    }
}
