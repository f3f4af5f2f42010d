//! The desk at the end of one or more lines: a venue's frames become records, and subscriptions become
//! messages.
//!
//! A desk decodes frames by the venue's protocol, keeps the health of each instrument, and asks again
//! for the symbols that the venue refused or that give nothing. All lines of a connection carry the
//! same symbols, and the first copy of each update wins. A desk has no socket: frames and times are
//! handed in, records go to the outlet, and the messages to be sent are returned.

use super::cold::{Notice, Refused, notify};
use super::line::Heard;
use super::misfit::{self, Misfit};
use super::outlet::Outlet;
use super::subscriptions::{Asking, Subscriptions};
use super::telling::Telling;
use crate::runtime::frame_ring::Frame as RawFrame;
use crate::runtime::stopwatch::Stopwatch;
use crossbeam::channel::Sender;
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::counters::Counter;
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::{Record, Status};
use spreadwire_market::state::{Reason, State};
use spreadwire_venues::gzip::Inflater;
use spreadwire_venues::health::{Arrival, Bounds, Discard, Health, LINES_MAX, LagMeter};
use spreadwire_venues::json::FRAME_MAX;
use spreadwire_venues::venue::{
    Answer, Frames, Message, Protocol, QuoteMessage, Reject, Rejected, Symbol, Symbols, VenueSpec,
};
use std::collections::VecDeque;

/// Bytes of a frame that a notice keeps.
const SAMPLE_BYTES: usize = 200;
/// A sample of a rejected or refused message is logged at most this often for each connection; while
/// they go on, each waits twice as long as the one before, up to the longest.
const SAMPLE_INTERVAL: Nanos = SECOND;
const SAMPLE_INTERVAL_MAX: Nanos = 64 * SECOND;

/// An instrument that has been live for this long is well.
const WELL_AFTER: Nanos = 60 * SECOND;
/// A line is in step once every instrument with a quote was heard on it, or after this time.
const IN_STEP_AFTER: Nanos = 10 * SECOND;
/// A line that has just been opened waits at most so long for what the other lines have not brought
/// yet,
const JOINS_WITHIN: Nanos = SECOND;
/// and for a line that is being replaced and brings nothing at all at most so long,
const JOINS_AFTER_QUIET: Nanos = 100 * MILLI;
/// if it was read meanwhile: this many turns are enough for that.
const JOINS_AFTER_TURNS: u32 = 16;
/// After so many renewals without a quote, a line of one instrument is replaced. One of several is no
/// reason to: a new line would cost the others, and a symbol that was delisted stays silent on it too.
const RENEWALS_MAX: u32 = 2;
/// A line brings an instrument less than the others if these have brought it so long after it was asked
/// for on the line.
const MISSED_AFTER: Nanos = SECOND;
/// After most instruments of a line were silent, those that still are have so long to come with the others.
const FOLLOWS_WITHIN: Nanos = 5 * SECOND;
/// Instruments that a reason for a replacement names.
const NAMES_MAX: usize = 5;

/// Where a desk's records, notices and times go.
#[derive(Debug)]
pub(super) struct Out<'a> {
    pub(super) output: &'a mut Outlet,
    pub(super) notices: &'a Sender<Notice>,
    /// From the read to each quote.
    pub(super) stopwatch: &'a mut Stopwatch,
    /// From the venue's event to the read.
    pub(super) event: &'a mut Stopwatch,
}

/// Counters of a desk.
#[derive(Debug)]
pub(super) struct DeskCounters {
    quotes: Counter,
    general: Counter,
    refused: Counter,
    renewed: Counter,
    unreadable: Counter,
    other: Counter,
    notices_dropped: Counter,
    /// Symbols that are live.
    live: Counter,
    rejected: Vec<(Reject, Counter)>,
    discarded: Vec<(Discard, Counter)>,
    /// Quotes passed on, by symbol.
    passed: Vec<Counter>,
    /// By line.
    scores: Vec<Score>,
}

