//! What a journal of decisions says: profits by pair and venue, what was captured, where prices went after
//! fills, balances, and the transfers that would mend their skew.
//!
//! Everything is computed from the entries. Positions that are open are marked at the last trade of their
//! instrument on their venue.

use serde_json::{Value, json};
use spreadwire_lake::decisions::Journal;
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::escape::escape;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::spread::BPS;
use spreadwire_trading::amount::{Amount, Rounding};
use spreadwire_trading::desk::Desk;
use spreadwire_trading::entry::{Decided, Event, Outcome, Settled};
use spreadwire_trading::order::{Answer, AssetName, Fill, Order};
use spreadwire_trading::tally::{CAPTURES, MARKOUTS, Tally};
use spreadwire_trading::terms::AssetId;
use std::collections::{BTreeMap, BTreeSet};

/// A share of a whole, in millionths.
const WHOLE: i64 = 1_000_000;

/// What the deals of a pair came to.
#[derive(Clone, Debug, Default)]
struct OfPair {
    deals: u64,
    outcomes: [u64; Outcome::ALL.len()],
    failed: u64,
    profit: Amount,
    fees: Amount,
}

/// What the orders at a venue came to.
#[derive(Clone, Debug, Default)]
struct OfVenue {
    orders: u64,
    fills: u64,
    rejected: u64,
    unknown: u64,
    /// Notional, in the currency of the books.
    volume: Amount,
    /// By asset.
    fees: BTreeMap<AssetName, Amount>,
}

type Pair = (InstrumentId, VenueId, VenueId);

/// Sums over the entries.
#[derive(Default)]
struct Sums {
    deals: BTreeMap<u64, Decided>,
    orders: BTreeMap<u64, Order>,
    trades: BTreeSet<(VenueId, InstrumentId, String)>,
    pairs: BTreeMap<Pair, OfPair>,
    venues: BTreeMap<VenueId, OfVenue>,
    last: BTreeMap<(InstrumentId, VenueId), i64>,
}

/// A transfer that brings balances closer to the shares that they began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Index of the venue to take from.
    pub from: usize,
    /// Index of the venue to bring to.
    pub to: usize,
    /// How much.
    pub amount: Amount,
}

/// Returns the report of a journal.
#[must_use]
pub fn report(journal: &Journal) -> Value {
    let mut desk = Desk::new(journal.settings.clone(), 1);
    let mut sums = Sums::default();
    for entry in &journal.entries {
        desk.apply(entry);
        sums.add(&entry.event, &desk);
    }
    let (first, last) = (journal.entries.first(), journal.entries.last());
    let halts: Vec<&str> = desk.halts().map(|halt| halt.name()).collect();
    json!({
        "mode": journal.mode.name(), "owner": journal.owner, "runs": journal.runs.len(),
        "entries": journal.entries.len(),
        "from_ts": first.map(|entry| entry.ts), "to_ts": last.map(|entry| entry.ts),
        "currency": journal.settings.currency,
        "profit": profit(&desk, &sums),
        "orders": orders(&desk.tally),
        "deals": outcomes(&desk.tally.outcomes, desk.tally.decided, desk.tally.failed),
        "halts": halts,
        "pairs": sums.pairs.iter().map(|(pair, it)| of_pair(pair, it, journal)).collect::<Vec<_>>(),
        "venues": sums.venues.iter().map(|(id, it)| of_venue(*id, it, journal)).collect::<Vec<_>>(),
        "capturable": capturable(&desk.tally),
        "markouts": markouts(&desk.tally),
        "balances": balances(&desk, journal),
    })
}

