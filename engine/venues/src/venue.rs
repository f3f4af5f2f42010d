//! The definition of a venue: its addresses, its limits, and the function from its frames to
//! messages.
//!
//! A [`Protocol`] turns bytes into [`Message`]s and uses no socket, thread, ring or clock.
//! Connecting, pacing, heartbeats, sequence and crossed-quote rules and reconnecting are the same
//! for all venues. They are implemented once, in `feed`, `connector` and `health`, and are
//! driven by the plain data of a [`VenueSpec`].

use crate::instruments::{InstrumentList, Step, StepFault};
use crate::json::{Malformed, Value};
use rustc_hash::FxHashMap;
use spreadwire_market::decimal::{self, DecimalError};
use spreadwire_market::fit::Unfit;
use spreadwire_market::instrument::InstrumentId;
use spreadwire_market::named;
use spreadwire_market::word;

// Units for a venue's intervals, so that its file does not import the clock.
pub use spreadwire_market::clock::{MILLI, Nanos, SECOND};
/// One minute, ns.
pub const MINUTE: Nanos = 60 * SECOND;
/// One hour, ns.
pub const HOUR: Nanos = 60 * MINUTE;
// Re-exported so that a venue's file imports neither `budget` nor `instrument`.
pub use crate::budget::Rate;
pub use spreadwire_market::fit::EventTime;
pub use spreadwire_market::instrument::Market;

/// An entry of the registry: everything the engine needs about a venue.
#[derive(Clone, Copy, Debug)]
pub struct VenueSpec {
    /// Name in the configuration and in files: `binance-usdm`.
    pub name: &'static str,
    /// One-line description for `spreadwire venues`.
    pub title: &'static str,
    /// The market that it trades. Instruments of other markets are never listed on it.
    pub market: Market,
    /// Base address without a path, overridable in the configuration:
    /// `wss://stream.binance.com:9443`.
    pub url: &'static str,
    /// Path and query of the public quote stream: `/ws`.
    pub path: &'static str,
    /// Default taker fee in basis points. The venue's file names the source.
    pub taker_fee_bps: f64,
    /// Maximum number of symbols on one connection.
    pub symbols_per_connection: usize,
    /// Maximum number of symbols in one subscription message.
    pub symbols_per_message: usize,
    /// Minimum time between two messages that we send, ns. Heartbeats count. Even spacing keeps a
    /// limit of messages a second however the network bunches them, which [`requests`] alone would
    /// not.
    ///
    /// [`requests`]: VenueSpec::requests
    pub message_interval: Nanos,
    /// Limits of the requests to subscribe or unsubscribe on one connection. Heartbeats do not count.
    pub requests: &'static [Rate],
    /// Limits of the attempts to connect from one address of ours to the venue's host.
    pub connects: &'static [Rate],
    /// Time after which the venue ends every connection, ns; `None` if it does not.
    pub lifetime: Option<Nanos>,
    /// How the connection is kept alive and monitored.
    pub heartbeat: Heartbeat,
    /// Whether the venue speaks first: nothing is sent before its [`Message::Welcome`].
    pub greets: bool,
    /// Headers of the request for the WebSocket, beside the usual ones.
    pub headers: &'static [(&'static str, &'static str)],
    /// What the venue's frames hold.
    pub frames: Frames,
    /// What its sizes count.
    pub sizes: Sizes,
    /// What the venue's sequence numbers promise.
    pub sequence: SequenceRule,
    /// For a venue that repeats an unchanged quote: the time without any quote after which
    /// something is wrong, ns. `None` if a quiet instrument sends nothing.
    pub repeats_within: Option<Nanos>,
    /// Quote currencies of its instruments, if its symbols do not state them: an instrument in another
    /// currency is never listed on it.
    pub quotes: Option<&'static [&'static str]>,
    /// Converts base and quote to the venue's symbol: `("BTC", "USDT")` to `BTC-USDT`.
    pub symbol: fn(base: &str, quote: &str) -> String,
    /// Whether a request with one bad symbol is refused as a whole.
    pub refuses_whole_requests: bool,
    /// Whether the venue ends the connection on which a symbol is asked for that it does not know. It
    /// answers requests in the order in which they came.
    pub ends_on_unknown: bool,
    /// Where the venue publishes its instruments.
    pub instruments: InstrumentList,
    /// Creates the decoder of one connection.
    pub protocol: fn() -> Box<dyn Protocol>,
    /// What the documentation says about it beside these figures.
    pub about: About,
}

