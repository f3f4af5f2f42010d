//! What all connections of the reception share: limits, names, answers, orders, counters.

use super::access::Access;
use super::failures::Failures;
use super::upgrade;
use crate::broadcast::audit::{Auditor, Identity, What};
use crate::broadcast::departure::Dismissal;
use crate::broadcast::directory::Directory;
use crate::broadcast::log::Protocol;
use crate::broadcast::message::Encoder;
use crate::broadcast::order::{Order, Orders};
use crate::broadcast::settings::{LEAVING_MAX, Settings};
use crate::broadcast::tally::ReceptionTally;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::Catalogue;
use std::sync::Arc;

/// Bytes read at once.
pub(in crate::broadcast) const READ_BYTES: usize = 4096;
/// Most orders that one frame leads to: an answer, and that the client has to go.
const ORDERS_PER_FRAME: usize = 2;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Desk<S> {
    /// The limits.
    pub(super) settings: Settings,
    /// The names that requests may use.
    pub(super) directory: Directory,
    /// The writer of answers.
    pub(super) encoder: Encoder,
    /// The counters.
    pub(super) tally: ReceptionTally,
    /// Where sockets are read into.
    pub(super) scratch: Box<[u8; READ_BYTES]>,
    /// Time of the duty cycle.
    pub(super) now: Nanos,
    /// Which hosts and origins may be named.
    pub(super) access: Access,
    /// Which addresses bring no right token.
    failures: Failures,
    /// Which addresses are refused, for whatever reason.
    refusals: Failures,
    /// Whoever writes the audit log.
    pub(super) auditor: Auditor,
    /// Number of clients, and of those that were told to go and are still sent something.
    pub(super) open: usize,
    pub(super) leaving: usize,
    orders: Orders<S>,
}

impl<S> Desk<S> {
    /// Begins with nobody connected.
    pub(super) fn new(
        settings: Settings,
        catalogue: Arc<Catalogue>,
        orders: Orders<S>,
        tally: ReceptionTally,
        auditor: Auditor,
    ) -> Desk<S> {
        Desk {
            access: Access::new(&settings),
            failures: Failures::default(),
            refusals: Failures::default(),
            auditor,
            settings,
            directory: Directory::new(&catalogue),
            encoder: Encoder::new(catalogue),
            tally,
            scratch: Box::new([0; READ_BYTES]),
            now: 0,
            open: 0,
            leaving: 0,
            orders,
        }
    }

    /// Returns whether there is no place for one more client.
    pub(super) fn is_full(&self) -> bool {
        let max = self.settings.max_clients;
        max <= self.open || max + LEAVING_MAX <= self.open + self.leaving
    }

    /// Returns whether whatever a frame leads to can be ordered.
    pub(super) fn can_order(&self) -> bool {
        ORDERS_PER_FRAME <= self.orders.slots()
    }

    /// Replaces a refusal for want of a token, if the address was refused for that too often.
    pub(super) fn judge(
        &mut self,
        who: &Identity,
        why: Dismissal,
        answer: Vec<u8>,
    ) -> (Dismissal, Vec<u8>) {
        let is_of_token = matches!(why, Dismissal::NoToken | Dismissal::WrongToken);
        if !is_of_token || self.failures.may_fail(who.peer.source(), self.now) {
            return (why, answer);
        }
        (Dismissal::TokenFast, upgrade::failed_too_often())
    }

    /// Counts that a connection does not become a client, and tells the audit log, as long as its
    /// address is not refused so often that nothing else would be in there.
    pub(super) fn dismiss(&mut self, who: &Identity, why: Dismissal) {
        self.tally.dismissed(why);
        if self.refusals.may_fail(who.peer.source(), self.now) {
            self.auditor.tell(self.now, who, || What::Refused(why.name()));
        }
    }

    /// Gives an order. Whoever gives one has asked whether it can be.
    pub(super) fn order(&mut self, order: Order<S>) {
        let full = self.orders.push(order).is_err();
        debug_assert!(!full, "nobody has asked for room");
    }

    /// Returns whether the half that carries out the orders is gone.
    pub(super) fn is_alone(&self) -> bool {
        self.orders.is_abandoned()
    }

    /// Returns the frame of `hello`.
    pub(super) fn hello(&mut self, protocol: Protocol) -> &[u8] {
        self.encoder.hello(protocol);
        self.encoder.frame()
    }
}
