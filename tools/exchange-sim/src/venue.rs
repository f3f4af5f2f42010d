//! What a venue is: the trait, and the types that a venue's file and the server exchange.
//!
//! A venue turns requests into [`Action`]s and quotes into text; it never sees a socket, a clock or
//! the source of the quotes.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

/// One venue's protocol.
pub(crate) trait Venue: Debug + Sync {
    /// The name used in options and on the command line.
    fn name(&self) -> &'static str;

    /// The path for a client that subscribes by messages.
    fn path(&self) -> &'static str;

    /// Heartbeats, limits and repeats.
    fn rules(&self) -> Rules;

    /// The venue's spelling of `BASE/QUOTE`.
    fn symbol(&self, instrument: &str) -> String;

    /// The name of the stream of a symbol's quotes, as it is told apart in subscriptions.
    fn topic(&self, symbol: &str) -> String;

    /// What a request for `path?query` gets.
    fn route(&self, path: &str, query: Option<&str>) -> Route;

    /// Answers one text message.
    fn on_text(&self, text: &str, session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action>;

    /// The error reply that a subscription gets when it is refused by a fault.
    fn refusal(&self, text: &str, session: &Session) -> String;

    /// Writes a number the way the venue does; `places` are the decimals of the instrument's grid.
    fn number(&self, text: &str, places: usize, out: &mut String);

    /// The sequence number after `last`; `None` asks for a symbol's first.
    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64;

    /// Writes one quote as a bare frame.
    fn frame(&self, wire: &WireQuote<'_>, out: &mut String);

    /// The frame as a combined stream carries it; `None` where the venue has no such form.
    fn combined(&self, topic: &str, bare: &str) -> Option<String>;

    /// Finds the stream of a recorded frame.
    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>>;
}

/// Heartbeats, limits and repeats of a venue. Times are the venue's documented ones.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// The server sends a protocol ping this often.
    pub(crate) ping_every: Option<Duration>,
    /// A ping must be answered within this, or the connection is closed.
    pub(crate) pong_within: Option<Duration>,
    /// The connection is closed when nothing was sent to it for this long.
    pub(crate) idle_close: Option<Duration>,
    /// The last quote of a silent symbol is sent again after this.
    pub(crate) repeat_after: Option<Duration>,
    /// The last quote is sent upon subscribing.
    pub(crate) snapshot: bool,
    /// More inbound messages than this within a second close the connection.
    pub(crate) inbound_per_second: Option<usize>,
    /// Depth-1 deltas exist as a dialect.
    pub(crate) deltas: bool,
}

/// What a connection request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A WebSocket.
    Open {
        /// Frames are wrapped with the name of their stream.
        combined: bool,
        /// Topics subscribed by the URL.
        topics: Vec<String>,
        /// Quotes are not to be had on this path.
        without_quotes: bool,
    },
    /// HTTP 404.
    NotFound,
}

/// What the venue knows of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// The venue's id of the connection.
    pub(crate) id: String,
    /// Frames are wrapped with the name of their stream.
    pub(crate) combined: bool,
    /// Quotes are not to be had on this path.
    pub(crate) without_quotes: bool,
    /// Topics subscribed, in the order of subscribing.
    pub(crate) topics: Vec<String>,
}

/// What to do about a message, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send a reply.
    Reply(String),
    /// Send a reply that says no.
    Fail(String),
    /// Send the answer to a heartbeat.
    Heartbeat(String),
    /// Start sending a topic.
    Subscribe(String),
    /// Stop sending a topic.
    Unsubscribe(String),
    /// Switch the wrapping of frames.
    Combine(bool),
}

/// The numbers of a quote, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) bid: String,
    pub(crate) bid_qty: String,
    pub(crate) ask: String,
    pub(crate) ask_qty: String,
}

/// One quote to be written as a frame.
#[derive(Debug)]
pub(crate) struct WireQuote<'a> {
    pub(crate) topic: &'a str,
    pub(crate) symbol: &'a str,
    pub(crate) texts: &'a Texts,
    /// The texts sent before, for a delta; `None` asks for a snapshot.
    pub(crate) before: Option<&'a Texts>,
    /// The older dialect of a venue that has one.
    pub(crate) delta_dialect: bool,
    /// The update id of the symbol.
    pub(crate) sequence: u64,
    /// The venue's sequence across symbols.
    pub(crate) cross: u64,
    /// The number of orders at the best bid and at the best ask.
    pub(crate) orders: [u64; 2],
    /// Matching time, ms since 1970 UTC.
    pub(crate) event_ms: u64,
    /// Sending time, ms since 1970 UTC.
    pub(crate) push_ms: u64,
}

/// A recorded frame taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recorded<'a> {
    /// The topic it belongs to.
    pub(crate) topic: Cow<'a, str>,
    /// Where the bare frame is in the recorded one.
    pub(crate) bare: Range<usize>,
}