impl VenueSpec {
    /// Returns the name of the channel that quotes come from: the title's part behind the comma.
    #[must_use]
    pub fn channel(&self) -> &'static str {
        self.title.split_once(", ").map_or(self.title, |(_, channel)| channel)
    }

    /// Returns whether it may list instruments in this quote currency.
    #[must_use]
    pub fn quotes_in(&self, currency: &str) -> bool {
        self.quotes.is_none_or(|own| own.contains(&currency))
    }
}

/// What the tables of `docs/venues.md` say about a venue in words, in Markdown.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The field with the sequence number, and what its values mean.
    pub numbering: &'static str,
    /// The field with the event time and its unit; `none` if there is none.
    pub event_time: &'static str,
    /// The documents that the figures were taken from.
    pub source: &'static str,
    /// Their date.
    pub as_of: &'static str,
    /// What the list of instruments says of one that trades.
    pub trades_if: &'static str,
    /// Fields of that list with the tick and the lot.
    pub steps: &'static str,
    /// Layouts that the positional decoder reads.
    pub layouts: &'static str,
}

/// How we keep a connection alive.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// The heartbeat that we send.
    pub ping: Ping,
    /// Time between two heartbeats, ns, unless the venue's [`Message::Welcome`] states another.
    pub interval: Nanos,
    /// Time without any frame after which the connection counts as dead, ns.
    pub dead_after: Nanos,
}

/// Form of the heartbeat.
#[derive(Clone, Copy, Debug)]
pub enum Ping {
    /// A WebSocket ping frame, which the venue answers with a pong frame.
    Frame,
    /// This text message.
    Text(&'static str),
    /// The text message made for this time, ns since 1970.
    Made(fn(Nanos) -> String),
    /// None: the venue sends heartbeats, and we answer them.
    None,
}

/// What the frames of a venue hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// JSON in text frames. A binary frame is refused.
    Text,
    /// Messages in frames of either kind: JSON, or bytes that the protocol tells from JSON.
    Either,
    /// JSON in text frames, and JSON compressed as gzip in binary ones.
    Gzip,
}

/// What the sizes of a venue count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Base units.
    Base,
    /// Contracts. The configuration states the [`Contract`] of each symbol.
    Contracts,
}

/// The base units that one contract stands for: `units` x 10^-`decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    units: i64,
    decimals: u8,
}

impl Contract {
    /// One base unit, for venues whose sizes are in base units.
    pub const ONE: Contract = Contract { units: 1, decimals: 0 };

    /// Reads a contract size such as `0.0001` or `100`.
    ///
    /// # Errors
    /// [`StepFault`] if it is not a positive decimal that our numbers can hold.
    pub fn parse(text: &str) -> Result<Contract, StepFault> {
        let Step { decimals, text } = Step::parse(Some(text))?;
        let units = decimal::parse(text.as_bytes(), decimals);
        let units = units.map_err(|_| StepFault::OutOfRange(text))?;
        Ok(Contract { units, decimals })
    }

    /// Returns the least number of decimals that hold every whole number of contracts.
    #[must_use]
    pub fn decimals(self) -> u8 {
        self.decimals
    }
}

/// A request to subscribe or unsubscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number. The venue's answer carries it, if the venue sends it back.
    pub number: u64,
    /// The time now, ns since 1970, for venues that want it.
    pub now: Nanos,
}

/// What a venue's sequence numbers promise within one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceRule {
    /// They increase, with holes that mean nothing. A message whose number is not above the last is
    /// old and is dropped.
    Increasing,
    /// As [`Increasing`](SequenceRule::Increasing), but the venue may restart them at a lower
    /// number. A lower number is a restart; an equal one is a repeat that shows the venue is alive.
    IncreasingWithRestarts,
    /// Snapshots as above. A change must carry the last number plus one; otherwise quotes were
    /// lost, until the next snapshot.
    SnapshotsAndChanges,
}

