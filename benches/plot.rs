//! Line plots: as SVG for pages, and as text for a terminal.
//!
//! Both axes are logarithmic, because latencies and rates are.

use kuva::prelude::{Layout, LinePlot, Plot, Theme, TickFormat};
use std::sync::Arc;

/// Colours that can be told apart on white, also with colour blindness (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];
/// Size of an SVG.
const SIZE: (f64, f64) = (760.0, 420.0);
/// Columns and lines of a text plot.
const LETTERS: (usize, usize) = (64, 16);

/// A line given by its points. Points that are not positive are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Line {
    fn drawable(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.points.iter().copied().filter(|(x, y)| 0.0 < *x && 0.0 < *y)
    }
}

/// Names of the axes, and the number format of the horizontal one.
#[derive(Clone, Copy)]
pub struct Axes<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    pub ticks: fn(f64) -> String,
}

/// Returns an SVG of the lines.
pub fn svg(lines: &[Line], axes: Axes<'_>) -> String {
    let drawn = lines.iter().filter(|line| line.drawable().next().is_some());
    let plots: Vec<Plot> = drawn
        .zip(COLOURS.iter().cycle())
        .map(|(line, colour)| {
            let plot = LinePlot::new().with_data(line.drawable()).with_color(*colour);
            plot.with_stroke_width(2.0).with_legend(line.name.clone()).into()
        })
        .collect();
    if plots.is_empty() {
        return String::new();
    }
    let layout = Layout::auto_from_plots(&plots)
        .with_width(SIZE.0)
        .with_height(SIZE.1)
        .with_title(axes.title)
        .with_x_label(axes.x)
        .with_y_label(axes.y)
        .with_log_scale()
        .with_theme(Theme::light())
        .with_font_family("system-ui, sans-serif")
        .with_title_size(15)
        .with_label_size(12)
        .with_tick_size(11)
        .with_body_size(12)
        .with_x_tick_format(TickFormat::Custom(Arc::new(axes.ticks)))
        .with_y_tick_format(TickFormat::Custom(Arc::new(number)));
    kuva::render_to_svg(plots, layout)
}

/// Returns a text plot. A line is drawn with the first letter of its name; where two lines meet,
/// the later one is drawn.
pub fn letters(lines: &[Line], axes: Axes<'_>) -> String {
    let points: Vec<(f64, f64)> = lines.iter().flat_map(Line::drawable).collect();
    let (Some(x), Some(y)) = (range(points.iter().map(|p| p.0)), range(points.iter().map(|p| p.1)))
    else {
        return String::new();
    };
    let (columns, rows) = LETTERS;
    let mut grid = vec![vec![' '; columns]; rows];
    for line in lines {
        let letter = line.name.chars().next().unwrap_or('?');
        let drawn: Vec<(f64, f64)> = line.drawable().collect();
        for pair in drawn.windows(2) {
            for step in 0..=columns {
                let part = step as f64 / columns as f64;
                let between = |a: f64, b: f64| (a.ln() + (b.ln() - a.ln()) * part).exp();
                let column = place(between(pair[0].0, pair[1].0), x, columns);
                let row = place(between(pair[0].1, pair[1].1), y, rows);
                grid[rows - 1 - row][column] = letter;
            }
        }
    }
    let mut text = format!("{}; {} over {}\n", axes.title, axes.y, axes.x);
    for (row, letters) in grid.iter().enumerate() {
        let label = match row {
            0 => number(y.1),
            row if row == rows - 1 => number(y.0),
            _ => String::new(),
        };
        let letters: String = letters.iter().collect();
        text += format!("{label:>9} |{}", letters.trim_end()).trim_end();
        text.push('\n');
    }
    let (low, high) = ((axes.ticks)(x.0), (axes.ticks)(x.1));
    text += &format!("{:>9} +{}\n", "", "-".repeat(columns));
    text += &format!("{:>9}  {low}{high:>width$}\n", "", width = columns - low.len());
    text
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let fold = |range: Option<(f64, f64)>, value: f64| {
        Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    };
    values.fold(None, fold)
}

/// Returns the position of a value on a logarithmic axis with this many positions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the number of positions"
)]
fn place(value: f64, (low, high): (f64, f64), places: usize) -> usize {
    let span = (high / low).ln();
    let part = if span > 0.0 { (value / low).ln() / span } else { 0.5 };
    ((part * (places - 1) as f64).round() as usize).min(places - 1)
}

/// Formats a number in as few characters as it needs.
pub fn number(value: f64) -> String {
    match value {
        v if 1e6 <= v => format!("{}M", trimmed(v / 1e6)),
        v if 1e3 <= v => format!("{}k", trimmed(v / 1e3)),
        v => trimmed(v),
    }
}

fn trimmed(value: f64) -> String {
    let text = if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Formats `1 / (1 - quantile)` as the quantile: 100 is p99.
pub fn quantile(value: f64) -> String {
    let text = format!("{:.3}", if value < 1.5 { 0.0 } else { 100.0 - 100.0 / value });
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_show_each_line_from_its_first_to_its_last_point() {
        let line = |name: &str, y: f64| Line {
            name: name.to_owned(),
            points: vec![(2.0, y), (10_000.0, y * 10.0), (0.0, 1.0)],
        };
        let axes = Axes { title: "t", x: "x", y: "us", ticks: quantile };
        let text = letters(&[line("relay", 10.0), line("engine", 20.0)], axes);
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 1 + LETTERS.1 + 2, "{text}");
        assert!(rows[1].ends_with('e') && rows[1].contains("200 |"), "{text}");
        assert!(rows[LETTERS.1].contains("10 |r"), "{text}");
        assert!(rows[LETTERS.1 + 2].ends_with("p99.99"), "{text}");
    }

    #[test]
    fn an_svg_has_every_line_and_nothing_gives_none() {
        let line = Line { name: "relay".to_owned(), points: vec![(1_000.0, 10.0), (1e6, 20.0)] };
        let axes = Axes { title: "t", x: "x", y: "us", ticks: number };
        let svg_text = svg(&[line], axes);
        assert!(svg_text.starts_with("<svg") && svg_text.contains("relay"));
        assert_eq!(svg(&[], axes), "");
    }
}
