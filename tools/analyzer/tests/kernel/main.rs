//! The kernel: the bytes do not depend on how rows are cut into batches; every sum equals its
//! definition, evaluated slowly; units add up; and a spread is the same as in the engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use analyzer::kernel::compatible::{Compatible, LEVELS, NEUTRAL};
use analyzer::kernel::episode::Episodes;
use analyzer::kernel::histogram::Histogram;
use analyzer::kernel::lead_lag::LeadLag;
use analyzer::kernel::legs::Leg;
use analyzer::kernel::moments::Moments;
use analyzer::kernel::partial::{Partial, Total};
use analyzer::kernel::play::PlaySettings;
use analyzer::kernel::profile::{BINS_MAX, Bin};
use analyzer::kernel::reversion::Reversion;
use analyzer::kernel::timed::Timed;
use analyzer::kernel::watch::{Terms, Watch};
use bytemuck::Zeroable;
use market::{DECIMALS, HOUR, MS, Market, Row, SECOND, markets, name};
use naive::{Pair, bps};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use spreadwire_market::book::{Book, Spreads};
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, Listing, VenueId, VenueInfo,
};
use spreadwire_market::record::{Quote, Spread, Status, flags};
use spreadwire_market::spread::{FeeFactors, net};
use spreadwire_market::state::State;
use std::collections::BTreeMap;

mod market;
mod naive;
mod served;

/// Time steps: milliseconds for bursts; seconds, so that samples fall on minutes; minutes, over
/// many hours.
const STEPS: &[i64] = &[MS, SECOND, 5 * SECOND, 5 * SECOND, 60 * SECOND];
const SLOW: &[i64] = &[60 * SECOND];

/// Values are summed in whole steps, so each is off by at most half a step, and so is their mean.
const HALF_STEP: f64 = 1.0 / 8_589_934_592.0;

fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    let off = (found - expected).abs();
    assert!(off <= tolerance, "{what}: {found} is not {expected} but off by {off}");
}

/// Returns the mean, the mean of squares, and the total time.
fn mean(values: &[(f64, u64)]) -> (f64, f64, u64) {
    let weight: u64 = values.iter().map(|(_, lasted)| lasted).sum();
    let of = |power: i32| {
        let terms = values.iter().map(|(value, lasted)| value.powi(power) * *lasted as f64);
        terms.sum::<f64>() / weight as f64
    };
    (of(1), of(2), weight)
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| {
        let (least, greatest) = range.unwrap_or((value, value));
        Some((value.min(least), value.max(greatest)))
    })
}

fn check_moments(found: &Moments, values: &[(f64, u64)], what: &str) {
    let (mean, square, weight) = mean(values);
    assert_eq!(found.weight, weight, "{what}");
    assert_eq!(found.least().zip(found.greatest()), range(values.iter().map(|v| v.0)), "{what}");
    if weight == 0 {
        assert_eq!((found.mean(), found.deviation()), (None, None));
        return;
    }
    near(found.mean().unwrap(), mean, HALF_STEP + 1e-15, what);
    let centred: Vec<_> = values.iter().map(|(value, lasted)| (value - mean, *lasted)).collect();
    let sd = self::mean(&centred).1.sqrt();
    // Besides the steps, the last subtraction of two squares in an f64 adds an error.
    let tolerance = HALF_STEP + (4.0 * f64::EPSILON * square).sqrt();
    near(found.deviation().unwrap(), sd, tolerance, what);
}

fn histogram(values: impl IntoIterator<Item = (f64, u64)>) -> Histogram {
    let mut histogram = Histogram::default();
    values.into_iter().for_each(|(value, weight)| histogram.add(value, weight));
    histogram
}

/// Returns the value at or below which the state is for half of the time.
fn median(values: &[(f64, u64)]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: u64 = values.iter().map(|v| v.1).sum();
    let mut below = 0;
    values
        .iter()
        .find(|(_, lasted)| {
            below += lasted;
            all.div_ceil(2) <= below
        })
        .map(|v| v.0)
}

