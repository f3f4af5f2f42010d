//! A connection on a manual clock: a feed's calls on one side, the far end of the socket on the other.

use super::*;
use crate::feed::rig::{
    self, DEAD, FakeSocket, INSTRUMENTS, PACE, PING, Peer, STALL, Sent, in_words,
};
use crate::runtime::frame_ring::{self, FrameReceiver};
use crate::runtime::ring::{self, EdgeCounters};
use crossbeam::channel::{self, Receiver, Sender};
use spreadwire_market::backoff::FIRST;
use spreadwire_market::clock::{MILLI, SECOND};
use spreadwire_venues::budget::Rate;
use spreadwire_venues::venue::SequenceRule;
use tungstenite::error::CapacityError;

mod scripts;

const SEED: u64 = 11;
/// Number of the connection in its feed, and among its venue's.
const NUMBER: usize = 2;
const IN_VENUE: usize = 1;
const MAX_AGE: Nanos = 3 * SECOND;
/// How often a feed looks at its timers here.
const STEP: Nanos = 5 * MILLI;
/// Records that an edge takes which is no matter of the test.
const EDGE: usize = 64;
/// Bytes of a ring that takes a few frames.
const CAPTURE_BYTES: usize = 400;
/// What a line is told to be lost by once another has taken over.
const REPLACED: &str = "replaced by a new line";
/// What a first line leads to.
const SUBSCRIBED: [&str; 3] = ["A silent subscribed", "B silent subscribed", "C silent subscribed"];

/// A connection, and everything that a feed has around it.
struct Rig {
    now: Nanos,
    clock: Clock,
    connection: Connection<FakeSocket>,
    cold: ColdSide,
    requests: Receiver<Request>,
    notices: Receiver<Notice>,
    captured: FrameReceiver,
    outlet: Outlet,
    records: ring::Receiver,
    stopwatch: Stopwatch,
    kernel: Stopwatch,
    event: Stopwatch,
    counters: Counters,
    /// The far ends, by line.
    peers: [Peer; LINES_MAX],
    /// What the first line waits by, drawn a second time.
    waits: Backoff,
    _answers: Sender<crate::socket::connector::Connected>,
}

impl Rig {
    fn new() -> Rig {
        let bounds = Bounds { max_age: MAX_AGE, ..rig::bounds() };
        let (edge, records) = ring::hold(8, EdgeCounters::default());
        let rig = Rig::of(rig::spec(), bounds, 1, INSTRUMENTS.len());
        Rig { outlet: Outlet::new(edge), records, ..rig }
    }

    /// With so many lines and symbols.
    fn of(spec: VenueSpec, bounds: Bounds, lines: usize, symbols: usize) -> Rig {
        let spec: &'static VenueSpec = Box::leak(Box::new(spec));
        let (clock, counters) = (Clock::manual(0), Counters::default());
        let plan = ConnectionPlan {
            venue: VenueId(4),
            spec,
            symbols: rig::first_symbols(symbols),
            instruments: INSTRUMENTS[..symbols].iter().map(|name| (*name).to_owned()).collect(),
            bounds,
            lines,
        };
        let (request, requests) = channel::bounded(lines);
        let (answer, answers) = channel::bounded(1);
        let (notice, notices) = channel::bounded(64);
        let (frames, captured) =
            frame_ring::frames(CAPTURE_BYTES, &[false, false, false, false, false, false, true]);
        let (edge, records) = ring::hold(EDGE, EdgeCounters::default());
        let stopwatch = |stage| Stopwatch::alone(stage, clock.clone());
        Rig {
            now: 0,
            connection: Connection::new(NUMBER, IN_VENUE, plan, &Backoff::new(SEED), &counters),
            cold: ColdSide { requests: request, answers, notices: notice, frames: Some(frames) },
            requests,
            notices,
            captured,
            outlet: Outlet::new(edge),
            records,
            stopwatch: stopwatch("stage"),
            kernel: stopwatch("kernel"),
            event: stopwatch("event"),
            clock,
            counters,
            peers: std::array::from_fn(|_| Peer::default()),
            waits: Backoff::new(SEED).fork(0),
            _answers: answer,
        }
    }

    /// With a socket that was asked for and made at once, and all symbols subscribed.
    fn open() -> Rig {
        let mut rig = Rig::new();
        rig.turn();
        assert!(rig.is_asked());
        rig.connect();
        rig.run(2 * PACE);
        assert_eq!(rig.peers[0].received(), ["subscribe A,B", "subscribe C"]);
        assert_eq!(rig.records(), SUBSCRIBED);
        rig
    }

