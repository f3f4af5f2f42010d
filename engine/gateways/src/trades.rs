//! Each trade once: a venue tells a trade in the answer to an order, in its stream and in lists, and
//! may double each.

use spreadwire_market::instrument::InstrumentId;
use spreadwire_trading::order::{Fill, VenueText};
use std::collections::{HashSet, VecDeque};

/// Most trades that are remembered. Who asks for older ones hears them again: they are told apart by
/// their ids.
const TRADES_MAX: usize = 65_536;

/// The trades of a venue that were passed on.
#[derive(Debug, Default)]
pub(crate) struct Trades {
    seen: HashSet<(InstrumentId, VenueText)>,
    oldest: VecDeque<(InstrumentId, VenueText)>,
}

impl Trades {
    /// Returns whether a trade is heard of for the first time.
    pub(crate) fn is_new(&mut self, fill: &Fill) -> bool {
        let key = (fill.instrument, fill.trade);
        if !self.seen.insert(key) {
            return false;
        }
        self.oldest.push_back(key);
        if TRADES_MAX < self.oldest.len()
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::instrument::VenueId;
    use spreadwire_trading::amount::Amount;
    use spreadwire_trading::order::{AssetName, Side};

    fn fill(instrument: u32, trade: u64) -> Fill {
        Fill {
            order: None,
            trade: VenueText::of_number(trade),
            instrument: InstrumentId(instrument),
            venue: VenueId(0),
            side: Side::Buy,
            px: 1,
            sz: 1,
            fee: Amount::ZERO,
            fee_asset: AssetName::new("USDT").unwrap(),
            ts: 0,
        }
    }

    #[test]
    fn a_trade_is_new_once_in_each_market_and_memory_is_bounded() {
        let mut trades = Trades::default();
        assert!(trades.is_new(&fill(1, 7)));
        assert!(!trades.is_new(&fill(1, 7)));
        assert!(trades.is_new(&fill(2, 7)), "ids are unique in a market");
        for trade in 100..100 + TRADES_MAX as u64 {
            assert!(trades.is_new(&fill(1, trade)));
        }
        assert_eq!((trades.seen.len(), trades.oldest.len()), (TRADES_MAX, TRADES_MAX));
        assert!(!trades.is_new(&fill(1, 100)));
        assert!(trades.is_new(&fill(1, 7)), "forgotten");
    }
}
