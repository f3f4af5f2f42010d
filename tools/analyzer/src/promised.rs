//! What was promised of each approved pair, beside what the engine's decisions met.
//!
//! The promise is the profit per day, with its interval, that a pair was approved on. Met is what its
//! deals earned after fees, per day of the time that was recorded for both venues while the approval
//! held. It is compared with the interval of as much time to come: that of one day, which is wider than
//! that of the mean, brought to the time. Pure functions; `met` reads what they need.

use crate::kernel::profile::HOUR;
use crate::kernel::times::{Times, has, length};
use crate::report::{Promise, Promised};
use spreadwire_market::approved::Approval;
use spreadwire_market::moment::time_to_text;

/// With less recorded time, hours, there is no profit per day to compare with the promise.
const HOURS_LEAST: f64 = 1.0;

/// A deal of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Deal {
    /// Canonical name.
    pub instrument: String,
    /// Venue to buy on.
    pub buy: String,
    /// Venue to sell on.
    pub sell: String,
    /// When it was decided on, ns since 1970 UTC.
    pub decided: i64,
    /// Profit after fees, and the fees; `None` while it is open.
    pub settled: Option<(f64, f64)>,
}

/// The deals of a journal of decisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deals {
    /// Who executed: `PAPER`, `SIM` or `LIVE`.
    pub mode: String,
    /// Currency of profits and fees.
    pub currency: String,
    /// The deals, in the order of the journal.
    pub deals: Vec<Deal>,
}

/// An approval, with the time that was recorded for both venues while it held, in the analysed period;
/// `None` where the ledger does not say.
pub type Held<'a> = (&'a Approval, Option<Times>);

