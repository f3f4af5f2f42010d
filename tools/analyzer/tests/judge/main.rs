//! What the decision about pairs refuses and finds: single faults by hand, and how often markets
//! without an edge are recommended and those with one are found.
//!
//! Every simulation is seeded and prints what it counted; `SEED=` runs it with another seed.

#![allow(clippy::print_stdout, reason = "a test tells what it counted")]
#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

use analyzer::judge::{Deal, Judged, Refusal, Rules, decide, judge};
use markets::{Basis, FIRST_HOUR, HOUR, Market, Noise, SECOND, STRATEGIES};
use std::mem::{Discriminant, discriminant};

mod markets;

/// Returns the given seed, or that of `SEED`, and prints it.
fn seed(given: u64) -> u64 {
    let seed = std::env::var("SEED").map_or(given, |text| text.parse().unwrap());
    println!("SEED={seed}");
    seed
}

/// Judges markets as the only ones that were tried together.
fn judged(markets: impl Iterator<Item = Market>) -> Vec<Judged> {
    let rules = Rules::default();
    let name = |number: usize| format!("pair {number}");
    let judged = markets.enumerate().map(|(at, market)| judge(&name(at), &market.tried(), &rules));
    let mut judged: Vec<Judged> = judged.collect();
    decide(&mut judged, &rules);
    judged
}

/// Returns how many are recommended together, and how many would be if each was the only one.
fn recommended(judged: &[Judged]) -> [usize; 2] {
    let rules = Rules::default();
    let is_alone = |pair: &&Judged| {
        let mut alone = [(*pair).clone()];
        alone[0].refusals.retain(|refusal| !matches!(refusal, Refusal::Luck { .. }));
        decide(&mut alone, &rules);
        alone[0].is_recommended()
    };
    let together = judged.iter().filter(|pair| pair.is_recommended()).count();
    [together, judged.iter().filter(is_alone).count()]
}

fn one(market: &Market) -> Judged {
    let rules = Rules::default();
    let mut judged = [judge("one", &market.tried(), &rules)];
    decide(&mut judged, &rules);
    let [judged] = judged;
    judged
}

/// Returns a deal at a second of the period that earns this.
fn deal(at_s: i64, profit: f64) -> Deal {
    let opened = FIRST_HOUR * HOUR + at_s * SECOND;
    let worst = profit.min(-0.5);
    Deal { opened, closed: opened + SECOND, profit, at_once: -0.5, worst }
}

/// Returns deals every so many minutes of some hours, that earn 1.0 and 0.6 in turn, each hour a
/// little more than the hour before last.
fn steady(hours: std::ops::Range<i64>, minutes: i64) -> Vec<Deal> {
    let times = (hours.start * 60..hours.end * 60).filter(|minute| minute % minutes == 0);
    let of = |minute: i64| {
        let turn = if minute / minutes % 2 == 0 { 1.0 } else { 0.6 };
        deal(minute * 60, turn + 0.05 * (minute / 60 % 5) as f64)
    };
    times.map(of).collect()
}

fn kinds(judged: &Judged) -> Vec<Discriminant<Refusal>> {
    judged.refusals.iter().map(discriminant).collect()
}

/// Whether a reason of this kind was given.
fn is_refused_for(judged: &Judged, kind: &Refusal) -> bool {
    kinds(judged).contains(&discriminant(kind))
}

const QUIET: Refusal = Refusal::Quiet { hours: 0.0, expected: 0.0 };
const ONE_EVENT: Refusal = Refusal::OneEvent { profit: 0.0, of: 0.0 };
const FORWARD_UNSURE: Refusal = Refusal::ForwardUnsure { low: 0.0, level: 0.0 };
const LUCK: Refusal = Refusal::Luck { strategies: 0, q: 0.0 };