fn check_bin(found: &Bin, within: (i64, i64), live: &[(i64, i64, naive::State)]) {
    let part = |(from, to, state): &(i64, i64, naive::State)| {
        let lasted = to.min(&within.1) - from.max(&within.0);
        (0 < lasted).then(|| (state.deviation, lasted.unsigned_abs()))
    };
    let values: Vec<(f64, u64)> = live.iter().filter_map(part).collect();
    let (mean, _, weight) = mean(&values);
    assert_eq!(found.weight, weight, "{within:?}");
    let found_range = Some((found.least, found.greatest));
    assert_eq!(found_range, range(values.iter().map(|v| v.0)), "{within:?}");
    near(found.mean(), mean, HALF_STEP + 1e-15, "a bin");
}

fn check_over_time(found: &Timed, live: &[(i64, i64, naive::State)]) {
    let all: i64 = live.iter().map(|(from, to, _)| to - from).sum();
    let hours = found.hours.bins.iter().map(|(hour, bin)| (hour * HOUR, HOUR, bin));
    for bins in [found.profile.bins().collect::<Vec<_>>(), hours.collect()] {
        let weight: u64 = bins.iter().map(|(_, _, bin)| bin.weight).sum();
        assert_eq!(weight, all.unsigned_abs());
        assert!(bins.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0), "bins are in order");
        for (begin, width, bin) in bins {
            check_bin(bin, (begin, begin + width), live);
        }
    }
    // The bins are no wider than necessary.
    if let (Some((first, ..)), Some((_, last, _))) = (live.first(), live.last()) {
        let mut width = SECOND;
        let bins = |width| (last - 1).div_euclid(width) - first.div_euclid(width) + 1;
        while i64::try_from(BINS_MAX).unwrap() < bins(width) {
            width *= 2;
        }
        assert!(found.profile.bins().all(|(_, found, _)| found == width));
    }
}

fn check_episodes(found: &Episodes, pair: &Pair<'_>, direction: usize, threshold: f64) {
    let what = format!("direction {direction} at {threshold}");
    let episodes = pair.episodes(direction, threshold);
    let arrived = pair.arrived(direction, threshold);
    check_episode_list(found, &episodes, (&arrived, threshold), &what);
    let mean_size = pair.mean_size(direction, threshold);
    assert_eq!(found.mean_size().is_some(), mean_size.is_some(), "{what}");
    if let (Some(found), Some(expected)) = (found.mean_size(), mean_size) {
        near(found, expected, 0.001 + 1e-9, "sizes in thousandths, cut off");
    }
}

/// Checks counts, durations and peaks, what orders met, and the hours in which episodes began.
fn check_episode_list(
    found: &Episodes,
    episodes: &[naive::Episode],
    (arrived, threshold): (&[(i64, f64, f64)], f64),
    what: &str,
) {
    let lasted: Vec<i64> = episodes.iter().map(|episode| episode.to - episode.from).collect();
    assert_eq!(found.count, episodes.len() as u64, "{what}: {episodes:?}");
    assert_eq!(found.lasted_ns, lasted.iter().sum::<i64>().unsigned_abs(), "{what}");
    let durations = histogram(lasted.iter().map(|lasted| (*lasted as f64 / 1e9, 1)));
    assert_eq!(found.durations, durations, "{what}");
    let peaks: Vec<f64> = episodes.iter().map(|episode| bps(episode.peak)).collect();
    assert_eq!(found.peaks, histogram(peaks.iter().map(|peak| (*peak, 1))), "{what}");
    assert_eq!(found.peak_bps, range(peaks.iter().copied()).map(|range| range.1), "{what}");
    let count = arrived.len() as f64;
    assert_eq!(found.arrived, arrived.len() as u64, "{what}: {episodes:?}");
    let still_there = arrived.iter().filter(|(_, met, _)| threshold <= *met).count();
    assert_eq!(found.still_there, still_there as u64, "{what}");
    if let Some(met) = found.mean_met_bps() {
        let expected = arrived.iter().map(|(_, met, _)| bps(*met)).sum::<f64>() / count;
        near(met, expected, 0.51e-6, "met, each in millionths");
    }
    let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
    for episode in episodes {
        *hours.entry(episode.from.div_euclid(HOUR)).or_default() += 1;
    }
    assert_eq!(found.began, hours.into_iter().collect::<Vec<_>>(), "{what}");
}

