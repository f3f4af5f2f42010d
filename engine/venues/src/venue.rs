//! What a venue is: its addresses, its limits, and the function from its frames to messages.
//!
//! A [`Protocol`] turns bytes into [`Message`]s and knows no socket, thread, ring or clock. What
//! all venues need (connecting, pacing, heartbeats, sequence and crossed-quote rules, reconnecting)
//! lives once, in `feed`, `connector` and `integrity`, driven by the plain data of a [`VenueSpec`].

use crate::json::{Malformed, Value};
use rustc_hash::FxHashMap;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal::{self, DecimalError};
use spreadwire_market::instrument::InstrumentId;
use spreadwire_market::named;
use spreadwire_market::word;

// The units of a venue's times, so that its file need not know the clock.
pub use spreadwire_market::clock::{MILLI, SECOND};
// What a venue trades, so that its file need not know instruments.
pub use spreadwire_market::instrument::Market;

/// A row of the registry: everything the engine knows of a venue.
#[derive(Clone, Copy, Debug)]
pub struct VenueSpec {
    /// Name in configuration and files: `binance-usdm`.
    pub name: &'static str,
    /// One line for `spreadwire venues`.
    pub title: &'static str,
    /// What it trades: an instrument of another market is never listed on it.
    pub market: Market,
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

impl Side {
    /// The side that a price and a size make, neither of them negative: a zero is an absent side.
    #[inline]
    #[must_use]
    pub fn of(px: i64, sz: i64) -> Side {
        if px == 0 || sz == 0 { Side::Empty } else { Side::Level { px, sz } }
    }

    /// The better of this one and the next level of a list, where `better` compares prices
    /// (`i64::gt` for bids). A list without any size is an empty side.
    #[inline]
    #[must_use]
    pub fn or_better(self, next: Side, better: fn(&i64, &i64) -> bool) -> Side {
        match (next, self) {
            (Side::Level { px, .. }, Side::Level { px: other, .. }) if better(&px, &other) => next,
            (_, Side::Level { .. }) => self,
            (first, Side::Empty | Side::Unchanged) => first,
        }
    }
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

named! {
    /// Why a frame gave no message. Counted by venue and reason; the connection goes on.
    pub enum Reject {
        /// Not JSON, or cut off.
        Malformed => "malformed",
        /// JSON, but of no shape that the venue documents.
        UnknownMessage => "unknown_message",
        /// A symbol that was not subscribed.
        UnknownSymbol => "unknown_symbol",
        /// A field that must be there is not.
        MissingField => "missing_field",
        /// A field that is no number.
        BadNumber => "bad_number",
        /// A price or size below zero.
        Negative => "negative",
        /// More decimals than the instrument's scale holds, or beyond its range.
        BeyondScale => "beyond_scale",
        /// Longer than any message that a venue documents.
        Oversized => "oversized",
        /// A binary frame where text is spoken.
        Binary => "binary",
    }
}

impl std::error::Error for Reject {}

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
    short: ShortTexts,
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
        let short = ShortTexts::new(&by_text);
        Symbols { list, by_text, short }
    }

    /// The place of a symbol.
    ///
    /// # Errors
    /// [`Reject::UnknownSymbol`] if it was not subscribed on this connection.
    #[inline]
    pub fn find(&self, text: &[u8]) -> Result<usize, Reject> {
        self.by_text.get(text).copied().ok_or(Reject::UnknownSymbol)
    }

    /// The place of the symbol that `text` begins with, up to a quote, and its length. `None` if it
    /// is none of these, or if it is one that JSON may write in more than one way.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of a positional decoder: see `word`")]
    #[must_use]
    pub fn find_leading(&self, text: &[u8]) -> Option<(usize, usize)> {
        let pair = word::pair_at(text, 0);
        let length = word::quote(pair);
        if SHORT_MAX < length {
            return self.find_leading_long(text);
        }
        Some((self.short.find(key_of(pair, length))?, length))
    }

    #[cold]
    fn find_leading_long(&self, text: &[u8]) -> Option<(usize, usize)> {
        let length = text.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20 | 0x80..))?;
        let length = (text[length] == b'"').then_some(length)?;
        Some((self.find(&text[..length]).ok()?, length))
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
        Ok(Side::of(px, sz))
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
            best = best.or_better(self.side(place, price, size)?, better);
        }
        Ok(best)
    }
}

