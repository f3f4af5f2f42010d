//! The agent that holds all connections over TLS.
//!
//! It waits for its sockets instead of sleeping, so that a client is served as soon as the kernel
//! says so. Like `epoll` in its edge-triggered mode, the poll reports once; a session that is
//! reported is served until it waits for a socket again.

use super::session::{BUFFER_BYTES, Session, Step};
use super::{Handed, Pair, ROLE, ServerTls};
use crate::runtime::agent::{Agent, Report};
use crossbeam::channel::TryRecvError;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::{Counter, Counters};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest wait for a socket: how long a new connection may wait for the relay.
const WAIT_MAX: Duration = Duration::from_millis(5);
/// Events taken from one poll; the rest comes with the next.
const EVENTS_MAX: usize = 256;
/// Most connections taken in one cycle: a handshake takes up to some ms.
const CONNECTIONS_PER_CYCLE: usize = 16;

/// The agent.
#[derive(Debug)]
pub struct Relay {
    handed: Handed,
    tls: ServerTls,
    /// Whether somebody asks to read the certificate again.
    reload: Arc<AtomicBool>,
    poll: Poll,
    events: Events,
    places: Vec<Option<Place>>,
    /// Most sessions at a time.
    sessions_max: usize,
    count: usize,
    scratch: Box<[u8; BUFFER_BYTES]>,
    /// Whether the reception is gone.
    is_alone: bool,
    sessions: Counter,
    failed: Counter,
    refused: Counter,
}

#[derive(Debug)]
struct Place {
    session: Session,
    /// Whether there may be something to do.
    is_ready: bool,
}

impl Relay {
    /// Serves what is handed over, up to `sessions_max` at a time.
    ///
    /// # Errors
    /// If the OS gives no poll.
    pub fn new(
        handed: Handed,
        tls: ServerTls,
        sessions_max: usize,
        reload: Arc<AtomicBool>,
        counters: &Counters,
    ) -> io::Result<Relay> {
        let counter = |name: &str| counters.register(&format!("broadcast.tls.{name}"));
        Ok(Relay {
            handed,
            tls,
            reload,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            places: Vec::new(),
            sessions_max,
            count: 0,
            scratch: Box::new([0; BUFFER_BYTES]),
            is_alone: false,
            sessions: counter("sessions"),
            failed: counter("failed"),
            refused: counter("refused"),
        })
    }

    /// Reads the certificate again if somebody asks for it. Sessions that there are go on as they are.
    fn renew(&mut self) {
        if !self.reload.swap(false, Ordering::Relaxed) {
            return;
        }
        match self.tls.reload() {
            Ok(()) => tracing::info!(target: "broadcast", "the certificate was read again"),
            Err(bad) => tracing::error!(
                target: "broadcast",
                "the certificate was not read again, the one before stays in use: {bad}"
            ),
        }
    }

    fn take_connections(&mut self) -> usize {
        let mut taken = 0;
        while taken < CONNECTIONS_PER_CYCLE {
            match self.handed.0.try_recv() {
                Ok(pair) => self.begin(pair),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.is_alone = true;
                    break;
                }
            }
            taken += 1;
        }
        taken
    }

    /// Begins a session. One that there is no place for ends here, and its client with it.
    fn begin(&mut self, pair: Pair) {
        let session = match Session::new(pair, &self.tls.config) {
            Ok(session) if self.count < self.sessions_max => session,
            Ok(_) | Err(_) => return self.refused.add(1),
        };
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or(self.places.len());
        if self.watch(&session, place).is_err() {
            return self.refused.add(1);
        }
        if place == self.places.len() {
            self.places.push(None);
        }
        self.places[place] = Some(Place { session, is_ready: true });
        self.count += 1;
        self.sessions.set(self.count as u64);
    }

    /// The kernel forgets a descriptor once it is closed.
    fn watch(&self, session: &Session, place: usize) -> io::Result<()> {
        let (outer, inner) = session.sockets();
        let both = Interest::READABLE | Interest::WRITABLE;
        for descriptor in [outer.as_raw_fd(), inner.as_raw_fd()] {
            self.poll.registry().register(&mut SourceFd(&descriptor), Token(place), both)?;
        }
        Ok(())
    }

    fn take_readiness(&mut self) {
        let is_any_ready = self.places.iter().flatten().any(|place| place.is_ready);
        let timeout = if is_any_ready { Duration::ZERO } else { WAIT_MAX };
        // An interrupted poll reports nothing; the next one will.
        if self.poll.poll(&mut self.events, Some(timeout)).is_err() {
            return;
        }
        for event in &self.events {
            if let Some(Some(place)) = self.places.get_mut(event.token().0) {
                place.is_ready = true;
            }
        }
    }

    /// Serves every session that is ready once; returns how many those were.
    fn serve(&mut self, now: Nanos) -> usize {
        let mut served = 0;
        for place in &mut self.places {
            let Some(Place { session, is_ready }) = place else { continue };
            let step = if *is_ready { session.step(&mut self.scratch, now) } else { Step::Waits };
            served += usize::from(*is_ready);
            *is_ready = step == Step::GoesOn;
            self.failed.add(u64::from(step == Step::Failed));
            if matches!(step, Step::Ended | Step::Failed) || session.is_overdue(now) {
                *place = None;
                self.count -= 1;
                self.sessions.set(self.count as u64);
            }
        }
        served
    }
}

impl Agent for Relay {
    fn role(&self) -> &'static str {
        ROLE
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.renew();
        let taken = self.take_connections();
        self.take_readiness();
        taken + self.serve(now)
    }

    /// Ends with the reception, once every client has read the rest or had its time.
    fn is_finished(&self) -> bool {
        self.is_alone && self.count == 0
    }

    fn on_close(&mut self) {
        self.places.clear();
    }

    fn report(&mut self, _report: &mut Report) {}
}
