//! Everything that one run on paper goes by.

use spreadwire_market::clock::Nanos;
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::order::AssetName;
use spreadwire_trading::paper::{Paper, PaperSettings};
use spreadwire_trading::paper_trader::PaperTrader;
use spreadwire_trading::settings::Settings;
use spreadwire_trading::trader::Trader;
use std::sync::Arc;

/// A balance that the books begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fund {
    /// The venue.
    pub venue: VenueId,
    /// The asset.
    pub asset: AssetName,
    /// How much is there.
    pub amount: Amount,
}

/// A configuration of the trader and of the venues on paper.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Instruments and venues. Their ids are those of the records.
    pub catalogue: Arc<Catalogue>,
    /// When an opportunity opens and closes.
    pub thresholds: decision::Settings,
    /// Sizes, limits, terms and what becomes of the legs.
    pub settings: Settings,
    /// Latencies and rejects of the venues.
    pub paper: PaperSettings,
    /// What is there at the beginning.
    pub funds: Vec<Fund>,
}

impl Setup {
    /// Returns the entries of the journal with which the books begin at `ts`, ns since 1970 UTC.
    pub fn funding(&self, ts: Nanos) -> impl Iterator<Item = Entry> + '_ {
        self.funds.iter().map(move |fund| {
            let Fund { venue, asset, amount } = *fund;
            Entry { ts, event: Event::Funded { venue, asset, amount } }
        })
    }

    /// Creates the trader and the venues on paper, funded at `ts`, ns since 1970 UTC.
    ///
    /// # Panics
    /// If the thresholds or the settings are not of the catalogue.
    #[must_use]
    pub fn trader(&self, ts: Nanos) -> PaperTrader {
        let (thresholds, settings) = (self.thresholds.clone(), self.settings.clone());
        let kill = KillSwitch::default();
        let mut trader = Trader::new(&self.catalogue, thresholds, settings, kill, 1).trusting();
        self.funding(ts).for_each(|entry| trader.restore(&entry));
        let paper = Paper::new(self.paper.clone(), trader.desk().books.clone());
        PaperTrader::new(trader, paper)
    }
}
