//! One pair of venues over the union of both venues' quotes: what was the case, and for how long.
//!
//! A state begins with a quote of either leg and lasts until the next quote; quotes with the same
//! time count as one. A state is live while neither quote is older than the maximum age and neither
//! book is crossed. Only live time counts, from the unit's first quote to its last. The same states
//! are sampled on a regular grid for the mean reversion.

use crate::kernel::episode::{Episodes, Met};
use crate::kernel::histogram::Filling;
use crate::kernel::legs::{Cursor, Leg, Rows, fresh_until, notional};
use crate::kernel::orders::Orders;
use crate::kernel::play::{Play, PlaySettings, PlayTerms};
use crate::kernel::profile::HOUR;
use crate::kernel::samples::Sampler;
use crate::kernel::timed::Timed;
use spreadwire_market::spread::{BPS, FeeFactors, net_of};

/// The settings that the figures of one pair depend on.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Age above which a quote is not live, in ns.
    pub max_age: i64,
    /// Net spreads that start an episode, as fractions, ascending.
    pub thresholds: Vec<f64>,
    /// Taker fees of the two venues.
    pub fees: [FeeFactors; 2],
    /// Time from sending an order to its arrival, by venue, in ns.
    pub latency: [i64; 2],
    /// Largest size of one order, in the quote currency.
    pub size: f64,
    /// Sampling interval, in ns.
    pub sampling: i64,
    /// Whether samples are taken at all.
    pub samples: bool,
    /// What the strategies that are played have in common.
    pub play: PlaySettings,
}

impl Terms {
    fn of_play(&self) -> PlayTerms {
        let Terms { fees, latency, size, ref play, .. } = *self;
        PlayTerms { settings: play.clone(), fees, latency, size }
    }

    fn net(&self, [one, two]: &[Leg; 2]) -> [f64; 2] {
        let fees = &self.fees;
        [net_of(two.bid, fees[1], one.ask, fees[0]), net_of(one.bid, fees[0], two.ask, fees[1])]
    }

    /// Returns what the orders of a direction and threshold met at these quotes.
    fn met(&self, direction: usize, threshold: usize, legs: &[Leg; 2]) -> Met {
        Met { net: self.net(legs)[direction], threshold: self.thresholds[threshold] }
    }
}

/// An episode that has not ended.
#[derive(Clone, Copy, Debug)]
struct Open {
    since: i64,
    peak: f64,
}

/// Follows a pair as its quotes pass through.
#[derive(Clone, Debug)]
pub struct Watch {
    terms: Terms,
    begin: i64,
    /// Time of the latest quotes. The state is settled once the next time is known.
    now: i64,
    legs: [Leg; 2],
    live: bool,
    /// Time until which each leg is fresh, and until which both are. Where a leg's next row is
    /// known to come before that, its entry in `valid` is `i64::MAX`.
    valid: [i64; 2],
    live_until: i64,
    /// Time up to which the current state has been booked.
    held_from: i64,
    /// The current state: the four prices and the values computed from them.
    prices: [f64; 4],
    deviation: f64,
    net: [f64; 2],
    notional: [f64; 2],
    deviations: Filling,
    nets: [Filling; 2],
    open: [Vec<Option<Open>>; 2],
    open_now: usize,
    orders: Orders,
    play: Play,
    sampler: Sampler,
    sums: Timed,
}

impl Watch {
    /// Starts at the unit's first quote, with each leg's last quote from before, if any, and the
    /// times in which nothing of it counts.
    #[must_use]
    pub fn new(terms: Terms, begin: i64, legs: [Leg; 2], torn: [&[(i64, i64)]; 2]) -> Watch {
        let count = terms.thresholds.len();
        let none = || vec![Episodes::default(); count];
        let sums = Timed { episodes: [none(), none()], ..Timed::default() };
        let valid = [0, 1].map(|leg: usize| fresh_until(legs[leg].time, terms.max_age, torn[leg]));
        let mut play = Play::new(terms.of_play());
        if begin <= valid[0].min(valid[1]) && legs.iter().all(Leg::usable) {
            play.goes_on(&legs, terms.net(&legs));
        }
        Watch {
            begin,
            now: begin,
            legs,
            live: false,
            valid,
            live_until: begin,
            held_from: begin,
            prices: [0.0; 4],
            deviation: 0.0,
            net: [0.0; 2],
            notional: [f64::NAN; 2],
            deviations: Filling::default(),
            nets: [Filling::default(), Filling::default()],
            open: [vec![None; count], vec![None; count]],
            open_now: 0,
            orders: Orders::default(),
            play,
            sampler: Sampler::new(terms.sampling, terms.samples, begin),
            sums,
            terms,
        }
    }

