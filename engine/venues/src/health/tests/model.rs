//! Random histories of an instrument on up to three lines.
//!
//! [`Model`] says what the state must be after a history. It is written from the definition: it keeps
//! everything that each line has brought and everything that was passed on, and knows nothing of the
//! machine. [`Venue`] is the other side: it knows the true order of its pictures, and each line brings
//! them late, with holes and damage.

use super::*;
use crate::venue::Side;
use proptest::prelude::*;
use spreadwire_market::clock::{MILLI, SECOND};
use std::collections::VecDeque;

const MAX_AGE: Nanos = 2 * SECOND;
const FIRST_QUOTE: Nanos = 4 * SECOND;
const REPEATS: Nanos = 5 * SECOND;
/// No line is late by more than this.
const LATE: Nanos = 10 * SECOND;
/// A line that brought nothing for this time, while another one did, does not carry it.
const DEAF: Nanos = 10 * SECOND;
/// Nor by more than this, if it was open before the last quote came.
const LATE_IF_OPEN: Nanos = 60 * SECOND;
const RULES: [SequenceRule; 3] = [
    SequenceRule::Increasing,
    SequenceRule::IncreasingWithRestarts,
    SequenceRule::SnapshotsAndChanges,
];

fn bounds() -> Bounds {
    Bounds { first_quote: FIRST_QUOTE, repeats_within: Some(REPEATS), ..Bounds::of_age(MAX_AGE) }
}

/// Something that happens to an instrument.
#[derive(Clone, Copy, Debug)]
enum Event {
    Open(usize),
    Lose(usize),
    Refuse(usize),
    Quote { line: usize, held_up: bool, message: QuoteMessage },
    Unreadable,
    Time,
    HeldUp,
    CaughtUp,
}

/// A quote that was passed on.
#[derive(Clone, Copy, Debug)]
struct Passed {
    number: u64,
    /// `None` once that line is closed.
    line: Option<usize>,
    at: Nanos,
    sides: [(i64, i64); 2],
}

/// A number that a line brought, in the numbering that the line is in.
#[derive(Clone, Copy, Debug)]
struct Brought {
    numbering: u32,
    number: u64,
    /// Whether no change is missing on the line up to this one.
    whole: bool,
}

/// What the state must be.
struct Model {
    rule: SequenceRule,
    state: (State, Reason),
    /// By line: what it brought since it was opened; `None` if it is closed.
    lines: [Option<Vec<Brought>>; LINES_MAX],
    /// By line: lower numbers that increase, which the next ones may confirm.
    doubts: [Vec<u64>; LINES_MAX],
    /// By line: when it was opened; 0 if it was not.
    opened_at: [Nanos; LINES_MAX],
    /// By line: whether it was opened and has not yet been in step with the others.
    joining: [bool; LINES_MAX],
    /// By line: the numbering of its first message since then.
    begun: [Option<u32>; LINES_MAX],
    /// By line: whether it has brought anything since then.
    heard: [bool; LINES_MAX],
    /// All that was passed on since the instrument was last down.
    passed: Vec<Passed>,
    /// Numbering of the last one that was passed on.
    numbering: u32,
    /// Whether the last one that was passed on is the present picture.
    known: bool,
    lost: bool,
    subscribed_at: Nanos,
    is_quoted: bool,
}

/// What is passed on: bits and sides.
type Picture = (u8, [(i64, i64); 2]);

impl Model {
    fn new(rule: SequenceRule) -> Model {
        Model {
            rule,
            state: (State::Down, Reason::Disconnected),
            lines: [None, None, None],
            doubts: Default::default(),
            opened_at: [0; LINES_MAX],
            joining: [false; LINES_MAX],
            begun: [None; LINES_MAX],
            heard: [false; LINES_MAX],
            passed: Vec::new(),
            numbering: 0,
            known: false,
            lost: false,
            subscribed_at: 0,
            is_quoted: false,
        }
    }