    /// One turn of a feed: timers, ages, then the sockets.
    fn turn(&mut self) -> usize {
        self.clock.set(self.now);
        let Rig { connection, cold, outlet: output, clock, stopwatch, kernel, event, .. } = self;
        let mut pass = |record| output.pass(record);
        connection.keep_up(self.now, cold, None, &mut pass);
        connection.on_time(self.now, cold, &mut pass);
        let mut around = Around { output, cold, clock, stopwatch, kernel, event };
        let read = |slot| {
            connection.ask_again(slot);
            connection.read(slot, &mut around, None)
        };
        (0..LINES_MAX).map(read).sum()
    }

    /// Turns for this long.
    fn run(&mut self, time: Nanos) {
        for _ in 0..time / STEP {
            self.now += STEP;
            self.turn();
        }
    }

    /// The connector's answer to the first line's request: a socket with a new far end.
    fn connect(&mut self) {
        self.connect_line(0);
        assert_eq!(self.notices(), ["opened"]);
    }

    fn connect_line(&mut self, slot: usize) {
        self.peers[slot] = Peer::default();
        let socket = FakeSocket::new(&self.peers[slot], &self.clock);
        let Rig { connection, cold, outlet, now, .. } = self;
        connection.opened(slot, socket, *now, cold, &mut |record| outlet.pass(record));
    }

    fn is_asked(&self) -> bool {
        self.requests.try_recv().is_ok_and(|request| request.connection == place(NUMBER, 0))
    }

    /// Turns until a socket is asked for; how long that took.
    fn time_until_asked(&mut self) -> Nanos {
        let since = self.now;
        while !self.is_asked() {
            self.run(STEP);
            assert!(self.now < since + 100 * SECOND, "it never asks again");
        }
        self.now - since
    }

    /// Lets the far end send a text now.
    fn text(&mut self, text: &str) -> usize {
        self.peers[0].text(text);
        self.turn()
    }

    /// The records since the last call, in words.
    fn records(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        self.records.drain(|record| words.push(in_words(record)));
        words
    }

    /// The notices since the last call, in words, each of which must name the venue and this
    /// connection; a loss must say when the next attempt is made.
    fn notices(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        for notice in self.notices.try_iter() {
            words.push(match notice {
                Notice::Opened { venue: VenueId(4), connection: IN_VENUE, .. } => {
                    "opened".to_owned()
                }
                Notice::Lost { venue: VenueId(4), connection: IN_VENUE, why, next, .. } => {
                    if why != REPLACED {
                        assert_eq!(next, Next::In(self.waits.wait()), "{why}");
                    }
                    format!("lost: {why}")
                }
                Notice::Rejected { venue: VenueId(4), reason, .. } => format!("rejected {reason}"),
                Notice::Refused { venue: VenueId(4), refused, .. } => {
                    format!("refused {:?}", refused.map(|refused| refused.symbol))
                }
                Notice::Health { venue: VenueId(4), instrument, state, reason } => {
                    format!("{instrument} {state} {reason}")
                }
                Notice::Replacing { venue: VenueId(4), connection: IN_VENUE, why, .. } => {
                    format!("replacing: {why}")
                }
                other @ (Notice::Opened { .. }
                | Notice::Health { .. }
                | Notice::HeldUp { .. }
                | Notice::Replacing { .. }
                | Notice::Lost { .. }
                | Notice::Rejected { .. }
                | Notice::Unheard { .. }
                | Notice::Refused { .. }) => panic!("not about this connection: {other:?}"),
            });
        }
        words
    }

    /// The frames that were captured since the last call.
    fn captured(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        self.captured.drain(usize::MAX, |place, entry| {
            assert_eq!(place.connection, super::place(NUMBER, 0));
            words.push(match entry {
                frame_ring::Entry::Frame(RawFrame::Text(text)) => {
                    String::from_utf8_lossy(text).into_owned()
                }
                frame_ring::Entry::Frame(RawFrame::Binary(bytes)) => format!("{bytes:?}"),
                frame_ring::Entry::Lost(count) => format!("{count} lost"),
            });
        });
        words
    }

    fn counts<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        names.map(|name| self.counters.expect(&format!("feed.test.1.{name}")))
    }
}

