//! The pictures of one pair: each takes its part of a detail, draws it, and says in a sentence how to
//! read it, or why there is nothing to draw. It must not know the table or the page.

use super::frame::{
    self, BAND, FARTHEST, FIRST, FULL, Frame, HALF, HELP, PLAIN, SECOND, THIRD, drawable,
};
use super::{episodes, numbers};
use crate::report::{Bar, Detail, HourBin, LagPoint, SignaturePoint, TimeBin};
use kuva::prelude::{
    BandPlot, BarPlot, DateTimeAxis, Layout, LinePlot, Plot, ReferenceLine, ScatterPlot,
    ShadedRegion,
};
use kuva::render::datetime::DateUnit;
use serde::Serialize;

/// Bins over time that are drawn: a bin is then a pixel wide.
const MOST_BINS: usize = 1000;
const NS_PER_S: f64 = 1e9;
/// Names in a picture have so many characters at most.
pub(super) const MOST_CHARS: usize = 40;

/// One picture, or the sentence in its place.
#[derive(Default, Serialize)]
pub(super) struct Picture {
    /// For scripts and tests: `over-time`.
    pub(super) kind: &'static str,
    /// Takes the whole width.
    pub(super) wide: bool,
    pub(super) title: &'static str,
    /// How to read it.
    pub(super) reading: String,
    /// Class of the swatch and what it stands for.
    pub(super) legend: Vec<(&'static str, String)>,
    pub(super) drawings: Vec<Drawing>,
    /// Why there is nothing to see.
    pub(super) absent: Option<String>,
    pub(super) counts: Vec<episodes::Row>,
}

/// One SVG of a picture.
#[derive(Serialize)]
pub(super) struct Drawing {
    /// Told above it where a picture has several.
    pub(super) caption: String,
    pub(super) svg: String,
}

impl Picture {
    pub(super) fn draw(&mut self, id: &str, caption: String, plots: Vec<Plot>, layout: Layout) {
        let id = format!("{id}-{}-{}", self.kind, self.drawings.len() + 1);
        let title = if caption.is_empty() {
            self.title.to_owned()
        } else {
            format!("{}: {caption}", self.title)
        };
        let svg = frame::svg(plots, layout, &id, &title, &self.reading);
        self.drawings.push(Drawing { caption, svg });
    }

    fn absent(mut self, why: &str) -> Self {
        self.absent = Some(why.to_owned());
        self
    }
}

/// The names of a pair as pictures have them.
pub(super) struct Names {
    first: String,
    second: String,
}

impl Names {
    fn new(detail: &Detail) -> Self {
        let name = |name: &str| numbers::shorten(&numbers::name(name), MOST_CHARS);
        Self { first: name(&detail.exchange1), second: name(&detail.exchange2) }
    }
}

/// All pictures of a pair, in the page's order.
pub(super) fn of_pair(id: &str, detail: &Detail) -> Vec<Picture> {
    let names = Names::new(detail);
    vec![
        over_time(id, detail),
        distribution(id, detail, &names),
        hours(id, &detail.hours),
        episodes::picture(id, &detail.episodes),
        signature(id, &detail.signature),
        lead_lag(id, detail, &names),
    ]
}

fn over_time(id: &str, detail: &Detail) -> Picture {
    let mut picture = Picture {
        kind: "over-time",
        wide: true,
        title: "Spread over time",
        reading:
            "The line is the mean deviation of each span of time, the band reaches from its least \
                  to its greatest; where there is a gap, one of the two legs was not live."
                .to_owned(),
        ..Picture::default()
    };
    let bins = merged(&detail.over_time);
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else {
        return picture
            .absent("Both legs were never live at the same time, or no times were kept.");
    };
    let calendar = calendar(last.end - first.start);
    picture.legend =
        vec![("line first", "mean".to_owned()), ("area first", "least to greatest".to_owned())];
    let mut plots = Vec::new();
    let mut means = Vec::new();
    for run in bins.chunk_by(Span::touches) {
        let ends = || run.iter().flat_map(|bin| [bin.start, bin.end]);
        let low = run.iter().flat_map(|bin| [bin.min; 2]);
        let high = run.iter().flat_map(|bin| [bin.max; 2]);
        plots.push(BandPlot::new(ends(), low, high).with_color(FIRST).with_opacity(0.25).into());
        let mean = run.iter().flat_map(|bin| [bin.mean; 2]);
        let line = LinePlot::new().with_data(ends().zip(mean));
        means.push(line.with_color(FIRST).with_stroke_width(1.5).into());
    }
    plots.extend(means);
    let frame = Frame { width: FULL, height: 280.0, x: "time (UTC)", y: "deviation (bp)" };
    // A little room at the right: the last label is centred below its tick.
    let room = (last.end - first.start) / 60.0;
    let layout = zero(frame.layout(&plots))
        .with_x_datetime(calendar)
        .with_x_axis_min(first.start)
        .with_x_axis_max(last.end + room);
    picture.draw(id, String::new(), plots, layout);
    picture
}

/// Bins that are drawn as one.
struct Span {
    /// s since 1970.
    start: f64,
    end: f64,
    min: f64,
    mean: f64,
    max: f64,
}

impl Span {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a picture has fewer pixels than a float digits"
    )]
    fn new(bin: &TimeBin) -> Self {
        let start = bin.start_ns as f64 / NS_PER_S;
        let end = start + (bin.width_ns.max(1) as f64 / NS_PER_S);
        let (min, mean, max) = (bin.min_bps, bin.mean_bps, bin.max_bps);
        Self { start, end, min: drawable(min), mean: drawable(mean), max: drawable(max) }
    }

    /// Seconds as floats are not exact.
    fn touches(&self, next: &Self) -> bool {
        next.start <= self.end + 0.001 * (self.end - self.start)
    }

    fn join(&mut self, next: &Self) {
        let (width, more) = (self.end - self.start, next.end - next.start);
        self.mean = (self.mean * width + next.mean * more) / (width + more);
        self.min = self.min.min(next.min);
        self.max = self.max.max(next.max);
        self.end = self.end.max(next.end);
    }
}