    /// The state after a history, and what the last event passed on.
    fn after(rule: SequenceRule, history: &[(Nanos, Event)]) -> (Model, Option<Picture>) {
        let mut model = Model::new(rule);
        let mut picture = None;
        for (at, event) in history {
            picture = model.step(*at, *event);
        }
        (model, picture)
    }

    fn step(&mut self, now: Nanos, event: Event) -> Option<Picture> {
        match event {
            Event::Open(line) => {
                self.lines[line] = Some(Vec::new());
                self.doubts[line].clear();
                (self.joining[line], self.begun[line]) = (true, None);
                (self.opened_at[line], self.heard[line]) = (now, false);
                (self.subscribed_at, self.is_quoted) = (now, false);
                if [State::Down, State::Refused].contains(&self.state.0) {
                    self.state = (State::Silent, Reason::Subscribed);
                }
            }
            Event::Lose(line) => self.close(line, (State::Down, Reason::Disconnected)),
            Event::Refuse(line) => self.close(line, (State::Refused, Reason::Refused)),
            Event::Quote { line, held_up, message } => {
                return self.quote(line, held_up, &message, now);
            }
            Event::Unreadable => {
                (self.known, self.lost) = (false, true);
                self.state = (State::Unreadable, Reason::Unreadable);
            }
            Event::Time => self.time(now),
            Event::HeldUp if self.state.0 == State::Live => {
                self.state = (State::Lagging, Reason::HeldUp);
            }
            Event::HeldUp => {}
            Event::CaughtUp if self.state == (State::Lagging, Reason::HeldUp) && self.known => {
                self.state = match MAX_AGE < self.age(now) {
                    true => (State::Stale, Reason::Quiet),
                    false => (State::Live, Reason::Quote),
                };
            }
            Event::CaughtUp => {}
        }
        None
    }

    fn age(&self, now: Nanos) -> Nanos {
        now - self.passed.last().map_or(0, |last| last.at)
    }

    fn time(&mut self, now: Nanos) {
        let overdue = match self.is_quoted {
            true => REPEATS < self.age(now),
            false => FIRST_QUOTE < now - self.subscribed_at,
        };
        self.state = match self.state {
            (State::Live, _) if MAX_AGE < self.age(now) => (State::Stale, Reason::Quiet),
            (State::Stale, Reason::Quiet) if overdue => (State::Stale, Reason::NoQuote),
            (State::Silent, Reason::Subscribed) if overdue => (State::Silent, Reason::NoQuote),
            state => state,
        };
    }

    fn close(&mut self, line: usize, down: (State, Reason)) {
        self.lines[line] = None;
        self.doubts[line].clear();
        (self.opened_at[line], self.heard[line]) = (0, false);
        (self.joining[line], self.begun[line]) = (false, None);
        for passed in &mut self.passed {
            passed.line = passed.line.filter(|winner| *winner != line);
        }
        let open: Vec<&Brought> = self.lines.iter().flatten().filter_map(|l| l.last()).collect();
        if self.lines.iter().all(Option::is_none) {
            self.state = down;
            self.known = false;
            self.passed.clear();
        } else if self.known && !self.is_brought() {
            self.known = false;
            self.state = (State::Silent, Reason::Subscribed);
        } else if let Some(last) = self.passed.last().filter(|_| self.known) {
            let beyond = |b: &&&Brought| (self.numbering, last.number) < (b.numbering, b.number);
            if self.rule == SequenceRule::SnapshotsAndChanges
                && open.iter().any(|b| beyond(&b))
                && !open.iter().any(|b| b.whole)
            {
                self.hole();
            }
        }
    }

    /// Whether a line that is left has brought anything, or was opened a short time before the last
    /// quote, or after it.
    fn is_brought(&self) -> bool {
        let quoted_at = self.passed.last().map_or(0, |last| last.at);
        let is_new = |line: usize| quoted_at <= self.opened_at[line] + DEAF;
        (0..LINES_MAX).any(|line| self.lines[line].is_some() && (self.heard[line] || is_new(line)))
    }

    fn hole(&mut self) {
        (self.known, self.lost) = (false, true);
        self.state = (State::Gap, Reason::SequenceGap);
    }