/// One side of a quote message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Side {
    /// The message does not mention this side; it is unchanged.
    #[default]
    Unchanged,
    /// There is no bid, or no ask.
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
    /// Makes a side from a non-negative price and size. If either is zero, the side is empty.
    #[inline]
    #[must_use]
    pub fn of(px: i64, sz: i64) -> Side {
        if px == 0 || sz == 0 { Side::Empty } else { Side::Level { px, sz } }
    }

    /// Returns the better of this side and the next level of a list, where `better` compares prices
    /// (`i64::gt` for bids). A level without a size counts as empty.
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

/// The contents of one message about the best bid and ask of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuoteMessage {
    /// Index of the symbol in the connection's [`Symbols`].
    pub symbol: usize,
    /// The bid side.
    pub bid: Side,
    /// The ask side.
    pub ask: Side,
    /// The venue's event time; `None` if it sends none.
    pub ts_event: Option<EventTime>,
    /// The venue's sequence number; `None` if the message has none.
    pub sequence: Option<u64>,
    /// Whether the message is a snapshot; otherwise it is a change to the last quote.
    pub snapshot: bool,
    /// Whether the venue says that it has restarted its numbering.
    pub restarted: bool,
}

/// What an answer to a subscription speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Number of the request; `None` if the answer does not name it.
    pub request: Option<u64>,
    /// Index of the symbol; `None` if the answer does not name one, so that it speaks of all symbols
    /// of the request.
    pub symbol: Option<usize>,
}

/// A decoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A quote.
    Quote(QuoteMessage),
    /// A subscription was accepted.
    Accepted(Answer),
    /// A subscription was refused.
    Refused(Answer),
    /// The answer to our heartbeat.
    Pong,
    /// A heartbeat of the venue, which is answered with [`Protocol::pong`].
    Ping,
    /// The venue's first message, after which it takes requests. It states the time between our
    /// heartbeats, ns, if it does.
    Welcome(Option<Nanos>),
    /// The venue announces that it will close the connection. Reconnect before it does.
    Closing,
    /// A documented message that is not needed.
    Other,
}

named! {
    /// Reason why a frame produced no message. It is counted by venue and reason; the connection
    /// continues.
    pub enum Reject {
        /// Not JSON, or truncated.
        Malformed => "malformed",
        /// JSON, but not of any shape that the venue documents.
        UnknownMessage => "unknown_message",
        /// A symbol that was not subscribed.
        UnknownSymbol => "unknown_symbol",
        /// A required field is missing.
        MissingField => "missing_field",
        /// A field that should be a number is not.
        BadNumber => "bad_number",
        /// A price or size is below zero.
        Negative => "negative",
        /// A number has more decimals than the instrument's scale holds, or is outside its range.
        BeyondScale => "beyond_scale",
        /// The event time is later than a record can hold.
        BeyondTime => "beyond_time",
        /// The frame is longer than any message that a venue documents.
        Oversized => "oversized",
        /// A binary frame on a text protocol.
        Binary => "binary",
        /// A compressed frame that is damaged.
        NotGzip => "not_gzip",
        /// A compressed frame that holds more than any message that a venue documents.
        Bomb => "bomb",
    }
}

impl std::error::Error for Reject {}

/// A frame that could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Why.
    pub reason: Reject,
    /// Index of the symbol whose quote it was to be; `None` if the frame does not tell. The last
    /// quote of that symbol has been replaced by one that we cannot read.
    pub symbol: Option<usize>,
}

impl Rejected {
    /// Returns a function that adds the symbol to a reason.
    pub fn of(symbol: usize) -> impl Fn(Reject) -> Rejected {
        move |reason| Rejected { reason, symbol: Some(symbol) }
    }
}

impl From<Reject> for Rejected {
    fn from(reason: Reject) -> Rejected {
        Rejected { reason, symbol: None }
    }
}

impl From<Malformed> for Rejected {
    fn from(malformed: Malformed) -> Rejected {
        Reject::from(malformed).into()
    }
}