/// At most [`MOST_BINS`] spans: those that begin in the same pixel become one.
fn merged(bins: &[TimeBin]) -> Vec<Span> {
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Vec::new() };
    let (first, last) = (Span::new(first), Span::new(last));
    let pixel = ((last.end - first.start) / MOST_BINS as f64).max(f64::MIN_POSITIVE);
    let pixel_of = |span: &Span| ((span.start - first.start) / pixel).floor();
    let mut spans: Vec<Span> = Vec::new();
    for span in bins.iter().map(Span::new) {
        match spans.last_mut() {
            Some(before) if pixel_of(&span) <= pixel_of(before) => before.join(&span),
            _ => spans.push(span),
        }
    }
    spans
}

/// Ticks of the calendar, a dozen at most.
fn calendar(seconds: f64) -> DateTimeAxis {
    let (minute, hour, day) = (60.0, 3600.0, 86_400.0);
    let choices = [
        (minute, DateUnit::Second, 10, "%H:%M:%S"),
        (12.0 * minute, DateUnit::Minute, 1, "%H:%M"),
        (hour, DateUnit::Minute, 5, "%H:%M"),
        (6.0 * hour, DateUnit::Minute, 30, "%H:%M"),
        (12.0 * hour, DateUnit::Hour, 1, "%H:%M"),
        (1.5 * day, DateUnit::Hour, 3, "%H:%M"),
        (3.0 * day, DateUnit::Hour, 6, "%-d %b %H:%M"),
        (6.0 * day, DateUnit::Hour, 12, "%-d %b %H:%M"),
        (12.0 * day, DateUnit::Day, 1, "%-d %b"),
        (60.0 * day, DateUnit::Week, 1, "%-d %b"),
        (370.0 * day, DateUnit::Month, 1, "%b %Y"),
        (1000.0 * day, DateUnit::Month, 3, "%b %Y"),
    ];
    let last = (f64::INFINITY, DateUnit::Year, 1, "%Y");
    let choice = choices.into_iter().find(|choice| seconds <= choice.0);
    let (_, unit, step, format) = choice.unwrap_or(last);
    DateTimeAxis { unit, step, format: format.to_owned() }
}

fn distribution(id: &str, detail: &Detail, names: &Names) -> Picture {
    let mut picture = Picture {
        kind: "distribution",
        wide: true,
        title: "Distribution of deviation and net spread",
        reading:
            "The higher the bar, the more of the time the value lay there; a net spread right of \
                  zero pays after costs."
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
        return picture.absent("There was no time with both legs live to distribute.");
    }
    picture
}

/// Bars as one filled outline, in per cent; bars that touch have no line between them.
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

/// Caption, axis, and what of an hour is drawn.
type Series = (&'static str, &'static str, fn(&HourBin) -> f64);

