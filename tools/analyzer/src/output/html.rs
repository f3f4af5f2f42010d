//! The report as one HTML page that loads nothing: no network, no other file. A script sorts the
//! table, and the page is complete without it.
//!
//! Rust prepares the data and formats every number. The templates beside this file only place them,
//! and escape every text, because names come from the folders of lakes that others wrote. Charts
//! are SVG from a chart library, coloured by CSS variables, so that one chart serves light, dark
//! and print. Each is drawn twice, for wide and for narrow screens, and never scaled, so that its text
//! can be read on both. The same report gives the same bytes.

use super::exposure;
use crate::report::{Completeness, Detail, Report};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use numbers::{LISTED, rest};
use picture::Picture;
use serde::Serialize;

mod approved;
mod episodes;
mod frame;
mod heat;
mod money;
mod numbers;
mod over_time;
mod picture;
mod pictures;
mod profit;
mod ranking;
mod rate;
mod strip;
mod table;
pub(super) mod verdicts;

const TEMPLATES: [(&str, &str); 7] = [
    ("page.html", include_str!("html/page.html")),
    ("chart.html", include_str!("html/chart.html")),
    ("table.html", include_str!("html/table.html")),
    ("pair.html", include_str!("html/pair.html")),
    ("verdicts.html", include_str!("html/verdicts.html")),
    ("listed.html", include_str!("html/listed.html")),
    ("cells.html", include_str!("html/cells.html")),
];
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/sort.js");

/// Why the page could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A template and the data do not match, which is a bug in this module.
    #[error("the page's template does not match its data")]
    Template(#[from] minijinja::Error),
}

/// Returns the whole page.
///
/// # Errors
/// Returns an error if a template does not match the data, which is a bug in this module.
pub fn page(report: &Report) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment.get_template("page.html")?.render(Serde(Page::new(report)))?)
}