#[test]
fn a_steady_profit_is_recommended_with_its_figures() {
    let market = Market::new(vec![vec![], steady(0..24, 30)], 24);
    let judged = one(&market);
    assert_eq!(judged.refusals, []);
    assert_eq!((judged.chosen, judged.events), (Some(1), 48));
    assert!((judged.live_hours - 24.0).abs() < 1e-9);
    let held_out = judged.held_out.unwrap();
    assert_eq!((held_out.from_hour, held_out.events), (FIRST_HOUR + 16, 16));
    // A third of a day earned this; a day earns three times as much.
    assert!((held_out.per_day - 3.0 * held_out.profit).abs() < 1e-9);
    let forward = judged.forward.as_ref().unwrap();
    let chosen: Vec<_> = forward.periods.iter().map(|period| period.chosen).collect();
    assert_eq!(chosen, [Some(1); 5]);
    let profits: f64 = forward.periods.iter().map(|period| period.profit).sum();
    assert!((profits - forward.profit).abs() < 1e-9);
    assert!((forward.best_in_hindsight - forward.profit).abs() < 1e-9);
    let per_day = forward.per_day.unwrap();
    assert!((per_day.mean - forward.profit * 24.0 / 20.0).abs() < 1e-9);
    assert!(0.0 < per_day.low && per_day.low < per_day.mean && per_day.mean < per_day.high);
    let next = forward.next_day.unwrap();
    assert!(next.low < per_day.low && per_day.high < next.high, "{next:?} {per_day:?}");
    assert_eq!(judged.rank(), Some(per_day.low));
}

#[test]
fn too_little_evidence_has_no_rate_and_no_rank() {
    for (market, events) in [
        (Market::new(vec![steady(0..5, 5)], 5), 60),
        (Market::new(vec![steady(0..24, 90)], 24), 16),
        // All of these are one event: they follow each other within a minute.
        (Market::new(vec![(0..60).map(|at| deal(20 * at, 1.0)).collect()], 24), 1),
    ] {
        let judged = one(&market);
        let Refusal::TooLittle { events: found, live_hours, .. } = judged.refusals[0] else {
            panic!("{judged:?}")
        };
        assert_eq!((found, judged.refusals.len()), (events, 1));
        assert!((live_hours - judged.live_hours).abs() < 1e-9);
        assert_eq!((judged.rank(), judged.held_out, judged.forward.as_ref()), (None, None, None));
        assert!((judged.q - 1.0).abs() < 1e-12);
    }
    let judged = one(&Market::new(vec![vec![]; 36], 24));
    assert_eq!(judged.refusals, [Refusal::NoDeals]);
}

#[test]
fn a_pair_that_stopped_is_refused_although_it_earned_before() {
    let market = Market::new(vec![steady(0..12, 10)], 24);
    assert!(is_refused_for(&one(&market), &QUIET));
    // The pair has gone altogether; what was recorded of others goes on.
    let market = Market::new(vec![steady(0..12, 10)], 12);
    let recorded = Market::new(vec![], 24).hours;
    let mut tried = market.tried();
    tried.recorded = &recorded;
    let judged = judge("gone", &tried, &Rules::default());
    assert_eq!(kinds(&judged), [discriminant(&QUIET)]);
    assert!((judged.recorded_hours - 24.0).abs() < 1e-9);
    // The clock of a pair is the recorded time, wherever its own time lies.
    let alone = judge("gone", &market.tried(), &Rules::default());
    let mean = |judged: &Judged| judged.forward.as_ref().unwrap().per_day.unwrap().mean;
    assert!((mean(&alone) - 2.0 * mean(&judged)).abs() < 1e-9);
    // Whether the pair was there first or last.
    let before: Vec<(i64, f64)> = recorded.iter().map(|(hour, s)| (hour - 12, *s)).collect();
    tried.recorded = &before;
    let last = judge("gone", &tried, &Rules::default());
    assert!((mean(&last) - mean(&judged)).abs() < 1e-9);
}

/// Returns the decision about noise with an edge in which a few deals after 18:00 are lucky.
fn with_lucky_deals(count: usize, profit: f64) -> Judged {
    let mut rng = markets::rng(0);
    let noise = |at: i64| deal(at * 1_200, 0.1 + markets::gaussian(&mut rng));
    let mut deals: Vec<Deal> = (0..72).map(noise).collect();
    deals[54..54 + count].iter_mut().for_each(|deal| deal.profit = profit);
    one(&Market::new(vec![deals], 24))
}

