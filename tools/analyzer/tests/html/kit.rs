//! Reports made by hand: one with everything, one with nothing, and ones that are hard to draw or
//! print.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers, made up"
)]

use analyzer::report::{
    Bar, Cell, Column, Completeness, DayProfit, Decision, Detail, Episodes, FORMAT, HourBin,
    LagPoint, PairRow, Period, Played, Problem, Reason, Report, SignaturePoint, TimeBin, Totals,
    Trade, Venue, Verdict, detail_files,
};

/// Names that would do harm if they were not escaped, and one that is merely long.
pub(crate) const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)' {{ 7*7 }} {% raw %}",
    "$\\alpha$ ]]> --> \u{202e}&lt;\u{7}",
    "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
];

/// Name, group, unit and meaning of each column.
const COLUMNS: [[&str; 4]; 22] = [
    ["instrument", "compatible", "", "The instrument, as the lake's folder has it."],
    ["exchange1", "compatible", "", "The venue whose name comes first."],
    ["exchange2", "compatible", "", "The other venue."],
    ["mean_bps", "compatible", "bp", "Mean deviation over all updates of either leg."],
    ["std_bps", "compatible", "bp", "Standard deviation of the same."],
    ["min_bps", "compatible", "bp", "Least deviation."],
    ["live_h", "time-weighted", "h", "Time in which both legs were live."],
    ["mean_tw_bps", "time-weighted", "bp", "Mean deviation by time."],
    ["p99_tw_bps", "time-weighted", "bp", "99th percentile of the deviation by time."],
    ["half_life_s", "mean reversion", "s", "Time in which half of a deviation is gone."],
    ["adf_p", "mean reversion", "", "p-value of the test against a unit root."],
    ["lead_ms", "lead-lag", "ms", "By how much exchange1 leads; negative: it follows."],
    ["leader", "lead-lag", "", "The venue that leads."],
    ["per_day_low", "decision", "quote/day", "Profit per day, lower end of the 90 % interval."],
    ["per_day", "decision", "quote/day", "Its mean."],
    ["per_day_high", "decision", "quote/day", "Its upper end."],
    ["threshold_bps", "capturable", "bp", "Threshold at which the capture is greatest."],
    ["episodes", "capturable", "", "Episodes at that threshold."],
    ["days", "trust", "", "Days with at least an hour of both legs."],
    ["gaps", "trust", "", "Gaps of a minute or more."],
    ["crossed", "trust", "", "Whether either book was crossed for more than a second."],
    ["coverage", "trust", "", "Share of the period in which both legs were live."],
];

/// A generator of numbers between 0 and 1 that is the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Returns a report with everything, and that many pairs.
pub(crate) fn rich(pairs: usize) -> Report {
    let mut dice = Dice(42);
    let names = names(pairs);
    let details: Vec<Detail> =
        names.iter().take(10).enumerate().map(|(at, names)| detail(at, names, &mut dice)).collect();
    let files = detail_files(&details).into_iter().map(Some).chain(std::iter::repeat(None));
    let rows = names.iter().zip(files).enumerate();
    Report {
        format: FORMAT,
        recorded_hours: 167.5,
        venues: ["binance", "bitget", "bybit", "coinbase", "gateio", "kraken", "okx"]
            .map(|name| Venue { name: name.to_owned(), taker_fee_bps: 7.5, latency_ms: 25.0 })
            .to_vec(),
        version: "0.1.0".to_owned(),
        generated: "2024-08-12T02:00:00Z".to_owned(),
        lake: "/var/lib/spreadwire/lake".to_owned(),
        days: (5..12).map(|day| format!("2024-08-{day:02}")).collect(),
        settings: vec![
            ("fees".to_owned(), "fees.toml".to_owned()),
            ("latency-ms".to_owned(), "25".to_owned()),
            ("rank-by".to_owned(), "per_day_low".to_owned()),
        ],
        rank_by: "per_day_low".to_owned(),
        columns: columns(),
        pairs: rows.map(|(at, (names, file))| row(at, names, file, &mut dice)).collect(),
        details,
        totals: Totals {
            instruments: 41,
            pairs: pairs as u64,
            rows: 1_834_221_907,
            partials_reused: 246,
            partials_computed: 41,
            files_read: 96,
            files_not_read: 3,
            files_known: 12,
        },
        completeness: Completeness {
            verdict: "incomplete".to_owned(),
            findings: vec![
                "2024-08-07: 1,203 numbers of run 3 have no row (ring full)".to_owned(),
                "2024-08-09: hour 14 of kraken is not sealed".to_owned(),
            ],
        },
        problems: (0..60)
            .map(|at| Problem {
                subject: format!(
                    "spot/SOL#USDT/exchange=okx/date=2024-08-{:02}/{at}.parquet",
                    5 + at % 7
                ),
                what: "rows are not in order of time".to_owned(),
                left_out: at % 9 == 0,
            })
            .collect(),
        ..Report::default()
    }
}

