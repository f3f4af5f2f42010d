//! One pair of venues over the union of both venues' quotes: what held for how long.
//!
//! A state begins with a quote of either leg and lasts until the next; quotes of one time count as
//! one. It is live while neither quote is older than the maximum age and neither book is crossed.
//! Only live time counts, from the unit's first quote to its last. The same states are sampled on a
//! regular grid for the mean reversion. It must not know dates, names or files.

use crate::kernel::episode::{Episodes, Met};
use crate::kernel::histogram::{Filling, Histogram};
use crate::kernel::moments::Moments;
use crate::kernel::profile::{HOUR, Hours, Profile};
use crate::kernel::reversion::Reversion;
use serde::{Deserialize, Serialize};
use spreadwire_market::spread::{BPS, FeeFactors, net_of};

/// Both legs' mids are compared over steps of this, ns.
const MINUTE: i64 = 60_000_000_000;

/// What the figures depend on, for one pair.
#[derive(Clone, Debug)]
pub struct Terms {
    /// A quote older than this is not live, ns.
    pub max_age: i64,
    /// Net spreads from which an episode counts, fractions, ascending.
    pub thresholds: Vec<f64>,
    /// Taker fees of the two venues.
    pub fees: [FeeFactors; 2],
    /// From sending an order to its arrival, by venue, ns.
    pub latency: [i64; 2],
    /// Most that one order trades, quote currency.
    pub size: f64,
    /// Distance of samples, ns.
    pub sampling: i64,
    /// Whether samples are taken at all.
    pub samples: bool,
}

/// What is known of a pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// From the unit's first quote to its last, any venue, ns.
    pub span_ns: u64,
    /// `bid_1 / bid_2 - 1`, fraction; its weight is the live time.
    pub deviation: Moments,
    /// The same by value, bp.
    pub deviations: Histogram,
    /// Net spread, fraction: buying on the first venue and selling on the second, and the reverse.
    pub net: [Moments; 2],
    /// The same by value, bp.
    pub nets: [Histogram; 2],
    /// By direction and threshold.
    pub episodes: [Vec<Episodes>; 2],
    /// The deviation over time.
    pub profile: Profile,
    /// And hour by hour.
    pub hours: Hours,
    /// How the two mids move together.
    pub together: Together,
    /// Sums of the sampled log ratio of the mids.
    pub reversion: Reversion,
}

/// Changes of both log mids over a minute: sums of squares and of their product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Together {
    /// Minutes.
    pub count: u64,
    /// Sums of squares, and of products.
    pub squares: [f64; 2],
    /// Sum of products.
    pub product: f64,
}

impl Together {
    fn merge(&mut self, later: &Together) {
        self.count += later.count;
        self.squares[0] += later.squares[0];
        self.squares[1] += later.squares[1];
        self.product += later.product;
    }

    /// Correlation of the changes; `None` if one of them never moved.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        let scale = (self.squares[0] * self.squares[1]).sqrt();
        (0.0 < scale).then(|| self.product / scale)
    }
}

impl Timed {
    /// Whether any episode began: without one no size matters.
    #[must_use]
    pub fn has_episodes(&self) -> bool {
        self.episodes.iter().flatten().any(|episodes| 0 < episodes.count)
    }

    /// Adds a later unit's.
    pub fn merge(&mut self, later: &Timed) {
        self.span_ns += later.span_ns;
        self.deviation.merge(&later.deviation);
        self.deviations.merge(&later.deviations);
        for direction in 0..2 {
            self.net[direction].merge(&later.net[direction]);
            self.nets[direction].merge(&later.nets[direction]);
            let (mine, theirs) = (&mut self.episodes[direction], &later.episodes[direction]);
            // A unit without rows has none.
            mine.resize(mine.len().max(theirs.len()), Episodes::default());
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.merge(theirs));
        }
        self.profile.merge(&later.profile);
        self.hours.merge(&later.hours);
        self.together.merge(&later.together);
        self.reversion.merge(&later.reversion);
    }
}

