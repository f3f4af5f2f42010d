//! Makes the report from the figures of all pairs: the cells that need all pairs, the order, and
//! the charts of the first pairs.

use crate::columns::{Column, Comparison, Source};
use crate::detail;
use crate::figures::{Figures, Pair};
use crate::judge::{self, Judged, Rules};
use crate::kept::Kept;
use crate::kernel::VenueTerms;
use crate::order::Order;
use crate::plan::Plan;
use crate::recorded::Recorded;
use crate::report::{Cell, Detail, FORMAT, Report, Venue, detail_files};
use crate::standing::is_row;
use crate::statistics::discovery_rate::benjamini_hochberg;
use spreadwire_market::spread::BPS;
use std::collections::BTreeSet;

/// Returns the report, except for what only the caller knows.
#[must_use]
pub fn report(
    plan: &Plan,
    columns: &[Column],
    recorded: &Recorded,
    (order, kept): (Order, &Kept),
    figures: Vec<Figures>,
) -> Report {
    let mut pairs = Vec::new();
    let mut problems = Vec::new();
    for mut of_instrument in figures {
        pairs.append(&mut of_instrument.pairs);
        problems.append(&mut of_instrument.problems);
    }
    decide(&mut pairs);
    compare_all(columns, &mut pairs);
    pairs.sort_by(|a, b| order.compare(a, b));
    let (first, others) = pairs.split_at(plan.arguments.top.min(pairs.len()));
    let approved = others.iter().filter(|pair| is_approved(pair, plan));
    let details = first.iter().chain(approved);
    let details: Vec<Detail> =
        details.map(|pair| detail::of(pair, &kept.sums(pair), &plan.settings, recorded)).collect();
    let venues = venues(plan, &pairs);
    let mut files = details.iter().zip(detail_files(&details)).peekable();
    let mut row = |pair: Pair| {
        let is_it = |(detail, _): &(&Detail, String)| {
            (&detail.instrument, &detail.exchange1, &detail.exchange2)
                == (&pair.instrument, &pair.one, &pair.two)
        };
        let file = files.next_if(is_it).map(|(_, file)| file);
        pair.row(file)
    };
    let pairs = pairs.into_iter().map(&mut row).collect();
    Report {
        format: FORMAT,
        settings: told(plan, &venues),
        venues,
        lake: plan.lake.display().to_string(),
        rank_by: plan.rank.clone(),
        undecided: !plan.settings.metrics.timed,
        columns: columns.iter().map(|column| column.about.clone()).collect(),
        details,
        pairs,
        recorded_hours: hours(recorded.total_ns()),
        problems,
        ..Report::default()
    }
}

/// Returns whether a pair is approved in one of its directions: it stays in the report whatever its
/// rank.
pub fn is_approved(pair: &Pair, plan: &Plan) -> bool {
    plan.approvals.pairs.iter().any(|approval| is_row(pair.key(), approval.key()))
}

/// Returns what was reckoned with at each venue of these pairs, in the order of names.
fn venues(plan: &Plan, pairs: &[Pair]) -> Vec<Venue> {
    let names: BTreeSet<&str> =
        pairs.iter().flat_map(|pair| [pair.one.as_str(), pair.two.as_str()]).collect();
    names.into_iter().map(|name| venue(name, plan.settings.of(name))).collect()
}

fn venue(name: &str, terms: VenueTerms) -> Venue {
    Venue {
        name: name.to_owned(),
        taker_fee_bps: (terms.taker_fee * BPS * 1e6).round() / 1e6,
        latency_ms: crate::facts::seconds(terms.latency_ns) * 1e3,
    }
}

/// Fills in the cells that need all pairs.
fn compare_all(columns: &[Column], pairs: &mut [Pair]) {
    let comparisons =
        columns.iter().enumerate().filter_map(|(place, column)| match column.source {
            Source::Across(comparison) => Some((place, comparison)),
            Source::Pair(_) => None,
        });
    let chances = over_all(pairs, |pair| pair.across.p_value, benjamini_hochberg);
    for (place, comparison) in comparisons.collect::<Vec<_>>() {
        let numbers = match comparison {
            Comparison::AdfQValue => chances.clone(),
            Comparison::LuckQValue => {
                pairs.iter().map(|pair| pair.across.judged.as_ref().map(|of| of.q)).collect()
            }
            Comparison::Verdict => {
                for pair in &mut *pairs {
                    pair.cells[place] = Cell::Text(pair.verdict().name().to_owned());
                }
                continue;
            }
            Comparison::Why => {
                for pair in &mut *pairs {
                    pair.cells[place] = Cell::Text(pair.why().join("; "));
                }
                continue;
            }
            Comparison::Reversion => {
                for (pair, chance) in pairs.iter_mut().zip(&chances) {
                    let verdict = pair.across.verdict.map(|verdict| verdict.given(*chance));
                    let text = verdict.map(|verdict| Cell::Text(verdict.name().to_owned()));
                    pair.cells[place] = text.unwrap_or(Cell::None);
                }
                continue;
            }
        };
        for (pair, value) in pairs.iter_mut().zip(numbers) {
            pair.cells[place] = value.map_or(Cell::None, Cell::Number);
        }
    }
}