/// Returns a report with nothing at all.
pub(crate) fn poor() -> Report {
    Report {
        version: "0.1.0".to_owned(),
        generated: "2024-08-12T02:00:00Z".to_owned(),
        lake: "empty".to_owned(),
        format: FORMAT,
        rank_by: "per_day_low".to_owned(),
        columns: columns(),
        ..Report::default()
    }
}

/// Returns a report with one pair whose detail is empty, from a lake that is complete.
pub(crate) fn blank() -> Report {
    let mut report = rich(3);
    report.details = report
        .pairs
        .iter()
        .take(1)
        .map(|pair| Detail {
            instrument: pair.instrument.clone(),
            exchange1: pair.exchange1.clone(),
            exchange2: pair.exchange2.clone(),
            ..Detail::default()
        })
        .collect();
    report.completeness = Completeness { verdict: "complete".to_owned(), findings: Vec::new() };
    report.problems.clear();
    report
}

/// Returns a report of 20 s, in which no pair has enough evidence.
pub(crate) fn short() -> Report {
    let mut report = rich(12);
    report.recorded_hours = 20.0 / 3_600.0;
    report.days.truncate(1);
    let why = "3 events in 0.0 live hours; at least 20 events in 6 hours are needed".to_owned();
    for pair in &mut report.pairs {
        (pair.verdict, pair.reasons) = (Verdict::Refused, vec![Reason::TooLittle]);
        pair.why = vec![why.clone()];
        (pair.per_day_low, pair.per_day, pair.per_day_high) = (None, None, None);
        (pair.held_out_per_day, pair.held_out_events, pair.q) = (None, None, None);
    }
    for detail in &mut report.details {
        let strategy = detail.decision.strategy.take().map(|played| Played {
            days: played.days[..1].to_vec(),
            hours: played.hours.iter().enumerate().map(|(at, of)| of.filter(|_| at == 9)).collect(),
            ..played
        });
        detail.decision = Decision {
            strategy,
            reasons: vec![Reason::TooLittle],
            why: vec![why.clone()],
            events: 3,
            recorded_hours: report.recorded_hours,
            ..Decision::default()
        };
        for hour in detail.hours.iter_mut().filter(|hour| hour.hour != 9) {
            (hour.recorded_s, hour.live_s) = (0.0, 0.0);
        }
    }
    report
}

