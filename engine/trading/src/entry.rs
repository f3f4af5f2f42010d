//! Entries of the journal of decisions. The state of the desk is a function of its entries: the running
//! trader makes them and applies them, and a restart applies them again.

use crate::amount::Amount;
use crate::order::{Answer, AssetName, Order};
use spreadwire_market::clock::Nanos;
use spreadwire_market::coded;
use spreadwire_market::instrument::{InstrumentId, VenueId};

coded! {
    /// Why nothing opens until a person resumes.
    pub enum Halt {
        /// The kill switch.
        Killed = 0 => "killed",
        /// A venue's balance differs from the books.
        Balance = 1 => "balance",
        /// A trade that no order of ours asked for: liquidation, ADL, or somebody else's hand.
        ForeignTrade = 2 => "foreign_trade",
        /// An order was filled further than it was large.
        Overfilled = 3 => "overfilled",
        /// A fee was taken in an asset that has no rate.
        UnknownFee = 4 => "unknown_fee",
        /// Too many deals in a row failed.
        Failures = 5 => "failures",
        /// The books fell too far below their peak.
        Drawdown = 6 => "drawdown",
    }
}

coded! {
    /// How a deal ended.
    pub enum Outcome {
        /// Both legs were filled as far as each other, and something was.
        Done = 0 => "done",
        /// Nothing was filled.
        Missed = 1 => "missed",
        /// A residual was hedged.
        Hedged = 2 => "hedged",
        /// A residual was kept: it could not be hedged, or the policy is to hold.
        Kept = 3 => "kept",
    }
}

/// What was decided: a deal, a purchase on one venue and a sale on another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    /// Number of the deal, counted up from 1.
    pub deal: u64,
    /// The opportunity that it acts on.
    pub opportunity: u64,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Venue to buy on.
    pub buy_venue: VenueId,
    /// Venue to sell on.
    pub sell_venue: VenueId,
    /// Price to buy at or below, mantissa.
    pub buy_px: i64,
    /// Price to sell at or above, mantissa.
    pub sell_px: i64,
    /// Size, mantissa.
    pub sz: i64,
    /// Net spread that it was decided on, a fraction.
    pub net: f64,
    /// Age of what it was decided on, ns.
    pub age: Nanos,
}

/// The end of a deal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settled {
    /// The deal.
    pub deal: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether an order of it was rejected, its outcome unknown, or a residual remained for a time.
    pub failed: bool,
    /// Profit after fees, in the currency of the books.
    pub profit: Amount,
    /// Fees, in the currency of the books; they are in the profit.
    pub fees: Amount,
    /// Size that was bought and sold, mantissa.
    pub sz: i64,
    /// Surplus that was kept, mantissa, signed.
    pub residual: i64,
}

/// What stood of an opportunity some time after it opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capturable {
    /// The opportunity.
    pub opportunity: u64,
    /// Time after its opening, ns; 0 stands for the latency configured.
    pub after: Nanos,
    /// Size that both sides displayed when it opened, mantissa.
    pub displayed: i64,
    /// Size that could then be had at the prices of the opening or better, mantissa; `None` if one of the
    /// books was not seen.
    pub sz: Option<i64>,
}

/// Where the price went after a fill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Markout {
    /// The order that was filled.
    pub order: u64,
    /// Time after the fill, ns.
    pub after: Nanos,
    /// Middle of that venue against the price of the fill, a fraction; above 0 is in our favour. `None` if
    /// the book was not seen.
    pub gain: Option<f64>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The books begin with a balance.
    Funded {
        /// The venue.
        venue: VenueId,
        /// The asset.
        asset: AssetName,
        /// How much is there.
        amount: Amount,
    },
    /// A deal was decided on.
    Decided(Decided),
    /// An order is sent.
    Placed(Order),
    /// A gateway said something.
    Answered(Answer),
    /// A residual of a deal is hedged from here on, or the legs are exited.
    Stage {
        /// The deal.
        deal: u64,
        /// What it does now.
        stage: Stage,
    },
    /// A deal is over.
    Settled(Settled),
    /// Nothing opens any more.
    Halted(Halt),
    /// A person resumed: all halts are over, and counts of failures and losses begin anew.
    Resumed,
    /// A person adopted what a venue says of an asset: the books have this balance from here on.
    Adopted {
        /// The venue.
        venue: VenueId,
        /// The asset.
        asset: AssetName,
        /// The balance.
        amount: Amount,
    },
    /// What stood of an opportunity.
    Capturable(Capturable),
    /// Where the price went.
    Markout(Markout),
}

coded! {
    /// What a deal does.
    pub enum Stage {
        /// Its entry orders are in flight.
        Entering = 0 => "entering",
        /// Its residual is being hedged.
        Hedging = 1 => "hedging",
        /// Both legs are held until the spread has converged.
        Holding = 2 => "holding",
        /// Its exit orders are in flight.
        Exiting = 3 => "exiting",
        /// Its residual is kept.
        Kept = 4 => "kept",
    }
}

/// An entry of the journal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Time, ns since 1970 UTC.
    pub ts: Nanos,
    /// What happened.
    pub event: Event,
}