/// Checks that every sum of one pair of a unit equals its definition.
fn check_timed(found: &Timed, market: &Market, venues: [usize; 2]) {
    let Some(pair) = Pair::of(market, venues) else {
        assert_eq!((found.span_ns, found.deviation.weight), (0, 0));
        return;
    };
    assert_eq!(found.span_ns, (pair.end - pair.begin).unsigned_abs());
    let live = pair.live();
    let values = |of: &dyn Fn(&naive::State) -> f64| -> Vec<(f64, u64)> {
        live.iter().map(|(from, to, state)| (of(state), (to - from).unsigned_abs())).collect()
    };
    let in_bps = |values: &[(f64, u64)]| values.iter().map(|v| (bps(v.0), v.1)).collect::<Vec<_>>();
    let deviations = values(&|state| state.deviation);
    check_moments(&found.deviation, &deviations, "deviation");
    let deviations = in_bps(&deviations);
    assert_eq!(found.deviations, histogram(deviations.iter().copied()));
    let medians = (found.deviations.quantile(0.5), median(&deviations));
    assert_eq!(medians.0.is_some(), medians.1.is_some());
    if let (Some(found), Some(expected)) = medians {
        near(found, expected, 0.008_f64.max(0.004 * expected.abs()), "median");
    }
    for direction in 0..2 {
        let nets = values(&|state| state.net[direction]);
        check_moments(&found.net[direction], &nets, "net");
        assert_eq!(found.nets[direction], histogram(in_bps(&nets)));
        assert_eq!(found.episodes[direction].len(), market.settings.thresholds_bps.len());
        for (found, at) in found.episodes[direction].iter().zip(&market.settings.thresholds_bps) {
            let threshold = at / 10_000.0;
            check_episodes(found, &pair, direction, threshold);
            // The time above a threshold is all within episodes, and they contain nothing else.
            let above = nets.iter().filter(|(net, _)| threshold <= *net);
            assert_eq!(found.lasted_ns, above.map(|(_, lasted)| lasted).sum::<u64>());
        }
    }
    check_over_time(found, &live);
    let (reversion, (count, squares, product)) = pair.samples();
    assert_eq!(found.reversion, reversion);
    let together = found.together;
    assert_eq!(together.count, count);
    // The log of a ratio near one is off by the rounding of the ratio: 1e-16, of squares of 1e-3.
    let off = 1e-18 * count as f64;
    near(together.squares[0], squares[0], off, "squares");
    near(together.squares[1], squares[1], off, "squares");
    near(together.product, product, off, "products");
}

fn check(partial: &Partial, market: &Market) {
    for (venue, found) in partial.venues.iter().enumerate() {
        assert_eq!(found.name, name(venue));
        assert_eq!(found.sums, naive::venue(market, venue), "venue {venue}");
        let closing = market.rows[venue].last().or(market.openings[venue].as_ref());
        assert_eq!(found.closing.map(|leg| leg.time), closing.map(|row| row.time));
    }
    assert_eq!(partial.pairs.len(), market.pairs().len());
    for (found, venues) in partial.pairs.iter().zip(market.pairs()) {
        check_timed(found.timed.as_ref().unwrap(), market, venues);
        let lead_lag = Pair::of(market, venues).map(|pair| pair.lead_lag()).unwrap_or_default();
        assert_eq!(found.lead_lag.as_ref(), Some(&lead_lag), "{venues:?}");
    }
}

fn bytes(partial: &Partial) -> Vec<u8> {
    postcard::to_allocvec(partial).unwrap()
}

fn cuts() -> impl Strategy<Value = Vec<Vec<usize>>> {
    proptest::collection::vec(proptest::collection::vec(any::<usize>(), 0..8), 4)
}

/// Returns times as shares of a market's span.
fn shares() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-0.1..1.1_f64, 1..5)
}

