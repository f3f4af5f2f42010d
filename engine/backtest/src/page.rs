//! A sweep as one HTML page that loads nothing and runs no script, and its pictures as files.
//!
//! The same sweep gives the same bytes. Names come from configurations and folders, so every text is
//! escaped.

use crate::columns::{COLUMNS, Cell};
use crate::curve::Sample;
use crate::picture::{COLOURS, Chart, Line, STYLE, escaped};
use crate::sweep::Swept;
use crate::table::{ROWS, Study, brief};
use crate::words;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::tally::CAPTURES;
use std::fmt::Write;

const CSS: &str = include_str!("page.css");
/// Columns that are axes of the grid, those that the heat map prefers first.
const AXES: [usize; 5] = [0, 3, 1, 2, 4];
/// Largest share of colour in a cell of the heat map, percent, so that its text can be read.
const HEAT: f64 = 70.0;

/// Returns the whole page.
#[must_use]
pub fn page(study: &Study<'_>) -> String {
    let mut html = head(study);
    walked(&mut html, study);
    heat(&mut html, study);
    for chart in charts(study) {
        figure(&mut html, &chart);
    }
    configurations(&mut html, study);
    if let Some(best) = study.best() {
        let name = escaped(&study.name(best));
        let report = escaped(&study.report(best));
        let _infallible = write!(
            html,
            "<section><h2>The one with the highest profit</h2><p>{name}</p><pre>{report}</pre></section>"
        );
    }
    glossary(&mut html);
    html.push_str("</body></html>\n");
    html
}

/// Returns the pictures of the page as SVG files, each with its name.
#[must_use]
pub fn pictures(study: &Study<'_>) -> Vec<(String, String)> {
    let named = |chart: &Chart| Some((format!("{}.svg", chart.name), chart.file()?));
    charts(study).iter().filter_map(named).collect()
}

fn head(study: &Study<'_>) -> String {
    let source = escaped(study.source);
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Sweep of {source}</title>\
         <style>{STYLE}\n{CSS}</style></head><body><h1>Sweep of {source}</h1>"
    );
    let currency = escaped(study.setup.settings.currency.as_str());
    let Some(first) = study.swept.first() else {
        html.push_str("<p>The grid has no configuration.</p>");
        return html;
    };
    let whole = &first.whole;
    let _infallible = write!(
        html,
        "<p class=\"soft\">{}</p><p>{} configurations on paper, over {} records. Amounts are in \
         {currency}. Nothing was traded.</p>",
        words::period((whole.begin, whole.end)),
        study.swept.len(),
        whole.records,
    );
    if 0 < study.left_out {
        let _infallible = write!(
            html,
            "<p>{} combinations were left out, because their exit is above their entry.</p>",
            study.left_out
        );
    }
    html
}

fn walked(html: &mut String, study: &Study<'_>) {
    html.push_str("<section><h2>Chosen on one period, judged on the next</h2>");
    let Some(walk) = &study.walk_forward else {
        html.push_str(
            "<p>There is one period, so nothing could be judged: the highest profit below was picked \
             after the fact. Give --walk-forward.</p></section>",
        );
        return;
    };
    let _infallible = write!(html, "<p>{}</p>", escaped(&study.verdict(walk)));
    let heads =
        ["period", "chosen before it", "profit there", "judged", "best in it", "its profit"];
    let is_text = |column: usize| [0, 1, 4].contains(&column);
    let rows = walk.steps.iter().map(|step| study.step(step).to_vec());
    table(html, "walk", &heads.map(|head| (head.to_owned(), String::new())), rows, is_text);
    html.push_str("</section>");
}

