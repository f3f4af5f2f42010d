//! Orders, trades, and what an instrument allows.

use crate::orders::account::Balance;
use crate::orders::amount::{Amount, PLACES};
use crate::rest::RestInstrument;

/// The side of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Buys the base asset.
    Buy,
    /// Sells the base asset.
    Sell,
}

/// What an order does with the part that does not fill at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// It rests until it fills or is cancelled.
    Rest,
    /// It expires.
    Immediate,
    /// The order fills as a whole or expires as a whole.
    Whole,
    /// The order rests, or is refused or expires if a part of it would fill at once.
    PostOnly,
}

/// How the size of a new order is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// In the base asset.
    Base(Amount),
    /// In the quote asset, for market orders.
    Quote(Amount),
}

/// A new order, as a client asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewOrder {
    /// Index of the instrument.
    pub(crate) instrument: usize,
    /// The client's id. Empty if the client gives none.
    pub(crate) client_id: String,
    pub(crate) side: Side,
    /// Limit price, or `None` for a market order.
    pub(crate) price: Option<Amount>,
    pub(crate) size: Size,
    pub(crate) lasting: Lasting,
}

/// State of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    New,
    PartlyFilled,
    Filled,
    Cancelled,
    Expired,
}

impl Status {
    /// Returns whether the order can still fill.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Status::New | Status::PartlyFilled)
    }
}

/// Why an order ended without being filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The client cancelled it.
    User,
    /// The client's connection was gone for too long.
    Disconnect,
    /// The rest of an order for immediate execution.
    Immediate,
    /// An order that had to fill as a whole and could not.
    Whole,
    /// There was nothing to trade with.
    NoLiquidity,
    /// A post-only order that would have taken liquidity.
    PostOnly,
}

/// Why the venue made a trade that the client did not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forced {
    /// The position was liquidated.
    Liquidation,
    /// The position was deleveraged.
    Deleveraging,
}

/// An order as the venue keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) client_id: String,
    /// The client's id before it was replaced by that of a cancel or an amendment.
    pub(crate) former_client_id: String,
    pub(crate) instrument: usize,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    /// Limit price, or `None` for a market order.
    pub(crate) price: Option<Amount>,
    pub(crate) lasting: Lasting,
    /// Size in the base asset. For a market order in the quote asset, what that buys or sells.
    pub(crate) size: Amount,
    /// Size in the quote asset, if it was given so.
    pub(crate) quote_size: Option<Amount>,
    pub(crate) filled: Amount,
    /// Sum of price times size of its trades.
    pub(crate) cost: Amount,
    /// Sum of the fees of its trades, in the asset that its trades receive.
    pub(crate) fees: Amount,
    pub(crate) fee_asset: String,
    pub(crate) status: Status,
    pub(crate) cause: Option<Cause>,
    pub(crate) forced: Option<Forced>,
    /// Times in ns since 1970 UTC.
    pub(crate) created_ns: u64,
    pub(crate) updated_ns: u64,
}

impl Order {
    /// Returns the part that is not filled.
    pub(crate) fn left(&self) -> Amount {
        self.size - self.filled
    }

    /// Returns the average price of its trades to 8 digits, or zero if it has none.
    pub(crate) fn average(&self) -> Amount {
        self.cost.ratio(self.filled, 8)
    }
}

/// One trade of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trade {
    pub(crate) id: u64,
    pub(crate) order_id: u64,
    pub(crate) client_id: String,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) price: Amount,
    pub(crate) size: Amount,
    /// Price times size.
    pub(crate) cost: Amount,
    pub(crate) fee: Amount,
    pub(crate) fee_asset: String,
    /// Rate of the fee, in millionths.
    pub(crate) fee_rate: u32,
    pub(crate) is_maker: bool,
    pub(crate) forced: Option<Forced>,
    pub(crate) at_ns: u64,
}

/// Something that happened to an order or to the account, with the state right after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The venue has taken an order.
    New(Order),
    Traded(Order, Trade),
    Cancelled(Order),
    Expired(Order),
    Amended(Order),
    /// A cancel came too late, because the order was filled. Venues may say `Filled` again.
    CancelFailed(Order, Trade),
    /// These balances have changed.
    Balances(Vec<(String, Balance)>),
}