/// How a line does beside the others.
#[derive(Debug)]
struct Score {
    /// Updates that it brought first.
    won: Counter,
    /// Copies of the last quote that it brought later,
    copies: Counter,
    /// and by how much in all, ns.
    behind: Counter,
}

impl DeskCounters {
    /// Names each counter by `counter`; `instruments` are those that the desk's symbols stand for.
    /// Notices that are dropped are counted by `notices_dropped`.
    pub(super) fn new(
        counter: impl Fn(&str) -> Counter,
        instruments: &[String],
        notices_dropped: Counter,
    ) -> DeskCounters {
        let passed = |name: &String| counter(&format!("instrument.{name}.passed"));
        let rejected = |r: Reject| (r, counter(&format!("rejected.{r}")));
        let discarded = |d: Discard| (d, counter(&format!("discarded.{}", d.name())));
        DeskCounters {
            quotes: counter("quotes"),
            general: counter("general"),
            refused: counter("refused"),
            renewed: counter("renewed"),
            unreadable: counter("unreadable"),
            other: counter("other"),
            live: counter("live"),
            notices_dropped,
            rejected: Reject::ALL.into_iter().map(rejected).collect(),
            discarded: Discard::ALL.into_iter().map(discarded).collect(),
            passed: instruments.iter().map(passed).collect(),
            scores: (0..LINES_MAX)
                .map(|line| Score {
                    won: counter(&format!("line.{line}.won")),
                    copies: counter(&format!("line.{line}.copies")),
                    behind: counter(&format!("line.{line}.behind_ns")),
                })
                .collect(),
        }
    }
}

/// One line, as the desk sees it.
#[derive(Debug)]
struct Carrier {
    protocol: ProtocolBox,
    subscriptions: Subscriptions,
    /// Time when it was opened; `None` while it is not.
    opened_at: Option<Nanos>,
    /// Whether it still brings what waited while our thread was held up.
    held_up: bool,
    /// When its last frame was read.
    heard_at: Nanos,
    /// Its first quotes, while they are ahead of what waits on the other lines. It is not read until
    /// they have been passed on.
    ahead: VecDeque<(QuoteMessage, Arrival)>,
    /// Since when the other lines bring nothing for which those wait, and the turns since then.
    quiet: (Nanos, u32),
    /// By symbol: whether it was told that the others bring it and this one does not.
    missed: Vec<bool>,
    /// When most of its instruments were silent the last time.
    barren_at: Nanos,
}

/// The conversation with a venue on the lines of one connection.
#[derive(Debug)]
pub(super) struct Desk {
    venue: VenueId,
    /// Number of the connection among the venue's connections.
    connection: usize,
    symbols: Symbols,
    first_quote: Nanos,
    carriers: Vec<Carrier>,
    healths: Vec<Health>,
    lag: LagMeter,
    messages: Vec<Message>,
    frames: Frames,
    /// Where the venue compresses its frames. It is away while its content is read.
    inflater: Option<Box<Inflater>>,
    telling: Telling,
    /// Line whose replacement would help, because instruments give nothing on it, and why.
    barren: Option<(usize, String)>,
    /// When the next sample may be logged, and the wait after it.
    sample_at: Nanos,
    sample_interval: Nanos,
    make_protocol: fn() -> Box<dyn Protocol>,
    counters: DeskCounters,
}

/// `dyn Protocol` with a Debug that names it.
struct ProtocolBox(Box<dyn Protocol>);

impl std::fmt::Debug for ProtocolBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Protocol")
    }
}