/// Returns a report with everything, and harmful names everywhere.
pub(crate) fn hostile() -> Report {
    let mut report = rich(12);
    let mut turn = HOSTILE.iter().cycle().map(|name| (*name).to_owned());
    let mut next = || turn.next().expect("it goes round");
    for (pair, at) in report.pairs.iter_mut().zip(0..) {
        (pair.instrument, pair.exchange1, pair.exchange2) =
            (next(), next(), format!("{at}{}", next()));
        for cell in &mut pair.cells {
            if let Cell::Text(text) = cell {
                *text = next();
            }
        }
        pair.why.iter_mut().for_each(|why| *why = next());
        if let Some(trade) = &mut pair.trade {
            (trade.model, trade.buy) = (next(), pair.exchange1.clone());
            trade.sell.clone_from(&pair.exchange2);
        }
    }
    report.venues.iter_mut().for_each(|venue| venue.name = next());
    for (detail, pair) in report.details.iter_mut().zip(&report.pairs) {
        detail.instrument.clone_from(&pair.instrument);
        detail.exchange1.clone_from(&pair.exchange1);
        detail.exchange2.clone_from(&pair.exchange2);
        for episodes in &mut detail.episodes {
            (episodes.buy, episodes.sell) = (pair.exchange1.clone(), pair.exchange2.clone());
        }
        detail.leader = Some(next());
        detail.decision.why = vec![next(), next()];
        if let Some(played) = &mut detail.decision.strategy {
            (played.trade.model, played.trade.buy, played.trade.sell) = (next(), next(), next());
            played.days.iter_mut().for_each(|day| day.day = next());
            played.maker.iter_mut().for_each(|(venue, _)| *venue = next());
        }
    }
    report.lake = next();
    report.days = vec![next(), next()];
    report.settings = vec![(next(), next())];
    report.completeness = Completeness { verdict: next(), findings: vec![next(), next()] };
    report.problems = vec![Problem { subject: next(), what: next(), left_out: true }];
    for column in report.columns.iter_mut().skip(3) {
        (column.group, column.unit, column.meaning) = (next(), next(), next());
    }
    report
}

/// Returns a report with everything, whose detail figures are all multiples of `by`.
pub(crate) fn scaled(by: f64) -> Report {
    let mut report = rich(4);
    for pair in &mut report.pairs {
        for cell in &mut pair.cells {
            if let Cell::Number(value) = cell {
                *value *= by;
            }
        }
    }
    for detail in &mut report.details {
        for bin in &mut detail.over_time {
            (bin.min_bps, bin.mean_bps, bin.max_bps) =
                (bin.min_bps * by, bin.mean_bps * by, bin.max_bps * by);
        }
        for bar in detail.deviation.iter_mut().chain(&mut detail.net_12).chain(&mut detail.net_21) {
            (bar.low_bps, bar.high_bps) = (bar.low_bps * by, bar.high_bps * by);
        }
        for hour in &mut detail.hours {
            hour.mean_bps *= by;
        }
        for point in &mut detail.signature {
            point.interval_s *= by.abs();
            for value in [&mut point.half_life_s, &mut point.low_s, &mut point.high_s] {
                *value = value.map(|value| value * by.abs());
            }
        }
        for point in &mut detail.lead_lag {
            point.lag_ms *= by;
            point.correlation *= by;
        }
        for episodes in &mut detail.episodes {
            episodes.threshold_bps *= by;
        }
        scale(&mut detail.decision, by);
    }
    report
}

fn scale(decision: &mut Decision, by: f64) {
    for value in [&mut decision.per_day, &mut decision.per_day_low, &mut decision.per_day_high] {
        *value = value.map(|value| value * by);
    }
    decision.forward.iter_mut().for_each(|of| of.profit *= by);
    let Some(played) = &mut decision.strategy else { return };
    played.profit *= by;
    played.drawdown *= by;
    played.worst *= by;
    played.curve.iter_mut().for_each(|of| of.1 *= by);
    played.days.iter_mut().for_each(|of| of.profit *= by);
    played.hours.iter_mut().for_each(|of| *of = of.map(|profit| profit * by));
    played.latencies.iter_mut().for_each(|of| of.1 *= by);
    played.sizes.iter_mut().for_each(|of| *of = (of.0 * by.abs(), of.1 * by, of.2 * by));
    played.fee_tiers.iter_mut().for_each(|of| of.1 *= by);
}

fn columns() -> Vec<Column> {
    let column = |[name, group, unit, meaning]: [&str; 4]| Column {
        name: name.to_owned(),
        group: group.to_owned(),
        unit: unit.to_owned(),
        meaning: meaning.to_owned(),
        ..Column::default()
    };
    COLUMNS.into_iter().map(column).collect()
}

