//! The state of a trader as JSON, for whoever asks: what is open, what is held, what was earned, and why
//! nothing was done.

use crate::deal::Deal;
use crate::desk::Desk;
use crate::entry::Outcome;
use crate::gateway::Mode;
use crate::tally::{CAPTURES, MARKOUTS, Tally};
use crate::why::Why;
use serde_json::{Map, Value, json};
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::decimal;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::spread::BPS;

/// Returns the state at `now`, ns since 1970 UTC. `why_not` has how often each reason bound.
#[must_use]
pub fn of(
    desk: &Desk,
    why_not: &[(Why, u64)],
    mode: Mode,
    is_killed: bool,
    now: Nanos,
    catalogue: &Catalogue,
) -> Value {
    let bound = why_not.iter().filter(|(_, count)| 0 < *count);
    let why_not: Map<String, Value> =
        bound.map(|(why, count)| (why.name().to_owned(), json!(count))).collect();
    json!({
        "mode": mode.name(),
        "ts_ns": now,
        "killed": is_killed,
        "halts": desk.halts().map(|halt| halt.name()).collect::<Vec<_>>(),
        "currency": desk.settings.currency,
        "profit": desk.profit(),
        "profit_today": desk.profit_of_day(now),
        "fees": desk.tally.fees,
        "drawdown": desk.tally.drawdown,
        "deals": deals(&desk.tally),
        "open_deals": desk.deals().iter().map(|deal| open(deal, catalogue)).collect::<Vec<_>>(),
        "orders": orders(desk),
        "exposure": exposure(desk, catalogue),
        "why_not": why_not,
        "capturable": capturable(&desk.tally),
        "markouts": markouts(&desk.tally),
        "balances": balances(desk, catalogue),
    })
}

fn deals(tally: &Tally) -> Value {
    let mut deals = Map::new();
    deals.insert("decided".to_owned(), json!(tally.decided));
    for outcome in Outcome::ALL {
        let count = tally.outcomes[usize::from(outcome.code())];
        deals.insert(outcome.name().to_owned(), json!(count));
    }
    deals.insert("failed".to_owned(), json!(tally.failed));
    deals.insert("gained".to_owned(), json!(tally.gained));
    Value::Object(deals)
}

fn open(deal: &Deal, catalogue: &Catalogue) -> Value {
    let decided = &deal.decided;
    let instrument = catalogue.instrument(decided.instrument);
    let size = |sz| decimal::to_text(sz, instrument.size_scale);
    let leg = |place: usize| {
        let leg = &deal.legs[place];
        json!({
            "venue": catalogue.venue(leg.venue).name,
            "px": decimal::to_text(leg.px, instrument.price_scale),
            "position": size(leg.position),
        })
    };
    json!({
        "deal": decided.deal, "ts_ns": deal.ts, "stage": deal.stage.name(),
        "instrument": instrument.name, "sz": size(decided.sz), "residual": size(deal.residual()),
        "net_bps": decided.net * BPS, "buy": leg(0), "sell": leg(1),
    })
}

fn orders(desk: &Desk) -> Value {
    let tally = &desk.tally;
    let unknown_now = desk.orders().iter().filter(|working| working.is_unknown).count();
    json!({
        "placed": tally.orders, "in_flight": desk.orders().len(), "unknown_now": unknown_now,
        "fills": tally.fills, "filled_whole": tally.filled_whole, "filled_none": tally.filled_none,
        "rejected": tally.rejected, "unknown": tally.unknown, "doubled": tally.doubled,
        "late": tally.late,
    })
}

fn exposure(desk: &Desk, catalogue: &Catalogue) -> Value {
    let instruments = (0..).map(InstrumentId).zip(&desk.exposure.instruments);
    let instruments: Map<String, Value> = instruments
        .filter(|(_, amount)| amount.units() != 0)
        .map(|(id, amount)| (catalogue.instrument(id).name.clone(), json!(amount)))
        .collect();
    let venues = (0..=u8::MAX).map(VenueId).zip(&desk.exposure.venues);
    let venues: Map<String, Value> = venues
        .filter(|(_, amount)| amount.units() != 0)
        .map(|(id, amount)| (catalogue.venue(id).name.clone(), json!(amount)))
        .collect();
    json!({ "total": desk.exposure.total, "instruments": instruments, "venues": venues })
}

/// A mean of nothing is null.
fn mean(sum: f64, count: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "a count of opportunities or fills")]
    let mean = sum / count as f64;
    if count == 0 { Value::Null } else { json!(mean) }
}

fn capturable(tally: &Tally) -> Value {
    let rows = CAPTURES.into_iter().zip(&tally.captured).map(|(after, captured)| {
        let after = if after == 0 { json!("configured") } else { json!(after / MILLI) };
        json!({
            "after_ms": after, "seen": captured.seen, "unseen": captured.unseen,
            "some": captured.some, "all": captured.all,
            "share": mean(captured.shares, captured.seen),
        })
    });
    rows.collect()
}

fn markouts(tally: &Tally) -> Value {
    let rows = MARKOUTS.into_iter().zip(&tally.marked).map(|(after, marked)| {
        json!({
            "after_ms": after / MILLI, "seen": marked.seen, "unseen": marked.unseen,
            "gain_bps": mean(marked.gains * BPS, marked.seen),
        })
    });
    rows.collect()
}

fn balances(desk: &Desk, catalogue: &Catalogue) -> Value {
    let venues = (0..=u8::MAX).map(VenueId).take(catalogue.venues.len());
    let rows = venues.flat_map(|venue| {
        desk.settings.assets.ids().filter_map(move |asset| {
            let account = desk.books.account(venue, asset);
            (*account != crate::books::Account::default()).then(|| {
                json!({
                    "venue": catalogue.venue(venue).name, "asset": desk.settings.assets.name(asset),
                    "balance": account.balance(), "funded": account.funded,
                    "adopted": account.adopted, "traded": account.traded, "fees": account.fees,
                    "reserved": account.reserved,
                })
            })
        })
    });
    rows.collect()
}
