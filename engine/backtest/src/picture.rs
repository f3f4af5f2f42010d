//! Line charts as SVG. Colours are CSS variables, so that one drawing serves light and dark pages; alone in
//! a file it brings them itself.

use crate::words;
use std::fmt::Write;

/// Width and height of a drawing, and the margins around its axes: left, right, top, bottom.
const SIZE: (f64, f64) = (760.0, 340.0);
const MARGINS: (f64, f64, f64, f64) = (76.0, 16.0, 14.0, 44.0);
/// Number of ticks that an axis has at most.
const TICKS: f64 = 7.0;
/// Number of colours; more lines use them again.
pub(crate) const COLOURS: usize = 6;
/// The colours for light and dark pages, told apart also with colour blindness.
pub(crate) const STYLE: &str = "\
:root{--ground:#fff;--ink:#1c2128;--soft:#57606a;--line:#dde2e8;--c0:#1f6fb4;--c1:#c4590a;--c2:#1a7f45;\
--c3:#a0438c;--c4:#7a6a00;--c5:#5f6b7a}\
@media (prefers-color-scheme:dark){:root{--ground:#14181d;--ink:#e4e8ee;--soft:#a3adb9;--line:#323a44;\
--c0:#5aa9ec;--c1:#f0944d;--c2:#58c583;--c3:#d98bc9;--c4:#d3c14a;--c5:#a3b1c2}}";

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether its points are marked.
    pub(crate) is_dotted: bool,
}

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// Name of its file, without the ending.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: String,
    /// Whether the horizontal axis is logarithmic; points at or below 0 are left out then.
    pub(crate) is_log: bool,
    pub(crate) lines: Vec<Line>,
}

/// An axis: its range, and where its ends are drawn.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_log: bool,
}

impl Axis {
    fn new(
        values: impl Iterator<Item = f64>,
        (from, to): (f64, f64),
        is_log: bool,
    ) -> Option<Axis> {
        let range = values.fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        let (mut low, mut high) = range?;
        if high <= low {
            let by = if is_log { low / 2.0 } else { low.abs().max(1.0) / 2.0 };
            (low, high) = (low - by, high + by);
        }
        Some(Axis { low, high, from, to, is_log })
    }

    fn at(&self, value: f64) -> f64 {
        let part = if self.is_log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + part * (self.to - self.from)
    }

    /// Returns round values within the range.
    fn ticks(&self) -> Vec<f64> {
        let step = if self.is_log { 0.0 } else { step((self.high - self.low) / TICKS) };
        let candidates: Vec<f64> = if self.is_log {
            let decades = power(self.low)..=power(self.high);
            decades
                .flat_map(|decade| [1.0, 2.0, 5.0].map(|first| first * 10_f64.powi(decade)))
                .collect()
        } else {
            let first = (self.low / step).ceil();
            (0..=10).map(|place| (first + f64::from(place)) * step).collect()
        };
        candidates.into_iter().filter(|tick| self.low <= *tick && *tick <= self.high).collect()
    }
}

/// Returns the power of ten at or below a value above 0.
#[expect(clippy::cast_possible_truncation, reason = "a power of ten that an f64 has")]
fn power(value: f64) -> i32 {
    value.log10().floor() as i32
}

/// Returns the smallest of 1, 2 and 5 times a power of ten that is at or above a width.
fn step(width: f64) -> f64 {
    let unit = 10_f64.powi(power(width));
    let steps = [1.0, 2.0, 5.0].map(|first| first * unit);
    steps.into_iter().find(|step| width <= *step).unwrap_or(10.0 * unit)
}

/// Escapes text for HTML and SVG. Control characters, and those that change the direction of the text
/// around them, become visible.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' => safe.push('\n'),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {
                safe.push('\u{fffd}');
            }
            _ if character.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

impl Chart {
    /// Returns the drawing; `None` if there is nothing to draw.
    pub(crate) fn svg(&self) -> Option<String> {
        let drawable =
            |(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && (!self.is_log || 0.0 < *x);
        let lines = self.lines.iter().map(|line| {
            let points = line.points.iter().copied().filter(drawable).collect();
            Line { points, ..line.clone() }
        });
        let lines: Vec<Line> = lines.filter(|line| !line.points.is_empty()).collect();
        let points = || lines.iter().flat_map(|line| &line.points);
        let (left, right, top, bottom) = MARGINS;
        let x = Axis::new(points().map(|p| p.0), (left, SIZE.0 - right), self.is_log)?;
        // Profits and shares are read from 0.
        let values = points().map(|p| p.1).chain([0.0]);
        let y = Axis::new(values, (SIZE.1 - bottom, top), false)?;
        let (width, height) = SIZE;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\"><title>{}</title>",
            escaped(self.title)
        );
        self.axes(&mut svg, &x, &y);
        for (place, line) in lines.iter().enumerate() {
            draw(&mut svg, line, place % COLOURS, &x, &y);
        }
        svg.push_str("</svg>");
        Some(svg)
    }

