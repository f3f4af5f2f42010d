//! Entries of the journal in words, for people who watch.

use crate::entry::{Decided, Entry, Event, Settled};
use crate::order::{Answer, AssetName, Ended, Fill, Order, Purpose, Side};
use spreadwire_market::decimal;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::spread::BPS;

/// Returns an entry in words; `None` for those that only figures are made from.
#[must_use]
pub fn told(entry: &Entry, catalogue: &Catalogue, currency: AssetName) -> Option<String> {
    let venue = |id: VenueId| &catalogue.venue(id).name;
    Some(match &entry.event {
        Event::Funded { venue: at, asset, amount } => {
            format!("{} begins with {amount} {asset}", venue(*at))
        }
        Event::Adopted { venue: at, asset, amount } => {
            format!("adopted {amount} {asset} on {}", venue(*at))
        }
        Event::Decided(it) => decided(it, catalogue),
        Event::Placed(it) => placed(it, catalogue),
        Event::Answered(it) => return answer(it, catalogue),
        Event::Stage { deal, stage } => format!("deal #{deal} is {}", stage.name()),
        Event::Settled(it) => settled(it, currency),
        Event::Halted(halt) => format!("HALTED: {}", halt.name()),
        Event::Resumed => "resumed".to_owned(),
        Event::Capturable(_) | Event::Markout(_) => return None,
    })
}

fn px(catalogue: &Catalogue, of: InstrumentId, px: i64) -> String {
    decimal::to_text(px, catalogue.instrument(of).price_scale)
}

fn sz(catalogue: &Catalogue, of: InstrumentId, sz: i64) -> String {
    decimal::to_text(sz, catalogue.instrument(of).size_scale)
}

fn decided(it: &Decided, catalogue: &Catalogue) -> String {
    let of = it.instrument;
    format!(
        "deal #{} on #{}: {} buy {} {} sell {} {} x {} net {:.2} bp",
        it.deal,
        it.opportunity,
        catalogue.instrument(of).name,
        catalogue.venue(it.buy_venue).name,
        px(catalogue, of, it.buy_px),
        catalogue.venue(it.sell_venue).name,
        px(catalogue, of, it.sell_px),
        sz(catalogue, of, it.sz),
        it.net * BPS
    )
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn placed(it: &Order, catalogue: &Catalogue) -> String {
    let purpose = match it.purpose {
        Purpose::Entry => "entry",
        Purpose::Exit => "exit",
        Purpose::Hedge => "hedge",
    };
    format!(
        "order {} of deal #{}: {} {} {} at {} on {} ({purpose})",
        it.id.0,
        it.deal,
        side(it.side),
        sz(catalogue, it.instrument, it.sz),
        catalogue.instrument(it.instrument).name,
        px(catalogue, it.instrument, it.px),
        catalogue.venue(it.venue).name
    )
}

fn answer(it: &Answer, catalogue: &Catalogue) -> Option<String> {
    Some(match it {
        Answer::Filled(fill) => filled(fill, catalogue),
        Answer::Done { how: Ended::Filled, .. }
        | Answer::Acked { .. }
        | Answer::Balance { .. }
        | Answer::Reconciled { .. }
        | Answer::Connection { .. } => return None,
        Answer::Done { id, how, .. } => format!("order {} is over: {}", id.0, how.name()),
        Answer::Rejected { id, why, code: 0 } => {
            format!("order {} was rejected: {}", id.0, why.name())
        }
        Answer::Rejected { id, why, code } => {
            format!("order {} was rejected: {} ({code})", id.0, why.name())
        }
        Answer::Unknown { id } => format!("order {} has an unknown outcome", id.0),
    })
}

fn filled(it: &Fill, catalogue: &Catalogue) -> String {
    let order = it.order.map_or("no order of ours".to_owned(), |id| format!("order {}", id.0));
    format!(
        "{order}: {} {} {} at {} on {}, fee {} {}",
        match it.side {
            Side::Buy => "bought",
            Side::Sell => "sold",
        },
        sz(catalogue, it.instrument, it.sz),
        catalogue.instrument(it.instrument).name,
        px(catalogue, it.instrument, it.px),
        catalogue.venue(it.venue).name,
        it.fee,
        it.fee_asset
    )
}

fn settled(it: &Settled, currency: AssetName) -> String {
    let failed = if it.failed { ", failed" } else { "" };
    format!(
        "deal #{} is over: {}{failed}, profit {} {currency} after fees of {}",
        it.deal,
        it.outcome.name(),
        it.profit,
        it.fees
    )
}
