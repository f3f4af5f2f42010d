//! The definitions of docs/metrics.md, implemented slowly: all times at which anything can change
//! are listed, and the state at and between them is computed from all quotes each time.

use super::market::{HOUR, Market, Row, name};
use super::served::served;
use analyzer::kernel::lead_lag::{Changes, LeadLag};
use analyzer::kernel::reversion::Reversion;
use analyzer::kernel::venue::VenueSums;

const MINUTE: i64 = 60_000_000_000;
const BPS: f64 = 10_000.0;

/// Two live quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    quotes: [Row; 2],
    pub(crate) deviation: f64,
    pub(crate) net: [f64; 2],
}

/// An unbroken time at or above a threshold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Episode {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) peak: f64,
}

/// One pair in one unit.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    market: &'a Market,
    /// Quotes of each venue, with the one from before.
    quotes: [Vec<Row>; 2],
    fees: [f64; 2],
    latency: [i64; 2],
    pub(crate) begin: i64,
    pub(crate) end: i64,
    /// Times at which anything can change, from begin to end.
    times: Vec<i64>,
}

/// Returns the last of these quotes at a time.
fn last(quotes: &[Row], time: i64) -> Option<Row> {
    quotes.iter().rev().find(|quote| quote.time <= time).copied()
}

fn mid(quote: &Row) -> f64 {
    f64::midpoint(quote.bid(), quote.ask())
}

fn with_opening(market: &Market, venue: usize) -> Vec<Row> {
    market.openings[venue].iter().chain(&market.rows[venue]).copied().collect()
}

