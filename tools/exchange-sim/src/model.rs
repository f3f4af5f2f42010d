//! A seeded model of one market seen by several venues.
//!
//! Each instrument has one common price, which is a random walk with jumps. A venue sees that price
//! a fixed lag later and adds its own basis, an Ornstein-Uhlenbeck process around zero with a known
//! half-life. Now and then a shock moves a basis away from zero, and it decays at that half-life.
//! These shocks are the opportunities; their number and size are parameters. A venue quotes the
//! resulting mid price plus and minus half a width, rounded outwards to the tick. Quotes arrive as
//! a Poisson process of bursts.
//!
//! The model computes only with `+ - * / sqrt` and [`arithmetic`](crate::arithmetic), so a seed
//! gives the same quotes on every machine.

mod parameters;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::arithmetic::{exp_of_negative, exponential, float, floor_units, normal, uniform};
use crate::duration::nanos;
use crate::error::SimError;
use crate::instrument::{INSTRUMENTS, Instrument};

pub use crate::model::parameters::{ModelOptions, ModelVenue};

/// One basis point.
const BP: f64 = 1e-4;

const NS_PER_S: f64 = 1e9;

/// Greatest length of a burst, so that all of it falls within a millisecond.
const BURST_NS: u64 = 900_000;

/// One quote of the model, in units of the instrument's grid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelQuote {
    /// Time since the start, in ns.
    pub at_ns: u64,
    /// Index into [`ModelOptions::venues`].
    pub venue: usize,
    /// Index into [`INSTRUMENTS`].
    pub instrument: usize,
    /// Best bid, in ticks.
    pub bid: u64,
    /// Size at the best bid, in lots.
    pub bid_qty: u64,
    /// Best ask, in ticks.
    pub ask: u64,
    /// Size at the best ask, in lots.
    pub ask_qty: u64,
}

/// The state of the model.
#[derive(Debug)]
pub struct Model {
    options: ModelOptions,
    rng: ChaCha8Rng,
    /// Common prices, by instrument.
    commons: Vec<Common>,
    /// Bases, by instrument and then venue.
    bases: Vec<Vec<Basis>>,
    /// Quotes of the bursts that have begun, as (time, venue, instrument), earliest first.
    pending: BinaryHeap<Reverse<(u64, usize, usize)>>,
    /// When the next burst begins.
    burst_ns: u64,
    /// When the next shock happens.
    shock_ns: u64,
}

/// The common price of an instrument, with its past as far back as the longest lag reaches.
#[derive(Debug)]
struct Common {
    at_ns: u64,
    price: f64,
    past: VecDeque<(u64, f64)>,
}

/// The distance of a venue's mid price from the common price, relative to that price.
#[derive(Debug, Clone, Copy)]
struct Basis {
    at_ns: u64,
    value: f64,
}

impl Model {
    /// Returns the model at its start.
    ///
    /// # Errors
    ///
    /// If a parameter makes no sense, such as no venue or instrument, or a rate or half-life of
    /// zero.
    pub fn new(options: &ModelOptions) -> Result<Model, SimError> {
        options.check()?;
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let commons = INSTRUMENTS[..options.instruments].iter().map(Common::start).collect();
        let bases = (0..options.instruments)
            .map(|_| {
                let start = |venue: &ModelVenue| Basis {
                    at_ns: 0,
                    value: venue.basis_bp * BP * normal(&mut rng),
                };
                options.venues.iter().map(start).collect()
            })
            .collect();
        let mut model = Model {
            options: options.clone(),
            rng,
            commons,
            bases,
            pending: BinaryHeap::new(),
            burst_ns: 0,
            shock_ns: 0,
        };
        model.burst_ns = model.wait_ns(model.bursts_per_second());
        model.shock_ns = model.wait_ns(options.shocks_per_minute / 60.0);
        Ok(model)
    }

    /// Advances to the next quote and returns it. The model never ends.
    pub fn next_quote(&mut self) -> ModelQuote {
        loop {
            match self.pending.peek() {
                Some(Reverse((at_ns, _, _))) if *at_ns < self.burst_ns => break,
                Some(_) | None => self.begin_burst(),
            }
        }
        let Some(Reverse((at_ns, venue, instrument))) = self.pending.pop() else {
            unreachable!("the loop above ends with a quote pending")
        };
        self.shock_until(at_ns);
        let mid = self.mid(at_ns, instrument, venue);
        self.quote(at_ns, instrument, venue, mid)
    }

