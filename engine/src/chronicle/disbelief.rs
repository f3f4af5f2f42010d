//! What the log is told about pairs whose net is taken for a mistake: each pair once when it begins
//! and once when it ends. A pair that comes and goes is told once a minute.

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
    /// When a pair's beginning was told last, and whether its end is still to be told.
    told: HashMap<(InstrumentId, VenueId, VenueId), (Nanos, bool)>,
}

impl Disbelief {
    /// Returns the line for a doubt that is read at `now`, if it is to be told.
    pub(super) fn line(&mut self, doubt: &Doubt, all: &Catalogue, now: Nanos) -> Option<String> {
        let key = (doubt.instrument, doubt.buy_venue, doubt.sell_venue);
        let pair = format!(
            "{} buy {} sell {}",
            all.instrument(doubt.instrument).name,
            all.venue(doubt.buy_venue).name,
            all.venue(doubt.sell_venue).name
        );
        let Some(net) = doubt.net else {
            let (_, is_open) = self.told.get_mut(&key)?;
            return std::mem::take(is_open).then(|| format!("{pair}: the net is plausible again"));
        };
        let last = self.told.get(&key).map(|(at, _)| *at);
        if last.is_some_and(|at| now.saturating_sub(at) < AGAIN_AFTER) {
            return None;
        }
        self.told.insert(key, (now, true));
        Some(format!(
            "{pair}: a net of {:.0} bp is beyond calculator.max_net_bps, so the pair has no spread; \
             are both symbols the same asset in the same unit, and are price_decimals right?",
            net * BPS
        ))
    }
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
}