fn table(
    html: &mut String,
    class: &str,
    heads: &[(String, String)],
    rows: impl Iterator<Item = Vec<String>>,
    is_text: impl Fn(usize) -> bool,
) {
    let align = |column: usize| if is_text(column) { " class=\"text\"" } else { "" };
    let _infallible = write!(html, "<div class=\"scroll\"><table class=\"{class}\"><thead><tr>");
    for (column, (head, unit)) in heads.iter().enumerate() {
        let align = align(column);
        let (head, unit) = (escaped(head), escaped(unit));
        let _infallible = write!(html, "<th scope=\"col\"{align}>{head}<small>{unit}</small></th>");
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _infallible = write!(html, "<td{}>{}</td>", align(column), escaped(cell));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
}

/// Returns the different values of an axis, in the order of the grid.
fn values(study: &Study<'_>, axis: usize) -> Vec<Cell> {
    let mut values: Vec<Cell> = Vec::new();
    for swept in study.swept {
        let cell = (COLUMNS[axis].of)(swept);
        if !values.contains(&cell) {
            values.push(cell);
        }
    }
    values
}

/// Returns the result that has these values and, on the other axes, those of another one.
fn at<'a>(study: &Study<'a>, like: &Swept, fixed: [(usize, &Cell); 2]) -> Option<&'a Swept> {
    let wanted = |axis: usize| {
        let of = COLUMNS[axis].of;
        let given = fixed.iter().find(|(place, _)| *place == axis);
        (of, given.map_or_else(|| of(like), |(_, cell)| (*cell).clone()))
    };
    let wanted = AXES.map(wanted);
    study.swept.iter().find(|swept| wanted.iter().all(|(of, cell)| of(swept) == *cell))
}