    /// Takes the next quotes of both venues up to a common time, and the
    /// [`turns`](super::legs::turns) of each.
    ///
    /// While no episode is open and no order is in flight, only turns can change anything.
    pub fn take(&mut self, rows: [Rows<'_>; 2], turns: [&[usize]; 2]) {
        let max_age = self.terms.max_age;
        let cursor = |venue: usize| Cursor { rows: rows[venue], turns: turns[venue], row: 0 };
        let mut cursors = [cursor(0), cursor(1)];
        loop {
            let quiet = self.open_now == 0 && self.orders.is_empty() && !self.play.is_busy();
            let next = cursors.each_mut().map(|cursor| cursor.next_time(quiet));
            let time = next[0].min(next[1]);
            if time == i64::MAX {
                break;
            }
            if self.now < time {
                if self.settle() {
                    for (leg, cursor) in self.legs.iter_mut().zip(&mut cursors) {
                        *leg = cursor.latest(self.now).unwrap_or(*leg);
                    }
                    self.compare_all();
                    if quiet {
                        // From here on every row counts.
                        continue;
                    }
                }
                self.pass(time);
            }
            for (venue, cursor) in cursors.iter_mut().enumerate() {
                while cursor.next_time(quiet) == time {
                    (self.legs[venue], self.valid[venue]) = cursor.take(quiet, max_age);
                }
            }
        }
    }

    /// Returns whether anything has happened yet that needs sizes: an episode has ended, or a strategy has
    /// had something to do.
    #[must_use]
    pub fn needs_sizes(&self) -> bool {
        self.sums.needs_sizes() || self.play.is_awake()
    }

    /// Ends at the unit's last quote and returns the sums.
    #[must_use]
    pub fn finish(mut self, end: i64) -> Timed {
        if self.settle() {
            self.compare_all();
        }
        if self.now < end {
            self.pass(end);
        }
        self.account(end);
        self.close_all(end);
        self.sums.played = self.play.finish(end, &self.legs);
        self.sums.span_ns = end.abs_diff(self.begin);
        self.sums.deviations = self.deviations.finish();
        self.sums.nets = [self.nets[0].finish(), self.nets[1].finish()];
        (self.sums.together, self.sums.reversion) = self.sampler.finish();
        self.sums
    }

    /// Settles the state from `now` on, with all quotes of that time. Returns whether episodes must
    /// be looked at. Until then, times and sizes of the legs do not matter.
    #[inline]
    fn settle(&mut self) -> bool {
        let [one, two] = &self.legs;
        self.live_until = self.valid[0].min(self.valid[1]);
        let live = self.now <= self.live_until && one.usable() && two.usable();
        let prices = [one.bid, one.ask, two.bid, two.ask];
        let same = || prices.map(f64::to_bits) == self.prices.map(f64::to_bits);
        let is_idle = self.open_now == 0 && !self.play.is_busy();
        if live == self.live && is_idle && (!live || same()) {
            return false;
        }
        self.account(self.now);
        self.live = live;
        if live {
            let before = std::mem::replace(&mut self.prices, prices);
            self.value();
            let moved = |place: usize| before[place].to_bits() != prices[place].to_bits();
            self.play.moved([moved(0), moved(1), moved(2), moved(3)], self.net);
            return self.is_met(0) || self.is_met(1) || self.play.cares(self.net);
        }
        self.end_life(self.now);
        false
    }

    /// Ends everything that needs two live legs.
    fn end_life(&mut self, at: i64) {
        self.close_all(at);
        self.play.dies();
    }

    /// Computes the deviation and both net spreads of two live legs.
    #[inline]
    fn value(&mut self) {
        let [one, two] = &self.legs;
        self.deviation = one.bid / two.bid - 1.0;
        self.net = self.terms.net(&self.legs);
    }

    /// Returns whether an episode of a direction can begin, go on or end.
    #[inline]
    fn is_met(&self, direction: usize) -> bool {
        let lowest = self.terms.thresholds.first();
        self.open_now != 0 || lowest.is_some_and(|lowest| *lowest <= self.net[direction])
    }

    /// Begins and ends episodes, and lets the strategies see the state.
    fn compare_all(&mut self) {
        self.compare_episodes();
        if self.play.cares(self.net) {
            self.play.take(self.now, &self.legs, self.net);
        }
    }

    fn compare_episodes(&mut self) {
        for direction in 0..2 {
            if !self.is_met(direction) {
                continue;
            }
            self.notional[direction] = notional(&self.legs, direction);
            for threshold in 0..self.terms.thresholds.len() {
                self.compare(direction, threshold);
            }
        }
    }

    fn compare(&mut self, direction: usize, threshold: usize) {
        let net = self.net[direction];
        let reached = self.terms.thresholds[threshold] <= net;
        match (&mut self.open[direction][threshold], reached) {
            (Some(open), true) => open.peak = open.peak.max(net),
            (None, true) => self.begin_episode(direction, threshold),
            (Some(_), false) => self.close(direction, threshold, self.now),
            (None, false) => {}
        }
    }

    fn begin_episode(&mut self, direction: usize, threshold: usize) {
        let open = Open { since: self.now, peak: self.net[direction] };
        self.open[direction][threshold] = Some(open);
        self.open_now += 1;
        self.sums.episodes[direction][threshold].began(self.now.div_euclid(HOUR));
        self.orders.send((direction, threshold), self.now, self.terms.latency);
    }

    fn close(&mut self, direction: usize, threshold: usize, at: i64) {
        if let Some(open) = self.open[direction][threshold].take() {
            self.open_now -= 1;
            let lasted = at.abs_diff(open.since);
            self.sums.episodes[direction][threshold].ended(lasted, open.peak * BPS);
        }
    }

    fn close_all(&mut self, at: i64) {
        for direction in 0..2 {
            for threshold in 0..self.terms.thresholds.len() {
                self.close(direction, threshold, at);
            }
        }
    }

    /// Moves the time on to `to`, with no new quote on either leg.
    #[inline]
    fn pass(&mut self, to: i64) {
        if self.live {
            let end = to.min(self.live_until);
            if self.sampler.is_due(end) {
                self.sampler.take_until(end, &self.legs);
            }
            if !self.orders.is_empty() {
                self.arrive_until(end);
            }
            self.play.pass(end, &self.legs, true);
            if end < to {
                self.account(end);
                self.live = false;
                self.end_life(end);
            }
        }
        if !self.live {
            self.play.pass(to, &self.legs, false);
            self.pass_dead(to);
        }
        self.now = to;
    }

    /// Moves the time on to `to` while a leg is not live: samples are missing, and orders meet
    /// nothing.
    fn pass_dead(&mut self, to: i64) {
        self.sampler.skip_until(to);
        self.orders.lose_until(to);
        self.held_from = to;
    }

    /// Lets the orders that arrive before `end` meet the current quotes.
    fn arrive_until(&mut self, end: i64) {
        let Watch { orders, legs, terms, sums, .. } = self;
        orders.arrive_until(end, legs, |arrived| {
            let met = terms.met(arrived.direction, arrived.threshold, &arrived.met);
            sums.episodes[arrived.direction][arrived.threshold].arrived(met);
        });
    }

    /// Books the current state up to `to`.
    #[inline]
    fn account(&mut self, to: i64) {
        let from = std::mem::replace(&mut self.held_from, to);
        if !self.live || to <= from {
            return;
        }
        let lasted = to.abs_diff(from);
        self.sums.deviation.add(self.deviation, lasted);
        self.deviations.add(self.deviation * BPS, lasted);
        self.sums.profile.add(from, to, self.deviation);
        self.sums.hours.add(from, to, self.deviation);
        for direction in 0..2 {
            let net = self.net[direction];
            self.sums.net[direction].add(net, lasted);
            self.nets[direction].add(net * BPS, lasted);
            if 0 < self.open_now {
                self.account_sizes(direction, lasted);
            }
        }
    }

    fn account_sizes(&mut self, direction: usize, lasted: u64) {
        let notional = self.notional[direction];
        let open = self.open[direction].iter().zip(&mut self.sums.episodes[direction]);
        for (_, episodes) in open.filter(|(open, _)| open.is_some() && !notional.is_nan()) {
            episodes.available(notional, lasted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::legs::turns;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const MILLI: i64 = 1_000_000;

    /// One venue's quotes in columns.
    #[derive(Default)]
    struct Quotes {
        times: Vec<i64>,
        bids: Vec<f64>,
        asks: Vec<f64>,
        sizes: Vec<f64>,
        torn: Vec<(i64, i64)>,
    }

    impl Quotes {
        /// Draws quotes with repeated times, silences and crossed books, and prices that mostly
        /// stay.
        fn random(random: &mut ChaCha8Rng, count: usize) -> Quotes {
            let mut quotes = Quotes::default();
            let (mut time, mut bid) = (0, 100.0);
            for _ in 0..count {
                time += [0, 0, 1, 2, 5, 9, 30, 70][random.random_range(0..8)] * MILLI;
                if random.random_range(0..6) == 0 {
                    bid = f64::from(random.random_range(9_990..10_010)) / 100.0;
                }
                let wide = if random.random_range(0..40) == 0 { -0.01 } else { 0.02 };
                quotes.times.push(time);
                quotes.bids.push(bid);
                quotes.asks.push(bid + wide);
                quotes.sizes.push(f64::from(random.random_range(1..9)));
            }
            quotes
        }

        /// Draws times in which nothing counts.
        fn tear(&mut self, random: &mut ChaCha8Rng) {
            let mut time = 0;
            while time < *self.times.last().unwrap() {
                let begin = time + random.random_range(1..900) * MILLI;
                time = begin + random.random_range(1..80) * MILLI;
                self.torn.push((begin, time));
            }
        }

        /// Returns the rows from one time to another.
        fn rows(&self, from: i64, to: i64) -> Rows<'_> {
            let place = |time| self.times.partition_point(|at| *at < time);
            let range = place(from)..place(to);
            Rows {
                times: &self.times[range.clone()],
                bids: &self.bids[range.clone()],
                asks: &self.asks[range.clone()],
                bid_sizes: &self.sizes[range.clone()],
                ask_sizes: &self.sizes[range],
                torn: &self.torn,
            }
        }
    }

    /// Returns the sums of two venues whose rows are passed in windows that end at `ends`.
    fn watched(terms: &Terms, quotes: &[Quotes; 2], ends: impl Iterator<Item = i64>) -> Timed {
        let torn = [&quotes[0].torn[..], &quotes[1].torn[..]];
        let mut watch = Watch::new(terms.clone(), 0, [Leg::NONE; 2], torn);
        let (mut from, mut found) = (0, [Vec::new(), Vec::new()]);
        for to in ends {
            let rows = [quotes[0].rows(from, to), quotes[1].rows(from, to)];
            for (rows, found) in rows.iter().zip(&mut found) {
                turns(*rows, terms.max_age, found);
            }
            watch.take(rows, [&found[0], &found[1]]);
            from = to;
        }
        watch.finish(from)
    }

    #[test]
    fn a_torn_time_counts_for_nothing_and_a_new_quote_ends_it() {
        let of = |times: &[i64], torn: &[(i64, i64)]| Quotes {
            times: times.iter().map(|at| at * MILLI).collect(),
            bids: times.iter().map(|at| 100.0 + f64::from(i32::try_from(*at).unwrap())).collect(),
            asks: times.iter().map(|at| 101.0 + f64::from(i32::try_from(*at).unwrap())).collect(),
            sizes: vec![1.0; times.len()],
            torn: torn.iter().map(|(a, b)| (a * MILLI, b * MILLI)).collect(),
        };
        let terms = Terms {
            max_age: 1_000 * MILLI,
            thresholds: vec![],
            fees: [FeeFactors::of(0.0); 2],
            latency: [0; 2],
            size: 1.0,
            sampling: MILLI,
            samples: false,
            play: PlaySettings::default(),
        };
        // Torn from 30 to 50 ms, the next quote comes at 60 ms; a quote within counts for nothing.
        for times in [&[0, 10, 60, 100][..], &[0, 10, 40, 60, 100]] {
            let quotes = [of(times, &[(30, 50)]), of(&[0, 100], &[])];
            let live = |ends: &[i64]| {
                let ends = ends.iter().map(|end| end * MILLI);
                watched(&terms, &quotes, ends).deviation.weight
            };
            let expected = 70 * 1_000_000 - 1;
            for ends in [&[101][..], &[10, 101], &[30, 31, 50, 101], &[35, 55, 60, 61, 101]] {
                let found = live(ends) - 1_000_000;
                assert!(found.abs_diff(expected) <= 1, "{times:?} {ends:?}: {found}");
            }
        }
    }

    #[test]
    fn rows_that_turn_nothing_change_nothing() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut episodes = 0;
        for round in 0..60 {
            let mut quotes = [Quotes::random(&mut random, 300), Quotes::random(&mut random, 200)];
            if round % 2 == 1 {
                quotes.iter_mut().for_each(|of| of.tear(&mut random));
            }
            let terms = Terms {
                max_age: [20, 40, 200][round % 3] * MILLI,
                thresholds: vec![[0.0, 5e-4, 1.0][round / 3 % 3], 1e-3],
                fees: [FeeFactors::of(0.0), FeeFactors::of(1e-4)],
                latency: [3 * MILLI, 15 * MILLI],
                size: 250.0,
                sampling: 10 * MILLI,
                samples: true,
                play: PlaySettings::default(),
            };
            let end = quotes.iter().filter_map(|of| of.times.last()).max().unwrap() + 1;
            // In windows of one time, every time is looked at.
            let each = watched(&terms, &quotes, (1..=end).step_by(1_000_000));
            assert_eq!(watched(&terms, &quotes, std::iter::once(end)), each, "round {round}");
            let some = (1..).map(|n| (n * 77 * MILLI).min(end)).take_while(|to| *to < end);
            assert_eq!(watched(&terms, &quotes, some.chain([end])), each, "round {round}");
            episodes += each.episodes.iter().flatten().map(|of| of.count).sum::<u64>();
        }
        assert!(100 < episodes, "{episodes}");
    }
}
