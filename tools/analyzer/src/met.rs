//! Reads what the engine's decisions met: the deals of the journal in a lake, and when the approvals
//! were recorded.

use crate::input::bounds;
use crate::kernel::times::{Times, common, joined};
use crate::promised::{self, Deal, Deals};
use crate::report::{Problem, Promised};
use jiff::civil::Date;
use spreadwire_lake::completeness::{Interval, Known};
use spreadwire_lake::decisions::{self, FILE_NAME, Journal};
use spreadwire_lake::layout::TRADING;
use spreadwire_market::approved::{Approval, Approved};
use spreadwire_market::clock::Nanos;
use spreadwire_trading::entry::Event;
use std::collections::BTreeMap;
use std::path::Path;

/// Returns what was promised and met of each approval, in the analysed days, and what is wrong with the
/// journal. `table` is that of the lake's ledger.
#[must_use]
pub fn promised(
    lake: &Path,
    approved: &Approved,
    table: &[Interval],
    days: &[Date],
) -> (Vec<Promised>, Option<Problem>) {
    if approved.pairs.is_empty() {
        return (Vec::new(), None);
    }
    let (deals, problem) = match read(lake) {
        Ok(deals) => (deals.ok_or("the lake has no journal of decisions"), None),
        Err(problem) => (Err("the journal of decisions cannot be read"), Some(problem)),
    };
    let days = joined(days.iter().map(|day| bounds(*day)).collect());
    let held: Vec<_> = approved.pairs.iter().map(|it| (it, held(it, table, &days))).collect();
    (promised::rows(&held, deals.as_ref().map_err(|why| *why)), problem)
}

/// Returns when a pair was recorded in the analysed days while its approval held.
fn held(approval: &Approval, table: &[Interval], days: &[(i64, i64)]) -> Option<Times> {
    let recorded = recorded(table, approval.key())?;
    // An expiry may be written beyond what a time of a quote can be.
    let time = |time: Nanos| i64::try_from(time).unwrap_or(i64::MAX);
    let span = (time(approval.approved_at), time(approval.expires));
    Some(common(&common(&recorded, days), &[span]))
}

/// Returns when an engine recorded an instrument on both venues; `None` if the ledger does not know
/// one of them. `table` is that of the ledger.
fn recorded(table: &[Interval], (instrument, one, two): (&str, &str, &str)) -> Option<Times> {
    let both = [one, two].map(|venue| {
        let is_it = |of: &&Interval| of.venue == venue && of.instrument == instrument;
        let mut known = table.iter().filter(is_it).peekable();
        known.peek()?;
        let recorded = known.filter(|of| of.known == Known::Recorded);
        let times = recorded.map(|of| (of.from.cast_signed(), of.until.cast_signed()));
        Some(joined(times.collect()))
    });
    let [one, two] = both;
    Some(common(&one?, &two?))
}

/// Reads the deals of a lake; `None` if it has no journal.
fn read(lake: &Path) -> Result<Option<Deals>, Problem> {
    let path = lake.join(TRADING).join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let journal = decisions::read(&path).map_err(|error| Problem {
        subject: format!("{TRADING}/{FILE_NAME}"),
        what: format!("what was met is unknown: {error}"),
        left_out: false,
    })?;
    Ok(Some(deals(&journal)))
}