    /// Returns a venue's basis as of its last quote, relative to the common price: 0.0025 is 25 bp
    /// above it.
    #[must_use]
    pub fn basis(&self, instrument: usize, venue: usize) -> f64 {
        self.bases[instrument][venue].value
    }

    fn bursts_per_second(&self) -> f64 {
        self.options.rate * (1.0 - self.options.burst)
    }

    fn wait_ns(&mut self, per_second: f64) -> u64 {
        if per_second <= 0.0 {
            return u64::MAX;
        }
        floor_units(exponential(&mut self.rng) / per_second * NS_PER_S)
    }

    fn begin_burst(&mut self) {
        let at_ns = self.burst_ns;
        let wait_ns = self.wait_ns(self.bursts_per_second());
        self.burst_ns = at_ns.saturating_add(wait_ns);
        let instrument = self.draw_instrument();
        let venue = self.draw_venue();
        self.pending.push(Reverse((at_ns, venue, instrument)));
        // The loop ends: each further quote has a chance below 1, and adds to a sum with a bound.
        let mut within = 0;
        while uniform(&mut self.rng) < self.options.burst && within < BURST_NS {
            within += floor_units(uniform(&mut self.rng) * 250_000.0);
            self.pending.push(Reverse((at_ns + within.min(BURST_NS), venue, instrument)));
        }
    }

    /// Draws an instrument. The weights fall by a factor of four from the first to the last.
    fn draw_instrument(&mut self) -> usize {
        let count = self.options.instruments;
        loop {
            let drawn = self.rng.random_range(0..count);
            let weight = 1.0 - 0.75 * float(drawn as u64) / float(count as u64);
            if uniform(&mut self.rng) <= weight {
                return drawn;
            }
        }
    }

    fn draw_venue(&mut self) -> usize {
        let total: f64 = self.options.venues.iter().map(|venue| venue.share).sum();
        let mut left = uniform(&mut self.rng) * total;
        for (index, venue) in self.options.venues.iter().enumerate() {
            left -= venue.share;
            if left <= 0.0 {
                return index;
            }
        }
        self.options.venues.len() - 1
    }

    fn shock_until(&mut self, at_ns: u64) {
        while self.shock_ns <= at_ns {
            let shock_ns = self.shock_ns;
            let wait_ns = self.wait_ns(self.options.shocks_per_minute / 60.0);
            self.shock_ns = shock_ns.saturating_add(wait_ns);
            let instrument = self.draw_instrument();
            let venue = self.draw_venue();
            self.advance_basis(shock_ns, instrument, venue);
            let [least, greatest] = self.options.shock_bp;
            let size = (least + (greatest - least) * uniform(&mut self.rng)) * BP;
            let up = uniform(&mut self.rng) < 0.5;
            self.bases[instrument][venue].value += if up { size } else { -size };
        }
    }

    fn mid(&mut self, at_ns: u64, instrument: usize, venue: usize) -> f64 {
        self.advance_common(at_ns, instrument);
        self.advance_basis(at_ns, instrument, venue);
        let lag_ns = nanos(self.options.venues[venue].lag);
        let lagged = self.commons[instrument].at(at_ns.saturating_sub(lag_ns));
        lagged * (1.0 + self.bases[instrument][venue].value)
    }

    fn advance_common(&mut self, at_ns: u64, instrument: usize) {
        let elapsed_s = float(at_ns - self.commons[instrument].at_ns) / NS_PER_S;
        if elapsed_s <= 0.0 {
            return;
        }
        let mut change = self.options.volatility_bp * BP * elapsed_s.sqrt() * normal(&mut self.rng);
        if uniform(&mut self.rng) < elapsed_s * self.options.jumps_per_minute / 60.0 {
            change += self.options.jump_bp * BP * normal(&mut self.rng);
        }
        let longest = self.options.venues.iter().map(|venue| nanos(venue.lag)).max().unwrap_or(0);
        self.commons[instrument].advance(at_ns, change, longest);
    }

