//! Scripted faults of the venues: the resulting counts, messages to clients, and lake contents.
//!
//! Each fault hits all four venues of a small market once. Afterwards every row must be a quote
//! that was written, every quote written since the recovery must be a row, and spreads and
//! opportunities must follow from the rows and the states sent.

use exchange_sim::{Fault, FaultKind, ModelOptions, Moment, Occasion, Source, Speed};
use spreadwire_engine::socket::connector;
use spreadwire_market::instrument::VenueId;
use spreadwire_rigs::pipeline::engine_under_test::PATIENCE;
use spreadwire_rigs::pipeline::lake_rows::{CROSSED, GAP, Row, SNAPSHOT};
use spreadwire_rigs::pipeline::listener::{Heard, Key};
use spreadwire_rigs::pipeline::naive;
use spreadwire_rigs::pipeline::outcome::Outcome;
use spreadwire_rigs::pipeline::scene::{Scene, held, of_model};
use std::collections::BTreeMap;
use std::time::Duration;

const SEED: u64 = 11;
/// Number of quotes of a venue before its first fault; both instruments have had some by then.
const BEFORE: u64 = 60;
/// Number of spreads to wait for after the recovery.
const AFTERWARDS: usize = 600;
const INSTRUMENTS: usize = 2;

/// States sent, with their reasons, as `state reason`.
type Story = &'static [&'static str];

const NEW: &str = "silent subscribed";
const WELL: Story = &[NEW, "live quote"];
const BACK: Story = &[NEW, "live quote", "down disconnected", NEW, "live quote"];

/// Returns a small endless market in real time whose venues all have the same faults.
fn struck(instruments: usize, kinds: &[FaultKind]) -> exchange_sim::Options {
    println!("seed {SEED}");
    let model = ModelOptions { seed: SEED, rate: 1_500.0, instruments, ..ModelOptions::default() };
    let faults = exchange_sim::venue_names().into_iter().flat_map(|venue| {
        let fault = |(place, kind): (usize, &FaultKind)| Fault {
            venue: venue.to_owned(),
            moment: Moment::AfterQuotes(BEFORE * (1 + place as u64)),
            kind: kind.clone(),
        };
        kinds.iter().enumerate().map(fault).collect::<Vec<_>>()
    });
    let faults = faults.collect();
    exchange_sim::Options { faults, ..held(Source::Model(model), Speed::Times(1.0)) }
}

/// Plays until every venue had its faults and as many states were sent as the stories have, then
/// until all are live, and for a while longer.
fn play(scene: Scene, faults: u64, states: usize) -> Outcome {
    scene.simulator.release();
    let struck = scene
        .simulator
        .wait_until(PATIENCE, |stats| stats.venues.iter().all(|venue| faults <= venue.faults));
    assert!(struck, "every fault strikes: {:?}", scene.simulator.stats());
    scene.listener.wait_for(&format!("{states} states, all live at last"), |ear| {
        let told: usize = ear.stories.values().map(Vec::len).sum();
        states <= told && ear.stories.values().all(|s| s.last().is_some_and(|s| s.0 == "live"))
    });
    scene.listener.wait_for_more_spreads(AFTERWARDS);
    scene.end()
}

fn run(kinds: &[FaultKind], states: usize) -> Outcome {
    let scene = Scene::set(struck(INSTRUMENTS, kinds), of_model(INSTRUMENTS), |_| {});
    play(scene, kinds.len() as u64, states)
}

/// Returns the stories of each venue's instruments, without the end that the simulator's end
/// caused.
fn stories(outcome: &Outcome) -> BTreeMap<VenueId, Vec<Vec<String>>> {
    let mut stories: BTreeMap<VenueId, Vec<Vec<String>>> = BTreeMap::new();
    for ((venue, _), mut story) in outcome.stories() {
        assert_eq!(story.pop(), Some(("down".to_owned(), "disconnected".to_owned())));
        let told = story.iter().map(|(state, reason)| format!("{state} {reason}")).collect();
        stories.entry(venue).or_default().push(told);
    }
    stories
}

/// Checks that every venue's instruments had these stories, in any order.
fn assert_told(outcome: &Outcome, expected: [Story; INSTRUMENTS]) {
    let mut expected = expected.map(|story| story.to_vec());
    expected.sort();
    for (venue, mut told) in stories(outcome) {
        told.sort();
        assert_eq!(told, expected, "states of {venue:?}");
    }
}

/// Checks that every venue's counter has this value.
fn assert_counted(outcome: &Outcome, counter: &str, expected: u64) {
    for venue in exchange_sim::venue_names() {
        let sum = outcome.sum(&format!("feed.{venue}."), &format!(".{counter}"));
        assert_eq!(sum, expected, "{counter} of {venue}");
    }
}