#[test]
fn one_lucky_event_or_hour_is_not_enough() {
    // Without others, luck only widens the interval.
    let luck = with_lucky_deals(1, 1_000.0);
    assert!(is_refused_for(&luck, &FORWARD_UNSURE), "{:?}", luck.refusals);
    // Where luck would just prove enough, what remains must do so too.
    assert_eq!(kinds(&with_lucky_deals(3, 2.0)), [discriminant(&ONE_EVENT)]);
    let hour = with_lucky_deals(3, 1.5);
    let [Refusal::OneHour { hour: at, profit, .. }] = hour.refusals[..] else { panic!("{hour:?}") };
    assert_eq!(at, FIRST_HOUR + 18);
    assert!((profit - 4.5).abs() < 1e-9, "{profit}");
}

#[test]
fn losses_that_are_carried_count_before_they_are_realised() {
    let with_worst = |worst: f64| {
        let mut deals = steady(0..24, 20);
        deals.iter_mut().for_each(|deal| deal.worst = worst);
        one(&Market::new(vec![deals], 24))
    };
    assert_eq!(with_worst(-1.0).refusals, []);
    let carried = with_worst(-30.0);
    assert!(is_refused_for(&carried, &FORWARD_UNSURE), "{:?}", carried.refusals);
    assert!(is_refused_for(&carried, &LUCK), "{:?}", carried.refusals);
}

#[test]
fn a_profit_of_the_past_that_has_gone_is_refused() {
    let mut deals = steady(0..24, 20);
    deals.iter_mut().skip(48).for_each(|deal| deal.profit = -0.1);
    let judged = one(&Market::new(vec![deals], 24));
    let Refusal::HeldOutLost { per_day } = judged.refusals[0] else { panic!("{judged:?}") };
    assert!((per_day - -0.1 * 24.0 * 3.0).abs() < 1e-9, "{per_day}");
    assert_eq!(judged.refusals[0].to_string(), "the held-out last part lost 7.20 a day");
}

#[test]
fn the_held_out_part_has_no_say_in_the_choice() {
    // One strategy earns more in the first two thirds, another in the last.
    let first = steady(0..24, 20);
    let mut last = first.clone();
    last.iter_mut().take(48).for_each(|deal| deal.profit *= 0.5);
    last.iter_mut().skip(48).for_each(|deal| deal.profit *= 20.0);
    let judged = one(&Market::new(vec![first, last], 24));
    assert_eq!((judged.chosen, judged.refusals.len()), (Some(0), 0), "{judged:?}");
}

#[test]
fn a_held_out_part_that_proves_nothing_is_refused() {
    let mut deals = steady(0..24, 20);
    let swing = |at: usize| if at % 4 < 2 { 3.0 } else { -2.5 };
    deals.iter_mut().enumerate().skip(48).for_each(|(at, deal)| deal.profit = swing(at));
    let judged = one(&Market::new(vec![deals], 24));
    let unsure = Refusal::HeldOutUnsure { low: 0.0, level: 0.0 };
    assert!(is_refused_for(&judged, &unsure), "{judged:?}");
    assert!(0.0 < judged.held_out.unwrap().profit);
}

#[test]
fn walking_forward_uses_the_past_alone() {
    // One strategy earns on the first two days of four, another on the last two.
    let mut early = steady(0..96, 60);
    let mut late = early.clone();
    early.iter_mut().skip(48).for_each(|deal| deal.profit = -2.0);
    late.iter_mut().take(48).for_each(|deal| deal.profit = -0.4);
    let judged = one(&Market::new(vec![early, late], 96));
    let forward = judged.forward.as_ref().unwrap();
    let chosen: Vec<_> = forward.periods.iter().map(|period| period.chosen).collect();
    // After the third day, the late one has earned more than it lost.
    assert_eq!(chosen, [Some(0), Some(0), Some(1)]);
    assert!(forward.profit < forward.best_in_hindsight);
    assert!(!judged.is_recommended());
}

#[test]
fn the_more_pairs_were_tried_the_more_is_luck() {
    let rules = Rules::default();
    let market = Market::new(vec![steady(0..24, 30)], 24);
    let good = judge("good", &market.tried(), &rules);
    let nothing = judge("nothing", &Market::new(vec![vec![]], 24).tried(), &rules);
    let decided = |others: usize| {
        let mut all = vec![nothing.clone(); others + 1];
        all[0] = good.clone();
        decide(&mut all, &rules);
        all.swap_remove(0)
    };
    assert!(decided(10).is_recommended());
    let among_many = decided(600_000);
    assert_eq!(kinds(&among_many), [discriminant(&LUCK)]);
    assert!(rules.false_discoveries < among_many.q, "{}", among_many.q);
}