/// Consecutive quotes of one venue. Asks and sizes are empty where they are not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows<'a> {
    /// Receive times, ns since 1970, ascending.
    pub times: &'a [i64],
    /// Best bids.
    pub bids: &'a [f64],
    /// Best asks.
    pub asks: &'a [f64],
    /// Sizes at the bids, base currency.
    pub bid_sizes: &'a [f64],
    /// Sizes at the asks.
    pub ask_sizes: &'a [f64],
}

/// A venue's latest quote.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// When it was received, ns since 1970.
    pub time: i64,
    /// Best bid.
    pub bid: f64,
    /// Best ask.
    pub ask: f64,
    /// Sizes of bid and ask; not a number where they are not known.
    pub sizes: [f64; 2],
}

impl Leg {
    /// No quote yet.
    pub const NONE: Leg = Leg { time: i64::MIN / 2, bid: 0.0, ask: 0.0, sizes: [f64::NAN; 2] };

    /// Whether it has both sides and they are not crossed.
    #[must_use]
    pub fn usable(&self) -> bool {
        0.0 < self.bid && self.bid <= self.ask
    }

    /// A quote of no size is none: recorders write 0 where they do not know it.
    #[must_use]
    #[inline]
    pub fn of_known_sizes(self) -> Leg {
        let known = |size| if 0.0 < size { size } else { f64::NAN };
        Leg { sizes: self.sizes.map(known), ..self }
    }

    /// Middle of bid and ask.
    #[must_use]
    pub fn mid(&self) -> f64 {
        f64::midpoint(self.bid, self.ask)
    }
}

impl Rows<'_> {
    /// Whether the next row is not known, or comes later than so long after this one.
    #[inline]
    fn is_silent_after(&self, row: usize, max_age: i64) -> bool {
        let next = self.times.get(row + 1);
        next.is_none_or(|next| max_age < next.wrapping_sub(self.times[row]))
    }

    /// The quote of a row.
    #[must_use]
    #[inline]
    pub fn leg(&self, row: usize) -> Leg {
        let known = |column: &[f64]| column.get(row).copied().unwrap_or(f64::NAN);
        let sizes = [known(self.bid_sizes), known(self.ask_sizes)];
        let (time, bid, ask) = (self.times[row], self.bids[row], known(self.asks));
        Leg { time, bid, ask, sizes }.of_known_sizes()
    }
}

/// Finds the rows of a window that turn something if no episode goes on: whose prices differ from
/// those before, and those around a silence longer than the maximum age, of which a quote is stale;
/// also the first and the last.
pub fn turns(rows: Rows<'_>, max_age: i64, turns: &mut Vec<usize>) {
    turns.clear();
    let count = rows.times.len();
    turns.resize(count, 0);
    let mut found = 0;
    let mut was_silent = true;
    // Without branches on the prices, which come as they like.
    for row in 0..count {
        let is_silent = rows.is_silent_after(row, max_age);
        let before = row.saturating_sub(1);
        let differs = |column: &[f64]| {
            let both = column.get(before..=row);
            both.is_some_and(|both| both[0].to_bits() != both[both.len() - 1].to_bits())
        };
        turns[found] = row;
        let is_turn = was_silent | is_silent | differs(rows.bids) | differs(rows.asks);
        found += usize::from(is_turn);
        was_silent = is_silent;
    }
    turns.truncate(found);
}

/// Goes through a window's rows: each of them, or the turns alone.
struct Cursor<'a> {
    rows: Rows<'a>,
    /// Those not taken yet, and some that were.
    turns: &'a [usize],
    /// The next row.
    row: usize,
}

