//! The episodes of one pair: a small table by threshold and direction, and bar charts of how many
//! there were and how long they lasted.

use super::frame::{FIRST, Frame, HALF, SECOND, Screen, drawable, label, zero};
use super::numbers;
use super::picture::{EpisodeRow, MOST_CHARS, Picture};
use crate::report::Episodes;
use kuva::prelude::{BarPlot, Layout, Plot};

/// Rows of the small table; also twice the number of groups of bars.
const MOST_ROWS: usize = 24;
/// Number of durations that have a label on a narrow screen, about.
const NARROW_LABELS: usize = 5;

/// Draws the counts, the table, and the durations at the best threshold.
pub(super) fn picture(id: &str, episodes: &[Episodes]) -> Picture {
    let mut picture = Picture {
        kind: "episodes",
        wide: true,
        title: "Episodes",
        reading:
            "An episode lasts while the net spread is at or above the threshold. The share is that of the \
                  orders that still met the threshold when both had arrived."
                .to_owned(),
        ..Picture::default()
    };
    if episodes.iter().all(|episodes| episodes.count == 0) {
        let why = "The net spread never reached a threshold in either direction.";
        picture.absent = Some(why.to_owned());
        return picture;
    }
    let directions = directions(episodes);
    picture.counts = episodes.iter().take(MOST_ROWS).map(row).collect();
    picture.legend = ["bar first", "bar second"]
        .into_iter()
        .zip(&directions)
        .map(|(class, (buy, sell))| {
            let name = |name: &str| numbers::shorten(&numbers::name(name), MOST_CHARS);
            (class, format!("buy {} and sell {}", name(buy), name(sell)))
        })
        .collect();
    picture.draw(id, "count by threshold".to_owned(), |screen| {
        let plots = by_threshold(episodes, &directions);
        let x = "threshold (bp of net spread)";
        let frame = Frame { width: HALF, height: 280.0, x, y: "episodes" };
        let layout = zero(frame.layout(&plots, screen));
        (plots, layout)
    });
    draw_durations(id, episodes, &directions, &mut picture);
    picture
}

fn row(episodes: &Episodes) -> EpisodeRow {
    let known = |text: Option<String>| text.unwrap_or_else(|| numbers::UNKNOWN.to_owned());
    EpisodeRow {
        buy: numbers::name(&episodes.buy),
        sell: numbers::name(&episodes.sell),
        threshold: numbers::tick(episodes.threshold_bps),
        count: numbers::count(episodes.count),
        peak: known(episodes.peak_bps.map(numbers::figure)),
        still_there: known(episodes.still_there.map(numbers::percent)),
    }
}

/// Returns the two directions, in the order of the episodes.
fn directions(episodes: &[Episodes]) -> Vec<(&str, &str)> {
    let mut directions: Vec<(&str, &str)> = Vec::new();
    for episodes in episodes {
        let direction = (episodes.buy.as_str(), episodes.sell.as_str());
        if directions.len() < 2 && !directions.contains(&direction) {
            directions.push(direction);
        }
    }
    directions
}

/// Returns the episodes of one direction at one threshold.
fn find<'a>(all: &'a [Episodes], of: (&str, &str), threshold: f64) -> Option<&'a Episodes> {
    all.iter().find(|one| {
        (one.buy.as_str(), one.sell.as_str()) == of
            && one.threshold_bps.total_cmp(&threshold).is_eq()
    })
}

fn by_threshold(episodes: &[Episodes], directions: &[(&str, &str)]) -> Vec<Plot> {
    let mut thresholds: Vec<f64> = episodes.iter().map(|one| one.threshold_bps).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    thresholds.truncate(MOST_ROWS / 2);
    let mut bars = BarPlot::new();
    for threshold in thresholds {
        let count = |of| find(episodes, of, threshold).map_or(0, |one| one.count);
        let counts = directions.iter().map(|of| count(*of));
        bars = bars.with_group(label(&numbers::tick(threshold)), colored(counts));
    }
    vec![bars.into()]
}

/// Pairs the count of each direction with its colour.
#[expect(clippy::cast_precision_loss, reason = "a picture's place is not that exact")]
fn colored(counts: impl Iterator<Item = u64>) -> Vec<(f64, &'static str)> {
    counts.zip([FIRST, SECOND]).map(|(count, color)| (drawable(count as f64), color)).collect()
}

/// Draws the durations of both directions at the threshold with the most episodes.
fn draw_durations(
    id: &str,
    episodes: &[Episodes],
    directions: &[(&str, &str)],
    picture: &mut Picture,
) {
    let timed = episodes.iter().filter(|one| 0 < one.count && !one.durations.is_empty());
    let Some(best) = timed.max_by(|a, b| a.count.cmp(&b.count)) else { return };
    let threshold = best.threshold_bps;
    let both: Vec<_> = directions.iter().map(|of| find(episodes, *of, threshold)).collect();
    let caption = format!("durations at {} bp", numbers::tick(threshold));
    picture.draw(id, caption, |screen| durations(best, &both, screen));
}

fn durations(best: &Episodes, both: &[Option<&Episodes>], screen: Screen) -> (Vec<Plot>, Layout) {
    let step = screen.choose(1, best.durations.len().div_ceil(NARROW_LABELS));
    let mut bars = BarPlot::new();
    let mut before = 0.0;
    for (at, (upper, _)) in best.durations.iter().enumerate() {
        let count = |one: &Option<&Episodes>| {
            one.and_then(|one| one.durations.get(at)).map_or(0, |(_, count)| *count)
        };
        // Labels would touch on a narrow screen.
        let text = if at % step == 0 { bound(before, *upper) } else { String::new() };
        before = *upper;
        bars = bars.with_group(text, colored(both.iter().map(count)));
    }
    let plots = vec![bars.into()];
    let frame = Frame { width: HALF, height: 280.0, x: "lasted up to", y: "episodes" };
    let layout = frame.layout(&plots, screen);
    (plots, layout)
}

/// Returns an upper bound as text; the last one may be open.
fn bound(before: f64, upper: f64) -> String {
    if upper.is_finite() && upper < 1e9 {
        numbers::duration(upper)
    } else {
        format!("> {}", numbers::duration(before))
    }
}
