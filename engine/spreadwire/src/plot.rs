//! Plots latencies by percentile. The horizontal axis is in nines (90 %, 99 %, 99.9 %), like that
//! of the HdrHistogram plotter. The vertical axis is logarithmic, so that stages of microseconds
//! and of milliseconds fit one plot.

use kuva::prelude::{Layout, LegendPosition, LinePlot, Plot, TickFormat};
use spreadwire_engine::runtime::agent::Report;
use spreadwire_engine::runtime::latency::Latency;
use spreadwire_lake::files;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Points of a line per halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 10;
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 520.0;
/// Colours of the lines, repeated if there are more lines.
const COLOURS: [&str; 8] =
    ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"];
/// Upper limit of the axis: more nines than any run has samples for.
const NINES_MAX: f64 = 9.0;

/// Name of the plot of all stages. Each stage has a plot by venue, under its own name.
const ALL_STAGES: &str = "latency";

/// Draws the latencies of a run into the folder in which the telemetry has written them: all stages
/// in one plot, and a plot by venue for each stage.
///
/// # Errors
/// If a plot cannot be written.
pub(crate) fn write(folder: &Path, report: &Report) -> io::Result<()> {
    let draw =
        |name: &str, title: &str, lines: &[(&str, &Latency)]| match by_percentile(title, lines) {
            Some(svg) => files::output(&folder.join(format!("{name}.svg")))
                .and_then(|mut file| file.write_all(svg.as_bytes())),
            None => Ok(()),
        };
    let by_venue = |stage: &str| -> Vec<(&str, &Latency)> {
        let of_stage = report.latencies_by_venue.iter().filter(|(known, ..)| known == stage);
        of_stage.map(|(_, venue, latency)| (venue.as_str(), latency)).collect()
    };
    let stages = report.latencies.iter().filter(|(stage, _)| !by_venue(stage).is_empty());
    let stages: Vec<(&str, &Latency)> =
        stages.map(|(stage, latency)| (stage.as_str(), latency)).collect();
    draw(ALL_STAGES, "all stages", &stages)?;
    stages.iter().try_for_each(|(stage, _)| draw(stage, stage, &by_venue(stage)))
}

/// Returns an SVG plot of named distributions; `None` if there is nothing to draw.
fn by_percentile(title: &str, lines: &[(&str, &Latency)]) -> Option<String> {
    let drawn: Vec<(&str, Vec<(f64, f64)>)> = lines
        .iter()
        .filter(|(_, latency)| 0 < latency.count())
        .map(|(name, latency)| (*name, points(latency)))
        .collect();
    let farthest = drawn.iter().flat_map(|(_, points)| points).map(|(x, _)| *x);
    let farthest = farthest.fold(1.0, f64::max).ceil();
    let plots: Vec<Plot> = drawn
        .into_iter()
        .zip(COLOURS.iter().cycle())
        .map(|((name, points), colour)| {
            let line = LinePlot::new().with_data(points).with_color(*colour);
            line.with_stroke_width(1.5).with_legend(name).into()
        })
        .collect();
    if plots.is_empty() {
        return None;
    }
    let layout = Layout::auto_from_plots(&plots)
        .with_width(WIDTH)
        .with_height(HEIGHT)
        .with_title(format!("Latency by percentile: {title}"))
        .with_x_label("percentile")
        .with_y_label("microseconds since the read")
        .with_log_y()
        .with_x_axis_min(0.0)
        .with_x_axis_max(farthest)
        .with_x_tick_step(1.0)
        .with_x_tick_format(TickFormat::Custom(Arc::new(percentile)))
        .with_y_tick_format(TickFormat::Custom(Arc::new(plain)))
        .with_font_family("system-ui, sans-serif")
        .with_title_size(15)
        .with_label_size(12)
        .with_tick_size(11)
        .with_body_size(11)
        .with_legend_position(LegendPosition::OutsideRightTop);
    Some(kuva::render_to_svg(plots, layout))
}

/// Returns the points of a line, in nines and microseconds. The largest value is placed at the
/// quantile of a single sample.
fn points(latency: &Latency) -> Vec<(f64, f64)> {
    let histogram = latency.histogram();
    let within = histogram.iter_quantiles(TICKS_PER_HALF).filter_map(|step| {
        let quantile = step.quantile_iterated_to();
        (quantile < 1.0).then(|| (nines(1.0 - quantile), at_least_a_ns(step.value_iterated_to())))
    });
    let mut points: Vec<(f64, f64)> = within.collect();
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let rarest = 1.0 / histogram.len() as f64;
    let last = (nines(rarest), at_least_a_ns(histogram.max()));
    points.retain(|(x, _)| *x < last.0);
    points.push(last);
    points
}

/// Returns at least one ns, in us, because a logarithmic axis has no zero.
fn at_least_a_ns(nanos: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a minute in ns is exact")]
    let micros = nanos.max(1) as f64 / 1e3;
    micros
}

fn nines(rest: f64) -> f64 {
    (-rest.log10()).clamp(0.0, NINES_MAX)
}

/// Formats nines as a percentile: `0` as `0%`, `1` as `90%`, `3` as `99.9%`.
fn percentile(nines: f64) -> String {
    let percent = 100.0 * (1.0 - 10_f64.powf(-nines));
    let decimals = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7];
    let known = (0.0..=NINES_MAX).contains(&nines);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
    let decimals = if known { decimals[nines.round() as usize] } else { 7 };
    format!("{percent:.decimals$}%")
}

/// Formats a power of ten without an exponent.
fn plain(value: f64) -> String {
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_counts_in_nines() {
        let told = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(percentile);
        assert_eq!(told, ["0%", "90%", "99%", "99.9%", "99.99%", "99.999%"]);
    }

    #[test]
    fn a_line_rises_to_its_largest_value_at_the_last_sample() {
        let mut latency = Latency::new();
        (1..=1_000).for_each(|micro| latency.record(0, micro * 1_000));
        let points = points(&latency);
        assert!(points.windows(2).all(|two| two[0].0 <= two[1].0 && two[0].1 <= two[1].1));
        let last = points.last().unwrap();
        assert!((last.0 - 3.0).abs() < 1e-9 && (last.1 - 1_000.0).abs() < 1.0, "{last:?}");
        let svg = by_percentile("read_to_quote", &[("binance", &latency)]).unwrap();
        for text in ["<svg", "99.9%", "binance", "read_to_quote"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(by_percentile("none", &[("x", &Latency::new())]).is_none());
    }

    #[test]
    fn a_run_is_drawn_over_all_stages_and_each_stage_by_venue() {
        let folder = tempfile::tempdir().unwrap();
        let mut latency = Latency::new();
        latency.record(0, 7_000);
        let mut report = Report::default();
        for (stage, venue) in [("read_to_quote", "okx"), ("read_to_quote", "bybit")] {
            report.latency(stage, &latency);
            report.latency_of_venue(stage, venue, &latency);
        }
        // Not taken by venue: the demo's own client.
        report.latency("read_to_client", &latency);
        write(folder.path(), &report).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("read_to_quote.svg").contains("bybit"));
        let all = read("latency.svg");
        assert!(all.contains("read_to_quote") && !all.contains("read_to_client"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(write(&folder.path().join("missing"), &report).is_err());
    }
}
