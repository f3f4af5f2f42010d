//! What a venue is: its addresses, its limits, and the function from its frames to messages.
//!
//! A [`Protocol`] turns bytes into [`Message`]s and knows no socket, thread, ring or clock. What
//! all venues need (connecting, pacing, heartbeats, sequence and crossed-quote rules, reconnecting)
//! lives once, in `feed`, `connector` and `integrity`, driven by the plain data of a [`VenueSpec`].

use crate::clock::Nanos;
use crate::decimal::{self, DecimalError};
use crate::instrument::InstrumentId;
use crate::json::{Malformed, Value};
use rustc_hash::FxHashMap;

// The units of a venue's times, so that its file need not know the clock.
pub use crate::clock::{MILLI, SECOND};

/// A row of the registry: everything the engine knows of a venue.
#[derive(Clone, Copy, Debug)]
pub struct VenueSpec {
    /// Name in configuration and files: `binance-usdm`.
    pub name: &'static str,
    /// One line for `spreadwire venues`.
    pub title: &'static str,
    /// Base address without path, overridable by configuration: `wss://stream.binance.com:9443`.
    pub url: &'static str,
    /// Path and query of the public quote stream: `/ws`.
    pub path: &'static str,
    /// Default taker fee in basis points, with its source in the venue's file.
    pub taker_fee_bps: f64,
    /// Symbols that one connection may carry.
    pub symbols_per_connection: usize,
    /// Symbols that one subscription message may carry.
    pub symbols_per_message: usize,
    /// Shortest time between two messages of ours, ns.
    pub message_interval: Nanos,
    /// How the connection is kept and known to be alive.
    pub heartbeat: Heartbeat,
    /// What sequence numbers promise.
    pub sequence: SequenceRule,
    /// Whether a venue repeats an unchanged quote: after this long without one, something is wrong
    /// and not merely quiet, ns. `None` where a quiet instrument stays silent for ever.
    pub repeats_within: Option<Nanos>,
    /// The venue's spelling of an instrument, given base and quote: `("BTC", "USDT")` to `BTC-USDT`.
    pub symbol: fn(base: &str, quote: &str) -> String,
    /// Makes the decoder of one connection.
    pub protocol: fn() -> Box<dyn Protocol>,
}

/// How a connection is kept alive from our side.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// What we send, and when.
    pub ping: Ping,
    /// Time between two of our pings, ns.
    pub interval: Nanos,
    /// Without any frame at all for this long the connection is dead, ns.
    pub dead_after: Nanos,
}

/// The form of our heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// A WebSocket ping frame, answered by a pong frame.
    Frame,
    /// This text message.
    Text(&'static str),
}

/// What a venue's sequence numbers promise within one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceRule {
    /// They grow, with holes that mean nothing; one not above the last is old and is dropped.
    Increasing,
    /// As [`Increasing`](SequenceRule::Increasing), but the venue may restart them at a lower number:
    /// a lower one is a restart, an equal one a repeat that shows life.
    IncreasingWithRestarts,
    /// Snapshots as above; a change must carry the last number plus one, else quotes were lost until
    /// the next snapshot.
    SnapshotsAndChanges,
}

/// One side of a quote message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Side {
    /// The message says nothing of this side: it is as it was.
    #[default]
    Unchanged,
    /// Nobody bids or offers.
    Empty,
    /// Best price and size, positive mantissas at the instrument's scale.
    Level {
        /// Price.
        px: i64,
        /// Size in base units.
        sz: i64,
    },
}

/// What one message says of one instrument's best bid and ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuoteMessage {
    /// Place of the symbol in the connection's [`Symbols`].
    pub symbol: usize,
    /// The bid side.
    pub bid: Side,
    /// The ask side.
    pub ask: Side,
    /// The venue's event time in ns, `None` if it sends none.
    pub ts_event: Option<Nanos>,
    /// The venue's sequence number, `None` if the message has none.
    pub sequence: Option<u64>,
    /// A full picture; otherwise a change to the last one.
    pub snapshot: bool,
    /// The venue says that it has begun its numbering anew.
    pub restarted: bool,
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A quote.
    Quote(QuoteMessage),
    /// A subscription was accepted.
    Accepted,
    /// A subscription was refused; the symbol where the venue names it.
    Refused {
        /// Place of the symbol, `None` if the message does not tell.
        symbol: Option<usize>,
    },
    /// The answer to our heartbeat.
    Pong,
    /// The venue announces that it will close the connection: reconnect in our own time.
    Closing,
    /// A documented message that carries nothing for us.
    Other,
}

