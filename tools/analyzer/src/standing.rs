//! How approved pairs stand beside a new analysis: what a person must look at first.

use crate::report::{PairRow, Report, Standing, State};
use spreadwire_lake::layout;
use spreadwire_market::approved::{Approval, Approved};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::moment::time_to_text;
use spreadwire_market::recommendations::Recommendations;

/// An approval that expires within this time is to be looked at.
const SOON: Nanos = 86_400 * SECOND;

/// An analysis to compare with.
#[derive(Clone, Copy, Debug)]
pub struct Analysis<'a> {
    /// What it recommends.
    pub recommended: &'a Recommendations,
    /// Its report, which says what was refused and why; `None` if it cannot be read.
    pub report: Option<&'a Report>,
}

/// Returns how each approval stands at `now`, ns since 1970 UTC. Without an analysis, only what has
/// expired is known.
#[must_use]
pub fn of(approved: &Approved, analysis: Option<Analysis<'_>>, now: Nanos) -> Vec<Standing> {
    approved.pairs.iter().map(|approval| one(approval, analysis, now)).collect()
}

fn one(approval: &Approval, analysis: Option<Analysis<'_>>, now: Nanos) -> Standing {
    let (state, why) = if approval.expires <= now {
        (State::Expired, "approve it again, or revoke it".to_owned())
    } else {
        match analysis {
            Some(analysis) => analysis.state(approval),
            None => (State::Unknown, "there is no analysis to compare with".to_owned()),
        }
    };
    Standing {
        instrument: approval.instrument.clone(),
        buy: approval.buy.clone(),
        sell: approval.sell.clone(),
        state,
        why,
        entry_bps: approval.entry_bps,
        approved_by: approval.approved_by.clone(),
        expires: time_to_text(approval.expires),
        expires_soon: now < approval.expires && approval.expires <= now.saturating_add(SOON),
    }
}

impl Analysis<'_> {
    fn state(&self, approval: &Approval) -> (State, String) {
        let Some(pair) = self.recommended.pair(approval.key()) else {
            return self.why_not(approval.key());
        };
        let (entry, min, max) = (approval.entry_bps, pair.entry_bps_min, pair.entry_bps_max);
        if min <= entry && entry <= max {
            return (State::Recommended, pair.reason.clone());
        }
        let why = format!("its entry, {entry} bp, is outside the new bounds, {min} to {max} bp");
        (State::OutOfBounds, why)
    }

    /// Says why a pair is not recommended.
    #[must_use]
    pub fn why_not(&self, (instrument, buy, sell): (&str, &str, &str)) -> (State, String) {
        if self.recommended.pair((instrument, sell, buy)).is_some() {
            let why = "it is recommended the other way round only".to_owned();
            return (State::Refused, why);
        }
        let Some(report) = self.report else {
            return (State::Refused, "there is no report beside it that says why".to_owned());
        };
        let key = (instrument, buy, sell);
        let is_it = |row: &&PairRow| is_row((&row.instrument, &row.exchange1, &row.exchange2), key);
        match report.pairs.iter().find(is_it) {
            Some(row) => (State::Refused, row.why.join("; ")),
            None => (State::Gone, "the analysed lake does not have it".to_owned()),
        }
    }
}

/// Returns whether a row of the ranking, by its instrument and the folders of its venues, is that of a pair,
/// by the names of its venues, in either direction.
#[must_use]
pub fn is_row(row: (&str, &str, &str), (instrument, buy, sell): (&str, &str, &str)) -> bool {
    let (of, one, two) = row;
    if of != instrument {
        return false;
    }
    let [buy, sell] = [buy, sell].map(folder);
    (one, two) == (&*buy, &*sell) || (one, two) == (&*sell, &*buy)
}

