//! A line on a socket in memory, with time handed in.

use super::*;
use crate::feed::rig::{self, DEAD, FakeSocket, PACE, PING, Peer, STALL, Sent};
use spreadwire_market::clock::Clock;
use spreadwire_market::counters::Counters;

const SEED: u64 = 3;
/// When the socket of [`Rig::open`] was made.
const START: Nanos = 1_000 * SECOND;

/// What the other side of the line heard, and what it answers next.
#[derive(Default)]
struct Ear {
    frames: Vec<String>,
    answers: VecDeque<Heard>,
    room: usize,
    stamps: Vec<(Nanos, Nanos)>,
    /// Time that each frame takes, and the clock that goes on meanwhile.
    busy: Option<(Nanos, Clock)>,
}

impl Reader for Ear {
    fn has_room(&mut self) -> bool {
        0 < self.room
    }

    fn now(&self) -> Nanos {
        self.busy.as_ref().map_or(0, |(_, clock)| clock.now())
    }

    fn on_frame(&mut self, frame: RawFrame<'_>, ts_recv: Nanos) -> Heard {
        self.room -= 1;
        if let Some((time, clock)) = &self.busy {
            clock.set(clock.now() + time);
        }
        self.frames.push(match frame {
            RawFrame::Text(text) => format!("{ts_recv} {}", String::from_utf8_lossy(text)),
            RawFrame::Binary(bytes) => format!("{ts_recv} {bytes:?}"),
        });
        self.answers.pop_front().unwrap_or_default()
    }

    fn on_kernel_stamp(&mut self, stamp: Nanos, read_at: Nanos) {
        self.stamps.push((stamp, read_at));
    }
}

struct Rig {
    clock: Clock,
    line: Line<FakeSocket>,
    peer: Peer,
    ear: Ear,
    counters: Counters,
}

impl Rig {
    fn new(spec: &VenueSpec) -> Rig {
        let (clock, counters) = (Clock::manual(START), Counters::default());
        let line_counters = LineCounters::new(|name: &str| counters.register(name));
        let line = Line::new(spec, Backoff::new(SEED), line_counters);
        let ear = Ear { room: usize::MAX, ..Ear::default() };
        Rig { clock, line, peer: Peer::default(), ear, counters }
    }

    /// With a socket since [`START`] and these messages to send.
    fn open(spec: &VenueSpec, messages: &[&str]) -> Rig {
        let mut rig = Rig::new(spec);
        rig.reopen(START, messages);
        rig
    }

    fn reopen(&mut self, now: Nanos, messages: &[&str]) {
        self.clock.set(now);
        self.peer = Peer::default();
        let messages = messages.iter().map(|text| (*text).to_owned()).collect();
        self.line.opened(FakeSocket::new(&self.peer, &self.clock), messages, now);
    }

    fn send_due(&mut self, now: Nanos) -> Vec<String> {
        self.line.send_due(now).unwrap();
        self.peer.received()
    }

    fn read(&mut self, now: Nanos) -> (usize, Option<Error>) {
        self.clock.set(now);
        self.line.read(&mut self.ear)
    }

    /// Reads a frame that holds a quote.
    fn quote(&mut self, now: Nanos) {
        self.peer.text("quote");
        self.ear.answers.push_back(Heard { quote: true, ..Heard::default() });
        assert_eq!(self.read(now).0, 1);
    }

    /// Whether a socket would be asked for.
    fn asks(&mut self, now: Nanos) -> bool {
        let mut asked = false;
        self.line.ask(now, || {
            asked = true;
            true
        });
        asked
    }

    fn counts<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        names.map(|name| self.counters.expect(name))
    }
}

