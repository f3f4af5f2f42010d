//! What a running trader says of itself, as JSON and for people.

use crate::driver::Driver;
use serde_json::{Map, Value, json};
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal;
use spreadwire_market::escape::escape;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_trading::deal::Deal;
use spreadwire_trading::desk::Working;
use spreadwire_trading::entry::Halt;
use spreadwire_trading::order::Side;
use spreadwire_trading::view::Level;

/// What the run knows beside its driver.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Address of the server, as it was given.
    pub url: String,
    /// Whether a connection holds.
    pub is_up: bool,
    /// Connections so far.
    pub connections: u64,
    /// Connections that were ended because of what the server sent.
    pub refused: u64,
    /// Gaps so far.
    pub gaps: u64,
    /// Times at which a changed configuration was taken, and refused.
    pub reloads: [u64; 2],
}

/// Returns the status at `now`, ns since 1970 UTC.
#[must_use]
pub fn status(driver: &Driver, connection: &Connection, now: Nanos) -> Value {
    let (trader, plan) = (driver.trader(), driver.plan());
    let (desk, maker) = (trader.desk(), trader.maker());
    let [acted, acted_most] = driver.acted_age();
    let halts: Vec<&str> = desk.halts().map(Halt::name).collect();
    json!({
        "mode": driver.mode().name(),
        "ts": now,
        "owner": plan.trading.owner.name(),
        "can_open": can_open(driver),
        "killed": driver.kill().is_on(),
        "halts": halts,
        "expired": driver.has_expired(),
        "server": {
            "url": connection.url, "is_up": connection.is_up, "in_step": driver.is_in_step(),
            "connections": connection.connections, "refused": connection.refused,
            "gaps": connection.gaps,
        },
        "age_ms": age(driver.last_ts(), now),
        "acted_on_age_ms": {"last": millis(acted), "highest": millis(acted_most)},
        "journal": {"path": driver.journal().path(), "bytes": driver.journal().bytes()},
        "reloads": {"taken": connection.reloads[0], "refused": connection.reloads[1]},
        "open_opportunities": maker.open_now(),
        "why_not": explain(driver),
        "profit": {
            "currency": plan.trading.settings.currency,
            "realised": desk.profit(), "marked": trader.marked(),
            "today": desk.profit_of_day(now), "peak": desk.peak(),
            "drawdown": desk.tally.drawdown, "fees": desk.tally.fees,
            "failures_in_a_row": desk.failures(),
        },
        "counts": {
            "deals": desk.tally.decided, "orders": desk.tally.orders, "fills": desk.tally.fills,
            "doubled": desk.tally.doubled, "late": desk.tally.late,
            "rejected": desk.tally.rejected, "unknown": desk.tally.unknown,
        },
        "exposure": desk.exposure.total,
        "deals": desk.deals().iter().map(|it| deal(it, driver)).collect::<Vec<_>>(),
        "orders": desk.orders().iter().map(|it| order(it, driver)).collect::<Vec<_>>(),
        "balances": balances(driver),
        "differences": differences(driver),
        "markets": markets(driver, now),
    })
}

/// Returns the reasons why spreads above their thresholds were not acted on.
#[must_use]
pub fn explain(driver: &Driver) -> Value {
    let (trader, catalogue) = (driver.trader(), &driver.plan().catalogue);
    let (above, acted) = trader.above_and_acted();
    let ranked = trader.why_not().ranked();
    let reasons: Vec<Value> =
        ranked.iter().map(|(why, count)| json!({"why": why.name(), "count": count})).collect();
    let pairs = driver.why_by_pair().iter().map(|((instrument, buy, sell), counts)| {
        let counts: Map<String, Value> =
            counts.iter().map(|(why, count)| (why.name().to_owned(), json!(count))).collect();
        json!({
            "instrument": catalogue.instrument(*instrument).name,
            "buy": catalogue.venue(*buy).name, "sell": catalogue.venue(*sell).name,
            "reasons": counts,
        })
    });
    json!({
        "mode": driver.mode().name(), "above_threshold": above, "acted_on": acted,
        "reasons": reasons, "pairs": pairs.collect::<Vec<_>>(),
    })
}

/// Returns whether anything can open, as far as the state of the whole is concerned.
fn can_open(driver: &Driver) -> bool {
    let is_halted = driver.trader().desk().halts().next().is_some();
    driver.is_in_step() && !driver.kill().is_on() && !driver.has_expired() && !is_halted
}

fn millis(nanos: Nanos) -> f64 {
    // Nanoseconds of an age are exact in a double for three months.
    std::time::Duration::from_nanos(nanos).as_secs_f64() * 1e3
}

/// Returns how old something is, ms; `None` if it never was.
fn age(ts: Nanos, now: Nanos) -> Option<f64> {
    (ts != 0).then(|| millis(now.saturating_sub(ts)))
}

fn deal(deal: &Deal, driver: &Driver) -> Value {
    let catalogue = &driver.plan().catalogue;
    let decided = &deal.decided;
    let of = catalogue.instrument(decided.instrument);
    let size = |sz| decimal::to_text(sz, of.size_scale);
    json!({
        "deal": decided.deal, "instrument": of.name, "stage": deal.stage.name(),
        "buy": catalogue.venue(decided.buy_venue).name,
        "sell": catalogue.venue(decided.sell_venue).name,
        "sz": size(decided.sz), "residual": size(deal.residual()),
        "positions": deal.legs.map(|leg| size(leg.position)), "failed": deal.failed,
    })
}