impl Desk {
    /// Makes a desk for these symbols of a venue, all of them down. `names` are the instruments that
    /// the symbols stand for.
    pub(super) fn new(
        (venue, connection): (VenueId, usize),
        spec: &VenueSpec,
        symbols: Symbols,
        bounds: Bounds,
        names: Vec<String>,
        counters: DeskCounters,
    ) -> Desk {
        let health = |symbol: &Symbol| Health::new(venue, symbol.instrument, spec.sequence, bounds);
        let carrier = |_| Carrier {
            protocol: ProtocolBox((spec.protocol)()),
            subscriptions: Subscriptions::new(spec, symbols.list().len()),
            opened_at: None,
            held_up: false,
            heard_at: 0,
            ahead: VecDeque::new(),
            quiet: (0, 0),
            missed: vec![false; symbols.list().len()],
            barren_at: 0,
        };
        Desk {
            venue,
            connection,
            first_quote: bounds.first_quote,
            carriers: (0..LINES_MAX).map(carrier).collect(),
            healths: symbols.list().iter().map(health).collect(),
            lag: LagMeter::default(),
            messages: Vec::with_capacity(64),
            frames: spec.frames,
            inflater: (spec.frames == Frames::Gzip).then(Box::default),
            telling: Telling::new(venue, names),
            barren: None,
            sample_at: 0,
            sample_interval: SAMPLE_INTERVAL,
            make_protocol: spec.protocol,
            counters,
            symbols,
        }
    }

    /// Returns the counters of the quotes that were decoded and passed on, by listing.
    pub(super) fn decoded(&self) -> impl Iterator<Item = StageCounter> {
        let instruments = self.symbols.list().iter().map(|symbol| symbol.instrument);
        instruments.zip(&self.counters.passed).map(|(instrument, counter)| {
            StageCounter::of_listing(Stage::Decoded, (self.venue, instrument), counter)
        })
    }

    /// Starts over on a new socket of a line. Returns the messages that subscribe all symbols.
    pub(super) fn open(
        &mut self,
        line: usize,
        now: Nanos,
        pass: &mut impl FnMut(Record),
    ) -> Vec<String> {
        let carrier = &mut self.carriers[line];
        (carrier.opened_at, carrier.held_up) = (Some(now), false);
        carrier.barren_at = 0;
        carrier.ahead.clear();
        if carrier.subscriptions.on_lost(now).is_some() {
            self.counters.refused.add(1);
        }
        for (symbol, health) in self.healths.iter_mut().enumerate() {
            let put_off = carrier.subscriptions.is_put_off(symbol, now);
            let status = match put_off {
                true => health.on_refused(line, now),
                false => health.on_subscribed(line, now),
            };
            status.into_iter().for_each(|status| pass(status.into()));
        }
        carrier.subscriptions.open(&mut *carrier.protocol.0, &self.symbols, now)
    }

    /// Returns the messages of a line that are due: a request for what the venue refused or did not
    /// answer, or, if it `may_renew`, for what should have been quoted and was not. The line must be
    /// able to send two at once. Where most of its instruments are silent, it is
    /// [barren](Desk::take_barren) instead.
    pub(super) fn ask_again(
        &mut self,
        line: usize,
        may_renew: bool,
        now: Nanos,
        notices: &Sender<Notice>,
    ) -> Vec<String> {
        if self.carriers[line].opened_at.is_none() {
            return Vec::new();
        }
        self.note_what_is_well(line, now, notices);
        let mut asking = self.ask_what_is_due(line, now);
        if asking.symbols.is_empty() && may_renew {
            asking = self.renew(line, now, notices);
        }
        for symbol in asking.symbols {
            // The next quote is expected anew.
            if self.healths[symbol].state() != State::Live {
                self.healths[symbol].on_asked_again(now);
            }
        }
        asking.messages
    }

    fn note_what_is_well(&mut self, line: usize, now: Nanos, notices: &Sender<Notice>) {
        for symbol in 0..self.healths.len() {
            let (health, carrier) = (&self.healths[symbol], &mut self.carriers[line]);
            let is_live = health.state() == State::Live && health.is_heard(line);
            if is_live && WELL_AFTER < now.saturating_sub(health.since()) {
                carrier.subscriptions.is_well(symbol);
            }
            if carrier.missed[symbol] && health.is_heard(line) {
                carrier.missed[symbol] = false;
                self.tell_unheard(line, symbol, true, notices);
            }
        }
    }

    fn ask_what_is_due(&mut self, line: usize, now: Nanos) -> Asking {
        let Desk { carriers, healths, symbols, .. } = self;
        let Carrier { protocol, subscriptions, .. } = &mut carriers[line];
        let is_quoted = |symbol: usize| healths[symbol].is_heard(line);
        subscriptions.ask_again(&mut *protocol.0, symbols, now, is_quoted)
    }

