//! Turns the sums of one pair into its figures: the cells of a row that need no other pair, and
//! what is kept for the cells that do and for the charts.

use crate::columns::{Column, Source};
use crate::decided;
use crate::facts::Facts;
use crate::judge::Judged;
use crate::kernel::Settings;
use crate::kernel::partial::{PairPartial, Total};
use crate::kernel::reversion::Verdict;
use crate::recorded::Recorded;
use crate::report::{self, Cell, PairRow, Problem, Reason, Trade};

/// The results of one instrument.
#[derive(Debug, Default)]
pub struct Figures {
    /// Its pairs, in the order of names.
    pub pairs: Vec<Pair>,
    /// What was wrong with it.
    pub problems: Vec<Problem>,
}

/// One pair of venues of one instrument.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// Canonical name of the instrument.
    pub instrument: String,
    /// The venue whose name comes first.
    pub one: String,
    /// The other venue.
    pub two: String,
    /// A cell for each column; those that need other pairs are not filled in yet.
    pub cells: Vec<Cell>,
    /// What is needed for comparing all pairs.
    pub across: Across,
}

/// What is compared over all pairs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Across {
    /// p-value of the Dickey-Fuller test.
    pub p_value: Option<f64>,
    /// The verdict on the half-life if the pair is not a random walk.
    pub verdict: Option<Verdict>,
    /// What the deals of its strategies prove.
    pub judged: Option<Judged>,
    /// Whether no strategies were to be played.
    pub unplayed: bool,
    /// Why its feeds cannot be trusted, in words.
    pub unsound: Vec<String>,
    /// The strategy.
    pub trade: Option<Trade>,
    /// How often the trader would have halted while it played it.
    pub halts: u64,
}

impl Pair {
    /// Returns the pairs of an instrument that have figures, and why the others have none. `keep` is given
    /// the sums of each, which are dropped afterwards.
    #[must_use]
    pub fn all(
        instrument: &str,
        total: &Total,
        settings: (&Settings, &Recorded),
        columns: &[Column],
        keep: impl Fn(&Pair, &PairPartial),
    ) -> Figures {
        let mut figures = Figures::default();
        for (names, sums) in &total.pairs {
            let Some(facts) = Facts::new(instrument, names, sums, total, settings) else {
                continue;
            };
            if let Some(what) = nothing(&facts) {
                let subject = format!("{instrument} {} {}", names.0, names.1);
                figures.problems.push(Problem { subject, what, left_out: true });
            } else {
                let pair = Pair::of(&facts, columns);
                keep(&pair, sums);
                figures.pairs.push(pair);
            }
        }
        figures
    }

    fn of(facts: &Facts<'_>, columns: &[Column]) -> Pair {
        let cell = |column: &Column| match &column.source {
            Source::Pair(cell) => finite(cell(facts)),
            Source::Across(_) => Cell::None,
        };
        let strategy = facts.decision().and_then(|of| of.strategy.as_ref());
        Pair {
            instrument: facts.instrument.to_owned(),
            one: facts.one.to_owned(),
            two: facts.two.to_owned(),
            cells: columns.iter().map(cell).collect(),
            across: Across {
                p_value: facts.unit_root.map(|adf| adf.p_value),
                verdict: facts.verdict_if_stationary(),
                judged: facts.judged.clone(),
                unplayed: !facts.settings.metrics.timed,
                unsound: facts.unsound(),
                trade: strategy.map(|of| of.trade.clone()),
                halts: strategy.map_or(0, |of| of.halts),
            },
        }
    }

    /// Returns the instrument and the two venues.
    #[must_use]
    pub fn key(&self) -> (&str, &str, &str) {
        (&self.instrument, &self.one, &self.two)
    }

    /// Returns what was decided, once all pairs were judged.
    #[must_use]
    pub fn verdict(&self) -> report::Verdict {
        let Across { judged, unplayed, unsound, .. } = &self.across;
        match judged {
            Some(judged) => decided::verdict(judged, unsound),
            None if *unplayed => report::Verdict::Refused,
            None => report::Verdict::Unsound,
        }
    }

    /// Returns why, in words.
    #[must_use]
    pub fn why(&self) -> Vec<String> {
        let Across { judged, unplayed, unsound, .. } = &self.across;
        match judged {
            Some(judged) => decided::why(judged, unsound, self.across.halts),
            None if *unplayed => {
                vec![
                    "no strategy was played, as the time-weighted figures were not asked for"
                        .to_owned(),
                ]
            }
            None => vec!["both legs were never live at once".to_owned()],
        }
    }

    /// Returns the row of the report, once all pairs were judged.
    #[must_use]
    pub fn row(self, detail: Option<String>) -> PairRow {
        let (verdict, why) = (self.verdict(), self.why());
        let judged = self.across.judged.as_ref();
        let per_day = judged.and_then(|of| of.forward.as_ref()?.per_day);
        let held_out = judged.and_then(|of| of.held_out);
        let is_tested = judged.is_some_and(|of| of.forward.is_some());
        PairRow {
            verdict,
            reasons: match judged {
                Some(judged) => decided::reasons(judged, &self.across.unsound),
                None if self.across.unplayed => Vec::new(),
                None => vec![Reason::NeverLive],
            },
            why,
            per_day: per_day.map(|of| of.mean),
            per_day_low: per_day.map(|of| of.low),
            per_day_high: per_day.map(|of| of.high),
            held_out_per_day: held_out.map(|of| of.per_day),
            held_out_events: held_out.map(|of| of.events),
            q: judged.filter(|_| is_tested).map(|of| of.q),
            events: judged.map_or(0, |of| of.events),
            live_hours: judged.map_or(0.0, |of| of.live_hours),
            trade: self.across.trade,
            detail,
            instrument: self.instrument,
            exchange1: self.one,
            exchange2: self.two,
            cells: self.cells,
        }
    }
}

/// Returns why a pair has no figures.
fn nothing(facts: &Facts<'_>) -> Option<String> {
    let silent = [facts.one, facts.two].into_iter().zip(facts.venues);
    let silent: Vec<&str> =
        silent.filter(|(_, sums)| sums.rows == 0).map(|(name, _)| name).collect();
    if !silent.is_empty() {
        return Some(format!("no quotes from {}", silent.join(" and ")));
    }
    let compatible = facts.sums.compatible.as_ref();
    let joined = compatible.is_some_and(|compatible| 0 < compatible.total().known);
    if joined || facts.timed().is_some() || facts.lead_lag.is_some() {
        return None;
    }
    Some("the venues have no time in common".to_owned())
}

/// Replaces a number that is not finite by an unknown value.
fn finite(cell: Cell) -> Cell {
    match cell {
        Cell::Number(value) if !value.is_finite() => Cell::None,
        Cell::None | Cell::Flag(_) | Cell::Count(_) | Cell::Number(_) | Cell::Text(_) => cell,
    }
}