/// Why a frame gave no message. Counted by venue and reason; the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reject {
    /// Not JSON, or cut off.
    #[error("malformed")]
    Malformed,
    /// JSON, but of no shape that the venue documents.
    #[error("unknown_message")]
    UnknownMessage,
    /// A symbol that was not subscribed.
    #[error("unknown_symbol")]
    UnknownSymbol,
    /// A field that must be there is not.
    #[error("missing_field")]
    MissingField,
    /// A field that is no number.
    #[error("bad_number")]
    BadNumber,
    /// A price or size below zero.
    #[error("negative")]
    Negative,
    /// More decimals than the instrument's scale holds, or beyond its range.
    #[error("beyond_scale")]
    BeyondScale,
    /// Longer than any message that a venue documents.
    #[error("oversized")]
    Oversized,
    /// A binary frame where text is spoken.
    #[error("binary")]
    Binary,
}

impl Reject {
    /// Every reason, for counters and tables.
    pub const ALL: [Reject; 9] = [
        Reject::Malformed,
        Reject::UnknownMessage,
        Reject::UnknownSymbol,
        Reject::MissingField,
        Reject::BadNumber,
        Reject::Negative,
        Reject::BeyondScale,
        Reject::Oversized,
        Reject::Binary,
    ];
}

impl From<DecimalError> for Reject {
    fn from(error: DecimalError) -> Reject {
        match error {
            DecimalError::Malformed => Reject::BadNumber,
            DecimalError::TooPrecise | DecimalError::TooLarge => Reject::BeyondScale,
        }
    }
}

impl From<Malformed> for Reject {
    fn from(_: Malformed) -> Reject {
        Reject::Malformed
    }
}

/// One connection's conversation with a venue: text out, messages in. Sans-I/O.
pub trait Protocol: Send {
    /// Appends the text messages that subscribe `symbols`, at most `symbols_per_message` in each.
    fn subscribe(&mut self, symbols: &[&str], out: &mut Vec<String>);

    /// The quick decoder: reads the layout it expects, checking every byte, and returns `None` when
    /// anything differs, so that [`general`](Protocol::general) decides. Both must agree.
    /// The default never claims a frame.
    fn positional(
        &mut self,
        _text: &[u8],
        _symbols: &Symbols,
        _out: &mut Vec<Message>,
    ) -> Option<()> {
        None
    }

    /// The decoder that takes any layout. Appends to `out` what the frame says; on an error `out`
    /// holds nothing of this frame.
    ///
    /// # Errors
    /// [`Reject`]: the frame is counted and skipped.
    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Reject>;
}

/// One subscribed symbol and the scale its numbers are read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The venue's spelling.
    pub text: String,
    /// The instrument it stands for.
    pub instrument: InstrumentId,
    /// Decimals of a price mantissa.
    pub price_scale: u8,
    /// Decimals of a size mantissa.
    pub size_scale: u8,
}

/// The symbols of one connection, found by their spelling.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    list: Vec<Symbol>,
    by_text: FxHashMap<Box<[u8]>, usize>,
}

impl Symbols {
    /// In the order given.
    #[must_use]
    pub fn new(list: Vec<Symbol>) -> Symbols {
        let by_text = list
            .iter()
            .enumerate()
            .map(|(place, symbol)| (symbol.text.as_bytes().into(), place))
            .collect();
        Symbols { list, by_text }
    }

    /// The place of a symbol.
    ///
    /// # Errors
    /// [`Reject::UnknownSymbol`] if it was not subscribed on this connection.
    #[inline]
    pub fn find(&self, text: &[u8]) -> Result<usize, Reject> {
        self.by_text.get(text).copied().ok_or(Reject::UnknownSymbol)
    }

