//! The lake that a live run left is replayed, and gives what the run broadcast and recorded.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use exchange_sim::{ModelOptions, Source, Speed};
use spreadwire_engine::replay::{replay, replay_to};
use spreadwire_lake::history::{History, Selection};
use spreadwire_lake::table::{ENDS, SPREADS, Table, TableReader};
use spreadwire_market::book::{Book, Results};
use spreadwire_market::calculation::Consumer;
use spreadwire_market::decimal;
use spreadwire_market::instrument::{Catalogue, Instrument, InstrumentId, VenueId};
use spreadwire_market::record::{Ended, Gap, Record, Spread, Status};
use spreadwire_market::spread::BPS;
use spreadwire_market::state::{EndReason, Reason, State};
use spreadwire_rigs::lake::rows::files_under;
use spreadwire_rigs::pipeline::listener::{Heard, HeardEnd, HeardStatus};
use spreadwire_rigs::pipeline::outcome::Outcome;
use spreadwire_rigs::pipeline::scene::{Scene, held, of_model, on_two_threads};
use std::path::Path;

const SEED: u64 = 11;
const QUOTES: u64 = 4_000;
/// Low enough that the market passes it now and then.
const MAX_NET_BPS: f64 = 40.0;

/// Plays the model on all venues; every spread is recorded.
fn played() -> Outcome {
    println!("seed {SEED}");
    let model = ModelOptions { seed: SEED, shocks_per_minute: 1_200.0, ..ModelOptions::default() };
    let options =
        exchange_sim::Options { limit: Some(QUOTES), ..held(Source::Model(model), Speed::Max) };
    let scene = Scene::set(options, of_model(5), |config| {
        on_two_threads(config, &["feed", "calculator", "decision"]);
        config.calculator.max_net_bps = MAX_NET_BPS;
        config.journal.spreads_min_net_bps = Some(-10_000.0);
        config.journal.segment_records = 3_000;
    });
    scene.play_to_the_end();
    scene.end()
}

fn history(outcome: &Outcome) -> History {
    let plan = &outcome.ended.plan;
    let history = History::open(&plan.lake, &plan.catalogue, &Selection::default()).unwrap();
    assert_eq!((history.runs().len(), history.unsealed().len()), (1, 0));
    history
}

fn replayed(outcome: &Outcome, max_net: f64) -> Vec<Record> {
    let history = history(outcome);
    let book = Book::new(outcome.names()).believing(max_net);
    let mut results = Vec::new();
    let inputs = history.read(&history.runs()[0]);
    replay(inputs, book, |record| results.push(*record)).unwrap();
    results
}

/// A spread or an end as the lake has it: its number, its names, and its figures bit for bit.
type Told = (u64, u64, [String; 4], [u64; 5]);

/// Returns a spread or an end in the form of a row.
fn told(record: &Record, names: &Catalogue) -> Option<Told> {
    let text = |instrument: InstrumentId, buy: VenueId, sell: VenueId, reason: &str| {
        let [buy, sell] = [buy, sell].map(|venue| names.venue(venue).name.clone());
        [names.instrument(instrument).name.clone(), buy, sell, reason.to_owned()]
    };
    if let Some(end) = record.get::<Ended>() {
        let reason = EndReason::of_code(end.flags).unwrap().name();
        let names = text(end.instrument, end.buy_venue, end.sell_venue, reason);
        return Some((end.sequence, end.ts_recv, names, [0; 5]));
    }
    let spread = record.get::<Spread>()?;
    let Instrument { price_scale, size_scale, .. } = *names.instrument(spread.instrument);
    let figures = [
        decimal::to_f64(spread.buy_px, price_scale),
        decimal::to_f64(spread.sell_px, price_scale),
        decimal::to_f64(spread.buy_sz, size_scale),
        decimal::to_f64(spread.sell_sz, size_scale),
        spread.net * BPS,
    ];
    let names = text(spread.instrument, spread.buy_venue, spread.sell_venue, "");
    Some((spread.sequence, spread.ts_recv, names, figures.map(f64::to_bits)))
}

/// Returns the recorded spreads and ends, in the order of their numbers.
fn recorded(lake: &Path) -> Vec<Told> {
    let mut all = Vec::new();
    for table in [&SPREADS, &ENDS] {
        let folder = lake.join(table.folder);
        for file in files_under(&folder) {
            for batch in TableReader::open(&folder.join(file), table).unwrap() {
                rows(&batch.unwrap(), table, &mut all);
            }
        }
    }
    all.sort();
    all
}

fn rows(batch: &RecordBatch, table: &Table, all: &mut Vec<Told>) {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let text = |name: &str, row: usize| {
        let column = column(name).as_dictionary::<Int32Type>();
        let texts = column.values().as_string::<i32>();
        texts.value(usize::try_from(column.keys().value(row)).unwrap()).to_owned()
    };
    let double = |name: &str, row: usize| column(name).as_primitive::<Float64Type>().value(row);
    let figures = ["BuyPrice", "SellPrice", "BuySize", "SellSize", "NetBps"];
    for row in 0..batch.num_rows() {
        let number = column("JournalSequence").as_primitive::<Int64Type>().value(row);
        let time = column("Timestamp").as_primitive::<TimestampNanosecondType>().value(row);
        let is_end = table.name == ENDS.name;
        let reason = if is_end { text("Reason", row) } else { String::new() };
        let names = ["Instrument", "BuyVenue", "SellVenue"].map(|name| text(name, row));
        let [instrument, buy, sell] = names;
        let figures = figures.map(|name| if is_end { 0 } else { double(name, row).to_bits() });
        let (number, time) = (number.cast_unsigned(), time.cast_unsigned());
        all.push((number, time, [instrument, buy, sell, reason], figures));
    }
}

