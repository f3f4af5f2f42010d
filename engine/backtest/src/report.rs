//! The report of one run: what was gained and lost, where, and what could have been had.

use crate::run::Outcome;
use crate::setup::Setup;
use crate::subtotals::{OfPair, PairKey};
use crate::words;
use serde_json::{Map, Value, json};
use spreadwire_market::clock::Nanos;
use spreadwire_trading::entry;
use spreadwire_trading::tally::{CAPTURES, Captured, MARKOUTS, Marked};
use std::fmt::Write;

/// A run and what it went by.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What the run went by.
    pub setup: &'a Setup,
    /// What it came to.
    pub outcome: &'a Outcome,
}

impl Report<'_> {
    /// Returns the report as text. Every line says that nothing was real.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.sums();
        text.push_str(&self.pairs());
        text.push_str(&self.venues());
        text.push_str(&self.captured());
        text.push_str(&self.marked());
        text.push_str(&self.why_not());
        text.lines().map(|line| format!("{}\n", format!("PAPER {line}").trim_end())).collect()
    }

    fn sums(&self) -> String {
        let Report { outcome, .. } = self;
        let tally = &outcome.tally;
        let currency = self.setup.settings.currency;
        let [done, missed, hedged, kept] = tally.outcomes;
        let mut text = format!(
            "{}: {} records\n\
             profit {} {currency}: {} settled, of which fees {}; {} marked in {} deals that are not over\n\
             drawdown {} {currency}; {} of {} settled deals gained\n\
             {} deals: {done} done, {missed} missed, {hedged} hedged, {kept} with a residual; {} failed\n\
             {} orders: {} filled in full, {} found nothing, {} rejected, {} times unknown; {} trades\n",
            words::period((outcome.begin, outcome.end)),
            outcome.records,
            words::amount(outcome.profit()),
            words::amount(tally.profit),
            words::amount(tally.fees),
            words::amount(outcome.marked),
            outcome.open_deals,
            words::amount(outcome.drawdown()),
            tally.gained,
            tally.outcomes.iter().sum::<u64>(),
            tally.decided,
            tally.failed,
            tally.orders,
            tally.filled_whole,
            tally.filled_none,
            tally.rejected,
            tally.unknown,
            tally.fills,
        );
        for halt in &outcome.halts {
            let _infallible = writeln!(text, "nothing opened any more at the end: {halt}");
        }
        text
    }

    fn pairs(&self) -> String {
        let head =
            ["pair", "buy", "sell", "deals", "done", "missed", "hedged", "kept", "profit", "fees"];
        let rows = self.outcome.subtotals.pairs().iter().map(|(key, pair)| {
            let [done, missed, hedged, kept] = pair.outcomes.map(|count| count.to_string());
            let [instrument, buy, sell] = self.names(key);
            let (profit, fees) = (words::amount(pair.profit), words::amount(pair.fees));
            vec![
                instrument,
                buy,
                sell,
                pair.decided.to_string(),
                done,
                missed,
                hedged,
                kept,
                profit,
                fees,
            ]
        });
        table(&head, rows, 3)
    }

    fn venues(&self) -> String {
        let head = ["venue", "orders", "filled", "nothing", "rejected", "unknown", "trades"];
        let rows = self.outcome.subtotals.venues().iter().map(|(venue, of)| {
            let counts =
                [of.orders, of.filled_whole, of.filled_none, of.rejected, of.unknown, of.fills];
            let name = words::venue(&self.setup.catalogue, *venue).to_owned();
            [name].into_iter().chain(counts.map(|count| count.to_string())).collect()
        });
        let mut text = table(&head, rows, 1);
        let head = ["account", "asset", "began with", "traded", "fees", "balance"];
        let rows = self.outcome.accounts.iter().map(|(venue, asset, account)| {
            let name = words::venue(&self.setup.catalogue, *venue).to_owned();
            let amounts = [account.funded, account.traded, account.fees, account.balance()];
            [name, asset.to_string()].into_iter().chain(amounts.map(words::amount)).collect()
        });
        text.push_str(&table(&head, rows, 2));
        text
    }

    fn captured(&self) -> String {
        let head =
            ["captured after", "opportunities", "not seen", "something", "all", "mean share"];
        let rows = CAPTURES.iter().zip(&self.outcome.tally.captured).map(|(after, captured)| {
            vec![
                self.after(*after),
                (captured.seen + captured.unseen).to_string(),
                captured.unseen.to_string(),
                part(captured.some, captured.seen),
                part(captured.all, captured.seen),
                words::percent(captured.share()),
            ]
        });
        table(&head, rows, 1)
    }

    /// Returns the name of a time after an opening.
    fn after(&self, after: Nanos) -> String {
        if after != 0 {
            return words::duration(after);
        }
        let latencies = &self.setup.settings.latencies;
        let (least, most) = (latencies.iter().min(), latencies.iter().max());
        match (least, most) {
            (Some(least), Some(most)) if least == most => {
                format!("the latency, {}", words::duration(*least))
            }
            (Some(least), Some(most)) => {
                format!("the latency, {} to {}", words::duration(*least), words::duration(*most))
            }
            _ => "the latency".to_owned(),
        }
    }

    fn marked(&self) -> String {
        let head = ["price after", "trades", "not seen", "mean gain, bp"];
        let rows = MARKOUTS.iter().zip(&self.outcome.tally.marked).map(|(after, marked)| {
            let gain = gain(marked).map_or(words::UNKNOWN.to_owned(), words::number);
            let trades = (marked.seen + marked.unseen).to_string();
            vec![words::duration(*after), trades, marked.unseen.to_string(), gain]
        });
        table(&head, rows, 1)
    }

    fn why_not(&self) -> String {
        let Outcome { above, acted, why_not, .. } = self.outcome;
        let mut text =
            format!("{above} spreads at or above their threshold, {acted} acted on; the others:\n");
        for (why, count) in why_not.ranked() {
            let _infallible = writeln!(text, "  {count:>10}  {why}");
        }
        text
    }

    fn names(&self, key: &PairKey) -> [String; 3] {
        let catalogue = &self.setup.catalogue;
        let instrument = catalogue.instruments.get(key.instrument.index());
        let instrument = instrument.map_or(words::UNKNOWN.to_owned(), |known| known.name.clone());
        let venue = |venue| words::venue(catalogue, venue).to_owned();
        [instrument, venue(key.buy_venue), venue(key.sell_venue)]
    }

    /// Returns the report as JSON. Amounts are texts with all their digits, shares have 1 for all, times are
    /// ns since 1970 UTC. A key keeps its meaning.
    #[must_use]
    pub fn json(&self) -> Value {
        let Report { outcome, setup } = self;
        let tally = &outcome.tally;
        json!({
            "mode": "PAPER",
            "currency": setup.settings.currency.as_str(),
            "begin": outcome.begin,
            "end": outcome.end,
            "records": outcome.records,
            "profit": outcome.profit(),
            "settled": tally.profit,
            "fees": tally.fees,
            "marked": outcome.marked,
            "drawdown": outcome.drawdown(),
            "deals": {
                "decided": tally.decided,
                "open": outcome.open_deals,
                "failed": tally.failed,
                "gained": tally.gained,
                "outcomes": outcomes(&tally.outcomes),
            },
            "orders": {
                "placed": tally.orders,
                "filled_whole": tally.filled_whole,
                "filled_none": tally.filled_none,
                "rejected": tally.rejected,
                "unknown": tally.unknown,
                "trades": tally.fills,
            },
            "spreads": {
                "above": outcome.above,
                "acted": outcome.acted,
                "why_not": why_not(outcome),
            },
            "captured": CAPTURES.iter().zip(&tally.captured).map(captured).collect::<Vec<_>>(),
            "markouts": MARKOUTS.iter().zip(&tally.marked).map(marked).collect::<Vec<_>>(),
            "pairs": outcome.subtotals.pairs().iter().map(|(key, pair)| self.pair(key, pair)).collect::<Vec<_>>(),
            "venues": self.venues_json(),
            "halts": outcome.halts.iter().map(|halt| halt.name()).collect::<Vec<_>>(),
        })
    }

    fn pair(&self, key: &PairKey, pair: &OfPair) -> Value {
        let [instrument, buy_venue, sell_venue] = self.names(key);
        json!({
            "instrument": instrument,
            "buy_venue": buy_venue,
            "sell_venue": sell_venue,
            "decided": pair.decided,
            "outcomes": outcomes(&pair.outcomes),
            "profit": pair.profit,
            "fees": pair.fees,
        })
    }

    fn venues_json(&self) -> Vec<Value> {
        let Report { outcome, setup } = self;
        let venues =
            (0_u8..).map(spreadwire_market::instrument::VenueId).zip(&setup.catalogue.venues);
        let of = |(venue, info): (_, &spreadwire_market::instrument::VenueInfo)| {
            let of = outcome.subtotals.venues().get(&venue).copied().unwrap_or_default();
            let accounts = outcome.accounts.iter().filter(|(at, _, _)| *at == venue);
            let accounts = accounts.map(|(_, asset, account)| {
                json!({
                    "asset": asset.as_str(),
                    "funded": account.funded,
                    "traded": account.traded,
                    "fees": account.fees,
                    "balance": account.balance(),
                })
            });
            json!({
                "venue": info.name,
                "orders": of.orders,
                "filled_whole": of.filled_whole,
                "filled_none": of.filled_none,
                "rejected": of.rejected,
                "unknown": of.unknown,
                "trades": of.fills,
                "accounts": accounts.collect::<Vec<_>>(),
            })
        };
        venues.map(of).collect()
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>, texts: usize) -> String {
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = [head].into_iter().chain(rows).collect();
    if rows.len() == 1 {
        String::new()
    } else {
        format!("\n{}", words::aligned(&rows, |column| column < texts))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of opportunities")]
fn part(part: u64, of: u64) -> String {
    words::percent(part as f64 / of as f64)
}

/// Returns the mean gain, basis points; `None` if no book was seen.
#[expect(clippy::cast_precision_loss, reason = "a count of trades")]
fn gain(marked: &Marked) -> Option<f64> {
    (0 < marked.seen).then(|| marked.gains / marked.seen as f64 * spreadwire_market::spread::BPS)
}

fn outcomes(counts: &[u64]) -> Value {
    let named = entry::Outcome::ALL.iter().zip(counts);
    named.map(|(way, count)| (way.name().to_owned(), (*count).into())).collect::<Map<_, _>>().into()
}

fn why_not(outcome: &Outcome) -> Value {
    let ranked = outcome.why_not.ranked().into_iter();
    ranked.map(|(why, count)| (why.name().to_owned(), count.into())).collect::<Map<_, _>>().into()
}

fn captured((after, captured): (&Nanos, &Captured)) -> Value {
    json!({
        // 0 stands for the latency configured.
        "after_ns": after,
        "seen": captured.seen,
        "unseen": captured.unseen,
        "some": captured.some,
        "all": captured.all,
        "share": captured.share(),
    })
}

fn marked((after, marked): (&Nanos, &Marked)) -> Value {
    json!({ "after_ns": after, "seen": marked.seen, "unseen": marked.unseen, "gain_bps": gain(marked) })
}