#[test]
fn a_verdict_depends_on_the_pair_alone() {
    let market = Noise { hours: 24, per_hour: 6.0, sharpe: 0.4 }.market(seed(5));
    let rules = Rules::default();
    let first = judge("a", &market.tried(), &rules);
    let markets = (0..3).map(|at| Noise { hours: 24, per_hour: 3.0, sharpe: 0.0 }.market(at));
    judged(markets);
    assert_eq!(judge("a", &market.tried(), &rules), first);
    // Deals may come in any order, such as that in which they closed.
    let mut turned = market.clone();
    turned.strategies.iter_mut().for_each(|deals| deals.reverse());
    assert_eq!(judge("a", &turned.tried(), &rules), first);
    let other = judge("b", &market.tried(), &rules);
    assert_eq!(other.chosen, first.chosen);
    assert!((other.p / first.p).ln().abs() < 1.0, "{} {}", other.p, first.p);
}

/// Counts the pairs of a kind that are recommended.
fn counts(kind: &str, runs: u64, market: impl Fn(u64) -> Market) -> [usize; 2] {
    let first = seed(1_000);
    let judged = judged((first..first + runs).map(market));
    let counts = recommended(&judged);
    println!("{kind}: {} of {runs} recommended together, {} alone", counts[0], counts[1]);
    counts
}

/// Each is decided alone here, without the correction for many pairs. Of 40 with a probability of
/// 2 %, more than 4 are recommended in one of 1,000 cases.
#[test]
fn markets_without_an_edge_are_refused() {
    let noise = |hours, per_hour| move |seed| Noise { hours, per_hour, sharpe: 0.0 }.market(seed);
    let walk = |of_hour| move |seed| Basis::Walk(of_hour).market(24, seed);
    let all = [
        counts("best of 36, six hours", 40, noise(6, 10.0)),
        counts("best of 36, a day", 40, noise(24, 3.0)),
        counts("best of 36, three days", 40, noise(72, 1.0)),
        counts("random walk of 60 bp an hour", 40, walk(60.0)),
        counts("random walk of 300 bp an hour", 40, walk(300.0)),
    ];
    assert!(all.iter().all(|[_, alone]| *alone <= 4), "{all:?}");
    let total: usize = all.iter().map(|[together, _]| together).sum();
    assert!(total <= 2, "{total} of 200");
}

#[test]
fn the_noise_has_strategies_that_look_good() {
    let market = Noise { hours: 24, per_hour: 3.0, sharpe: 0.0 }.market(seed(3));
    assert_eq!(market.strategies.len(), STRATEGIES);
    let total = |deals: &Vec<Deal>| deals.iter().map(|deal| deal.profit).sum::<f64>();
    assert!(0.0 < market.strategies.iter().map(total).fold(f64::MIN, f64::max));
}

/// Of 12 with a probability of 95 %, fewer than 9 are found in one of 400 cases.
#[test]
fn markets_with_an_edge_are_found() {
    let noise = |sharpe| move |seed| Noise { hours: 24, per_hour: 10.0, sharpe }.market(seed);
    let basis = |half_life_s, sd| move |seed| Basis::Reverting(half_life_s, sd).market(24, seed);
    let all = [
        counts("a mean of 0.7 deviations an event, 10 events an hour", 12, noise(0.7)),
        counts("half-life 5 s, 30 bp at costs of 20 bp", 12, basis(5.0, 30.0)),
        counts("half-life 30 s, 20 bp", 12, basis(30.0, 20.0)),
        counts("half-life 5 min, 30 bp", 12, basis(300.0, 30.0)),
    ];
    assert!(all.iter().all(|[together, _]| 9 <= *together), "{all:?}");
    let noise =
        counts("noise of 10 bp, without memory", 12, |seed| Basis::Noise(10.0).market(24, seed));
    assert_eq!(noise, [0, 0]);
}
