//! What all charts have in common: colours, fonts, margins, and what it takes to embed an SVG of
//! the chart library in a page with others.

use super::numbers;
use kuva::prelude::{Layout, Plot, ReferenceLine, Theme, TickFormat};
use std::sync::Arc;

/// Colour of the first direction. Colours are CSS variables; `page.css` sets them for light, dark
/// and print.
pub(super) const FIRST: &str = "var(--first)";
/// Colour of the second direction; see [`FIRST`].
pub(super) const SECOND: &str = "var(--second)";
/// Colour of what belongs to neither direction; see [`FIRST`].
pub(super) const PLAIN: &str = "var(--plain)";
/// Colour of guide lines such as zero.
const HELP: &str = "var(--help)";
/// Colour of the range that chance explains.
pub(super) const BAND: &str = "var(--band)";

/// Width of a drawing in one of two columns of a wide screen, in px. Drawings are not scaled, so that
/// their text keeps its size.
pub(super) const HALF: f64 = 540.0;
/// Width of a drawing across a wide screen; see [`HALF`].
pub(super) const FULL: f64 = 1150.0;
/// Width of a drawing on a narrow screen; see [`HALF`]. A phone of 390 px has room for it.
const NARROW: f64 = 336.0;
/// Height to which a drawing is limited on a narrow screen.
const NARROW_HEIGHT: f64 = 260.0;
/// Number of steps of an axis on a narrow screen, at most.
const NARROW_STEPS: usize = 4;

/// The screen that a drawing is for. Every chart is drawn for both, and CSS shows one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    /// From 1,240 px on.
    Wide,
    /// Below.
    Narrow,
}

impl Screen {
    pub(super) const ALL: [Screen; 2] = [Screen::Wide, Screen::Narrow];

    /// Returns the CSS class of its drawings.
    pub(super) fn class(self) -> &'static str {
        match self {
            Screen::Wide => "wide-screen",
            Screen::Narrow => "narrow-screen",
        }
    }

    /// Returns `wide` on a wide screen, `narrow` on a narrow one.
    pub(super) fn choose<T>(self, wide: T, narrow: T) -> T {
        match self {
            Screen::Wide => wide,
            Screen::Narrow => narrow,
        }
    }
}

/// Number of steps of a vertical axis, about.
const STEPS: f64 = 5.0;

/// Values beyond this are drawn here: the library's axes have no room for more.
pub(super) const FARTHEST: f64 = 1e12;
/// Prefix of every name that the library gives to a part of a chart; a number follows it.
const LIBRARY_ID: &str = "kuva-clip-";

/// Clamps a value to what can be drawn.
pub(super) fn drawable(value: f64) -> f64 {
    if value.is_finite() { value.clamp(-FARTHEST, FARTHEST) } else { 0.0 }
}

/// Escapes a label: the library parses text between dollar signs as a formula, and names may
/// contain them.
pub(super) fn label(text: &str) -> String {
    text.replace('$', "\\$")
}

/// Size and axes of a chart.
pub(super) struct Frame<'a> {
    /// In px, on a wide screen.
    pub(super) width: f64,
    /// In px, on a wide screen.
    pub(super) height: f64,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

impl Frame<'_> {
    /// Returns the library's layout for this frame.
    pub(super) fn layout(&self, plots: &[Plot], screen: Screen) -> Layout {
        let layout = Layout::auto_from_plots(plots);
        let layout = match screen {
            Screen::Wide => layout.with_width(self.width).with_height(self.height),
            Screen::Narrow => {
                let height = self.height.min(NARROW_HEIGHT);
                layout.with_width(NARROW).with_height(height).with_ticks(NARROW_STEPS)
            }
        };
        layout
            .with_x_label(label(self.x))
            .with_y_label(label(self.y))
            .with_theme(theme())
            .with_font_family("system-ui, sans-serif")
            .with_label_size(13)
            .with_tick_size(12)
            .with_body_size(12)
            .with_axis_line_width(1.0)
            .with_tick_width(1.0)
            .with_grid_line_width(1.0)
            .with_tick_format(ticks())
    }
}

/// Rounds the range of the vertical axis outwards to its ticks, and sets these. The library reserves room for
/// the labels of the range as it is; then it would round the range, and choose ticks that may be longer.
pub(super) fn rounded(mut layout: Layout) -> Layout {
    let (low, high) = layout.y_range;
    let step = 10_f64.powf(((high - low) / STEPS).log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|of| high - low <= of * step * STEPS);
    let step = step * factor.unwrap_or(1.0);
    if step.is_finite() && 0.0 < step {
        layout.y_range = ((low / step).floor() * step, (high / step).ceil() * step);
        layout.y_tick_step = Some(step);
    }
    layout
}

/// Formats numbers on the library's axes.
pub(super) fn ticks() -> TickFormat {
    TickFormat::Custom(Arc::new(numbers::tick))
}

/// Adds a horizontal line at zero.
pub(super) fn zero(layout: Layout) -> Layout {
    let crosses = layout.y_range.0 < 0.0 && 0.0 < layout.y_range.1;
    if crosses { layout.with_reference_line(help(ReferenceLine::horizontal(0.0))) } else { layout }
}