    fn quote(
        &mut self,
        line: usize,
        held_up: bool,
        message: &QuoteMessage,
        now: Nanos,
    ) -> Option<Picture> {
        let number = message.sequence.unwrap();
        let begun = *self.begun[line].get_or_insert(self.numbering);
        self.heard[line] = true;
        if self.joining[line] && begun == self.numbering && self.is_ahead(line, number) {
            return None;
        }
        self.joining[line] = false;
        let before = self.lines[line].get_or_insert_default().last().copied();
        let mut numbering = before.map_or(begun, |brought| brought.numbering);
        let restarts =
            before.is_some_and(|b| number < b.number || (message.restarted && number != b.number));
        if restarts && !message.restarted {
            let doubts = &mut self.doubts[line];
            if doubts.last().is_some_and(|last| number <= *last) {
                doubts.clear();
            }
            doubts.push(number);
            let unconfirmed = doubts.len() < 3;
            if self.rule == SequenceRule::Increasing && unconfirmed {
                if self.numbering <= numbering {
                    self.known = false;
                    self.state = (State::Gap, Reason::OutOfOrder);
                }
                return None;
            }
            if self.rule == SequenceRule::SnapshotsAndChanges && !message.snapshot {
                return None;
            }
        }
        numbering += u32::from(restarts);
        self.doubts[line].clear();
        let whole = message.snapshot || before.is_some_and(|brought| brought.whole);
        let brought = Brought { numbering, number, whole };
        self.lines[line].get_or_insert_default().push(brought);
        let anew = match self.passed.last().copied() {
            None => restarts,
            Some(last) => self.follows(line, held_up, message, now, last)?,
        };
        if !message.snapshot && !self.known {
            return None;
        }
        Some(self.pass(line, held_up, message, now, anew))
    }

    /// Whether a line that was opened begins above the present picture, which another line brings on.
    fn is_ahead(&self, line: usize, number: u64) -> bool {
        let mut others = (0..LINES_MAX).filter(|other| *other != line);
        let present = |b: &Brought| b.numbering == self.numbering;
        self.known
            && self.passed.last().is_some_and(|last| last.number < number)
            && others.any(|l| self.lines[l].iter().any(|l| l.last().is_some_and(present)))
    }

    /// Whether a message is to be passed on after the last one: `Some(true)` as the first of a
    /// numbering.
    fn follows(
        &mut self,
        line: usize,
        held_up: bool,
        message: &QuoteMessage,
        now: Nanos,
        last: Passed,
    ) -> Option<bool> {
        let present = self.numbering;
        let number = message.sequence.unwrap();
        let brought = self.lines[line].as_mut()?.last_mut()?;
        if (brought.numbering, number) < (present, last.number) {
            let was_open = self.opened_at[line] <= last.at;
            let late = last.at + if was_open { LATE_IF_OPEN } else { LATE } < now && !held_up;
            if late {
                brought.numbering = present + 1;
            }
            return late.then_some(true);
        }
        if present < brought.numbering {
            return Some(true);
        }
        if number == last.number {
            let repeats = last.line == Some(line) && self.rule != SequenceRule::Increasing;
            return repeats.then_some(false);
        }
        let is_change = self.rule == SequenceRule::SnapshotsAndChanges && !message.snapshot;
        if number == last.number + 1 {
            brought.whole = true;
        } else if is_change {
            brought.whole = false;
            let whole = |l: &Vec<Brought>| l.last().is_some_and(|brought| brought.whole);
            if !self.lines.iter().flatten().any(whole) {
                self.hole();
            }
            return None;
        }
        Some(false)
    }

