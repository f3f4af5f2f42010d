//! Two charts of the money of one pair: the profit over time with how far it fell, and what would have
//! been left with other latencies and sizes.

use super::frame::{FIRST, Frame, HALF, SECOND, Screen, drawable, rounded, zero};
use super::numbers;
use super::over_time::timed;
use super::picture::Picture;
use super::rate::Rate;
use crate::report::{Detail, Played};
use kuva::prelude::{Layout, LinePlot, Plot, ScatterPlot, TickFormat};
use std::sync::Arc;

const NS_PER_S: f64 = 1e9;
/// Least time of an axis, in s.
const LEAST_S: f64 = 1.0;

/// Draws the profit over time, and how far it was below its highest value.
pub(super) fn curve(id: &str, detail: &Detail, rate: &Rate) -> Picture {
    let mut picture = Picture {
        kind: "profit",
        wide: true,
        title: "Profit and drawdown",
        reading:
            "The sum of all deals that had ended, after fees, and how far it was below its highest \
                  value so far. This is the past of the strategy that was chosen: not a forecast."
                .to_owned(),
        ..Picture::default()
    };
    let Some(played) = detail.decision.strategy.as_ref().filter(|of| !of.curve.is_empty()) else {
        return picture.absent("No strategy opened anything.");
    };
    let mut sum = vec![(seconds(played.curve[0].0), 0.0)];
    let mut fall = sum.clone();
    let (mut before, mut peak) = (0.0, 0.0_f64);
    for (time, profit) in &played.curve {
        let (time, profit) = (seconds(*time), drawable(*profit));
        sum.extend([(time, before), (time, profit)]);
        fall.push((time, before - peak));
        peak = peak.max(profit);
        fall.push((time, profit - peak));
        before = profit;
    }
    let y = format!("profit ({})", rate.currency());
    picture.draw(id, "profit".to_owned(), |screen| steps(&sum, FIRST, &y, screen));
    let y = format!("below the peak ({})", rate.currency());
    picture.draw(id, "drawdown".to_owned(), |screen| steps(&fall, SECOND, &y, screen));
    picture
}

#[expect(clippy::cast_precision_loss, reason = "a picture has fewer pixels than a float digits")]
fn seconds(ns: i64) -> f64 {
    ns as f64 / NS_PER_S
}

fn steps(points: &[(f64, f64)], color: &str, y: &str, screen: Screen) -> (Vec<Plot>, Layout) {
    let line = LinePlot::new().with_data(points.iter().copied()).with_color(color);
    let line = line.with_stroke_width(1.5).with_fill().with_fill_opacity(0.2);
    let plots = vec![line.into()];
    let frame = Frame { width: HALF, height: 260.0, x: "time (UTC)", y };
    let start = points.first().map_or(0.0, |point| point.0);
    let end = points.last().map_or(start, |point| point.0).max(start + LEAST_S);
    let layout = timed(rounded(zero(frame.layout(&plots, screen))), (start, end));
    (plots, layout)
}

/// Draws what would have been left with other latencies, and with other sizes.
pub(super) fn sweeps(id: &str, detail: &Detail, rate: &Rate) -> Picture {
    let mut picture = Picture {
        kind: "sweeps",
        wide: true,
        title: "Latency and capacity",
        reading:
            "What the same strategy would have left with other latencies of both venues, and with \
                  other sizes. Nothing was chosen by it."
                .to_owned(),
        ..Picture::default()
    };
    let Some(played) = &detail.decision.strategy else {
        return picture.absent("No strategy opened anything.");
    };
    let latencies: Vec<(f64, f64)> = played
        .latencies
        .iter()
        .map(|(ms, of)| (drawable(*ms), drawable(rate.drawn(*of))))
        .collect();
    let sizes: Vec<(f64, f64)> = played
        .sizes
        .iter()
        .filter(|(size, ..)| 0.0 < *size)
        .map(|(size, _, of)| (drawable(*size), drawable(rate.drawn(*of))))
        .collect();
    if latencies.is_empty() && sizes.is_empty() {
        return picture.absent("No other latency or size was tried.");
    }
    picture.reading.push_str(&filled(played, rate));
    let y = rate.axis();
    if !latencies.is_empty() {
        let x = "latency of both venues (ms)";
        let of = |screen| dotted(&latencies, (x, &y), false, screen);
        picture.draw(id, "by latency".to_owned(), of);
    }
    if !sizes.is_empty() {
        let x = format!("largest order ({})", rate.currency());
        let of = |screen| dotted(&sizes, (&x, &y), true, screen);
        picture.draw(id, "by size".to_owned(), of);
    }
    picture
}

fn thousands() -> TickFormat {
    TickFormat::Custom(Arc::new(numbers::thousands))
}

/// Returns how far the largest orders were filled.
fn filled(played: &Played, rate: &Rate) -> String {
    let Some((size, mean, _)) = played.sizes.last().filter(|of| 0.0 < of.1) else {
        return String::new();
    };
    let (size, mean) = (rate.amount(*size), rate.amount(*mean));
    format!(
        " With orders of up to {size}, a deal was {mean} on average: no more was offered, or funded."
    )
}

fn dotted(
    points: &[(f64, f64)],
    (x, y): (&str, &str),
    is_log: bool,
    screen: Screen,
) -> (Vec<Plot>, Layout) {
    let line = LinePlot::new().with_data(points.iter().copied());
    let dots = ScatterPlot::new().with_data(points.iter().copied());
    let line = line.with_color(FIRST).with_stroke_width(1.5).into();
    let plots = vec![line, dots.with_color(FIRST).with_size(4.0).into()];
    let layout = rounded(zero(Frame { width: HALF, height: 260.0, x, y }.layout(&plots, screen)));
    if !is_log {
        return (plots, layout);
    }
    let least = points.iter().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let most = points.iter().map(|point| point.0).fold(0.0, f64::max);
    let layout = layout
        .with_log_x()
        .with_x_tick_format(thousands())
        .with_x_axis_min(least / 1.5)
        .with_x_axis_max(most * 1.5);
    (plots, layout)
}

/// Returns the profit of each tier as text, and that at the fees as they are.
pub(super) fn tiers(played: &Played, own: Option<f64>, rate: &Rate) -> Vec<(String, String)> {
    let mut all: Vec<(f64, f64)> = played.fee_tiers.clone();
    all.extend(own.map(|own| (0.0, own)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let told = |(bps, of): (f64, f64)| {
        let fees = match bps {
            _ if bps < 0.0 => format!("{} bp lower", numbers::tick(-bps)),
            _ if 0.0 < bps => format!("{} bp higher", numbers::tick(bps)),
            _ => "as they are".to_owned(),
        };
        (fees, numbers::figure(rate.drawn(of)))
    };
    all.into_iter().map(told).collect()
}
