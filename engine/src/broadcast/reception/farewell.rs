//! The end of a connection: what is left to say, our end, and a moment for the other side to read.
//!
//! Closing a socket on which unread bytes wait resets the connection, and the other side may then
//! lose what it was sent. Therefore all that still comes is read and dropped, until the other side
//! ends or has had its time.

use super::desk::READ_BYTES;
use crate::broadcast::network::Socket;
use spreadwire_market::clock::{Nanos, SECOND};
use std::io::ErrorKind;

/// How long the other side has to read and to close.
const LINGER: Nanos = SECOND;
/// Most reads in one cycle.
const READS_PER_CYCLE: usize = 4;
/// Bytes after which the other side is no longer read from.
const WASTE_MAX: usize = 64 * 1024;

/// A connection at its end.
#[derive(Debug)]
pub(super) struct Farewell {
    /// What is still to be said, and how much of it was.
    words: Vec<u8>,
    said: usize,
    is_finished: bool,
    wasted: usize,
    since: Nanos,
}

impl Farewell {
    /// Begins with words that are still to be said.
    pub(super) fn saying(words: Vec<u8>, since: Nanos) -> Farewell {
        Farewell { words, said: 0, is_finished: false, wasted: 0, since }
    }

    /// Begins after everything was said and our end was sent.
    pub(super) fn silent(since: Nanos) -> Farewell {
        Farewell { words: Vec::new(), said: 0, is_finished: true, wasted: 0, since }
    }

    /// Goes on; returns whether it is over.
    pub(super) fn go_on<S: Socket>(
        &mut self,
        socket: &mut S,
        readable: &mut bool,
        now: Nanos,
    ) -> bool {
        let failed = !self.is_finished && self.speak(socket).is_err();
        failed || !discard(socket, readable, &mut self.wasted) || self.since + LINGER <= now
    }

    fn speak<S: Socket>(&mut self, socket: &mut S) -> std::io::Result<()> {
        while self.said < self.words.len() {
            match socket.write(&self.words[self.said..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.said += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.is_finished = true;
        socket.finish()
    }
}

/// Reads a little and drops it; returns `false` once nothing more will be read.
pub(super) fn discard<S: Socket>(socket: &mut S, readable: &mut bool, wasted: &mut usize) -> bool {
    let mut waste = [0; READ_BYTES];
    for _ in 0..READS_PER_CYCLE {
        if !*readable {
            break;
        }
        match socket.read(&mut waste) {
            Ok(0) => return false,
            Ok(count) => *wasted += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => *readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    *wasted < WASTE_MAX
}