#[test]
fn messages_are_paced_and_the_heartbeat_goes_first_at_its_times() {
    let mut rig = Rig::open(&rig::spec(), &["one", "two", "three"]);
    for (after, sent) in [
        (0, "one"),
        (PACE - 1, ""),
        (PACE, "two"),
        (PING - 1, "three"),
        (PING, "ping"),
        (PING + 1, ""),
        (2 * PING - 1, ""),
        (2 * PING + 5, "ping"),
        // The interval begins when the ping was sent.
        (3 * PING + 4, ""),
        (3 * PING + 5, "ping"),
    ] {
        assert_eq!(rig.send_due(START + after).concat(), sent, "after {after} ns");
    }
    rig.line.queue(vec!["four".to_owned(), "five".to_owned()]);
    // A ping counts as a message.
    for (after, sent) in [(PACE - 1, ""), (PACE, "four"), (2 * PACE, "five")] {
        let now = START + 3 * PING + 5 + after;
        assert_eq!(rig.send_due(now).concat(), sent, "{after} ns after the ping");
    }
}

#[test]
fn requests_wait_for_their_budget_and_heartbeats_do_not() {
    const RATES: &[Rate] = &[Rate { count: 2, per: 100 * SECOND }];
    let spec = VenueSpec { requests: RATES, ..rig::spec() };
    let mut rig = Rig::open(&spec, &["one", "two", "three"]);
    for (after, sent) in [
        (0, "one"),
        (PACE, "two"),
        (2 * PACE, ""),
        (PING, "ping"),
        (99 * SECOND, "ping"),
        (100 * SECOND - 1, ""),
        (100 * SECOND, "three"),
    ] {
        assert_eq!(rig.send_due(START + after).concat(), sent, "after {after} ns");
    }
    rig.reopen(START + 101 * SECOND, &["one", "two"]);
    assert_eq!(rig.send_due(START + 101 * SECOND), ["one"], "each connection has its own");
}

#[test]
fn a_heartbeat_may_be_a_ping_frame() {
    let mut spec = rig::spec();
    spec.heartbeat.ping = Ping::Frame;
    let mut rig = Rig::open(&spec, &[]);
    assert_eq!(rig.send_due(START + PING), ["<ping>"]);
}

#[test]
fn requests_wait_for_the_welcome_which_says_how_often_to_ping() {
    let spec = VenueSpec { greets: true, ..rig::spec() };
    let mut rig = Rig::open(&spec, &["one", "two"]);
    assert!(rig.send_due(START).is_empty() && !rig.line.may_request(1, START + SECOND));
    assert_eq!(rig.send_due(START + PING), ["ping"], "heartbeats do not wait");
    assert!(rig.send_due(START + PING + PACE).is_empty());
    let welcomed = START + 12 * SECOND;
    let welcome = |rig: &mut Rig, interval, now| {
        rig.peer.text("welcome");
        rig.ear.answers.push_back(Heard { welcome: Some(interval), ..Heard::default() });
        rig.read(now);
    };
    welcome(&mut rig, Some(5 * SECOND), welcomed);
    for (after, sent) in [
        (0, "one"),
        (PACE, "two"),
        (5 * SECOND - 1, ""),
        (5 * SECOND, "ping"),
        (10 * SECOND, "ping"),
    ] {
        assert_eq!(rig.send_due(welcomed + after).concat(), sent, "{after} ns after the welcome");
    }
    // Two heartbeats fit into the time after which the line is dead, whatever the venue asks for.
    for (asked, ping) in [(0, SECOND), (3_600 * SECOND, DEAD / 2)] {
        rig.reopen(START, &[]);
        welcome(&mut rig, Some(asked), START);
        assert!(rig.send_due(START + ping - 1).is_empty(), "{asked}");
        assert_eq!(rig.send_due(START + ping), ["ping"], "{asked}");
    }
    rig.reopen(START, &["one"]);
    welcome(&mut rig, None, START);
    assert_eq!(rig.send_due(START), ["one"]);
    assert_eq!(rig.send_due(START + PING), ["ping"], "the venue's usual interval");
}

#[test]
fn of_the_answers_to_the_venues_heartbeats_the_last_is_sent_before_all_else() {
    let mut rig = Rig::open(&rig::spec(), &["one"]);
    for number in [7, 8, 9] {
        rig.line.answer(format!("pong {number}"));
    }
    assert_eq!(rig.send_due(START + PING), ["pong 9"]);
    assert_eq!(rig.send_due(START + PING), ["ping"]);
    assert_eq!(rig.send_due(START + PING + PACE), ["one"], "answers count as messages");
}