impl Cursor<'_> {
    /// The time of the next row or turn; beyond all times if there is none.
    #[inline]
    fn next_time(&mut self, only_turns: bool) -> i64 {
        let row = if only_turns { self.next_turn() } else { self.row };
        self.rows.times.get(row).copied().unwrap_or(i64::MAX)
    }

    #[inline]
    fn next_turn(&mut self) -> usize {
        while let [turn, rest @ ..] = self.turns {
            if self.row <= *turn {
                return *turn;
            }
            self.turns = rest;
        }
        usize::MAX
    }

    /// The quote of the next row or turn, which there is, and until when it is young enough.
    #[inline]
    fn take(&mut self, only_turns: bool, max_age: i64) -> (Leg, i64) {
        let row = if only_turns { self.next_turn() } else { self.row };
        self.row = row + 1;
        let leg = self.rows.leg(row);
        let is_silent = self.rows.is_silent_after(row, max_age);
        (leg, if is_silent { leg.time.saturating_add(max_age) } else { i64::MAX })
    }

    /// The quote that stands at a time, up to which all turns were taken; `None` if it is from before.
    fn latest(&mut self, time: i64) -> Option<Leg> {
        while self.rows.times.get(self.row).is_some_and(|at| *at <= time) {
            self.row += 1;
        }
        self.row.checked_sub(1).map(|row| self.rows.leg(row))
    }
}

/// An episode that goes on.
#[derive(Clone, Copy, Debug)]
struct Open {
    since: i64,
    peak: f64,
}

/// Orders on their way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    direction: usize,
    threshold: usize,
    hour: i64,
    /// When each order arrives, by venue, and the quote that it met.
    due: [i64; 2],
    met: [Option<Leg>; 2],
}

/// Watches a pair while its quotes go by.
#[derive(Clone, Debug)]
pub struct Watch {
    terms: Terms,
    begin: i64,
    /// The time of the quotes that came last; the state is settled once the next time is known.
    now: i64,
    legs: [Leg; 2],
    live: bool,
    /// Until when each leg is young enough, and both. Where the next row comes before that in any
    /// case, the first is beyond all times.
    valid: [i64; 2],
    live_until: i64,
    /// Since when what holds was not accounted for.
    held_from: i64,
    /// What holds: the four prices, and what they make.
    prices: [f64; 4],
    deviation: f64,
    net: [f64; 2],
    notional: [f64; 2],
    deviations: Filling,
    nets: [Filling; 2],
    open: [Vec<Option<Open>>; 2],
    open_now: usize,
    sent: Vec<Sent>,
    next_sample: i64,
    last_minute: Option<(i64, [f64; 2])>,
    sums: Timed,
}

impl Watch {
    /// Begins at the unit's first quote, with the legs' quotes from before, if any.
    #[must_use]
    pub fn new(terms: Terms, begin: i64, legs: [Leg; 2]) -> Watch {
        let count = terms.thresholds.len();
        let none = || vec![Episodes::default(); count];
        let sums = Timed { episodes: [none(), none()], ..Timed::default() };
        let next_sample = (begin - 1).div_euclid(terms.sampling) + 1;
        Watch {
            begin,
            now: begin,
            legs,
            live: false,
            valid: legs.map(|leg| leg.time.saturating_add(terms.max_age)),
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
            sent: Vec::new(),
            next_sample: next_sample * terms.sampling,
            last_minute: None,
            sums,
            terms,
        }
    }

