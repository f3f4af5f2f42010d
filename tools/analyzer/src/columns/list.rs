//! What a column is, and the list to which each group adds its columns.

use crate::facts::Facts;
use crate::report::{self, Cell, Kind};

/// A column.
pub struct Column {
    /// Its name, unit and meaning.
    pub about: report::Column,
    /// Where its value comes from.
    pub source: Source,
}

/// Where a value comes from.
#[expect(missing_debug_implementations, reason = "a closure has none")]
pub enum Source {
    /// Computed from the facts of one pair.
    Pair(Box<dyn Fn(&Facts<'_>) -> Cell + Send + Sync>),
    /// Computed from all pairs together.
    Across(Comparison),
}

/// What is computed over all pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The Dickey-Fuller p-value, adjusted after Benjamini and Hochberg.
    AdfQValue,
    /// The verdict on mean reversion, given that adjusted p-value.
    Reversion,
    /// Whether the pair is recommended.
    Verdict,
    /// Why.
    Why,
    /// The chance of the best strategy, adjusted after Benjamini and Hochberg.
    LuckQValue,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column").field("about", &self.about).finish_non_exhaustive()
    }
}

/// The directions in column names: buy on 1 and sell on 2, and the reverse.
pub(super) const DIRECTIONS: [&str; 2] = ["12", "21"];

/// Columns in order, group by group.
#[derive(Default)]
pub(super) struct List {
    /// The group to which columns are being added.
    pub(super) group: &'static str,
    pub(super) columns: Vec<Column>,
}

pub(super) fn number(value: Option<f64>) -> Cell {
    value.map_or(Cell::None, Cell::Number)
}

pub(super) fn count(value: Option<u64>) -> Cell {
    value.map_or(Cell::None, Cell::Count)
}

pub(super) fn flag(value: Option<bool>) -> Cell {
    value.map_or(Cell::None, Cell::Flag)
}

pub(super) fn text(value: Option<&str>) -> Cell {
    value.map_or(Cell::None, |value| Cell::Text(value.to_owned()))
}

#[expect(clippy::cast_precision_loss, reason = "counts and times are shown with fewer digits")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

impl List {
    pub(super) fn add(
        &mut self,
        name: impl Into<String>,
        unit: &str,
        meaning: impl Into<String>,
        cell: impl Fn(&Facts<'_>) -> Cell + Send + Sync + 'static,
    ) {
        self.push(name.into(), unit, meaning.into(), Source::Pair(Box::new(cell)));
    }

    pub(super) fn push(&mut self, name: String, unit: &str, meaning: String, source: Source) {
        let (group, unit) = (self.group.to_owned(), unit.to_owned());
        let about = report::Column { name, group, unit, meaning, kind: Kind::Number };
        self.columns.push(Column { about, source });
    }

    /// Sets what the last column holds, if not numbers.
    pub(super) fn holds(&mut self, kind: Kind) {
        if let Some(column) = self.columns.last_mut() {
            column.about.kind = kind;
        }
    }

    pub(super) fn names(&mut self) {
        self.group = "compatible";
        self.add("symbol", "", "The instrument.", |facts| text(Some(facts.instrument)));
        self.holds(Kind::Text);
        self.add("exchange1", "", "The venue whose name comes first.", |facts| {
            text(Some(facts.one))
        });
        self.holds(Kind::Text);
        self.add("exchange2", "", "The other venue.", |facts| text(Some(facts.two)));
        self.holds(Kind::Text);
    }
}