fn order(working: &Working, driver: &Driver) -> Value {
    let catalogue = &driver.plan().catalogue;
    let order = &working.order;
    let of = catalogue.instrument(order.instrument);
    json!({
        "order": order.id.0, "deal": order.deal, "instrument": of.name,
        "venue": catalogue.venue(order.venue).name, "side": order.side,
        "purpose": order.purpose, "px": decimal::to_text(order.px, of.price_scale),
        "sz": decimal::to_text(order.sz, of.size_scale),
        "filled": decimal::to_text(working.filled, of.size_scale),
        "is_unknown": working.is_unknown,
    })
}

fn balances(driver: &Driver) -> Vec<Value> {
    let desk = driver.trader().desk();
    let assets = &desk.settings.assets;
    let mut balances = Vec::new();
    for (venue, info) in (0..=u8::MAX).map(VenueId).zip(&driver.plan().catalogue.venues) {
        for asset in assets.ids() {
            let account = desk.books.account(venue, asset);
            if *account != Default::default() {
                balances.push(json!({
                    "venue": info.name, "asset": assets.name(asset),
                    "balance": account.balance(), "free": account.free(),
                    "fees": account.fees,
                }));
            }
        }
    }
    balances
}

fn differences(driver: &Driver) -> Vec<Value> {
    let catalogue = &driver.plan().catalogue;
    let all = driver.trader().differences().into_iter();
    all.map(|it| {
        json!({
            "venue": catalogue.venue(it.venue).name, "asset": it.asset,
            "in_the_books": it.booked, "at_the_venue": it.there,
        })
    })
    .collect()
}

/// Returns what is known of each instrument on each venue, and how old it is.
fn markets(driver: &Driver, now: Nanos) -> Vec<Value> {
    let (catalogue, view) = (&driver.plan().catalogue, driver.trader().view());
    let ids = (0..).map(InstrumentId).zip(&catalogue.instruments);
    let mut markets = Vec::new();
    for (id, of) in ids {
        for venue in catalogue.venues_of(id) {
            let side = |side| {
                let level: &Level = view.level(id, venue, side);
                json!({
                    "px": decimal::to_text(level.px, of.price_scale),
                    "sz": decimal::to_text(level.sz, of.size_scale),
                    "holds": level.is_good, "age_ms": age(level.ts, now),
                })
            };
            markets.push(json!({
                "instrument": of.name, "venue": catalogue.venue(venue).name,
                "bid": side(Side::Sell), "ask": side(Side::Buy),
            }));
        }
    }
    markets
}

/// Returns a status for people.
#[must_use]
pub fn status_text(status: &Value) -> String {
    let mode = text(&status["mode"]);
    let yes = |value: &Value| if value.as_bool() == Some(true) { "yes" } else { "no" };
    let mut lines = vec![
        format!("{mode} {} at {}", text(&status["owner"]), text(&status["journal"]["path"])),
        format!(
            "can open: {}; killed: {}; expired: {}; halts: {}",
            yes(&status["can_open"]),
            yes(&status["killed"]),
            yes(&status["expired"]),
            listed(&status["halts"])
        ),
        format!(
            "server {}: up {}, in step {}, {} connections, {} gaps; last record {} ms old",
            text(&status["server"]["url"]),
            yes(&status["server"]["is_up"]),
            yes(&status["server"]["in_step"]),
            status["server"]["connections"],
            status["server"]["gaps"],
            status["age_ms"]
        ),
        format!(
            "profit {} {} realised, {} marked, {} today; fees {}",
            text(&status["profit"]["realised"]),
            text(&status["profit"]["currency"]),
            text(&status["profit"]["marked"]),
            text(&status["profit"]["today"]),
            text(&status["profit"]["fees"])
        ),
        format!(
            "{} deals, {} orders, {} fills, {} rejected, {} unknown",
            status["counts"]["deals"],
            status["counts"]["orders"],
            status["counts"]["fills"],
            status["counts"]["rejected"],
            status["counts"]["unknown"]
        ),
    ];
    for row in rows(&status["deals"]) {
        lines.push(format!(
            "deal #{} {} buy {} sell {} {}: residual {}",
            row["deal"],
            text(&row["instrument"]),
            text(&row["buy"]),
            text(&row["sell"]),
            text(&row["stage"]),
            text(&row["residual"])
        ));
    }
    for row in rows(&status["balances"]) {
        let (venue, asset) = (text(&row["venue"]), text(&row["asset"]));
        lines.push(format!("{venue} {} {asset}", text(&row["balance"])));
    }
    for row in rows(&status["differences"]) {
        lines.push(format!(
            "DIFFERENCE on {}: {} {} in the books, {} at the venue; look, then run `trader adopt`",
            text(&row["venue"]),
            text(&row["in_the_books"]),
            text(&row["asset"]),
            text(&row["at_the_venue"])
        ));
    }
    lines.push(explain_text(&status["why_not"]));
    lines.join("\n")
}

/// Returns the reasons for people.
#[must_use]
pub fn explain_text(why: &Value) -> String {
    let mode = text(&why["mode"]);
    let mut lines = vec![format!(
        "{mode} {} spreads above their thresholds, {} acted on; the others were not because of",
        why["above_threshold"], why["acted_on"]
    )];
    for row in rows(&why["reasons"]) {
        lines.push(format!("{:>12}  {}", row["count"].to_string(), text(&row["why"])));
    }
    for row in rows(&why["pairs"]) {
        let reasons = row["reasons"].as_object().into_iter().flatten();
        let reasons: Vec<String> =
            reasons.map(|(why, count)| format!("{} {count}", escape(why))).collect();
        lines.push(format!(
            "{} buy {} sell {}: {}",
            text(&row["instrument"]),
            text(&row["buy"]),
            text(&row["sell"]),
            reasons.join(", ")
        ));
    }
    lines.join("\n")
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or("?")).to_string()
}

fn listed(value: &Value) -> String {
    let names: Vec<String> = rows(value).iter().map(text).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