    fn pass(
        &mut self,
        line: usize,
        held_up: bool,
        message: &QuoteMessage,
        now: Nanos,
        anew: bool,
    ) -> Picture {
        let last = self.passed.last().filter(|_| self.known);
        let side = |side, place: usize| match side {
            Side::Level { px, sz } => (px, sz),
            Side::Unchanged => last.map_or((0, 0), |last| last.sides[place]),
            Side::Empty => (0, 0),
        };
        let sides = [side(message.bid, 0), side(message.ask, 1)];
        let repeat = !anew
            && last
                .is_some_and(|last| (Some(last.number), last.sides) == (message.sequence, sides));
        let [(bid, _), (ask, _)] = sides;
        let bits = [
            (self.lost, flags::GAP),
            (!self.known || anew, flags::SNAPSHOT),
            (repeat, flags::REPEAT),
            (0 < ask && ask < bid, flags::CROSSED),
        ];
        let bits = bits.iter().filter(|(is, _)| *is).fold(0, |bits, (_, bit)| bits | bit);
        self.state = match (bid, ask) {
            (0, 0) => (State::OneSided, Reason::Empty),
            (0, _) | (_, 0) => (State::OneSided, Reason::OneSided),
            _ if ask < bid => (State::Crossed, Reason::Crossed),
            _ if held_up => (State::Lagging, Reason::HeldUp),
            _ => (State::Live, Reason::Quote),
        };
        self.numbering =
            self.lines[line].as_ref().and_then(|l| l.last()).map_or(0, |b| b.numbering);
        let number = message.sequence.unwrap();
        self.passed.push(Passed { number, line: Some(line), at: now, sides });
        (self.known, self.lost, self.is_quoted) = (true, false, true);
        (bits, sides)
    }
}