fn heat(html: &mut String, study: &Study<'_>) {
    let Some(best) = study.best() else { return };
    let mut axes = AXES.into_iter().filter(|axis| 1 < values(study, *axis).len());
    let Some(down) = axes.next() else { return };
    let across = axes.next().unwrap_or(if down == AXES[1] { AXES[0] } else { AXES[1] });
    let (rows, columns) = (values(study, down), values(study, across));
    let profits = study.swept.iter().map(|swept| swept.whole.profit().to_f64().abs());
    let scale = profits.fold(0.0, f64::max);
    let title = |axis: usize| match COLUMNS[axis].unit {
        "" => COLUMNS[axis].heading(),
        unit => format!("{}, {unit}", COLUMNS[axis].heading()),
    };
    let (down_title, across_title) = (title(down), title(across));
    let _infallible = write!(
        html,
        "<section><h2>Profit by {} and {}</h2><p class=\"soft\">Everything else is as \
         in {}. Blue gains, orange loses.</p><div class=\"scroll\"><table class=\"heat\"><thead><tr>\
         <th scope=\"col\">{down_title} \\ {across_title}</th>",
        COLUMNS[down].heading(),
        COLUMNS[across].heading(),
        escaped(&study.name(best)),
    );
    for column in &columns {
        let _infallible = write!(html, "<th scope=\"col\">{}</th>", escaped(&column.shown()));
    }
    html.push_str("</tr></thead><tbody>");
    for row in &rows {
        let _infallible = write!(html, "<tr><th scope=\"row\">{}</th>", escaped(&row.shown()));
        for column in &columns {
            let found = at(study, best, [(down, row), (across, column)]);
            heat_cell(html, found.map(|swept| swept.whole.profit()), scale);
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div></section>");
}

fn heat_cell(html: &mut String, profit: Option<Amount>, scale: f64) {
    let Some(profit) = profit else {
        html.push_str("<td></td>");
        return;
    };
    let part = if 0.0 < scale { (profit.to_f64().abs() / scale).sqrt() * HEAT } else { 0.0 };
    let colour = if profit < Amount::ZERO { "--c1" } else { "--c0" };
    let _infallible = write!(
        html,
        "<td style=\"background:color-mix(in srgb,var({colour}) {part:.0}%,var(--ground))\">{}</td>",
        words::amount(profit)
    );
}

fn figure(html: &mut String, chart: &Chart) {
    let _infallible = write!(html, "<section><h2>{}</h2>", escaped(chart.title));
    let Some(svg) = chart.svg() else {
        html.push_str("<p class=\"soft\">There is nothing to draw.</p></section>");
        return;
    };
    html.push_str("<ul class=\"legend\">");
    for (place, line) in chart.lines.iter().enumerate() {
        let (colour, name) = (place % COLOURS, escaped(&line.name));
        let _infallible = write!(
            html,
            "<li><span class=\"swatch\" style=\"background:var(--c{colour})\"></span>{name}</li>"
        );
    }
    let _infallible = write!(html, "</ul><figure>{svg}</figure></section>");
}

fn charts(study: &Study<'_>) -> Vec<Chart> {
    let Some(best) = study.best() else { return Vec::new() };
    vec![over_time(study, best), captured(study, best)]
}

/// A unit of time for an axis.
fn unit_of(length: Nanos) -> (&'static str, Nanos) {
    match length / SECOND {
        0..=299 => ("time since the beginning, s", SECOND),
        300..=17_999 => ("time since the beginning, min", 60 * SECOND),
        18_000..=431_999 => ("time since the beginning, h", 3_600 * SECOND),
        _ => ("time since the beginning, days", 86_400 * SECOND),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn over_time(study: &Study<'_>, best: &Swept) -> Chart {
    let begin = best.whole.begin;
    let (x, unit) = unit_of(best.whole.end.saturating_sub(begin));
    let place = |ts: Nanos| ts.saturating_sub(begin) as f64 / unit as f64;
    let point = |sample: &Sample| (place(sample.ts), sample.total().to_f64());
    let name = |what: &str, swept: &Swept| format!("{what}: {}", study.name(swept));
    let of = |what: &str, swept: &Swept| Line {
        name: name(what, swept),
        points: swept.whole.samples.iter().map(point).collect(),
        is_dotted: false,
    };
    let mut lines = vec![of("highest profit", best)];
    if let Some(walk) = &study.walk_forward {
        let points = walk.curve(study.swept).into_iter();
        let points = points.map(|(ts, profit)| (place(ts), profit.to_f64())).collect();
        let name = "chosen on one period, judged on the next".to_owned();
        lines.push(Line { name, points, is_dotted: false });
    }
    let y = format!("profit, {}", study.setup.settings.currency);
    Chart { name: "profit", title: "Profit over time", x, y, is_log: false, lines }
}

/// Draws the share of the displayed size that was there after a time, for each entry threshold.
fn captured(study: &Study<'_>, best: &Swept) -> Chart {
    let line = |entry: &Cell| {
        let mut points: Vec<(f64, f64)> = Vec::new();
        let latencies = values(study, AXES[1]);
        for latency in &latencies {
            let found = at(study, best, [(AXES[0], entry), (AXES[1], latency)]);
            points.extend(found.into_iter().flat_map(|swept| shares(study, swept)));
        }
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        points.dedup_by_key(|point| point.0.to_bits());
        let name = if *entry == Cell::None {
            "entry as configured".to_owned()
        } else {
            format!("entry {} bp", entry.shown())
        };
        Line { name, points, is_dotted: true }
    };
    Chart {
        name: "captured",
        title: "Share of the displayed size that was still there",
        x: "time after the opening, ms",
        y: "mean share, %".to_owned(),
        is_log: true,
        lines: values(study, AXES[0]).iter().map(line).collect(),
    }
}

/// Returns times in ms, and the shares in percent.
fn shares(study: &Study<'_>, swept: &Swept) -> Vec<(f64, f64)> {
    let latencies = &study.setup.settings.latencies;
    let configured = swept.point.latency.or_else(|| latencies.iter().max().copied()).unwrap_or(0);
    let captured = CAPTURES.iter().zip(&swept.whole.tally.captured);
    captured
        .filter(|(_, captured)| 0 < captured.seen)
        .map(|(after, captured)| {
            let after = if *after == 0 { configured } else { *after };
            (words::ms(after).max(words::ms(MILLI) / 1e3), captured.share() * 100.0)
        })
        .collect()
}

fn configurations(html: &mut String, study: &Study<'_>) {
    html.push_str("<section><h2>The configurations</h2>");
    let shown = study.swept.len().min(ROWS);
    let _infallible = write!(
        html,
        "<p>The {shown} with the highest profits of {}. All are in sweep.csv.</p>",
        study.swept.len()
    );
    let head = brief().map(|column| (column.heading(), column.unit.to_owned()));
    let heads: Vec<(String, String)> = head.collect();
    let rows = study
        .ranked()
        .into_iter()
        .take(ROWS)
        .map(|place| brief().map(|column| (column.of)(&study.swept[place]).shown()).collect());
    table(html, "configurations", &heads, rows, |column| column + 1 == heads.len());
    html.push_str("</section>");
}

fn glossary(html: &mut String) {
    html.push_str("<section><h2>What the columns say</h2><dl>");
    for column in &COLUMNS {
        let (key, meaning) = (escaped(column.key), escaped(column.meaning));
        let _infallible = write!(html, "<dt>{key}</dt><dd>{meaning}</dd>");
    }
    html.push_str("</dl></section>");
}