impl From<DecimalError> for Reject {
    fn from(error: DecimalError) -> Reject {
        match error {
            DecimalError::Malformed => Reject::BadNumber,
            DecimalError::TooPrecise | DecimalError::TooLarge => Reject::BeyondScale,
        }
    }
}

impl From<Unfit> for Reject {
    fn from(unfit: Unfit) -> Reject {
        match unfit {
            Unfit::Time => Reject::BeyondTime,
            Unfit::Number | Unfit::UnknownId | Unfit::Name => Reject::BadNumber,
        }
    }
}

impl From<Malformed> for Reject {
    fn from(_: Malformed) -> Reject {
        Reject::Malformed
    }
}

/// The protocol of one connection with a venue: outgoing text, incoming messages. It performs no
/// I/O.
pub trait Protocol: Send {
    /// Returns the text message that subscribes to `symbols`, at most `symbols_per_message` of them.
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String;

    /// Returns the text message that ends the subscription of `symbols`, as in
    /// [`subscribe`](Protocol::subscribe).
    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String;

    /// Returns the text message that answers the last [`Message::Ping`]. The default is for venues that
    /// send none.
    fn pong(&mut self) -> String {
        String::new()
    }

    /// The fast decoder. It reads the layout it expects and checks every byte. If anything differs
    /// it returns `None`, and [`general`](Protocol::general) decides. Both must agree. The default
    /// declines every frame.
    fn positional(
        &mut self,
        _text: &[u8],
        _symbols: &Symbols,
        _out: &mut Vec<Message>,
    ) -> Option<()> {
        None
    }

    /// The decoder that accepts any layout. Appends the frame's messages to `out`. On an error,
    /// `out` holds nothing from this frame.
    ///
    /// # Errors
    /// [`Rejected`] if the frame cannot be decoded. It is counted and skipped, and its symbol, if it
    /// names one, is unreadable from then on.
    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Rejected>;
}

/// A subscribed symbol, with the scales of its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The venue's spelling.
    pub text: String,
    /// The instrument that the symbol stands for.
    pub instrument: InstrumentId,
    /// Number of decimals in a price mantissa.
    pub price_scale: u8,
    /// Number of decimals in a size mantissa.
    pub size_scale: u8,
    /// What the venue's sizes of this symbol count.
    pub contract: Contract,
}

impl Symbol {
    /// Returns the number of decimals that a size is read with as it was sent. Multiplied by
    /// [`in_base`](Symbol::in_base), it is a mantissa of `size_scale`.
    ///
    /// # Errors
    /// [`Reject::BeyondScale`] if `size_scale` does not hold a contract.
    #[inline]
    pub fn sent_scale(&self) -> Result<u8, Reject> {
        self.size_scale.checked_sub(self.contract.decimals).ok_or(Reject::BeyondScale)
    }

    /// Returns the size mantissa of a size that was read with [`sent_scale`](Symbol::sent_scale).
    ///
    /// # Errors
    /// [`Reject::BeyondScale`] if a mantissa cannot hold it.
    #[inline]
    pub fn in_base(&self, sent: i64) -> Result<i64, Reject> {
        sent.checked_mul(self.contract.units).ok_or(Reject::BeyondScale)
    }
}

/// A frame that cannot be decoded is searched for names within so many bytes.
const NAMED_WITHIN: usize = 1024;
/// A shorter word in lower case is more likely a key than the name of a stream.
const STREAM_NAME_MIN: usize = 4;

/// The symbols of one connection, with a lookup by their spelling.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    list: Vec<Symbol>,
    by_text: FxHashMap<Box<[u8]>, usize>,
    short: ShortTexts,
}

impl Symbols {
    /// Creates the table. A symbol's index is its position in `list`.
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

    /// Returns the index of a symbol.
    ///
    /// # Errors
    /// [`Reject::UnknownSymbol`] if it was not subscribed on this connection.
    #[inline]
    pub fn find(&self, text: &[u8]) -> Result<usize, Reject> {
        self.by_text.get(text).copied().ok_or(Reject::UnknownSymbol)
    }

