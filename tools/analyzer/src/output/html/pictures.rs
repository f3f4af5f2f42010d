//! The charts of one pair. Each draws its part of a detail and says in a sentence how to read it,
//! or why there is nothing to draw.

use super::frame::{
    BAND, FARTHEST, FIRST, Frame, HALF, PLAIN, SECOND, Screen, drawable, upright, zero,
};
use super::picture::{MOST_CHARS, Picture};
use super::rate::Rate;
use super::{episodes, numbers, over_time, profit};
use crate::report::{Bar, Detail, SignaturePoint};
use kuva::prelude::{Layout, LinePlot, Plot, ScatterPlot, ShadedRegion};

/// Longest name on an axis of a narrow screen, in characters.
const NARROW_CHARS: usize = 10;

/// The names of a pair's venues, shortened for charts.
struct Names {
    first: String,
    second: String,
}

impl Names {
    fn new(detail: &Detail) -> Self {
        let name = |name: &str| numbers::shorten(&numbers::name(name), MOST_CHARS);
        Self { first: name(&detail.exchange1), second: name(&detail.exchange2) }
    }
}

/// Draws all charts of a pair, in the order of the page.
pub(super) fn of_pair(id: &str, detail: &Detail, rate: &Rate) -> Vec<Picture> {
    let names = Names::new(detail);
    vec![
        profit::curve(id, detail, rate),
        profit::sweeps(id, detail, rate),
        over_time::picture(id, detail),
        distribution(id, detail, &names),
        episodes::picture(id, &detail.episodes),
        signature(id, &detail.signature),
        lead_lag(id, detail, &names),
    ]
}

fn distribution(id: &str, detail: &Detail, names: &Names) -> Picture {
    let mut picture = Picture {
        kind: "distribution",
        wide: true,
        title: "Distribution of deviation and net spread",
        reading:
            "A higher bar means more time at that value. A net spread right of zero pays after \
                  fees."
                .to_owned(),
        ..Picture::default()
    };
    let (there, back) = (
        format!("net, buy {} and sell {}", names.first, names.second),
        format!("net, buy {} and sell {}", names.second, names.first),
    );
    let shares = |bars: &[(&[Bar], &str)], x: &str, screen: Screen| -> (Vec<Plot>, Layout) {
        let plots: Vec<Plot> =
            bars.iter().filter_map(|(bars, color)| outline(bars, color)).collect();
        let frame = Frame { width: HALF, height: 280.0, x, y: "share of time (%)" };
        let layout = upright(frame.layout(&plots, screen));
        (plots, layout)
    };
    let deviation = [(detail.deviation.as_slice(), PLAIN)];
    let net = [(detail.net_12.as_slice(), FIRST), (detail.net_21.as_slice(), SECOND)];
    if has_any(&detail.deviation) {
        picture.legend.push(("area plain", "deviation".to_owned()));
        let of = |screen| shares(&deviation, "deviation (bp)", screen);
        picture.draw(id, "deviation".to_owned(), of);
    }
    if has_any(&detail.net_12) || has_any(&detail.net_21) {
        picture.legend.extend([("area first", there), ("area second", back)]);
        let of = |screen| shares(&net, "net spread (bp)", screen);
        picture.draw(id, "net spread by direction".to_owned(), of);
    }
    if picture.drawings.is_empty() {
        return picture.absent("The two legs were never live at the same time.");
    }
    picture
}

fn has_any(bars: &[Bar]) -> bool {
    bars.iter().any(|bar| 0.0 < bar.share)
}

/// Returns bars as one filled outline, in percent. There is no line between bars that touch.
fn outline(bars: &[Bar], color: &str) -> Option<Plot> {
    let first = bars.iter().position(|bar| 0.0 < bar.share)?;
    let last = bars.iter().rposition(|bar| 0.0 < bar.share)?;
    let mut points: Vec<(f64, f64)> = Vec::new();
    for bar in &bars[first..=last] {
        let (low, high) = (drawable(bar.low_bps), drawable(bar.high_bps));
        let share = drawable(bar.share * 100.0).max(0.0);
        let touches = points.last().is_some_and(|end| (low - end.0).abs() <= 0.01 * (high - low));
        if touches {
            points.pop();
        } else {
            points.push((low, 0.0));
        }
        points.extend([(low, share), (high, share), (high, 0.0)]);
    }
    let line = LinePlot::new().with_data(points).with_color(color).with_stroke_width(1.2);
    Some(line.with_fill().with_fill_opacity(0.3).into())
}

