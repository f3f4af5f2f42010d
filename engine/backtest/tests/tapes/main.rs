//! Recorded tapes of real markets: what could be captured, and that the books conserve there too.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod tape;

use spreadwire_backtest::grid::Grid;
use spreadwire_backtest::periods::Periods;
use spreadwire_backtest::setup::Setup;
use spreadwire_backtest::stream::{BLOCK, Stream};
use spreadwire_backtest::sweep::{Sweep, Swept};
use spreadwire_backtest::table::Study;
use spreadwire_backtest::words;
use spreadwire_kit::needs::{Need, tests};
use spreadwire_market::clock::{MILLI, SECOND};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::settings::Exit;
use spreadwire_trading::terms::Settlement::{Position, Spot};
use tape::{Counts, Tape, Venue};

fn main() -> std::process::ExitCode {
    spreadwire_kit::needs::run(tests![
        btc_without_fees_has_gaps_that_pass_within_milliseconds: [Need::data(BTC)],
        btc_at_retail_fees_has_hardly_anything_to_capture: [Need::data(BTC)],
        lunc_after_a_crash: [Need::data(LUNC)],
    ])
}

const BTC: &str = "tapes/quotes_binance_spot_usdm_coinm_BTC_20240808T2354Z.csv.gz";
const LUNC: &str = "tapes/quotes_gateiofut_mexcspot_LUNCUSDT_20251011.csv.gz";

const fn venue(
    name: &'static str,
    fee: i64,
    settlement: spreadwire_trading::terms::Settlement,
    counts: Counts,
) -> Venue {
    Venue { name, fee, settlement, counts }
}

const BTC_RETAIL: Tape = Tape {
    file: BTC,
    base: "BTC",
    px_scale: 2,
    sz_scale: 8,
    max_age: SECOND,
    venues: &[
        venue("binance_spot", 1_000, Spot, Counts::Base),
        venue("binance_usdm", 500, Position, Counts::Base),
        venue("binance_coinm", 500, Position, Counts::Inverse(100)),
    ],
    inventory: "1",
};

const BTC_FREE: Tape = Tape {
    venues: &[
        venue("binance_spot", 0, Spot, Counts::Base),
        venue("binance_usdm", 0, Position, Counts::Base),
        venue("binance_coinm", 0, Position, Counts::Inverse(100)),
    ],
    ..BTC_RETAIL
};

const LUNC_RETAIL: Tape = Tape {
    file: LUNC,
    base: "LUNC",
    px_scale: 10,
    sz_scale: 4,
    // A sample each 0.5 to 0.8 s: what the tape says of shorter times is when the two samples fell, and not
    // how long a level stood. That a contract is 1,000 LUNC is assumed; the tape does not say it.
    max_age: 2 * SECOND,
    venues: &[
        venue("gateio_futures", 500, Position, Counts::Contracts(1_000)),
        venue("mexc_spot", 500, Spot, Counts::Base),
    ],
    inventory: "200000000",
};

fn swept(setup: &Setup, grid: &Grid, stream: &Stream) -> Vec<Swept> {
    let (points, _) = grid.points(setup);
    let (begin, end) = stream.period().unwrap();
    let mut sweep = Sweep::new(setup, &points, Periods::equal(begin, end, 4));
    stream.records().chunks(BLOCK).for_each(|records| sweep.feed(records));
    sweep.finish()
}

/// What holds for every outcome.
fn check(swept: &[Swept]) {
    for outcome in swept.iter().map(|swept| &swept.whole) {
        let pairs = outcome.subtotals.pairs().values();
        assert_eq!(pairs.map(|pair| pair.profit).sum::<Amount>(), outcome.tally.profit);
        for (_, _, account) in &outcome.accounts {
            assert_eq!(account.funded + account.traded - account.fees, account.balance());
        }
        let looked = outcome.tally.captured.map(|captured| captured.seen + captured.unseen);
        assert!(looked.iter().all(|count| *count == looked[0]), "{looked:?}");
        for captured in &outcome.tally.captured {
            assert!(captured.all <= captured.some && captured.some <= captured.seen);
            assert!(captured.seen == 0 || (0.0..=1.0).contains(&captured.share()));
        }
    }
}

fn told(tape: &Tape, setup: &Setup, grid: &Grid) -> Vec<Swept> {
    let stream = tape.stream();
    let swept = swept(setup, grid, &stream);
    let study = Study::new(tape.file, setup, &swept, 0);
    println!("{}", study.text());
    for one in &swept {
        let (shares, seen) = shares(one);
        let shares = shares.map(words::percent).join(", ");
        let name = study.name(one);
        println!("{name}: {seen} opportunities; still there after 1, 10, 100 ms: {shares}");
    }
    check(&swept);
    swept
}

/// The shares of the displayed size that were still there after 1, 10 and 100 ms, and the number of
/// opportunities that were seen.
fn shares(swept: &Swept) -> ([f64; 3], u64) {
    let [_, one, ten, hundred] = swept.whole.tally.captured;
    ([one, ten, hundred].map(|captured| captured.share()), one.seen)
}

fn btc_without_fees_has_gaps_that_pass_within_milliseconds() {
    let setup = BTC_FREE.setup(0.0002, -0.0001, Exit::Convergence);
    let grid = Grid {
        entries: vec![0.0001, 0.0002, 0.0003, 0.0005],
        latencies: vec![MILLI, 5 * MILLI, 20 * MILLI, 100 * MILLI],
        ..Grid::default()
    };
    let swept = told(&BTC_FREE, &setup, &grid);
    let ([one, ten, hundred], seen) = shares(&swept[1]);
    assert!(30 < seen && 0.5 < one && ten < one && hundred < ten, "{seen}: {one} {ten} {hundred}");
}

fn btc_at_retail_fees_has_hardly_anything_to_capture() {
    let setup = BTC_RETAIL.setup(0.0001, 0.0, Exit::Inventory);
    let swept = told(&BTC_RETAIL, &setup, &Grid::default());
    assert!(swept[0].whole.tally.decided < 3, "{}", swept[0].whole.tally.decided);
}

fn lunc_after_a_crash() {
    let setup = LUNC_RETAIL.setup(0.001, 0.0, Exit::Convergence);
    let grid = Grid {
        entries: vec![0.0005, 0.001, 0.002, 0.005],
        latencies: vec![MILLI, 10 * MILLI, 100 * MILLI, SECOND],
        ..Grid::default()
    };
    let swept = told(&LUNC_RETAIL, &setup, &grid);
    let ([one, ten, hundred], seen) = shares(&swept[0]);
    assert!(10 < seen && ten < one && hundred < ten, "{seen}: {one} {ten} {hundred}");
}
