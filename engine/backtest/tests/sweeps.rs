//! Grids: the same results on any number of threads, periods judged on their own, and the page.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod rig;

use rig::{BEGIN, amount, asset, drawn, quote, setup};
use spreadwire_backtest::columns::COLUMNS;
use spreadwire_backtest::grid::{Grid, Point};
use spreadwire_backtest::page;
use spreadwire_backtest::periods::Periods;
use spreadwire_backtest::report::Report;
use spreadwire_backtest::run::{Outcome, Run};
use spreadwire_backtest::setup::Setup;
use spreadwire_backtest::stream::{Instruments, Stream};
use spreadwire_backtest::sweep::{Sweep, Swept};
use spreadwire_backtest::table::Study;
use spreadwire_backtest::walk_forward::{Choice, WalkForward};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decision::{PairRule, PairRules};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Gap, Quote, Record};
use spreadwire_trading::amount::Amount;
use std::sync::Arc;

fn grid() -> Grid {
    Grid {
        entries: vec![0.0002, 0.0005, 0.001],
        exits: vec![0.0, 0.0003],
        sizes: vec![amount("500"), amount("2000")],
        latencies: vec![MILLI, 20 * MILLI],
        lifetimes: Vec::new(),
    }
}

fn swept(
    setup: &Setup,
    points: &[Point],
    periods: &Periods,
    stream: &Stream,
    block: usize,
) -> Vec<Swept> {
    let mut sweep = Sweep::new(setup, points, periods.clone());
    stream.records().chunks(block).for_each(|records| sweep.feed(records));
    sweep.finish()
}

fn run(setup: &Setup, records: &[Record]) -> Outcome {
    let mut run = Run::new(setup, records.first().map_or(0, Record::ts_recv));
    run.feed(records);
    run.finish()
}

#[test]
fn the_grid_has_every_combination_in_order_but_exits_above_entries() {
    let (points, left_out) = grid().points(&setup());
    assert_eq!((points.len(), left_out, grid().len()), (20, 4, 24));
    let first = Point {
        entry: Some(0.0002),
        exit: Some(0.0),
        size: Some(amount("500")),
        latency: Some(MILLI),
        lifetime: None,
    };
    assert_eq!(points[0], first);
    assert_eq!(points[1], Point { latency: Some(20 * MILLI), ..first });
    assert_eq!(points[2], Point { size: Some(amount("2000")), ..first });
    assert_eq!(points[4].entry, Some(0.0005), "0.0003 is above 0.0002");
    assert_eq!(Grid::default().points(&setup()), (vec![Point::default()], 0));
}

#[test]
fn a_point_sets_what_it_has_and_nothing_else() {
    let mut setup = setup();
    let pair = |instrument, entry| PairRule {
        instrument: InstrumentId(instrument),
        buy_venue: VenueId(0),
        sell_venue: VenueId(1),
        entry,
        exit: 0.0001,
        expires: Nanos::MAX,
    };
    let rules = PairRules { pairs: vec![pair(0, 0.002), pair(1, 0.003)] };
    setup.thresholds.rules = Some(rules);
    let same = Point::default().apply(&setup);
    assert_eq!(
        (&same.thresholds, &same.settings, &same.paper),
        (&setup.thresholds, &setup.settings, &setup.paper)
    );
    let point = Point {
        entry: Some(0.004),
        exit: None,
        size: Some(amount("7")),
        latency: Some(3 * MILLI),
        lifetime: Some(9),
    };
    let set = point.apply(&setup);
    let rules = set.thresholds.rules.unwrap().pairs;
    assert_eq!(rules.iter().map(|r| (r.entry, r.exit)).collect::<Vec<_>>(), [(0.004, 0.0001); 2]);
    assert!(set.settings.sizes.iter().all(|size| *size == Some(amount("7"))));
    assert_eq!((set.settings.latencies, set.settings.min_lifetime), (vec![3 * MILLI; 3], 9));
    assert!(set.paper.latencies.iter().all(|latencies| latencies.median() == 3 * MILLI));
    let above = Grid { entries: vec![0.00005, 0.004], ..Grid::default() };
    assert_eq!(above.points(&setup).1, 1, "the rules' exits count");
}

