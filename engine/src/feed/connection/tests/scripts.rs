//! Scripts of a connection in virtual time: what comes when, and what must go out when.
//!
//! A row is a time in ms, what comes then, and everything that has gone out since the row before,
//! with the turn at that time. Time 0 is one second after the sockets were opened and all symbols
//! subscribed and accepted. What comes is separated by ` | `:
//!
//! * `open 1`, `fail 1`, `spare 1`: the connector's answer to the request of line 1: a socket, an
//!   error, or that the venue's limit is kept for lost lines for another 4 min;
//! * `0: quote A 5`: line 0 brings this frame; `ago=20` in it is an event time 20 ms ago;
//! * `end 0`: line 0 is cut; `control 0`: it brings a ping or a pong;
//! * `held 5000`: our thread does nothing for 5 s before the rest of the row.
//!
//! What goes out is separated by `, `: requests (`ask 1`), records, notices (`!lost: why`), and what
//! line 0 sends (`0< ping`).

use super::*;

const HOUR: Nanos = 3_600 * SECOND;
/// When the sockets were opened.
const START: Nanos = 1_000_000 * SECOND;

/// A time in ms, what comes, and what has gone out.
type Row = (i64, &'static str, &'static str);

/// Figures of a venue and a connection.
struct Setup {
    spec: VenueSpec,
    bounds: Bounds,
    lines: usize,
    symbols: usize,
    /// Time between two turns.
    step: Nanos,
}

/// One line, one symbol, and nothing that time alone brings about.
fn calm() -> Setup {
    let mut spec = rig::spec();
    (spec.heartbeat.interval, spec.heartbeat.dead_after) = (100 * HOUR, 100 * HOUR);
    (spec.repeats_within, spec.lifetime) = (Some(100 * HOUR), None);
    spec.refuses_whole_requests = false;
    let bounds = Bounds { max_age: 100 * HOUR, repeats_within: None, ..rig::bounds() };
    Setup { spec, bounds, lines: 1, symbols: 1, step: STEP }
}

fn two_lines() -> Setup {
    Setup { lines: 2, ..calm() }
}

fn with_rule(mut setup: Setup, rule: SequenceRule) -> Setup {
    setup.spec.sequence = rule;
    setup
}

fn within(setup: Setup, bounds: impl FnOnce(&mut Bounds)) -> Setup {
    let mut setup = setup;
    bounds(&mut setup.bounds);
    setup
}

/// A connection on which a script is played.
struct Play {
    rig: Rig,
    step: Nanos,
    began: Nanos,
    out: Vec<String>,
    /// The roles in which sockets were asked for, in order, and whether as replacements.
    roles: Vec<usize>,
    spare: Vec<bool>,
}

impl Play {
    /// Without any socket; time 0 is now.
    fn new(Setup { spec, bounds, lines, symbols, step }: Setup) -> Play {
        let mut rig = Rig::of(spec, bounds, lines, symbols);
        (rig.now, rig.cold.frames) = (START, None);
        Play { rig, step, began: START, out: Vec::new(), roles: Vec::new(), spare: Vec::new() }
    }

    /// With all lines open and everything subscribed; `accepted` if the venue has answered.
    fn open(setup: Setup, accepted: bool) -> Play {
        let (lines, symbols) = (setup.lines, setup.symbols);
        let mut play = Play::new(setup);
        play.turn();
        for line in 0..lines {
            play.come(&format!("open {line}"));
        }
        while play.rig.now < START + SECOND - STEP {
            play.rig.now += STEP;
            play.turn();
        }
        play.rig.now += STEP;
        let answers: Vec<String> =
            INSTRUMENTS[..symbols].iter().map(|name| format!("accepted {}", &name[..1])).collect();
        for line in (0..lines).filter(|_| accepted) {
            play.come(&format!("{line}: {}", answers.join(";")));
        }
        play.turn();
        play.began = play.rig.now;
        play.out.clear();
        play
    }

    fn come(&mut self, what: &str) {
        let (verb, rest) = what.split_once(' ').unwrap();
        let line = || rest.parse::<usize>().unwrap();
        match verb {
            "open" => self.rig.connect_line(line()),
            "fail" => {
                let Rig { connection, cold, now, .. } = &mut self.rig;
                let error = ConnectError::Upgrade("no route".to_owned());
                connection.not_opened(line(), &error, *now, cold);
            }
            "spare" => {
                let Rig { connection, cold, now, .. } = &mut self.rig;
                let error = ConnectError::Spared { wait: 240 * SECOND };
                connection.not_opened(line(), &error, *now, cold);
            }
            "end" => self.rig.peers[line()].send(Sent::End(Error::ConnectionClosed)),
            "control" => self.rig.peers[line()].send(Sent::Control),
            "held" => {
                self.rig.now += line() as u64 * MILLI;
                let Rig { connection, outlet, now, .. } = &mut self.rig;
                connection.on_held_up(*now, &mut |record| outlet.pass(record));
            }
            line => {
                let line: usize = line.trim_end_matches(':').parse().unwrap();
                self.rig.peers[line].text(&with_times(rest, self.rig.now));
            }
        }
    }

    fn turn(&mut self) {
        self.rig.turn();
        self.collect();
        while self.rig.outlet.is_waiting() {
            self.rig.outlet.has_room();
            let records = self.rig.records();
            self.out.extend(records);
        }
    }

    fn collect(&mut self) {
        for Request { connection, route, is_spare } in self.rig.requests.try_iter() {
            self.spare.push(is_spare);
            self.out.push(format!("ask {}", connection - place(NUMBER, 0)));
            self.roles.push(route - place(NUMBER, 0));
        }
        let records = self.rig.records();
        self.out.extend(records);
        for notice in self.rig.notices.try_iter() {
            self.out.push(format!("!{}", told(notice)));
        }
        for (line, peer) in self.rig.peers.iter().enumerate() {
            self.out.extend(peer.received().into_iter().map(|text| format!("{line}< {text}")));
        }
    }

    /// Turns until a time, which has its own turn still to come.
    fn run_to(&mut self, ms: i64) {
        let until = self.began + ms.unsigned_abs() * MILLI;
        while self.rig.now + self.step < until {
            self.rig.now += self.step;
            self.turn();
        }
        self.rig.now = self.rig.now.max(until);
    }

    /// Plays a row, and returns what went out.
    fn row(&mut self, ms: i64, come: &str) -> String {
        self.run_to(ms);
        come.split(" | ").filter(|what| !what.is_empty()).for_each(|what| self.come(what));
        self.turn();
        std::mem::take(&mut self.out).join(", ")
    }

