//! What the clients did and what the test said, which the connections and the test share.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Something that a client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Number of the connection, from 0 on.
    pub connection: usize,
    /// What the client did.
    pub what: What,
}

/// What a client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It asked for a WebSocket at this path and query.
    Asked(String),
    /// It sent a text.
    Text(String),
    /// It sent a binary message.
    Bytes(Vec<u8>),
    /// It sent a ping.
    Ping(Vec<u8>),
    /// It sent a pong.
    Pong(Vec<u8>),
    /// It sent a close, perhaps with a code and a reason.
    Close(Option<(u16, String)>),
    /// It is gone, or was sent away.
    Gone,
}

/// State that the connections and the test share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) seen: Vec<Seen>,
    pub(super) words: BTreeSet<String>,
    pub(super) is_stopping: bool,
    /// Sockets that are to be shut down at the end, by connection.
    pub(super) sockets: Vec<(usize, TcpStream)>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, act: impl FnOnce(&mut State)) {
        act(&mut self.lock());
        self.changed.notify_all();
    }

    pub(super) fn note(&self, connection: usize, what: What) {
        self.change(|state| state.seen.push(Seen { connection, what }));
    }

    /// Waits until what was seen is `enough`. Returns false if `patience` passes first.
    pub(super) fn wait_within(&self, patience: Duration, enough: impl Fn(&[Seen]) -> bool) -> bool {
        let waits = |state: &mut State| !enough(&state.seen);
        let waited = self.changed.wait_timeout_while(self.lock(), patience, waits);
        enough(&waited.unwrap_or_else(PoisonError::into_inner).0.seen)
    }

    /// Waits until `enough`, or until the server stops. Returns whether it is enough.
    pub(super) fn wait(&self, enough: impl Fn(&State) -> bool) -> bool {
        let waits = |state: &mut State| !state.is_stopping && !enough(state);
        let state = self.changed.wait_while(self.lock(), waits);
        enough(&state.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for this time. Returns false if the server stops first.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let waits = |state: &mut State| !state.is_stopping;
        let waited = self.changed.wait_timeout_while(self.lock(), time, waits);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}
