//! A sweep as text, CSV and JSON.

use crate::columns::{COLUMNS, Cell, Column};
use crate::report::Report;
use crate::setup::Setup;
use crate::sweep::Swept;
use crate::walk_forward::{Choice, Step, WalkForward};
use crate::words;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::fmt::Write;

/// Rows of the table on a terminal and on the page. All rows are in the CSV and the JSON.
pub const ROWS: usize = 40;

/// A sweep that is over, and what it went by.
#[derive(Clone, Debug)]
pub struct Study<'a> {
    /// What was swept, as the user named it.
    pub source: &'a str,
    /// The setup that the points were applied to.
    pub setup: &'a Setup,
    /// The results, in the order of the grid.
    pub swept: &'a [Swept],
    /// Points left out, because their exit was above their entry.
    pub left_out: usize,
    /// The choices and judgements, if there is more than one period.
    pub walk_forward: Option<WalkForward>,
}

impl<'a> Study<'a> {
    /// Judges a sweep.
    #[must_use]
    pub fn new(
        source: &'a str,
        setup: &'a Setup,
        swept: &'a [Swept],
        left_out: usize,
    ) -> Study<'a> {
        Study { source, setup, swept, left_out, walk_forward: WalkForward::of(swept) }
    }

    /// Returns the indexes of the results, the highest profit first; equal ones in the order of the grid.
    #[must_use]
    pub fn ranked(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.swept.len()).collect();
        places.sort_by_key(|place| Reverse(self.swept[*place].whole.profit()));
        places
    }

    /// Returns the configuration with the highest profit over the whole time; `None` for an empty grid.
    #[must_use]
    pub fn best(&self) -> Option<&'a Swept> {
        self.ranked().first().map(|place| &self.swept[*place])
    }

    /// Returns the report of one configuration.
    #[must_use]
    pub fn report(&self, swept: &Swept) -> String {
        let setup = swept.point.apply(self.setup);
        Report { setup: &setup, outcome: &swept.whole }.text()
    }

    /// Returns the configurations with the highest profits, what choosing on one period and judging on the
    /// next came to, and the report of the best.
    #[must_use]
    pub fn text(&self) -> String {
        let Some(best) = self.best() else {
            return "The grid has no configuration.\n".to_owned();
        };
        let currency = self.setup.settings.currency;
        let mut text = format!(
            "{} configurations over {} records, {}; amounts in {currency}\n\n",
            self.swept.len(),
            best.whole.records,
            words::period((best.whole.begin, best.whole.end)),
        );
        let head = brief().map(|column| column.key.to_owned()).collect();
        let rows =
            self.ranked().into_iter().take(ROWS).map(|place| {
                brief().map(|column| (column.of)(&self.swept[place]).shown()).collect()
            });
        let rows: Vec<Vec<String>> = [head].into_iter().chain(rows).collect();
        text.push_str(&words::aligned(&rows, |_| false));
        if ROWS < self.swept.len() {
            let _infallible = writeln!(text, "{} more are not shown", self.swept.len() - ROWS);
        }
        if 0 < self.left_out {
            let left_out = self.left_out;
            let _infallible =
                writeln!(text, "{left_out} combinations left out: their exit is above their entry");
        }
        text.push_str(&self.walked());
        let _infallible = write!(text, "\nThe one with the highest profit:\n{}", self.report(best));
        text
    }

    fn walked(&self) -> String {
        let Some(walk) = &self.walk_forward else { return String::new() };
        let head =
            ["period", "chosen before", "profit before", "judged", "best here", "its profit"];
        let head = head.map(str::to_owned).to_vec();
        let steps = walk.steps.iter().map(|step| self.step(step).to_vec());
        let rows: Vec<Vec<String>> = [head].into_iter().chain(steps).collect();
        format!("\n{}{}\n", words::aligned(&rows, |column| column < 1), self.verdict(walk))
    }

    /// Returns the cells of a step: the period, what was chosen before it and gained there, what that gained
    /// in it, and what gained most in it.
    #[must_use]
    pub fn step(&self, step: &Step) -> [String; 6] {
        let name = |choice: Option<Choice>| {
            choice.map_or("none".to_owned(), |choice| self.name(&self.swept[choice.index]))
        };
        let profit = |choice: Option<Choice>| {
            choice.map_or(words::UNKNOWN.to_owned(), |choice| words::amount(choice.profit))
        };
        let (begin, end) = step.time;
        let is_empty = (begin, end) == (0, 0);
        [
            if is_empty { "no records".to_owned() } else { words::period(step.time) },
            name(step.chosen),
            profit(step.chosen),
            words::amount(step.judged),
            name(step.best),
            profit(step.best),
        ]
    }

    /// Returns what choosing on one period and judging on the next came to, as a sentence.
    #[must_use]
    pub fn verdict(&self, walk: &WalkForward) -> String {
        let currency = self.setup.settings.currency;
        let hindsight = walk.hindsight.map_or("nothing gained in hindsight".to_owned(), |best| {
            format!(
                "the best in hindsight ({}) gained {} {currency}",
                self.name(&self.swept[best.index]),
                words::amount(best.profit)
            )
        });
        format!(
            "Chosen on one period and judged on the next: {} {currency} ({} where they were chosen); \
             {hindsight}. The grid flatters by {} {currency}.",
            words::amount(walk.judged),
            words::amount(walk.promised),
            words::amount(walk.flattery()),
        )
    }

    /// Returns a configuration in a few words: the values of its point.
    #[must_use]
    pub fn name(&self, swept: &Swept) -> String {
        let values = COLUMNS.iter().take(5).filter_map(|column| {
            let cell = (column.of)(swept);
            let name = column.heading();
            let unit =
                if column.unit.is_empty() { String::new() } else { format!(" {}", column.unit) };
            (cell != Cell::None).then(|| format!("{name} {}{unit}", cell.shown()))
        });
        let name: Vec<String> = values.collect();
        if name.is_empty() { "as configured".to_owned() } else { name.join(", ") }
    }

    /// Returns all configurations as CSV in the order of the grid, with all columns. A value that is not
    /// known, or is as configured, is empty. Shares have 1 for all.
    #[must_use]
    pub fn csv(&self) -> String {
        let line = |cells: Vec<String>| cells.join(",") + "\n";
        let mut text = line(COLUMNS.iter().map(|column| column.key.to_owned()).collect());
        for swept in self.swept {
            text.push_str(&line(COLUMNS.iter().map(|c| (c.of)(swept).exact()).collect()));
        }
        text
    }

    /// Returns everything as JSON. Amounts are texts with all their digits, shares have 1 for all, times are
    /// ns since 1970 UTC. A key keeps its meaning.
    #[must_use]
    pub fn json(&self) -> Value {
        let whole = self.swept.first().map(|first| &first.whole);
        let row = |swept: &Swept| {
            let cells = COLUMNS.iter().map(|c| (c.key.to_owned(), (c.of)(swept).json()));
            Value::Object(cells.collect::<Map<_, _>>())
        };
        let best = self.best();
        json!({
            "mode": "PAPER",
            "source": self.source,
            "currency": self.setup.settings.currency.as_str(),
            "begin": whole.map(|whole| whole.begin),
            "end": whole.map(|whole| whole.end),
            "records": whole.map(|whole| whole.records),
            "left_out": self.left_out,
            "configurations": self.swept.iter().map(row).collect::<Vec<_>>(),
            "best": best.map(|best| {
                let setup = best.point.apply(self.setup);
                Report { setup: &setup, outcome: &best.whole }.json()
            }),
            "walk_forward": self.walk_forward.as_ref().map(walk_forward),
        })
    }
}

/// Returns the columns of the short tables.
pub fn brief() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.is_brief)
}

fn choice(choice: Option<Choice>) -> Value {
    choice.map_or(
        Value::Null,
        |choice| json!({ "configuration": choice.index, "profit": choice.profit }),
    )
}

fn walk_forward(walk: &WalkForward) -> Value {
    let step = |step: &Step| {
        json!({
            "begin": step.time.0,
            "end": step.time.1,
            "chosen": choice(step.chosen),
            "judged": step.judged,
            "best": choice(step.best),
        })
    };
    json!({
        "periods": walk.steps.iter().map(step).collect::<Vec<_>>(),
        "promised": walk.promised,
        "judged": walk.judged,
        "hindsight": choice(walk.hindsight),
        "flattery": walk.flattery(),
    })
}
