//! What the two halves of a connection tell each other beside the orders.
//!
//! The reception writes orders into a ring. The broadcast answers here, with stores that never
//! wait and never fail: how far it is, and whether the client keeps up. The reception reads no more
//! of a client that is behind, or of one whose last request is not carried out yet.

use super::departure::Departure;
use spreadwire_market::clock::Nanos;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// How the broadcast sees a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// It gets everything as it happens, and is heard.
    InOrder = 0,
    /// It does not keep up, and is not heard until it does.
    Behind = 1,
    /// It was told to go; what is queued still leaves.
    Leaving = 2,
    /// It was sent everything and then our end; what it still says is read and dropped.
    Finished = 3,
    /// Nothing will be sent any more: the socket is to be closed.
    Cut = 4,
}

impl Stage {
    const ALL: [Stage; 5] =
        [Stage::InOrder, Stage::Behind, Stage::Leaving, Stage::Finished, Stage::Cut];
}

/// Stands for no departure.
const STAYS: u8 = u8::MAX;

/// One client's place between the halves. The broadcast is the only writer.
#[derive(Debug)]
pub(super) struct Link {
    stage: AtomicU8,
    /// Number of the departure, and [`STAYS`] until there is one.
    departure: AtomicU8,
    answered: AtomicU64,
    seen_at: AtomicU64,
}

impl Link {
    /// Begins with a client that keeps up and has asked nothing.
    pub(super) fn new() -> Link {
        let stage = AtomicU8::new(Stage::InOrder as u8);
        let departure = AtomicU8::new(STAYS);
        Link { stage, departure, answered: AtomicU64::new(0), seen_at: AtomicU64::new(0) }
    }

    /// Tells how the broadcast sees the client.
    pub(super) fn set(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// Returns how the broadcast sees the client.
    pub(super) fn stage(&self) -> Stage {
        let stage = usize::from(self.stage.load(Ordering::Acquire));
        Stage::ALL.get(stage).copied().unwrap_or(Stage::Cut)
    }

    /// Tells why the client has to go, before its stage tells that it has.
    pub(super) fn depart(&self, departure: Departure) {
        self.departure.store(departure as u8, Ordering::Release);
    }

    /// Returns the name of why the client had to go; one that was not told to goes with the engine.
    pub(super) fn why(&self) -> &'static str {
        let departure = usize::from(self.departure.load(Ordering::Acquire));
        Departure::ALL.get(departure).map_or(Departure::Shutdown.name(), |it| it.name())
    }

    /// Tells that one more request was carried out.
    pub(super) fn answer(&self) {
        self.answered.store(self.answered() + 1, Ordering::Release);
    }

    /// Returns how many requests were carried out.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// Tells that the client's kernel has made room, so that somebody reads.
    pub(super) fn see(&self, now: Nanos) {
        self.seen_at.store(now, Ordering::Release);
    }

    /// Returns when the client's kernel last made room.
    pub(super) fn seen_at(&self) -> Nanos {
        self.seen_at.load(Ordering::Acquire)
    }
}