    #[track_caller]
    fn play(&mut self, rows: &[Row]) {
        for (ms, come, out) in rows {
            assert_eq!(self.row(*ms, come), *out, "at {ms} ms, after {come:?}");
        }
    }
}

/// Plays a script with everything subscribed and accepted.
#[track_caller]
fn play(setup: Setup, rows: &[Row]) {
    Play::open(setup, true).play(rows);
}

fn with_times(text: &str, now: Nanos) -> String {
    let word = |word: &str| match word.strip_prefix("ago=") {
        Some(ms) => format!("at={}", now.cast_signed() - ms.parse::<i64>().unwrap() * 1_000_000),
        None => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn told(notice: Notice) -> String {
    match notice {
        Notice::Opened { .. } => "opened".to_owned(),
        Notice::Lost { why, .. } if why == REPLACED => "replaced".to_owned(),
        Notice::Lost { why, .. } if why == Error::ConnectionClosed.to_string() => "cut".to_owned(),
        Notice::Lost { why, next: Next::In(_), .. } => format!("lost: {why}"),
        Notice::Lost { why, next, .. } => format!("lost: {why}; {next:?}"),
        Notice::Rejected { reason, .. } => format!("rejected {reason}"),
        Notice::Refused { refused: None, .. } => "refused ?".to_owned(),
        Notice::Refused { refused: Some(refused), line: 0, .. } => {
            format!("refused {}", refused.symbol)
        }
        Notice::Refused { refused: Some(refused), line, .. } => {
            format!("refused {} on {line}", refused.symbol)
        }
        Notice::Unheard { instrument, line, is_over, .. } => {
            format!("{} {}heard on {line}", &instrument[..1], if is_over { "" } else { "un" })
        }
        Notice::Health { instrument, state, reason, .. } => {
            format!("{} {state} {reason}", &instrument[..1])
        }
        Notice::Replacing { why, wait: 0, .. } => format!("replacing: {why}"),
        Notice::Replacing { why, wait, .. } => {
            format!("replacing in {}: {why}", duration::in_words(wait))
        }
        Notice::HeldUp { .. } => panic!("a connection does not tell that"),
    }
}

// The socket: heartbeat, silence, pace, back-off.

#[test]
fn a_heartbeat_is_sent_at_its_times() {
    let mut setup = calm();
    setup.spec.heartbeat.interval = PING;
    let rows = [
        (8_995, "", ""),
        (9_000, "", "0< ping"),
        (18_995, "", ""),
        (19_000, "", "0< ping"),
        (29_000, "", "0< ping"),
    ];
    play(setup, &rows);
}

#[test]
fn silence_is_noticed_and_the_line_made_again() {
    let mut setup = calm();
    setup.spec.heartbeat.dead_after = DEAD;
    play(
        setup,
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (20_000, "control 0", ""),
            (45_000, "", ""),
            (45_005, "", "A down silent, !lost: no frame within the venue's limit"),
            (45_050, "", ""),
            (45_260, "", "ask 0"),
            (46_000, "open 0", "A silent subscribed, !opened, 0< subscribe A"),
        ],
    );
}

#[test]
fn a_stall_is_noticed_and_pings_are_no_sign_of_life_for_quotes() {
    let mut setup = within(calm(), |bounds| bounds.max_age = 2 * SECOND);
    (setup.spec.repeats_within, setup.spec.heartbeat.dead_after) = (Some(STALL), DEAD);
    play(
        setup,
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (1_000, "control 0 | 0: pong", ""),
            (2_000, "0: pong", ""),
            (2_005, "", "A stale quiet"),
            (20_000, "control 0", ""),
            (40_000, "0: pong", ""),
            (60_000, "control 0", ""),
            (80_000, "0: other", ""),
            (100_000, "control 0", ""),
            (100_005, "", "A down silent, !lost: alive, but no quote within the limit"),
        ],
    );
}

#[test]
fn subscriptions_are_paced() {
    let mut play = Play::new(Setup { symbols: 3, ..calm() });
    let silent = "A silent subscribed, B silent subscribed, C silent subscribed";
    assert_eq!(play.row(0, ""), "ask 0");
    assert_eq!(play.row(5, "open 0"), format!("{silent}, !opened, 0< subscribe A,B"));
    play.play(&[(300, "", ""), (305, "", "0< subscribe C"), (9_000, "", "")]);
}

#[test]
fn a_failed_connect_is_followed_by_a_wait() {
    let mut play = Play::new(calm());
    play.play(&[
        (0, "", "ask 0"),
        (10_000, "", ""),
        (10_005, "fail 0", "!lost: WebSocket upgrade: no route"),
        (10_050, "", ""),
        (10_260, "", "ask 0"),
    ]);
    // The waits grow until they are a quarter of a minute on average.
    let mut attempts = 1;
    let mut come = "fail 0";
    for at in (11_000..3_611_000).step_by(100) {
        come = if play.row(at, come).contains("ask") { "fail 0" } else { "" };
        attempts += usize::from(!come.is_empty());
    }
    assert!((150..350).contains(&attempts), "{attempts} attempts in an hour");
}

// The end of a line, and its successor.

#[test]
fn a_successor_is_made_before_an_announced_end() {
    play(
        calm(),
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (1_000, "0: closing", "!replacing: the venue announced its end"),
            (1_005, "0: closing", "ask 1"),
            (2_000, "open 1", "!opened, 1< subscribe A"),
            (2_100, "0: quote A 2", "A quote 2"),
            (2_200, "1: quote A 2", ""),
            (2_205, "", "!replaced, 0< <close>"),
            (2_300, "1: quote A 3", "A quote 3"),
            (15_995, "", ""),
            (16_000, "1: closing", "!replacing: the venue announced its end"),
            (16_005, "", "ask 0"),
        ],
    );
}

#[test]
fn a_successor_whose_end_is_announced_as_well_is_replaced_after_it_took_over() {
    play(
        calm(),
        &[
            (
                0,
                "0: quote A 1;closing",
                "A live quote, A quote 1, !replacing: the venue announced its end",
            ),
            (5, "", "ask 1"),
            (10, "open 1", "!opened, 1< subscribe A"),
            (15, "1: closing", "!replacing in 14.9 s: the venue announced its end"),
            (20, "1: closing", ""),
            (105, "1: quote A 1", ""),
            (110, "", "!replaced, 0< <close>"),
            (14_995, "1: closing", ""),
            (15_000, "", "!replacing: the venue announced its end"),
            (15_005, "", "ask 0"),
            // Before there is a successor, it is lost like any other.
            (
                15_200,
                "end 1",
                "A down disconnected, !lost: closed, as the venue had announced; UnderWay",
            ),
            (15_300, "open 0", "A silent subscribed, !opened, 0< subscribe A"),
            (
                15_400,
                "0: quote A 2;closing",
                "A live quote, A quote 2, !replacing in 29.6 s: the venue announced its end",
            ),
            (20_000, "end 0", "A down disconnected, !lost: closed, as the venue had announced"),
        ],
    );
}