    /// Subscribes anew what is silent on a line.
    fn renew(&mut self, line: usize, now: Nanos, notices: &Sender<Notice>) -> Asking {
        let silent: Vec<usize> =
            (0..self.healths.len()).filter(|symbol| self.is_silent(line, *symbol, now)).collect();
        if silent.is_empty() || self.is_barren(line, &silent, now) {
            return Asking::default();
        }
        for symbol in &silent {
            let is_missed = self.is_missed(line, *symbol, now);
            if is_missed && !std::mem::replace(&mut self.carriers[line].missed[*symbol], true) {
                self.tell_unheard(line, *symbol, false, notices);
            }
        }
        let Desk { carriers, symbols, counters, .. } = self;
        let Carrier { protocol, subscriptions, .. } = &mut carriers[line];
        let asking = subscriptions.renew(&silent, &mut *protocol.0, symbols, now);
        counters.renewed.add(asking.symbols.len() as u64);
        asking
    }

    /// Returns whether a symbol should have been quoted on a line by now.
    fn is_silent(&self, line: usize, symbol: usize, now: Nanos) -> bool {
        let health = &self.healths[symbol];
        let is_overdue = health.state() != State::Live && health.needs_renewal(now);
        (is_overdue || self.is_missed(line, symbol, now))
            && !self.carriers[line].subscriptions.is_asked(symbol)
    }

    /// Returns whether other lines bring a symbol, and this one has not for long since it was asked
    /// for there.
    fn is_missed(&self, line: usize, symbol: usize, now: Nanos) -> bool {
        let health = &self.healths[symbol];
        let asked_at = self.carriers[line].subscriptions.asked_at(symbol);
        self.first_quote < now.saturating_sub(asked_at)
            && !health.is_heard(line)
            && asked_at.saturating_add(MISSED_AFTER) < health.quoted_at()
    }

    /// Notes a line as barren if most of the instruments that it should bring are silent on it. Returns
    /// whether it is, or was a short time ago.
    fn is_barren(&mut self, line: usize, silent: &[usize], now: Nanos) -> bool {
        let Carrier { subscriptions, barren_at, .. } = &mut self.carriers[line];
        let asked = (0..self.healths.len()).filter(|s| !subscriptions.is_refused(*s)).count();
        let is_most = asked < 2 * silent.len();
        let is_barren =
            is_most && (1 < silent.len() || RENEWALS_MAX <= subscriptions.renewals(silent[0]));
        if is_barren {
            let names = silent.iter().take(NAMES_MAX).map(|symbol| self.telling.name(*symbol));
            let names = names.collect::<Vec<_>>().join(", ");
            let more = if NAMES_MAX < silent.len() { ", ..." } else { "" };
            let count = silent.len();
            let why = format!("{count} of {asked} instruments give nothing on it: {names}{more}");
            self.barren = Some((line, why));
            *barren_at = now;
        }
        // Where the others have just begun, the rest follows.
        is_barren || now < barren_at.saturating_add(FOLLOWS_WITHIN)
    }

    fn tell_unheard(&self, line: usize, symbol: usize, is_over: bool, notices: &Sender<Notice>) {
        let (venue, connection) = (self.venue, self.connection);
        let instrument = self.telling.name(symbol).to_owned();
        let notice = Notice::Unheard { venue, connection, line, instrument, is_over };
        notify(notices, notice, &self.counters.notices_dropped);
    }

    /// Returns whether quotes are expected: the venue has not refused every symbol.
    pub(super) fn expects_quotes(&self) -> bool {
        self.healths.iter().any(|health| health.state() != State::Refused)
    }

    /// Returns whether a line is to bring several instruments.
    pub(super) fn has_several(&self, line: usize) -> bool {
        let subscriptions = &self.carriers[line].subscriptions;
        1 < (0..self.healths.len()).filter(|symbol| !subscriptions.is_refused(*symbol)).count()
    }