/// Returns cuts at shares of the span, some of them at the time of a row.
fn times(market: &Market, shares: &[f64]) -> Vec<i64> {
    let (first, last) = market.span().unwrap();
    let all: Vec<i64> = market.times().collect();
    let at = |(number, share): (usize, &f64)| {
        #[expect(clippy::cast_possible_truncation, reason = "a span of days, ns")]
        let time = first + ((last - first) as f64 * share) as i64;
        if number % 2 == 0 { time } else { all[number * 7 % all.len()] }
    };
    shares.iter().enumerate().map(at).collect()
}

/// Checks that each unit equals its definitions, and that all together equal one pass, or their
/// sums.
fn check_units(market: &Market, cuts: &[i64]) {
    let units = market.units(cuts);
    let partials: Vec<Partial> = units.iter().map(|unit| unit.analyse(&[])).collect();
    let (begin, _) = market.span().unwrap();
    let (mut total, mut whole) = (Total::new(begin), Total::new(begin));
    whole.add(&market.analyse(&[]));
    for (unit, partial) in units.iter().zip(&partials) {
        check(partial, unit);
        total.add(partial);
    }
    for (place, venues) in market.pairs().into_iter().enumerate() {
        let names = (name(venues[0]), name(venues[1]));
        let (found, whole) = (&total.pairs[&names], &whole.pairs[&names]);
        assert_eq!(found.compatible, whole.compatible, "{names:?} cut at {cuts:?}");
        check_compatible(found.compatible.as_ref().unwrap(), market, venues);
        let pairs: Vec<Pair<'_>> = units.iter().filter_map(|unit| Pair::of(unit, venues)).collect();
        check_total(found.timed.as_ref().unwrap(), &pairs, &market.settings.thresholds_bps);
        let mut lead_lag = LeadLag::default();
        pairs.iter().for_each(|pair| lead_lag.merge(&pair.lead_lag()));
        assert_eq!(found.lead_lag.as_ref(), Some(&lead_lag));
        assert!(partials.iter().all(|partial| partial.pairs[place].timed.is_some()));
    }
    for (venue, rows) in market.rows.iter().enumerate() {
        let found = &total.venues[&name(venue)];
        assert_eq!(found.rows, rows.len() as u64);
        let span = rows.first().zip(rows.last()).map(|(first, last)| (first.time, last.time));
        assert_eq!(found.span, span);
    }
}

/// Checks the metrics over the rows of the left venue, one row after the other.
fn check_compatible(found: &Compatible, market: &Market, venues: [usize; 2]) {
    let deviations = naive::deviations(market, venues);
    let known: Vec<f64> = deviations.iter().flatten().copied().collect();
    let section = found.total();
    assert_eq!((section.rows, section.known), (deviations.len() as u64, known.len() as u64));
    assert_eq!(section.range, range(known.iter().copied()));
    assert_eq!(section.last, deviations.last().copied().flatten());
    if let Some(found) = section.mean() {
        near(found, known.iter().sum::<f64>() / known.len() as f64, 1e-12, "mean deviation");
    }
    let crossings = known.windows(2).filter(|two| two[0] * two[1] < 0.0);
    assert_eq!(section.crossings, crossings.count() as u64);
    for (found, above) in section.levels.iter().zip(LEVELS) {
        let (mut cycles, mut was) = (0, false);
        for size in known.iter().map(|deviation| deviation.abs()) {
            cycles += u64::from(was && size < NEUTRAL);
            was = above < size || was && NEUTRAL <= size;
        }
        let count = known.iter().filter(|deviation| above < deviation.abs()).count();
        assert_eq!((found.above, found.cycles), (count as u64, cycles));
    }
    let times = market.rows[venues[0]].first().zip(market.rows[venues[0]].last());
    assert_eq!(found.duration_ns(), times.map_or(0, |(first, last)| last.time - first.time));
}

