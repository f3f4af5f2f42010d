//! The desk at the end of a line: a venue's frames become records, and subscriptions become messages.
//!
//! A desk decodes frames by the venue's protocol, keeps the state of each instrument, and asks again
//! for the symbols that the venue refused. It has no socket: frames and times are handed in, records
//! go to the outlet, and the messages to be sent are returned.

use super::cold::{Notice, notify};
use super::line::Heard;
use super::outlet::Outlet;
use crate::runtime::frame_ring::Frame as RawFrame;
use crate::runtime::stopwatch::Stopwatch;
use crossbeam::channel::Sender;
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::counters::Counter;
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Record;
use spreadwire_market::state::Reason;
use spreadwire_venues::integrity::{Discard, Watch};
use spreadwire_venues::json::FRAME_MAX;
use spreadwire_venues::venue::{
    Message, Protocol, QuoteMessage, Reject, Symbol, Symbols, VenueSpec,
};

/// Bytes of a frame that a notice keeps.
const SAMPLE_BYTES: usize = 200;
/// A sample of a rejected or refused message is logged at most this often for each connection.
const SAMPLE_INTERVAL: Nanos = SECOND;

/// Where a desk's records, notices and times go.
#[derive(Debug)]
pub(super) struct Out<'a> {
    pub(super) output: &'a mut Outlet,
    pub(super) notices: &'a Sender<Notice>,
    /// From the read to each quote.
    pub(super) stopwatch: &'a mut Stopwatch,
}

/// Counters of a desk.
#[derive(Debug)]
pub(super) struct DeskCounters {
    quotes: Counter,
    general: Counter,
    refused: Counter,
    other: Counter,
    notices_dropped: Counter,
    rejected: Vec<(Reject, Counter)>,
    discarded: Vec<(Discard, Counter)>,
    /// Quotes passed on, by symbol.
    passed: Vec<Counter>,
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
            other: counter("other"),
            notices_dropped,
            rejected: Reject::ALL.into_iter().map(rejected).collect(),
            discarded: Discard::ALL.into_iter().map(discarded).collect(),
            passed: instruments.iter().map(passed).collect(),
        }
    }
}