    /// Takes the line whose replacement would help, if there is one, and why.
    pub(super) fn take_barren(&mut self) -> Option<(usize, String)> {
        self.barren.take()
    }

    /// Returns whether a line carries everything that is known, or had time enough to.
    pub(super) fn is_in_step(&self, line: usize, now: Nanos) -> bool {
        let Some(opened_at) = self.carriers[line].opened_at else { return false };
        let mut known = self.healths.iter().filter(|health| health.has_quote());
        IN_STEP_AFTER < now.saturating_sub(opened_at) || known.all(|health| health.is_heard(line))
    }

    /// Marks live quotes that have grown too old, tells what has changed, and counts what is live.
    pub(super) fn on_time(
        &mut self,
        now: Nanos,
        notices: &Sender<Notice>,
        pass: &mut impl FnMut(Record),
    ) {
        let Desk { healths, telling, counters, .. } = self;
        let mut live = 0;
        for (symbol, health) in healths.iter_mut().enumerate() {
            if let Some(status) = health.on_time(now) {
                pass(status.into());
            }
            live += u64::from(health.state() == State::Live);
            telling.on_time(symbol, health, now, &mut |notice| {
                notify(notices, notice, &counters.notices_dropped);
            });
        }
        counters.live.set(live);
    }

    /// Notes that our thread was held up: what the open lines bring until they are empty has waited.
    pub(super) fn on_held_up(&mut self, now: Nanos, pass: &mut impl FnMut(Record)) {
        for carrier in self.carriers.iter_mut().filter(|carrier| carrier.opened_at.is_some()) {
            carrier.held_up = true;
        }
        for health in &mut self.healths {
            health.on_held_up(now).into_iter().for_each(|status| pass(status.into()));
        }
    }

    /// Notes that a line is empty: whatever had waited on it has been read.
    pub(super) fn on_empty(&mut self, line: usize, now: Nanos, pass: &mut impl FnMut(Record)) {
        let waited = std::mem::take(&mut self.carriers[line].held_up);
        if waited && !self.is_held_up() {
            for health in &mut self.healths {
                health.on_caught_up(now).into_iter().for_each(|status| pass(status.into()));
            }
        }
    }

    /// Returns whether any line still brings what has waited.
    pub(super) fn is_held_up(&self) -> bool {
        self.carriers.iter().any(|carrier| carrier.held_up)
    }

    /// Marks every instrument as down that no other line carries: the line is over.
    pub(super) fn on_lost(
        &mut self,
        line: usize,
        reason: Reason,
        now: Nanos,
        pass: &mut impl FnMut(Record),
    ) {
        self.carriers[line].opened_at = None;
        self.carriers[line].missed.fill(false);
        for _ in self.carriers[line].ahead.drain(..) {
            count(&self.counters.discarded, Discard::Ahead);
        }
        for (symbol, health) in self.healths.iter_mut().enumerate() {
            // On the lines that are left it may be refused, and is asked for again there.
            let is_refused = self.carriers.iter().any(|carrier| {
                carrier.opened_at.is_some() && carrier.subscriptions.is_refused(symbol)
            });
            let status = match is_refused {
                true => health.on_refused(line, now),
                false => health.on_lost(line, reason, now),
            };
            if is_refused && status.is_some() {
                self.telling.on_told(symbol);
            }
            status.into_iter().for_each(|status| pass(status.into()));
        }
        // It was perhaps the last one that had not been read.
        self.on_empty(line, now, pass);
    }

    /// Returns whether a line's first quotes are ahead of what waits on the other lines.
    #[inline]
    pub(super) fn is_ahead(&self, line: usize) -> bool {
        !self.carriers[line].ahead.is_empty()
    }

    /// Passes a line's first quotes on once the other lines have brought what came before them, or
    /// have had time enough to.
    /// `replaces` tells whether it replaces another one, which may bring nothing any more.
    #[cold]
    pub(super) fn catch_up(&mut self, line: usize, replaces: bool, now: Nanos, out: &mut Out<'_>) {
        let is_over = self.is_wait_over(line, replaces, now);
        while let Some((message, arrival)) = self.carriers[line].ahead.pop_front() {
            if is_over {
                self.healths[message.symbol].on_joined(line);
            }
            let waiting = self.carriers[line].ahead.len();
            self.on_quote(&message, arrival, out);
            if waiting < self.carriers[line].ahead.len() {
                // It still is, and went to the end of the queue.
                self.carriers[line].ahead.rotate_right(1);
                break;
            }
        }
    }