#[test]
fn a_venue_that_announces_the_end_of_every_line_is_answered_after_waits_that_grow() {
    for (frame, lines) in [("0: quote A 1;closing", 1), ("0: closing", 2)] {
        let mut play = Play::open(Setup { step: 100 * MILLI, ..Setup { lines, ..calm() } }, true);
        let (mut asked, mut told) = (0, 0);
        let mut out = play.row(0, frame);
        for at in (500..300_000).step_by(500) {
            let come: Vec<String> = out
                .split(", ")
                .filter_map(|what| what.strip_prefix("ask "))
                .map(|line| format!("open {line} | {line}: quote A {at};closing"))
                .collect();
            asked += come.len();
            out = play.row(at, &come.join(" | "));
            told += out.matches('!').count();
        }
        // After 0, 15, 30, 60 and 120 s.
        assert_eq!(asked, 5, "{lines} lines");
        assert!(told <= 5 * 4, "{told} notices");
    }
}

#[test]
fn a_replacement_leaves_the_rest_of_the_venues_limit_until_its_line_is_lost() {
    let mut play = Play::open(calm(), true);
    play.play(&[
        (0, "0: quote A 1;closing", "A live quote, A quote 1, !replacing: the venue announced its end"),
        (5, "", "ask 1"),
        (10, "spare 1", "!lost: no attempt was made: the rest of the venue's limit is kept for lost lines for another 4 min"),
        (100_000, "", ""),
        (100_005, "end 0", "A down disconnected, !lost: closed, as the venue had announced"),
        (100_300, "", "ask 1"),
        (100_305, "open 1", "A silent subscribed, !opened, 1< subscribe A"),
    ]);
    assert_eq!(play.spare, [false, true, false]);
    assert_eq!(play.rig.counts(["connect_failures"]), [0]);
}

#[test]
fn a_venue_that_ends_the_line_before_the_successor_is_up_takes_its_quotes_down() {
    play(
        calm(),
        &[
            (
                0,
                "0: quote A 1;closing",
                "A live quote, A quote 1, !replacing: the venue announced its end",
            ),
            (
                5,
                "end 0",
                "ask 1, A down disconnected, !lost: closed, as the venue had announced; UnderWay",
            ),
            (1_000, "open 1", "A silent subscribed, !opened, 1< subscribe A"),
            (1_005, "1: quote A 2", "A live quote, A quote 2"),
            (9_000, "", ""),
        ],
    );
}

#[test]
fn a_successor_is_in_step_once_it_carries_all_that_is_known_or_after_a_while() {
    let setup = within(Setup { symbols: 2, ..calm() }, |bounds| bounds.max_age = SECOND);
    play(
        setup,
        &[
            (0, "0: quote A 1;quote B 1", "A live quote, A quote 1, B live quote, B quote 1"),
            (
                1_500,
                "0: closing",
                "A stale quiet, B stale quiet, !replacing: the venue announced its end",
            ),
            (1_505, "", "ask 1"),
            (2_000, "open 1", "!opened, 1< subscribe A,B"),
            (2_100, "1: quote A 1", ""),
            (3_000, "0: quote B 2", "B live quote, B quote 2"),
            (3_005, "1: quote A 2", "A live quote, A quote 2"),
            (12_000, "", "B stale quiet, A stale quiet"),
            (12_005, "", "!replaced, 0< <close>"),
        ],
    );
}

#[test]
fn a_line_is_replaced_before_the_venue_ends_it() {
    let mut setup = Setup { step: 100 * MILLI, ..calm() };
    setup.spec.lifetime = Some(24 * HOUR);
    // 19 of 256 parts earlier: the share of this connection's first line; then of its second.
    play(
        setup,
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (79_985_000, "", ""),
            (79_987_000, "", "ask 1, !replacing: its time is nearly over"),
            (79_988_000, "open 1", "!opened, 1< subscribe A"),
            (79_989_000, "1: quote A 1", ""),
            (79_990_000, "", "!replaced, 0< <close>"),
            (79_991_000, "1: quote A 2", "A quote 2"),
        ],
    );
}

#[test]
fn the_second_of_two_announced_ends_is_met_once_there_is_a_place() {
    play(
        two_lines(),
        &[
            (0, "0: quote A 1 | 1: quote A 1", "A live quote, A quote 1"),
            (5, "0: closing | 1: closing", "!replacing: the venue announced its end"),
            (10, "", "ask 2"),
            (1_000, "open 2", "!opened, 2< subscribe A"),
            (1_005, "2: quote A 1", ""),
            (1_010, "", "!replaced, 0< <close>"),
            (1_015, "", "!replacing: the venue announced its end"),
            (1_020, "", "ask 0"),
            (1_100, "1: quote A 2", "A quote 2"),
            (1_200, "open 0", "!opened, 0< subscribe A"),
            (1_205, "0: quote A 2 | 2: quote A 2", ""),
            (1_210, "", "!replaced, 1< <close>"),
            (9_000, "", ""),
        ],
    );
}

#[test]
fn a_successor_takes_the_address_of_the_line_that_it_replaces() {
    let mut play = Play::open(two_lines(), true);
    play.play(&[
        (0, "0: quote A 1 | 1: quote A 1", "A live quote, A quote 1"),
        (5, "1: closing", "!replacing: the venue announced its end"),
        (10, "", "ask 2"),
        (1_000, "open 2", "!opened, 2< subscribe A"),
        (1_005, "2: quote A 1", ""),
        (1_010, "", "!replaced, 1< <close>"),
        (1_015, "0: closing", "!replacing: the venue announced its end"),
        (1_020, "", "ask 1"),
    ]);
    assert_eq!(play.roles, [0, 1, 1, 0]);
}

// What a quote may be.

#[test]
fn an_unreadable_quote_ends_the_picture_until_the_next_readable_one() {
    play(
        calm(),
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (
                100,
                "0: quote A x",
                "A unreadable unreadable, !A unreadable unreadable, !rejected bad_number",
            ),
            (200, "0: quote A x", ""),
            (300, "0: quote A 5", "A live quote, A quote 5"),
            // Told already.
            (400, "0: quote A x", "A unreadable unreadable"),
            (500, "0: quote A 7", "A live quote, A quote 7"),
            (600, "0: quote Z x | 0: quote Z x", "!rejected unknown_symbol"),
            (10_495, "", ""),
            (10_500, "", "!A live quote"),
        ],
    );
}

