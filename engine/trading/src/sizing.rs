//! How large the two orders of a deal are.

use crate::amount::{Amount, Rounding};
use crate::desk::Desk;
use crate::order::Side;
use crate::terms::{Terms, common_lot};
use crate::view::View;
use crate::why::Why;
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Spread;

/// A size, and the reason that it is not larger.
#[derive(Clone, Copy, Debug)]
struct Size {
    sz: i64,
    why: Why,
}

impl Size {
    fn at_most(&mut self, sz: i64, why: Why) {
        if sz < self.sz {
            *self = Size { sz: sz.max(0), why };
        }
    }
}

/// Returns the size of both orders for a spread, mantissa: as much as is displayed and not claimed, as the
/// limits leave, and as the accounts hold, in lots that both venues take.
///
/// # Errors
/// The reason that binds, if that is below the smallest order of either venue.
pub fn size(desk: &Desk, view: &View, spread: &Spread) -> Result<i64, Why> {
    let Spread { instrument, buy_venue, sell_venue, buy_px, sell_px, .. } = *spread;
    let terms = |venue| desk.settings.terms(instrument, venue).ok_or(Why::NoTerms);
    let (buy, sell) = (terms(buy_venue)?, terms(sell_venue)?);
    let lot = common_lot(buy.lot, sell.lot).ok_or(Why::NoTerms)?;
    let shown = |venue, side| view.level(instrument, venue, side).unclaimed();
    let displayed = shown(buy_venue, Side::Buy).min(shown(sell_venue, Side::Sell));
    let mut size = Size { sz: displayed / lot * lot, why: Why::Displayed };
    let pxs = (buy.on_tick(buy_px, Side::Buy), sell.on_tick(sell_px, Side::Sell));
    let is_taken = |sz| buy.takes(pxs.0, sz) && sell.takes(pxs.1, sz);
    if !is_taken(size.sz) {
        return Err(size.why);
    }
    limit(&mut size, desk, spread, buy);
    let limited = size.sz / lot * lot;
    if !is_taken(limited) {
        return Err(size.why);
    }
    hold(&mut size, desk, spread, buy, sell);
    let sz = size.sz / lot * lot;
    if sz == limited || is_taken(sz) { Ok(sz) } else { Err(size.why) }
}

/// Applies the limits of the order and of what is open.
fn limit(size: &mut Size, desk: &Desk, spread: &Spread, terms: &Terms) {
    let settings = &desk.settings;
    let Spread { instrument, buy_venue, sell_venue, buy_px, .. } = *spread;
    let rate = settings.rates[terms.quote.index()].filter(|rate| 0 < *rate);
    let Some(rate) = rate else {
        return size.at_most(0, Why::NoTerms);
    };
    let of_quote =
        |amount: Amount| amount.over(buy_px, terms.px_scale, terms.sz_scale).unwrap_or_default();
    if let Some(most) = settings.sizes[settings.pair(instrument, buy_venue, sell_venue)] {
        size.at_most(of_quote(most), Why::OrderSize);
    }
    let (limits, exposure) = (&settings.limits, &desk.exposure);
    let of_venue = |venue: VenueId| limits.venue - exposure.venues[venue.index()];
    let left = [
        (limits.instrument - exposure.instruments[instrument.index()], Why::InstrumentExposure),
        (of_venue(buy_venue), Why::VenueExposure),
        (of_venue(sell_venue), Why::VenueExposure),
        (limits.total - exposure.total, Why::TotalExposure),
    ];
    // The least is found first: a division costs more than all of this.
    let least =
        |least: (Amount, Why), other: (Amount, Why)| if other.0 < least.0 { other } else { least };
    let (amount, why) = left.into_iter().fold((limits.order, Why::OrderSize), least);
    size.at_most(of_quote(amount.per(rate, Rounding::Down)), why);
}

/// Applies what the accounts hold.
fn hold(size: &mut Size, desk: &Desk, spread: &Spread, buy: &Terms, sell: &Terms) {
    let Spread { buy_venue, sell_venue, buy_px, sell_px, .. } = *spread;
    let claim = |terms: &Terms, venue, side, px, sz| {
        desk.books.claim(&desk.settings, terms, venue, side, px, sz)
    };
    let holds = |terms: &Terms, venue, side, px, sz| {
        claim(terms, venue, side, px, sz)
            .is_none_or(|claim| claim.amount <= desk.books.account(venue, claim.asset).free())
    };
    if !holds(buy, buy_venue, Side::Buy, buy_px, size.sz) {
        let fee = desk.books.fee(&desk.settings, buy_venue).max(0);
        let free = desk.books.account(buy_venue, buy.quote).free();
        let before_fee = free.per(1_000_000 + fee, Rounding::Down);
        let paid = before_fee.over(buy_px, buy.px_scale, buy.sz_scale).unwrap_or_default();
        size.at_most(paid, Why::BuyBalance);
    }
    while 0 < size.sz && !holds(buy, buy_venue, Side::Buy, buy_px, size.sz) {
        // What is paid is rounded up, so that one unit less may be affordable.
        size.at_most(size.sz - 1, Why::BuyBalance);
    }
    if !holds(sell, sell_venue, Side::Sell, sell_px, size.sz) {
        let free = desk.books.account(sell_venue, sell.base).free();
        size.at_most(free.mantissa(sell.sz_scale), Why::SellBalance);
    }
}
