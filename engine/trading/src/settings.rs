//! What the trader may do: pairs, sizes, limits, hedging. Proven before it comes here.

use crate::amount::{Amount, Rounding};
use crate::order::AssetName;
use crate::terms::{AssetId, Assets, Settlement, Terms, VenueTerms};
use spreadwire_market::clock::Nanos;
pub use spreadwire_market::execution::Exit;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::named;

named! {
    /// What is done about a leg that was filled further than the other one.
    pub enum Hedge {
        /// The other leg is completed.
        Complete => "complete",
        /// The surplus is traded back where it came from.
        Reverse => "reverse",
        /// Nothing: the surplus is kept, and counts against the limits.
        Hold => "hold",
    }
}

/// Limits. A limit that is reached is a reason not to open; exits and hedges are not held up by them.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Largest notional of one order, in the currency of the books.
    pub order: Amount,
    /// Largest sum of what deals of an instrument have open, in the currency of the books.
    pub instrument: Amount,
    /// Largest sum of what deals have open at a venue.
    pub venue: Amount,
    /// Largest sum of what all deals have open.
    pub total: Amount,
    /// Largest number of deals that are not over.
    pub open_deals: usize,
    /// Loss within a day, UTC, from which nothing opens for the rest of it; above 0.
    pub loss_per_day: Amount,
    /// Loss from the highest profit so far from which nothing opens until a person resumes; above 0.
    pub drawdown: Amount,
    /// Number of deals in a row that failed after which nothing opens until a person resumes.
    pub failures: u32,
    /// A net spread above this is taken for a mistake, a fraction.
    pub max_net: f64,
}

/// How a residual is hedged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hedging {
    /// What is done.
    pub policy: Hedge,
    /// How far from the decided price a hedge may go, a fraction.
    pub band: f64,
    /// How long it is tried, ns. After that the residual is kept, and the instrument opens nothing.
    pub time_to_live: Nanos,
}

/// Everything that the trader goes by, but for the thresholds of the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Names of the assets.
    pub assets: Assets,
    /// Currency of limits and profits.
    pub currency: AssetName,
    /// Value of a unit of each asset in that currency, millionths, by [`AssetId`]; `None` for an asset
    /// that is valued by its market alone.
    pub rates: Vec<Option<i64>>,
    /// Terms of each instrument on each venue, indexed by instrument and venue.
    pub terms: Vec<Option<Terms>>,
    /// Terms of the venues, by [`VenueId`].
    pub venues: Vec<VenueTerms>,
    /// Largest size of each ordered pair, in its quote currency, indexed by instrument, buy venue and
    /// sell venue; `None` for a pair that only its limits bound.
    pub sizes: Vec<Option<Amount>>,
    /// What becomes of the legs of each ordered pair that was approved for it, indexed as `sizes`; `None`
    /// for a pair that goes by `exit`.
    pub exits: Vec<Option<Exit>>,
    /// An opportunity must have been open this long before it is acted on, ns.
    pub min_lifetime: Nanos,
    /// What becomes of the legs of every other pair.
    pub exit: Exit,
    /// How residuals are hedged.
    pub hedging: Hedging,
    /// Limits.
    pub limits: Limits,
    /// Time that an order takes to each venue in the middle, one way, ns, by [`VenueId`].
    pub latencies: Vec<Nanos>,
    /// An order without an answer for this long has an unknown outcome, ns.
    pub answer_timeout: Nanos,
}

impl Settings {
    /// Returns the terms of an instrument on a venue.
    #[must_use]
    #[inline]
    pub fn terms(&self, instrument: InstrumentId, venue: VenueId) -> Option<&Terms> {
        self.terms.get(instrument.index() * self.venues.len() + venue.index())?.as_ref()
    }

    /// Returns what becomes of the legs of a deal that buys on the first venue and sells on the second. A
    /// position cannot be moved to another venue, so a deal with one is held until its spread has converged,
    /// whatever is set.
    #[must_use]
    pub fn exit_of(&self, instrument: InstrumentId, venues: [VenueId; 2]) -> Exit {
        let is_position = |venue| {
            self.terms(instrument, venue).is_some_and(|it| it.settlement == Settlement::Position)
        };
        if venues.into_iter().any(is_position) {
            return Exit::Convergence;
        }
        let [buy, sell] = venues;
        self.exits[self.pair(instrument, buy, sell)].unwrap_or(self.exit)
    }

    /// Returns the index of an ordered pair.
    #[must_use]
    #[inline]
    pub fn pair(&self, instrument: InstrumentId, buy: VenueId, sell: VenueId) -> usize {
        let venues = self.venues.len();
        (instrument.index() * venues + buy.index()) * venues + sell.index()
    }

    /// Returns an amount of an asset in the currency of the books, rounded as told; `None` for an asset
    /// without a rate.
    #[must_use]
    pub fn value(&self, amount: Amount, asset: AssetId, rounding: Rounding) -> Option<Amount> {
        Some(amount.times((*self.rates.get(asset.index())?)?, rounding))
    }
}
