//! A connection whose request for an upgrade is not whole yet.

use super::desk::{Desk, READ_BYTES};
use super::upgrade::{self, REQUEST_BYTES_MAX, Upgrade};
use crate::broadcast::departure::Dismissal;
use crate::broadcast::network::Socket;
use spreadwire_market::clock::Nanos;
use std::io::ErrorKind;

/// A connection that has just arrived.
#[derive(Debug)]
pub(super) struct Arrival {
    head: Vec<u8>,
    since: Nanos,
}

/// What becomes of an arrival.
#[derive(Debug)]
pub(super) enum Outcome {
    /// More has to come.
    Waits,
    /// It becomes a client.
    Upgrade(upgrade::Accepted),
    /// It is told why not.
    Refuse(Dismissal, Vec<u8>),
    /// It ends without a word.
    Ends(Dismissal),
}

impl Arrival {
    /// Begins with nothing read.
    pub(super) fn new(since: Nanos) -> Arrival {
        Arrival { head: Vec::new(), since }
    }

    /// Reads what there is; returns how many bytes, and what becomes of it.
    pub(super) fn read<S: Socket>(
        &mut self,
        socket: &mut S,
        readable: &mut bool,
        desk: &mut Desk<S>,
    ) -> (usize, Outcome) {
        let before = self.head.len();
        let mut ended = false;
        while *readable && !ended && self.head.len() < REQUEST_BYTES_MAX {
            let room = READ_BYTES.min(REQUEST_BYTES_MAX - self.head.len());
            match socket.read(&mut desk.scratch[..room]) {
                Ok(0) => ended = true,
                Ok(count) => self.head.extend(&desk.scratch[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => *readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => ended = true,
            }
        }
        let read = self.head.len() - before;
        (read, self.outcome(read, ended, desk))
    }

    fn outcome<S>(&self, read: usize, ended: bool, desk: &Desk<S>) -> Outcome {
        let answer =
            if read > 0 { upgrade::read(&self.head, &desk.access) } else { Upgrade::Incomplete };
        match answer {
            Upgrade::Accept(_) if desk.is_full() => {
                Outcome::Refuse(Dismissal::Full, upgrade::full())
            }
            Upgrade::Accept(accepted) => Outcome::Upgrade(accepted),
            Upgrade::Refuse(why, answer) => Outcome::Refuse(why, answer),
            Upgrade::Incomplete if ended => Outcome::Ends(Dismissal::LeftEarly),
            Upgrade::Incomplete if self.since + desk.settings.handshake_timeout <= desk.now => {
                Outcome::Ends(Dismissal::HandshakeTimeout)
            }
            Upgrade::Incomplete => Outcome::Waits,
        }
    }

    /// Returns the bytes behind the request, which are frames.
    pub(super) fn rest(&mut self, consumed: usize) -> Vec<u8> {
        self.head.split_off(consumed)
    }
}
