//! The summary on the console: what is recommended and what is not, the first pairs as a table, what was read
//! and what was left out.

use super::{exposure, html};
use crate::report::{Cell, PairRow, Promised, Report, Standing, Verdict};
use comfy_table::{CellAlignment, Table, presets};
use spreadwire_market::recommendations::name_of;

/// Number of problems listed; the files list all of them.
const PROBLEMS: usize = 10;
/// Number of recommended pairs listed; `recommendations.toml` has all of them.
const RECOMMENDED: usize = 20;
/// Columns to show if they exist, besides the names and the ranking column.
const SHOWN: [(&str, &str); 9] = [
    ("verdict", "verdict"),
    ("per_day_low", "low/day"),
    ("direction", "direction"),
    ("entry_bps", "entry bp"),
    ("still_there_share", "still there"),
    ("half_life_s", "half-life s"),
    ("leader", "leader"),
    ("zero_crossings_per_minute", "zero crossings/min"),
    ("opportunity_cycles_040bp", "cycles 0.4 %"),
];

/// Returns the summary, with the first `top` pairs. What changed against the approved pairs comes
/// first, then what was promised of them and what was met, then what is recommended and what is not.
#[must_use]
pub fn text(report: &Report, top: usize) -> String {
    let mut text = approved(report);
    let totals = report.totals;
    let days = match (report.days.first(), report.days.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(day), _) => day.clone(),
        (None, _) => "no days".to_owned(),
    };
    text.push_str(&verdicts(report));
    let mut line = |of: std::fmt::Arguments<'_>| text.push_str(&format!("{of}\n"));
    line(format_args!(
        "\n{}: {days}, {} instruments, {} pairs, {} quotes; {} of {} instrument days from partial \
         results",
        report.lake,
        totals.instruments,
        totals.pairs,
        totals.rows,
        totals.partials_reused,
        totals.partials_reused + totals.partials_computed,
    ));
    line(format_args!(
        "files: {} read, {} not read, {} known to hold no quotes",
        totals.files_read, totals.files_not_read, totals.files_known
    ));
    line(format_args!("recorded: {}", exposure::told(report)));
    if !report.pairs.is_empty() {
        line(format_args!("\nfirst {} by {}:", top.min(report.pairs.len()), report.rank_by));
        line(format_args!("{}", table(report, top)));
    }
    line(format_args!("according to the lake's ledger: {}", report.completeness.verdict));
    for finding in report.completeness.findings.iter().take(PROBLEMS) {
        line(format_args!("  {finding}"));
    }
    let left_out = report.problems.iter().filter(|problem| problem.left_out).count();
    if !report.problems.is_empty() {
        let noted = report.problems.len() - left_out;
        line(format_args!("problems: {left_out} left out, {noted} noted"));
    }
    for problem in report.problems.iter().take(PROBLEMS) {
        let what = if problem.left_out { "LEFT OUT" } else { "noted" };
        line(format_args!("  {what} {}: {}", problem.subject, problem.what));
    }
    if PROBLEMS < report.problems.len() {
        line(format_args!("  and {} more, in report.json", report.problems.len() - PROBLEMS));
    }
    text
}

/// Returns what is recommended, and how many pairs are not and why.
fn verdicts(report: &Report) -> String {
    let of = |verdict: Verdict| html::verdicts::of(report, verdict);
    let recommended = of(Verdict::Recommended).count();
    let mut text = format!("{}\n", html::verdicts::headline(report, recommended));
    for pair in of(Verdict::Recommended).take(RECOMMENDED) {
        text.push_str(&format!("  {}\n", offer(report, pair)));
    }
    if RECOMMENDED < recommended {
        let rest = recommended - RECOMMENDED;
        text.push_str(&format!("  and {rest} more, in recommendations.toml\n"));
    }
    if 0 < recommended {
        text.push_str("approve with: analyzer approve INSTRUMENT:BUY:SELL\n");
    }
    let refused = of(Verdict::Refused).count();
    if 0 < refused {
        text.push_str(&format!("refused: {refused}, by the first reason of each\n"));
    }
    for (reason, count, best) in html::verdicts::groups(report) {
        let why = best.why.first().map(String::as_str).unwrap_or_default();
        text.push_str(&format!("  {count:>6}  {}, such as: {why}\n", reason.title()));
    }
    let unsound = of(Verdict::Unsound).count();
    if 0 < unsound {
        let s = if unsound == 1 { "" } else { "s" };
        text.push_str(&format!("not judged: {unsound} pair{s} with feeds that are not sound\n"));
    }
    text
}