impl Event {
    /// Returns the id of the order that it is about, if it is about one.
    pub(crate) fn order_id(&self) -> Option<u64> {
        match self {
            Event::New(order)
            | Event::Traded(order, _)
            | Event::Cancelled(order)
            | Event::Expired(order)
            | Event::Amended(order)
            | Event::CancelFailed(order, _) => Some(order.id),
            Event::Balances(_) => None,
        }
    }

    /// Returns whether it is about a trade.
    pub(crate) fn is_trade(&self) -> bool {
        matches!(self, Event::Traded(..) | Event::CancelFailed(..))
    }
}

/// Why a request about an order is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The free balance of this asset is too small.
    Balance(String),
    DuplicateClientId,
    UnknownSymbol,
    Halted,
    /// The price is not a multiple of the tick.
    Tick,
    /// The size is not a multiple of the lot.
    Lot,
    /// The size is below the least one.
    TooSmall,
    /// Price times size is below the least one.
    MinNotional,
    /// Price times size cannot be held.
    TooLarge,
    WouldTake,
    UnknownOrder,
    /// The order is not open any more.
    Closed(Status),
    /// An amendment makes the size larger, where that is not allowed.
    AmendUp,
    /// An amendment changes nothing.
    NoChange,
    /// An amendment makes the size smaller than the part that is filled.
    AmendBelowFilled,
    /// Too many requests; the limit ends at this time, in ns since 1970 UTC.
    RateLimited {
        until_ns: u64,
    },
    /// A scripted fault refuses it with the venue's code.
    Scripted {
        code: i64,
        message: String,
    },
}

/// What an instrument allows. It comes from the venue's list of instruments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tradable {
    /// Canonical name: `BTC/USDT`.
    pub(crate) name: String,
    pub(crate) symbol: String,
    /// The venue's number of the instrument.
    pub(crate) code: u64,
    pub(crate) base: String,
    pub(crate) quote: String,
    pub(crate) is_halted: bool,
    /// Steps of prices and sizes; zero where the list says something that is no number.
    pub(crate) tick: Amount,
    pub(crate) lot: Amount,
    pub(crate) min_size: Amount,
    pub(crate) min_notional: Amount,
    /// Numbers of digits after the point of the source's prices and sizes. Orders have no more of them, so
    /// that price times size is exact for any part of an order.
    pub(crate) price_places: usize,
    pub(crate) size_places: usize,
}

impl Tradable {
    /// Reads a row of the venue's list of instruments. `has_min_notional` says whether the list gives a
    /// least value of an order.
    pub(crate) fn of(row: &RestInstrument, has_min_notional: bool) -> Tradable {
        let step = |text: &str| Amount::parse(text).unwrap_or_default();
        let (price_places, size_places) = row.places;
        Tradable {
            name: format!("{}/{}", row.base, row.quote),
            symbol: row.symbol.clone(),
            code: row.code,
            base: row.base.clone(),
            quote: row.quote.clone(),
            is_halted: row.is_halted || PLACES < price_places + size_places,
            tick: step(&row.tick),
            lot: step(&row.lot),
            min_size: step(&row.lot),
            min_notional: step(if has_min_notional { row.min_notional() } else { "0" }),
            price_places,
            size_places,
        }
    }

    /// Returns the asset that a trade on this side pays with, and the one that it receives.
    pub(crate) fn assets(&self, side: Side) -> (&str, &str) {
        match side {
            Side::Buy => (&self.quote, &self.base),
            Side::Sell => (&self.base, &self.quote),
        }
    }

    /// Checks a price against the tick.
    pub(crate) fn check_price(&self, price: Amount) -> Result<(), Refusal> {
        let is_on_grid =
            price.is_multiple_of(self.tick) && price.truncated(self.price_places) == price;
        if price.is_positive() && is_on_grid { Ok(()) } else { Err(Refusal::Tick) }
    }

    /// Checks a size against the least size and the lot.
    pub(crate) fn check_size(&self, size: Amount) -> Result<(), Refusal> {
        if !size.is_positive() || size < self.min_size {
            return Err(Refusal::TooSmall);
        }
        let is_on_grid = size.is_multiple_of(self.lot) && size.truncated(self.size_places) == size;
        if is_on_grid { Ok(()) } else { Err(Refusal::Lot) }
    }

    /// Checks price times size against the least one.
    pub(crate) fn check_notional(&self, price: Amount, size: Amount) -> Result<(), Refusal> {
        let notional = price.times(size).ok_or(Refusal::TooLarge)?;
        if notional < self.min_notional { Err(Refusal::MinNotional) } else { Ok(()) }
    }
}