/// Returns instrument and venues of that many pairs.
fn names(pairs: usize) -> Vec<[String; 3]> {
    let venues = ["binance", "bitget", "bybit", "coinbase", "gateio", "kraken", "okx"];
    let coins = ["BTC", "ETH", "SOL", "1000PEPE", "DOGE", "XRP", "ADA", "AVAX", "LINK", "SUI"];
    let mut names = Vec::new();
    for round in 0..venues.len() {
        for coin in coins {
            for step in 1..venues.len() - round {
                let (one, other) = (venues[round], venues[round + step]);
                names.push([format!("{coin}/USDT"), one.to_owned(), other.to_owned()]);
            }
        }
    }
    let stride = 37;
    let all = names.len();
    (0..pairs).map(|at| names[at * stride % all].clone()).collect()
}

fn row(at: usize, names: &[String; 3], detail: Option<String>, dice: &mut Dice) -> PairRow {
    let capture = 4200.0 * 0.93f64.powi(at as i32) - 3.0;
    let mut cells: Vec<Cell> = names.iter().cloned().map(Cell::Text).collect();
    cells.extend([
        Cell::Number(dice.roll() * 6.0 - 3.0),
        Cell::Number(dice.roll() * 9.0),
        Cell::Number(-40.0 * dice.roll()),
        Cell::Number(168.0 * dice.roll()),
        Cell::Number(dice.roll() * 5.0 - 2.5),
        Cell::Number(20.0 * dice.roll()),
        if at % 7 == 3 { Cell::None } else { Cell::Number(40.0 * dice.roll()) },
        Cell::Number(dice.roll().powi(9)),
        Cell::Number((dice.roll() * 400.0 - 200.0).round()),
        Cell::Text(names[1 + at % 2].clone()),
        Cell::Number(capture * 0.7),
        Cell::Number(capture),
        Cell::Number(capture * 1.4),
        Cell::Number(2.5 * (1.0 + (dice.roll() * 4.0).floor())),
        Cell::Count((dice.roll() * 4000.0) as u64),
        Cell::Count(7),
        Cell::Count((dice.roll() * 30.0) as u64),
        Cell::Flag(at % 11 == 5),
        Cell::Number(dice.roll()),
    ]);
    let (verdict, reasons, why) = verdict(at);
    PairRow {
        verdict,
        reasons,
        why,
        trade: Some(trade(at, names)),
        per_day: Some(capture),
        per_day_low: Some(capture * 0.7),
        per_day_high: Some(capture * 1.4),
        held_out_per_day: Some(capture * 0.9),
        held_out_events: Some(31),
        q: Some(0.004),
        events: 120,
        live_hours: 164.2,
        detail,
        instrument: names[0].clone(),
        exchange1: names[1].clone(),
        exchange2: names[2].clone(),
        cells,
    }
}

/// Returns what was decided about the pair at this place: the first three are recommended.
fn verdict(at: usize) -> (Verdict, Vec<Reason>, Vec<String>) {
    let words = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let luck = "what the best of 20 strategies earned is no more than luck would give: q = 0.31";
    match at {
        0..3 => {
            let sure = "120 events in 164.2 live hours; the best of 20 strategies earned more than luck \
                        would give (q = 0.004)";
            let held = "the held-out last part earned 3780.00 a day in 31 events";
            (Verdict::Recommended, Vec::new(), words(&[sure, held]))
        }
        _ if at % 9 == 8 => {
            let why = words(&["the same asset: other contract size", "it was frozen for 2.1 h"]);
            (Verdict::Unsound, vec![Reason::Feeds; 2], why)
        }
        _ if at.is_multiple_of(2) => {
            let lost = "the held-out last part lost 0.80 a day";
            (Verdict::Refused, vec![Reason::HeldOutLost, Reason::Luck], words(&[lost, luck]))
        }
        _ => (Verdict::Refused, vec![Reason::Luck], words(&[luck])),
    }
}

fn trade(at: usize, names: &[String; 3]) -> Trade {
    Trade {
        model: if at.is_multiple_of(2) { "inventory" } else { "convergence" }.to_owned(),
        buy: names[1].clone(),
        sell: names[2].clone(),
        both_ways: at.is_multiple_of(2),
        entry_bps: 5.0,
        entry_bps_min: 0.0,
        entry_bps_max: 31.0,
        exit_bps: -12.5,
        first_share: 0.6,
        size_quote: 1_000.0,
    }
}