/// What the template places, from top to bottom.
#[derive(Serialize)]
struct Page {
    style: &'static str,
    script: &'static str,
    version: String,
    generated: String,
    lake: String,
    period: String,
    days: Vec<String>,
    rank_by: String,
    rank_meaning: String,
    facts: Vec<(&'static str, String)>,
    /// Venue, taker fee and latency.
    terms: Vec<(String, String, String)>,
    terms_rest: Option<String>,
    verdict: Verdict,
    today: verdicts::Today,
    refused: verdicts::Refused,
    unsound: verdicts::Unsound,
    approved: approved::Approved,
    map: strip::Days,
    problems: Problems,
    ranking: Picture,
    heat: heat::Heat,
    table: table::Table,
    pairs: Vec<Pair>,
    glossary: Vec<Group>,
    settings: Vec<(String, String)>,
}

impl Page {
    fn new(report: &Report) -> Self {
        let rank = table::rank_column(report);
        let rank_meaning = rank.map(|rank| numbers::name(&report.columns[rank].meaning));
        Self {
            style: STYLE,
            script: SCRIPT,
            version: numbers::name(&report.version),
            generated: numbers::name(&report.generated),
            lake: numbers::name(&report.lake),
            period: period(&report.days),
            days: report.days.iter().map(|day| numbers::name(day)).collect(),
            rank_by: numbers::words(&report.rank_by),
            rank_meaning: rank_meaning.unwrap_or_default(),
            facts: facts(report),
            terms: terms(report),
            terms_rest: rest(report.venues.len(), "venues"),
            verdict: Verdict::new(&report.completeness),
            today: verdicts::Today::new(report),
            refused: verdicts::Refused::new(report),
            unsound: verdicts::Unsound::new(report),
            approved: approved::Approved::new(report),
            map: strip::Days::new(report),
            problems: Problems::new(report),
            ranking: ranking::picture(report),
            heat: heat::Heat::new(report),
            table: table::Table::new(report),
            pairs: report
                .details
                .iter()
                .enumerate()
                .map(|(at, of)| Pair::new(report, at, of))
                .collect(),
            glossary: glossary(report),
            settings: report
                .settings
                .iter()
                .map(|(key, value)| (numbers::name(key), numbers::name(value)))
                .collect(),
        }
    }
}

/// Returns the first and last day, and the number of days.
fn period(days: &[String]) -> String {
    match days {
        [] => "no days".to_owned(),
        [day] => numbers::name(day),
        [first, .., last] => {
            let (first, last) = (numbers::name(first), numbers::name(last));
            format!("{first} to {last} ({} days)", numbers::count(days.len() as u64))
        }
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let totals = &report.totals;
    let partials = match (totals.partials_computed, totals.partials_reused) {
        (0, 0) => "none".to_owned(),
        (computed, reused) => {
            format!("{} computed, {} reused", numbers::count(computed), numbers::count(reused))
        }
    };
    vec![
        ("Recorded", exposure::told(report)),
        ("Instruments", numbers::count(totals.instruments)),
        ("Pairs", numbers::count(totals.pairs)),
        ("Quotes", numbers::count(totals.rows)),
        ("Partial results", partials),
    ]
}

/// Returns what was reckoned with at each venue.
fn terms(report: &Report) -> Vec<(String, String, String)> {
    let told = |of: &crate::report::Venue| {
        let fee = format!("{} bp", numbers::tick(of.taker_fee_bps));
        (numbers::name(&of.name), fee, format!("{} ms", numbers::tick(of.latency_ms)))
    };
    report.venues.iter().take(LISTED).map(told).collect()
}

/// Whether the input is complete.
#[derive(Serialize)]
struct Verdict {
    /// CSS class of the banner.
    class: &'static str,
    heading: String,
    sentence: &'static str,
    findings: Vec<String>,
    rest: Option<String>,
}

impl Verdict {
    fn new(completeness: &Completeness) -> Self {
        let findings = &completeness.findings;
        let (class, heading, sentence) = match completeness.verdict.as_str() {
            "complete" => ("good", "Complete", "The ledger accounts for every row of these days."),
            "incomplete" => (
                "bad",
                "Incomplete days",
                "According to the ledger these days are incomplete: their figures may be too low or \
                 wrong.",
            ),
            "unknown" | "" => (
                "unsure",
                "Completeness unknown",
                "There is no ledger to check these days against.",
            ),
            "not vouched for" => (
                "unsure",
                "Not vouched for",
                "Something else recorded this lake, so no ledger says whether these days are complete.",
            ),
            other => ("unsure", other, "This is the verdict of the ledger."),
        };
        Self {
            class,
            heading: numbers::name(heading),
            sentence,
            findings: findings.iter().take(LISTED).map(|finding| numbers::name(finding)).collect(),
            rest: rest(findings.len(), "findings"),
        }
    }
}

/// What was left out, or only noted.
#[derive(Serialize)]
struct Problems {
    sentence: String,
    /// Subject, what is wrong, and what was done about it.
    listed: Vec<(String, String, &'static str)>,
    rest: Option<String>,
}

impl Problems {
    fn new(report: &Report) -> Self {
        let left_out = report.problems.iter().filter(|problem| problem.left_out).count();
        let noted = report.problems.len() - left_out;
        let listed = report.problems.iter().take(LISTED).map(|problem| {
            let done = if problem.left_out { "left out" } else { "noted" };
            (numbers::name(&problem.subject), numbers::name(&problem.what), done)
        });
        Self {
            sentence: match report.problems.len() {
                0 => "There are no problems.".to_owned(),
                _ => format!(
                    "{} left out, {} noted.",
                    numbers::count(left_out as u64),
                    numbers::count(noted as u64)
                ),
            },
            listed: listed.collect(),
            rest: rest(report.problems.len(), "problems"),
        }
    }
}

/// The section of one pair.
#[derive(Serialize)]
struct Pair {
    /// Anchor of the section.
    id: String,
    instrument: String,
    exchange1: String,
    exchange2: String,
    money: money::Money,
    strips: Vec<strip::Strip>,
    pictures: Vec<Picture>,
}

impl Pair {
    fn new(report: &Report, at: usize, detail: &Detail) -> Self {
        let id = table::pair_id(at);
        let rate = rate::Rate::new(report, &detail.instrument);
        Self {
            money: money::Money::new(detail, &rate, report.undecided),
            strips: strip::of_pair(detail, &rate),
            pictures: pictures::of_pair(&id, detail, &rate),
            id,
            instrument: numbers::name(&detail.instrument),
            exchange1: numbers::name(&detail.exchange1),
            exchange2: numbers::name(&detail.exchange2),
        }
    }
}

/// The columns of one group.
#[derive(Serialize)]
struct Group {
    name: String,
    /// Name, unit and meaning of each column.
    columns: Vec<(String, String, String)>,
}

fn glossary(report: &Report) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for column in &report.columns {
        let name = numbers::name(&column.group);
        let entry = (
            numbers::name(&column.name),
            numbers::name(&column.unit),
            numbers::name(&column.meaning),
        );
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.columns.push(entry),
            None => groups.push(Group { name, columns: vec![entry] }),
        }
    }
    groups
}
