//! The charts of one pair. Each draws its part of a detail and says in a sentence how to read it,
//! or why there is nothing to draw.

use super::frame::{
    BAND, FARTHEST, FIRST, Frame, HALF, PLAIN, SECOND, THIRD, drawable, upright, zero,
};
use super::picture::{MOST_CHARS, Picture};
use super::{episodes, numbers, over_time};
use crate::report::{Bar, Detail, HourBin, LagPoint, SignaturePoint};
use kuva::prelude::{BarPlot, LinePlot, Plot, ScatterPlot, ShadedRegion};

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
pub(super) fn of_pair(id: &str, detail: &Detail) -> Vec<Picture> {
    let names = Names::new(detail);
    vec![
        over_time::picture(id, detail),
        distribution(id, detail, &names),
        hours(id, &detail.hours),
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
    let deviation = outline(&detail.deviation, PLAIN);
    let net: Vec<Plot> = [(&detail.net_12, FIRST), (&detail.net_21, SECOND)]
        .into_iter()
        .filter_map(|(bars, color)| outline(bars, color))
        .collect();
    if let Some(plot) = deviation {
        let plots = vec![plot];
        let frame =
            Frame { width: HALF, height: 280.0, x: "deviation (bp)", y: "share of time (%)" };
        let layout = upright(frame.layout(&plots));
        picture.legend.push(("area plain", "deviation".to_owned()));
        picture.draw(id, "deviation".to_owned(), plots, layout);
    }
    if !net.is_empty() {
        picture.legend.extend([("area first", there), ("area second", back)]);
        let frame =
            Frame { width: HALF, height: 280.0, x: "net spread (bp)", y: "share of time (%)" };
        let layout = upright(frame.layout(&net));
        picture.draw(id, "net spread by direction".to_owned(), net, layout);
    }
    if picture.drawings.is_empty() {
        return picture.absent("The two legs were never live at the same time.");
    }
    picture
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

/// Caption, axis label, and the value of an hour to draw.
type Series = (&'static str, &'static str, fn(&HourBin) -> f64);

fn hours(id: &str, hours: &[HourBin]) -> Picture {
    let mut picture = Picture {
        kind: "hours",
        wide: true,
        title: "By hour of day",
        reading:
            "Each bar is one hour of the day (UTC) over all days. The charts show when the pair \
                  pays, how often, and in which direction it leans."
                .to_owned(),
        ..Picture::default()
    };
    if hours.iter().all(|hour| hour.live_s <= 0.0) {
        return picture.absent("In no hour were both legs live.");
    }
    if let Some(unknown) = unrecorded(hours) {
        picture.reading.push_str(&format!(
            " Nothing was recorded in these hours, which have no bar: {unknown}."
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "a picture's place is not that exact")]
    let series: [Series; 2] = [
        ("episodes", "episodes", |hour| hour.episodes as f64),
        ("mean deviation", "deviation (bp)", |hour| hour.mean_bps),
    ];
    for (caption, y, value) in series {
        let bars = hours.iter().map(|hour| {
            // Labels every third bar, so that labels do not touch.
            let text = if hour.hour % 3 == 0 { hour.hour.to_string() } else { String::new() };
            (text, drawable(value(hour)))
        });
        let plots = vec![BarPlot::new().with_bars(bars).with_color(FIRST).into()];
        let frame = Frame { width: THIRD, height: 240.0, x: "hour (UTC)", y };
        let layout = zero(frame.layout(&plots));
        picture.draw(id, caption.to_owned(), plots, layout);
    }
    picture
}

/// Returns the hours in which nothing was recorded, as ranges; `None` if there are none.
fn unrecorded(hours: &[HourBin]) -> Option<String> {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for hour in hours.iter().filter(|hour| hour.recorded_s <= 0.0).map(|hour| hour.hour) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == hour => *last = hour,
            Some(_) | None => ranges.push((hour, hour)),
        }
    }
    let told = |(first, last): &(u8, u8)| match last - first {
        0 => format!("{first}"),
        _ => format!("{first} to {last}"),
    };
    (!ranges.is_empty()).then(|| ranges.iter().map(told).collect::<Vec<_>>().join(", "))
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
        .layout(&plots)
        .with_log_x()
        .with_log_y()
        .with_x_axis_min(x().fold(FARTHEST, f64::min) / 1.5)
        .with_x_axis_max(x().fold(0.0, f64::max) * 1.5);
    picture.draw(id, String::new(), plots, layout);
    picture
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
    let curve = &detail.lead_lag;
    if curve.is_empty() {
        return picture.absent("Lead-lag was not computed, or there were too few changes.");
    }
    let by_size =
        |a: &&LagPoint, b: &&LagPoint| a.correlation.abs().total_cmp(&b.correlation.abs());
    if let Some(peak) = curve.iter().max_by(by_size) {
        picture.reading.push_str(&format!(
            " Here the peak is {} at {} ms.",
            numbers::figure(peak.correlation),
            numbers::tick(peak.lag_ms)
        ));
    }
    let points = curve.iter().map(|point| (drawable(point.lag_ms), drawable(point.correlation)));
    let line = LinePlot::new().with_data(points).with_color(FIRST).with_stroke_width(1.5);
    let plots = vec![line.into()];
    let x = format!("lag (ms), right: {} leads", numbers::shorten(&names.first, MOST_CHARS / 2));
    let frame = Frame { width: HALF, height: 300.0, x: &x, y: "correlation" };
    let mut layout = upright(zero(frame.layout(&plots)));
    picture.legend = vec![("line first", "cross-correlation".to_owned())];
    if let Some(band) = detail.lead_lag_band.map(|band| drawable(band).abs()) {
        let nobody = ShadedRegion::horizontal(-band, band).with_color(BAND).with_opacity(1.0);
        layout = layout.with_shaded_region(nobody);
        picture.legend.push(("band", "99 % band if neither venue leads".to_owned()));
    }
    picture.draw(id, String::new(), plots, layout);
    picture
}