/// Returns what a function of all known figures gives for each pair.
fn over_all(
    pairs: &[Pair],
    figure: impl Fn(&Pair) -> Option<f64>,
    compare: fn(&[f64]) -> Vec<f64>,
) -> Vec<Option<f64>> {
    let known: Vec<Option<f64>> = pairs.iter().map(figure).collect();
    let mut found = compare(&known.iter().copied().flatten().collect::<Vec<_>>()).into_iter();
    known.into_iter().map(|figure| figure.and_then(|_| found.next())).collect()
}

#[expect(clippy::cast_precision_loss, reason = "times are shown with fewer digits")]
fn hours(ns: u64) -> f64 {
    ns as f64 / 3_600e9
}

/// Judges all pairs together; those whose feeds cannot be trusted are not among them.
fn decide(pairs: &mut [Pair]) {
    let is_sound = |pair: &&mut Pair| pair.across.unsound.is_empty();
    let mut sound: Vec<&mut Judged> =
        pairs.iter_mut().filter(is_sound).filter_map(|pair| pair.across.judged.as_mut()).collect();
    judge::decide(&mut sound, &Rules::default());
}

/// Returns the settings of the analysis as text, with the terms of the venues that were analysed.
fn told(plan: &Plan, venues: &[Venue]) -> Vec<(String, String)> {
    let (settings, arguments) = (&plan.settings, &plan.arguments);
    let list = |of: Vec<String>| if of.is_empty() { "all".to_owned() } else { of.join(", ") };
    let date = |date: Option<jiff::civil::Date>| date.map_or("all".to_owned(), |d| d.to_string());
    let bps: Vec<String> = settings.thresholds_bps.iter().map(ToString::to_string).collect();
    let terms = |terms: VenueTerms| {
        let Venue { taker_fee_bps, latency_ms, .. } = venue("", terms);
        format!("fee {taker_fee_bps} bp, latency {latency_ms} ms")
    };
    let mut told = vec![
        ("from".to_owned(), date(plan.selection.from)),
        ("to".to_owned(), date(plan.selection.to)),
        ("venues".to_owned(), list(arguments.venues.clone())),
        ("instruments".to_owned(), list(arguments.instruments.clone())),
        ("max age".to_owned(), format!("{} s", arguments.max_age)),
        ("outlier".to_owned(), format!("{} % off", arguments.outlier)),
        ("thresholds".to_owned(), format!("{} bp net", bps.join(", "))),
        ("size of an order".to_owned(), format!("{} quote currency", settings.size)),
        ("sampling".to_owned(), format!("{} s, previous tick", arguments.sampling)),
        (
            "lags".to_owned(),
            format!("{} to either side, {} ms apart", arguments.lag_steps, arguments.lag_step),
        ),
    ];
    let (funding, borrow) = plan.carry.counts();
    let rates =
        |count: usize| if count == 0 { "none".to_owned() } else { format!("{count} rates") };
    let open: Vec<String> = settings.transfers.iter().cloned().collect();
    let open = if open.is_empty() { "no venue".to_owned() } else { open.join(", ") };
    told.extend([
        ("deals".to_owned(), format!("at most {} an hour", settings.play.deals_per_hour)),
        ("deposits and withdrawals said to be open".to_owned(), open),
        ("funding".to_owned(), rates(funding)),
        ("interest on what is borrowed".to_owned(), rates(borrow)),
    ]);
    if let Some(unit) = arguments.time_unit {
        told.push(("times as numbers in".to_owned(), format!("{unit:?}").to_lowercase()));
    }
    let is_analysed = |name: &str| venues.iter().any(|venue| venue.name == name);
    for (name, of) in settings.venues.iter().filter(|(name, _)| is_analysed(name)) {
        told.push((format!("venue {name}"), terms(*of)));
    }
    told.push(("other venues".to_owned(), terms(settings.others)));
    told
}