impl Sums {
    fn add(&mut self, event: &Event, desk: &Desk) {
        match event {
            Event::Decided(decided) => {
                self.deals.insert(decided.deal, *decided);
                self.pair(decided).deals += 1;
            }
            Event::Placed(order) => {
                self.orders.insert(order.id.0, *order);
                self.venues.entry(order.venue).or_default().orders += 1;
            }
            Event::Answered(answer) => self.answer(answer, desk),
            Event::Settled(settled) => self.settled(settled),
            Event::Funded { .. }
            | Event::Stage { .. }
            | Event::Halted(_)
            | Event::Resumed
            | Event::Adopted { .. }
            | Event::Capturable(_)
            | Event::Markout(_) => {}
        }
    }

    fn pair(&mut self, decided: &Decided) -> &mut OfPair {
        let pair = (decided.instrument, decided.buy_venue, decided.sell_venue);
        self.pairs.entry(pair).or_default()
    }

    fn answer(&mut self, answer: &Answer, desk: &Desk) {
        match answer {
            Answer::Filled(fill) => self.filled(fill, desk),
            Answer::Rejected { id, .. } => {
                if let Some(order) = self.orders.get(&id.0) {
                    self.venues.entry(order.venue).or_default().rejected += 1;
                }
            }
            Answer::Unknown { id } => {
                if let Some(order) = self.orders.get(&id.0) {
                    self.venues.entry(order.venue).or_default().unknown += 1;
                }
            }
            Answer::Acked { .. }
            | Answer::Done { .. }
            | Answer::Balance { .. }
            | Answer::Reconciled { .. }
            | Answer::Connection { .. } => {}
        }
    }

    fn filled(&mut self, fill: &Fill, desk: &Desk) {
        let trade = (fill.venue, fill.instrument, fill.trade.as_str().to_owned());
        if !self.trades.insert(trade) {
            return;
        }
        self.last.insert((fill.instrument, fill.venue), fill.px);
        let of = self.venues.entry(fill.venue).or_default();
        of.fills += 1;
        *of.fees.entry(fill.fee_asset).or_default() += fill.fee;
        let settings = &desk.settings;
        if let Some(terms) = settings.terms(fill.instrument, fill.venue) {
            let notional = terms.notional(fill.px, fill.sz, fill.side);
            let value = settings.value(notional, terms.quote, Rounding::Down);
            of.volume += value.unwrap_or_default();
        }
    }

    fn settled(&mut self, settled: &Settled) {
        let Some(decided) = self.deals.get(&settled.deal).copied() else { return };
        let of = self.pair(&decided);
        of.outcomes[usize::from(settled.outcome.code())] += 1;
        of.failed += u64::from(settled.failed);
        of.profit += settled.profit;
        of.fees += settled.fees;
    }
}

/// Returns realised and marked profit.
fn profit(desk: &Desk, sums: &Sums) -> Value {
    let marked = desk.deals().iter().filter_map(|deal| {
        let mark = |venue: VenueId, px| {
            sums.last.get(&(deal.decided.instrument, venue)).copied().unwrap_or(px)
        };
        desk.profit_of(deal, deal.legs.map(|leg| mark(leg.venue, leg.px)))
    });
    let marked: Amount = marked.sum();
    json!({
        "realised": desk.profit(), "marked": marked, "total": desk.profit() + marked,
        "fees": desk.tally.fees, "peak": desk.tally.peak, "drawdown": desk.tally.drawdown,
        "open_deals": desk.deals().len(), "deals_gained": desk.tally.gained,
    })
}

fn orders(tally: &Tally) -> Value {
    json!({
        "placed": tally.orders, "filled_whole": tally.filled_whole,
        "filled_none": tally.filled_none, "rejected": tally.rejected, "unknown": tally.unknown,
        "fills": tally.fills, "fills_told_again": tally.doubled, "fills_late": tally.late,
    })
}

fn outcomes(counts: &[u64; Outcome::ALL.len()], decided: u64, failed: u64) -> Value {
    let mut of = json!({"decided": decided, "failed": failed});
    for (outcome, count) in Outcome::ALL.into_iter().zip(counts) {
        of[outcome.name()] = json!(count);
    }
    of
}

