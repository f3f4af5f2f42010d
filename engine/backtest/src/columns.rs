//! The columns of a sweep's table: one list for text, CSV, JSON and the page.

use crate::sweep::Swept;
use crate::words;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::Outcome;
use spreadwire_trading::tally::CAPTURES;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Not known, or as configured.
    None,
    /// A number of things.
    Count(u64),
    /// An amount in the currency of the books, or of a quote currency for sizes.
    Amount(Amount),
    /// A number.
    Number(f64),
    /// A share, 1 for all.
    Share(f64),
    /// A name.
    Text(String),
}

impl Cell {
    /// Returns it as people read it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Cell::None => words::UNKNOWN.to_owned(),
            Cell::Count(count) => count.to_string(),
            Cell::Amount(amount) => words::amount(*amount),
            Cell::Number(number) => words::tick(*number),
            Cell::Share(share) => words::percent(*share),
            Cell::Text(text) => text.clone(),
        }
    }

    /// Returns it in full: an amount as an exact decimal, nothing for what is not known.
    #[must_use]
    pub fn exact(&self) -> String {
        match self {
            Cell::None => String::new(),
            Cell::Count(count) => count.to_string(),
            Cell::Amount(amount) => amount.to_string(),
            Cell::Number(number) | Cell::Share(number) if number.is_finite() => number.to_string(),
            Cell::Number(_) | Cell::Share(_) => String::new(),
            Cell::Text(text) => text.clone(),
        }
    }

    /// Returns it for JSON. Amounts are texts, because JSON's numbers do not hold them.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Cell::None => serde_json::Value::Null,
            Cell::Count(count) => (*count).into(),
            Cell::Amount(amount) => amount.to_string().into(),
            Cell::Number(number) | Cell::Share(number) => (*number).into(),
            Cell::Text(text) => text.clone().into(),
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in CSV and JSON, which does not change.
    pub key: &'static str,
    /// Its unit; empty for counts and the currency of the books.
    pub unit: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// Whether the short tables on a terminal and on the page have it.
    pub is_brief: bool,
    /// Its value.
    pub of: fn(&Swept) -> Cell,
}

const fn column(key: &'static str, meaning: &'static str, of: fn(&Swept) -> Cell) -> Column {
    Column { key, unit: "", meaning, is_brief: false, of }
}

impl Column {
    const fn brief(self) -> Column {
        Column { is_brief: true, ..self }
    }

    /// Returns its name as a heading, without the unit.
    #[must_use]
    pub fn heading(&self) -> String {
        let name = self.key.strip_suffix("_bps").or_else(|| self.key.strip_suffix("_ms"));
        name.unwrap_or(self.key).replace('_', " ")
    }

    const fn unit(self, unit: &'static str) -> Column {
        Column { unit, ..self }
    }
}

fn bps(fraction: Option<f64>) -> Cell {
    fraction.map_or(Cell::None, |fraction| Cell::Number(words::bps(fraction)))
}

fn ms(time: Option<u64>) -> Cell {
    time.map_or(Cell::None, |time| Cell::Number(words::ms(time)))
}

fn over(swept: &Swept, way: Outcome) -> Cell {
    Cell::Count(swept.whole.tally.outcomes[usize::from(way.code())])
}

#[expect(clippy::cast_precision_loss, reason = "counts of orders")]
fn share(part: u64, of: u64) -> Cell {
    if of == 0 { Cell::None } else { Cell::Share(part as f64 / of as f64) }
}

fn captured(swept: &Swept, place: usize) -> Cell {
    let captured = &swept.whole.tally.captured[place];
    if captured.seen == 0 { Cell::None } else { Cell::Share(captured.share()) }
}

/// All columns, in their order.
pub const COLUMNS: [Column; 30] = [
    column("entry_bps", "entry threshold of the net spread", |s| bps(s.point.entry))
        .unit("bp")
        .brief(),
    column("exit_bps", "exit threshold of the net spread", |s| bps(s.point.exit))
        .unit("bp")
        .brief(),
    column("size", "largest size of a pair, in its quote currency", |s| {
        s.point.size.map_or(Cell::None, Cell::Amount)
    })
    .brief(),
    column("latency_ms", "latency to every venue, one way", |s| ms(s.point.latency))
        .unit("ms")
        .brief(),
    column("lifetime_ms", "least lifetime of what is acted on", |s| ms(s.point.lifetime))
        .unit("ms"),
    column("profit", "settled and marked together", |s| Cell::Amount(s.whole.profit())).brief(),
    column("settled", "profit of the deals that are over, after fees", |s| {
        Cell::Amount(s.whole.tally.profit)
    }),
    column("marked", "profit of the deals that are not over, at the last prices", |s| {
        Cell::Amount(s.whole.marked)
    }),
    column("fees", "fees of the deals that are over; they are in the profit", |s| {
        Cell::Amount(s.whole.tally.fees)
    })
    .brief(),
    column("drawdown", "largest fall of the profit below its highest value so far", |s| {
        Cell::Amount(s.whole.drawdown())
    })
    .brief(),
    column("deals", "deals decided on", |s| Cell::Count(s.whole.tally.decided)).brief(),
    column("trades", "deals that are over and traded something", |s| Cell::Count(s.whole.trades()))
        .brief(),
    column("gained", "deals that are over and gained", |s| Cell::Count(s.whole.tally.gained)),
    column("done", "deals of which both legs were filled as far as each other", |s| {
        over(s, Outcome::Done)
    }),
    column("missed", "deals of which nothing was filled", |s| over(s, Outcome::Missed)),
    column("hedged", "deals of which a residual was hedged", |s| over(s, Outcome::Hedged)),
    column("kept", "deals that ended with a residual", |s| over(s, Outcome::Kept)),
    column("open_deals", "deals that are not over", |s| Cell::Count(s.whole.open_deals as u64)),
    column("orders", "orders placed", |s| Cell::Count(s.whole.tally.orders)),
    column("filled", "share of the orders that were filled in full", |s| {
        share(s.whole.tally.filled_whole, s.whole.tally.orders)
    })
    .brief(),
    column("rejected", "orders rejected", |s| Cell::Count(s.whole.tally.rejected)),
    column("unknown", "times at which the outcome of an order was unknown", |s| {
        Cell::Count(s.whole.tally.unknown)
    }),
    column("captured", "mean share of the displayed size that was there after the latency", |s| {
        captured(s, 0)
    })
    .brief(),
    column("captured_1ms", "the same after 1 ms", |s| captured(s, 1)),
    column("captured_10ms", "the same after 10 ms", |s| captured(s, 2)),
    column("captured_100ms", "the same after 100 ms", |s| captured(s, 3)),
    column("opportunities", "opportunities that were looked at again after the latency", |s| {
        let captured = &s.whole.tally.captured[0];
        Cell::Count(captured.seen + captured.unseen)
    }),
    column("above", "spreads at or above their entry threshold", |s| Cell::Count(s.whole.above)),
    column("acted", "of those, the ones that were acted on", |s| Cell::Count(s.whole.acted)),
    column("why_not", "what most often kept the others from it", |s| {
        let ranked = s.whole.why_not.ranked();
        ranked.first().map_or(Cell::None, |(why, _)| Cell::Text(why.name().to_owned()))
    })
    .brief(),
];

const _: () =
    assert!(CAPTURES.len() == 4 && CAPTURES[1] == 1_000_000 && CAPTURES[3] == 100_000_000);