/// Returns a decision about a strategy that was played for a week.
fn decision(at: usize, names: &[String; 3], dice: &mut Dice) -> Decision {
    let start: i64 = 1_722_816_000_000_000_000;
    let hour = 3_600_000_000_000;
    let strategy = Some(played(at, names, dice));
    let (verdict, reasons, why) = verdict(at);
    let period = |of: i64| Period {
        from_ns: start + of * 24 * hour,
        to_ns: start + (of + 1) * 24 * hour,
        profit: 300.0 * (dice.roll() - 0.2),
    };
    Decision {
        verdict,
        reasons,
        why,
        per_day: Some(210.0),
        per_day_low: Some(147.0),
        per_day_high: Some(294.0),
        next_day_low: Some(-20.0),
        next_day_high: Some(440.0),
        events: 120,
        live_hours: 164.2,
        recorded_hours: 167.5,
        tried: 20,
        q: 0.004,
        held_out_per_day: Some(189.0),
        held_out_low: Some(90.0),
        held_out_events: Some(31),
        forward: (1..7).map(period).collect(),
        best_in_hindsight: Some(1_720.0),
        strategy,
    }
}

/// Returns what a strategy did in a week.
fn played(at: usize, names: &[String; 3], dice: &mut Dice) -> Played {
    let start: i64 = 1_722_816_000_000_000_000;
    let hour = 3_600_000_000_000;
    let mut profit = 0.0;
    let mut step = |of: i64| {
        profit += 60.0 * (dice.roll() - 0.42);
        (start + of * hour / 2, profit)
    };
    let curve: Vec<(i64, f64)> = (0..240).map(&mut step).collect();
    let day = |of: i64| DayProfit {
        day: format!("2024-08-{:02}", 5 + of),
        profit: 400.0 * (dice.roll() - 0.3),
        recorded_hours: [24.0, 24.0, 24.0, 24.0, 6.25, 0.0, 24.0][of as usize],
    };
    let days: Vec<DayProfit> = (0..7).map(day).collect();
    let hours = (0..24).map(|of| (of != 3).then(|| 90.0 * (dice.roll() - 0.3))).collect();
    let rates =
        |scale: f64| [(0.0, scale), (5.0, scale * 0.9), (20.0, scale * 0.6), (50.0, -scale * 0.1)];
    Played {
        trade: trade(at, names),
        deals: 431,
        profit,
        fees: 812.0,
        volume: 1_240_000.0,
        won_share: Some(0.71),
        still_there_share: Some(0.83),
        missed: 21,
        hedged: 9,
        day_ends: 7,
        drawdown: 181.0,
        worst: -42.5,
        hours_held: 61.5,
        break_even_fee_bps: Some(11.3),
        size: 840.0,
        curve,
        days,
        hours,
        latencies: rates(240.0).to_vec(),
        sizes: vec![
            (250.0, 250.0, 70.0),
            (1_000.0, 840.0, 210.0),
            (4_000.0, 2_200.0, 390.0),
            (16_000.0, 3_100.0, 410.0),
        ],
        fee_tiers: [-5.0, -2.0, -1.0, 1.0, 2.0, 5.0].map(|bps| (bps, 210.0 - 40.0 * bps)).to_vec(),
        maker: vec![(names[1].clone(), 612.0), (names[2].clone(), 702.0)],
    }
}