#[test]
fn a_refined_tick_leaves_nothing_live_and_is_told_once() {
    let mut play = Play::open(calm(), true);
    play.play(&[(0, "0: quote A 1", "A live quote, A quote 1")]);
    let mut out = Vec::new();
    for at in (100..50_000).step_by(100) {
        out.push(play.row(at, "0: quote A x"));
    }
    let out = out.join(", ");
    assert_eq!(out.matches("A unreadable unreadable").count(), 2, "the record and the notice");
    assert_eq!(out.matches("!A").count(), 1);
    assert_eq!(out.matches("!rejected").count(), 1, "the frame that began it");
}

#[test]
fn without_a_side_nothing_is_live() {
    play(
        calm(),
        &[
            (0, "0: quote A 1 bid=0", "A one_sided one_sided, A quote 1, !A one_sided one_sided"),
            (5, "0: quote A 2 ask=0", "A quote 2"),
            (10, "0: quote A 3 bid=0 ask=0", "A one_sided empty, A quote 3, !A one_sided empty"),
            (15, "0: quote A 4", "A live quote, A quote 4"),
            (20, "0: quote A 5 ask=0", "A one_sided one_sided, A quote 5"),
        ],
    );
}

#[test]
fn a_jump_is_not_believed_until_it_is_confirmed() {
    let setup = || within(calm(), |bounds| bounds.max_jump = 0.1);
    let first = (0, "0: quote A 1", "A live quote, A quote 1");
    let jump = (
        100,
        "0: quote A 2 bid=1 ask=2",
        "A unreadable implausible, A quote 2, !A unreadable implausible",
    );
    play(
        setup(),
        &[
            first,
            jump,
            (600, "0: quote A 3 bid=1 ask=2", "A quote 3"),
            (1_095, "0: quote A 4 bid=1 ask=2", "A quote 4"),
            (1_100, "0: quote A 5 bid=1 ask=2", "A live quote, A quote 5"),
        ],
    );
    play(
        setup(),
        &[
            first,
            jump,
            (200, "0: quote A 3 bid=101 ask=102", "A live quote, A quote 3"),
            (1_200, "0: quote A 4 bid=1 ask=2", "A unreadable implausible, A quote 4"),
            (2_300, "0: quote A 5 bid=1 ask=2", "A quote 5"),
        ],
    );
}

#[test]
fn crossed_and_live_by_turns_is_told_once_a_minute_and_its_end_once() {
    let mut play = Play::open(calm(), true);
    let mut told = Vec::new();
    let mut number = 0;
    for at in (0..61_000).step_by(100) {
        number += 2;
        let frame = format!(
            "0: quote A {number} bid=105;quote A {} bid=0;quote A {}",
            number + 1,
            number + 2
        );
        number += 1;
        let out = play.row(at, &frame);
        told.extend(
            out.split(", ").filter(|what| what.starts_with('!')).map(|w| (at, w.to_owned())),
        );
    }
    let crossed = |at| (at, "!A crossed crossed".to_owned());
    let one_sided = |at| (at, "!A one_sided one_sided".to_owned());
    assert_eq!(told, [crossed(0), one_sided(0), crossed(60_000), one_sided(60_000)]);
    play.play(&[
        (70_890, "", ""),
        (70_900, "", "!A live quote"),
        (71_000, "0: quote A 9000 bid=105", "A crossed crossed, A quote 9000, !A crossed crossed"),
    ]);
}

// Age and lag.

#[test]
fn a_line_that_is_old_from_its_beginning_lags() {
    play(
        within(calm(), |bounds| bounds.max_lag = SECOND),
        &[
            (0, "0: quote A 1 ago=60000", "A lagging lag, A quote 1, !A lagging lag"),
            (100, "0: quote A 2 ago=60000", "A quote 2"),
            (200, "0: quote A 3 ago=20", "A live quote, A quote 3"),
            (300, "0: quote A 4 ago=1021", "A lagging lag, A quote 4"),
            (400, "0: quote A 5 ago=1020", "A live quote, A quote 5"),
            (
                500,
                "0: quote A 6 ago=90000000",
                "A unreadable implausible, A quote 6, !A unreadable implausible",
            ),
        ],
    );
}

#[test]
fn the_difference_of_the_clocks_is_no_lag() {
    for skew in [4_000, -4_000] {
        let mut play = Play::open(within(calm(), |bounds| bounds.max_lag = SECOND), true);
        let quote = |number, ago| format!("0: quote A {number} ago={ago}");
        assert_eq!(play.row(0, &quote(1, skew)), "A live quote, A quote 1");
        // A clock that is ahead is believed after three quotes.
        (2..9).for_each(|n| assert_eq!(play.row(0, &quote(n, skew)), format!("A quote {n}")));
        assert_eq!(play.row(5, &quote(10, skew + 900)), "A quote 10");
        let lag = "A lagging lag, A quote 11, !A lagging lag";
        assert_eq!(play.row(10, &quote(11, skew + 1_100)), lag, "skew {skew} ms");
    }
}

#[test]
fn a_time_ahead_makes_no_other_instrument_late() {
    let mut play =
        Play::open(Setup { symbols: 2, ..within(calm(), |bounds| bounds.max_lag = SECOND) }, true);
    play.row(0, "0: quote A 1 ago=20 | 0: quote B 1 ago=20");
    assert_eq!(play.row(5, "0: quote A 2 ago=-4900"), "A quote 2");
    assert_eq!(play.row(10, "0: quote B 2 ago=20 | 0: quote A 3 ago=20"), "B quote 2, A quote 3");
    // Further ahead than clocks may differ, nothing can be said of it.
    let far = "A lagging lag, A quote 4, !A lagging lag";
    assert_eq!(play.row(15, "0: quote A 4 ago=-20000"), far);
    assert_eq!(play.row(20, "0: quote A 5 ago=20"), "A live quote, A quote 5");
}

#[test]
fn a_new_line_is_measured_by_what_is_known_of_the_clocks() {
    let mut play = Play::open(within(calm(), |bounds| bounds.max_lag = SECOND), true);
    play.row(0, "0: quote A 1 ago=20");
    play.row(5, "end 0");
    play.row(2_000, "open 0");
    let out = play.row(2_100, "0: quote A 2 ago=4900");
    assert!(out.contains("A lagging lag, A quote 2"), "{out}");
}