/// Adds a vertical line at zero.
pub(super) fn upright(layout: Layout) -> Layout {
    let crosses = layout.x_range.0 < 0.0 && 0.0 < layout.x_range.1;
    if crosses { layout.with_reference_line(help(ReferenceLine::vertical(0.0))) } else { layout }
}

fn help(line: ReferenceLine) -> ReferenceLine {
    line.with_color(HELP).with_dasharray("none")
}

fn theme() -> Theme {
    let (ink, soft, line) = ("var(--ink)", "var(--soft)", "var(--line)");
    Theme {
        background: "none".to_owned(),
        axis_color: soft.to_owned(),
        grid_color: line.to_owned(),
        tick_color: soft.to_owned(),
        text_color: ink.to_owned(),
        legend_bg: "none".to_owned(),
        legend_border: "none".to_owned(),
        ..Theme::light()
    }
}

/// Renders a chart so that it tells screen readers what it is, and shares no name with others.
pub(super) fn svg(plots: Vec<Plot>, layout: Layout, id: &str, title: &str, about: &str) -> String {
    let (width, height) = (layout.width, layout.height);
    let drawn = kuva::render_to_svg(plots, layout);
    let drawn = own_names(&drawn, id);
    let (Some(head), Some(body)) = (drawn.find('>'), drawn.find("-->")) else {
        return drawn;
    };
    let (width, height) = (width.unwrap_or(FULL), height.unwrap_or(FULL / 4.0));
    let (title, about) = (escaped(title), escaped(about));
    format!(
        "{} viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{about}</desc>{}",
        &drawn[..head],
        &drawn[body + 3..],
    )
}

/// Renumbers the library's names within the chart; the library counts them over the whole process.
fn own_names(drawn: &str, id: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    let mut parts = drawn.split(LIBRARY_ID);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|char: char| !char.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        let at = seen.iter().position(|known| *known == number).unwrap_or_else(|| {
            seen.push(number);
            seen.len() - 1
        });
        text.push_str(&format!("{id}-clip-{at}{rest}"));
    }
    text
}

/// Escapes text for an SVG.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn names_are_counted_through_the_picture() {
        let drawn = "<clipPath id=\"kuva-clip-17\"/><g clip-path=\"url(#kuva-clip-17)\"/><a id=\"kuva-clip-9\"/>";
        let ours =
            "<clipPath id=\"p-clip-0\"/><g clip-path=\"url(#p-clip-0)\"/><a id=\"p-clip-1\"/>";
        assert_eq!(own_names(drawn, "p"), ours);
    }

    /// Returns the texts of a drawing that are anchored as this, with their x.
    pub(in super::super) fn texts(drawn: &str, anchor: &str) -> Vec<(f64, String)> {
        let text = |part: &str| {
            let (head, rest) = part.split_once('>')?;
            let is_anchored = head.contains(&format!("text-anchor=\"{anchor}\""));
            let x = head.split_once("x=\"")?.1.split('"').next()?.parse().ok()?;
            is_anchored.then(|| (x, rest.split('<').next().unwrap_or_default().to_owned()))
        };
        drawn.split("<text ").skip(1).filter_map(text).collect()
    }

    #[test]
    fn the_title_of_an_axis_is_beside_its_labels() {
        for (low, high) in [(2_929.6, 2_930.9), (3_376.1, 3_377.4), (-0.62, -0.51), (7.0, 1e6)] {
            for screen in Screen::ALL {
                let line = kuva::prelude::LinePlot::new().with_data([(0.0, low), (1.0, high)]);
                let plots = vec![line.into()];
                let frame = Frame { width: HALF, height: 260.0, x: "x", y: "profit (USDT a day)" };
                let layout = rounded(frame.layout(&plots, screen));
                let drawn = svg(plots, layout, "p", "", "");
                let labels = texts(&drawn, "end");
                assert!(3 <= labels.len() && labels.len() <= 8, "{labels:?}");
                let title =
                    texts(&drawn, "middle").into_iter().find(|of| of.1.starts_with("profit"));
                let title = title.unwrap().0;
                for (x, label) in labels {
                    // Text of 12 px takes less than 7 px a character, and the title is 13 px high.
                    #[expect(clippy::cast_precision_loss, reason = "a few characters")]
                    let left = x - 7.0 * label.chars().count() as f64;
                    assert!(title + 6.0 <= left, "{low} to {high}: {label} at {left}, {title}");
                }
            }
        }
    }

    #[test]
    fn dollars_are_no_formula() {
        let plot = kuva::prelude::BarPlot::new().with_bar(label("$a$ $\\alpha$"), 1.0);
        let plots = vec![plot.into()];
        let frame = Frame { width: HALF, height: 200.0, x: "", y: "" };
        let layout = frame.layout(&plots, Screen::Wide);
        let drawn = svg(plots, layout, "p", "<t>", "");
        assert!(drawn.contains("$a$ $\\alpha$"), "{drawn}");
        assert!(drawn.contains("&lt;t&gt;"), "{drawn}");
    }
}