/// What was broadcast of spreads and ends, in order, without what only the broadcast has.
fn heard(outcome: &Outcome) -> Vec<Told> {
    let names = outcome.names();
    let venue = |venue: VenueId| names.venue(venue).name.clone();
    let instrument = |id: InstrumentId| names.instrument(id).name.clone();
    let told = |heard: &Heard| match heard {
        Heard::Spread(spread) => {
            let text = [
                instrument(spread.instrument),
                venue(spread.buy),
                venue(spread.sell),
                String::new(),
            ];
            let prices = [spread.buy_px, spread.sell_px, spread.buy_sz, spread.sell_sz, 0.0];
            Some((spread.quote_seq, spread.ts_recv, text, prices.map(f64::to_bits)))
        }
        Heard::Ended(HeardEnd { instrument: of, buy, sell, reason, ts_recv, quote_seq }) => {
            let text = [instrument(*of), venue(*buy), venue(*sell), reason.clone()];
            Some((*quote_seq, *ts_recv, text, [0; 5]))
        }
        Heard::Status(_) => None,
        Heard::Other(other) => panic!("{other}"),
    };
    outcome.heard.iter().filter_map(told).collect()
}

/// The statuses by market, as a client hears them, sorted.
fn statuses(results: &[Record]) -> Vec<(u8, u32, u64, String, String)> {
    let status = |record: &Record| {
        let status = record.get::<Status>()?;
        let state = State::of_code(status.state).unwrap().name().to_owned();
        let reason = Reason::of_code(status.reason).unwrap().name().to_owned();
        Some((status.venue.0, status.instrument.0, status.ts_recv, state, reason))
    };
    let mut all: Vec<_> = results.iter().filter_map(status).collect();
    all.sort();
    all
}

#[test]
fn a_lake_replays_to_what_the_live_run_broadcast_and_recorded() {
    let outcome = played();
    outcome.check_nothing_was_dropped();
    let names = outcome.names();
    let results = replayed(&outcome, outcome.ended.plan.max_net);
    let mut again: Vec<Told> = results.iter().filter_map(|record| told(record, names)).collect();
    let spreads = outcome.count("calculator.spreads") + outcome.count("calculator.ended");
    println!("{spreads} spreads and ends, {} withheld", outcome.count("calculator.implausible"));
    assert_eq!(again.len() as u64, spreads);
    assert!(2_000 < spreads && 0 < outcome.count("calculator.implausible"));
    // In the order of the broadcast; it rounds the net, which the lake has in full.
    let without_net = |(number, time, names, figures): &Told| {
        let [buy_px, sell_px, buy_sz, sell_sz, _] = *figures;
        (*number, *time, names.clone(), [buy_px, sell_px, buy_sz, sell_sz, 0])
    };
    let in_order: Vec<Told> = again.iter().map(without_net).collect();
    assert!(in_order == heard(&outcome), "what was broadcast");
    again.sort();
    assert!(again == recorded(&outcome.ended.plan.lake), "what was recorded");
    let heard = outcome.statuses().into_iter().map(
        |HeardStatus { key, state, reason, ts_recv, .. }| {
            (key.0.0, key.1.0, ts_recv, state, reason)
        },
    );
    let mut heard: Vec<_> = heard.collect();
    heard.sort();
    assert_eq!(statuses(&results), heard);
    // The same replay with another bound is another market.
    assert!(results != replayed(&outcome, f64::INFINITY));
}

/// Notes the kinds of inputs and gaps in order.
#[derive(Default)]
struct Inputs {
    quotes: u64,
    gaps: Vec<u64>,
}

impl Results for Inputs {
    fn spread(&mut self, _: Spread) {}
    fn ended(&mut self, _: &Ended) {}
}

impl Consumer for Inputs {
    fn quote(&mut self, _: &Record) {
        self.quotes += 1;
    }

    fn gap(&mut self, gap: &Record) {
        self.gaps.push(gap.view::<Gap>().missed);
    }
}

#[test]
fn a_replay_gives_quotes_too_and_says_what_the_lake_has_lost() {
    let outcome = played();
    let rows = outcome.rows.len() as u64;
    let history_of = || {
        let history = history(&outcome);
        let mut inputs = Inputs::default();
        let book = Book::new(outcome.names());
        replay_to(history.read(&history.runs()[0]), book, &mut inputs).unwrap();
        inputs
    };
    let whole = history_of();
    assert_eq!((whole.quotes, whole.gaps.len()), (rows, 0));
    let lake = &outcome.ended.plan.lake;
    let venue = std::fs::read_dir(lake.join("exchange=okx")).unwrap().next().unwrap().unwrap();
    std::fs::remove_dir_all(venue.path()).unwrap();
    let torn = history_of();
    let missed: u64 = torn.gaps.iter().sum();
    assert!(0 < missed && torn.quotes + missed == rows, "{} of {rows}", torn.quotes);
}