#[test]
fn threads_and_blocks_change_nothing_and_each_result_is_that_of_its_own_run() {
    let (setup, stream) = (setup(), drawn(11, 1_500));
    let (points, _) = grid().points(&setup);
    let (begin, end) = stream.period().unwrap();
    let periods = Periods::equal(begin, end, 3);
    let on = |threads, block| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| swept(&setup, &points, &periods, &stream, block))
    };
    let one = on(1, 1_000);
    for (threads, block) in [(2, 1_000), (4, 333), (3, stream.records().len())] {
        assert!(on(threads, block) == one, "{threads} threads, blocks of {block}");
    }
    let cut = |part: usize| {
        let end = periods.end_of(part).unwrap_or(Nanos::MAX);
        stream.records().iter().position(|record| end <= record.ts_recv())
    };
    let cuts = [0, cut(0).unwrap(), cut(1).unwrap(), stream.records().len()];
    assert!(one.iter().any(|swept| swept.whole.profit() != one[0].whole.profit()));
    for (point, swept) in points.iter().zip(&one) {
        assert_eq!(swept.point, *point);
        let setup = point.apply(&setup);
        assert_eq!(swept.whole, run(&setup, stream.records()));
        assert_eq!(swept.parts.len(), 3);
        for (part, outcome) in swept.parts.iter().enumerate() {
            assert_eq!(*outcome, run(&setup, &stream.records()[cuts[part]..cuts[part + 1]]));
        }
    }
}

#[test]
fn records_of_instruments_that_are_not_enabled_are_left_out() {
    let (mut setup, stream) = (setup(), drawn(12, 3_000));
    setup.thresholds.enabled = vec![false, true];
    let only = stream.only(&Instruments::new(setup.thresholds.enabled.clone()));
    assert!(only.records().iter().any(|record| record.is::<Gap>()), "a gap is of all");
    let found = swept(&setup, &[Point::default()], &Periods::default(), &stream, 100);
    assert_eq!(found[0].whole, run(&setup, only.records()));
    assert!(0 < found[0].whole.tally.decided);
}

#[test]
fn periods_without_records_are_there_with_nothing_in_them() {
    let (setup, stream) = (setup(), drawn(13, 500));
    let (begin, end) = stream.period().unwrap();
    let length = end - begin + 1;
    let periods = Periods::equal(begin - 2 * length, end + length, 4);
    let found = swept(&setup, &[Point::default()], &periods, &stream, 64);
    let counts: Vec<u64> = found[0].parts.iter().map(|part| part.records).collect();
    assert_eq!(counts, [0, 0, stream.records().len() as u64, 0]);
    assert!(found[0].parts[0].tally == found[0].parts[3].tally);
    let nothing = swept(&setup, &[Point::default()], &periods, &Stream::default(), 64);
    assert_eq!((nothing[0].parts.len(), nothing[0].whole.records), (4, 0));
}

/// Seconds of each half of the stream below.
const HALF: u64 = 30;