    /// Returns whether a line has waited for the others long enough.
    fn is_wait_over(&mut self, line: usize, replaces: bool, now: Nanos) -> bool {
        let heard_at = self.carriers.iter().map(|carrier| carrier.heard_at).max().unwrap_or(0);
        let Carrier { ahead, quiet: (since, turns), .. } = &mut self.carriers[line];
        if *since != heard_at {
            (*since, *turns) = (heard_at, 0);
        }
        *turns += 1;
        let passed = |since: Nanos, time: Nanos| time <= now.saturating_sub(since);
        ahead.front().is_some_and(|(_, arrival)| passed(arrival.ts_recv, JOINS_WITHIN))
            || replaces && passed(heard_at, JOINS_AFTER_QUIET) && JOINS_AFTER_TURNS < *turns
    }

    /// Counts a frame that was too long for the socket.
    pub(super) fn on_oversized(&self) {
        count(&self.counters.rejected, Reject::Oversized);
    }

    /// Returns the answer to the venue's last heartbeat on a line.
    pub(super) fn pong(&mut self, line: usize) -> String {
        self.carriers[line].protocol.0.pong()
    }

    /// Takes a frame that a line brought.
    #[inline]
    pub(super) fn on_frame(
        &mut self,
        line: usize,
        frame: RawFrame<'_>,
        ts_recv: Nanos,
        out: &mut Out<'_>,
    ) -> Heard {
        match frame {
            RawFrame::Text(text) => self.on_text(line, text, ts_recv, out),
            RawFrame::Binary(bytes) => match self.frames {
                Frames::Text => self.reject(Reject::Binary.into(), bytes, ts_recv, out),
                Frames::Either => self.on_text(line, bytes, ts_recv, out),
                Frames::Gzip => self.on_gzip(line, bytes, ts_recv, out),
            },
        }
    }

    fn on_gzip(&mut self, line: usize, bytes: &[u8], ts_recv: Nanos, out: &mut Out<'_>) -> Heard {
        let Some(mut inflater) = self.inflater.take() else { return Heard::default() };
        let heard = match inflater.inflate(bytes) {
            Ok(text) => self.on_text(line, text, ts_recv, out),
            Err(reason) => self.reject(reason.into(), bytes, ts_recv, out),
        };
        self.inflater = Some(inflater);
        heard
    }

    fn on_text(&mut self, line: usize, bytes: &[u8], ts_recv: Nanos, out: &mut Out<'_>) -> Heard {
        self.messages.clear();
        self.carriers[line].heard_at = ts_recv;
        if let Err(rejected) = self.decode(line, bytes) {
            return self.reject(rejected, bytes, ts_recv, out);
        }
        let mut heard = Heard::default();
        let arrival = Arrival { line, ts_recv, held_up: self.carriers[line].held_up };
        for place in 0..self.messages.len() {
            match self.messages[place] {
                Message::Quote(message) => {
                    out.stopwatch.lap(self.venue, ts_recv);
                    heard.quote |= self.on_quote(&message, arrival, out);
                }
                Message::Refused(answer) => self.on_refused(answer, arrival, bytes, out),
                Message::Accepted(answer) => self.on_accepted(answer, arrival, out),
                Message::Closing => heard.closing = true,
                Message::Other => self.counters.other.add(1),
                Message::Pong => {}
                Message::Ping => heard.ping = true,
                Message::Welcome(interval) => heard.welcome = Some(interval),
            }
        }
        heard
    }

