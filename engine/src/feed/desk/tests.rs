//! What a desk makes of frames and times; whole connections are in `connection/tests`.

use super::*;
use crate::feed::rig::{self, INSTRUMENTS, in_words};
use crate::runtime::ring::{self, EdgeCounters};
use crossbeam::channel::{self, Receiver};
use spreadwire_market::clock::Clock;
use spreadwire_market::counters::Counters;

const MAX_AGE: Nanos = 2 * SECOND;

/// A desk for A, B and C, and what comes out of it.
struct Rig {
    desk: Desk,
    outlet: Outlet,
    records: ring::Receiver,
    notices: Sender<Notice>,
    noticed: Receiver<Notice>,
    stopwatch: Stopwatch,
    event: Stopwatch,
    counters: Counters,
}

impl Rig {
    fn new() -> Rig {
        Rig::of(&rig::spec())
    }

    fn of(spec: &VenueSpec) -> Rig {
        let counters = Counters::default();
        let names = INSTRUMENTS.map(str::to_owned);
        let desk_counters = DeskCounters::new(
            |name: &str| counters.register(name),
            &names,
            counters.register("notices_dropped"),
        );
        let (venue, symbols, bounds) = ((VenueId(4), 1), rig::symbols(), rig::bounds());
        let desk = Desk::new(venue, spec, symbols, bounds, names.to_vec(), desk_counters);
        let (edge, records) = ring::hold(64, EdgeCounters::default());
        let (notices, noticed) = channel::bounded(2);
        let stopwatch = Stopwatch::alone("stage", Clock::manual(0));
        let outlet = Outlet::new(edge);
        let event = Stopwatch::alone("event", Clock::manual(0));
        Rig { desk, outlet, records, notices, noticed, stopwatch, event, counters }
    }

    fn frame_on(&mut self, line: usize, text: &str, now: Nanos) -> Heard {
        let Rig { outlet: output, notices, stopwatch, event, .. } = self;
        let mut out = Out { output, notices, stopwatch, event };
        self.desk.on_frame(line, RawFrame::Text(text.as_bytes()), now, &mut out)
    }

    fn frame(&mut self, frame: RawFrame<'_>, now: Nanos) -> Heard {
        let Rig { outlet: output, notices, stopwatch, event, .. } = self;
        self.desk.on_frame(0, frame, now, &mut Out { output, notices, stopwatch, event })
    }

    fn open(&mut self, now: Nanos) -> Vec<String> {
        let Rig { desk, outlet, .. } = self;
        desk.open(0, now, &mut |record| outlet.pass(record))
    }