fn hours(id: &str, hours: &[HourBin]) -> Picture {
    let mut picture = Picture {
        kind: "hours",
        wide: true,
        title: "By hour of day",
        reading:
            "Each bar is one hour of the day, UTC, over all days: when the pair pays, how often, \
                  and which way it leans."
                .to_owned(),
        ..Picture::default()
    };
    if hours.iter().all(|hour| hour.live_s <= 0.0) {
        return picture.absent("No hour had both legs live.");
    }
    #[expect(clippy::cast_precision_loss, reason = "a picture's place is not that exact")]
    let series: [Series; 3] = [
        ("expected capture", "capture (quote/day)", |hour| hour.capture),
        ("episodes", "episodes", |hour| hour.episodes as f64),
        ("mean deviation", "deviation (bp)", |hour| hour.mean_bps),
    ];
    for (caption, y, value) in series {
        let bars = hours.iter().map(|hour| {
            // Every third label, so that they do not touch.
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

fn signature(id: &str, points: &[SignaturePoint]) -> Picture {
    let mut picture = Picture {
        kind: "signature",
        title: "Half-life by sampling interval",
        reading:
            "A half-life that stays the same from some interval on is that of the spread; one that \
                  grows with the interval is that of the sampling. Bars are 95 % intervals."
                .to_owned(),
        ..Picture::default()
    };
    if points.is_empty() {
        return picture.absent("The half-life was not asked for, or the series is too short.");
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
        // The axis is logarithmic: a bound of zero would be infinitely far.
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
            "A peak right of zero says that {} leads by that lag, left of zero that {} does.",
            names.first, names.second
        ),
        ..Picture::default()
    };
    let curve = &detail.lead_lag;
    if curve.is_empty() {
        return picture
            .absent("The lead was not asked for, or there were too few changes to tell.");
    }
    let by_size =
        |a: &&LagPoint, b: &&LagPoint| a.correlation.abs().total_cmp(&b.correlation.abs());
    if let Some(peak) = curve.iter().max_by(by_size) {
        picture.reading.push_str(&format!(
            " Here it peaks with {} at {} ms.",
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
        picture.legend.push(("band", "beyond this is rare if neither leads (99 %)".to_owned()));
    }
    picture.draw(id, String::new(), plots, layout);
    picture
}

/// A line at zero, from left to right.
pub(super) fn zero(layout: Layout) -> Layout {
    let crosses = layout.y_range.0 < 0.0 && 0.0 < layout.y_range.1;
    if crosses { layout.with_reference_line(help(ReferenceLine::horizontal(0.0))) } else { layout }
}

/// A line at zero, upright.
fn upright(layout: Layout) -> Layout {
    let crosses = layout.x_range.0 < 0.0 && 0.0 < layout.x_range.1;
    if crosses { layout.with_reference_line(help(ReferenceLine::vertical(0.0))) } else { layout }
}

fn help(line: ReferenceLine) -> ReferenceLine {
    line.with_color(HELP).with_dasharray("none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(start_s: i64, mean_bps: f64) -> TimeBin {
        let start_ns = start_s * 1_000_000_000;
        TimeBin { start_ns, width_ns: 1_000_000_000, min_bps: -1.0, mean_bps, max_bps: 2.0 }
    }

    #[test]
    fn few_bins_stay_as_they_are() {
        let bins: Vec<_> = (0..100).map(|second| bin(second, 1.0)).collect();
        assert_eq!(merged(&bins).len(), 100);
        assert!(merged(&[]).is_empty());
    }

    #[test]
    fn many_bins_become_a_thousand_with_the_same_mean() {
        let bins: Vec<_> = (0..10_000).map(|second| bin(second, (second % 10) as f64)).collect();
        let spans = merged(&bins);
        assert!(spans.len() <= MOST_BINS + 1, "{}", spans.len());
        let weighted: f64 = spans.iter().map(|span| span.mean * (span.end - span.start)).sum();
        assert!((weighted / 10_000.0 - 4.5).abs() < 1e-9, "{weighted}");
    }

    #[test]
    fn spans_without_a_gap_are_one_run() {
        let start_ns = 1_722_816_000_000_000_001;
        let width_ns = 333_333_333;
        let at = |at: i64| TimeBin { start_ns: start_ns + at * width_ns, width_ns, ..bin(0, 1.0) };
        let bins: Vec<_> = (0..500).chain(501..900).map(at).collect();
        assert_eq!(merged(&bins).chunk_by(Span::touches).count(), 2);
    }

    #[test]
    fn a_calendar_has_a_dozen_ticks_at_most() {
        for seconds in [1.0, 59.0, 600.0, 3000.0, 20_000.0, 86_400.0, 1e6, 5e6, 3e7, 9e7] {
            let start = 1_700_000_000.0;
            let ticks = calendar(seconds).generate_ticks(start, start + seconds);
            assert!(ticks.len() <= 14, "{seconds}: {}", ticks.len());
        }
    }
}