fn detail(at: usize, names: &[String; 3], dice: &mut Dice) -> Detail {
    let [instrument, exchange1, exchange2] = names;
    let bell = |low: f64, high: f64, middle: f64, width: f64| -> Vec<Bar> {
        let step = (high - low) / 60.0;
        let density = |x: f64| (-0.5 * ((x - middle) / width).powi(2)).exp();
        let total: f64 = (0..60).map(|at| density(low + (at as f64 + 0.5) * step)).sum();
        let bar = |at: i32| {
            let low_bps = low + f64::from(at) * step;
            Bar { low_bps, high_bps: low_bps + step, share: density(low_bps + step / 2.0) / total }
        };
        (0..60).map(bar).collect()
    };
    Detail {
        instrument: instrument.clone(),
        exchange1: exchange1.clone(),
        exchange2: exchange2.clone(),
        decision: decision(at, names, dice),
        over_time: over_time(dice),
        deviation: bell(-15.0, 15.0, 1.2, 3.0),
        net_12: bell(-25.0, 8.0, -9.0, 3.2),
        net_21: bell(-25.0, 8.0, -7.0, 3.0),
        hours: hours(dice),
        episodes: episodes(exchange1, exchange2),
        signature: signature(),
        lead_lag: (-50..=50)
            .map(|at| LagPoint {
                lag_ms: f64::from(at) * 20.0,
                correlation: 0.42 * (-((f64::from(at) - 6.0) / 5.0).powi(2)).exp()
                    + 0.03 * (dice.roll() - 0.5),
            })
            .collect(),
        lead_lag_band: Some(0.035),
        leader: at.is_multiple_of(2).then(|| exchange1.clone()),
        leads_by_ms: at.is_multiple_of(2).then_some(120.0),
        ..Detail::default()
    }
}

/// Returns a week in spans of ten minutes: a walk that reverts, with one night missing.
fn over_time(dice: &mut Dice) -> Vec<TimeBin> {
    let width_ns = 600_000_000_000;
    let start: i64 = 1_722_816_000_000_000_000;
    let mut mean_bps = 1.0;
    let mut bins = Vec::new();
    for at in 0..1008 {
        mean_bps += 0.8 * (dice.roll() - 0.5) - 0.05 * (mean_bps - 1.0);
        if !(430..480).contains(&at) {
            bins.push(TimeBin {
                start_ns: start + at * width_ns,
                width_ns,
                min_bps: mean_bps - 1.0 - 3.0 * dice.roll(),
                mean_bps,
                max_bps: mean_bps + 1.0 + 4.0 * dice.roll().powi(3),
            });
        }
    }
    bins
}

fn hours(dice: &mut Dice) -> Vec<HourBin> {
    let hour = |hour: u8| HourBin {
        hour,
        recorded_s: if hour == 3 { 0.0 } else { 3600.0 * 7.0 },
        live_s: if hour == 3 { 0.0 } else { 3600.0 * 6.5 },
        mean_bps: 1.5 * (f64::from(hour) / 24.0 * std::f64::consts::TAU).sin() + 0.4,
        episodes: (200.0 * dice.roll()) as u64,
    };
    (0..24).map(hour).collect()
}

fn episodes(one: &str, other: &str) -> Vec<Episodes> {
    let mut all = Vec::new();
    for (buy, sell, factor) in [(one, other, 1.0), (other, one, 0.6)] {
        for threshold in [0.0, 2.5, 5.0, 7.5, 10.0, 15.0] {
            let count = (1800.0 * factor * (-threshold / 4.0_f64).exp()) as u64;
            let bounds = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 60.0];
            let shares = [0.03, 0.07, 0.13, 0.2, 0.22, 0.17, 0.11, 0.05, 0.02];
            all.push(Episodes {
                buy: buy.to_owned(),
                sell: sell.to_owned(),
                threshold_bps: threshold,
                count,
                durations: bounds
                    .into_iter()
                    .zip(shares.map(|share| (count as f64 * share) as u64))
                    .collect(),
                peak_bps: (0 < count).then_some(threshold + 8.31),
                still_there: (0 < count).then_some(0.61),
            });
        }
    }
    all
}

fn signature() -> Vec<SignaturePoint> {
    let intervals = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
    let point = |interval_s: f64| {
        let half = 6.0 + 0.4 * interval_s + 0.5 / interval_s;
        let known = interval_s < 50.0;
        SignaturePoint {
            interval_s,
            half_life_s: known.then_some(half),
            low_s: known.then_some(half * 0.7),
            high_s: known.then_some(half * 1.5),
        }
    };
    intervals.into_iter().map(point).collect()
}