#[test]
fn a_repeated_quote_may_be_of_an_old_time() {
    let setup = within(with_rule(calm(), SequenceRule::IncreasingWithRestarts), |bounds| {
        (bounds.max_lag, bounds.repeats_within) = (SECOND, Some(10 * HOUR));
    });
    play(
        setup,
        &[
            (0, "0: quote A 5 ago=60000", "A live quote, A quote 5"),
            (3_000, "0: quote A 5 ago=63000", "A quote 5"),
            (4_000, "0: quote A 6 ago=60000", "A lagging lag, A quote 6, !A lagging lag"),
        ],
    );
}

#[test]
fn what_waited_while_the_thread_was_held_up_is_live_once_all_of_it_is_read() {
    play(
        calm(),
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (
                1_000,
                "held 5000 | 0: quote A 2 | 0: quote A 3",
                "A lagging held_up, A quote 2, A quote 3, A live quote",
            ),
            (7_000, "held 5000", "A lagging held_up, A live quote"),
        ],
    );
    // More than one turn takes.
    let mut play = Play::open(calm(), true);
    let queued: Vec<String> = (2..30).map(|number| format!("0: quote A {number}")).collect();
    play.row(0, "0: quote A 1");
    let out = play.row(100, &format!("held 5000 | {}", queued.join(" | ")));
    assert_eq!(out.split(", ").next(), Some("A lagging held_up"));
    assert!(!out.contains("live"), "{out}");
    let out = play.row(5_200, "");
    assert!(out.ends_with("A quote 29, A live quote"), "{out}");
}

#[test]
fn what_was_quiet_while_the_thread_was_held_up_is_stale_at_once() {
    play(
        within(calm(), |bounds| bounds.max_age = 2 * SECOND),
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (1_000, "held 5000", "A lagging held_up, A stale quiet"),
        ],
    );
}

#[test]
fn with_two_lines_both_must_be_read_or_lost_before_anything_that_waited_is_live() {
    let mut play = Play::open(two_lines(), true);
    play.row(0, "0: quote A 1 | 1: quote A 1");
    let queued: Vec<String> = (2..19).map(|number| format!("1: quote A {number}")).collect();
    let out = play.row(100, &format!("held 5000 | {} | end 1", queued.join(" | ")));
    assert!(out.starts_with("A lagging held_up, A quote 2") && !out.contains("live"), "{out}");
    let out = play.row(5_105, "");
    assert_eq!(out, "A quote 18, A live quote, !cut");
    // Copies of what the other line brought before are no new numbering, however long they waited.
    let mut play = Play::open(two_lines(), true);
    play.row(0, "0: quote A 1;quote A 2;quote A 3");
    let out = play.row(100, "held 20000 | 1: quote A 1 | 1: quote A 2 | 1: quote A 4");
    assert_eq!(out, "A lagging held_up, A quote 4, A live quote");
    assert_eq!(play.row(20_200, "0: quote A 5"), "A quote 5");
}

#[test]
fn a_line_that_was_opened_waits_for_what_the_other_one_has_not_brought() {
    let begin = || {
        let mut play = Play::open(Setup { symbols: 2, ..two_lines() }, true);
        play.row(0, "0: quote A 1");
        let out = play.row(100, "1: quote A 4;quote B 1 | 1: quote B 2");
        assert_eq!(out, "B live quote, B quote 1", "A is ahead, B is the first one");
        play
    };
    let mut play = begin();
    assert_eq!(play.row(200, "0: quote A 2"), "A quote 2");
    assert_eq!(play.row(300, "0: quote A 3"), "A quote 3");
    assert_eq!(play.row(400, "0: quote A 4"), "A quote 4, B quote 2");
    assert_eq!(play.row(500, "1: quote A 5 | 0: quote A 5"), "A quote 5");
    assert_eq!(play.rig.counts(["discarded.ahead", "discarded.copy"]), [0, 2]);
    // Not for longer than a second: what comes later is older.
    let mut play = begin();
    (2..22).for_each(|tick| assert_eq!(play.row(50 * tick, "0: quote B 1"), ""));
    assert_eq!(play.row(1_095, "0: quote B 1"), "");
    assert_eq!(play.row(1_100, ""), "A quote 4, B quote 2");
    assert_eq!(play.row(1_105, "0: quote A 3 | 0: quote A 5"), "A quote 5");
    // Not for a line that is gone.
    let mut play = begin();
    assert_eq!(play.row(200, "end 0"), "A quote 4, B quote 2, !cut");
    // Its own end is read behind what it brought.
    let mut play = begin();
    assert_eq!(play.row(200, "0: quote A 2 | end 1"), "A quote 2");
    assert_eq!(play.row(300, "0: quote A 4"), "A quote 4, B quote 2, !cut");
}

#[test]
fn a_successor_waits_shortly_for_a_line_that_is_being_replaced_and_brings_nothing() {
    let begin = || {
        let mut play = Play::open(calm(), true);
        play.row(0, "0: quote A 1");
        play.row(100, "0: closing");
        play.row(200, "open 1");
        assert_eq!(play.row(300, "1: quote A 4"), "");
        play
    };
    let mut play = begin();
    assert_eq!(play.row(350, "0: quote A 2"), "A quote 2");
    assert_eq!(play.row(445, ""), "");
    assert_eq!(play.row(450, "").split(", ").next(), Some("A quote 4"));
    let mut play = begin();
    assert_eq!(play.row(395, "0: quote A 4").split(", ").next(), Some("A quote 4"));
}

// Subscriptions.

#[test]
fn a_symbol_that_is_accepted_and_never_quoted_is_told_once_and_asked_for_again() {
    let setup = within(calm(), |bounds| bounds.first_quote = 10 * SECOND);
    play(
        setup,
        &[
            (9_000, "", ""),
            (9_005, "", "A silent no_quote, !A silent no_quote"),
            (9_010, "", "0< unsubscribe A"),
            (9_305, "", ""),
            (9_310, "0: accepted A", "0< subscribe A"),
            (24_005, "", ""),
            (24_010, "", "0< unsubscribe A"),
            (24_310, "0: accepted A", "0< subscribe A"),
            (34_010, "", ""),
            (34_015, "", "!replacing: 1 of 1 instruments give nothing on it: A/USDT"),
            (34_020, "", "ask 1"),
            (54_310, "", ""),
            (55_000, "open 1", "!opened, !replaced, 0< <close>, 1< subscribe A"),
            (56_000, "1: accepted A;quote A 1", "A live quote, A quote 1"),
            (66_000, "", "!A live quote"),
        ],
    );
}