impl<'a> Pair<'a> {
    /// `None` in a unit without rows.
    pub(crate) fn of(market: &'a Market, venues: [usize; 2]) -> Option<Pair<'a>> {
        let (begin, end) = market.span()?;
        let counting = served(market).market;
        let quotes = venues.map(|venue| with_opening(&counting, venue));
        let terms = venues.map(|venue| market.settings.venues[&name(venue)]);
        let max_age = market.settings.max_age_ns;
        let changes = quotes.iter().flatten().flat_map(|quote| [quote.time, quote.time + max_age]);
        let mut times: Vec<i64> = changes.filter(|time| begin < *time && *time < end).collect();
        times.extend([begin, end]);
        times.sort_unstable();
        times.dedup();
        let (fees, latency) =
            (terms.map(|venue| venue.taker_fee), terms.map(|venue| venue.latency_ns));
        Some(Pair { market, quotes, fees, latency, begin, end, times })
    }

    /// Returns the state that the quotes of one time make, if they are still fresh at another.
    pub(crate) fn state(&self, time: i64, until: i64) -> Option<State> {
        let quotes = [last(&self.quotes[0], time)?, last(&self.quotes[1], time)?];
        let live = |quote: &Row| {
            quote.ticks[0] <= quote.ticks[1]
                && until - quote.time <= self.market.settings.max_age_ns
        };
        let deviation = quotes[0].bid() / quotes[1].bid() - 1.0;
        let net = [self.net(quotes, 0), self.net(quotes, 1)];
        quotes.iter().all(live).then_some(State { quotes, deviation, net })
    }

    /// Returns the net spread of buying on the venue with the direction's number and selling on the
    /// other.
    fn net(&self, quotes: [Row; 2], direction: usize) -> f64 {
        let (buy, sell) = (direction, 1 - direction);
        let gets = quotes[sell].bid() * (1.0 - self.fees[sell]);
        gets / (quotes[buy].ask() * (1.0 + self.fees[buy])) - 1.0
    }

    /// Returns the live times: from, to, and the state.
    pub(crate) fn live(&self) -> Vec<(i64, i64, State)> {
        let between = self.times.windows(2);
        let state = |ends: &[i64]| Some((ends[0], ends[1], self.state(ends[0], ends[1])?));
        between.filter_map(state).collect()
    }

    /// Returns the state from a time on, for any time.
    fn from(&self, time: i64) -> Option<State> {
        let place = self.times.partition_point(|at| *at <= time).checked_sub(1)?;
        self.state(self.times[place], *self.times.get(place + 1)?)
    }

    /// Returns the state at each time and between each two, and when it begins.
    fn all(&self) -> Vec<(i64, Option<State>)> {
        let mut all = Vec::new();
        for (place, time) in self.times.iter().enumerate() {
            all.push((*time, self.state(*time, *time)));
            if let Some(next) = self.times.get(place + 1) {
                all.push((*time, self.state(*time, *next)));
            }
        }
        all
    }

    pub(crate) fn episodes(&self, direction: usize, threshold: f64) -> Vec<Episode> {
        let mut episodes = Vec::new();
        let mut open: Option<Episode> = None;
        for (time, state) in self.all() {
            let net = state.map(|state| state.net[direction]).filter(|net| threshold <= *net);
            open = match (open, net) {
                (Some(episode), Some(net)) => {
                    Some(Episode { peak: episode.peak.max(net), ..episode })
                }
                (None, Some(net)) => Some(Episode { from: time, to: time, peak: net }),
                (Some(episode), None) => {
                    episodes.push(Episode { to: time, ..episode });
                    None
                }
                (None, None) => None,
            };
        }
        episodes.extend(open.map(|episode| Episode { to: self.end, ..episode }));
        episodes
    }

    /// Returns the notional of both quotes; a size that is unknown or 0 limits nothing.
    fn notional(quotes: [Row; 2], direction: usize) -> Option<f64> {
        let (buy, sell) = (quotes[direction], quotes[1 - direction]);
        let known = |size: &_| 0 < *size;
        let bought = buy.sizes[1].filter(known).map(|size| buy.ask() * f64::from(size));
        let sold = sell.sizes[0].filter(known).map(|size| sell.bid() * f64::from(size));
        match (bought, sold) {
            (Some(bought), Some(sold)) => Some(bought.min(sold)),
            (bought, sold) => bought.or(sold),
        }
    }

    /// Returns the mean over time of the available notional within episodes.
    pub(crate) fn mean_size(&self, direction: usize, threshold: f64) -> Option<f64> {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (from, to, state) in self.live() {
            let notional = Pair::notional(state.quotes, direction);
            if let Some(notional) = notional.filter(|_| threshold <= state.net[direction]) {
                sum += notional * (to - from) as f64;
                weight += (to - from) as f64;
            }
        }
        (0.0 < weight).then(|| sum / weight)
    }

    /// Returns, for each order pair that arrived, the hour of its beginning, the net spread that it
    /// met (as a fraction), and the traded amount.
    pub(crate) fn arrived(&self, direction: usize, threshold: f64) -> Vec<(i64, f64, f64)> {
        let met = |episode: &Episode| {
            let due = self.latency.map(|latency| episode.from + latency);
            let quotes = [self.from(due[0])?.quotes[0], self.from(due[1])?.quotes[1]];
            let size = self.market.settings.size;
            let amount = Pair::notional(quotes, direction).map_or(size, |there| there.min(size));
            Some((episode.from.div_euclid(HOUR), self.net(quotes, direction), amount))
        };
        self.episodes(direction, threshold).iter().filter_map(met).collect()
    }

    /// Returns the log ratio at every grid point; and the count, squares and products of the
    /// changes of both log mids over minutes.
    pub(crate) fn samples(&self) -> (Reversion, (u64, [f64; 2], f64)) {
        let sampling = self.market.settings.sampling_ns;
        let mut reversion = Reversion::starting_at(self.begin.div_euclid(sampling));
        let (mut count, mut squares, mut product) = (0, [0.0, 0.0], 0.0);
        let mut before: Option<(i64, [f64; 2])> = None;
        let mut point = self.begin.div_euclid(sampling) * sampling;
        while point < self.end {
            if let Some(state) = self.from(point).filter(|_| self.begin <= point) {
                let mids = [mid(&state.quotes[0]), mid(&state.quotes[1])];
                reversion.push(libm::log(mids[0] / mids[1]));
                let minute = point.div_euclid(MINUTE);
                if (point - sampling).div_euclid(MINUTE) != minute {
                    if let Some((_, old)) = before.filter(|(last, _)| last + 1 == minute) {
                        let (one, two) = ((mids[0] / old[0]).ln(), (mids[1] / old[1]).ln());
                        count += 1;
                        squares = [squares[0] + one * one, squares[1] + two * two];
                        product += one * two;
                    }
                    before = Some((minute, mids));
                }
            } else {
                reversion.gap();
                before = None;
            }
            point += sampling;
        }
        reversion.finish();
        (reversion, (count, squares, product))
    }

    /// Computes the lead-lag sums hour by hour.
    pub(crate) fn lead_lag(&self) -> LeadLag {
        let mut lead_lag = LeadLag::default();
        let straight = |quotes: &Vec<Row>| -> Vec<Row> {
            quotes.iter().filter(|quote| quote.ticks[0] <= quote.ticks[1]).copied().collect()
        };
        let quotes = [straight(&self.quotes[0]), straight(&self.quotes[1])];
        for hour in self.begin.div_euclid(HOUR)..=self.end.div_euclid(HOUR) {
            let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
            let block = |quotes: &Vec<Row>| {
                let mut block = Changes::default();
                // The quote at the hour's beginning may be one of this hour that was passed in.
                let handed =
                    quotes.first().filter(|first| first.time < self.begin).map(|first| first.time);
                let standing = last(quotes, from.max(handed.unwrap_or(from).min(to)));
                if let Some(standing) = standing {
                    block.push(from, libm::log(mid(&standing)));
                }
                let mut times: Vec<i64> = quotes.iter().map(|quote| quote.time).collect();
                times.dedup();
                for time in times.into_iter().filter(|time| from < *time && *time < to) {
                    let quote = last(quotes, time).unwrap();
                    block.push(time, libm::log(mid(&quote)));
                }
                block
            };
            lead_lag.add_block(&self.market.settings.lags, &block(&quotes[0]), &block(&quotes[1]));
        }
        lead_lag
    }
}

/// Returns the deviation in percent of each row of the left venue, if the right one had a quote
/// since the period's beginning.
pub(crate) fn deviations(market: &Market, [one, two]: [usize; 2]) -> Vec<Option<f64>> {
    let joined = |row: &Row| last(&market.rows[two], row.time);
    let deviation = |row: &Row| joined(row).map(|right| (row.bid() / right.bid() - 1.0) * 100.0);
    market.rows[one].iter().map(deviation).collect()
}

/// Returns one venue's own sums.
pub(crate) fn venue(market: &Market, venue: usize) -> VenueSums {
    let rows = &market.rows[venue];
    let max_age = market.settings.max_age_ns;
    let mut sums = VenueSums::default();
    for two in rows.windows(2) {
        let silence = two[1].time - two[0].time;
        sums.same_time += u64::from(silence == 0);
        sums.silences += u64::from(max_age < silence);
        sums.stale_ns += (silence - max_age).max(0).unsigned_abs();
    }
    let mut before = None;
    for row in rows {
        sums.rows += 1;
        sums.crossed += u64::from(row.ticks[1] < row.ticks[0]);
        sums.marked_gaps += u64::from(row.flags & 1 == 1);
        let event = row.event.filter(|_| before != Some(row.ticks));
        before = Some(row.ticks);
        if let Some(event) = event.filter(|event| *event != row.time) {
            sums.delays.add((row.time - event) as f64 / 1e6, 1);
        }
    }
    let served = served(market);
    (sums.outliers, sums.frozen) = (served.odd[venue], served.frozen[venue]);
    sums.span = rows.first().zip(rows.last()).map(|(first, last)| (first.time, last.time));
    sums.fresh_ns = sums.span_ns() - sums.stale_ns;
    sums
}

/// Converts a fraction to basis points.
pub(crate) fn bps(fraction: f64) -> f64 {
    fraction * BPS
}
