//! What to do: the pairs that are recommended and how to approve them, those that were refused and why, and
//! those whose feeds are not sound.

use super::super::{exposure, recommended};
use super::numbers::{self, LISTED, rest};
use super::rate::Rate;
use super::table;
use crate::report::{PairRow, Reason, Report, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// Refused pairs that are listed with all reasons.
const BEST_REFUSED: usize = 20;
/// With less than this recorded, in h, there is too little to recommend anything.
const LEAST_HOURS: f64 = 6.0;

/// What stands first where no strategies were played.
const UNDECIDED: &str = "Nothing was decided: no strategies were asked for. --metrics with time-weighted, \
                         reversion or all plays them.";

/// The section of what to do.
#[derive(Serialize)]
pub(super) struct Today {
    /// What stands first: what is recommended, or why nothing is.
    headline: String,
    class: &'static str,
    /// What to bear in mind.
    caution: Option<String>,
    offers: Vec<Offer>,
    rest: Option<String>,
}

/// One recommended pair.
#[derive(Serialize)]
struct Offer {
    number: usize,
    instrument: String,
    direction: String,
    section: Option<String>,
    /// Name and value.
    facts: Vec<(&'static str, String)>,
    why: Vec<String>,
    command: String,
}

impl Today {
    pub(super) fn new(report: &Report) -> Today {
        let recommended: Vec<&PairRow> = of(report, Verdict::Recommended).collect();
        let headline = headline(report, recommended.len());
        let offers = recommended.iter().take(LISTED).enumerate();
        Today {
            class: if recommended.is_empty() { "unsure" } else { "good" },
            headline,
            caution: exposure::from(report).filter(|_| !recommended.is_empty()).map(|from| {
                format!("Less than a day was recorded: every figure per day is {from}.")
            }),
            offers: offers.map(|(at, pair)| Offer::new(report, at + 1, pair)).collect(),
            rest: rest(recommended.len(), "recommended pairs, in the table below"),
        }
    }
}

/// Returns what stands first on the page and on the console.
pub(crate) fn headline(report: &Report, recommended: usize) -> String {
    let told = exposure::told(report);
    match recommended {
        _ if report.undecided => UNDECIDED.to_owned(),
        _ if report.pairs.is_empty() => "Nothing: there are no pairs in this period.".to_owned(),
        0 if report.recorded_hours < LEAST_HOURS => format!("Too little: {told} recorded."),
        0 => format!("Nothing: no pair has proved that it would have paid, in {told} recorded."),
        1 => format!("1 pair is worth approving, by {told} recorded."),
        many => format!(
            "{} pairs are worth approving, by {told} recorded.",
            numbers::count(many as u64)
        ),
    }
}

/// Returns the pairs of a verdict; none if nothing was decided.
pub(crate) fn of(report: &Report, verdict: Verdict) -> impl Iterator<Item = &PairRow> {
    let decided = report.pairs.iter().filter(|_| !report.undecided);
    decided.filter(move |pair| pair.verdict == verdict)
}

impl Offer {
    fn new(report: &Report, number: usize, pair: &PairRow) -> Offer {
        let rate = Rate::new(report, &pair.instrument);
        let trade = pair.trade.clone().unwrap_or_default();
        let bps = numbers::tick;
        let mut facts = Vec::new();
        if let (Some(low), Some(mean), Some(high)) =
            (pair.per_day_low, pair.per_day, pair.per_day_high)
        {
            facts.push(("Would have earned (90 %)", rate.interval(low, mean, high)));
        }
        facts.push((
            "By",
            format!(
                "{} events in {:.1} live hours of {:.1} recorded",
                numbers::count(pair.events.into()),
                pair.live_hours,
                report.recorded_hours
            ),
        ));
        if let (Some(held_out), Some(events)) = (pair.held_out_per_day, pair.held_out_events) {
            facts.push(("Held out", format!("{} in {events} events", rate.per_day(held_out))));
        }
        facts.push(("Enter at", format!("{} bp net", bps(trade.entry_bps))));
        let (min, max) = (bps(trade.entry_bps_min), bps(trade.entry_bps_max));
        facts.push(("Entry may be", format!("{min} to {max} bp")));
        facts.push(("Leave below", format!("{} bp net", bps(trade.exit_bps))));
        facts.push(("Orders up to", rate.amount(trade.size_quote)));
        facts.push(("Model", numbers::name(&trade.model)));
        Offer {
            number,
            instrument: numbers::name(&pair.instrument),
            direction: direction(&trade),
            section: report.details.iter().position(|of| of.is_of(pair)).map(table::pair_id),
            facts,
            why: pair.why.iter().map(|why| numbers::name(why)).collect(),
            command: command(pair),
        }
    }
}

/// Returns which venue to buy on, and which to sell on.
pub(super) fn direction(trade: &crate::report::Trade) -> String {
    let reverse = if trade.both_ways { ", and the reverse" } else { "" };
    numbers::name(&format!("buy {}, sell {}{reverse}", trade.buy, trade.sell))
}

/// Returns the command that approves a pair. Names of folders that a shell would read are quoted.
fn command(pair: &PairRow) -> String {
    let names = recommended::directions(pair).into_iter().map(|(buy, sell, _)| {
        let name = numbers::name(&format!("{}:{buy}:{sell}", pair.instrument));
        let plain = |c: char| c.is_ascii_alphanumeric() || "/:_-.".contains(c);
        if name.chars().all(plain) { name } else { format!("'{}'", name.replace('\'', "'\\''")) }
    });
    let names: Vec<String> = names.collect();
    format!("analyzer approve {}", names.join(" "))
}

/// The section of what was refused.
#[derive(Serialize)]
pub(super) struct Refused {
    sentence: String,
    groups: Vec<Group>,
    /// The best of them.
    listed: Vec<Listed>,
}

/// The pairs with the same first reason.
#[derive(Serialize)]
struct Group {
    title: &'static str,
    count: String,
    /// The best of them, and why.
    best: String,
    why: String,
}

/// One pair that is not recommended.
#[derive(Serialize)]
pub(super) struct Listed {
    instrument: String,
    venues: String,
    section: Option<String>,
    per_day: String,
    why: Vec<String>,
}

impl Listed {
    fn new(report: &Report, pair: &PairRow) -> Listed {
        let rate = Rate::new(report, &pair.instrument);
        let per_day = (pair.per_day_low, pair.per_day, pair.per_day_high);
        Listed {
            instrument: numbers::name(&pair.instrument),
            venues: venues(pair),
            section: report.details.iter().position(|of| of.is_of(pair)).map(table::pair_id),
            per_day: match per_day {
                (Some(low), Some(mean), Some(high)) => rate.interval(low, mean, high),
                _ => numbers::UNKNOWN.to_owned(),
            },
            why: pair.why.iter().map(|why| numbers::name(why)).collect(),
        }
    }
}

fn venues(pair: &PairRow) -> String {
    numbers::name(&format!("{} – {}", pair.exchange1, pair.exchange2))
}

impl Refused {
    pub(super) fn new(report: &Report) -> Refused {
        let all = of(report, Verdict::Refused).count();
        let listed = of(report, Verdict::Refused).take(BEST_REFUSED);
        Refused {
            sentence: match all {
                _ if report.undecided => "Nothing was decided about any pair.".to_owned(),
                0 => "No pair was refused.".to_owned(),
                _ => format!(
                    "{} of {} pairs, by the first reason of each. The reasons of every pair are in \
                     report.json and ranking.csv.",
                    numbers::count(all as u64),
                    numbers::count(report.pairs.len() as u64)
                ),
            },
            groups: groups(report)
                .into_iter()
                .map(|(reason, count, best)| Group {
                    title: reason.title(),
                    count: numbers::count(count),
                    best: format!("{} {}", numbers::name(&best.instrument), venues(best)),
                    why: best.why.first().map(|why| numbers::name(why)).unwrap_or_default(),
                })
                .collect(),
            listed: listed.map(|pair| Listed::new(report, pair)).collect(),
        }
    }
}

/// Returns the refused pairs by their first reason: how many, and the best of them. The reason of most
/// pairs comes first.
pub(crate) fn groups(report: &Report) -> Vec<(Reason, u64, &PairRow)> {
    let mut groups: BTreeMap<Reason, (u64, &PairRow)> = BTreeMap::new();
    for pair in of(report, Verdict::Refused) {
        let Some(reason) = pair.reasons.first() else { continue };
        groups.entry(*reason).or_insert((0, pair)).0 += 1;
    }
    let mut groups: Vec<_> =
        groups.into_iter().map(|(reason, (count, best))| (reason, count, best)).collect();
    groups.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    groups
}

/// The section of feeds that are not sound.
#[derive(Serialize)]
pub(super) struct Unsound {
    sentence: String,
    listed: Vec<Listed>,
    rest: Option<String>,
}

impl Unsound {
    pub(super) fn new(report: &Report) -> Unsound {
        let all = of(report, Verdict::Unsound).count();
        let listed = of(report, Verdict::Unsound).take(LISTED);
        Unsound {
            sentence: match all {
                _ if report.undecided => "No feed was judged.".to_owned(),
                0 => "Nothing speaks against the feeds of these pairs.".to_owned(),
                _ => format!(
                    "{} of {} pairs are not judged, because their quotes cannot be trusted.",
                    numbers::count(all as u64),
                    numbers::count(report.pairs.len() as u64)
                ),
            },
            listed: listed.map(|pair| Listed::new(report, pair)).collect(),
            rest: rest(all, "pairs"),
        }
    }
}