fn signature(id: &str, points: &[SignaturePoint]) -> Picture {
    let mut picture = Picture {
        kind: "signature",
        title: "Half-life by sampling interval",
        reading:
            "A half-life that stays the same from some interval on is that of the spread. One that \
                  grows with the interval is an effect of sampling. Bars are 95 % intervals."
                .to_owned(),
        ..Picture::default()
    };
    if points.is_empty() {
        return picture.absent("The half-life was not computed, or the series is too short.");
    }
    let drawn: Vec<_> = points
        .iter()
        .filter_map(|point| Some((point, point.half_life_s.filter(|half| 0.0 < *half)?)))
        .filter(|(point, _)| 0.0 < point.interval_s)
        .collect();
    if drawn.is_empty() {
        return picture.absent("No reversion was found at any sampling interval.");
    }
    if drawn.len() < points.len() {
        let without = points.len() - drawn.len();
        picture
            .reading
            .push_str(&format!(" At {without} of {} intervals none was found.", points.len()));
    }
    picture.draw(id, String::new(), |screen| half_lives(&drawn, screen));
    picture
}

fn half_lives(drawn: &[(&SignaturePoint, f64)], screen: Screen) -> (Vec<Plot>, Layout) {
    let places = || drawn.iter().map(|(point, half)| (drawable(point.interval_s), drawable(*half)));
    let errors = drawn.iter().map(|(point, half)| {
        // The axis is logarithmic, so a bound of zero would be infinitely far away.
        let low = point.low_s.unwrap_or(*half).clamp(half / 100.0, *half);
        let high = point.high_s.unwrap_or(*half).max(*half);
        (drawable(half - low), drawable(high - half))
    });
    let line = LinePlot::new().with_data(places()).with_color(FIRST).with_stroke_width(1.0);
    let dots = ScatterPlot::new().with_data(places()).with_y_err_asymmetric(errors);
    let plots = vec![line.into(), dots.with_color(FIRST).with_size(4.0).into()];
    let frame =
        Frame { width: HALF, height: 300.0, x: "sampling interval (s)", y: "half-life (s)" };
    let x = || drawn.iter().map(|(point, _)| drawable(point.interval_s));
    let layout = frame
        .layout(&plots, screen)
        .with_log_x()
        .with_log_y()
        .with_x_axis_min(x().fold(FARTHEST, f64::min) / 1.5)
        .with_x_axis_max(x().fold(0.0, f64::max) * 1.5);
    (plots, layout)
}

fn lead_lag(id: &str, detail: &Detail, names: &Names) -> Picture {
    let mut picture = Picture {
        kind: "lead-lag",
        title: "Who leads",
        reading: format!(
            "A peak right of zero means that {} leads by that lag; left of zero, {} leads.",
            names.first, names.second
        ),
        ..Picture::default()
    };
    if detail.lead_lag.is_empty() {
        return picture.absent("Lead-lag was not computed, or there were too few changes.");
    }
    picture.reading.push_str(&match (&detail.leader, detail.leads_by_ms) {
        (Some(leader), Some(ms)) => {
            let leader = numbers::shorten(&numbers::name(leader), MOST_CHARS);
            format!(" Here {leader} leads by {} ms.", numbers::tick(ms))
        }
        _ => " Here no leader was found: where the curve is highest may be chance.".to_owned(),
    });
    picture.legend = vec![("line first", "cross-correlation".to_owned())];
    if detail.lead_lag_band.is_some() {
        picture.legend.push(("band", "99 % band if neither venue leads".to_owned()));
    }
    picture.draw(id, String::new(), |screen| correlations(detail, names, screen));
    picture
}

fn correlations(detail: &Detail, names: &Names, screen: Screen) -> (Vec<Plot>, Layout) {
    let points =
        detail.lead_lag.iter().map(|point| (drawable(point.lag_ms), drawable(point.correlation)));
    let line = LinePlot::new().with_data(points).with_color(FIRST).with_stroke_width(1.5);
    let plots = vec![line.into()];
    let most = screen.choose(MOST_CHARS / 2, NARROW_CHARS);
    let x = format!("lag (ms), right: {} leads", numbers::shorten(&names.first, most));
    let frame = Frame { width: HALF, height: 300.0, x: &x, y: "correlation" };
    let mut layout = upright(zero(frame.layout(&plots, screen)));
    if let Some(band) = detail.lead_lag_band.map(|band| drawable(band).abs()) {
        let nobody = ShadedRegion::horizontal(-band, band).with_color(BAND).with_opacity(1.0);
        layout = layout.with_shaded_region(nobody);
    }
    (plots, layout)
}