#[test]
fn a_line_of_one_dead_symbol_costs_few_requests_and_a_new_line_an_hour_in_the_end() {
    let setup = within(calm(), |bounds| bounds.first_quote = 10 * SECOND);
    let mut play = Play::open(Setup { step: 100 * MILLI, ..setup }, true);
    let (mut sent, mut replaced, mut told) = (0, 0, 0);
    for at in (1_000..3 * 3_600_000).step_by(1_000) {
        let out = play.row(at, "");
        for what in out.split(", ") {
            if what.starts_with("ask") {
                play.come(&what.replace("ask", "open"));
            } else if what.contains("subscribe A") {
                let line = &what[..1];
                play.come(&format!("{line}: accepted A"));
                sent += 1;
            }
            replaced += usize::from(what == "!replaced");
            told += usize::from(what.starts_with("!A"));
        }
    }
    assert!((3..=12).contains(&replaced), "replaced {replaced} times in three hours");
    assert!(sent <= 60, "{sent} requests in three hours");
    assert_eq!(told, 1);
}

#[test]
fn one_of_two_symbols_that_stops_is_subscribed_anew() {
    let mut setup = Setup { symbols: 2, ..calm() };
    setup.spec.repeats_within = Some(10 * SECOND);
    let setup = within(setup, |bounds| {
        (bounds.max_age, bounds.repeats_within) = (5 * SECOND, Some(10 * SECOND));
    });
    play(
        setup,
        &[
            (0, "0: quote A 1;quote B 1", "A live quote, A quote 1, B live quote, B quote 1"),
            (4_000, "0: quote B 2", "B quote 2"),
            (5_000, "", ""),
            (5_005, "", "A stale quiet"),
            (8_000, "0: quote B 3", "B quote 3"),
            (10_000, "", ""),
            (10_005, "", "A stale no_quote, !A stale no_quote"),
            (10_010, "", "0< unsubscribe A"),
            (10_310, "0: quote B 4", "B quote 4, 0< subscribe A"),
            (11_000, "0: accepted A;quote A 2", "A live quote, A quote 2"),
            (14_000, "0: quote A 3;quote B 5", "A quote 3, B quote 5"),
            (18_000, "0: quote A 4;quote B 6", "A quote 4, B quote 6"),
            (21_000, "", "!A live quote"),
        ],
    );
}

#[test]
fn one_dead_symbol_of_several_costs_no_line() {
    let setup = within(Setup { symbols: 3, step: 100 * MILLI, ..calm() }, |bounds| {
        bounds.first_quote = 10 * SECOND;
    });
    let mut play = Play::open(setup, true);
    let (mut sent, mut replaced) = (0, 0);
    for at in (1_000..3_600_000).step_by(1_000) {
        let out = play.row(at, &format!("0: quote A {at} | 0: quote B {at}"));
        replaced += out.matches("replacing").count();
        sent += out.matches("0< subscribe C").count();
        if out.contains("0< subscribe C") {
            play.come("0: accepted C");
        }
    }
    assert_eq!((replaced, sent), (0, 8));
}

#[test]
fn where_most_symbols_are_silent_the_line_is_replaced_and_nothing_is_asked_again() {
    let setup = within(Setup { symbols: 3, ..calm() }, |bounds| {
        bounds.first_quote = 10 * SECOND;
    });
    play(
        setup,
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (9_000, "", ""),
            (
                9_005,
                "",
                "B silent no_quote, C silent no_quote, !B silent no_quote, !C silent no_quote",
            ),
            (9_010, "", "!replacing: 2 of 3 instruments give nothing on it: B/USDT, C/USDT"),
            (9_015, "", "ask 1"),
            // They begin before there is a new line.
            (15_000, "0: quote B 1;quote C 1", "B live quote, B quote 1, C live quote, C quote 1"),
            (15_100, "open 1", "!opened, 1< subscribe A,B"),
            (15_500, "1: accepted A;accepted B;accepted C", "1< subscribe C"),
            (16_000, "1: quote A 1;quote B 1;quote C 1", ""),
            (16_005, "", "!replaced, 0< <close>"),
            (25_000, "", "!B live quote, !C live quote"),
            (200_000, "", ""),
        ],
    );
}

#[test]
fn symbols_that_begin_one_after_another_are_not_asked_for_again_meanwhile() {
    let setup =
        || within(Setup { symbols: 3, ..calm() }, |bounds| bounds.first_quote = 10 * SECOND);
    let begin = || {
        let mut play = Play::open(setup(), true);
        play.row(0, "0: quote A 1");
        assert!(play.row(9_100, "").contains("replacing: 2 of 3"));
        play.row(9_500, "open 1");
        play.row(9_900, "1: accepted A;accepted B;accepted C;quote A 1");
        // The next replacement has to wait, and most symbols are silent again.
        play.row(19_900, "");
        assert_eq!(play.row(19_995, ""), "");
        assert_eq!(play.row(20_000, "1: quote B 1"), "B live quote, B quote 1");
        play
    };
    let mut play = begin();
    assert_eq!(play.row(20_100, "1: quote C 1"), "C live quote, C quote 1");
    assert_eq!(play.row(60_000, ""), "!B live quote, !C live quote");
    // One that does not follow is asked for.
    let mut play = begin();
    assert_eq!(play.row(24_995, ""), "");
    assert_eq!(play.row(25_010, ""), "1< unsubscribe C");
}

#[test]
fn what_is_quoted_before_its_renewal_can_be_sent_is_left_alone() {
    const RATES: &[Rate] = &[Rate { count: 4, per: 60 * SECOND }];
    let setup = || {
        let mut setup = within(Setup { symbols: 3, ..calm() }, |bounds| {
            bounds.first_quote = 10 * SECOND;
        });
        setup.spec.requests = RATES;
        setup
    };
    // Two requests were needed for the subscription, and two are left.
    let mut play = Play::open(setup(), true);
    play.row(0, "0: quote A 1;quote B 1");
    assert_eq!(play.row(9_305, ""), "C silent no_quote, !C silent no_quote, 0< unsubscribe C");
    play.play(&[
        (9_310, "", "0< subscribe C"),
        (9_400, "0: accepted C", ""),
        // The next would be due at 24 s, but there is no room for both of its halves.
        (50_000, "", ""),
        (50_100, "0: quote C 1", "C live quote, C quote 1"),
        (61_000, "", "!C live quote"),
    ]);
    // One use is free when the first subscription leaves the window, and the second only later.
    let mut play = Play::open(setup(), true);
    play.row(0, "0: quote A 1;quote B 1");
    play.row(9_400, "");
    play.row(9_500, "0: accepted C");
    assert_eq!(play.row(59_200, ""), "");
    let out = play.row(70_000, "");
    assert_eq!(out, "0< unsubscribe C, 0< subscribe C");
}