    /// The next quotes of both venues, all there are up to some time, and the [`turns`] of each.
    ///
    /// While no episode goes on and no order is on its way, only turns can change anything.
    pub fn take(&mut self, rows: [Rows<'_>; 2], turns: [&[usize]; 2]) {
        let max_age = self.terms.max_age;
        let cursor = |venue: usize| Cursor { rows: rows[venue], turns: turns[venue], row: 0 };
        let mut cursors = [cursor(0), cursor(1)];
        loop {
            let quiet = self.open_now == 0 && self.sent.is_empty();
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

    /// Whether any episode has begun.
    #[must_use]
    pub fn has_episodes(&self) -> bool {
        self.sums.has_episodes()
    }

    /// Ends at the unit's last quote.
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
        self.sums.span_ns = end.abs_diff(self.begin);
        self.sums.deviations = self.deviations.finish();
        self.sums.nets = [self.nets[0].finish(), self.nets[1].finish()];
        self.sums.reversion.finish();
        self.sums
    }

    /// What holds from `now` on, with all quotes of that time. Whether episodes are to be looked at;
    /// times and sizes of the legs do not matter up to there.
    #[inline]
    fn settle(&mut self) -> bool {
        let [one, two] = &self.legs;
        self.live_until = self.valid[0].min(self.valid[1]);
        let live = self.now <= self.live_until && one.usable() && two.usable();
        let prices = [one.bid, one.ask, two.bid, two.ask];
        let same = || prices.map(f64::to_bits) == self.prices.map(f64::to_bits);
        if live == self.live && self.open_now == 0 && (!live || same()) {
            return false;
        }
        self.account(self.now);
        self.live = live;
        if live {
            self.prices = prices;
            self.value();
            return self.is_met(0) || self.is_met(1);
        }
        self.close_all(self.now);
        false
    }

    /// Values the two live legs.
    #[inline]
    fn value(&mut self) {
        let [one, two] = &self.legs;
        let fees = &self.terms.fees;
        self.deviation = one.bid / two.bid - 1.0;
        self.net = [
            net_of(two.bid, fees[1], one.ask, fees[0]),
            net_of(one.bid, fees[0], two.ask, fees[1]),
        ];
    }

    /// Whether an episode of a direction can begin, go on or end.
    #[inline]
    fn is_met(&self, direction: usize) -> bool {
        let lowest = self.terms.thresholds.first();
        self.open_now != 0 || lowest.is_some_and(|lowest| *lowest <= self.net[direction])
    }

    /// Begins and ends episodes.
    fn compare_all(&mut self) {
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
        let hour = self.now.div_euclid(HOUR);
        self.sums.episodes[direction][threshold].began(hour);
        let due = self.terms.latency.map(|latency| self.now.saturating_add(latency));
        self.sent.push(Sent { direction, threshold, hour, due, met: [None; 2] });
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

    /// Time goes on to `to`, with nothing new on either leg.
    #[inline]
    fn pass(&mut self, to: i64) {
        if self.live {
            let end = to.min(self.live_until);
            if self.next_sample < end {
                self.sample_until(end);
            }
            if !self.sent.is_empty() {
                self.arrive_until(end);
            }
            if end < to {
                self.account(end);
                self.live = false;
                self.close_all(end);
            }
        }
        if !self.live {
            self.pass_dead(to);
        }
        self.now = to;
    }

    /// Nothing is known until `to`: samples are missing, and orders meet nothing.
    fn pass_dead(&mut self, to: i64) {
        if self.next_sample < to {
            self.sums.reversion.gap();
            self.last_minute = None;
            self.next_sample = ((to - 1).div_euclid(self.terms.sampling) + 1) * self.terms.sampling;
        }
        self.sent.retain(|sent| {
            let lost = |venue: usize| sent.met[venue].is_none() && sent.due[venue] < to;
            !lost(0) && !lost(1)
        });
        self.held_from = to;
    }

    fn sample_until(&mut self, end: i64) {
        if !self.terms.samples {
            let samples = (end - 1).div_euclid(self.terms.sampling) + 1;
            self.next_sample = samples * self.terms.sampling;
            return;
        }
        let mids = [self.legs[0].mid(), self.legs[1].mid()];
        let ratio = libm::log(mids[0] / mids[1]);
        while self.next_sample < end {
            self.sums.reversion.push(ratio);
            if self.next_sample.rem_euclid(MINUTE) < self.terms.sampling {
                self.compare_minutes(mids);
            }
            self.next_sample += self.terms.sampling;
        }
    }

    fn compare_minutes(&mut self, mids: [f64; 2]) {
        let minute = self.next_sample.div_euclid(MINUTE);
        if let Some((last, before)) = self.last_minute.filter(|(last, _)| last + 1 == minute) {
            debug_assert!(last < minute, "samples are in order");
            let change = |venue: usize| libm::log(mids[venue] / before[venue]);
            let (one, two) = (change(0), change(1));
            let together = &mut self.sums.together;
            together.count += 1;
            together.squares[0] += one * one;
            together.squares[1] += two * two;
            together.product += one * two;
        }
        self.last_minute = Some((minute, mids));
    }

    /// Orders that arrive before `end` meet the quotes that stand.
    fn arrive_until(&mut self, end: i64) {
        let mut place = 0;
        while place < self.sent.len() {
            let legs = self.legs;
            let sent = &mut self.sent[place];
            for (venue, leg) in legs.iter().enumerate() {
                if sent.met[venue].is_none() && sent.due[venue] < end {
                    sent.met[venue] = Some(*leg);
                }
            }
            if let [Some(one), Some(two)] = sent.met {
                let sent = self.sent.swap_remove(place);
                let met = self.met(sent.direction, [one, two]);
                self.sums.episodes[sent.direction][sent.threshold].arrived(sent.hour, met);
            } else {
                place += 1;
            }
        }
    }

    fn met(&self, direction: usize, legs: [Leg; 2]) -> Met {
        let (buy, sell) = (direction, 1 - direction);
        let fees = self.terms.fees;
        let net = net_of(legs[sell].bid, fees[sell], legs[buy].ask, fees[buy]);
        Met { net, notional: self.terms.size.min(notional(&legs, direction)) }
    }

    /// Books what held until `to`.
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

/// What the two quotes of a direction allow, quote currency; not a number where no size is known.
fn notional(legs: &[Leg; 2], direction: usize) -> f64 {
    let (buy, sell) = (&legs[direction], &legs[1 - direction]);
    (buy.ask * buy.sizes[1]).min(sell.bid * sell.sizes[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const MILLI: i64 = 1_000_000;

    /// A venue's quotes in columns.
    #[derive(Default)]
    struct Quotes {
        times: Vec<i64>,
        bids: Vec<f64>,
        asks: Vec<f64>,
        sizes: Vec<f64>,
    }

    impl Quotes {
        /// Times repeat, quotes fall silent and cross at times, and most prices stay.
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

        /// The rows from one time to another.
        fn rows(&self, from: i64, to: i64) -> Rows<'_> {
            let place = |time| self.times.partition_point(|at| *at < time);
            let range = place(from)..place(to);
            Rows {
                times: &self.times[range.clone()],
                bids: &self.bids[range.clone()],
                asks: &self.asks[range.clone()],
                bid_sizes: &self.sizes[range.clone()],
                ask_sizes: &self.sizes[range],
            }
        }
    }

    /// What comes of two venues whose rows are handed over in windows that end at these times.
    fn watched(terms: &Terms, quotes: &[Quotes; 2], ends: impl Iterator<Item = i64>) -> Timed {
        let mut watch = Watch::new(terms.clone(), 0, [Leg::NONE; 2]);
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
    fn rows_that_turn_nothing_change_nothing() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut episodes = 0;
        for round in 0..60 {
            let quotes = [Quotes::random(&mut random, 300), Quotes::random(&mut random, 200)];
            let terms = Terms {
                max_age: [20, 40, 200][round % 3] * MILLI,
                thresholds: vec![[0.0, 5e-4, 1.0][round / 3 % 3], 1e-3],
                fees: [FeeFactors::of(0.0), FeeFactors::of(1e-4)],
                latency: [3 * MILLI, 15 * MILLI],
                size: 250.0,
                sampling: 10 * MILLI,
                samples: true,
            };
            let end = quotes.iter().filter_map(|of| of.times.last()).max().unwrap() + 1;
            // In windows of one time every time is looked at.
            let each = watched(&terms, &quotes, (1..=end).step_by(1_000_000));
            assert_eq!(watched(&terms, &quotes, std::iter::once(end)), each, "round {round}");
            let some = (1..).map(|n| (n * 77 * MILLI).min(end)).take_while(|to| *to < end);
            assert_eq!(watched(&terms, &quotes, some.chain([end])), each, "round {round}");
            episodes += each.episodes.iter().flatten().map(|of| of.count).sum::<u64>();
        }
        assert!(100 < episodes, "{episodes}");
    }
}
