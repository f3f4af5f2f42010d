//! What a seed draws: settings of the trader, and how much goes wrong.

use crate::terms::{
    ASSETS, FEE_RATE, INSTRUMENTS, QUOTE, VENUES, all_terms, assets, name, venue_terms,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decision;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};

/// Probabilities of what goes wrong, each for one occasion.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) order_lost: f64,
    /// An order arrives after up to ten timeouts.
    pub(crate) order_late: f64,
    pub(crate) answer_lost: f64,
    pub(crate) answer_late: f64,
    pub(crate) answer_doubled: f64,
    /// An end of the order without fills is told before the true one.
    pub(crate) false_cancel: f64,
    /// More is said to be filled than was, or than was ordered.
    pub(crate) false_done: f64,
    /// A rejection is told although the order was taken.
    pub(crate) false_reject: f64,
    /// The venue refuses for no reason of ours.
    pub(crate) reject: f64,
    /// The venue fills more than was ordered.
    pub(crate) overfill: f64,
    /// The gateway says itself that it does not know.
    pub(crate) unknown: f64,
    /// The trader ends in the middle of what it said.
    pub(crate) crash: f64,
    /// Per market event.
    pub(crate) kill: f64,
    pub(crate) gap: f64,
    pub(crate) stale: f64,
    pub(crate) disconnect: f64,
    pub(crate) retune: f64,
    pub(crate) foreign_trade: f64,
    pub(crate) deposit: f64,
    /// A net that is no number, or far too large.
    pub(crate) wild_net: f64,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rng: ChaCha8Rng,
    pub(crate) faults: Faults,
    pub(crate) settings: Settings,
    pub(crate) thresholds: decision::Settings,
    /// Latencies one way, from and below.
    pub(crate) latency: (Nanos, Nanos),
    /// Time between two market events, at most.
    pub(crate) pace: Nanos,
    /// Length of the part in which things go wrong.
    pub(crate) length: Nanos,
}

impl Options {
    pub(crate) fn drawn(seed: u64) -> Options {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let faults = faults(&mut rng);
        let settings = settings(&mut rng);
        let thresholds = thresholds(&mut rng);
        let slow = rng.random_range(2..30) * MILLI;
        let pace = rng.random_range(1..12) * MILLI;
        Options {
            faults,
            settings,
            thresholds,
            latency: (MILLI / 2, slow),
            pace,
            length: pace * 250,
            rng,
        }
    }
}

fn faults(rng: &mut ChaCha8Rng) -> Faults {
    // Each fault is absent in half of the seeds, so that each is also seen alone.
    let mut often = |most: f64| {
        if rng.random_bool(0.5) { 0.0 } else { rng.random_range(0.0..most) }
    };
    Faults {
        order_lost: often(0.1),
        order_late: often(0.1),
        answer_lost: often(0.2),
        answer_late: often(0.2),
        answer_doubled: often(0.3),
        false_cancel: often(0.1),
        false_done: often(0.05),
        false_reject: often(0.1),
        reject: often(0.2),
        overfill: often(0.01),
        unknown: often(0.1),
        crash: often(0.05),
        kill: often(0.02),
        gap: often(0.01),
        stale: often(0.02),
        disconnect: often(0.02),
        retune: often(0.02),
        foreign_trade: often(0.004),
        deposit: often(0.004),
        wild_net: often(0.01),
    }
}

/// Draws everything that a reload may change.
pub(crate) fn settings(rng: &mut ChaCha8Rng) -> Settings {
    let mut rates = vec![None; ASSETS.len()];
    rates[QUOTE] = Some(1_000_000);
    rates[crate::terms::FEE_ASSET] = Some(FEE_RATE);
    let mut amount = |from: i128, to: i128| {
        Amount::of_units(rng.random_range(from * 10_i128.pow(18)..to * 10_i128.pow(18)))
    };
    let limits = Limits {
        order: amount(20, 1_000),
        instrument: amount(50, 3_000),
        venue: amount(50, 4_000),
        total: amount(100, 5_000),
        open_deals: 0,
        loss_per_day: amount(1, 10),
        drawdown: amount(1, 30),
        failures: 0,
        max_net: 0.05,
    };
    let sizes = INSTRUMENTS * VENUES * VENUES;
    let sizes =
        (0..sizes).map(|place| (place % 5 == 0).then(|| amount(20, 500))).collect::<Vec<_>>();
    let exit = |place| if place % 7 == 0 { Exit::Inventory } else { Exit::Convergence };
    let exits = (0..sizes.len()).map(|place| (place % 3 == 1).then(|| exit(place))).collect();
    let limits =
        Limits { open_deals: rng.random_range(1..6), failures: rng.random_range(2..40), ..limits };
    let policies = [Hedge::Complete, Hedge::Reverse, Hedge::Hold];
    let venues = (0..VENUES).map(|venue| venue_terms(venue, rng.random_range(2..40))).collect();
    Settings {
        assets: assets(),
        currency: name(QUOTE),
        rates,
        terms: all_terms(),
        venues,
        sizes,
        exits,
        min_lifetime: rng.random_range(0..2) * 3 * MILLI,
        exit: if rng.random_bool(0.5) { Exit::Inventory } else { Exit::Convergence },
        hedging: Hedging {
            policy: policies[rng.random_range(0..3)],
            band: rng.random_range(0.0..0.02),
            time_to_live: rng.random_range(20..400) * MILLI,
        },
        limits,
        latencies: vec![5 * MILLI; VENUES],
        answer_timeout: rng.random_range(40..200) * MILLI,
    }
}

pub(crate) fn thresholds(rng: &mut ChaCha8Rng) -> decision::Settings {
    let entry = rng.random_range(0.0..0.003);
    decision::Settings {
        entry,
        exit: entry - rng.random_range(0.0..0.002),
        cooldown: rng.random_range(0..20) * MILLI,
        enabled: vec![true; INSTRUMENTS],
        rules: None,
    }
}

/// Time at which a simulation begins: a second before a day ends, so that some see the next one.
pub(crate) const START: Nanos = 20_000 * 86_400 * SECOND - SECOND;
