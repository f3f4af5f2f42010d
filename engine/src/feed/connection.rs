//! One connection to a venue: a line and the desk at its end.
//!
//! A connection asks for a socket when its line needs one, lets the desk subscribe on it, hands the
//! line's frames to the desk and to the capture, and marks the instruments as down when the line is
//! lost.

use super::cold::{ColdSide, Notice, notify};
use super::desk::{Desk, DeskCounters, Out};
use super::line::{Heard, Line, LineCounters, Loss, Reader, Socket};
use super::outlet::Outlet;
use crate::runtime::frame_ring::Frame as RawFrame;
use crate::runtime::stopwatch::Stopwatch;
use crate::socket::connect_error::ConnectError;
use crate::socket::connector::Request;
use mio::Registry;
use mio::unix::SourceFd;
use spreadwire_lake::stage::StageCounter;
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Record;
use spreadwire_venues::venue::{Symbols, VenueSpec};
use tungstenite::Error;

/// Where one connection's quotes come from, as the plan has it.
#[derive(Debug)]
pub struct ConnectionPlan {
    /// The venue's place in the catalogue.
    pub venue: VenueId,
    /// The venue's row in the registry.
    pub spec: &'static VenueSpec,
    /// Symbols that this connection subscribes.
    pub symbols: Symbols,
    /// Canonical names of the instruments that these are, in the same order, for counters.
    pub instruments: Vec<String>,
    /// A quote older than this is stale, ns.
    pub max_age: Nanos,
}

/// What the feed lends a connection for a turn of reading.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) output: &'a mut Outlet,
    pub(super) cold: &'a mut ColdSide,
    pub(super) clock: &'a Clock,
    /// From the read to each quote.
    pub(super) stopwatch: &'a mut Stopwatch,
    /// From the kernel's stamp to the read.
    pub(super) kernel: &'a mut Stopwatch,
}

/// One connection of a feed.
#[derive(Debug)]
pub(super) struct Connection<S> {
    /// Its number in the feed, by which the connector is asked.
    number: usize,
    /// Its number among the venue's connections, by which people and counters call it.
    in_venue: usize,
    venue: VenueId,
    line: Line<S>,
    desk: Desk,
    notices_dropped: Counter,
    uncaptured: Counter,
}

impl<S: Socket> Connection<S> {
    pub(super) fn new(
        number: usize,
        in_venue: usize,
        plan: ConnectionPlan,
        backoff: Backoff,
        counters: &Counters,
    ) -> Connection<S> {
        let ConnectionPlan { venue, spec, symbols, instruments, max_age } = plan;
        assert_eq!(symbols.list().len(), instruments.len(), "each symbol is an instrument");
        let counter =
            |what: &str| counters.register(&format!("feed.{}.{in_venue}.{what}", spec.name));
        let refusals = backoff.clone();
        let notices_dropped = counter("notices_dropped");
        let desk_counters = DeskCounters::new(counter, &instruments, notices_dropped.clone());
        Connection {
            number,
            in_venue,
            venue,
            line: Line::new(spec, backoff, LineCounters::new(counter)),
            desk: Desk::new(venue, spec, symbols, max_age, refusals, desk_counters),
            notices_dropped,
            uncaptured: counter("uncaptured"),
        }
    }

    pub(super) fn venue(&self) -> VenueId {
        self.venue
    }

    /// Returns the counters of the quotes that were decoded and passed on, by listing.
    pub(super) fn decoded(&self) -> impl Iterator<Item = StageCounter> {
        self.desk.decoded()
    }

    /// Takes the socket that the connector made, and subscribes.
    pub(super) fn opened(&mut self, socket: Box<S>, now: Nanos, cold: &ColdSide) {
        let subscriptions = self.desk.open();
        self.line.opened(socket, subscriptions, now);
        self.notify(cold, Notice::Opened { venue: self.venue, connection: self.in_venue });
    }

    /// Notes that the connector could not make the socket.
    pub(super) fn not_opened(&mut self, error: &ConnectError, now: Nanos, cold: &ColdSide) {
        let retry_in = self.line.not_opened(error.floor(), now);
        self.notify_lost(cold, error.to_string(), retry_in);
    }

    /// Notes that the socket is ready; `ending` if the venue has ended its side.
    pub(super) fn readable(&mut self, ending: bool) {
        self.line.readable(ending);
    }

    /// Marks an empty socket as worth a read again, where nobody tells of readiness.
    #[inline]
    pub(super) fn ask_again(&mut self) {
        self.line.ask_again();
    }

