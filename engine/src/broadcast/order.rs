//! What the reception has the broadcast do: requests that are parsed, answers that are encoded.
//!
//! The orders of all clients go through one bounded ring. The reception looks for room before it
//! reads from a client, so that a full ring makes clients wait and loses nothing.

use super::departure::Departure;
use super::link::Link;
use super::log::Protocol;
use super::subscription::Filter;
use std::sync::Arc;

/// Orders that may wait for the broadcast.
const ORDERS_MAX: usize = 1024;

/// The reception's end.
pub(super) type Orders<S> = rtrb::Producer<Order<S>>;
/// The broadcast's end.
pub(super) type OrdersIn<S> = rtrb::Consumer<Order<S>>;

/// Opens the ring.
pub(super) fn ring<S>() -> (Orders<S>, OrdersIn<S>) {
    rtrb::RingBuffer::new(ORDERS_MAX)
}

/// One order. Its place names a client; a place is given again only after both halves let it go.
#[derive(Debug)]
pub(super) enum Order<S> {
    /// Serve a new client.
    Admit {
        place: usize,
        socket: S,
        link: Arc<Link>,
        protocol: Protocol,
        /// The answer to the upgrade, and `hello`.
        first: Vec<u8>,
    },
    /// Change a client's filters and give it an answer behind what it has been told.
    Ask { place: usize, request: Request },
    /// Send a ping, whatever waits.
    Ping { place: usize },
    /// Send what waits, then these bytes, then our end.
    Depart { place: usize, departure: Departure, last: Vec<u8> },
}

/// A request that was understood.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) change: Change,
    /// The answer's frame.
    pub(super) answer: Vec<u8>,
}

/// What becomes of a client's filters.
#[derive(Debug)]
pub(super) enum Change {
    /// They stay.
    Nothing,
    /// The filter that every client begins with is replaced.
    Begin(Filter),
    /// One more.
    Add(Filter),
    /// Those with these ids go.
    Remove(Vec<String>),
}