/// The conversation with a venue on one connection.
#[derive(Debug)]
pub(super) struct Desk {
    venue: VenueId,
    symbols: Symbols,
    max_age: Nanos,
    protocol: ProtocolBox,
    watches: Vec<Watch>,
    messages: Vec<Message>,
    /// Between requests for what the venue refused; starts over with each connection.
    refusals: Backoff,
    /// When what the venue refused is asked for again.
    resubscribe_at: Option<Nanos>,
    sample_at: Nanos,
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
    /// Makes a desk for these symbols of a venue, all of them down.
    pub(super) fn new(
        venue: VenueId,
        spec: &VenueSpec,
        symbols: Symbols,
        max_age: Nanos,
        refusals: Backoff,
        counters: DeskCounters,
    ) -> Desk {
        let watch = |symbol: &Symbol| Watch::new(venue, symbol.instrument, spec.sequence);
        Desk {
            venue,
            max_age,
            protocol: ProtocolBox((spec.protocol)()),
            watches: symbols.list().iter().map(watch).collect(),
            messages: Vec::with_capacity(64),
            refusals,
            resubscribe_at: None,
            sample_at: 0,
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

    /// Starts over on a new socket. Returns the messages that subscribe all symbols.
    pub(super) fn open(&mut self) -> Vec<String> {
        self.refusals.reset();
        self.resubscribe_at = None;
        let mut messages = Vec::new();
        let symbols: Vec<&str> = self.symbols.list().iter().map(|s| s.text.as_str()).collect();
        self.protocol.0.subscribe(&symbols, &mut messages);
        messages
    }

    /// Returns the messages that ask again, some time after a refusal, for every symbol that has
    /// given no quote. Each message has one symbol, so that a bad one cannot take good ones with it.
    pub(super) fn ask_again(&mut self, now: Nanos) -> Vec<String> {
        let mut messages = Vec::new();
        if self.resubscribe_at.is_none_or(|due| now < due) {
            return messages;
        }
        self.resubscribe_at = None;
        for (symbol, watch) in self.symbols.list().iter().zip(&self.watches) {
            if !watch.has_quote() {
                self.protocol.0.subscribe(&[symbol.text.as_str()], &mut messages);
            }
        }
        messages
    }

    /// Marks live quotes that have grown too old.
    pub(super) fn mark_quiet(&mut self, now: Nanos, pass: &mut impl FnMut(Record)) {
        for watch in &mut self.watches {
            if let Some(status) = watch.on_time(now, self.max_age) {
                pass(status.into());
            }
        }
    }

    /// Marks every instrument as down: the connection is over.
    pub(super) fn on_lost(&mut self, reason: Reason, now: Nanos, pass: &mut impl FnMut(Record)) {
        for watch in &mut self.watches {
            if let Some(status) = watch.on_down(reason, now) {
                pass(status.into());
            }
        }
    }

    /// Counts a frame that was too long for the socket.
    pub(super) fn on_oversized(&self) {
        count(&self.counters.rejected, Reject::Oversized);
    }

    /// Takes a frame.
    #[inline]
    pub(super) fn on_frame(
        &mut self,
        frame: RawFrame<'_>,
        ts_recv: Nanos,
        out: &mut Out<'_>,
    ) -> Heard {
        match frame {
            RawFrame::Text(text) => self.on_text(text, ts_recv, out),
            RawFrame::Binary(bytes) => self.reject(Reject::Binary, bytes, ts_recv, out),
        }
    }

    fn on_text(&mut self, bytes: &[u8], ts_recv: Nanos, out: &mut Out<'_>) -> Heard {
        self.messages.clear();
        if let Err(reason) = self.decode(bytes) {
            return self.reject(reason, bytes, ts_recv, out);
        }
        let mut heard = Heard::default();
        for place in 0..self.messages.len() {
            match self.messages[place] {
                Message::Quote(message) => {
                    out.stopwatch.lap(self.venue, ts_recv);
                    heard.quote |= self.on_quote(&message, ts_recv, out.output);
                }
                Message::Refused { symbol } => self.on_refused(symbol, bytes, ts_recv, out),
                Message::Closing => heard.closing = true,
                Message::Other => self.counters.other.add(1),
                Message::Accepted | Message::Pong => {}
            }
        }
        heard
    }

    /// Decodes a frame into `messages`: by the quick decoder, or, if that does not claim the frame,
    /// by the general one.
    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Result<(), Reject> {
        if FRAME_MAX < bytes.len() {
            return Err(Reject::Oversized);
        }
        if self.protocol.0.positional(bytes, &self.symbols, &mut self.messages).is_some() {
            return Ok(());
        }
        self.counters.general.add(1);
        self.protocol.0.general(bytes, &self.symbols, &mut self.messages)
    }

    /// Returns whether the message gave a quote. What is discarded is no sign that the subscription
    /// is well.
    fn on_quote(&mut self, message: &QuoteMessage, ts_recv: Nanos, output: &mut Outlet) -> bool {
        let outcome = self.watches[message.symbol].on_message(message, ts_recv);
        if let Some(status) = outcome.status {
            output.pass(status.into());
        }
        match outcome.quote {
            Ok(quote) => {
                self.counters.quotes.add(1);
                self.counters.passed[message.symbol].add(1);
                output.pass(quote.into());
                true
            }
            Err(reason) => {
                count(&self.counters.discarded, reason);
                false
            }
        }
    }

    #[cold]
    fn on_refused(&mut self, symbol: Option<usize>, bytes: &[u8], now: Nanos, out: &mut Out<'_>) {
        self.counters.refused.add(1);
        if self.resubscribe_at.is_none() {
            self.resubscribe_at = Some(now + self.refusals.wait());
        }
        // A symbol that gives quotes is well, whatever a second request for it was answered.
        if let Some(watch) = symbol.map(|place| &mut self.watches[place])
            && !watch.has_quote()
            && let Some(status) = watch.on_down(Reason::Refused, now)
        {
            out.output.pass(status.into());
        }
        if self.is_sample_due(now) {
            let symbol = symbol.map(|place| self.symbols.list()[place].text.clone());
            let notice = Notice::Refused { venue: self.venue, symbol, sample: sample_of(bytes) };
            notify(out.notices, notice, &self.counters.notices_dropped);
        }
    }

    #[cold]
    fn reject(&mut self, reason: Reject, bytes: &[u8], now: Nanos, out: &mut Out<'_>) -> Heard {
        count(&self.counters.rejected, reason);
        if self.is_sample_due(now) {
            let notice = Notice::Rejected { venue: self.venue, reason, sample: sample_of(bytes) };
            notify(out.notices, notice, &self.counters.notices_dropped);
        }
        Heard::default()
    }

    fn is_sample_due(&mut self, now: Nanos) -> bool {
        let due = self.sample_at <= now;
        if due {
            self.sample_at = now + SAMPLE_INTERVAL;
        }
        due
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
mod tests {
    use super::super::rig::{self, INSTRUMENTS, in_words};
    use super::*;
    use crate::runtime::ring::{self, EdgeCounters};
    use crossbeam::channel::{self, Receiver};
    use spreadwire_market::clock::Clock;
    use spreadwire_market::counters::Counters;

    const SEED: u64 = 5;
    const MAX_AGE: Nanos = 2 * SECOND;

    /// A desk for A, B and C, and what comes out of it.
    struct Rig {
        desk: Desk,
        outlet: Outlet,
        records: ring::Receiver,
        notices: Sender<Notice>,
        noticed: Receiver<Notice>,
        stopwatch: Stopwatch,
        counters: Counters,
    }

    impl Rig {
        fn new() -> Rig {
            let counters = Counters::default();
            let names = INSTRUMENTS.map(str::to_owned);
            let desk_counters = DeskCounters::new(
                |name: &str| counters.register(name),
                &names,
                counters.register("notices_dropped"),
            );
            let (venue, symbols, backoff) = (VenueId(4), rig::symbols(), Backoff::new(SEED));
            let desk = Desk::new(venue, &rig::spec(), symbols, MAX_AGE, backoff, desk_counters);
            let (edge, records) = ring::hold(64, EdgeCounters::default());
            let (notices, noticed) = channel::bounded(2);
            let stopwatch = Stopwatch::alone("stage", Clock::manual(0));
            let outlet = Outlet::new(edge);
            Rig { desk, outlet, records, notices, noticed, stopwatch, counters }
        }

        fn frame(&mut self, frame: RawFrame<'_>, now: Nanos) -> Heard {
            let (output, notices, stopwatch) =
                (&mut self.outlet, &self.notices, &mut self.stopwatch);
            self.desk.on_frame(frame, now, &mut Out { output, notices, stopwatch })
        }

        fn text(&mut self, text: &str, now: Nanos) -> Heard {
            self.frame(RawFrame::Text(text.as_bytes()), now)
        }

        /// The records since the last call, in words.
        fn records(&mut self) -> Vec<String> {
            let mut words = Vec::new();
            self.records.drain(|record| words.push(in_words(record)));
            words
        }

        /// The notices since the last call, in words.
        fn notices(&mut self) -> Vec<String> {
            let words = |notice| match notice {
                Notice::Rejected { venue: VenueId(4), reason, sample } => {
                    format!("rejected {reason}: {}", String::from_utf8_lossy(&sample))
                }
                Notice::Refused { venue: VenueId(4), symbol, sample } => {
                    format!("refused {symbol:?}: {}", String::from_utf8_lossy(&sample))
                }
                other @ (Notice::Opened { .. }
                | Notice::Lost { .. }
                | Notice::Rejected { .. }
                | Notice::Refused { .. }) => panic!("a desk does not tell {other:?}"),
            };
            self.noticed.try_iter().map(words).collect()
        }

        fn counts<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
            names.map(|name| self.counters.expect(name))
        }
    }

    #[test]
    fn a_frames_messages_become_records_with_each_change_of_state_before_its_quote() {
        let mut rig = Rig::new();
        assert_eq!(rig.desk.open(), ["subscribe A,B", "subscribe C"]);
        let quote = Heard { quote: true, closing: false };
        assert_eq!(rig.text("accepted;quote A 5;quote B 7;quote A 6;pong;other", 10), quote);
        let wanted = ["A live quote", "A quote 5", "B live quote", "B quote 7", "A quote 6"];
        assert_eq!(rig.records(), wanted);
        assert_eq!(rig.text("fast quote A 7", 11), quote);
        assert_eq!(rig.records(), ["A quote 7"]);
        assert_eq!(rig.text("pong", 12), Heard::default());
        assert_eq!(rig.text("closing", 13), Heard { quote: false, closing: true });
        let names = ["quotes", "general", "other", "instrument.A/USDT.passed"];
        assert_eq!(rig.counts(names), [4, 3, 1, 3]);
        rig.stopwatch.end_lap();
        assert_eq!(rig.stopwatch.finish().unwrap().count(), 4, "each quote is timed");
    }

    #[test]
    fn what_is_discarded_is_counted_and_no_sign_that_the_subscription_is_well() {
        let mut rig = Rig::new();
        rig.text("quote A 5", 10);
        assert_eq!(rig.text("quote A 5", 11), Heard::default());
        assert_eq!(rig.records(), ["A live quote", "A quote 5"]);
        assert_eq!(rig.counts(["quotes", "discarded.out_of_order"]), [1, 1]);
    }

    #[test]
    fn rejected_frames_are_counted_and_one_a_second_is_told_by_its_first_bytes() {
        let mut rig = Rig::new();
        let long = format!("nonsense{}", "x".repeat(SAMPLE_BYTES));
        assert_eq!(rig.text(&long, 10), Heard::default());
        assert_eq!(rig.text("quote Z 1", 11), Heard::default());
        assert_eq!(rig.text("quote A x", 9 + SECOND), Heard::default());
        let told = format!("rejected unknown_message: {}", &long[..SAMPLE_BYTES]);
        assert_eq!(rig.notices(), [told]);
        assert_eq!(rig.frame(RawFrame::Binary(b"?"), 10 + SECOND), Heard::default());
        assert_eq!(rig.notices(), ["rejected binary: ?"]);
        let oversized = " ".repeat(FRAME_MAX + 1);
        assert_eq!(rig.text(&oversized, 11 + SECOND), Heard::default());
        rig.desk.on_oversized();
        let names = ["unknown_message", "unknown_symbol", "bad_number", "binary", "oversized"];
        let names = names.map(|name| format!("rejected.{name}"));
        assert_eq!(rig.counts(names.each_ref().map(String::as_str)), [1, 1, 1, 1, 2]);
        rig.text("quote A 1", 12 + SECOND);
        assert_eq!(rig.records(), ["A live quote", "A quote 1"], "it goes on");
    }

    #[test]
    fn a_notice_for_which_the_log_has_no_room_is_counted() {
        let mut rig = Rig::new();
        (0..5).for_each(|n| assert_eq!(rig.text("nonsense", n * SECOND), Heard::default()));
        assert_eq!((rig.notices().len(), rig.counts(["notices_dropped"])), (2, [3]));
    }

    #[test]
    fn a_refused_symbol_is_down_and_told_once_unless_it_gives_quotes() {
        let mut rig = Rig::new();
        rig.text("quote A 1", 1);
        rig.records();
        assert_eq!(rig.text("refused B", 10), Heard::default());
        assert_eq!(rig.records(), ["B down refused"]);
        assert_eq!(rig.notices(), [r#"refused Some("B"): refused B"#]);
        rig.text("refused B", 11);
        rig.text("refused A", 12);
        assert_eq!((rig.records(), rig.notices()), (vec![], vec![]));
        rig.text("refused", 10 + SECOND);
        assert_eq!((rig.records(), rig.notices()), (vec![], vec!["refused None: refused".into()]));
        assert_eq!(rig.counts(["refused"]), [4]);
    }

    #[test]
    fn what_gave_no_quote_is_asked_for_again_one_by_one_after_waits_that_grow() {
        let mut rig = Rig::new();
        let mut waits = Backoff::new(SEED);
        rig.desk.open();
        rig.text("quote A 1", 1);
        let nothing = Vec::<String>::new();
        assert_eq!(rig.desk.ask_again(100 * SECOND), nothing, "nothing was refused");
        let mut now = 100 * SECOND;
        for _ in 0..9 {
            rig.text("refused B", now);
            // A second refusal does not put it off.
            rig.text("refused", now + 1);
            now += waits.wait();
            assert_eq!(rig.desk.ask_again(now - 1), nothing);
            assert_eq!(rig.desk.ask_again(now), ["subscribe B", "subscribe C"]);
            assert_eq!(rig.desk.ask_again(now + 100 * SECOND), nothing, "once");
        }
        rig.text("refused B", now);
        assert_eq!(rig.desk.open().len(), 2);
        assert_eq!(rig.desk.ask_again(now + 100 * SECOND), nothing, "the last socket's refusal");
        rig.text("refused B", now);
        waits.wait();
        waits.reset();
        now += waits.wait();
        assert_eq!(rig.desk.ask_again(now - 1), nothing);
        rig.text("quote B 1", now);
        assert_eq!(rig.desk.ask_again(now), ["subscribe C"]);
    }

    #[test]
    fn quotes_grow_stale_and_a_lost_line_takes_every_instrument_down_once() {
        let mut rig = Rig::new();
        rig.text("quote A 1;quote B 1", 10);
        rig.text("quote B 2", 11);
        rig.records();
        let mut told = Vec::new();
        rig.desk.mark_quiet(10 + MAX_AGE, &mut |record| told.push(in_words(&record)));
        assert_eq!(told, Vec::<String>::new());
        rig.desk.mark_quiet(11 + MAX_AGE, &mut |record| told.push(in_words(&record)));
        assert_eq!(told, ["A stale quiet"]);
        for _ in 0..2 {
            rig.desk.on_lost(Reason::Silent, 20, &mut |record| told.push(in_words(&record)));
        }
        assert_eq!(told[1..], ["A down silent", "B down silent"]);
    }
}