/// Returns the deals of a journal, in the order in which they were decided on.
#[must_use]
pub fn deals(journal: &Journal) -> Deals {
    let mut deals: BTreeMap<u64, Deal> = BTreeMap::new();
    for entry in &journal.entries {
        match &entry.event {
            Event::Decided(decided) => {
                let venue = |id| journal.catalogue.venue(id).name.clone();
                let deal = Deal {
                    instrument: journal.catalogue.instrument(decided.instrument).name.clone(),
                    buy: venue(decided.buy_venue),
                    sell: venue(decided.sell_venue),
                    decided: entry.ts.cast_signed(),
                    settled: None,
                };
                deals.insert(decided.deal, deal);
            }
            Event::Settled(settled) => {
                if let Some(deal) = deals.get_mut(&settled.deal) {
                    deal.settled = Some((settled.profit.to_f64(), settled.fees.to_f64()));
                }
            }
            Event::Funded { .. }
            | Event::Placed(_)
            | Event::Answered(_)
            | Event::Stage { .. }
            | Event::Halted(_)
            | Event::Resumed
            | Event::Adopted { .. }
            | Event::Capturable(_)
            | Event::Markout(_) => {}
        }
    }
    Deals {
        mode: journal.mode.name().to_owned(),
        currency: journal.settings.currency.to_string(),
        deals: deals.into_values().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Promise;
    use jiff::civil::date;
    use spreadwire_lake::decisions::{Decisions, Head};
    use spreadwire_market::clock::SECOND;
    use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
    use spreadwire_trading::amount::Amount;
    use spreadwire_trading::entry::{Decided, Entry, Outcome, Settled};
    use spreadwire_trading::gateway::Mode;
    use spreadwire_trading::order::{AssetName, Owner};
    use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
    use spreadwire_trading::terms::{Assets, FeeAsset, VenueTerms};

    const HOUR: Nanos = 3_600 * SECOND;
    const DAY: Nanos = 24 * HOUR;

    /// Settings of a trader that trades A for B on two venues.
    fn settings(catalogue: &Catalogue) -> Settings {
        let asset = |text| AssetName::new(text).unwrap();
        let mut assets = Assets::default();
        for name in ["A", "B"] {
            assets.intern(asset(name));
        }
        let venue = VenueTerms {
            tiers: Vec::new(),
            volume: Amount::ZERO,
            fee_asset: FeeAsset::Quote,
            orders_per_second: 1,
            max_age: 1,
        };
        let (most, venues) = (Amount::MAX, catalogue.venues.len());
        Settings {
            assets,
            currency: asset("B"),
            rates: vec![None, Some(1_000_000)],
            terms: vec![None; venues],
            venues: vec![venue; venues],
            sizes: vec![None; venues * venues],
            exits: vec![None; venues * venues],
            min_lifetime: 0,
            exit: Exit::Inventory,
            hedging: Hedging { policy: Hedge::Hold, band: 0.0, time_to_live: 0 },
            limits: Limits {
                order: most,
                instrument: most,
                venue: most,
                total: most,
                open_deals: 1,
                loss_per_day: most,
                drawdown: most,
                failures: 1,
                max_net: 1.0,
            },
            latencies: vec![0; venues],
            answer_timeout: 1,
        }
    }

    /// Writes the journal of a lake: deals with the time at which they were decided on and the profit
    /// of those that are over.
    fn trade(lake: &Path, deals: &[(Nanos, Option<&str>)]) {
        let draft = spreadwire_kit::catalogue::of(["A/B"], ["okx", "binance-usdm"]);
        let catalogue = draft.scales(2, 3).listed().build();
        let settings = settings(&catalogue);
        let owner = Owner::new("spread").unwrap();
        let head = Head::new(Mode::Paper, &owner, 5, &catalogue, &settings);
        let names = (&catalogue, &settings.assets);
        let path = lake.join(TRADING).join(FILE_NAME);
        let (mut decisions, _) = Decisions::open(&path, &head, names, |_| {}).unwrap();
        for (deal, (ts, profit)) in (1..).zip(deals) {
            let decided = Decided {
                deal,
                opportunity: deal,
                instrument: InstrumentId(0),
                buy_venue: VenueId(0),
                sell_venue: VenueId(1),
                buy_px: 1,
                sell_px: 2,
                sz: 1,
                net: 0.001,
                age: 0,
            };
            decisions.append(&[Entry { ts: *ts, event: Event::Decided(decided) }]).unwrap();
            let Some(profit) = profit else { continue };
            let settled = Settled {
                deal,
                outcome: Outcome::Done,
                failed: false,
                profit: Amount::parse(profit).unwrap(),
                fees: Amount::parse("0.25").unwrap(),
                sz: 1,
                residual: 0,
            };
            decisions.append(&[Entry { ts: ts + 1, event: Event::Settled(settled) }]).unwrap();
        }
    }

    fn interval(venue: &str, from: Nanos, until: Nanos, known: Known) -> Interval {
        let (venue, instrument) = (venue.to_owned(), "A/B".to_owned());
        let (cause, run) = (String::new(), "r".to_owned());
        Interval { venue, instrument, from, until, known, cause, run }
    }

    fn recorded(venue: &str, from: Nanos, until: Nanos) -> Interval {
        interval(venue, from, until, Known::Recorded)
    }

    #[test]
    fn a_pair_was_recorded_where_both_venues_were_and_an_unknown_venue_is_unknown() {
        let table = [
            interval("x", 0, 10, Known::Recorded),
            interval("x", 10, 12, Known::Outage),
            interval("x", 12, 20, Known::Recorded),
            interval("y", 5, 15, Known::Recorded),
            interval("y", 15, 20, Known::VenueDown),
            interval("z", 0, 20, Known::Imported),
        ];
        let of = |instrument, one, two| super::recorded(&table, (instrument, one, two));
        assert_eq!(of("A/B", "x", "y"), Some(vec![(5, 10), (12, 15)]));
        assert_eq!(of("A/B", "x", "z"), Some(Vec::new()), "no engine ran");
        assert_eq!(of("A/B", "x", "w"), None);
        assert_eq!(of("C/B", "x", "y"), None);
    }

    #[test]
    fn deals_of_the_journal_count_in_recorded_analysed_time_while_the_approval_held() {
        let lake = tempfile::tempdir().unwrap();
        let approval = Approval {
            instrument: "A/B".to_owned(),
            buy: "okx".to_owned(),
            sell: "binance-usdm".to_owned(),
            per_day_low: Some(20.0),
            per_day_high: Some(30.0),
            next_day_low: Some(18.0),
            next_day_high: Some(32.0),
            approved_at: DAY + 6 * HOUR,
            expires: DAY + 20 * HOUR,
            ..Approval::default()
        };
        let approved = Approved { pairs: vec![approval], ..Approved::default() };
        // Both venues were recorded from 2 to 18 h of the second day, so 12 h count.
        let table = [
            recorded("okx", DAY, 2 * DAY),
            recorded("binance-usdm", DAY + 2 * HOUR, DAY + 18 * HOUR),
        ];
        let days = [date(1970, 1, 2)];
        let (rows, problem) = promised(lake.path(), &approved, &table, &days);
        assert_eq!(problem, None);
        assert!(rows[0].words.contains("no journal of decisions"), "{rows:?}");
        trade(
            lake.path(),
            &[
                (DAY + 5 * HOUR, Some("100")), // before the approval
                (DAY + 7 * HOUR, Some("10.5")),
                (DAY + 8 * HOUR, Some("2")),
                (DAY + 9 * HOUR, None),
                (DAY + 21 * HOUR, Some("100")), // after its expiry
                (3 * DAY, Some("100")),         // on a day that is not analysed
            ],
        );
        let (rows, problem) = promised(lake.path(), &approved, &table, &days);
        assert_eq!(problem, None);
        let row = &rows[0];
        assert_eq!((row.deals, row.open_deals, row.profit, row.fees), (2, 1, 12.5, 0.5));
        assert_eq!((row.recorded_hours, row.met_per_day), (Some(12.0), Some(25.0)));
        assert_eq!(row.verdict, Promise::Within);
        assert_eq!((row.mode.as_deref(), row.currency.as_deref()), (Some("PAPER"), Some("B")));
        assert_eq!(row.approved_at, "1970-01-02T06:00:00Z");
        // On another day nothing was recorded.
        let (rows, _) = promised(lake.path(), &approved, &table, &[date(1970, 1, 1)]);
        assert_eq!((rows[0].verdict, rows[0].deals), (Promise::Unknown, 0));
        // A ledger that does not know the pair says nothing.
        let (rows, _) = promised(lake.path(), &approved, &table[..1], &days);
        assert_eq!((rows[0].recorded_hours, rows[0].met_per_day), (None, None));
        assert_eq!(promised(lake.path(), &Approved::default(), &table, &days), (Vec::new(), None));
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_a_problem_and_not_a_night_without_deals() {
        let lake = tempfile::tempdir().unwrap();
        trade(lake.path(), &[(7, Some("1"))]);
        let path = lake.path().join(TRADING).join(FILE_NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("settled", "sottled", 1)).unwrap();
        let approval = Approval {
            instrument: "A/B".to_owned(),
            buy: "x".to_owned(),
            sell: "y".to_owned(),
            ..Approval::default()
        };
        let approved = Approved { pairs: vec![approval], ..Approved::default() };
        let table = [recorded("x", 0, DAY), recorded("y", 0, DAY)];
        let (rows, problem) = promised(lake.path(), &approved, &table, &[]);
        assert_eq!((rows.len(), rows[0].met_per_day), (1, None));
        assert_eq!(rows[0].words, "the journal of decisions cannot be read");
        let problem = problem.unwrap();
        assert_eq!(
            (problem.subject.as_str(), problem.left_out),
            ("trading/decisions.jsonl", false)
        );
        assert!(problem.what.starts_with("what was met is unknown: "), "{}", problem.what);
    }
}