    /// Returns the indices of the symbols that the first bytes of a frame name, however the frame is
    /// made. Names of streams in lower case count as well.
    pub fn named_in<'a>(&'a self, frame: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/:".contains(&byte);
        let head = &frame[..frame.len().min(NAMED_WITHIN)];
        let words = head.split(move |byte| !is_part(*byte)).filter(|word| !word.is_empty());
        words.filter_map(|word| {
            let upper = || {
                let is_long = STREAM_NAME_MIN <= word.len();
                self.by_text.get(word.to_ascii_uppercase().as_slice()).filter(|_| is_long)
            };
            self.by_text.get(word).or_else(upper).copied()
        })
    }

    /// Returns the index and length of the symbol that `text` begins with, up to a quote. Returns
    /// `None` if it is not in the table, or if JSON could write it in more than one way.
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

    /// Returns all symbols by index.
    #[must_use]
    pub fn list(&self) -> &[Symbol] {
        &self.list
    }

    /// Returns one side of a quote for the symbol at `place`. A zero price or size makes an empty
    /// side.
    ///
    /// # Errors
    /// [`Reject::BadNumber`], [`Reject::BeyondScale`], or [`Reject::Negative`].
    #[inline]
    pub fn side(&self, place: usize, price: &[u8], size: &[u8]) -> Result<Side, Reject> {
        let symbol = &self.list[place];
        let px = decimal::parse(price, symbol.price_scale)?;
        let sz = decimal::parse(size, symbol.sent_scale()?)?;
        if px < 0 || sz < 0 {
            return Err(Reject::Negative);
        }
        Ok(Side::of(px, symbol.in_base(sz)?))
    }

    /// Returns the best level with a size from a list of levels `[price, size, ...]`, where
    /// `better` compares prices (`i64::gt` for bids). Returns `unsaid` if the list is empty, and an
    /// empty side if no level has a size.
    ///
    /// # Errors
    /// [`Reject::MissingField`], [`Reject::UnknownMessage`] if it is not a list of levels, or the
    /// error of any of its numbers.
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

/// An open hash table of texts of up to [`SHORT_MAX`] bytes, stored as pairs of words. A lookup
/// compares two words and never looks at single bytes.
#[derive(Clone, Debug, Default)]
struct ShortTexts {
    /// The slots: a power of two in number, at least half of them free.
    slots: Box<[Slot]>,
}

/// Longest text stored as words. There must be room after it to see where it ends.
const SHORT_MAX: usize = 15;

/// A text padded with zeros, and its index.
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

/// Returns the first `length` bytes, with `length` in the last byte, which is never part of the
/// text.
#[inline]
fn key_of([low, high]: [u64; 2], length: usize) -> [u64; 2] {
    let high = word::first(high, length.saturating_sub(8)) | (length as u64) << 56;
    [word::first(low, length), high]
}

/// Returns the slot where the search begins, among `slots`, a power of two.
#[inline]
fn slot_of(key: [u64; 2], slots: usize) -> usize {
    // Two odd numbers without a pattern. The upper bits of a product depend on all lower bits.
    let mixed =
        (key[0] ^ key[1].wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> 32) as usize & slots.wrapping_sub(1)
}