    fn advance_basis(&mut self, at_ns: u64, instrument: usize, venue: usize) {
        let parameters = &self.options.venues[venue];
        let basis = self.bases[instrument][venue];
        let elapsed_ns = at_ns.saturating_sub(basis.at_ns);
        if elapsed_ns == 0 {
            return;
        }
        let halves = float(elapsed_ns) / float(nanos(parameters.half_life));
        let kept = exp_of_negative(-std::f64::consts::LN_2 * halves);
        let fresh = parameters.basis_bp * BP * (1.0 - kept * kept).sqrt();
        let value = basis.value * kept + fresh * normal(&mut self.rng);
        self.bases[instrument][venue] = Basis { at_ns, value };
    }

    fn quote(&mut self, at_ns: u64, instrument: usize, venue: usize, mid: f64) -> ModelQuote {
        let grid = &INSTRUMENTS[instrument];
        let (ticks, lots) = (power_of_ten(grid.price_decimals), power_of_ten(grid.size_decimals));
        let half = self.options.venues[venue].width_bp * BP / 2.0;
        let bid = floor_units(mid * (1.0 - half) * ticks).max(1);
        let ask = (floor_units(mid * (1.0 + half) * ticks) + 1).max(bid + 1);
        let notional = self.options.notional;
        let mut size = || floor_units(notional * exponential(&mut self.rng) / mid * lots).max(1);
        ModelQuote { at_ns, venue, instrument, bid, bid_qty: size(), ask, ask_qty: size() }
    }
}

impl Common {
    fn start(instrument: &Instrument) -> Common {
        let price = instrument.price;
        Common { at_ns: 0, price, past: VecDeque::from([(0, price)]) }
    }

    fn advance(&mut self, at_ns: u64, change: f64, longest_lag_ns: u64) {
        self.at_ns = at_ns;
        self.price *= 1.0 + change;
        self.past.push_back((at_ns, self.price));
        // The front is the newest entry that is at least as old as the longest lag.
        let oldest = at_ns.saturating_sub(longest_lag_ns);
        while self.past.get(1).is_some_and(|(at, _)| *at <= oldest) {
            self.past.pop_front();
        }
    }

    fn at(&self, at_ns: u64) -> f64 {
        let earlier = self.past.iter().rev().find(|(at, _)| *at <= at_ns);
        earlier.or(self.past.front()).map_or(self.price, |(_, price)| *price)
    }
}