/// Returns the rejects of all reasons, by venue.
fn assert_rejected(outcome: &Outcome, expected: u64) {
    for venue in exchange_sim::venue_names() {
        let counters = outcome.ended.summary.counters.snapshot();
        let of_venue = |name: &&String| name.starts_with(&format!("feed.{venue}.0.rejected."));
        let sum: u64 = counters.keys().filter(of_venue).map(|name| counters[name]).sum();
        assert_eq!(sum, expected, "rejects of {venue}: {counters:#?}");
    }
}

/// Checks that no quote is missing and that only the simulator's end closed connections.
fn assert_undisturbed(outcome: &Outcome) {
    assert_told(outcome, [WELL, WELL]);
    assert_counted(outcome, "connects", 1);
    outcome.check();
}

#[test]
fn a_lost_connection_is_told_made_again_and_leaves_no_wrong_row() {
    for kind in [FaultKind::Drop, FaultKind::Close, FaultKind::Cut] {
        println!("{kind:?}");
        let outcome = run(&[kind], 4 * INSTRUMENTS * BACK.len());
        assert_came_back(&outcome);
        // Data sent before the connection ended was read, however it ended.
        outcome.check();
    }
}

#[test]
fn a_message_beyond_the_limit_ends_the_connection_which_is_made_again() {
    let beyond = FaultKind::Oversized(connector::MESSAGE_MAX + 1);
    let outcome = run(&[beyond], 4 * INSTRUMENTS * BACK.len());
    assert_came_back_with(&outcome, 1);
    assert_counted(&outcome, "rejected.oversized", 1);
    // Only the data that the venue sent after that message is lost with the connection.
    let missing: usize = outcome.rows_missing().into_values().sum();
    println!("{missing} quotes were sent behind the messages");
    outcome.check_what_was_made_of_the_rows();
}

fn assert_came_back(outcome: &Outcome) {
    assert_came_back_with(outcome, 0);
}

/// As above, where this many of each venue's frames were rejected.
fn assert_came_back_with(outcome: &Outcome, rejected: u64) {
    assert_told(outcome, [BACK, BACK]);
    assert_counted(outcome, "connects", 2);
    assert_counted(outcome, "disconnects", 2);
    assert_rejected(outcome, rejected);
    assert_eq!(lives(&outcome.rows), vec![2; 4 * INSTRUMENTS], "a full picture each time");
}

/// Returns the rows marked as the first of a connection or after a gap, by market.
fn lives(rows: &[Row]) -> Vec<usize> {
    let mut lives: BTreeMap<Key, usize> = BTreeMap::new();
    for row in rows {
        *lives.entry(row.key).or_default() += usize::from(row.flags & SNAPSHOT != 0);
    }
    lives.into_values().collect()
}

#[test]
fn a_lost_connection_of_one_venue_leaves_the_others_as_they_are() {
    for hit in exchange_sim::venue_names() {
        let mut options = struck(INSTRUMENTS, &[FaultKind::Drop]);
        options.faults.retain(|fault| fault.venue == hit);
        let scene = Scene::set(options, of_model(INSTRUMENTS), |_| {});
        let states = 3 * INSTRUMENTS * WELL.len() + INSTRUMENTS * BACK.len();
        let outcome = play(scene, 0, states);
        let hit = outcome.names().venue_named(hit).unwrap();
        for (venue, told) in stories(&outcome) {
            let expected = if venue == hit { BACK } else { WELL };
            assert!(told.iter().all(|told| told == expected), "{venue:?}: {told:?}");
        }
        outcome.check();
    }
}

#[test]
fn a_refused_subscription_is_counted_and_asked_for_again() {
    let outcome = {
        let mut options = struck(INSTRUMENTS, &[FaultKind::Refuse, FaultKind::Drop]);
        // The connection ends at once, so the next subscription is the refused one.
        for fault in &mut options.faults {
            fault.moment = Moment::AfterQuotes(BEFORE);
        }
        let scene = Scene::set(options, of_model(INSTRUMENTS), |_| {});
        play(scene, 2, 4 * INSTRUMENTS * BACK.len())
    };
    assert_counted(&outcome, "refused", 1);
    assert_counted(&outcome, "connects", 2);
    assert_rejected(&outcome, 0);
    // If the venue names the symbol, that one is reported as refused; otherwise none is known.
    let mut named = 0;
    for (venue, told) in stories(&outcome) {
        for mut story in told {
            let before = story.len();
            story.retain(|state| state != "refused refused");
            named += before - story.len();
            // Once it is accepted, it is waited for again.
            story.dedup();
            assert_eq!(story, BACK, "states of {venue:?}");
        }
    }
    assert!(named > 0, "some venue names the symbol that it refuses");
    outcome.check();
}

