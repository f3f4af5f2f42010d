//! What a chart of the page consists of: its drawings and how to read them, or why there is nothing
//! to draw.

use super::frame::{self, Screen};
use kuva::prelude::{Layout, Plot};
use serde::Serialize;

/// Longest name in a chart, in characters.
pub(super) const MOST_CHARS: usize = 40;

/// One chart, or the sentence in its place.
#[derive(Default, Serialize)]
pub(super) struct Picture {
    /// Name for scripts and tests, such as `over-time`.
    pub(super) kind: &'static str,
    /// Whether it takes the whole width.
    pub(super) wide: bool,
    pub(super) title: &'static str,
    /// How to read the chart.
    pub(super) reading: String,
    /// CSS class of each swatch, and what it stands for.
    pub(super) legend: Vec<(&'static str, String)>,
    pub(super) drawings: Vec<Drawing>,
    /// Why there is nothing to draw.
    pub(super) absent: Option<String>,
    pub(super) counts: Vec<EpisodeRow>,
}

/// One SVG of a chart.
#[derive(Serialize)]
pub(super) struct Drawing {
    /// Heading above the drawing, where a chart has several.
    pub(super) caption: String,
    /// CSS class of each screen, and the drawing for it.
    pub(super) svgs: Vec<(&'static str, String)>,
}

/// One direction at one threshold, as text.
#[derive(Serialize)]
pub(super) struct EpisodeRow {
    pub(super) buy: String,
    pub(super) sell: String,
    pub(super) threshold: String,
    pub(super) count: String,
    pub(super) peak: String,
    pub(super) still_there: String,
}

impl Picture {
    /// Draws for both screens what `of` returns for each.
    pub(super) fn draw(
        &mut self,
        id: &str,
        caption: String,
        of: impl Fn(Screen) -> (Vec<Plot>, Layout),
    ) {
        let id = format!("{id}-{}-{}", self.kind, self.drawings.len() + 1);
        let title = if caption.is_empty() {
            self.title.to_owned()
        } else {
            format!("{}: {caption}", self.title)
        };
        let svg = |screen: Screen| {
            let (plots, layout) = of(screen);
            let class = screen.class();
            let id = format!("{id}-{class}");
            (class, frame::svg(plots, layout, &id, &title, &self.reading))
        };
        let svgs = Screen::ALL.map(svg).into();
        self.drawings.push(Drawing { caption, svgs });
    }

    pub(super) fn absent(mut self, why: &str) -> Self {
        self.absent = Some(why.to_owned());
        self
    }
}