    fn axes(&self, svg: &mut String, x: &Axis, y: &Axis) {
        for tick in x.ticks() {
            let (at, text) = (x.at(tick), words::tick(tick));
            let _infallible = write!(
                svg,
                "<path d=\"M{at:.1} {:.1}V{:.1}\" stroke=\"var(--line)\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"var(--soft)\">{text}</text>",
                y.from,
                y.to,
                y.from + 16.0,
            );
        }
        for tick in y.ticks() {
            let (at, text) = (y.at(tick), words::tick(tick));
            let colour = if tick == 0.0 { "var(--soft)" } else { "var(--line)" };
            let _infallible = write!(
                svg,
                "<path d=\"M{:.1} {at:.1}H{:.1}\" stroke=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"var(--soft)\">{text}</text>",
                x.from,
                x.to,
                x.from - 6.0,
                at + 4.0,
            );
        }
        let _infallible = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"var(--ink)\">{}</text>\
             <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\" fill=\"var(--ink)\">{}</text>",
            f64::midpoint(x.from, x.to),
            SIZE.1 - 8.0,
            escaped(self.x),
            f64::midpoint(y.from, y.to),
            escaped(&self.y),
        );
    }

    /// Returns the drawing as a file of its own, with its colours and the names of its lines.
    pub(crate) fn file(&self) -> Option<String> {
        let svg = self.svg()?;
        let (head, rest) = svg.split_once('>')?;
        let body = rest.strip_suffix("</svg>")?;
        let mut names = String::new();
        for (place, line) in self.lines.iter().enumerate() {
            let _infallible = write!(
                names,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"var(--c{})\">{}</text>",
                SIZE.0 - MARGINS.1 - 6.0,
                MARGINS.2 + 14.0 + 16.0 * f64::from(u16::try_from(place).unwrap_or(u16::MAX)),
                place % COLOURS,
                escaped(&line.name),
            );
        }
        Some(format!(
            "{head} width=\"{}\" height=\"{}\"><style>{STYLE}</style>\
             <rect width=\"100%\" height=\"100%\" fill=\"var(--ground)\"/>{body}{names}</svg>\n",
            SIZE.0, SIZE.1
        ))
    }
}

fn draw(svg: &mut String, line: &Line, colour: usize, x: &Axis, y: &Axis) {
    let mut path = String::new();
    for (place, point) in line.points.iter().enumerate() {
        let command = if place == 0 { 'M' } else { 'L' };
        let _infallible = write!(path, "{command}{:.1} {:.1}", x.at(point.0), y.at(point.1));
    }
    let _infallible = write!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"var(--c{colour})\" stroke-width=\"2\" \
         stroke-linejoin=\"round\"><title>{}</title></path>",
        escaped(&line.name)
    );
    if line.is_dotted {
        for point in &line.points {
            let _infallible = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"var(--c{colour})\"/>",
                x.at(point.0),
                y.at(point.1)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_range() {
        let ticks = |low, high, is_log| Axis { low, high, from: 0.0, to: 1.0, is_log }.ticks();
        let told = |ticks: Vec<f64>| ticks.into_iter().map(words::tick).collect::<Vec<_>>();
        let round = ["-2", "0", "2", "4", "6", "8", "10"];
        assert_eq!(told(ticks(-3.0, 11.0, false)), round);
        let round = ["1", "2", "5", "10", "20", "50", "100"];
        assert_eq!(told(ticks(1.0, 100.0, true)), round);
    }

    #[test]
    fn points_are_where_the_axes_say() {
        let axis = Axis::new([1.0, 100.0].into_iter(), (0.0, 50.0), true).unwrap();
        let at = |axis: &Axis, values: [f64; 3]| values.map(|value| words::tick(axis.at(value)));
        assert_eq!(at(&axis, [1.0, 10.0, 100.0]), ["0", "25", "50"]);
        let axis = Axis::new([-1.0, 1.0].into_iter(), (100.0, 0.0), false).unwrap();
        assert_eq!(at(&axis, [-1.0, 0.0, 1.0]), ["100", "50", "0"]);
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let points = vec![(0.0, 1.0), (f64::NAN, 1.0), (2.0, f64::INFINITY)];
        let line = Line { name: "<l>".to_owned(), points, is_dotted: true };
        let mut chart = Chart {
            name: "n",
            title: "t",
            x: "x",
            y: "y".to_owned(),
            is_log: true,
            lines: vec![line],
        };
        assert_eq!(chart.svg(), None);
        chart.lines[0].points.push((2.0, 1.0));
        let svg = chart.file().unwrap();
        assert!(svg.contains("&lt;l&gt;") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 1);
    }
}