/// Every second venue x is cheap for 200 ms, by 10 bp. In the second half its ask is gone after 4 ms, so that
/// the leg that was sold is bought back at a loss. Once in five seconds it is cheap by 60 bp for 200 ms, in
/// both halves.
fn two_halves() -> Stream {
    let mut inputs = rig::live(BEGIN);
    // Each quote has another size, so that what was taken of a level is there again.
    let mut wide = |ts: Nanos, venue, bid, width| {
        let sz = 10_000 + inputs.len() as i64;
        let mut quote = *quote(ts, 0, venue, bid, sz).view::<Quote>();
        quote.ask_px = bid + width;
        inputs.push(quote.into());
    };
    for second in 0..2 * HALF {
        let ts = BEGIN + second * SECOND + MILLI;
        wide(ts, 0, 10_000, 2);
        wide(ts + 1, 1, 10_000, 2);
        let (is_second_half, is_fifth) = (HALF <= second, second % 5 == 0);
        let cheap = if is_fifth { 9_940 } else { 9_990 };
        wide(ts + 300 * MILLI, 0, cheap, 2);
        if is_second_half && !is_fifth {
            wide(ts + 304 * MILLI, 0, cheap, 70);
        }
        for step in 1..20 {
            wide(ts + 300 * MILLI + step * 10 * MILLI, 1, 10_000, 2);
        }
        wide(ts + 500 * MILLI, 0, 10_000, 2);
    }
    Stream::of_inputs(Book::new(&rig::market()), &inputs)
}

#[test]
fn what_was_best_before_is_judged_by_what_came_after() {
    let (mut setup, stream) = (setup(), two_halves());
    setup.paper.rejects = 0.0;
    let entries = vec![0.0003, 0.002, 0.05];
    let (points, _) = Grid { entries, ..Grid::default() }.points(&setup);
    let (begin, end) = (BEGIN, BEGIN + 2 * HALF * SECOND - 1);
    let found = swept(&setup, &points, &Periods::equal(begin, end, 2), &stream, 97);
    let profit = |index: usize, part: usize| found[index].parts[part].profit();
    assert!(profit(1, 0) < profit(0, 0), "the low threshold is best at first");
    assert!(profit(0, 1) < Amount::ZERO && Amount::ZERO < profit(1, 1), "and worst afterwards");
    assert_eq!((profit(2, 0), profit(2, 1)), (Amount::ZERO, Amount::ZERO));
    let walk = WalkForward::of(&found).unwrap();
    assert_eq!(walk.steps.len(), 1);
    let step = walk.steps[0];
    assert_eq!(step.chosen, Some(Choice { index: 0, profit: profit(0, 0) }));
    assert_eq!(step.best, Some(Choice { index: 1, profit: profit(1, 1) }));
    assert_eq!((walk.promised, walk.judged), (profit(0, 0), profit(0, 1)));
    assert_eq!(walk.hindsight, step.best);
    assert_eq!(walk.flattery(), profit(1, 1) - profit(0, 1));
    assert!(WalkForward::of(&swept(&setup, &points, &Periods::default(), &stream, 97)).is_none());
}

#[test]
fn over_many_periods_the_sums_are_those_of_the_judged() {
    let (setup, stream) = (setup(), drawn(14, 2_000));
    let (points, _) = grid().points(&setup);
    let (begin, end) = stream.period().unwrap();
    let found = swept(&setup, &points, &Periods::equal(begin, end, 5), &stream, 500);
    let walk = WalkForward::of(&found).unwrap();
    let (mut judged, mut promised) = (Amount::ZERO, Amount::ZERO);
    for period in 1..5 {
        let gains =
            |part: usize| -> Vec<Amount> { found.iter().map(|s| s.parts[part].profit()).collect() };
        let before = gains(period - 1);
        let most = before.iter().copied().max().unwrap();
        let chosen = before.iter().position(|profit| *profit == most).unwrap();
        if Amount::ZERO < most {
            judged += gains(period)[chosen];
            promised += most;
            assert_eq!(walk.steps[period - 1].chosen.unwrap().index, chosen);
        } else {
            assert_eq!(walk.steps[period - 1].chosen, None);
        }
    }
    assert_eq!((walk.judged, walk.promised), (judged, promised));
    let curve = walk.curve(&found);
    assert_eq!(curve.last().unwrap().1, judged);
    assert!(curve.is_sorted_by_key(|(ts, _)| *ts) && begin < curve[0].0);
    let over = |swept: &Swept| swept.parts[1..].iter().map(Outcome::profit).sum::<Amount>();
    let most = found.iter().map(over).max().unwrap();
    assert_eq!(walk.hindsight.map_or(Amount::ZERO, |best| best.profit), most.max(Amount::ZERO));
}

