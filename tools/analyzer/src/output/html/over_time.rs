//! The deviation of one pair over time, in at most one span per pixel.

use super::frame::{FIRST, FULL, Frame, Screen, drawable, rounded, zero};
use super::picture::Picture;
use crate::report::{Detail, TimeBin};
use kuva::prelude::{BandPlot, DateTimeAxis, Layout, LinePlot, Plot, TickFormat};
use kuva::render::datetime::DateUnit;
use std::sync::Arc;

/// Number of bins that are drawn, at about one pixel each.
const MOST_BINS: usize = 1000;
/// The same on a narrow screen.
const MOST_NARROW: usize = 280;
const NS_PER_S: f64 = 1e9;
/// The longest label of an axis of times.
const LONGEST: &str = "30 Nov 00:00";

/// Draws the deviation over time.
pub(super) fn picture(id: &str, detail: &Detail) -> Picture {
    let mut picture = Picture {
        kind: "over-time",
        wide: true,
        title: "Deviation over time",
        reading:
            "The line is the mean deviation in each span of time, and the band is its range. In a \
                  gap, at least one of the two legs was not live."
                .to_owned(),
        ..Picture::default()
    };
    if detail.over_time.is_empty() {
        return picture
            .absent("The two legs were never live at the same time, or the times were not kept.");
    }
    picture.legend =
        vec![("line first", "mean".to_owned()), ("area first", "least to greatest".to_owned())];
    picture.draw(id, String::new(), |screen| drawn(&detail.over_time, screen));
    picture
}

fn drawn(bins: &[TimeBin], screen: Screen) -> (Vec<Plot>, Layout) {
    let bins = merged(bins, screen.choose(MOST_BINS, MOST_NARROW));
    let (start, end) =
        (bins.first().map_or(0.0, |of| of.start), bins.last().map_or(0.0, |of| of.end));
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
    let layout = rounded(zero(frame.layout(&plots, screen)));
    (plots, timed(layout, (start, end)))
}

/// Gives a layout an axis of times, from and to s since 1970. In half of the width there is room for half
/// of the ticks, which are those of a time twice as long.
pub(super) fn timed(layout: Layout, (start, end): (f64, f64)) -> Layout {
    let lasted = end - start;
    let fewer = FULL / layout.width.unwrap_or(FULL);
    // The library reserves room for half of the last number at the right, and writes a time there.
    let longest = TickFormat::Custom(Arc::new(|_| LONGEST.to_owned()));
    layout
        .with_x_tick_format(longest)
        .with_x_datetime(calendar(lasted * if 1.0 < fewer { 1.2 * fewer } else { 1.0 }))
        .with_x_axis_min(start)
        .with_x_axis_max(end)
}

/// Bins drawn as one.
struct Span {
    /// Seconds since 1970.
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

    /// Returns whether the next span follows without a gap; seconds as floats are not exact.
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

/// Joins bins that begin in the same pixel; returns about `most` spans at most.
fn merged(bins: &[TimeBin], most: usize) -> Vec<Span> {
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Vec::new() };
    let (first, last) = (Span::new(first), Span::new(last));
    let pixel = ((last.end - first.start) / most as f64).max(f64::MIN_POSITIVE);
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

/// Returns the ticks of the time axis, about a dozen at most.
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
        (24.0 * day, DateUnit::Day, 2, "%-d %b"),
        (40.0 * day, DateUnit::Day, 4, "%-d %b"),
        (60.0 * day, DateUnit::Week, 1, "%-d %b"),
        (370.0 * day, DateUnit::Month, 1, "%b %Y"),
        (1000.0 * day, DateUnit::Month, 3, "%b %Y"),
    ];
    let last = (f64::INFINITY, DateUnit::Year, 1, "%Y");
    let choice = choices.into_iter().find(|choice| seconds <= choice.0);
    let (_, unit, step, format) = choice.unwrap_or(last);
    DateTimeAxis { unit, step, format: format.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::frame::tests::texts;
    use super::*;

    fn bin(start_s: i64, mean_bps: f64) -> TimeBin {
        let start_ns = start_s * 1_000_000_000;
        TimeBin { start_ns, width_ns: 1_000_000_000, min_bps: -1.0, mean_bps, max_bps: 2.0 }
    }

    #[test]
    fn few_bins_stay_as_they_are() {
        let bins: Vec<_> = (0..100).map(|second| bin(second, 1.0)).collect();
        assert_eq!(merged(&bins, MOST_BINS).len(), 100);
        assert!(merged(&[], MOST_BINS).is_empty());
    }

    #[test]
    fn many_bins_become_a_thousand_with_the_same_mean() {
        let bins: Vec<_> = (0..10_000).map(|second| bin(second, (second % 10) as f64)).collect();
        let spans = merged(&bins, MOST_BINS);
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
        assert_eq!(merged(&bins, MOST_BINS).chunk_by(Span::touches).count(), 2);
    }

    #[test]
    fn the_last_label_of_an_axis_of_times_is_within_the_drawing() {
        // To midnight exactly, and a moment after it.
        for (lasts, width_ns) in [(86_400, 0), (86_401, 0), (3 * 86_400, 0), (40_000, 1)] {
            for screen in Screen::ALL {
                let start_s = 1_700_006_400 - lasts;
                let bins =
                    [bin(start_s, 1.0), TimeBin { width_ns, ..bin(start_s + lasts - 1, 2.0) }];
                let (plots, layout) = drawn(&bins, screen);
                let width = layout.width.unwrap();
                let drawn = super::super::frame::svg(plots, layout, "p", "", "");
                let labels = texts(&drawn, "middle");
                assert!(2 < labels.len(), "{labels:?}");
                for (x, label) in labels {
                    let half = 3.2 * label.chars().count() as f64;
                    assert!(x + half <= width, "{lasts} {screen:?}: {label} at {x} of {width}");
                }
            }
        }
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
