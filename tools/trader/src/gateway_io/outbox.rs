//! What is to be sent on one WebSocket: filled by the driver, emptied by the thread of the connection.
//!
//! A text belongs to the connection for which it was written. It is taken once, by that connection, or it is
//! told as not sent: nothing waits for the next connection.

use spreadwire_market::clock::Nanos;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of a connection; 0 is none.
pub(crate) type Generation = u64;

/// A text, with the number by which the session knows it.
pub(crate) type Numbered = (u64, String);

#[derive(Default)]
struct State {
    /// Number of connections so far.
    made: Generation,
    /// The connection that is open; 0 for none.
    open: Generation,
    texts: VecDeque<Numbered>,
    /// No connection is made before this time.
    not_before: Nanos,
    is_over: bool,
}

/// The texts of one WebSocket.
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// A byte in it wakes the thread.
    waker: UnixStream,
    woken: UnixStream,
}

impl Outbox {
    pub(crate) fn new() -> std::io::Result<Outbox> {
        let (waker, woken) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        Ok(Outbox { state: Mutex::default(), waker, woken })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // If it is full, the thread has been woken already.
        (&self.waker).write(&[0]).unwrap_or_default();
    }

    /// Queues a text for a connection. `false` if that is not open any more: then nothing is sent.
    pub(crate) fn push(&self, generation: Generation, text: Numbered) -> bool {
        let mut state = self.state();
        if generation == 0 || state.open != generation {
            return false;
        }
        state.texts.push_back(text);
        drop(state);
        self.wake();
        true
    }

    /// Closes a connection, if it is open still. Returns the numbers of what was not sent.
    pub(crate) fn close(&self, generation: Generation) -> Vec<u64> {
        let unsent = self.broken(generation);
        self.wake();
        unsent
    }

    /// Keeps connections from being made until a time.
    pub(crate) fn not_before(&self, at: Nanos) {
        self.state().not_before = at;
    }

    /// Ends the thread.
    pub(crate) fn end(&self) {
        self.state().is_over = true;
        self.wake();
    }

    /// Returns whether the thread shall end.
    pub(crate) fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// Returns from when on a connection may be made.
    pub(crate) fn may_open_at(&self) -> Nanos {
        self.state().not_before
    }

    /// Begins a connection.
    pub(crate) fn opened(&self) -> Generation {
        let mut state = self.state();
        state.made += 1;
        state.open = state.made;
        state.open
    }

    /// Takes what is to be sent on a connection; `None` if that was closed.
    pub(crate) fn take(&self, generation: Generation) -> Option<VecDeque<Numbered>> {
        let mut state = self.state();
        let is_open = state.open == generation && !state.is_over;
        is_open.then(|| std::mem::take(&mut state.texts))
    }

    /// Ends a connection that is lost. Returns the numbers of what was not sent.
    pub(crate) fn broken(&self, generation: Generation) -> Vec<u64> {
        let mut state = self.state();
        if state.open != generation {
            return Vec::new();
        }
        state.open = 0;
        state.texts.drain(..).map(|(number, _)| number).collect()
    }

    /// What becomes readable when the thread is woken.
    pub(crate) fn woken(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }

    /// Forgets that it was woken.
    pub(crate) fn rest(&self) {
        let mut bytes = [0; 64];
        loop {
            match (&self.woken).read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_once_by_its_own_connection_or_told_as_not_sent() {
        let outbox = Outbox::new().unwrap();
        assert!(!outbox.push(0, (1, "none is open".to_owned())));
        let first = outbox.opened();
        assert!(outbox.push(first, (2, "a".to_owned())));
        assert_eq!(outbox.take(first).unwrap(), [(2, "a".to_owned())]);
        assert!(outbox.take(first).unwrap().is_empty());
        assert!(outbox.push(first, (3, "b".to_owned())));
        assert_eq!(outbox.broken(first), [3]);
        assert!(!outbox.push(first, (4, "c".to_owned())));
        let second = outbox.opened();
        assert!(!outbox.push(first, (5, "of the first".to_owned())));
        assert!(outbox.take(second).unwrap().is_empty());
        assert!(outbox.push(second, (6, "d".to_owned())));
        assert_eq!((outbox.close(first), outbox.close(second)), (vec![], vec![6]));
        assert_eq!(outbox.take(second), None);
    }
}
