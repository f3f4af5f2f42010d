//! The best pairs as bars, by the ranking column.

use super::frame::{FIRST, FULL, Frame, Screen, drawable, label};
use super::picture::{MOST_CHARS, Picture};
use super::{numbers, table};
use crate::report::Report;
use kuva::prelude::{BarPlot, Layout, Plot, TickFormat};
use std::sync::Arc;

/// Number of bars that are drawn.
const MOST_BARS: usize = 20;
/// Height of a bar with its gap, and of everything around the bars.
const BAR_HEIGHT: f64 = 24.0;
const AROUND: f64 = 80.0;
/// Longest label of a bar on a narrow screen, in characters.
const NARROW_CHARS: usize = 15;

/// Draws the ranking.
pub(super) fn picture(report: &Report) -> Picture {
    let mut picture = Picture {
        kind: "ranking",
        wide: true,
        title: "The best pairs",
        reading: "The bars show the ranking column, best pair first.".to_owned(),
        ..Picture::default()
    };
    let rank = table::rank_column(report);
    let best: Vec<(String, f64)> = report
        .pairs
        .iter()
        .filter_map(|pair| Some((pair, numbers::worth(pair.cells.get(rank?)?)?)))
        .take(MOST_BARS)
        .map(|(pair, worth)| {
            let venues = format!("{} – {}", pair.exchange1, pair.exchange2);
            let text = format!(
                "{} · {}",
                numbers::shorten(&numbers::name(&pair.instrument), MOST_CHARS / 2),
                numbers::shorten(&numbers::name(&venues), MOST_CHARS)
            );
            (text, drawable(worth))
        })
        .collect();
    if best.is_empty() {
        picture.absent = Some(match report.pairs.is_empty() {
            true => "No instrument was quoted by two venues in this period.".to_owned(),
            false => "No pair has a value in the ranking column.".to_owned(),
        });
        return picture;
    }
    let x = axis(report);
    picture.draw("all", String::new(), |screen| bars(&best, &x, screen));
    picture
}

fn bars(best: &[(String, f64)], x: &str, screen: Screen) -> (Vec<Plot>, Layout) {
    #[expect(clippy::cast_precision_loss, reason = "twenty at most")]
    let height = AROUND + BAR_HEIGHT * best.len() as f64;
    // The library draws its first bar at the bottom.
    let bars = best.iter().rev().map(|(text, worth)| {
        (label(&numbers::shorten(text, screen.choose(usize::MAX, NARROW_CHARS))), *worth)
    });
    let bars = BarPlot::new().with_bars(bars).with_color(FIRST);
    let plots = vec![bars.with_horizontal(true).with_width(0.7).into()];
    let layout = Frame { width: FULL, height, x, y: "" }.layout(&plots, screen).with_height(height);
    let layout = layout.with_x_tick_format(TickFormat::Custom(Arc::new(numbers::thousands)));
    (plots, layout)
}

/// Returns the name of the ranking column, with its unit.
fn axis(report: &Report) -> String {
    let words = numbers::words(&report.rank_by);
    match table::rank_column(report).map(|rank| &report.columns[rank].unit) {
        Some(unit) if !unit.is_empty() => format!("{words} ({})", numbers::name(unit)),
        _ => words,
    }
}