#[test]
fn a_venue_that_asks_need_not_be_asked() {
    let mut spec = rig::spec();
    spec.heartbeat.ping = Ping::None;
    let mut rig = Rig::open(&spec, &["one"]);
    assert_eq!(rig.send_due(START + PING), ["one"]);
    assert!(rig.send_due(START + 2 * PING).is_empty());
}

#[test]
fn a_heartbeat_may_be_made_for_its_time() {
    let mut spec = rig::spec();
    spec.heartbeat.ping = Ping::Made(|now| format!("ping {}", now / SECOND));
    let mut rig = Rig::open(&spec, &[]);
    assert_eq!(rig.send_due(START + PING), ["ping 1010"]);
}

#[test]
fn what_the_socket_did_not_take_is_offered_again_each_time() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    (1..=3).for_each(|after| drop(rig.send_due(START + after)));
    assert_eq!(rig.peer.flushes(), 3);
}

#[test]
fn a_write_that_fails_is_a_loss() {
    let mut rig = Rig::open(&rig::spec(), &["one"]);
    rig.peer.break_off();
    let loss = rig.line.send_due(START).unwrap_err();
    assert_eq!(loss, Loss::disconnected(&Error::ConnectionClosed));
    assert_eq!(loss.reason, Reason::Disconnected);
}

#[test]
fn a_socket_is_dead_when_no_frame_came_for_longer_than_the_limit() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    let dead = Err(Loss::silent("no frame within the venue's limit"));
    assert_eq!(rig.line.check(START + DEAD), Ok(()));
    assert_eq!(rig.line.check(START + DEAD + 1), dead);
    // Any frame shows life.
    for (sent, frame) in [
        (20 * SECOND, Sent::Control),
        (40 * SECOND, Sent::Text("anything".to_owned())),
        (60 * SECOND, Sent::Binary(vec![1])),
    ] {
        rig.peer.send(frame);
        rig.read(START + sent);
        assert_eq!(rig.line.check(START + sent + DEAD), Ok(()));
        assert_eq!(rig.line.check(START + sent + DEAD + 1), dead);
    }
    rig.read(START + 70 * SECOND);
    assert_eq!(rig.line.check(START + 86 * SECOND), dead, "an empty read shows no life");
}

#[test]
fn a_socket_without_quotes_for_longer_than_the_limit_is_given_up_though_it_is_alive() {
    let mut silent = rig::spec();
    silent.repeats_within = None;
    for (spec, limit) in [(rig::spec(), STALL), (silent, STALL_DEFAULT)] {
        let mut rig = Rig::open(&spec, &[]);
        rig.quote(START + SECOND);
        let limit = START + SECOND + limit;
        rig.peer.text("no quote");
        rig.read(limit);
        assert_eq!(rig.line.check(limit), Ok(()));
        let stalled = Err(Loss::silent("alive, but no quote within the limit"));
        assert_eq!(rig.line.check(limit + 1), stalled);
        rig.quote(limit);
        assert_eq!(rig.line.check(limit + 1), Ok(()));
    }
}

#[test]
fn a_socket_is_asked_for_once_and_again_after_each_failure_when_its_time_has_come() {
    let mut rig = Rig::new(&rig::spec());
    let mut waits = Backoff::new(SEED);
    assert!(!rig.line.is_open());
    rig.line.ask(1, || false);
    assert!(rig.asks(1), "the connector could not be asked before");
    assert!(!rig.asks(100 * SECOND), "it has not answered");
    let mut now = 100 * SECOND;
    for _ in 0..10 {
        let wait = rig.line.not_opened(0, now);
        assert_eq!(wait, waits.wait(), "waits grow from one failure to the next");
        assert!(!rig.asks(now + wait - 1));
        now += wait;
        assert!(rig.asks(now) && !rig.asks(now), "once, when it is due");
    }
    assert_eq!(rig.counts(["connects", "connect_failures", "disconnects"]), [0, 10, 0]);
    rig.reopen(now, &[]);
    assert!(rig.line.is_open());
    let (socket, wait) = rig.line.lose(now);
    assert!(socket.is_some() && !rig.line.is_open());
    assert_eq!(wait, waits.wait(), "being connected alone is no success");
    assert!(!rig.asks(now + wait - 1) && rig.asks(now + wait));
    assert_eq!(rig.counts(["connects", "connect_failures", "disconnects"]), [1, 10, 1]);
}