    /// Decodes a frame into `messages`: by the quick decoder, or, if that does not claim the frame,
    /// by the general one.
    #[inline]
    fn decode(&mut self, line: usize, bytes: &[u8]) -> Result<(), Rejected> {
        if FRAME_MAX < bytes.len() {
            return Err(Reject::Oversized.into());
        }
        let protocol = &mut self.carriers[line].protocol.0;
        if protocol.positional(bytes, &self.symbols, &mut self.messages).is_some() {
            return Ok(());
        }
        self.counters.general.add(1);
        protocol.general(bytes, &self.symbols, &mut self.messages)
    }

    /// Returns whether the message shows that the subscription is well: it gave a quote, or a copy
    /// of one.
    #[inline]
    fn on_quote(&mut self, message: &QuoteMessage, arrival: Arrival, out: &mut Out<'_>) -> bool {
        let symbol = message.symbol;
        let outcome = self.healths[symbol].on_message(message, arrival, &mut self.lag);
        if let Some(status) = outcome.status {
            self.pass(symbol, status, out);
        }
        match outcome.quote {
            Ok(quote) => {
                self.counters.quotes.add(1);
                self.counters.passed[symbol].add(1);
                self.counters.scores[arrival.line].won.add(1);
                if outcome.is_measured {
                    out.event.record(self.venue, quote.ts_event, quote.ts_recv);
                }
                out.output.pass(quote.into());
                true
            }
            Err(Discard::Ahead) => {
                self.carriers[arrival.line].ahead.push_back((*message, arrival));
                true
            }
            Err(reason) => {
                count(&self.counters.discarded, reason);
                if reason == Discard::Copy {
                    self.score(message, arrival);
                }
                reason == Discard::Copy
            }
        }
    }

    /// Notes by how much a line was behind the winner, if the copy is that of the last quote.
    fn score(&self, message: &QuoteMessage, Arrival { line, ts_recv, .. }: Arrival) {
        let health = &self.healths[message.symbol];
        if message.sequence.is_none_or(|number| number == health.sequence()) {
            let score = &self.counters.scores[line];
            score.copies.add(1);
            score.behind.add(ts_recv.saturating_sub(health.quoted_at()));
        }
    }

    /// Sends a change of state, and tells it. Returns whether it was told.
    #[cold]
    fn pass(&mut self, symbol: usize, status: Status, out: &mut Out<'_>) -> bool {
        out.output.pass(status.into());
        let Desk { telling, counters, .. } = self;
        telling.on_status(symbol, &status, &mut |notice| {
            notify(out.notices, notice, &counters.notices_dropped);
        })
    }

    #[cold]
    fn on_accepted(&mut self, answer: Answer, arrival: Arrival, out: &mut Out<'_>) {
        for symbol in self.carriers[arrival.line].subscriptions.on_accepted(answer) {
            let status = self.healths[symbol].on_accepted(arrival.line, arrival.ts_recv);
            status.into_iter().for_each(|status| out.output.pass(status.into()));
        }
    }

    #[cold]
    fn on_refused(
        &mut self,
        answer: Answer,
        Arrival { line, ts_recv: now, .. }: Arrival,
        bytes: &[u8],
        out: &mut Out<'_>,
    ) {
        self.counters.refused.add(1);
        let symbol = self.carriers[line].subscriptions.on_refused(answer, now);
        // Each symbol is told at its first refusal; of those that name none, a sample is told.
        let (is_told, refused) = match symbol {
            Some(symbol) => (self.refuse(line, symbol, now, out), Some(symbol)),
            None => (self.is_sample_due(now), None),
        };
        if is_told {
            let refused = refused.map(|symbol| Refused {
                symbol: self.symbols.list()[symbol].text.clone(),
                instrument: self.telling.name(symbol).to_owned(),
                retry_in: self.carriers[line].subscriptions.refusals(symbol).from() - now,
            });
            let (venue, connection, sample) = (self.venue, self.connection, sample_of(bytes));
            let notice = Notice::Refused { venue, connection, line, refused, sample };
            notify(out.notices, notice, &self.counters.notices_dropped);
        }
    }