fn any_message() -> impl Strategy<Value = QuoteMessage> {
    let prices = prop_oneof![
        8 => Just((100, 101)),
        1 => Just((102, 101)),
        1 => Just((0, 101)),
        1 => Just((100, 0)),
        1 => Just((0, 0)),
    ];
    (1..12u64, prices, 0..10u8).prop_map(|(number, (bid, ask), kind)| QuoteMessage {
        symbol: 0,
        bid: if kind == 5 { Side::Unchanged } else { Side::of(bid, 5) },
        ask: if kind == 6 { Side::Unchanged } else { Side::of(ask, 6) },
        ts_event: None,
        sequence: Some(number),
        snapshot: kind < 5 || kind == 9,
        restarted: kind == 9,
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let line = || 0..LINES_MAX;
    prop_oneof![
        2 => line().prop_map(Event::Open),
        1 => line().prop_map(Event::Lose),
        1 => line().prop_map(Event::Refuse),
        20 => (line(), prop::bool::weighted(0.1), any_message())
            .prop_map(|(line, held_up, message)| Event::Quote { line, held_up, message }),
        1 => Just(Event::Unreadable),
        4 => Just(Event::Time),
        1 => Just(Event::HeldUp),
        1 => Just(Event::CaughtUp),
    ]
}

fn any_wait() -> impl Strategy<Value = Nanos> {
    prop_oneof![
        20 => (0..50u64).prop_map(|ms| ms * MILLI),
        2 => Just(MAX_AGE + 1),
        1 => Just(REPEATS + 1),
        1 => Just(LATE + 1),
        1 => Just(LATE_IF_OPEN + 1),
    ]
}

/// The machine, on its lines.
struct Machine {
    health: Health,
    lags: [LagMeter; LINES_MAX],
    /// By line: what waits, since the line is ahead.
    held: [VecDeque<Event>; LINES_MAX],
}

impl Machine {
    fn new(rule: SequenceRule) -> Machine {
        let health = Health::new(VenueId(1), InstrumentId(2), rule, bounds());
        Machine { health, lags: [LagMeter::default(); LINES_MAX], held: Default::default() }
    }

    /// Hands an event to the machine behind what waits on its line, and returns what is passed on.
    fn hand(&mut self, now: Nanos, event: Event) -> Vec<Quote> {
        let mut passed = Vec::new();
        if let Event::Quote { line, .. } = event {
            self.held[line].push_back(event);
        } else {
            if let Event::Lose(line) = event {
                self.held[line].clear();
            }
            passed.extend(self.step(now, event).1);
        }
        // What one line brings may be what another one waits for.
        while let Some(quote) = (0..LINES_MAX).find_map(|line| self.catch_up(now, line)) {
            passed.push(quote);
        }
        passed
    }

    /// Hands in what waits on a line until something is passed on.
    fn catch_up(&mut self, now: Nanos, line: usize) -> Option<Quote> {
        while let Some(event) = self.held[line].front().copied() {
            let Event::Quote { message, held_up, .. } = event else { unreachable!() };
            let arrival = Arrival { line, ts_recv: now, held_up };
            let outcome = self.health.on_message(&message, arrival, &mut self.lags[line]);
            if outcome.quote == Err(Discard::Ahead) {
                return None;
            }
            self.held[line].pop_front();
            if outcome.quote.is_ok() {
                return outcome.quote.ok();
            }
        }
        None
    }

    fn is_holding(&self) -> bool {
        self.held.iter().any(|held| !held.is_empty())
    }

    fn step(&mut self, now: Nanos, event: Event) -> (Option<Status>, Option<Quote>) {
        let health = &mut self.health;
        let status = match event {
            Event::Open(line) => health.on_subscribed(line, now),
            Event::Lose(line) => health.on_lost(line, Reason::Disconnected, now),
            Event::Refuse(line) => health.on_refused(line, now),
            Event::Unreadable => health.on_unreadable(now),
            Event::Time => health.on_time(now),
            Event::HeldUp => health.on_held_up(now),
            Event::CaughtUp => health.on_caught_up(now),
            Event::Quote { line, held_up, message } => {
                let arrival = Arrival { line, ts_recv: now, held_up };
                let outcome = health.on_message(&message, arrival, &mut self.lags[line]);
                return (outcome.status, outcome.quote.ok());
            }
        };
        (status, None)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]
    #[test]
    fn a_naive_model_agrees_on_every_state_and_picture(
        rule in prop::sample::select(RULES.to_vec()),
        events in proptest::collection::vec((any_wait(), any_event()), 1..60),
    ) {
        let mut machine = Machine::new(rule);
        let mut history = Vec::new();
        let (mut now, mut last) = (1_000 * SECOND, None);
        let mut state = (State::Down, Reason::Disconnected);
        for (wait, event) in events {
            now += wait;
            history.push((now, event));
            let (status, quote) = machine.step(now, event);
            let (model, picture) = Model::after(rule, &history);
            let reached = (machine.health.state(), machine.health.reason());
            prop_assert_eq!(reached, model.state, "{:?}", history);
            prop_assert_eq!(machine.health.has_quote(), model.known);
            let given = quote.map(|q| {
                let bits = q.flags & !flags::TS_EVENT_ABSENT;
                (bits, [(q.bid_px, q.bid_sz), (q.ask_px, q.ask_sz)])
            });
            prop_assert_eq!(given, picture, "{:?}", history);
            // A record for each change of state, and none otherwise.
            let told = status.map(|s| (s.previous, s.state, s.reason));
            let changed = (reached != state)
                .then_some((state.0 as u8, reached.0 as u8, reached.1 as u8));
            prop_assert_eq!(told, changed);
            prop_assert!(status.is_none_or(|s| s.ts_recv == now));
            state = reached;
            if let Some(quote) = quote {
                let lower = last.is_some_and(|number| quote.sequence < number);
                prop_assert!(!lower || quote.flags & flags::SNAPSHOT != 0, "{:?}", history);
                last = Some(quote.sequence);
            }
        }
    }
}

/// A venue that knows the order of its pictures, and what each line has still to bring.
struct Venue {
    rule: SequenceRule,
    /// Number of each picture, and whether it is sent as a snapshot. The place is the picture.
    pictures: Vec<(u64, bool)>,
    restarts: u64,
    /// By line: the next picture that it brings, and the pictures that it brought since it was opened,
    /// as far as nothing is missing before them.
    lines: [Option<(usize, Vec<usize>)>; LINES_MAX],
}

impl Venue {
    fn publish(&mut self, restarts: bool, snapshot: bool) {
        // Each numbering begins below the one before.
        let begin = |restarts: u64| 1_000_000 - 1_000 * restarts;
        let snapshot = snapshot || self.rule != SequenceRule::SnapshotsAndChanges;
        let restarts = restarts && self.rule != SequenceRule::Increasing;
        self.restarts += u64::from(restarts);
        let next = match self.pictures.last() {
            Some((number, _)) if !restarts => number + 1,
            _ => begin(self.restarts),
        };
        self.pictures.push((next, snapshot || restarts || self.pictures.is_empty()));
    }

    fn message(&self, picture: usize, snapshot: bool) -> QuoteMessage {
        // The price names the picture.
        let px = i64::try_from(picture).unwrap() + 1;
        QuoteMessage {
            symbol: 0,
            bid: Side::of(px, 1),
            ask: Side::of(px, 1),
            ts_event: None,
            sequence: Some(self.pictures[picture].0),
            snapshot,
            restarted: false,
        }
    }

    /// A line that was opened begins with the present picture.
    fn open(&mut self, line: usize) -> QuoteMessage {
        let head = self.pictures.len() - 1;
        self.lines[line] = Some((head + 1, vec![head]));
        self.message(head, true)
    }

    /// The next picture of a line. If it is damaged, it is missing on the line.
    fn bring(&mut self, line: usize, damaged: bool) -> Option<QuoteMessage> {
        let (next, full) = self.lines[line].as_mut()?;
        let picture = *next;
        let (_, snapshot) = *self.pictures.get(picture)?;
        *next += 1;
        if !damaged && (snapshot || full.last() == Some(&(picture - 1))) {
            full.push(picture);
        }
        Some(self.message(picture, snapshot))
    }

    /// Whether the first picture of a numbering is the next one of a line: it is never lost.
    fn is_restart_next(&self, line: usize) -> bool {
        self.lines[line].as_ref().is_some_and(|(next, _)| {
            *next < self.pictures.len() && self.pictures[*next].0 < self.pictures[*next - 1].0
        })
    }

    /// Whether every line has come to the present numbering. A line that is opened before is taken for
    /// one that is late, until another has come there as well.
    fn is_settled(&self) -> bool {
        let mut pairs = self.pictures.windows(2);
        let begin = pairs.rposition(|pair| pair[1].0 < pair[0].0);
        self.lines.iter().flatten().all(|(next, _)| begin.is_none_or(|at| at + 1 < *next))
    }

    /// The newest picture that any open line has brought.
    fn newest(&self) -> Option<usize> {
        self.lines.iter().flatten().filter_map(|(_, full)| full.last().copied()).max()
    }
}

/// What a venue and its lines do next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Publish {
        restarts: bool,
        snapshot: bool,
    },
    Open(usize),
    Lose(usize),
    Bring(usize),
    /// The next picture of a line does not arrive,
    Skip(usize),
    /// or cannot be read,
    Damage(usize),
    /// or arrives after the one behind it.
    Swap(usize),
}

