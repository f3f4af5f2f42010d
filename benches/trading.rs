//! Measures the trader's decision, `Trader::on_record`: a spread in, orders out, with all limits on.
//!
//! `below` finds no opportunity, `acted` follows one that was acted on, and `refused` has one whose size is
//! too small for both venues, so that every other limit was looked at before. Their quantiles are over batches
//! of 64 spreads (`timing.rs`). `placed` opens an opportunity and sends both orders; it is timed call by call,
//! because what follows (the answers, the end of the deal and of the opportunity) is not part of it. Each of its
//! calls includes about one reading of the clock: `clock` is two readings with nothing between them. With
//! `4 deals` as many of other instruments are open, whose profits count towards the limits of loss.

use benches::header;
use benches::timing::{self, Samples};
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::record::Record;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::order::{Answer, AssetName, Ended};
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
use spreadwire_trading::terms::{Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms};
use spreadwire_trading::trader::{Out, Trader};
use spreadwire_trading::why::Why;
use std::hint::black_box;

const VENUES: u8 = 4;
const INSTRUMENTS: u32 = 8;
/// Time between two opportunities, longer than anything of one is looked at.
const PACE: Nanos = 200 * MILLI;
/// Number of deals that are open beside the one that is measured.
const OTHERS: [u32; 2] = [0, 4];

/// Prices of a spread above the thresholds, and of one below. Both differ: what was claimed of a level is free
/// again only after it has changed.
const ABOVE: [i64; 2] = [6_180_000, 6_210_000];
const BELOW: [i64; 2] = [6_190_000, 6_180_000];

fn market() -> Catalogue {
    let instruments = (0..INSTRUMENTS).map(|number| format!("A{number}/B"));
    catalogue::of(instruments, ["a", "b", "c", "d"]).max_age(SECOND).build()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).expect("a decimal")
}

fn name(text: &str) -> AssetName {
    AssetName::new(text).expect("a short name")
}

/// Returns settings in which every limit is set.
fn settings() -> Settings {
    let mut assets = Assets::default();
    let quote = assets.intern(name("B"));
    let of_instrument = |number: u32| Terms {
        settlement: Settlement::Spot,
        base: assets.intern(name(&format!("A{number}"))),
        quote,
        px_scale: 2,
        sz_scale: 8,
        tick: 1,
        lot: 1,
        min_sz: 1,
        min_notional: amount("5"),
    };
    let terms: Vec<Terms> = (0..INSTRUMENTS).map(of_instrument).collect();
    let venue = VenueTerms {
        tiers: vec![Tier { from: Amount::ZERO, millionths: 1_000 }],
        volume: Amount::ZERO,
        fee_asset: FeeAsset::Quote,
        orders_per_second: 100,
        max_age: SECOND,
    };
    let (venues, instruments) = (usize::from(VENUES), INSTRUMENTS as usize);
    let valued = |place: usize| (place == quote.index()).then_some(1_000_000);
    Settings {
        rates: (0..assets.len()).map(valued).collect(),
        assets,
        currency: name("B"),
        terms: terms.into_iter().flat_map(|terms| vec![Some(terms); venues]).collect(),
        venues: vec![venue; venues],
        sizes: vec![Some(amount("500")); instruments * venues * venues],
        exits: vec![None; instruments * venues * venues],
        min_lifetime: 0,
        exit: Exit::Inventory,
        hedging: Hedging { policy: Hedge::Complete, band: 0.02, time_to_live: SECOND },
        limits: Limits {
            order: amount("1000"),
            instrument: amount("2000"),
            venue: amount("5000"),
            total: amount("10000"),
            open_deals: 8,
            loss_per_day: amount("500"),
            drawdown: amount("500"),
            failures: 5,
            max_net: 0.1,
        },
        latencies: vec![5 * MILLI; venues],
        // The other deals wait for their answers to the end.
        answer_timeout: Nanos::MAX / 4,
    }
}

fn thresholds() -> decision::Settings {
    let enabled = vec![true; INSTRUMENTS as usize];
    decision::Settings { entry: 0.001, exit: 0.0005, cooldown: 0, enabled, rules: None }
}

/// A trader and what it says.
struct Bench {
    trader: Trader,
    out: Out,
    now: Nanos,
}