#[test]
fn where_nothing_gains_nothing_is_chosen() {
    let (setup, stream) = (setup(), two_halves());
    let (points, _) = Grid { entries: vec![0.05], ..Grid::default() }.points(&setup);
    let (begin, end) = stream.period().unwrap();
    let found = swept(&setup, &points, &Periods::equal(begin, end, 3), &stream, 500);
    let walk = WalkForward::of(&found).unwrap();
    assert!(walk.steps.iter().all(|step| step.chosen.is_none() && step.best.is_none()));
    assert_eq!((walk.judged, walk.hindsight, walk.flattery()), (Amount::ZERO, None, Amount::ZERO));
}

/// A sweep whose names try to get out of the page.
fn hostile() -> (Setup, Vec<Swept>) {
    let mut setup = setup();
    let mut market = rig::market();
    market.venues[0].name = "<script>alert(1)</script>".to_owned();
    market.instruments[0].name = "A&\"'\u{202e}/Q".to_owned();
    setup.catalogue = Arc::new(market);
    let stream = drawn(15, 1_500);
    let (points, _) = grid().points(&setup);
    let (begin, end) = stream.period().unwrap();
    let found = swept(&setup, &points, &Periods::equal(begin, end, 3), &stream, 1_000);
    (setup, found)
}

/// Checks that every element is closed, and returns how often each was opened.
fn opened(html: &str) -> std::collections::BTreeMap<String, usize> {
    let (mut open, mut counts) = (Vec::new(), std::collections::BTreeMap::new());
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("not closed: <{part}"));
        assert!(!text.contains('>'), "not escaped: {text}");
        let name = tag.split([' ', '/']).next().unwrap().to_owned();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().unwrap_or_default(), name);
        } else if !tag.ends_with('/') && !["!doctype", "meta"].contains(&&*name) {
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            *counts.entry(name.clone()).or_default() += 1;
            open.push(name);
        }
    }
    counts
}

#[test]
fn the_page_is_whole_loads_nothing_and_has_the_figures() {
    let (setup, found) = hostile();
    let study = Study::new("<lake>", &setup, &found, 4);
    let html = page::page(&study);
    assert_eq!(html, page::page(&Study::new("<lake>", &setup, &found, 4)));
    let counts = opened(&html);
    assert_eq!((counts.get("script"), counts["svg"], counts["h1"]), (None, 2, 1));
    let addresses = html.matches("http").count();
    assert_eq!(addresses, html.matches("http://www.w3.org/2000/svg").count());
    assert!(!html.contains("url(") && !html.contains("src=") && !html.contains("href"));
    assert!(!html.contains('\u{202e}') && !html.contains("NaN"));
    let best = study.best().unwrap();
    let (profit, walk) = (best.whole.profit(), study.walk_forward.clone().unwrap());
    for part in [
        "Sweep of &lt;lake&gt;".to_owned(),
        format!("<td>{}</td>", Shown(profit)),
        format!("gained {} Q", Shown(walk.hindsight.unwrap().profit)),
        format!("judged on the next: {} Q", Shown(walk.judged)),
        "&lt;script&gt;".to_owned(),
        "4 combinations were left out".to_owned(),
    ] {
        assert!(html.contains(&part), "{part}");
    }
    // A row for each configuration, the header of the table, the judged periods with theirs, and the heat map.
    assert_eq!(counts["tr"], (20 + 1) + (2 + 1) + (3 + 1));
    for (name, svg) in page::pictures(&study) {
        assert!(
            ["profit.svg", "captured.svg"].contains(&name.as_str())
                && 3 < svg.matches("<path").count()
        );
    }
    let empty = Study::new("", &setup, &[], 0);
    opened(&page::page(&empty));
    assert_eq!((empty.text().lines().count(), page::pictures(&empty).len()), (1, 0));
}