/// Texts of up to [`SHORT_MAX`] bytes as pairs of words, in an open hash table: found by two
/// comparisons of words, without a look at single bytes.
#[derive(Clone, Debug, Default)]
struct ShortTexts {
    /// A power of two of them; at least half are free.
    slots: Box<[Slot]>,
}

/// The longest text that is kept as words: behind it must be room to see its end.
const SHORT_MAX: usize = 15;

/// A text, zeros behind it, and its place.
type Slot = Option<([u64; 2], usize)>;

impl ShortTexts {
    fn new(by_text: &FxHashMap<Box<[u8]>, usize>) -> ShortTexts {
        let escaped = |b: &u8| matches!(b, b'"' | b'\\' | 0..0x20);
        let is_short = |text: &[u8]| text.len() <= SHORT_MAX && !text.iter().any(escaped);
        let short = || by_text.iter().filter(|(text, _)| is_short(text));
        let mut slots = vec![None; (2 * short().count()).next_power_of_two()].into_boxed_slice();
        for (text, place) in short() {
            let key = key_of(word::pair_at(text, 0), text.len());
            let mut at = slot_of(key, slots.len());
            while slots[at].is_some() {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = Some((key, *place));
        }
        ShortTexts { slots }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of a positional decoder: see `word`")]
    fn find(&self, key: [u64; 2]) -> Option<usize> {
        let mut at = slot_of(key, self.slots.len());
        loop {
            match self.slots.get(at)? {
                Some((known, place)) if *known == key => return Some(*place),
                Some(_) => at = (at + 1) & (self.slots.len() - 1),
                None => return None,
            }
        }
    }
}

/// The first `length` bytes, and in the last byte, which is none of them, their number.
#[inline]
fn key_of([low, high]: [u64; 2], length: usize) -> [u64; 2] {
    let high = word::first(high, length.saturating_sub(8)) | (length as u64) << 56;
    [word::first(low, length), high]
}

/// Where the search for a text begins among `slots`, a power of two.
#[inline]
fn slot_of(key: [u64; 2], slots: usize) -> usize {
    // Two odd numbers without a pattern; the upper bits of a product depend on all of the lower.
    let mixed =
        (key[0] ^ key[1].wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> 32) as usize & slots.wrapping_sub(1)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn symbols(texts: &[&str]) -> Symbols {
        let symbol = |(place, text): (usize, &&str)| Symbol {
            text: (*text).to_owned(),
            instrument: InstrumentId(u32::try_from(place).unwrap()),
            price_scale: 2,
            size_scale: 2,
        };
        Symbols::new(texts.iter().enumerate().map(symbol).collect())
    }

    #[test]
    fn a_symbol_is_found_up_to_its_quote() {
        let long = "BTC-USD-220624-50000-C";
        let list =
            symbols(&["BTCUSDT", "A", "FIFTEENBYTESLNG", "龙虾USDT", long, "A\\B", "BTCUSDT"]);
        for (text, expected) in [
            ("BTCUSDT\",\"b\":1", Some((6, 7))),
            ("A\"", Some((1, 1))),
            ("FIFTEENBYTESLNG\"}", Some((2, 15))),
            ("FIFTEENBYTESLNGX\"}", None),
            ("FIFTEENBYTESLNG\0\"}", None),
            ("龙虾USDT\"", Some((3, 10))),
            ("BTC-USD-220624-50000-C\"", Some((4, 22))),
            ("BTC-USD-220624-50000-P\"", None),
            ("BTCUSD\"T", None),
            ("BTCUSDT\0\"", None),
            ("A\\B\"", None),
            ("BTCUSDT", None),
            ("\"", None),
            ("", None),
        ] {
            assert_eq!(list.find_leading(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(Symbols::default().find_leading(b"A\""), None);
    }

    proptest! {
        #[test]
        fn the_words_find_what_the_map_finds(
            texts in proptest::collection::vec("[A-C]{0,3}[0-9]{0,14}", 1..60),
            other in "[A-C]{0,3}[0-9]{0,14}",
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let list = symbols(&texts);
            for text in texts.iter().copied().chain([other.as_str()]) {
                let expected = list.find(text.as_bytes()).ok().map(|place| (place, text.len()));
                prop_assert_eq!(list.find_leading(format!("{text}\",").as_bytes()), expected);
            }
        }
    }
}