#[test]
fn waits_start_over_after_a_connection_that_gave_quotes_for_long_enough() {
    for (quote_after, starts_over) in
        [(None, false), (Some(WELL_AFTER), false), (Some(WELL_AFTER + 1), true)]
    {
        let mut rig = Rig::new(&rig::spec());
        let mut waits = Backoff::new(SEED);
        for _ in 0..9 {
            assert_eq!(rig.line.not_opened(0, 0), waits.wait());
        }
        rig.reopen(START, &[]);
        rig.quote(START + 1);
        rig.peer.text("no quote");
        rig.read(START + 2 * WELL_AFTER);
        if let Some(after) = quote_after {
            rig.quote(START + after);
        }
        if starts_over {
            waits.reset();
        }
        let wait = rig.line.lose(START + 3 * WELL_AFTER).1;
        assert_eq!(wait, waits.wait(), "a quote after {quote_after:?}");
    }
}

#[test]
fn parts_and_pings_count_as_frames_of_a_turn() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    for n in 0..FRAMES_PER_TURN {
        rig.peer.send(if n % 2 == 0 { Sent::Part(2) } else { Sent::Control });
    }
    rig.peer.text("later");
    assert_eq!(rig.read(START).0, FRAMES_PER_TURN);
    assert!(rig.ear.frames.is_empty() && rig.line.is_readable());
    assert_eq!(rig.read(START).0, 1);
    assert_eq!(rig.ear.frames, [format!("{START} later")]);
    assert_eq!(rig.counts(["frames", "parts", "controls", "turns_cut"]), [1, 8, 8, 0]);
}

#[test]
fn a_turn_ends_with_the_frame_that_reaches_its_bytes() {
    let quarter = BYTES_PER_TURN / 4;
    for (sizes, read) in [
        ([quarter, quarter, quarter, quarter - 1, 1, 1], 5),
        ([quarter, quarter, quarter, quarter, 1, 1], 4),
        ([4 * quarter - 1, 4 * quarter, 1, 1, 1, 1], 2),
        ([1; 6], 6),
    ] {
        let mut rig = Rig::open(&rig::spec(), &[]);
        for size in sizes {
            rig.peer.send(Sent::Binary(vec![0; size]));
        }
        assert_eq!(rig.read(START).0, read, "{sizes:?}");
        let is_cut = read < sizes.len();
        assert_eq!(
            (rig.line.is_readable(), rig.counts(["turns_cut"])),
            (is_cut, [u64::from(is_cut)])
        );
        // Parts that are not messages count alike.
        let mut rig = Rig::open(&rig::spec(), &[]);
        sizes.iter().for_each(|size| rig.peer.send(Sent::Part(*size)));
        assert_eq!(rig.read(START).0, read, "{sizes:?}");
    }
}

#[test]
fn a_turn_ends_with_the_frame_that_exceeds_its_time() {
    let long = BYTES_PER_QUESTION;
    for (size, busy, read) in [
        (long, TIME_PER_TURN, 3),
        (long, TIME_PER_TURN + 1, 2),
        (long / 2, TIME_PER_TURN / 4, 6),
        (long / 2, TIME_PER_TURN / 2 + 1, 4),
        // Short frames are not worth a look at the clock.
        (10, TIME_PER_TURN, 6),
    ] {
        let mut rig = Rig::open(&rig::spec(), &[]);
        rig.ear.busy = Some((busy, rig.clock.clone()));
        (0..6).for_each(|_| rig.peer.send(Sent::Binary(vec![0; size])));
        assert_eq!(rig.read(START).0, read, "{size} bytes, {busy} ns");
        assert_eq!(rig.counts(["turns_cut"]), [u64::from(read < 6)]);
    }
}