fn power_of_ten(exponent: usize) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotes(options: &ModelOptions, count: usize) -> Vec<ModelQuote> {
        let mut model = Model::new(options).expect("default parameters");
        (0..count).map(|_| model.next_quote()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_quotes_and_another_gives_others() {
        let options = ModelOptions::default();
        assert_eq!(quotes(&options, 5_000), quotes(&options, 5_000));
        let other = ModelOptions { seed: 2, ..ModelOptions::default() };
        assert_ne!(quotes(&options, 100), quotes(&other, 100));
    }

    /// Compares a digest of many quotes with its known value. A different value on one machine
    /// means that its arithmetic differs; a different value everywhere means that the model was
    /// changed.
    #[test]
    fn a_seed_gives_the_same_quotes_on_every_machine() {
        let digest = quotes(&ModelOptions::default(), 20_000).iter().fold(0_u64, |digest, it| {
            let place = (it.venue as u64) << 8 | it.instrument as u64;
            [it.at_ns, place, it.bid, it.bid_qty, it.ask, it.ask_qty]
                .iter()
                .fold(digest, |digest, word| {
                    (digest.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                })
        });
        assert_eq!(digest, 760_647_559_698_803_340);
    }

    #[test]
    fn quotes_are_in_order_never_crossed_and_have_size() {
        let mut last_ns = 0;
        for quote in quotes(&ModelOptions::default(), 200_000) {
            assert!(last_ns <= quote.at_ns);
            last_ns = quote.at_ns;
            assert!(0 < quote.bid && quote.bid < quote.ask);
            assert!(0 < quote.bid_qty && 0 < quote.ask_qty);
        }
    }

    #[test]
    fn the_rate_is_the_one_asked_for() {
        for rate in [100.0, 5_000.0, 100_000.0] {
            let options = ModelOptions { rate, ..ModelOptions::default() };
            let quotes = quotes(&options, 50_000);
            let seconds = float(quotes[quotes.len() - 1].at_ns) / NS_PER_S;
            let measured = float(quotes.len() as u64) / seconds;
            assert!((measured / rate - 1.0).abs() < 0.05, "{rate}: {measured}");
        }
    }

    #[test]
    fn several_quotes_of_one_book_fall_into_a_millisecond() {
        let quotes = quotes(&ModelOptions::default(), 20_000);
        let near = |pair: &&[ModelQuote]| {
            pair[1].at_ns - pair[0].at_ns < 1_000_000
                && (pair[0].venue, pair[0].instrument) == (pair[1].venue, pair[1].instrument)
        };
        assert!(2_000 < quotes.windows(2).filter(near).count());
    }

    /// Regresses the basis on its earlier values. For samples `dt` apart, the slope is
    /// 2^(-dt / half-life).
    #[test]
    fn the_half_life_is_recovered_from_the_quotes() {
        let mut options = ModelOptions { instruments: 1, rate: 400.0, ..ModelOptions::default() };
        options.shocks_per_minute = 0.0;
        options.burst = 0.0;
        let mut model = Model::new(&options).expect("parameters");
        let step_ns = 250_000_000;
        let mut samples = vec![Vec::new(); options.venues.len()];
        for _ in 0..1_600_000 {
            let quote = model.next_quote();
            let list = &mut samples[quote.venue];
            if list.last().is_none_or(|(at, _)| at + step_ns <= quote.at_ns) {
                list.push((quote.at_ns, model.basis(0, quote.venue)));
            }
        }
        for (venue, list) in options.venues.iter().zip(&samples) {
            let (mut above, mut below, mut time) = (0.0, 0.0, 0.0);
            for pair in list.windows(2) {
                above += pair[0].1 * pair[1].1;
                below += pair[0].1 * pair[0].1;
                time += float(pair[1].0 - pair[0].0) / NS_PER_S;
            }
            let mean_step = time / float(list.len() as u64 - 1);
            let half_life = -mean_step * std::f64::consts::LN_2 / (above / below).ln();
            let expected = venue.half_life.as_secs_f64();
            assert!((half_life / expected - 1.0).abs() < 0.15, "{}: {half_life}", venue.name);
        }
    }

    /// Counts how often, in five simulated minutes, a venue's bid exceeds another's ask by 25 bp.
    #[test]
    fn opportunities_come_a_few_times_a_minute_and_last() {
        let options = ModelOptions::default();
        let mut model = Model::new(&options).expect("parameters");
        let mut books = vec![vec![None::<ModelQuote>; 4]; options.instruments];
        let mut open: Vec<Option<u64>> = vec![None; options.instruments];
        let mut lasted = Vec::new();
        let end_ns = 300_000_000_000;
        loop {
            let quote = model.next_quote();
            if end_ns < quote.at_ns {
                break;
            }
            let book = &mut books[quote.instrument];
            book[quote.venue] = Some(quote);
            let bid = book.iter().flatten().map(|q| q.bid).max().unwrap_or(0);
            let ask = book.iter().flatten().map(|q| q.ask).min().unwrap_or(u64::MAX);
            let is_open = 1.0025 < float(bid) / float(ask);
            let since = &mut open[quote.instrument];
            match (is_open, *since) {
                (true, None) => *since = Some(quote.at_ns),
                (false, Some(begin)) => {
                    lasted.push(quote.at_ns - begin);
                    *since = None;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
        let long = lasted.iter().filter(|ns| 100_000_000 < **ns).count();
        assert!((8..=60).contains(&long), "{long} in five minutes, {} in all", lasted.len());
    }

    #[test]
    fn senseless_parameters_are_refused() {
        for options in [
            ModelOptions { venues: Vec::new(), ..ModelOptions::default() },
            ModelOptions { instruments: 0, ..ModelOptions::default() },
            ModelOptions { instruments: 21, ..ModelOptions::default() },
            ModelOptions { rate: 0.0, ..ModelOptions::default() },
            ModelOptions { burst: 1.0, ..ModelOptions::default() },
        ] {
            assert!(Model::new(&options).is_err());
        }
    }
}