    /// Returns whether there may be something to read.
    #[inline]
    pub(super) fn is_readable(&self) -> bool {
        self.line.is_readable()
    }

    /// Asks for a socket that is due, sends what is due, and gives up a socket that is dead.
    pub(super) fn keep_up(
        &mut self,
        now: Nanos,
        cold: &ColdSide,
        registry: Option<&Registry>,
        pass: &mut impl FnMut(Record),
    ) {
        if !self.line.is_open() {
            let request = Request { connection: self.number };
            return self.line.ask(now, || cold.requests.try_send(request).is_ok());
        }
        let kept = self.line.check(now).and_then(|()| {
            self.line.queue(self.desk.ask_again(now));
            self.line.send_due(now)
        });
        if let Err(loss) = kept {
            self.lose(loss, now, cold, registry, pass);
        }
    }

    /// Marks live quotes that have grown too old.
    pub(super) fn mark_quiet(&mut self, now: Nanos, pass: &mut impl FnMut(Record)) {
        self.desk.mark_quiet(now, pass);
    }

    /// Reads what is ready, as much as fits into a turn. Returns how many frames, and 1 at least if
    /// anything was read.
    #[inline]
    pub(super) fn read(&mut self, around: &mut Around<'_>, registry: Option<&Registry>) -> usize {
        let Connection { line, desk, number, venue, uncaptured, .. } = self;
        let (number, venue) = (*number, *venue);
        let (frames, ended) =
            line.read(&mut Reading { desk, around: &mut *around, number, venue, uncaptured });
        if let Some(error) = ended {
            self.on_error(&error, around, registry);
        }
        frames
    }

    #[cold]
    fn on_error(&mut self, error: &Error, around: &mut Around<'_>, registry: Option<&Registry>) {
        if matches!(error, Error::Capacity(_)) {
            self.desk.on_oversized();
        }
        let Around { output, cold, clock, .. } = around;
        let mut pass = |record| output.pass(record);
        self.lose(self.line.loss(error), clock.now(), cold, registry, &mut pass);
    }

    /// Ends the connection: its instruments are down until it is made again.
    fn lose(
        &mut self,
        loss: Loss,
        now: Nanos,
        cold: &ColdSide,
        registry: Option<&Registry>,
        pass: &mut impl FnMut(Record),
    ) {
        let (socket, retry_in) = self.line.lose(now);
        if let (Some(socket), Some(registry)) = (socket, registry) {
            // Closing the descriptor would deregister it as well.
            drop(registry.deregister(&mut SourceFd(&socket.fd())));
        }
        self.desk.on_lost(loss.reason, now, pass);
        self.notify_lost(cold, loss.why, retry_in);
    }

    /// Ends the connection politely, without waiting for an answer.
    pub(super) fn close(&mut self) {
        self.line.close();
    }

    fn notify_lost(&self, cold: &ColdSide, why: String, retry_in: Nanos) {
        let (venue, connection) = (self.venue, self.in_venue);
        self.notify(cold, Notice::Lost { venue, connection, why, retry_in });
    }

    fn notify(&self, cold: &ColdSide, notice: Notice) {
        notify(&cold.notices, notice, &self.notices_dropped);
    }
}

/// The desk and the capture, while a line is read.
struct Reading<'a, 'b> {
    desk: &'a mut Desk,
    around: &'a mut Around<'b>,
    number: usize,
    venue: VenueId,
    uncaptured: &'a Counter,
}

impl Reader for Reading<'_, '_> {
    #[inline]
    fn has_room(&mut self) -> bool {
        self.around.output.has_room()
    }

    #[inline]
    fn on_frame(&mut self, frame: RawFrame<'_>, ts_recv: Nanos) -> Heard {
        let Around { output, cold, stopwatch, .. } = &mut *self.around;
        let mut out = Out { output, notices: &cold.notices, stopwatch };
        let heard = self.desk.on_frame(frame, ts_recv, &mut out);
        // Its quotes have gone out: what keeps the frame does not hold them up.
        if let Some(frames) = &mut cold.frames
            && !frames.offer(self.number, ts_recv, frame)
        {
            self.uncaptured.add(1);
        }
        heard
    }

    fn on_kernel_stamp(&mut self, stamp: Nanos, read_at: Nanos) {
        self.around.kernel.record(self.venue, stamp, read_at);
    }
}

#[cfg(test)]
mod tests;