#[test]
fn a_symbol_is_given_its_time_after_each_request_for_it() {
    let mut setup = within(Setup { symbols: 3, ..calm() }, |bounds| {
        bounds.first_quote = 10 * SECOND;
    });
    setup.spec.refuses_whole_requests = true;
    let mut play = Play::open(setup, false);
    play.play(&[
        (0, "0: accepted 2;quote C 1", "C live quote, C quote 1"),
        (8_000, "0: refused 1", "!refused ?"),
        (8_005, "", "0< subscribe A"),
        (8_305, "0: refused A", "A refused refused, !refused A, 0< subscribe B"),
        (8_310, "0: accepted B", ""),
        // Ten seconds after the request, and not after the line was opened.
        (18_300, "", ""),
        (18_310, "", "B silent no_quote, !B silent no_quote"),
        (18_320, "", "0< unsubscribe B"),
    ]);
}

#[test]
fn a_symbol_that_one_line_does_not_bring_is_told_once_and_asked_for_again_there() {
    let setup = within(Setup { symbols: 3, ..two_lines() }, |bounds| {
        bounds.first_quote = 10 * SECOND;
    });
    let mut play = Play::open(setup, true);
    play.row(0, "0: quote A 1;quote B 1;quote C 1 | 1: quote A 1;quote C 1");
    let mut sent = Vec::new();
    let mut told = Vec::new();
    for at in (1_000..40_000).step_by(1_000) {
        let out = play.row(at, &format!("0: quote A {at};quote B {at};quote C {at}"));
        sent.extend(
            out.split(", ").filter(|w| w.contains("subscribe")).map(|w| (at, w.to_owned())),
        );
        told.extend(out.split(", ").filter(|w| w.starts_with('!')).map(|w| (at, w.to_owned())));
        if out.contains("1< subscribe B") {
            play.come("1: accepted B");
        }
    }
    let times =
        |what: &str| sent.iter().filter(|(_, w)| w == what).map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(times("1< subscribe B"), [10_000, 25_000]);
    assert_eq!(times("1< unsubscribe B"), [10_000, 25_000]);
    assert_eq!(sent.len(), 4, "{sent:?}");
    assert_eq!(told, [(10_000, "!B unheard on 1".to_owned())]);
    assert_eq!(play.row(41_000, "1: quote B 39000"), "");
    assert_eq!(play.row(41_100, ""), "!B heard on 1");
}

#[test]
fn what_one_line_refuses_is_refused_when_the_other_is_lost_and_asked_for_again() {
    play(
        Setup { symbols: 2, ..two_lines() },
        &[
            (
                0,
                "0: quote A 1;quote B 1 | 1: quote A 1",
                "A live quote, A quote 1, B live quote, B quote 1",
            ),
            (5, "1: refused B", "!refused B on 1"),
            (100, "end 0", "B refused refused, !cut"),
            (1_000, "", "ask 0"),
            (15_005, "", "1< subscribe B"),
            (15_100, "1: accepted B;quote B 2", "B silent subscribed, B live quote, B quote 2"),
            (25_100, "", "!B live quote"),
        ],
    );
}

#[test]
fn a_line_on_which_everything_stops_is_replaced_soon_whatever_its_pings_do() {
    let mut setup = Setup { symbols: 2, ..calm() };
    setup.spec.repeats_within = None;
    let mut play = Play::open(setup, true);
    for at in 0..40 {
        play.row(at * 100, &format!("0: quote A {};quote B {}", at + 1, at + 1));
    }
    play.play(&[
        (10_000, "control 0", ""),
        (28_900, "0: pong", ""),
        (28_905, "", "ask 1, !replacing: alive, but no quote for 25 s"),
        (29_000, "open 1", "!opened, 1< subscribe A,B"),
        (29_100, "1: quote A 50;quote B 50", ""),
        (29_200, "", "A quote 50, B quote 50"),
        (29_205, "", "!replaced, 0< <close>"),
        (40_000, "", ""),
    ]);
}

#[test]
fn a_refused_symbol_alone_is_asked_for_again_after_waits_that_grow() {
    play(
        Setup { symbols: 3, ..calm() },
        &[
            (0, "0: quote A 1;refused B", "A live quote, A quote 1, B refused refused, !refused B"),
            (100, "0: refused C", "C refused refused, !refused C"),
            (14_995, "", ""),
            (15_000, "", "0< subscribe B"),
            (15_300, "0: refused B;accepted C", "C silent subscribed, 0< subscribe C"),
            (45_295, "", ""),
            (45_300, "", "0< subscribe B"),
            (45_400, "0: quote B 1;quote C 1", "B live quote, B quote 1, C live quote, C quote 1"),
            (55_400, "", "!B live quote, !C live quote"),
            (600_000, "", ""),
        ],
    );
}

#[test]
fn a_refused_symbol_is_put_off_on_a_new_socket_as_well() {
    let mut play = Play::open(Setup { symbols: 2, ..calm() }, true);
    play.play(&[
        (0, "0: refused B", "B refused refused, !refused B"),
        (100, "end 0", "A down disconnected, B down disconnected, !cut"),
        (1_000, "", "ask 0"),
        (1_005, "open 0", "A silent subscribed, B refused refused, !opened, 0< subscribe A"),
        (14_995, "", ""),
        (15_000, "", "0< subscribe B"),
    ]);
}

#[test]
fn of_a_request_refused_as_a_whole_the_good_symbols_are_asked_for_again_at_once() {
    let setup = || {
        let mut setup = Setup { symbols: 3, ..calm() };
        setup.spec.refuses_whole_requests = true;
        setup
    };
    let mut named = Play::open(setup(), false);
    named.play(&[
        (0, "0: accepted 2;refused B", "B refused refused, !refused B"),
        (5, "", "0< subscribe A"),
        (14_995, "0: accepted A", ""),
        (15_000, "", "0< subscribe B"),
    ]);
    let mut unnamed = Play::open(setup(), false);
    unnamed.play(&[
        (0, "0: accepted 2;refused 1", "!refused ?"),
        (5, "", "0< subscribe A"),
        (305, "", "0< subscribe B"),
        (2_000, "0: accepted 3;refused 4", "B refused refused, !refused B"),
        (16_995, "", ""),
        (17_000, "", "0< subscribe B"),
    ]);
}

#[test]
fn what_is_not_answered_is_asked_again_after_waits_that_grow() {
    let mut play = Play::open(Setup { symbols: 3, ..calm() }, false);
    play.play(&[
        (0, "0: quote A 1;accepted 2", "A live quote, A quote 1"),
        (59_000, "", ""),
        (59_010, "", "0< subscribe B"),
        (179_000, "", ""),
        (179_020, "", "0< subscribe B"),
        (200_000, "0: accepted B", ""),
        (900_000, "", ""),
    ]);
}