/// Returns a field that must be present.
///
/// # Errors
/// [`Reject::MissingField`].
#[inline]
pub fn required(field: Option<Value<'_>>) -> Result<Value<'_>, Reject> {
    field.ok_or(Reject::MissingField)
}

/// Reads a list of quotes, each by `quote`.
///
/// # Errors
/// [`Reject::UnknownMessage`] if it is no list, [`Reject::MissingField`] if it is empty, and what `quote` finds.
pub fn each<'a>(
    list: Value<'a>,
    mut quote: impl FnMut(Value<'a>) -> Result<Message, Reject>,
    out: &mut Vec<Message>,
) -> Result<(), Reject> {
    let mut quotes = list.items().ok_or(Reject::UnknownMessage)?.peekable();
    if quotes.peek().is_none() {
        return Err(Reject::MissingField);
    }
    for data in quotes {
        out.push(quote(data)?);
    }
    Ok(())
}

/// Returns the text of a price or size, sent as a string or as a number.
///
/// # Errors
/// [`Reject::MissingField`], or [`Reject::BadNumber`] if it is neither.
#[inline]
pub fn decimal(field: Option<Value<'_>>) -> Result<&[u8], Reject> {
    required(field)?.decimal().ok_or(Reject::BadNumber)
}

/// Returns an integer, sent as a number or as a string of digits.
///
/// # Errors
/// [`Reject::MissingField`], or [`Reject::BadNumber`] if it is neither or does not fit.
#[inline]
pub fn integer(field: Option<Value<'_>>) -> Result<u64, Reject> {
    required(field)?.integer().ok_or(Reject::BadNumber)
}

/// Returns an event time, sent as ns since 1970.
///
/// # Errors
/// As [`integer`], and [`Reject::BeyondTime`].
#[inline]
pub fn nanos(field: Option<Value<'_>>) -> Result<EventTime, Reject> {
    Ok(EventTime::new(integer(field)?)?)
}

/// Returns an event time, sent as ms since 1970.
///
/// # Errors
/// As [`integer`], and [`Reject::BeyondTime`].
#[inline]
pub fn millis(field: Option<Value<'_>>) -> Result<EventTime, Reject> {
    Ok(EventTime::of_millis(integer(field)?)?)
}

/// Returns an event time, sent as text of RFC 3339 in UTC: `2026-09-25T17:48:26.844359Z`. A time before
/// 1971 says that there is none.
///
/// # Errors
/// [`Reject::MissingField`], [`Reject::BadNumber`], or [`Reject::BeyondTime`].
pub fn instant(field: Option<Value<'_>>) -> Result<Option<EventTime>, Reject> {
    instant_of(required(field)?.string().ok_or(Reject::BadNumber)?.as_bytes())
}

/// Returns an event time, as [`instant`] does.
///
/// # Errors
/// [`Reject::BadNumber`], or [`Reject::BeyondTime`].
pub fn instant_of(text: &[u8]) -> Result<Option<EventTime>, Reject> {
    let [year, rest @ ..] = parts(text).ok_or(Reject::BadNumber)?;
    if year <= 1970 {
        return Ok(None);
    }
    Ok(Some(EventTime::new(since_1970(year, rest).ok_or(Reject::BadNumber)?)?))
}

/// Returns year, month, day, hour, minute, second and nanosecond of `2026-09-25T17:48:26.844359Z`.
fn parts(text: &[u8]) -> Option<[u64; 7]> {
    let (head, fraction) = text.strip_suffix(b"Z")?.split_at_checked(19)?;
    let mut parts = [0; 7];
    for (at, byte) in head.iter().enumerate() {
        let between = match at {
            4 | 7 => b'-',
            10 => b'T',
            13 | 16 => b':',
            _ => b'0',
        };
        if between != b'0' {
            if *byte != between {
                return None;
            }
            continue;
        }
        let part = if at < 4 { 0 } else { 1 + (at - 5) / 3 };
        let digit = Some(byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)?;
        parts[part] = 10 * parts[part] + u64::from(digit);
    }
    if !fraction.is_empty() {
        let digits = fraction.strip_prefix(b".").filter(|digits| !digits.is_empty())?;
        let mut unit = SECOND;
        for byte in digits {
            unit /= 10;
            let digit = Some(byte.wrapping_sub(b'0')).filter(|digit| *digit < 10 && 0 < unit)?;
            parts[6] += unit * u64::from(digit);
        }
    }
    Some(parts)
}

/// Returns the time in ns since 1970, `None` if there is no such time. A leap second counts as the one
/// after it.
fn since_1970(
    year: u64,
    [month, day, hour, minute, second, nanosecond]: [u64; 6],
) -> Option<Nanos> {
    let is_leap = year.is_multiple_of(if year.is_multiple_of(100) { 400 } else { 4 });
    let february = if is_leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = *months.get(before)?;
    if day == 0 || length < day || 23 < hour || 59 < minute || 60 < second {
        return None;
    }
    let leap_years = |until: u64| until / 4 - until / 100 + until / 400;
    let leap_days = leap_years(year - 1) - leap_years(1969);
    let days = 365 * (year - 1970) + leap_days + months[..before].iter().sum::<u64>() + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    seconds.checked_mul(SECOND)?.checked_add(nanosecond)
}

/// Returns the string that identifies a message.
///
/// # Errors
/// [`Reject::MissingField`], or [`Reject::UnknownMessage`] if it is not a string.
#[inline]
pub fn string(field: Option<Value<'_>>) -> Result<&str, Reject> {
    required(field)?.string().ok_or(Reject::UnknownMessage)
}

/// Returns the price and size that a level `[price, size, ...]` begins with.
///
/// # Errors
/// [`Reject::UnknownMessage`] if it is not an array; otherwise as [`decimal()`].
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
            contract: Contract::ONE,
        };
        Symbols::new(texts.iter().enumerate().map(symbol).collect())
    }

    #[test]
    fn times_are_read_as_text() {
        let of = |text: &str| {
            let text = format!("\"{text}\"");
            crate::json::Json::default().read(text.as_bytes(), |it| instant(Some(it))).unwrap()
        };
        for (text, seconds, nanoseconds) in [
            ("2026-09-25T17:48:26.844359Z", 1_790_358_506, 844_359_000),
            ("2026-09-25T17:48:26Z", 1_790_358_506, 0),
            ("2024-02-29T23:59:59.123456789Z", 1_709_251_199, 123_456_789),
            ("2000-03-01T00:00:00.5Z", 951_868_800, 500_000_000),
            ("1972-01-01T00:00:00Z", 63_072_000, 0),
            ("2262-01-01T00:00:00Z", 9_214_646_400, 0),
        ] {
            let expected = EventTime::new(seconds * SECOND + nanoseconds).unwrap();
            assert_eq!(of(text), Ok(Some(expected)), "{text}");
        }
        for text in ["1970-01-01T00:00:00.000000Z", "0001-01-01T00:00:00Z", "1970-13-01T00:00:00Z"]
        {
            assert_eq!(of(text), Ok(None), "{text}");
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-13-10T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-10T24:00:00Z",
            "2026-01-10T23:60:00Z",
            "2026-01-10T23:00:61Z",
            "2026-01-10T23:00:00",
            "2026-01-10T23:00:00.Z",
            "2026-01-10T23:00:00.1234567890Z",
            "2026-01-10T23:00:00.x Z",
            "2026-01-10 23:00:00Z",
            "2026x01-10T23:00:00Z",
            "2026-01110T23:00:00Z",
            "2026-01-10T2300000Z",
            "2026-01-10T23:00:0:Z",
            "2026-01-10T23:00:00+00:00",
            "Z",
            "",
        ] {
            assert_eq!(of(text), Err(Reject::BadNumber), "{text}");
        }
        assert_eq!(of("9999-01-01T00:00:00Z"), Err(Reject::BadNumber));
        assert_eq!(instant(None), Err(Reject::MissingField));
    }

    #[test]
    fn a_frame_names_symbols_however_it_is_made() {
        let symbols = symbols(&["BTCUSDT", "ETH-USDT", "B", "SOLUSDT"]);
        let far = format!("{}BTCUSDT", " ".repeat(NAMED_WITHIN - 4));
        for (frame, named) in [
            (r#"{"u":5,"s":"BTCUSDT","b":"90"#, vec![0]),
            (r#"{"topic":"orderbook.1.BTCUSDT""#, vec![0]),
            (r#"{"stream":"solusdt@bookTicker","data":{"#, vec![3]),
            (r#"{"arg":{"channel":"bbo-tbt","instId":"ETH-USDT"},"data":[{"x"#, vec![1]),
            ("BTCUSDT,ETH-USDT", vec![0, 1]),
            (r#"{"s":"B"#, vec![2]),
            (r#"{"s":"BTCUSDTX","XBTCUSDT":1,"ETH":2}"#, vec![]),
            (&far, vec![]),
            ("", vec![]),
        ] {
            assert_eq!(symbols.named_in(frame.as_bytes()).collect::<Vec<_>>(), named, "{frame}");
        }
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