fn of_pair((instrument, buy, sell): &Pair, it: &OfPair, journal: &Journal) -> Value {
    let catalogue = &journal.catalogue;
    json!({
        "instrument": catalogue.instrument(*instrument).name,
        "buy": catalogue.venue(*buy).name, "sell": catalogue.venue(*sell).name,
        "deals": outcomes(&it.outcomes, it.deals, it.failed),
        "profit": it.profit, "fees": it.fees,
    })
}

fn of_venue(id: VenueId, it: &OfVenue, journal: &Journal) -> Value {
    let fees: serde_json::Map<String, Value> =
        it.fees.iter().map(|(asset, fee)| (asset.as_str().to_owned(), json!(fee))).collect();
    json!({
        "venue": journal.catalogue.venue(id).name, "orders": it.orders, "fills": it.fills,
        "rejected": it.rejected, "unknown": it.unknown, "volume": it.volume, "fees": fees,
    })
}

/// Returns a time after something as people write it; 0 stands for the configured latency.
fn after(after: Nanos) -> String {
    if after == 0 { "latency".to_owned() } else { format!("{} ms", after / MILLI) }
}

fn capturable(tally: &Tally) -> Vec<Value> {
    let rows = CAPTURES.into_iter().zip(&tally.captured);
    rows.map(|(time, it)| {
        json!({
            "after": after(time), "opportunities": it.seen, "unseen": it.unseen,
            "some": it.some, "all": it.all,
            "mean_share": (0 < it.seen).then(|| it.share()),
        })
    })
    .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a count of fills")]
fn markouts(tally: &Tally) -> Vec<Value> {
    let rows = MARKOUTS.into_iter().zip(&tally.marked);
    rows.map(|(time, it)| {
        json!({
            "after": after(time), "fills": it.seen, "unseen": it.unseen,
            "mean_bps": (0 < it.seen).then(|| it.gains / it.seen as f64 * BPS),
        })
    })
    .collect()
}

/// Returns, for each asset, what is where, how far that is from where it began, and what would mend it.
fn balances(desk: &Desk, journal: &Journal) -> Vec<Value> {
    let assets = &desk.settings.assets;
    let venues: Vec<VenueId> =
        (0..=u8::MAX).map(VenueId).take(journal.catalogue.venues.len()).collect();
    let mut rows = Vec::new();
    for asset in assets.ids() {
        let of = |venue: &VenueId| *desk.books.account(*venue, asset);
        let accounts: Vec<_> = venues.iter().map(of).collect();
        if accounts.iter().all(|account| *account == Default::default()) {
            continue;
        }
        let begun: Vec<Amount> = accounts.iter().map(|it| it.funded + it.adopted).collect();
        let now: Vec<Amount> = accounts.iter().map(|it| it.balance()).collect();
        let name = |venue: usize| &journal.catalogue.venues[venue].name;
        let at = venues.iter().enumerate().map(|(venue, _)| {
            json!({
                "venue": name(venue), "began_with": begun[venue], "balance": now[venue],
                "traded": accounts[venue].traded, "fees": accounts[venue].fees,
            })
        });
        let mends: Vec<Value> = if is_position(desk, asset) {
            Vec::new()
        } else {
            let all = transfers(&begun, &now).into_iter();
            all.map(|it| json!({"from": name(it.from), "to": name(it.to), "amount": it.amount}))
                .collect()
        };
        rows.push(json!({
            "asset": assets.name(asset), "total": now.iter().copied().sum::<Amount>(),
            "began_with": begun.iter().copied().sum::<Amount>(),
            "skew": skew(&begun, &now), "venues": at.collect::<Vec<_>>(), "transfers": mends,
        }));
    }
    rows
}

/// Returns whether an asset is a position, which cannot be sent to another venue.
fn is_position(desk: &Desk, asset: AssetId) -> bool {
    let terms = desk.settings.terms.iter().flatten();
    terms
        .filter(|terms| terms.base == asset)
        .any(|terms| terms.settlement == spreadwire_trading::terms::Settlement::Position)
}

/// Returns what each venue would hold if the total now had the shares of the beginning. The sum is the
/// total, exactly.
fn targets(begun: &[Amount], now: &[Amount]) -> Vec<Amount> {
    let total: Amount = now.iter().copied().sum();
    let whole: Amount = begun.iter().copied().sum();
    let unit = whole.units() / i128::from(WHOLE);
    let mut left = total;
    let mut targets: Vec<Amount> = begun
        .iter()
        .map(|begun| {
            let share = if unit == 0 { 0 } else { begun.units() / unit };
            let share = i64::try_from(share).unwrap_or(WHOLE).clamp(0, WHOLE);
            let target = total.times(share, Rounding::Down);
            left -= target;
            target
        })
        .collect();
    // What the rounding of shares left over stays where most is.
    let most = (0..now.len()).max_by_key(|venue| now[*venue]);
    if let Some(most) = most {
        targets[most] += left;
    }
    targets
}

/// Returns how much of an asset is on another venue than its share of the beginning says, 0 to 1.
fn skew(begun: &[Amount], now: &[Amount]) -> f64 {
    let total: Amount = now.iter().copied().sum();
    if total <= Amount::ZERO {
        return 0.0;
    }
    let targets = targets(begun, now);
    let apart = now.iter().zip(&targets).map(|(now, target)| (*now - *target).max(Amount::ZERO));
    apart.sum::<Amount>().to_f64() / total.to_f64()
}

/// Returns transfers after which each venue holds the share that it began with. What is a hundred
/// thousandth of the total or less stays where it is.
#[must_use]
pub fn transfers(begun: &[Amount], now: &[Amount]) -> Vec<Transfer> {
    let total: Amount = now.iter().copied().sum();
    let least = total.abs().times(10, Rounding::Up);
    let targets = targets(begun, now);
    let mut apart: Vec<Amount> = now.iter().zip(&targets).map(|(now, it)| *now - *it).collect();
    let mut transfers = Vec::new();
    // Each round ends a surplus or a lack.
    for _ in 0..2 * apart.len() {
        let places = 0..apart.len();
        let from = places.clone().max_by_key(|place| apart[*place]);
        let to = places.min_by_key(|place| apart[*place]);
        let (Some(from), Some(to)) = (from, to) else { break };
        let amount = apart[from].min(-apart[to]);
        if amount <= least {
            break;
        }
        apart[from] -= amount;
        apart[to] += amount;
        transfers.push(Transfer { from, to, amount });
    }
    transfers
}

/// Returns a report for people.
#[must_use]
pub fn text(report: &Value) -> String {
    let (mode, currency) = (word(&report["mode"]), word(&report["currency"]));
    let profit = &report["profit"];
    let mut lines = vec![
        format!(
            "{mode} {}: {} entries of {} runs",
            word(&report["owner"]),
            report["entries"],
            report["runs"]
        ),
        format!(
            "profit {} {currency}: {} realised, {} marked; fees {}; peak {}, drawdown {}",
            word(&profit["total"]),
            word(&profit["realised"]),
            word(&profit["marked"]),
            word(&profit["fees"]),
            word(&profit["peak"]),
            word(&profit["drawdown"])
        ),
        format!("deals {}", counts(&report["deals"])),
        format!("orders {}", counts(&report["orders"])),
    ];
    for row in rows(&report["pairs"]) {
        lines.push(format!(
            "pair {} buy {} sell {}: profit {} {currency}, fees {}; {}",
            word(&row["instrument"]),
            word(&row["buy"]),
            word(&row["sell"]),
            word(&row["profit"]),
            word(&row["fees"]),
            counts(&row["deals"])
        ));
    }
    for row in rows(&report["venues"]) {
        lines.push(format!(
            "venue {}: volume {} {currency}, {} orders, {} fills, {} rejected, {} unknown; fees {}",
            word(&row["venue"]),
            word(&row["volume"]),
            row["orders"],
            row["fills"],
            row["rejected"],
            row["unknown"],
            counts(&row["fees"])
        ));
    }
    lines.extend(rows(&report["capturable"]).iter().map(capturable_text));
    lines.extend(rows(&report["markouts"]).iter().map(markout_text));
    lines.extend(rows(&report["balances"]).iter().flat_map(balance_text));
    lines.join("\n")
}

fn capturable_text(row: &Value) -> String {
    let share = row["mean_share"].as_f64();
    let share = share.map_or("unknown".to_owned(), |share| format!("{:.1} %", share * 100.0));
    format!(
        "capturable after {}: {share} of the displayed size of {} opportunities; all of {}, some of {}",
        word(&row["after"]),
        row["opportunities"],
        row["all"],
        row["some"]
    )
}

fn markout_text(row: &Value) -> String {
    let mean = row["mean_bps"].as_f64();
    let mean = mean.map_or("unknown".to_owned(), |mean| format!("{mean:+.2} bp"));
    format!("price {} after {} fills: {mean}", word(&row["after"]), row["fills"])
}

fn balance_text(row: &Value) -> Vec<String> {
    let asset = word(&row["asset"]);
    let skew = row["skew"].as_f64().unwrap_or_default() * 100.0;
    let venues: Vec<String> = rows(&row["venues"])
        .iter()
        .map(|at| format!("{} {}", word(&at["venue"]), word(&at["balance"])))
        .collect();
    let mut lines = vec![format!(
        "balance {asset}: {} ({}), began with {}, {skew:.1} % not where it began",
        word(&row["total"]),
        venues.join(", "),
        word(&row["began_with"])
    )];
    for it in rows(&row["transfers"]) {
        let (from, to) = (word(&it["from"]), word(&it["to"]));
        lines.push(format!("  transfer {} {asset} from {from} to {to}", word(&it["amount"])));
    }
    lines
}

fn counts(value: &Value) -> String {
    let all = value.as_object().into_iter().flatten();
    let all = all.map(|(name, count)| match count.as_str() {
        Some(text) => format!("{} {}", escape(name), escape(text)),
        None => format!("{} {count}", escape(name)),
    });
    let all: Vec<String> = all.collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> String {
    escape(value.as_str().unwrap_or("?")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(texts: &[&str]) -> Vec<Amount> {
        texts.iter().map(|text| Amount::parse(text).unwrap()).collect()
    }

    #[test]
    fn transfers_restore_the_shares_of_the_beginning() {
        for (begun, now, expected) in [
            (&["100", "100"][..], &["150", "50"][..], &[(0, 1, "50")][..]),
            (&["100", "100"], &["100", "100"], &[]),
            (&["300", "100"], &["0", "400"], &[(1, 0, "300")]),
            (&["100", "0"], &["40", "60"], &[(1, 0, "60")]),
            (&["100", "100", "100"], &["0", "240", "120"], &[(1, 0, "120")]),
            (&["100", "100", "100"], &["10", "20", "270"], &[(2, 0, "90"), (2, 1, "80")]),
            (&["0", "0"], &["0", "0"], &[]),
        ] {
            let (begun, now) = (amounts(begun), amounts(now));
            let found = transfers(&begun, &now);
            assert_eq!(found.len(), expected.len(), "{now:?}: {found:?}");
            for (found, (from, to, amount)) in found.iter().zip(expected) {
                let amount = Amount::parse(amount).unwrap();
                assert_eq!((found.from, found.to), (*from, *to), "{now:?}");
                // Shares are rounded to millionths.
                let off = (found.amount - amount).abs();
                assert!(off <= Amount::parse("0.001").unwrap(), "{found:?}");
            }
            let total = |all: &[Amount]| all.iter().copied().sum::<Amount>();
            assert_eq!(total(&targets(&begun, &now)), total(&now), "nothing is made or lost");
        }
    }
}