impl Bench {
    /// Creates one with so many deals open, in instruments from 1 on.
    fn new(deals: u32) -> Bench {
        let settings = settings();
        let assets: Vec<AssetName> =
            settings.assets.ids().map(|id| settings.assets.name(id)).collect();
        let kill = KillSwitch::default();
        let mut trader = Trader::new(&market(), thresholds(), settings, kill, 1).trusting();
        for (venue, asset) in
            (0..VENUES).flat_map(|venue| assets.iter().map(move |it| (venue, *it)))
        {
            let event = Event::Funded { venue: VenueId(venue), asset, amount: amount("1000000") };
            trader.restore(&Entry { ts: 0, event });
        }
        let mut bench = Bench { trader, out: Out::with_capacity(64), now: SECOND };
        for instrument in 1..=deals {
            bench.trader.on_record(&spread(instrument, ABOVE, bench.now), &mut bench.out);
        }
        assert_eq!(bench.trader.desk().deals().len(), deals as usize);
        bench.forward();
        bench
    }

    /// Lets time pass, and does what is due.
    fn forward(&mut self) {
        self.out.clear();
        self.now += PACE;
        self.trader.on_time(self.now, &mut self.out);
        self.out.clear();
    }

    /// Ends the deal that was just placed unfilled, and its opportunity.
    fn undo(&mut self) {
        let ids: Vec<_> = self.out.orders.iter().map(|order| order.id).collect();
        assert_eq!(ids.len(), 2);
        for id in ids {
            let answer = Answer::Done { id, how: Ended::Unfilled, filled: 0 };
            self.trader.on_answer(&answer, self.now, &mut self.out);
        }
        self.trader.on_record(&spread(0, BELOW, self.now), &mut self.out);
        self.forward();
    }

    /// Measures a spread that comes again and again.
    fn again(&mut self, record: &Record) -> Samples {
        Samples::take(timing::samples(100_000), 64, || {
            self.trader.on_record(black_box(record), &mut self.out);
            black_box(self.out.orders.len());
        })
    }

    /// Checks that all that were not acted on had this one reason.
    fn check_why(&self, why: Why) {
        let why_not = self.trader.why_not();
        assert!(0 < why_not.total() && why_not.total() == why_not.of(why), "{why_not:?}");
    }
}

fn spread(instrument: u32, prices: [i64; 2], ts: Nanos) -> Record {
    quotes::spread(instrument, [1, 2], prices, ts).into()
}

type Case = (&'static str, fn(Bench, &Clock) -> Samples);

const CASES: [Case; 4] =
    [("below", below), ("acted", acted), ("refused", refused), ("placed", placed)];

fn below(mut bench: Bench, _clock: &Clock) -> Samples {
    let (before, _) = bench.trader.above_and_acted();
    let times = bench.again(&spread(0, BELOW, bench.now));
    assert_eq!(bench.trader.above_and_acted().0, before);
    times
}

fn acted(mut bench: Bench, _clock: &Clock) -> Samples {
    bench.trader.on_record(&spread(0, ABOVE, bench.now), &mut bench.out);
    let times = bench.again(&spread(0, ABOVE, bench.now));
    bench.check_why(Why::ActedOn);
    times
}

fn refused(mut bench: Bench, _clock: &Clock) -> Samples {
    let mut settings = bench.trader.desk().settings.clone();
    // Below what the venues take.
    settings.sizes.fill(Some(amount("4")));
    bench.trader.retune(thresholds(), settings);
    let times = bench.again(&spread(0, ABOVE, bench.now));
    bench.check_why(Why::OrderSize);
    times
}

fn placed(mut bench: Bench, clock: &Clock) -> Samples {
    let samples = timing::samples(100_000);
    let mut nanos = Vec::with_capacity(samples);
    for number in 0..samples + samples / 10 {
        let record = spread(0, ABOVE, bench.now);
        let start = clock.now();
        bench.trader.on_record(black_box(&record), &mut bench.out);
        let spent = clock.now() - start;
        bench.undo();
        if samples / 10 <= number {
            nanos.push(spent as f64);
        }
    }
    assert_eq!(bench.trader.why_not().total(), 0);
    Samples::of(nanos)
}

fn two_readings(clock: &Clock) -> Samples {
    let samples = timing::samples(100_000);
    let spent = |_| {
        let start = clock.now();
        (clock.now() - start) as f64
    };
    Samples::of((0..samples).map(spent).collect())
}

fn main() {
    header::print("trading");
    let clock = Clock::host();
    two_readings(&clock).tell(["trading", "clock", "two readings"], None);
    for deals in OTHERS {
        for (case, measure) in CASES {
            measure(Bench::new(deals), &clock)
                .tell(["trading", case, &format!("{deals} deals")], None);
        }
    }
}
