//! What a picture is: its drawings, how to read them, and what stands in their place where there is
//! nothing to draw.

use super::frame;
use kuva::prelude::{Layout, Plot};
use serde::Serialize;

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
    pub(super) counts: Vec<EpisodeRow>,
}

/// One SVG of a picture.
#[derive(Serialize)]
pub(super) struct Drawing {
    /// Told above it where a picture has several.
    pub(super) caption: String,
    pub(super) svg: String,
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
    pub(super) capture: String,
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

    pub(super) fn absent(mut self, why: &str) -> Self {
        self.absent = Some(why.to_owned());
        self
    }
}