fn check_total(found: &Timed, pairs: &[Pair<'_>], thresholds: &[f64]) {
    let span: i64 = pairs.iter().map(|pair| pair.end - pair.begin).sum();
    assert_eq!(found.span_ns, span.unsigned_abs());
    let live: Vec<_> = pairs.iter().flat_map(Pair::live).collect();
    check_over_time(found, &live);
    let values = |of: &dyn Fn(&naive::State) -> f64| -> Vec<(f64, u64)> {
        live.iter().map(|(from, to, state)| (of(state), (to - from).unsigned_abs())).collect()
    };
    let deviations = values(&|state| state.deviation);
    check_moments(&found.deviation, &deviations, "deviation of all units");
    assert_eq!(found.deviations, histogram(deviations.iter().map(|v| (bps(v.0), v.1))));
    for direction in 0..2 {
        let nets = values(&|state| state.net[direction]);
        check_moments(&found.net[direction], &nets, "net of all units");
        assert_eq!(found.nets[direction], histogram(nets.iter().map(|v| (bps(v.0), v.1))));
        assert_eq!(found.episodes[direction].len(), thresholds.len());
        for (found, at) in found.episodes[direction].iter().zip(thresholds) {
            let threshold = at / 10_000.0;
            let of = |pair: &Pair<'_>| pair.episodes(direction, threshold);
            let episodes: Vec<_> = pairs.iter().flat_map(of).collect();
            let arrived: Vec<_> =
                pairs.iter().flat_map(|pair| pair.arrived(direction, threshold)).collect();
            check_episode_list(
                found,
                &episodes,
                (&arrived, threshold),
                &format!("{direction} at {at}"),
            );
        }
    }
    let mut reversion = Reversion::new();
    pairs.iter().for_each(|pair| reversion.merge(&pair.samples().0));
    assert_eq!(found.reversion, reversion);
    let minutes: u64 = pairs.iter().map(|pair| pair.samples().1.0).sum();
    assert_eq!(found.together.count, minutes);
}

/// Returns both net spreads of two quotes that stand for a while, as the kernel computes them.
fn nets_of_two_quotes(bids: [i64; 2], asks: [i64; 2], decimals: u8, fees: [f64; 2]) -> [f64; 2] {
    let price = |mantissa: i64| mantissa as f64 / 10_f64.powi(i32::from(decimals));
    let terms = Terms {
        max_age: 10,
        thresholds: Vec::new(),
        fees: fees.map(FeeFactors::of),
        latency: [0, 0],
        size: 1.0,
        sampling: 10,
        samples: false,
        play: PlaySettings::default(),
    };
    let leg = |venue: usize| Leg {
        time: 0,
        bid: price(bids[venue]),
        ask: price(asks[venue]),
        sizes: [f64::NAN; 2],
    };
    let timed = Watch::new(terms, 0, [leg(0), leg(1)], [&[], &[]]).finish(1);
    timed.net.map(|net| net.least().unwrap())
}

fn engine_catalogue(market: &Market) -> Catalogue {
    let venues = 0..u8::try_from(market.rows.len()).unwrap();
    let terms = market.settings.venues.values();
    Catalogue {
        instruments: vec![Instrument {
            name: "BTC/USDT".to_owned(),
            price_scale: DECIMALS,
            size_scale: 0,
        }],
        venues: venues
            .clone()
            .zip(terms)
            .map(|(venue, terms)| VenueInfo {
                name: name(usize::from(venue)),
                taker_fee: terms.taker_fee,
                max_age: market.settings.max_age_ns.unsigned_abs(),
            })
            .collect(),
        listings: venues
            .map(|venue| Listing {
                venue: VenueId(venue),
                instrument: InstrumentId(0),
                symbol: "BTCUSDT".to_owned(),
            })
            .collect(),
    }
}

/// Net spreads of the engine after each quote time of a pair: the last quote of that time leads to
/// both directions, or to none.
type Replay = BTreeMap<[usize; 2], BTreeMap<i64, Option<[f64; 2]>>>;

fn replay(market: &Market) -> Replay {
    let mut book = Book::new(&engine_catalogue(market));
    let mut quotes: Vec<(u8, &Row)> = Vec::new();
    for (venue, rows) in (0_u8..).zip(&market.rows) {
        let live = State::Live as u8;
        let venue_id = VenueId(venue);
        book.on_status(&Status { state: live, venue: venue_id, ..Status::zeroed() }, 0, &mut ());
        quotes.extend(rows.iter().map(|row| (venue, row)));
    }
    quotes.sort_by_key(|(_, row)| row.time);
    let mut replay = Replay::new();
    for (sequence, (venue, row)) in (0_u64..).zip(quotes) {
        let [bid_px, ask_px] = row.ticks;
        let quote = Quote {
            ts_recv: row.time.unsigned_abs(),
            bid_px,
            ask_px,
            venue: VenueId(venue),

            flags: if ask_px < bid_px { flags::CROSSED } else { 0 },
            ..Quote::zeroed()
        };
        let mut spreads = BTreeMap::new();
        let mut keep = Spreads(|spread: Spread| {
            spreads.insert([spread.buy_venue.index(), spread.sell_venue.index()], spread.net);
        });
        book.on_quote(&quote, sequence, &mut keep);
        let here = usize::from(venue);
        for [one, two] in market.pairs().into_iter().filter(|pair| pair.contains(&here)) {
            let nets = spreads.get(&[one, two]).zip(spreads.get(&[two, one]));
            let nets = nets.map(|(first, second)| [*first, *second]);
            replay.entry([one, two]).or_default().insert(row.time, nets);
        }
    }
    replay
}

/// Checks that a replay through the engine's book gives the kernel's states.
fn check_engine(market: &Market) {
    let market = Market { openings: vec![None; market.rows.len()], ..market.clone() };
    let partial = market.analyse(&[]);
    // The engine has no such rules; it gets what counts.
    let served = served::served(&market).market;
    let replay = replay(&served);
    let max_age = market.settings.max_age_ns;
    for (found, venues) in partial.pairs.iter().zip(market.pairs()) {
        let pair = Pair::of(&market, venues).unwrap();
        let states: Vec<(i64, Option<[f64; 2]>)> =
            replay.get(&venues).into_iter().flatten().map(|(time, nets)| (*time, *nets)).collect();
        let mut held: [Vec<(f64, u64)>; 2] = [Vec::new(), Vec::new()];
        for (place, (time, nets)) in states.iter().enumerate() {
            let valued = pair.state(*time, *time).map(|state| state.net);
            assert_eq!(nets.is_some(), valued.is_some(), "{venues:?} at {time}");
            let Some((nets, valued)) = nets.zip(valued) else { continue };
            let latest = |venue: usize| {
                served.rows[venue].iter().map(|row| row.time).filter(|at| at <= time).max().unwrap()
            };
            let stale = latest(venues[0]).min(latest(venues[1])) + max_age;
            let next = states.get(place + 1).map_or(pair.end, |(next, _)| *next);
            for direction in 0..2 {
                near(nets[direction], valued[direction], 1e-12, "net at a quote");
                let lasted = next.min(stale) - time;
                if 0 < lasted {
                    held[direction].push((nets[direction], lasted.unsigned_abs()));
                }
            }
        }
        for (found, held) in found.timed.as_ref().unwrap().net.iter().zip(&held) {
            let (mean, _, weight) = mean(held);
            assert_eq!(found.weight, weight, "{venues:?}");
            if let Some((least, greatest)) = range(held.iter().map(|(net, _)| *net)) {
                near(found.least().unwrap(), least, 1e-12, "least");
                near(found.greatest().unwrap(), greatest, 1e-12, "greatest");
                near(found.mean().unwrap(), mean, HALF_STEP + 1e-12, "mean");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_into_batches_gives_the_same_bytes(market in markets(80, STEPS), cuts in cuts()) {
        let whole = bytes(&market.analyse(&[]));
        let single: Vec<Vec<usize>> =
            market.rows.iter().map(|rows| (0..=rows.len()).collect()).collect();
        prop_assert_eq!(&bytes(&market.analyse(&single)), &whole);
        prop_assert_eq!(&bytes(&market.analyse(&cuts)), &whole);
        // One venue row by row, the others whole: windows wait for the slowest.
        prop_assert_eq!(&bytes(&market.analyse(&single[..1])), &whole);
    }

    #[test]
    fn every_sum_is_that_of_the_definitions(market in markets(60, STEPS)) {
        check(&market.analyse(&[]), &market);
    }

    #[test]
    fn lead_and_lag_over_many_hours_are_those_of_blocks_by_hand(market in markets(120, SLOW)) {
        let partial = market.analyse(&[]);
        for (found, venues) in partial.pairs.iter().zip(market.pairs()) {
            let expected = Pair::of(&market, venues).unwrap().lead_lag();
            prop_assert_eq!(found.lead_lag.as_ref(), Some(&expected));
        }
    }

    #[test]
    fn units_add_up(market in markets(60, STEPS), shares in shares()) {
        check_units(&market, &times(&market, &shares));
    }

    #[test]
    fn the_engine_sees_the_same_spreads(market in markets(60, STEPS)) {
        check_engine(&market);
    }

    #[test]
    fn a_spread_is_the_one_of_the_engine(
        bids in prop::array::uniform2(1_000_000..1_000_000_000_000_i64),
        widths in prop::array::uniform2(0..1_000_i64),
        decimals in 0..9_u8,
        fees in prop::array::uniform2(0.0..0.01_f64),
    ) {
        let asks = [bids[0] + widths[0], bids[1] + widths[1]];
        let factors = fees.map(FeeFactors::of);
        let found = nets_of_two_quotes(bids, asks, decimals, fees);
        for (direction, found) in found.into_iter().enumerate() {
            let (buy, sell) = (direction, 1 - direction);
            let expected = net(bids[sell], factors[sell], asks[buy], factors[buy]);
            prop_assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()));
        }
    }
}

/// The properties prove something only if the cases that they are about occur.
#[test]
fn the_markets_have_everything_that_the_properties_are_about() {
    let mut runner = TestRunner::deterministic();
    let strategy = (markets(60, STEPS), shares());
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut see = |what, happens: bool| *seen.entry(what).or_default() += usize::from(happens);
    for _ in 0..100 {
        let (market, shares) = strategy.new_tree(&mut runner).unwrap().current();
        let partial = market.analyse(&[]);
        let sums = || partial.venues.iter().map(|venue| &venue.sums);
        see("silences", sums().any(|sums| 0 < sums.silences));
        see("quotes of one time", sums().any(|sums| 0 < sums.same_time));
        see("crossed quotes", sums().any(|sums| 0 < sums.crossed));
        see("odd quotes", sums().any(|sums| 0 < sums.outliers));
        see("frozen prices", sums().any(|sums| 0 < sums.frozen.ns));
        let served = served::served(&market).market;
        let put_in = |venue: usize| market.rows[venue].len() < served.rows[venue].len();
        see("prices that freeze between quotes", (0..served.rows.len()).any(put_in));
        let units = market.units(&times(&market, &shares));
        see("units without rows", units.iter().any(|unit| unit.span().is_none()));
        see("units with rows", 1 < units.iter().filter(|unit| unit.span().is_some()).count());
        let timed = partial.pairs[0].timed.as_ref().unwrap();
        let lead_lag = partial.pairs[0].lead_lag.as_ref().unwrap();
        see("minutes", 0 < timed.together.count);
        see("samples", 12 < timed.reversion.steps());
        see("hours", 1 < timed.hours.bins.len());
        see("blocks", 1 < lead_lag.blocks().0);
        see("covariances", lead_lag.covariances().iter().any(|sum| sum.abs() > 1e-9));
        let (begin, _) = market.span().unwrap();
        let mut total = Total::new(begin);
        total.add(&partial);
        let compatible = total.pairs[&(name(0), name(1))].compatible.as_ref().unwrap().total();
        see("crossings", 0 < compatible.crossings);
        see("cycles", compatible.levels.iter().any(|level| 0 < level.cycles));
        see(
            "rows before the right venue",
            0 < compatible.known && compatible.known < compatible.rows,
        );
        for episodes in timed.episodes.iter().flatten() {
            see("episodes", 1 < episodes.count);
            see("orders that met a gap", 0 < episodes.still_there);
            see("orders that came too late", episodes.still_there < episodes.arrived);
            see("orders that met nothing", episodes.arrived < episodes.count);
            see("sizes", episodes.mean_size().is_some_and(|size| 0.0 < size));
        }
    }
    assert!(seen.values().all(|count| 10 <= *count), "{seen:?}");
}
