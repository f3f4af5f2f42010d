//! The seam between the trader and whatever executes its orders.
//!
//! There are gateways on paper, to the simulator and to the venues. All take the same requests and say
//! the same things; which one is behind is told by the mode, which every line of a log begins with.

use crate::order::{Answer, Order};
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::VenueId;
use spreadwire_market::named;

named! {
    /// Whether orders are real.
    pub enum Mode {
        /// Filled by the books that were seen, nothing leaves the process.
        Paper => "PAPER",
        /// Sent to a simulator.
        Sim => "SIM",
        /// Sent to a venue: real money.
        Live => "LIVE",
    }
}

/// Executes orders. No call blocks; answers come from [`poll`](Gateway::poll), in the order in which
/// they arrived. They may be late, doubled, out of order or contradictory: the trader copes.
pub trait Gateway {
    /// Returns whether orders are real.
    fn mode(&self) -> Mode;

    /// Sends an order. If it cannot be sent, that is an answer:
    /// [`Rejected`](Answer::Rejected) as [`NotSent`](crate::order::Reject::NotSent). An order that may
    /// have left and was not answered in time becomes [`Unknown`](Answer::Unknown); it is never sent
    /// again.
    fn place(&mut self, order: &Order);

    /// Asks the venue to cancel an order.
    fn cancel(&mut self, order: &Order);

    /// Asks the venue to reduce an order to the size `sz`.
    fn amend(&mut self, order: &Order, sz: i64);

    /// Asks the venue what became of an order, by its client id: the answers are its fills and
    /// [`Done`](Answer::Done), or [`Unknown`](Answer::Unknown) again.
    fn ask(&mut self, order: &Order);

    /// Cancels the owner's open orders at a venue, and nobody else's, then asks for all balances and
    /// for the owner's trades since `since`. Ends with [`Reconciled`](Answer::Reconciled).
    fn reconcile(&mut self, venue: VenueId, since: Nanos);

    /// Appends what was heard until `now`.
    fn poll(&mut self, now: Nanos, answers: &mut Vec<Answer>);
}