#[test]
fn a_socket_is_asked_for_at_the_start_and_failures_put_the_next_attempt_off() {
    let mut rig = Rig::new();
    rig.turn();
    assert!(rig.is_asked());
    for _ in 0..8 {
        rig.run(SECOND);
        assert!(!rig.is_asked(), "one request at a time");
        let error = ConnectError::Upgrade("no route".to_owned());
        rig.connection.not_opened(0, &error, rig.now, &rig.cold);
        let wait = rig.waits.clone().wait();
        assert_eq!(rig.notices(), [format!("lost: {error}")]);
        let waited = rig.time_until_asked();
        assert_eq!(waited, wait.next_multiple_of(STEP));
    }
    assert_eq!(rig.counts(["connect_failures", "connects", "disconnects"]), [8, 0, 0]);
    assert_eq!(rig.records(), Vec::<String>::new(), "everything was down before");
}

#[test]
fn a_refusal_is_told_as_it_was_and_puts_the_next_attempt_off() {
    let mut rig = Rig::new();
    rig.turn();
    assert!(rig.is_asked());
    let error = ConnectError::Refused {
        status: 418,
        retry_after: None,
        location: None,
        body: b"Way too many requests\x1b".to_vec(),
    };
    let told = "refused with HTTP 418: \"Way too many requests\\x1b\"";
    rig.connection.not_opened(0, &error, rig.now, &rig.cold);
    let wait = 300 * SECOND + rig.waits.wait();
    match rig.notices.try_recv() {
        Ok(Notice::Lost { why, next, .. }) => {
            assert_eq!((why.as_str(), next), (told, Next::In(wait)));
        }
        other => panic!("{other:?}"),
    }
    rig.run(wait - STEP);
    assert!(!rig.is_asked());
    rig.run(2 * STEP);
    assert!(rig.is_asked());
}