fn any_act() -> impl Strategy<Value = Act> {
    let line = || 0..LINES_MAX;
    prop_oneof![
        10 => (prop::bool::weighted(0.05), prop::bool::weighted(0.2))
            .prop_map(|(restarts, snapshot)| Act::Publish { restarts, snapshot }),
        1 => line().prop_map(Act::Open),
        1 => line().prop_map(Act::Lose),
        20 => line().prop_map(Act::Bring),
        1 => line().prop_map(Act::Skip),
        1 => line().prop_map(Act::Damage),
        1 => line().prop_map(Act::Swap),
    ]
}

/// The messages that an act leads to; `None` stands for one that cannot be read.
fn messages(venue: &mut Venue, act: Act) -> (usize, Vec<Option<QuoteMessage>>) {
    match act {
        Act::Publish { restarts, snapshot } => {
            venue.publish(restarts, snapshot);
            (0, vec![])
        }
        Act::Open(line) => (line, vec![Some(venue.open(line))]),
        Act::Lose(line) => (line, vec![]),
        Act::Skip(line) if !venue.is_restart_next(line) => {
            venue.bring(line, true);
            (line, vec![])
        }
        Act::Damage(line) if !venue.is_restart_next(line) => {
            (line, venue.bring(line, true).map(|_| None).into_iter().collect())
        }
        Act::Swap(line) if venue.rule == SequenceRule::Increasing => {
            let first = venue.bring(line, false);
            let second = venue.bring(line, false);
            (line, second.into_iter().chain(first).map(Some).collect())
        }
        Act::Bring(line) | Act::Skip(line) | Act::Damage(line) | Act::Swap(line) => {
            (line, venue.bring(line, false).map(Some).into_iter().collect())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]
    #[test]
    fn no_picture_overtakes_a_newer_one_and_the_live_one_is_the_newest_of_all_lines(
        rule in prop::sample::select(RULES.to_vec()),
        acts in proptest::collection::vec(any_act(), 1..150),
    ) {
        let lines = [None, None, None];
        let mut venue = Venue { rule, pictures: Vec::new(), restarts: 0, lines };
        venue.publish(false, true);
        let mut machine = Machine::new(rule);
        let mut now = 1_000 * SECOND;
        let mut last: Option<i64> = None;
        for act in acts {
            now += MILLI;
            if let Act::Open(line) | Act::Lose(line) = act
                && venue.lines[line].take().is_some()
            {
                for quote in machine.hand(now, Event::Lose(line)) {
                    prop_assert!(last.is_none_or(|last| last <= quote.bid_px), "{:?}", act);
                    last = Some(quote.bid_px);
                }
            }
            if let Act::Open(line) = act {
                if !venue.is_settled() {
                    continue;
                }
                for quote in machine.hand(now, Event::Open(line)) {
                    prop_assert!(last.is_none_or(|last| last <= quote.bid_px), "{:?}", act);
                    last = Some(quote.bid_px);
                }
            }
            let (line, messages) = messages(&mut venue, act);
            for message in messages {
                let event = message.map_or(Event::Unreadable, |message| {
                    Event::Quote { line, held_up: false, message }
                });
                for quote in machine.hand(now, event) {
                    prop_assert!(last.is_none_or(|last| last <= quote.bid_px), "{:?}", act);
                    last = Some(quote.bid_px);
                }
            }
            if machine.health.state() == State::Live && !machine.is_holding() {
                let newest = venue.newest().map(|picture| i64::try_from(picture).unwrap() + 1);
                prop_assert!(newest <= last, "{:?} is live, but {:?} was brought", last, newest);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]
    #[test]
    fn lines_that_are_lost_and_made_again_lose_no_picture_while_another_is_in_step(
        rule in prop::sample::select(RULES.to_vec()),
        acts in proptest::collection::vec(any_act(), 1..150),
    ) {
        let lines = [None, None, None];
        let mut venue = Venue { rule, pictures: Vec::new(), restarts: 0, lines };
        venue.publish(false, true);
        let mut machine = Machine::new(rule);
        let (mut now, mut last) = (1_000 * SECOND, 0);
        for act in acts {
            now += MILLI;
            let act = match act {
                Act::Publish { snapshot, .. } => Act::Publish { restarts: false, snapshot },
                Act::Skip(line) | Act::Damage(line) | Act::Swap(line) => Act::Bring(line),
                Act::Open(_) | Act::Lose(_) | Act::Bring(_) => act,
            };
            if let Act::Open(line) | Act::Lose(line) = act {
                // The line that is in step stays.
                let in_step = |other: usize| other != line && machine.health.is_heard(other);
                if venue.lines[line].is_some() && !(0..LINES_MAX).any(in_step) {
                    continue;
                }
                venue.lines[line] = None;
                let quotes = machine.hand(now, Event::Lose(line));
                prop_assert!(quotes.is_empty(), "nobody waited for a line in step: {:?}", quotes);
            }
            if let Act::Open(line) = act {
                machine.hand(now, Event::Open(line));
            }
            let (line, messages) = messages(&mut venue, act);
            for message in messages.into_iter().flatten() {
                for quote in machine.hand(now, Event::Quote { line, held_up: false, message }) {
                    prop_assert!(
                        last == 0 || (last..=last + 1).contains(&quote.bid_px),
                        "{} came behind {last}: {:?}", quote.bid_px, act
                    );
                    last = quote.bid_px;
                }
            }
        }
    }
}