    fn asked(&mut self, now: Nanos) -> Vec<String> {
        self.desk.ask_again(0, true, now, &self.notices)
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
            Notice::Rejected { venue: VenueId(4), reason, sample, .. } => {
                format!("rejected {reason}: {}", String::from_utf8_lossy(&sample))
            }
            Notice::Refused { venue: VenueId(4), connection: 1, line: 0, refused, sample } => {
                let words = |r: Refused| format!("{} ({})", r.instrument, r.symbol);
                let refused = refused.map(words);
                format!("refused {refused:?}: {}", String::from_utf8_lossy(&sample))
            }
            Notice::Health { venue: VenueId(4), instrument, state, reason } => {
                format!("{instrument} {state} {reason}")
            }
            other @ (Notice::Opened { .. }
            | Notice::Lost { .. }
            | Notice::Health { .. }
            | Notice::HeldUp { .. }
            | Notice::Replacing { .. }
            | Notice::Rejected { .. }
            | Notice::Unheard { .. }
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
    assert_eq!(rig.open(1), ["subscribe A,B", "subscribe C"]);
    let silent = ["A silent subscribed", "B silent subscribed", "C silent subscribed"];
    assert_eq!(rig.records(), silent);
    let quote = Heard { quote: true, ..Heard::default() };
    assert_eq!(rig.text("accepted;quote A 5;quote B 7;quote A 6;pong;other", 10), quote);
    let wanted = ["A live quote", "A quote 5", "B live quote", "B quote 7", "A quote 6"];
    assert_eq!(rig.records(), wanted);
    assert_eq!(rig.text("fast quote A 7", 11), quote);
    assert_eq!(rig.records(), ["A quote 7"]);
    assert_eq!(rig.text("pong", 12), Heard::default());
    assert_eq!(rig.text("closing", 13), Heard { closing: true, ..Heard::default() });
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
    assert_eq!(rig.notices(), [told, "A/USDT unreadable unreadable".to_owned()]);
    assert_eq!(rig.frame(RawFrame::Binary(b"?"), 10 + SECOND), Heard::default());
    assert_eq!(rig.notices(), ["rejected binary: ?"]);
    let oversized = " ".repeat(FRAME_MAX + 1);
    assert_eq!(rig.text(&oversized, 11 + SECOND), Heard::default());
    rig.desk.on_oversized();
    let names = ["unknown_message", "unknown_symbol", "bad_number", "binary", "oversized"];
    let names = names.map(|name| format!("rejected.{name}"));
    assert_eq!(rig.counts(names.each_ref().map(String::as_str)), [1, 1, 1, 1, 2]);
    rig.text("quote A 1", 12 + SECOND);
    let wanted = ["A unreadable unreadable", "A live quote", "A quote 1"];
    assert_eq!(rig.records(), wanted, "it goes on");
    assert_eq!(rig.counts(["unreadable"]), [1]);
}

#[test]
fn a_notice_for_which_the_log_has_no_room_is_counted() {
    let mut rig = Rig::new();
    (0..5).for_each(|n| assert_eq!(rig.text("nonsense", n * SECOND), Heard::default()));
    assert_eq!((rig.notices().len(), rig.counts(["notices_dropped"])), (2, [1]));
}

#[test]
fn samples_of_what_goes_on_are_told_less_and_less_often() {
    let mut rig = Rig::new();
    let told = |rig: &mut Rig, second: u64| {
        rig.text("nonsense", second * SECOND);
        rig.notices().len()
    };
    let at: Vec<u64> = (1_000..1_300).filter(|second| told(&mut rig, *second) == 1).collect();
    let waits = [0, 1, 3, 7, 15, 31, 63, 127, 191, 255];
    assert_eq!(at, waits.map(|wait| 1_000 + wait));
    let again = (1_400..1_404).filter(|second| told(&mut rig, *second) == 1);
    assert_eq!(again.collect::<Vec<_>>(), [1_400, 1_401, 1_403], "after a pause it begins anew");
}

#[test]
fn a_damaged_frame_ends_the_pictures_of_the_symbols_that_it_names() {
    let mut rig = Rig::new();
    rig.text("quote A 1;quote B 1;quote C 1", 10);
    rig.records();
    rig.frame(RawFrame::Binary(br#"{"u":2,"s":"A","b":"90.5","c":"1"#), 11);
    assert_eq!(rig.records(), ["A unreadable unreadable"]);
    // What the venue does not document is no quote.
    rig.text("nonsense about B", 12);
    assert_eq!(rig.records(), [""; 0]);
    rig.text("quote A 2", 13);
    assert_eq!(rig.records(), ["A live quote", "A quote 2"]);
}

#[test]
fn what_a_misfit_needs_is_told_of_each_instrument() {
    let mut rig = Rig::new();
    rig.text("quote A 1;quote B 1", 10);
    rig.notices();
    let misfits = |rig: &mut Rig, text: &str, at: Nanos| {
        rig.text(text, at);
        let misfit = |notice| {
            let Notice::Rejected { misfit, .. } = notice else { return None };
            misfit.map(|it| (it.name, it.frame))
        };
        rig.noticed.try_iter().filter_map(misfit).collect::<Vec<_>>()
    };
    for (frame, name, at) in [("quote A fine", "A/USDT", 11), ("quote B fine", "B/USDT", 12)] {
        let wanted = (name.to_owned(), frame.as_bytes().into());
        assert_eq!(misfits(&mut rig, frame, at), [wanted], "one after the other");
        assert_eq!(misfits(&mut rig, frame, at), [], "once");
    }
    let long = format!("quote C fine {}", "x".repeat(misfit::FRAME_MAX));
    assert_eq!(misfits(&mut rig, &long, 13), []);
}

#[test]
fn a_refused_symbol_is_down_and_told_once_unless_it_gives_quotes() {
    let mut rig = Rig::new();
    rig.text("quote A 1", 1);
    rig.records();
    assert_eq!(rig.text("refused B", 10), Heard::default());
    assert_eq!(rig.records(), ["B refused refused"]);
    assert_eq!(rig.notices(), [r#"refused Some("B/USDT (B)"): refused B"#]);
    rig.text("refused B", 11);
    rig.text("refused A", 12);
    assert_eq!((rig.records(), rig.notices()), (vec![], vec![]));
    rig.text("refused", 10 + SECOND);
    assert_eq!((rig.records(), rig.notices()), (vec![], vec!["refused None: refused".into()]));
    assert_eq!(rig.counts(["refused"]), [4]);
}

#[test]
fn a_refused_symbol_alone_is_asked_for_again_after_waits_that_grow_to_an_hour() {
    let mut rig = Rig::new();
    rig.open(0);
    rig.text("quote A 1;quote C 1;refused B", 1);
    let nothing = Vec::<String>::new();
    let mut now = 1;
    for wait in [15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
        assert_eq!(rig.asked(now + wait * SECOND - 1), nothing);
        now += wait * SECOND;
        assert_eq!(rig.asked(now), ["subscribe B"]);
        assert_eq!(rig.asked(now + 1), nothing, "once");
        rig.text("refused B", now);
    }
}

#[test]
fn a_scoreboard_shows_which_line_wins_by_how_much() {
    let mut rig = Rig::new();
    rig.open(1);
    rig.desk.open(1, 1, &mut |_| {});
    for (line, text, now, is_well) in [
        (0, "quote A 1", 10, true),
        (1, "quote A 1", 17, true),
        (1, "quote A 2;quote A 3", 20, true),
        // A copy of one before the last says nothing about the delay.
        (0, "quote A 2", 23, true),
        (0, "quote A 3", 25, true),
        (0, "quote A 3", 26, true),
        (1, "quote A 3", 27, false),
    ] {
        assert_eq!(rig.frame_on(line, text, now).quote, is_well, "{text} at {now}");
    }
    let counts = |line: usize| {
        let names = ["won", "copies", "behind_ns"].map(|name| format!("line.{line}.{name}"));
        rig.counts(names.each_ref().map(String::as_str))
    };
    assert_eq!((counts(0), counts(1)), ([1, 2, 5 + 6], [2, 1, 7]));
}

#[test]
fn quotes_grow_stale_and_a_lost_line_takes_every_instrument_down_once() {
    let mut rig = Rig::new();
    rig.text("quote A 1;quote B 1", 10);
    rig.text("quote B 2", 11);
    rig.records();
    let mut told = Vec::new();
    let notices = rig.notices.clone();
    rig.desk.on_time(10 + MAX_AGE, &notices, &mut |record| told.push(in_words(&record)));
    assert_eq!((told.as_slice(), rig.counters.expect("live")), (&[][..], 2));
    rig.desk.on_time(11 + MAX_AGE, &notices, &mut |record| told.push(in_words(&record)));
    assert_eq!((told.join(", ").as_str(), rig.counters.expect("live")), ("A stale quiet", 1));
    for _ in 0..2 {
        rig.desk.on_lost(0, Reason::Silent, 20, &mut |record| told.push(in_words(&record)));
    }
    assert_eq!(told[1..], ["A down silent", "B down silent", "C down silent"]);
    rig.desk.on_time(12 + MAX_AGE, &notices, &mut |_| panic!("nothing has changed"));
    assert_eq!(rig.counters.expect("live"), 0);
}

fn zipped(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

#[test]
fn compressed_frames_are_read_and_one_that_cannot_be_ends_what_it_may_have_been_about() {
    let mut rig = Rig::of(&VenueSpec { frames: Frames::Gzip, ..rig::spec() });
    rig.open(1);
    rig.records();
    let good = zipped("quote A 5;quote B 7;ping;welcome 9");
    let heard = rig.frame(RawFrame::Binary(&good), 10);
    let expected =
        Heard { quote: true, closing: false, ping: true, welcome: Some(Some(9 * SECOND)) };
    assert_eq!(heard, expected);
    assert_eq!(rig.desk.pong(0), "pong of ours");
    assert_eq!(rig.records(), ["A live quote", "A quote 5", "B live quote", "B quote 7"]);
    assert!(rig.text("quote A 6", 11).quote, "plain text is read as well");
    rig.records();
    assert_eq!(rig.frame(RawFrame::Binary(&good[..good.len() - 1]), 12), Heard::default());
    let ended = ["A unreadable unreadable", "B unreadable unreadable", "C unreadable unreadable"];
    assert_eq!(rig.records(), ended, "it may have been a quote of any symbol");
    let bomb = zipped(&" ".repeat(FRAME_MAX + 1));
    assert_eq!(rig.frame(RawFrame::Binary(&bomb), 13), Heard::default());
    assert_eq!(rig.counts(["rejected.not_gzip", "rejected.bomb", "rejected.binary"]), [1, 1, 0]);
    // The next frame is read like any other.
    rig.frame(RawFrame::Binary(&zipped("quote A 7")), 14);
    assert_eq!(rig.records(), ["A live quote", "A quote 7"]);
}

#[test]
fn a_venue_may_send_its_text_in_binary_frames() {
    let mut rig = Rig::of(&VenueSpec { frames: Frames::Either, ..rig::spec() });
    rig.open(1);
    rig.records();
    assert!(rig.frame(RawFrame::Binary(b"quote A 5"), 10).quote && rig.text("quote A 6", 11).quote);
    assert_eq!(rig.records(), ["A live quote", "A quote 5", "A quote 6"]);
}