// Numbers.

#[test]
fn a_number_that_fell_is_a_gap_until_the_next_shows_whether_the_venue_restarted() {
    let gap = "A gap out_of_order, !A gap out_of_order";
    play(
        calm(),
        &[
            (0, "0: quote A 9", "A live quote, A quote 9"),
            (5, "0: quote A 1", gap),
            (10, "0: quote A 2", ""),
            (12, "0: quote A 3", "A live quote, A quote 3"),
            (20, "0: quote A 2", "A gap out_of_order"),
            (25, "0: quote A 4", "A live quote, A quote 4"),
            (30, "0: quote A 4", ""),
        ],
    );
}

#[test]
fn an_announced_restart_is_no_hole() {
    play(
        with_rule(calm(), SequenceRule::SnapshotsAndChanges),
        &[
            (0, "0: quote A 7", "A live quote, A quote 7"),
            (5, "0: restart A 1", "A quote 1"),
            (10, "0: change A 2", "A quote 2"),
            (15, "0: change A 4", "A gap sequence_gap, !A gap sequence_gap"),
            (20, "0: restart A 9", "A live quote, A quote 9"),
            (25, "0: restart A 20;change A 21", "A quote 20, A quote 21"),
            (30, "0: restart A 3;change A 4", "A quote 3, A quote 4"),
        ],
    );
    // A line that has not come there yet is behind, although its numbers are higher.
    play(
        with_rule(two_lines(), SequenceRule::IncreasingWithRestarts),
        &[
            (0, "0: quote A 5 | 1: quote A 5", "A live quote, A quote 5"),
            (5, "0: restart A 9", "A quote 9"),
            (10, "1: quote A 10", ""),
            (15, "0: quote A 10", "A quote 10"),
        ],
    );
}

// Two lines.

#[test]
fn the_first_copy_wins_and_a_lost_line_loses_nothing() {
    play(
        two_lines(),
        &[
            (0, "0: quote A 1", "A live quote, A quote 1"),
            (5, "1: quote A 1", ""),
            (10, "1: quote A 2", "A quote 2"),
            (15, "0: quote A 2", ""),
            (20, "0: quote A 5", "A quote 5"),
            // The last quotes of a lost line never overtake newer ones.
            (25, "1: quote A 3 | 1: quote A 4 | end 1", "!cut"),
            (30, "0: quote A 6", "A quote 6"),
            (1_000, "", "ask 1"),
            (1_005, "open 1", "!opened, 1< subscribe A"),
            (1_010, "1: quote A 4", ""),
            (1_015, "1: quote A 6", ""),
            (1_020, "1: quote A 7", "A quote 7"),
            (1_025, "end 0", "!cut"),
            (1_030, "1: quote A 8", "A quote 8"),
            (1_035, "end 1", "A down disconnected, !cut"),
        ],
    );
}

#[test]
fn both_lines_lost_at_once_are_down_once() {
    play(
        two_lines(),
        &[
            (0, "0: quote A 5", "A live quote, A quote 5"),
            (5, "end 0 | end 1", "A down disconnected, !cut, !cut"),
            (1_000, "", "ask 0, ask 1"),
            (1_005, "open 1", "A silent subscribed, !opened, 1< subscribe A"),
            (1_010, "open 0", "!opened, 0< subscribe A"),
            (1_015, "1: quote A 1", "A live quote, A quote 1"),
        ],
    );
}

#[test]
fn a_restart_that_one_line_sees_first_leaves_the_other_behind_until_it_sees_it() {
    play(
        two_lines(),
        &[
            (0, "0: quote A 100 | 1: quote A 100", "A live quote, A quote 100"),
            (5, "1: quote A 1", "A gap out_of_order, !A gap out_of_order"),
            (10, "1: quote A 2", ""),
            (12, "1: quote A 3", "A live quote, A quote 3"),
            (15, "0: quote A 101", ""),
            (20, "0: quote A 1;quote A 2", ""),
            (25, "0: quote A 3", ""),
            (30, "0: quote A 4", "A quote 4"),
        ],
    );
    play(
        with_rule(two_lines(), SequenceRule::IncreasingWithRestarts),
        &[
            (0, "0: quote A 100 | 1: quote A 100", "A live quote, A quote 100"),
            (5, "1: quote A 1", "A quote 1"),
            (10, "0: quote A 101", ""),
            (15, "0: quote A 1", ""),
            (20, "0: quote A 2", "A quote 2"),
        ],
    );
}

#[test]
fn a_line_whose_first_quote_comes_after_a_restart_is_in_the_new_numbering() {
    play(
        with_rule(two_lines(), SequenceRule::IncreasingWithRestarts),
        &[
            (0, "0: quote A 100", "A live quote, A quote 100"),
            (5, "0: quote A 1", "A quote 1"),
            (10, "1: quote A 1", ""),
            (15, "1: quote A 2", "A quote 2"),
            (20, "end 0", "!cut"),
            (25, "1: quote A 3", "A quote 3"),
        ],
    );
}

#[test]
fn a_hole_on_one_line_is_filled_by_the_other() {
    play(
        with_rule(two_lines(), SequenceRule::SnapshotsAndChanges),
        &[
            (0, "0: quote A 1 | 1: quote A 1", "A live quote, A quote 1"),
            (5, "0: change A 3", ""),
            (10, "1: change A 2", "A quote 2"),
            (15, "1: change A 3", "A quote 3"),
            (20, "0: change A 4", "A quote 4"),
            (25, "1: change A 4", ""),
            // Nobody is left to fill it.
            (30, "0: change A 6", ""),
            (35, "end 1", "A gap sequence_gap, !cut"),
            (40, "", "!A gap sequence_gap"),
            (45, "0: quote A 7", "A live quote, A quote 7"),
        ],
    );
}

#[test]
fn without_numbers_a_copy_is_known_by_its_content() {
    play(
        two_lines(),
        &[
            (0, "0: quote A - ago=10", "A live quote, A quote at 100"),
            (0, "1: quote A - ago=10", ""),
            (100, "1: quote A - bid=99 ago=10", "A quote at 99"),
            (100, "0: quote A - bid=99 ago=10", ""),
            (200, "0: quote A - bid=98 ago=10", "A quote at 98"),
            // Older than the last one, and late.
            (250, "1: quote A - bid=97 ago=100", ""),
            (300, "1: quote A - bid=98 ago=10", "A quote at 98"),
        ],
    );
}