/// An amount as the page shows it.
struct Shown(Amount);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&spreadwire_backtest::words::amount(self.0))
    }
}

#[test]
fn csv_json_and_text_have_every_configuration_exactly() {
    let (setup, found) = hostile();
    let study = Study::new("lake", &setup, &found, 0);
    let csv = study.csv();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let keys: Vec<&str> = COLUMNS.iter().map(|column| column.key).collect();
    assert_eq!((&lines[0], lines.len()), (&keys, found.len() + 1));
    let place = |key: &str| keys.iter().position(|known| *known == key).unwrap();
    let json = study.json();
    let rows = json["configurations"].as_array().unwrap();
    assert_eq!(rows.len(), found.len());
    for ((line, row), swept) in lines[1..].iter().zip(rows).zip(&found) {
        assert_eq!(line.len(), keys.len());
        let profit = swept.whole.profit().to_string();
        assert_eq!((line[place("profit")], row["profit"].as_str().unwrap()), (&*profit, &*profit));
        let entry = swept.point.entry.unwrap() * 1e4;
        assert!((line[place("entry_bps")].parse::<f64>().unwrap() - entry).abs() < 1e-9);
        assert!(
            (row["latency_ms"].as_f64().unwrap() * 1e6 - swept.point.latency.unwrap() as f64).abs()
                < 1.0
        );
        assert_eq!(row["deals"].as_u64().unwrap(), swept.whole.tally.decided);
        assert!(row["lifetime_ms"].is_null() && line[place("lifetime_ms")].is_empty());
    }
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), keys.len(), "keys differ");
    let walk = study.walk_forward.clone().unwrap();
    assert_eq!(json["walk_forward"]["judged"], walk.judged.to_string());
    assert_eq!(json["walk_forward"]["periods"].as_array().unwrap().len(), walk.steps.len());
    let ranked: Vec<Amount> =
        study.ranked().iter().map(|place| found[*place].whole.profit()).collect();
    assert!(ranked.is_sorted_by(|one, next| next <= one) && ranked[0] != ranked[19]);
    let text = study.text();
    assert!(text.contains(&study.verdict(&walk)) && text.starts_with("20 configurations over"));
}

#[test]
fn the_report_of_a_run_has_all_its_figures() {
    let (mut setup, stream) = (setup(), drawn(16, 6_000));
    setup.settings.limits.failures = 2;
    let outcome = run(&setup, stream.records());
    assert!(!outcome.halts.is_empty(), "two failures in a row stop it");
    let report = Report { setup: &setup, outcome: &outcome };
    let (text, json) = (report.text(), report.json());
    assert!(text.lines().all(|line| line.starts_with("PAPER")), "{text}");
    for part in
        ["captured after", "the latency, 15 ms", "100 ms", "10 s", "A/Q", "nothing opened any more"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(json["profit"], outcome.profit().to_string());
    assert_eq!(json["currency"], asset("Q").as_str());
    let sum = |values: &serde_json::Value, key: &str| -> Amount {
        let values = values.as_array().unwrap().iter();
        values.map(|value| Amount::parse(value[key].as_str().unwrap()).unwrap()).sum()
    };
    assert_eq!(sum(&json["pairs"], "profit"), outcome.tally.profit);
    assert_eq!(sum(&json["pairs"], "fees"), outcome.tally.fees);
    let counts = json["spreads"]["why_not"].as_object().unwrap().values();
    let refused: u64 = counts.map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(refused + outcome.acted, outcome.above);
    let orders: u64 = json["venues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|venue| venue["orders"].as_u64().unwrap())
        .sum();
    assert_eq!(orders, outcome.tally.orders);
    assert_eq!(json["captured"].as_array().unwrap().len(), 4);
    assert_eq!(json["markouts"].as_array().unwrap().len(), 4);
}