    /// All, by place.
    #[must_use]
    pub fn list(&self) -> &[Symbol] {
        &self.list
    }

    /// One side of a quote of the symbol at `place`: a zero price or size is an empty side.
    ///
    /// # Errors
    /// [`Reject::BadNumber`], [`Reject::BeyondScale`], or [`Reject::Negative`].
    #[inline]
    pub fn side(&self, place: usize, price: &[u8], size: &[u8]) -> Result<Side, Reject> {
        let symbol = &self.list[place];
        let px = decimal::parse(price, symbol.price_scale)?;
        let sz = decimal::parse(size, symbol.size_scale)?;
        if px < 0 || sz < 0 {
            return Err(Reject::Negative);
        }
        Ok(if px == 0 || sz == 0 { Side::Empty } else { Side::Level { px, sz } })
    }

    /// One side as a list of levels `[price, size, ...]`: the best with a size, where `better`
    /// compares prices (`i64::gt` for bids), or `unsaid` if the list is empty. A list without any
    /// size is an empty side.
    ///
    /// # Errors
    /// [`Reject::MissingField`], [`Reject::UnknownMessage`] if it is no list of levels, or that of
    /// any of its numbers.
    pub fn best(
        &self,
        place: usize,
        levels: Option<Value<'_>>,
        unsaid: Side,
        better: fn(&i64, &i64) -> bool,
    ) -> Result<Side, Reject> {
        let mut best = unsaid;
        for each in required(levels)?.items().ok_or(Reject::UnknownMessage)? {
            let (price, size) = level(each)?;
            best = match (self.side(place, price, size)?, best) {
                (Side::Level { px, sz }, Side::Level { px: other, .. }) if better(&px, &other) => {
                    Side::Level { px, sz }
                }
                (_, Side::Level { .. }) => best,
                (first, Side::Empty | Side::Unchanged) => first,
            };
        }
        Ok(best)
    }
}

/// A field that must be there.
///
/// # Errors
/// [`Reject::MissingField`].
#[inline]
pub fn required(field: Option<Value<'_>>) -> Result<Value<'_>, Reject> {
    field.ok_or(Reject::MissingField)
}

/// The text of a price or size, sent as a string or as a number.
///
/// # Errors
/// [`Reject::MissingField`], or [`Reject::BadNumber`] if it is neither.
#[inline]
pub fn decimal(field: Option<Value<'_>>) -> Result<&[u8], Reject> {
    required(field)?.decimal().ok_or(Reject::BadNumber)
}

/// A whole number, sent as a number or as a string of digits.
///
/// # Errors
/// [`Reject::MissingField`], or [`Reject::BadNumber`] if it is neither or does not fit.
#[inline]
pub fn integer(field: Option<Value<'_>>) -> Result<u64, Reject> {
    required(field)?.integer().ok_or(Reject::BadNumber)
}

/// A time sent as ms since 1970, in ns.
///
/// # Errors
/// As [`integer`].
#[inline]
pub fn millis(field: Option<Value<'_>>) -> Result<Nanos, Reject> {
    integer(field)?.checked_mul(MILLI).ok_or(Reject::BadNumber)
}

/// A text that says what a message is.
///
/// # Errors
/// [`Reject::MissingField`], or [`Reject::UnknownMessage`] if it is no string.
#[inline]
pub fn string(field: Option<Value<'_>>) -> Result<&str, Reject> {
    required(field)?.string().ok_or(Reject::UnknownMessage)
}

/// The price and size that a level `[price, size, ...]` begins with.
///
/// # Errors
/// [`Reject::UnknownMessage`] if it is no array, otherwise as [`decimal()`].
#[inline]
pub fn level(level: Value<'_>) -> Result<(&[u8], &[u8]), Reject> {
    let mut items = level.items().ok_or(Reject::UnknownMessage)?;
    Ok((decimal(items.next())?, decimal(items.next())?))
}