/// Returns a row for each approval. Deals count that were decided on in one of its spans. Without a
/// `journal` there is nothing to compare, and the words say why.
#[must_use]
pub fn rows(held: &[Held<'_>], journal: Result<&Deals, &str>) -> Vec<Promised> {
    held.iter().map(|(approval, spans)| row(approval, spans.as_deref(), journal)).collect()
}

fn row(
    approval: &Approval,
    spans: Option<&[(i64, i64)]>,
    journal: Result<&Deals, &str>,
) -> Promised {
    let mut row = Promised {
        instrument: approval.instrument.clone(),
        buy: approval.buy.clone(),
        sell: approval.sell.clone(),
        approved_by: approval.approved_by.clone(),
        approved_at: time_to_text(approval.approved_at),
        per_day: approval.per_day,
        per_day_low: approval.per_day_low,
        per_day_high: approval.per_day_high,
        ..Promised::default()
    };
    let Some(spans) = spans else {
        "the ledger does not say when both venues were recorded".clone_into(&mut row.words);
        return row;
    };
    let hours = hours(length(spans));
    row.recorded_hours = Some(hours);
    let journal = match journal {
        Ok(journal) => journal,
        Err(why) => {
            why.clone_into(&mut row.words);
            return row;
        }
    };
    row.mode = Some(journal.mode.clone());
    row.currency = Some(journal.currency.clone());
    for deal in journal.deals.iter().filter(|deal| is_of(deal, approval, spans)) {
        match deal.settled {
            Some((profit, fees)) => {
                row.deals += 1;
                row.profit += profit;
                row.fees += fees;
            }
            None => row.open_deals += 1,
        }
    }
    if HOURS_LEAST <= hours {
        row.met_per_day = Some(row.profit / hours * 24.0);
        let expected = expected(approval, hours / 24.0);
        (row.expected_low, row.expected_high) = expected.unzip();
    }
    (row.verdict, row.words) = verdict(&row, hours);
    row
}

fn is_of(deal: &Deal, approval: &Approval, spans: &[(i64, i64)]) -> bool {
    (deal.instrument.as_str(), deal.buy.as_str(), deal.sell.as_str()) == approval.key()
        && has(spans, deal.decided)
}

/// Returns the interval of the profit per day of so many days to come. An approval states that of one
/// day and that of the mean: the mean is no better known after more days, and the scatter of the days
/// about it shrinks with the root of their number.
fn expected(approval: &Approval, days: f64) -> Option<(f64, f64)> {
    let (low, high) = approval.next_day_low.zip(approval.next_day_high)?;
    let (middle, of_day) = (0.5 * (low + high), 0.5 * (high - low));
    let mean = approval.per_day_low.zip(approval.per_day_high);
    let of_mean = mean.map_or(0.0, |(low, high)| 0.5 * (high - low)).min(of_day);
    let scatter = (of_day * of_day - of_mean * of_mean) / days;
    let half = (of_mean * of_mean + scatter).sqrt();
    Some((middle - half, middle + half))
}

/// Compares what was met with the promise.
fn verdict(row: &Promised, hours: f64) -> (Promise, String) {
    if hours <= 0.0 {
        return (Promise::Unknown, "nothing was recorded while the approval held".to_owned());
    }
    let s = if row.deals == 1 { "" } else { "s" };
    let mut words = format!("over {hours:.1} h and {} deal{s}", row.deals);
    if 0 < row.open_deals {
        words.push_str(&format!(", {} still open", row.open_deals));
    }
    let Some(met) = row.met_per_day else {
        let words = format!("profit {:.2} {words}: too little time to compare", row.profit);
        return (Promise::Unknown, words);
    };
    let words = format!("met {met:.2} a day {words}");
    let (Some(low), Some(high)) = (row.expected_low, row.expected_high) else {
        return (Promise::Unknown, words + "; the approval states no interval");
    };
    let (verdict, where_it_is) = if met < low {
        (Promise::Below, "below")
    } else if high < met {
        (Promise::Above, "above")
    } else {
        (Promise::Within, "within")
    };
    let words =
        format!("{words}: {where_it_is} the {low:.2} to {high:.2} to be expected of {hours:.1} h");
    (verdict, words)
}

#[expect(clippy::cast_precision_loss, reason = "a time for display and a rate")]
fn hours(time: u64) -> f64 {
    time as f64 / HOUR as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval() -> Approval {
        Approval {
            instrument: "BTC/USDT".to_owned(),
            buy: "okx".to_owned(),
            sell: "binance".to_owned(),
            per_day: Some(12.0),
            per_day_low: Some(8.0),
            per_day_high: Some(16.0),
            next_day_low: Some(7.0),
            next_day_high: Some(17.0),
            ..Approval::default()
        }
    }

    fn deal(decided: i64, settled: Option<(f64, f64)>) -> Deal {
        let (instrument, buy, sell) = ("BTC/USDT".into(), "okx".into(), "binance".into());
        Deal { instrument, buy, sell, decided, settled }
    }

    fn journal(deals: Vec<Deal>) -> Deals {
        Deals { mode: "PAPER".to_owned(), currency: "USDT".to_owned(), deals }
    }

    fn one(spans: Option<Times>, journal: Result<&Deals, &str>) -> Promised {
        rows(&[(&approval(), spans)], journal).remove(0)
    }

    #[test]
    fn what_was_met_is_per_day_of_the_recorded_time_of_the_approval() {
        // Six hours in two spans: 3 is 12 a day.
        let spans = vec![(0, 4 * HOUR), (10 * HOUR, 12 * HOUR)];
        let mut deals = vec![
            deal(0, Some((2.0, 0.5))),
            deal(10 * HOUR, Some((1.0, 0.25))),
            // Neither in a span: the end of one is outside.
            deal(4 * HOUR, Some((100.0, 1.0))),
            deal(12 * HOUR, Some((100.0, 1.0))),
            deal(11 * HOUR, None),
        ];
        // Other pairs: the other way round, and another instrument.
        let other = deals[0].clone();
        deals.push(Deal { buy: "binance".into(), sell: "okx".into(), ..other.clone() });
        deals.push(Deal { instrument: "ETH/USDT".into(), ..other });
        let row = one(Some(spans), Ok(&journal(deals)));
        assert_eq!((row.deals, row.open_deals, row.profit, row.fees), (2, 1, 3.0, 0.75));
        assert_eq!((row.recorded_hours, row.met_per_day), (Some(6.0), Some(12.0)));
        assert_eq!(row.verdict, Promise::Within);
        let words = "met 12.00 a day over 6.0 h and 2 deals, 1 still open: within the 4.79 to 19.21 \
                     to be expected of 6.0 h";
        assert_eq!(row.words, words);
    }

    #[test]
    fn the_interval_decides_and_its_ends_belong_to_it() {
        for (profit, verdict, words) in [
            (6.99, Promise::Below, "below the 7.00 to 17.00"),
            (7.0, Promise::Within, "within the 7.00 to 17.00"),
            (17.0, Promise::Within, "within the 7.00 to 17.00"),
            (17.01, Promise::Above, "above the 7.00 to 17.00"),
            (-3.0, Promise::Below, "met -3.00 a day"),
        ] {
            let deals = journal(vec![deal(1, Some((profit, 0.0)))]);
            let row = one(Some(vec![(0, 24 * HOUR)]), Ok(&deals));
            assert_eq!(row.verdict, verdict, "{profit}");
            assert!(row.words.contains(words), "{}", row.words);
        }
        // A day without a deal is a day below the promise.
        let row = one(Some(vec![(0, 24 * HOUR)]), Ok(&journal(Vec::new())));
        assert_eq!((row.verdict, row.met_per_day), (Promise::Below, Some(0.0)));
    }

    #[test]
    fn more_days_scatter_less_and_the_mean_is_no_better_known() {
        // Half of the interval of the mean is 4, that of a day is 5: a day scatters by 3.
        for (days, low, high) in
            [(1.0, 7.0, 17.0), (0.25, 12.0 - 52_f64.sqrt(), 12.0 + 52_f64.sqrt())]
        {
            assert_eq!(expected(&approval(), days), Some((low, high)), "{days}");
        }
        let (low, high) = expected(&approval(), 1e9).unwrap();
        assert!((low - 8.0).abs() < 1e-6 && (high - 16.0).abs() < 1e-6, "{low} {high}");
        // Without an interval of the mean, all is scatter.
        let alone = Approval { per_day_low: None, ..approval() };
        assert_eq!(expected(&alone, 4.0), Some((9.5, 14.5)));
        // A mean that is less certain than a day takes nothing from the day.
        let odd = Approval { per_day_low: Some(0.0), per_day_high: Some(24.0), ..approval() };
        assert_eq!(expected(&odd, 4.0), Some((7.0, 17.0)));
    }

    #[test]
    fn what_cannot_be_compared_is_said_and_not_guessed() {
        let empty = journal(Vec::new());
        let day = Some(vec![(0, 24 * HOUR)]);
        for (spans, journal, words) in [
            (None, Ok(&empty), "the ledger does not say"),
            (day.clone(), Err("there is no journal"), "there is no journal"),
            (Some(Vec::new()), Ok(&empty), "nothing was recorded"),
            (Some(vec![(0, HOUR / 2)]), Ok(&empty), "over 0.5 h and 0 deals: too little time"),
        ] {
            let row = one(spans, journal);
            assert_eq!(row.verdict, Promise::Unknown);
            assert!(row.words.contains(words), "{}", row.words);
        }
        let without = Approval { next_day_low: None, ..approval() };
        let row = rows(&[(&without, day)], Ok(&empty)).remove(0);
        assert_eq!((row.verdict, row.met_per_day), (Promise::Unknown, Some(0.0)));
        assert!(row.words.ends_with("the approval states no interval"), "{}", row.words);
    }
}