    /// Notes that a symbol was refused on a line. Returns whether that is news.
    fn refuse(&mut self, line: usize, symbol: usize, now: Nanos, out: &mut Out<'_>) -> bool {
        let subscriptions = &mut self.carriers[line].subscriptions;
        if self.healths[symbol].is_heard(line) {
            // It gives quotes and is well, whatever a second request for it was answered.
            subscriptions.is_well(symbol);
            return false;
        }
        let is_news = subscriptions.refusals(symbol).times() == 1;
        if let Some(status) = self.healths[symbol].on_refused(line, now) {
            out.output.pass(status.into());
            self.telling.on_told(symbol);
        }
        is_news
    }

    #[cold]
    fn reject(&mut self, rejected: Rejected, bytes: &[u8], now: Nanos, out: &mut Out<'_>) -> Heard {
        let Rejected { reason, symbol } = rejected;
        count(&self.counters.rejected, reason);
        // Of an instrument that stays unreadable, the frame that began it is told, and no other.
        let is_told = match symbol {
            Some(symbol) => self.on_unreadable(symbol, now, out),
            None => {
                self.on_undecoded(reason, bytes, now, out);
                self.is_sample_due(now)
            }
        };
        if is_told {
            let misfit = symbol.and_then(|symbol| self.misfit(reason, symbol, bytes));
            let sample = sample_of(bytes);
            let notice = Notice::Rejected { venue: self.venue, reason, sample, misfit };
            notify(out.notices, notice, &self.counters.notices_dropped);
        }
        Heard::default()
    }

    /// Ends the picture of a symbol. Returns whether that was told.
    fn on_unreadable(&mut self, symbol: usize, now: Nanos, out: &mut Out<'_>) -> bool {
        self.counters.unreadable.add(1);
        let status = self.healths[symbol].on_unreadable(now);
        status.is_some_and(|status| self.pass(symbol, status, out))
    }

    /// Ends the pictures of the symbols that a damaged frame names: it may have been a quote of them.
    fn on_undecoded(&mut self, reason: Reject, bytes: &[u8], now: Nanos, out: &mut Out<'_>) {
        match reason {
            Reject::UnknownMessage | Reject::UnknownSymbol => return,
            Reject::Malformed
            | Reject::MissingField
            | Reject::BadNumber
            | Reject::Negative
            | Reject::BeyondScale
            | Reject::BeyondTime
            | Reject::Oversized
            | Reject::Binary
            | Reject::NotGzip
            | Reject::Bomb => {}
        }
        let is_hidden = matches!(reason, Reject::NotGzip | Reject::Bomb);
        // What cannot be inflated may have been a quote of any symbol.
        let named: Vec<usize> = match is_hidden {
            true => (0..self.symbols.list().len()).collect(),
            false => self.symbols.named_in(bytes).collect(),
        };
        for symbol in named {
            self.on_unreadable(symbol, now, out);
        }
    }

    /// Returns the quote of a symbol that its scales do not hold, for whoever finds out what would.
    fn misfit(&self, reason: Reject, symbol: usize, bytes: &[u8]) -> Option<Box<Misfit>> {
        (reason == Reject::BeyondScale && bytes.len() <= misfit::FRAME_MAX).then(|| {
            Box::new(Misfit {
                make_protocol: self.make_protocol,
                symbol: self.symbols.list()[symbol].clone(),
                name: self.telling.name(symbol).to_owned(),
                frame: bytes.into(),
            })
        })
    }

    fn is_sample_due(&mut self, now: Nanos) -> bool {
        if now < self.sample_at {
            return false;
        }
        let goes_on = now < self.sample_at + SAMPLE_INTERVAL_MAX;
        let wait = if goes_on { self.sample_interval } else { SAMPLE_INTERVAL };
        self.sample_at = now + wait;
        self.sample_interval = (2 * wait).min(SAMPLE_INTERVAL_MAX);
        true
    }
}

fn count<T: PartialEq + Copy>(counters: &[(T, Counter)], what: T) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == what) {
        counter.add(1);
    }
}

fn sample_of(bytes: &[u8]) -> Box<[u8]> {
    bytes[..bytes.len().min(SAMPLE_BYTES)].into()
}

#[cfg(test)]
mod tests;