/// Returns the name of a venue's folders in the lake.
fn folder(venue: &str) -> String {
    layout::venue_folder(venue).unwrap_or_else(|_| venue.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::recommendations::{FORMAT, Pair};

    const NOW: Nanos = 1_000_000 * SECOND;

    fn approval(instrument: &str, buy: &str, sell: &str) -> Approval {
        let [instrument, buy, sell] = [instrument, buy, sell].map(str::to_owned);
        Approval { instrument, buy, sell, entry_bps: 5.0, expires: 2 * NOW, ..Approval::default() }
    }

    fn recommendations() -> Recommendations {
        let pair = |instrument: &str, buy: &str, sell: &str, min: f64, max: f64| Pair {
            instrument: instrument.to_owned(),
            buy: buy.to_owned(),
            sell: sell.to_owned(),
            entry_bps_min: min,
            entry_bps_max: max,
            reason: "It pays.".to_owned(),
            ..Pair::default()
        };
        let pairs = vec![
            pair("A/B", "okx", "binance", 3.0, 5.0),
            pair("A/B", "okx", "binance-usdm", 5.5, 9.0),
        ];
        Recommendations { format: FORMAT, pairs, ..Recommendations::default() }
    }

    fn report() -> Report {
        let row = |instrument: &str, one: &str, two: &str, why: &str| {
            let [instrument, exchange1, exchange2] = [instrument, one, two].map(str::to_owned);
            let why = vec![why.to_owned(), "Luck.".to_owned()];
            PairRow { instrument, exchange1, exchange2, why, ..PairRow::default() }
        };
        let rows = [
            row("C/B", "binance_usdm", "okx", "Only 3 orders."),
            row("D/B", "binance", "okx", "It lost."),
        ];
        Report { pairs: rows.into(), ..Report::default() }
    }

    #[test]
    fn each_approval_stands_as_the_analysis_says() {
        let (recommended, report) = (recommendations(), report());
        let analysis = Analysis { recommended: &recommended, report: Some(&report) };
        for (approval, state, why) in [
            (approval("A/B", "okx", "binance"), State::Recommended, "It pays."),
            (
                approval("A/B", "okx", "binance-usdm"),
                State::OutOfBounds,
                "its entry, 5 bp, is outside the new bounds, 5.5 to 9 bp",
            ),
            (approval("A/B", "binance", "okx"), State::Refused, "the other way round only"),
            (approval("C/B", "binance-usdm", "okx"), State::Refused, "Only 3 orders.; Luck."),
            (approval("C/B", "okx", "binance-usdm"), State::Refused, "Only 3 orders."),
            (approval("D/B", "okx", "binance"), State::Refused, "It lost."),
            (approval("D/B", "okx", "kraken"), State::Gone, "does not have it"),
            (approval("E/B", "okx", "binance"), State::Gone, "does not have it"),
        ] {
            let approved = Approved { pairs: vec![approval], ..Approved::default() };
            let found = of(&approved, Some(analysis), NOW).remove(0);
            assert_eq!(found.state, state, "{found:?}");
            assert!(found.why.contains(why), "{found:?}");
            assert!(!found.expires_soon);
            let without = of(&approved, None, NOW).remove(0);
            assert_eq!(without.state, State::Unknown);
        }
    }

    #[test]
    fn what_has_expired_or_soon_will_is_said() {
        let recommended = recommendations();
        let analysis = Some(Analysis { recommended: &recommended, report: None });
        for (expires, state, soon) in [
            (NOW - 1, State::Expired, false),
            (NOW, State::Expired, false),
            (NOW + 1, State::Recommended, true),
            (NOW + SOON, State::Recommended, true),
            (NOW + SOON + 1, State::Recommended, false),
        ] {
            let approval = Approval { expires, ..approval("A/B", "okx", "binance") };
            let approved = Approved { pairs: vec![approval], ..Approved::default() };
            let found = of(&approved, analysis, NOW).remove(0);
            assert_eq!((found.state, found.expires_soon), (state, soon));
        }
    }
}
