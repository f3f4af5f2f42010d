//! The money of one pair in figures: what was decided, what its strategy did, other fees, and the walk
//! forward.

use super::rate::Rate;
use super::{numbers, profit, verdicts};
use crate::report::{Decision, Detail, Period, Played, Verdict};
use jiff::Timestamp;
use serde::Serialize;

/// Periods of a walk forward that are shown, the last ones.
const MOST_PERIODS: usize = 31;

/// The figures of one pair.
#[derive(Serialize)]
pub(super) struct Money {
    /// CSS class and name of the verdict.
    class: &'static str,
    verdict: &'static str,
    why: Vec<String>,
    strategy: Option<String>,
    /// Name and value.
    facts: Vec<(&'static str, String)>,
    tables: Vec<Table>,
}

/// A small table of two columns.
#[derive(Serialize)]
struct Table {
    title: String,
    heads: [String; 2],
    rows: Vec<(String, String)>,
    /// A sentence below it.
    note: String,
}

impl Money {
    pub(super) fn new(detail: &Detail, rate: &Rate, undecided: bool) -> Money {
        let decision = &detail.decision;
        let mut facts = rates(decision, rate);
        if let Some(played) = &decision.strategy {
            facts.extend(did(played, decision, rate));
        }
        Money {
            class: match decision.verdict {
                Verdict::Recommended => "good",
                Verdict::Refused => "unsure",
                Verdict::Unsound => "bad",
            },
            verdict: if undecided { "not decided" } else { decision.verdict.name() },
            why: decision.why.iter().map(|why| numbers::name(why)).collect(),
            strategy: decision.strategy.as_ref().map(|played| strategy(played, rate)),
            facts,
            tables: tables(decision, rate),
        }
    }
}

/// Returns the strategy in a sentence.
fn strategy(played: &Played, rate: &Rate) -> String {
    let trade = &played.trade;
    format!(
        "{}: {}, enter at {} bp net, leave below {} bp, orders up to {}.",
        numbers::name(&trade.model),
        verdicts::direction(trade),
        numbers::tick(trade.entry_bps),
        numbers::tick(trade.exit_bps),
        rate.amount(trade.size_quote)
    )
}

/// Returns what the decision rests on.
fn rates(decision: &Decision, rate: &Rate) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let (Some(low), Some(mean), Some(high)) =
        (decision.per_day_low, decision.per_day, decision.per_day_high)
    {
        facts.push(("Would have earned (90 %)", rate.interval(low, mean, high)));
    }
    if let (Some(low), Some(high)) = (decision.next_day_low, decision.next_day_high) {
        let both = format!("{} to {}", numbers::figure(low), rate.amount(high));
        facts.push(("One day to come (90 %)", both));
    }
    if let (Some(held_out), Some(events)) = (decision.held_out_per_day, decision.held_out_events) {
        facts.push(("Held out", format!("{} in {events} events", rate.per_day(held_out))));
    }
    facts.push((
        "Events",
        format!(
            "{} in {:.1} live hours of {:.1} recorded",
            numbers::count(decision.events.into()),
            decision.live_hours,
            decision.recorded_hours
        ),
    ));
    if decision.per_day.is_some() {
        let tried = format!("{} (best of {})", numbers::figure(decision.q), decision.tried);
        facts.push(("Chance of luck, q", tried));
    }
    facts
}

/// Returns what the strategy did.
fn did(played: &Played, decision: &Decision, rate: &Rate) -> Vec<(&'static str, String)> {
    let known = |text: Option<String>| text.unwrap_or_else(|| numbers::UNKNOWN.to_owned());
    let share = |share: Option<f64>| known(share.map(numbers::percent));
    let held = if 0.0 < decision.recorded_hours {
        let of_all = numbers::percent(played.hours_held / decision.recorded_hours);
        format!("{:.1} h, {of_all} of the recorded time", played.hours_held)
    } else {
        format!("{:.1} h", played.hours_held)
    };
    let deals = format!(
        "{}, {} left something; {} closed by the end of a day",
        numbers::count(played.deals),
        share(played.won_share),
        numbers::count(played.day_ends)
    );
    let orders = format!(
        "{} still at what was decided on; {} missed, {} hedged",
        share(played.still_there_share),
        numbers::count(played.missed),
        numbers::count(played.hedged)
    );
    vec![
        ("Profit, all deals", rate.amount(played.profit)),
        ("Fees in it", rate.amount(played.fees)),
        ("Deals", deals),
        ("Orders", orders),
        ("Largest drawdown", rate.amount(played.drawdown)),
        ("Worst excursion", rate.amount(played.worst)),
        ("Time in position", held),
        (
            "Break-even fee",
            known(
                played.break_even_fee_bps.map(|bps| format!("{} bp a trade", numbers::figure(bps))),
            ),
        ),
    ]
}

fn tables(decision: &Decision, rate: &Rate) -> Vec<Table> {
    let mut tables = Vec::new();
    let profit = || format!("{} {}", rate.currency(), rate.time());
    if let Some(played) = &decision.strategy {
        let own = played.latencies.is_empty();
        let recorded = decision.recorded_hours;
        let own = (!own && 0.0 < recorded).then(|| played.profit * 24.0 / recorded);
        tables.push(Table {
            title: "Other fees".to_owned(),
            heads: ["Every taker fee".to_owned(), profit()],
            rows: profit::tiers(played, own, rate),
            note: String::new(),
        });
        tables.push(Table {
            title: "Maker on one leg".to_owned(),
            heads: ["No fee on".to_owned(), profit()],
            rows: played
                .maker
                .iter()
                .map(|(venue, of)| (numbers::name(venue), numbers::figure(rate.drawn(*of))))
                .collect(),
            note: "As a maker who is filled at the same prices might; whether he is, no recording tells."
                .to_owned(),
        });
    }
    tables.push(forward(decision, rate));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// Returns the walk forward.
fn forward(decision: &Decision, rate: &Rate) -> Table {
    let from = decision.forward.len().saturating_sub(MOST_PERIODS);
    let row = |of: &Period| {
        (format!("{} to {}", time(of.from_ns), time(of.to_ns)), numbers::figure(of.profit))
    };
    let sum: f64 = decision.forward.iter().map(|of| of.profit).sum();
    let mut note = format!("Together {}", rate.amount(sum));
    if let Some(best) = decision.best_in_hindsight {
        note.push_str(&format!("; the best strategy in hindsight: {}", rate.amount(best)));
    }
    note.push('.');
    Table {
        title: "Walking forward".to_owned(),
        heads: ["Chosen by all before".to_owned(), rate.currency().to_owned()],
        rows: decision.forward[from..].iter().map(row).collect(),
        note,
    }
}

/// Returns a time to the minute; midnight is a date alone.
fn time(ns: i64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(ns)).unwrap_or_default();
    let form = if ns.rem_euclid(86_400_000_000_000) == 0 { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
    time.strftime(form).to_string()
}