#[test]
fn a_venue_that_closes_is_told_in_its_words() {
    let mut rig = Rig::open();
    rig.peers[0].send(Sent::Close(Some((1008, "Too many requests"))));
    rig.peers[0].send(Sent::End(Error::ConnectionClosed));
    rig.turn();
    let told = r#"closed by the venue: 1008 "Too many requests""#;
    let wait = 60 * SECOND + rig.waits.wait();
    match rig.notices.try_recv() {
        Ok(Notice::Lost { why, next, .. }) => {
            assert_eq!((why.as_str(), next), (told, Next::In(wait)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_connector_that_is_busy_is_asked_again() {
    let mut rig = Rig::new();
    rig.cold.requests.try_send(Request { connection: 0, route: 0, is_spare: false }).unwrap();
    rig.turn();
    assert!(!rig.is_asked(), "that was another connection's request");
    rig.run(STEP);
    assert!(rig.is_asked());
}

#[test]
fn subscriptions_go_out_at_the_venues_pace_and_quotes_come_in() {
    let mut rig = Rig::new();
    rig.turn();
    rig.connect();
    rig.turn();
    assert_eq!(rig.peers[0].received(), ["subscribe A,B"]);
    rig.run(PACE - STEP);
    assert_eq!(rig.peers[0].received(), Vec::<String>::new());
    rig.run(STEP);
    assert_eq!(rig.peers[0].received(), ["subscribe C"]);
    assert_eq!(rig.text("accepted;quote A 1"), 1);
    rig.text("fast quote B 1");
    let quoted = ["A live quote", "A quote 1", "B live quote", "B quote 1"];
    assert_eq!(rig.records(), [&SUBSCRIBED[..], &quoted].concat());
    let names = ["connects", "frames", "bytes", "quotes", "instrument.B/USDT.passed"];
    assert_eq!(rig.counts(names), [1, 2, 32, 2, 1]);
    assert_eq!(rig.captured(), ["accepted;quote A 1", "fast quote B 1"]);
}

#[test]
fn a_silent_venue_is_pinged_then_given_up_and_its_instruments_are_down() {
    let mut rig = Rig::open();
    rig.text("quote A 1;quote B 1");
    rig.records();
    let last = rig.now;
    let opened = last - 2 * PACE;
    rig.run(opened + PING - rig.now - STEP);
    assert_eq!(rig.peers[0].received(), Vec::<String>::new());
    rig.run(STEP);
    assert_eq!(rig.peers[0].received(), ["ping"]);
    assert_eq!(rig.records(), ["A stale quiet", "B stale quiet"]);
    rig.run(last + DEAD - rig.now);
    assert_eq!(rig.peers[0].received(), ["ping"]);
    assert_eq!(rig.notices(), Vec::<String>::new());
    rig.run(STEP);
    assert_eq!(rig.notices(), ["lost: no frame within the venue's limit"]);
    assert_eq!(rig.records(), ["A down silent", "B down silent", "C down silent"]);
    assert_eq!(rig.counts(["disconnects", "connect_failures"]), [1, 0]);
}

#[test]
fn a_venue_that_answers_pings_but_gives_no_quote_is_given_up_later() {
    let mut rig = Rig::open();
    rig.text("quote A 1");
    let quoted = rig.now;
    rig.records();
    while rig.now < quoted + STALL {
        rig.run(20 * SECOND);
        rig.text("pong");
        // Discarded: it is no newer than the one before.
        rig.text("quote A 1");
    }
    assert_eq!(rig.notices(), Vec::<String>::new());
    rig.run(STEP);
    assert_eq!(rig.notices(), ["lost: alive, but no quote within the limit"]);
    let downs = ["A down silent", "B down silent", "C down silent"];
    assert_eq!(rig.records(), [&["A stale quiet"][..], &downs].concat());
    assert_eq!(rig.counts(["discarded.out_of_order"]), [5]);
}

#[test]
fn a_cut_connection_is_made_again_and_everything_starts_over() {
    let mut rig = Rig::open();
    rig.text("quote A 9");
    rig.records();
    for _ in 0..6 {
        rig.peers[0].send(Sent::End(Error::ConnectionClosed));
        let wait = rig.waits.clone().wait();
        rig.turn();
        assert_eq!(rig.notices(), [format!("lost: {}", Error::ConnectionClosed)]);
        let downs = ["A down disconnected", "B down disconnected", "C down disconnected"];
        assert_eq!(rig.records(), downs);
        assert_eq!(rig.turn(), 0, "nothing is read without a socket");
        assert_eq!(rig.time_until_asked(), wait.next_multiple_of(STEP));
        rig.connect();
        rig.run(2 * PACE);
        assert_eq!(rig.peers[0].received(), ["subscribe A,B", "subscribe C"]);
        // Lower than before: the numbering of the last connection is forgotten.
        rig.text("quote A 3");
        assert_eq!(rig.records(), [&SUBSCRIBED[..], &["A live quote", "A quote 3"]].concat());
    }
    assert_eq!(rig.counts(["connects", "disconnects", "quotes"]), [7, 6, 7]);
}

#[test]
fn waits_grow_while_connections_are_cut_early_and_start_over_after_a_good_one() {
    let mut rig = Rig::open();
    let mut longest = 0;
    for _ in 0..8 {
        rig.text("quote A 1");
        rig.peers[0].send(Sent::End(Error::ConnectionClosed));
        longest = longest.max(rig.waits.clone().wait());
        rig.records();
        rig.turn();
        rig.notices();
        rig.time_until_asked();
        rig.connect();
    }
    assert!(FIRST < longest, "longer than any first wait");
    for sequence in 2..34 {
        rig.run(SECOND);
        rig.text(&format!("quote A {sequence}"));
        rig.records();
    }
    rig.peers[0].send(Sent::End(Error::ConnectionClosed));
    rig.waits.reset();
    rig.turn();
    assert_eq!(rig.notices().len(), 1);
    assert!(rig.time_until_asked() <= FIRST + STEP);
}

#[test]
fn a_write_that_fails_ends_the_connection() {
    let mut rig = Rig::open();
    rig.text("quote A 1");
    rig.records();
    rig.peers[0].break_off();
    rig.run(PING);
    assert_eq!(rig.notices(), [format!("lost: {}", Error::ConnectionClosed)]);
    let records = rig.records();
    assert_eq!(records[1], "A down disconnected", "{records:?}");
}

#[test]
fn frames_that_say_nothing_are_told_once_a_second_and_the_connection_goes_on() {
    let mut rig = Rig::open();
    rig.text("nonsense");
    rig.peers[0].send(Sent::Binary(vec![1, 2]));
    rig.text("quote A 1");
    assert_eq!(rig.notices(), ["rejected unknown_message"]);
    rig.run(SECOND);
    rig.text("nonsense");
    assert_eq!(rig.notices(), ["rejected unknown_message"]);
    assert_eq!(rig.records(), ["A live quote", "A quote 1"]);
    let names = ["frames", "rejected.unknown_message", "rejected.binary", "disconnects"];
    assert_eq!(rig.counts(names), [4, 2, 1, 0]);
    assert_eq!(rig.captured(), ["nonsense", "[1, 2]", "quote A 1", "nonsense"]);
}

#[test]
fn a_frame_too_long_for_the_socket_is_counted_and_ends_the_connection() {
    let mut rig = Rig::open();
    let error = || Error::Capacity(CapacityError::MessageTooLong { size: 2, max_size: 1 });
    rig.peers[0].send(Sent::End(error()));
    rig.turn();
    assert_eq!(rig.notices(), [format!("lost: {}", error())]);
    assert_eq!(rig.counts(["rejected.oversized", "disconnects"]), [1, 1]);
}

#[test]
fn a_refused_symbol_is_told_and_asked_for_again_alone_behind_the_pace() {
    let mut rig = Rig::open();
    rig.text("quote A 1;accepted C");
    rig.records();
    rig.text("refused B");
    assert_eq!(rig.records(), ["B refused refused"]);
    assert_eq!(rig.notices(), [r#"refused Some("B")"#]);
    rig.connection.slots[0].line.queue(vec!["before".to_owned(), "after".to_owned()]);
    rig.run(15 * SECOND - STEP);
    assert_eq!(rig.peers[0].received(), ["before", "after", "ping"]);
    rig.run(STEP);
    assert_eq!(rig.peers[0].received(), ["subscribe B"]);
    rig.text("accepted B");
    rig.run(SECOND);
    assert_eq!(rig.records(), ["A stale quiet", "B silent subscribed"]);
    rig.text("quote B 1");
    assert_eq!(rig.records(), ["B live quote", "B quote 1"]);
    assert_eq!(rig.peers[0].received(), Vec::<String>::new());
}

#[test]
fn a_full_edge_stops_the_reading_and_nothing_is_lost() {
    let mut rig = Rig::open();
    (1..=20).for_each(|sequence| rig.peers[0].text(&format!("quote A {sequence}")));
    let mut records = Vec::new();
    let mut turns = Vec::new();
    for _ in 0..5 {
        turns.push(rig.turn());
        assert!(!rig.outlet.is_waiting());
        records.extend(rig.records());
    }
    // Eight records fit; a frame is read only if two do.
    assert_eq!(turns, [6, 7, 7, 0, 0]);
    let quotes: Vec<String> = (1..=20).map(|sequence| format!("A quote {sequence}")).collect();
    assert_eq!(records[1..], quotes);
}

#[test]
fn what_one_frame_leads_to_waits_for_room_and_goes_out_before_the_next_is_read() {
    let mut rig = Rig::open();
    let frame: Vec<String> = (1..=12).map(|sequence| format!("quote A {sequence}")).collect();
    rig.text(&frame.join(";"));
    assert!(rig.outlet.is_waiting());
    assert_eq!(rig.text("quote A 13"), 0);
    let mut records = rig.records();
    assert_eq!(rig.turn(), 1);
    records.extend(rig.records());
    let quotes: Vec<String> = (1..=13).map(|sequence| format!("A quote {sequence}")).collect();
    assert_eq!(records[1..], quotes);
}

#[test]
fn a_frame_that_the_capture_has_no_room_for_is_counted() {
    let mut rig = Rig::open();
    let frame = format!("other;{}", vec!["pong"; 30].join(";"));
    assert_eq!([0; 4].map(|_| rig.text(&frame)), [1; 4]);
    assert_eq!(rig.counts(["frames", "other", "uncaptured"]), [4, 4, 2]);
    assert_eq!(rig.captured(), [frame.clone(), frame]);
}

#[test]
fn the_kernels_stamp_is_timed() {
    let mut rig = Rig::open();
    rig.peers[0].stamp(rig.now - 900);
    rig.text("quote A 1");
    rig.text("quote A 2");
    let latency = rig.kernel.finish().unwrap();
    assert_eq!((latency.count(), latency.quantile(1.0)), (1, 900));
}

#[test]
fn at_the_end_the_connection_closes_politely_and_says_nothing() {
    let mut rig = Rig::open();
    rig.text("quote A 1");
    rig.records();
    rig.connection.close();
    assert_eq!(rig.peers[0].received(), ["<close>"]);
    assert_eq!((rig.notices(), rig.records()), (vec![], vec![]));
    assert_eq!(rig.counts(["disconnects"]), [0]);
    rig.connection.close();
}