/// Returns a recommended pair in a line.
fn offer(report: &Report, pair: &PairRow) -> String {
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let trade = pair.trade.clone().unwrap_or_default();
    let reverse = if trade.both_ways { " and the reverse" } else { "" };
    let from = exposure::from(report).map(|from| format!(", {from}")).unwrap_or_default();
    format!(
        "{} buy {} sell {}{reverse}: {} a day ({} to {}){from}, by {} events in {:.1} live hours; {}, \
         enter at {} bp, leave below {} bp",
        pair.instrument,
        trade.buy,
        trade.sell,
        figure(pair.per_day),
        figure(pair.per_day_low),
        figure(pair.per_day_high),
        pair.events,
        pair.live_hours,
        trade.model,
        trade.entry_bps,
        trade.exit_bps,
    )
}

/// Returns what concerns the approved pairs; nothing if there are none.
fn approved(report: &Report) -> String {
    if report.approved.is_empty() {
        return String::new();
    }
    let all = report.approved.len();
    let looks: Vec<&Standing> = report.approved.iter().filter(|of| of.needs_a_look()).collect();
    let s = if all == 1 { "" } else { "s" };
    let mut text = if looks.is_empty() {
        format!("approved: {all} pair{s}, still recommended within the bounds\n")
    } else {
        format!("!! CHANGED AGAINST WHAT IS APPROVED: {} of {all} pair{s}\n", looks.len())
    };
    for standing in looks {
        text.push_str(&format!("!!   {}\n", standing.line()));
    }
    text.push_str(&format!("\npromised and met:\n{}\n\n", promised(&report.promised)));
    text
}

fn promised(rows: &[Promised]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["pair", "promised/day", "interval", "met/day", "deals", "hours", "in words"]);
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    for row in rows {
        let interval = row.per_day_low.zip(row.per_day_high);
        let interval = interval.map(|(low, high)| format!("{low:.2} to {high:.2}"));
        table.add_row([
            name_of((&row.instrument, &row.buy, &row.sell)),
            figure(row.per_day),
            interval.unwrap_or_else(|| "-".to_owned()),
            figure(row.met_per_day),
            row.deals.to_string(),
            row.recorded_hours.map_or("-".to_owned(), |hours| format!("{hours:.1}")),
            row.words.clone(),
        ]);
    }
    table
}

fn table(report: &Report, top: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let place = |name: &str| report.columns.iter().position(|column| column.name == name);
    let mut shown: Vec<(usize, String)> = SHOWN
        .into_iter()
        .filter_map(|(name, title)| Some((place(name)?, title.to_owned())))
        .collect();
    if let Some(rank) = place(&report.rank_by).filter(|rank| !shown.iter().any(|of| of.0 == *rank))
    {
        shown.insert(0, (rank, report.rank_by.clone()));
    }
    let names = ["instrument", "exchange1", "exchange2"].map(str::to_owned);
    table.set_header(names.into_iter().chain(shown.iter().map(|(_, title)| title.clone())));
    for pair in report.pairs.iter().take(top) {
        let PairRow { instrument, exchange1, exchange2, cells, .. } = pair;
        let names = [instrument, exchange1, exchange2].map(Clone::clone);
        let cells = shown.iter().map(|(place, _)| told(&cells[*place]));
        table.add_row(names.into_iter().chain(cells));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn told(cell: &Cell) -> String {
    match cell {
        Cell::None => "-".to_owned(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(number) if number.abs() < 10.0 => format!("{number:.3}"),
        Cell::Number(number) => format!("{number:.1}"),
        Cell::Text(text) => text.clone(),
    }
}