#[test]
fn a_message_that_does_not_end_is_a_loss_with_a_reason_of_its_own() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    let mut send = |sent: Sent, after: Nanos| {
        rig.peer.send(sent);
        rig.read(START + after).1.map(|error| rig.line.loss(&error).why)
    };
    assert_eq!(send(Sent::Part(2), 0), None);
    assert_eq!(send(Sent::Control, MESSAGE_WAIT), None);
    assert_eq!(send(Sent::Part(2), MESSAGE_WAIT), None);
    assert_eq!(send(Sent::Text("its end".to_owned()), MESSAGE_WAIT), None);
    assert_eq!(send(Sent::Part(2), 2 * MESSAGE_WAIT), None, "another message");
    assert_eq!(send(Sent::Part(0), 3 * MESSAGE_WAIT), None);
    let why = Some("a message that has not ended 10 s after it began".to_owned());
    assert_eq!(send(Sent::Control, 3 * MESSAGE_WAIT + 1), why);
}

#[test]
fn a_turn_ends_after_its_frames_or_when_the_other_side_has_no_room() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    (0..FRAMES_PER_TURN + 3).for_each(|n| rig.peer.text(&n.to_string()));
    assert!(rig.line.is_readable(), "frames may have come with the upgrade");
    assert_eq!(rig.read(START).0, FRAMES_PER_TURN);
    assert!(rig.line.is_readable());
    rig.ear.room = 2;
    assert_eq!(rig.read(START).0, 2);
    assert_eq!(rig.read(START).0, 0);
    assert!(rig.line.is_readable(), "the rest waits in the socket");
    rig.ear.room = 2;
    assert_eq!(rig.read(START + 7).0, 1);
    assert!(!rig.line.is_readable(), "it is empty");
    let last = format!("{} {}", START + 7, FRAMES_PER_TURN + 2);
    assert_eq!((rig.ear.frames.len(), rig.ear.frames.last()), (FRAMES_PER_TURN + 3, Some(&last)));
    assert_eq!(rig.counts(["frames", "bytes"]), [19, 10 + 9 * 2]);
}

#[test]
fn an_empty_socket_is_read_again_when_somebody_says_that_it_may_have_something() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    rig.line.ask_again();
    assert!(rig.peer.rearmed().is_empty(), "it was known to be readable");
    rig.read(START);
    rig.line.ask_again();
    assert!(rig.line.is_readable());
    rig.read(START);
    rig.line.readable(true);
    assert!(rig.line.is_readable());
    rig.line.readable(false);
    assert_eq!(rig.peer.rearmed(), [false, true, false]);
    drop(rig.line.lose(START));
    rig.line.readable(false);
    rig.line.ask_again();
    assert!(!rig.line.is_readable() && rig.peer.rearmed().is_empty());
}

#[test]
fn a_read_is_acknowledged_and_stamped_once_if_it_gave_bytes() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    rig.peer.stamp(START - 9);
    rig.read(START);
    assert_eq!((rig.peer.acknowledged(), rig.ear.stamps.len()), (0, 0), "nothing was read");
    rig.peer.send(Sent::Control);
    rig.peer.text("one");
    assert_eq!(rig.read(START).0, 2);
    rig.peer.text("two");
    rig.read(START + 1);
    assert_eq!(rig.peer.acknowledged(), 2);
    assert_eq!(rig.ear.stamps, [(START - 9, START)]);
    assert_eq!(rig.counts(["frames", "bytes"]), [2, 8]);
}

#[test]
fn the_frames_before_the_end_are_read_and_an_announced_end_alone_closes_nothing() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    rig.peer.text("closing");
    rig.peer.text("last");
    rig.peer.send(Sent::End(Error::ConnectionClosed));
    rig.ear.answers.push_back(Heard { closing: true, ..Heard::default() });
    let (frames, ended) = rig.read(START);
    assert!(matches!(ended, Some(Error::ConnectionClosed)), "{ended:?}");
    assert_eq!((frames, rig.peer.received()), (2, vec![]));
    assert_eq!(rig.counts(["frames", "bytes"]), [2, 11]);
}