#[test]
fn what_is_no_message_is_rejected_and_counted_and_the_connection_goes_on() {
    let outcome = run(&[FaultKind::Garbage, FaultKind::Truncated], 4 * INSTRUMENTS * WELL.len());
    assert_counted(&outcome, "rejected.malformed", 2);
    assert_rejected(&outcome, 2);
    // The truncated one was a quote: that instrument's picture ends with it, until the next one.
    let cut = &[NEW, "live quote", "unreadable unreadable", "live quote"];
    assert_told(&outcome, [WELL, cut]);
    assert_counted(&outcome, "connects", 1);
    outcome.check();
}

#[test]
fn a_long_message_below_the_limit_is_rejected_and_the_connection_goes_on() {
    // The first is read and has no meaning for us; the second is longer than anything that is read.
    let [short, long] = [exchange_sim::OVERSIZED_LEN / 16, exchange_sim::OVERSIZED_LEN];
    let kinds = [FaultKind::Oversized(short), FaultKind::Oversized(long)];
    let outcome = run(&kinds, 4 * INSTRUMENTS * WELL.len());
    assert_rejected(&outcome, 2);
    assert_counted(&outcome, "rejected.unknown_message", 1);
    assert_counted(&outcome, "rejected.oversized", 1);
    assert_undisturbed(&outcome);
}

#[test]
fn a_message_of_no_known_kind_is_counted_and_the_connection_goes_on() {
    let outcome = run(&[FaultKind::Unknown], 4 * INSTRUMENTS * WELL.len());
    for (venue, counter) in [
        // Events of other streams are not errors there; the list of their names is Binance's own.
        ("binance", "other"),
        ("binance-usdm", "other"),
        ("bybit", "rejected.unknown_message"),
        ("okx", "rejected.missing_field"),
    ] {
        let name = format!("feed.{venue}.0.{counter}");
        assert_eq!(outcome.count(&name), 1, "{name}");
    }
    assert_undisturbed(&outcome);
}

#[test]
fn skipped_quotes_change_nothing_where_each_message_is_a_full_picture() {
    let outcome = run(&[FaultKind::Skip(3)], 4 * INSTRUMENTS * WELL.len());
    for venue in &outcome.simulated.stats.venues {
        assert_eq!(venue.withheld, 3, "{}", venue.name);
    }
    assert_rejected(&outcome, 0);
    assert_undisturbed(&outcome);
}

#[test]
fn a_skipped_change_is_a_gap_until_the_next_snapshot() {
    const STORY: Story =
        &[NEW, "live quote", "gap sequence_gap", "one_sided one_sided", "live quote"];
    // The simulator sends the quote after a wrong one as a snapshot, and the wrong one as well.
    let mut options = struck(1, &[FaultKind::Skip(3), FaultKind::ZeroSize]);
    options.bybit_deltas = true;
    options.faults.retain(|fault| fault.venue == "bybit");
    let scene = Scene::set(options, of_model(1), |_| {});
    let mut outcome = play(scene, 0, 3 * WELL.len() + STORY.len());
    for written in outcome.simulated.written.iter_mut().filter(|w| w.venue == "bybit") {
        // That dialect has no time of matching.
        written.event_ns = written.push_ns;
    }
    let bybit = outcome.names().venue_named("bybit").unwrap();
    for (venue, told) in stories(&outcome) {
        assert_eq!(told, [if venue == bybit { STORY } else { WELL }], "{venue:?}");
    }
    let rows: Vec<_> = outcome.rows.iter().filter(|row| row.key.0 == bybit).collect();
    let marked: Vec<_> = rows.iter().filter(|row| row.flags & GAP != 0).collect();
    assert_eq!(marked.len(), 1, "one row stands after a gap");
    assert_ne!(marked[0].flags & SNAPSHOT, 0);
    assert_eq!(marked[0].said.bid, None);
    let discarded = outcome.count("feed.bybit.0.discarded.awaiting_snapshot");
    assert!(0 < discarded, "changes of an unknown picture are counted");
    for ((venue, _), missing) in outcome.rows_missing() {
        assert_eq!(missing as u64, if venue == bybit { discarded } else { 0 }, "{venue:?}");
    }
    outcome.check_what_was_made_of_the_rows();
}

#[test]
fn a_crossed_quote_is_told_and_recorded_and_makes_no_spread() {
    const STORY: Story = &[NEW, "live quote", "crossed crossed", "live quote"];
    let outcome = run(&[FaultKind::Crossed], 4 * (STORY.len() + WELL.len()));
    assert_told(&outcome, [STORY, WELL]);
    let crossed: Vec<_> = outcome.rows.iter().filter(|r| r.flags & CROSSED != 0).collect();
    assert_eq!(crossed.len(), 4, "one of each venue");
    for row in crossed {
        assert!(row.said.ask.unwrap().0 < row.said.bid.unwrap().0, "{row:?}");
        assert!(!leads_to_spreads(&outcome, row), "{row:?}");
    }
    assert_rejected(&outcome, 0);
    assert_counted(&outcome, "connects", 1);
    outcome.check();
}

