//! The table of the best pairs: a dozen columns from all groups, in words and figures. The CSV has
//! all columns.

use super::numbers;
use crate::report::{Cell, Column, PairRow, Report};
use serde::Serialize;

/// Number of rows that are shown.
const MOST_ROWS: usize = 200;
/// Number of columns that are shown, besides the names.
const MOST_COLUMNS: usize = 12;
/// Number of columns that name the row: the instrument and the two venues.
const NAMES: usize = 3;
/// A column of sentences, which stand in sections of their own.
const SENTENCES: &str = "why";

/// The table.
#[derive(Serialize)]
pub(super) struct Table {
    groups: Vec<Head>,
    columns: Vec<ColumnHead>,
    rows: Vec<Row>,
    /// A sentence on how much of the table is shown.
    sentence: String,
}

/// Adjacent columns of one group.
#[derive(Serialize)]
struct Head {
    name: String,
    span: usize,
}

#[derive(Serialize)]
struct ColumnHead {
    words: String,
    unit: String,
    meaning: String,
    /// Whether this column ranks.
    ranks: bool,
    /// Whether this column is the first of its group.
    first: bool,
    text: bool,
}

#[derive(Serialize)]
struct Row {
    place: usize,
    instrument: String,
    exchange1: String,
    exchange2: String,
    /// Anchor of the pair's section, if it has one.
    section: Option<String>,
    cells: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    text: String,
    /// The value that the script sorts by.
    sort: String,
}

impl Table {
    pub(super) fn new(report: &Report) -> Self {
        let chosen = chosen(report);
        let shown = report.pairs.len().min(MOST_ROWS);
        let all = numbers::count(report.pairs.len() as u64);
        Self {
            groups: groups(report, &chosen),
            columns: heads(report, &chosen),
            rows: report.pairs[..shown]
                .iter()
                .enumerate()
                .map(|(at, pair)| Row::new(report, at, pair, &chosen))
                .collect(),
            sentence: match (report.pairs.len(), MOST_ROWS < report.pairs.len()) {
                (0, _) => "There are no pairs in this period.".to_owned(),
                (_, true) => format!(
                    "The first {MOST_ROWS} of {all} pairs, best first. The CSV has all pairs and all \
                     columns."
                ),
                (_, false) => "All pairs, best first. The CSV has all columns.".to_owned(),
            },
        }
    }
}

/// Returns the anchor of the section of the pair at index `at`.
pub(super) fn pair_id(at: usize) -> String {
    format!("pair-{}", at + 1)
}

/// Returns the index of the ranking column.
pub(super) fn rank_column(report: &Report) -> Option<usize> {
    report.columns.iter().position(|column| column.name == report.rank_by)
}

/// Returns the columns to show, in order. The ranking column is chosen first, then from each group
/// in turn the first one not yet chosen.
fn chosen(report: &Report) -> Vec<usize> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut chosen: Vec<usize> =
        rank_column(report).filter(|rank| NAMES <= *rank).into_iter().collect();
    for (at, column) in report.columns.iter().enumerate().skip(NAMES) {
        if chosen.contains(&at) || column.name == SENTENCES {
            continue;
        }
        match groups.iter_mut().find(|(name, _)| *name == column.group) {
            Some((_, members)) => members.push(at),
            None => groups.push((&column.group, vec![at])),
        }
    }
    let longest = groups.iter().map(|(_, members)| members.len()).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| groups.iter().filter_map(move |(_, of)| of.get(turn)));
    let room = MOST_COLUMNS - chosen.len();
    chosen.extend(turns.take(room));
    chosen.sort_by_key(|at| {
        // A group stays together even if its columns are scattered in the report.
        let group = &report.columns[*at].group;
        (report.columns.iter().position(|column| column.group == *group), *at)
    });
    chosen
}

fn groups(report: &Report, chosen: &[usize]) -> Vec<Head> {
    let same = |a: &usize, b: &usize| report.columns[*a].group == report.columns[*b].group;
    let heads = chosen.chunk_by(same).map(|members| Head {
        name: numbers::name(&report.columns[members[0]].group),
        span: members.len(),
    });
    heads.collect()
}

fn heads(report: &Report, chosen: &[usize]) -> Vec<ColumnHead> {
    let mut before: Option<&str> = None;
    let mut heads = Vec::with_capacity(chosen.len());
    for at in chosen {
        let column = &report.columns[*at];
        heads.push(ColumnHead {
            words: numbers::words(&column.name),
            unit: numbers::name(&column.unit),
            meaning: numbers::name(&column.meaning),
            ranks: column.name == report.rank_by,
            first: before != Some(&column.group),
            text: report
                .pairs
                .iter()
                .any(|pair| matches!(pair.cells.get(*at), Some(Cell::Text(_)))),
        });
        before = Some(&column.group);
    }
    heads
}

impl Row {
    fn new(report: &Report, at: usize, pair: &PairRow, chosen: &[usize]) -> Self {
        let section = report.details.iter().position(|detail| detail.is_of(pair));
        Self {
            place: at + 1,
            instrument: numbers::name(&pair.instrument),
            exchange1: numbers::name(&pair.exchange1),
            exchange2: numbers::name(&pair.exchange2),
            section: section.map(pair_id),
            cells: chosen
                .iter()
                .map(|at| {
                    Shown::new(pair.cells.get(*at).unwrap_or(&Cell::None), &report.columns[*at])
                })
                .collect(),
        }
    }
}

impl Shown {
    fn new(cell: &Cell, column: &Column) -> Self {
        let sort = match cell {
            Cell::Text(text) => numbers::name(text),
            Cell::None | Cell::Flag(_) | Cell::Count(_) | Cell::Number(_) => {
                numbers::worth(cell).map(|worth| format!("{worth:e}")).unwrap_or_default()
            }
        };
        Self { text: numbers::cell(cell, column), sort }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_chosen_from_in_turn_and_stays_together() {
        let column = |name: &str, group: &str| Column {
            name: name.to_owned(),
            group: group.to_owned(),
            ..Column::default()
        };
        let mut columns: Vec<_> = ["i", "a", "b"].map(|name| column(name, "names")).into();
        columns.extend((0..30).map(|at| column(&format!("x{at}"), "many")));
        columns.extend(["y0", "y1"].map(|name| column(name, "few")));
        let report = Report { columns, rank_by: "x20".to_owned(), ..Report::default() };
        let names: Vec<_> =
            chosen(&report).iter().map(|at| report.columns[*at].name.as_str()).collect();
        let expected = "x0 x1 x2 x3 x4 x5 x6 x7 x8 x20 y0 y1";
        assert_eq!(names.join(" "), expected);
        assert_eq!(groups(&report, &chosen(&report)).len(), 2);
    }
}