#[test]
fn a_close_of_the_venue_is_the_reason_and_some_codes_ask_for_a_minute() {
    let closed = |code, reason| Some((code, reason));
    for (close, why, floor) in [
        (closed(1000, "bye"), r#"closed by the venue: 1000 "bye""#, 0),
        (closed(1001, ""), "closed by the venue: 1001", 0),
        (
            closed(1008, "Too many requests"),
            r#"closed by the venue: 1008 "Too many requests""#,
            60 * SECOND,
        ),
        (closed(4004, "\x1b[2J\r\n"), r#"closed by the venue: 4004 "\u{1b}[2J\r\n""#, 60 * SECOND),
        (closed(4999, ""), "closed by the venue: 4999", 60 * SECOND),
        (closed(3999, ""), "closed by the venue: 3999", 0),
        (closed(5000, ""), "closed by the venue: 5000", 0),
        (None, "closed by the venue", 0),
    ] {
        let mut rig = Rig::open(&rig::spec(), &[]);
        rig.peer.send(Sent::Close(close));
        rig.peer.send(Sent::End(Error::ConnectionClosed));
        let error = rig.read(START).1.unwrap();
        let loss = rig.line.loss(&error);
        assert_eq!((loss.why.as_str(), loss.reason), (why, Reason::Disconnected));
        let wait = floor + Backoff::new(SEED).wait();
        assert_eq!(rig.line.lose(START).1, wait, "{why}");
        assert!(!rig.asks(START + wait - 1) && rig.asks(START + wait), "{why}");
    }
}

#[test]
fn a_refused_attempt_is_repeated_after_what_it_asks_for_and_the_back_off() {
    let mut rig = Rig::new(&rig::spec());
    let mut waits = Backoff::new(SEED);
    for floor in [300 * SECOND, 0, 60 * SECOND] {
        let wait = floor + waits.wait();
        assert_eq!(rig.line.not_opened(floor, START), wait);
        assert!(!rig.asks(START + wait - 1) && rig.asks(START + wait));
    }
}

#[test]
fn a_socket_that_is_being_closed_is_given_up_after_a_second() {
    let text = || Sent::Text("closing".to_owned());
    for (frames, why) in [
        (vec![Sent::Close(Some((1012, "restart")))], r#"closed by the venue: 1012 "restart""#),
        (vec![Sent::Close(None)], "closed by the venue"),
        (
            vec![text(), Sent::Close(Some((1012, "restart")))],
            r#"closed by the venue: 1012 "restart", as it had announced"#,
        ),
    ] {
        let mut rig = Rig::open(&rig::spec(), &["one"]);
        frames.into_iter().for_each(|frame| rig.peer.send(frame));
        rig.ear.answers.push_back(Heard { closing: true, ..Heard::default() });
        rig.read(START + SECOND);
        // A later frame does not prolong it.
        rig.peer.send(Sent::Control);
        rig.read(START + SECOND + 500 * MILLI);
        rig.peer.received();
        assert_eq!(rig.send_due(START + PING), Vec::<String>::new(), "nothing follows a close");
        assert_eq!(rig.line.check(START + 2 * SECOND), Ok(()));
        let loss = rig.line.check(START + 2 * SECOND + 1).unwrap_err();
        assert_eq!((loss.why.as_str(), loss.reason), (why, Reason::Disconnected));
    }
}

#[test]
fn at_the_end_the_line_closes_and_flushes_and_counts_what_it_read() {
    let mut rig = Rig::open(&rig::spec(), &[]);
    rig.line.close();
    assert_eq!((rig.peer.received(), rig.peer.flushes()), (vec!["<close>".to_owned()], 1));
    assert!(!rig.line.is_open());
    assert_eq!(rig.counts(["disconnects"]), [0], "this end was ours");
}