fn leads_to_spreads(outcome: &Outcome, row: &Row) -> bool {
    outcome.heard.iter().any(|heard| match heard {
        Heard::Spread(spread) => spread.quote_seq == row.number,
        Heard::Ended(_) | Heard::Status(_) | Heard::Other(_) => false,
    })
}

#[test]
fn a_side_without_size_is_absent_and_ends_every_spread() {
    const STORY: Story = &[NEW, "live quote", "one_sided one_sided", "live quote"];
    let outcome = run(&[FaultKind::ZeroSize], 4 * (STORY.len() + WELL.len()));
    let halves: Vec<_> = outcome.rows.iter().filter(|r| r.said.bid.is_none()).collect();
    assert_eq!(halves.len(), 4, "one of each venue");
    for row in halves {
        assert!(row.said.ask.is_some(), "{row:?}");
        assert!(!leads_to_spreads(&outcome, row), "{row:?}");
    }
    assert_told(&outcome, [STORY, WELL]);
    assert_rejected(&outcome, 0);
    assert_counted(&outcome, "connects", 1);
    outcome.check();
}

#[test]
fn a_negative_price_is_rejected_and_no_row_and_ends_the_picture_before_it() {
    const STORY: Story = &[NEW, "live quote", "unreadable unreadable", "live quote"];
    let outcome = run(&[FaultKind::Negative], 4 * (STORY.len() + WELL.len()));
    let is_faulty = |w: &&exchange_sim::Written| w.occasion == Occasion::Faulty;
    let faulty = outcome.simulated.written.iter().filter(is_faulty);
    assert_eq!(faulty.count(), 4, "one of each venue was written");
    assert_counted(&outcome, "rejected.negative", 1);
    assert_rejected(&outcome, 1);
    assert_told(&outcome, [STORY, WELL]);
    assert_counted(&outcome, "connects", 1);
    outcome.check();
}

#[test]
fn a_venue_that_falls_silent_is_stale_until_it_speaks_again() {
    const AGE_MAX_MS: u64 = 500;
    let stall = FaultKind::Stall(Duration::from_millis(4 * AGE_MAX_MS));
    let scene = Scene::set(struck(INSTRUMENTS, &[stall]), of_model(INSTRUMENTS), |config| {
        config.venues.iter_mut().for_each(|venue| venue.max_age_ms = Some(AGE_MAX_MS));
    });
    let outcome = play(scene, 1, 4 * INSTRUMENTS * 4);
    for told in stories(&outcome).into_values().flatten() {
        // A busy machine may be silent by itself, so there may be more of these.
        assert_eq!(told[..2], WELL[..]);
        let rest = &told[2..];
        assert!(2 <= rest.len(), "{told:?}");
        let pairs = rest.chunks(2).all(|pair| pair == ["stale quiet", "live quote"]);
        assert!(pairs, "{told:?}");
    }
    assert_stale_when_too_old(&outcome, AGE_MAX_MS * 1_000_000);
    assert_counted(&outcome, "connects", 1);
    assert_rejected(&outcome, 0);
    outcome.check();
}

#[test]
fn a_quote_that_is_too_old_makes_no_spread_even_before_it_is_called_stale() {
    // Ages are checked less often than that, so old quotes meet new ones of other venues.
    let scene = Scene::set(struck(INSTRUMENTS, &[]), of_model(INSTRUMENTS), |config| {
        config.venues.iter_mut().for_each(|venue| venue.max_age_ms = Some(2));
    });
    scene.simulator.release();
    scene.listener.wait_for_more_spreads(AFTERWARDS);
    let outcome = scene.end();
    let mut ageless = outcome.names().clone();
    ageless.venues.iter_mut().for_each(|venue| venue.max_age = u64::MAX);
    let events = naive::events(&outcome.rows, &outcome.statuses(), &ageless);
    println!("{} events, {} if no quote aged", outcome.heard.len(), events.len());
    assert!(outcome.heard.len() < events.len(), "some old quotes were left out");
    assert_stale_when_too_old(&outcome, 2_000_000);
    outcome.check();
}

/// Checks that every market reported as stale had sent its last quote too long before.
fn assert_stale_when_too_old(outcome: &Outcome, age_max: u64) {
    for status in outcome.statuses().iter().filter(|status| status.state == "stale") {
        let before = |row: &&Row| row.key == status.key && row.ts_recv <= status.ts_recv;
        let last = outcome.rows.iter().rfind(before).unwrap();
        assert!(age_max < status.ts_recv - last.ts_recv, "{status:?} after {last:?}");
    }
}
