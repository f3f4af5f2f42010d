//! What a venue is: the trait, and the types that pass between a venue's file and the server.
//!
//! A venue turns requests into [`Action`]s and quotes into text. It has no access to sockets,
//! clocks or the source of the quotes.

use std::borrow::Cow;
use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tungstenite::Message;

use crate::rest::RestInstrument;

/// Longest content of a compressed frame of a recording, in bytes. The rest is not read.
const INFLATED_LEN_MAX: u64 = 16 << 20;

/// One venue's protocol.
pub(crate) trait Venue: Debug + Sync {
    /// Returns the name used in options and on the command line.
    fn name(&self) -> &'static str;

    /// Returns the path for clients that subscribe by messages.
    fn path(&self) -> &'static str;

    /// Returns the rules of a connection: heartbeats, limits and repeats.
    fn rules(&self) -> Rules;

    /// Returns the symbol of the canonical instrument `BASE/QUOTE`.
    fn symbol(&self, instrument: &str) -> String;

    /// Returns the path of the REST request for the list of instruments.
    fn rest_path(&self) -> &'static str;

    /// Returns whether that request is a POST.
    fn rest_is_posted(&self) -> bool {
        false
    }

    /// Returns the answer to that request.
    fn instruments(&self, list: &[RestInstrument]) -> String;

    /// Returns the name of the stream of a symbol's quotes. It identifies the stream in
    /// subscriptions.
    fn topic(&self, symbol: &str) -> String;

    /// Returns the route of a connection request for `path?query`.
    fn route(&self, path: &str, query: Option<&str>) -> Route;

    /// Answers one text message. `known` tells whether a topic can be subscribed.
    fn on_text(&self, text: &str, session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action>;

    /// Returns the error reply to a subscription that a fault refuses.
    fn refusal(&self, text: &str, session: &Session) -> String;

    /// Appends a number as the venue writes it. `places` is the number of digits after the point in
    /// the instrument's grid.
    fn number(&self, text: &str, places: usize, out: &mut String);

    /// Appends a size, given in base units, as the venue writes it. `places` is as in
    /// [`number`](Venue::number), and the lot is one unit of the last place.
    fn size(&self, text: &str, places: usize, out: &mut String) {
        self.number(text, places, out);
    }

    /// Returns the message with which the venue greets a client, if it does.
    fn greeting(&self, _session: &Session) -> Option<String> {
        None
    }

    /// Returns the text with which the venue asks whether a client is alive, or `None` if it sends
    /// WebSocket pings. A client's answer is [`Action::Pong`].
    fn ping(&self, _now_ms: u64) -> Option<String> {
        None
    }

    /// Returns how the venue's messages are sent.
    fn form(&self) -> Form {
        Form::Text
    }

    /// Returns the update id after `last`, or a symbol's first one if `last` is `None`.
    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64;

    /// Appends one quote as a bare frame.
    fn frame(&self, wire: &WireQuote<'_>, out: &mut String);

    /// Returns a bare frame as a combined stream carries it, or `None` if the venue has no combined
    /// streams.
    fn combined(&self, topic: &str, bare: &str) -> Option<String>;

    /// Returns the message that announces the end of a connection, or `None` if the venue has none.
    fn shutdown(&self, now_ms: u64) -> Option<String>;

    /// Finds the stream of a recorded frame, if the frame names one.
    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>>;
}

/// How a venue's messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As text frames.
    Text,
    /// As binary frames that hold the text.
    Binary,
    /// As binary frames that hold the text compressed as gzip.
    Gzip,
    /// JSON as text frames. Anything else as binary frames with a byte for each character, all of which
    /// are below U+0100.
    Protobuf,
}

impl Form {
    /// Returns a text as a message of this form.
    pub(crate) fn message(self, text: &str) -> Message {
        match self {
            Form::Text => Message::text(text),
            Form::Binary => Message::binary(text.as_bytes().to_vec()),
            Form::Gzip => Message::binary(zipped(text.as_bytes())),
            Form::Protobuf if text.starts_with('{') => Message::text(text),
            Form::Protobuf => Message::binary(self.content(text)),
        }
    }

    /// Returns the text of which a binary frame of this form was made; `None` if there is none.
    pub(crate) fn text(self, bytes: &[u8]) -> Option<String> {
        match self {
            Form::Text => None,
            Form::Binary => String::from_utf8(bytes.to_vec()).ok(),
            Form::Gzip => {
                let mut text = String::new();
                let mut reader = GzDecoder::new(bytes).take(INFLATED_LEN_MAX);
                reader.read_to_string(&mut text).ok().map(|_| text)
            }
            Form::Protobuf => Some(bytes.iter().copied().map(char::from).collect()),
        }
    }

    /// Returns what a message of this form holds, not compressed.
    #[must_use]
    pub fn content(self, text: &str) -> Vec<u8> {
        match self {
            Form::Text | Form::Binary | Form::Gzip => text.into(),
            Form::Protobuf if text.starts_with('{') => text.into(),
            Form::Protobuf => text.chars().filter_map(|it| u8::try_from(it).ok()).collect(),
        }
    }
}

/// Compresses a message. Writing to memory does not fail, so an error gives an empty message.
fn zipped(text: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(text).and_then(|()| writer.finish()).unwrap_or_default()
}

/// The rules of a venue's connections. The times are those that the venue documents.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// Interval at which the server sends protocol pings.
    pub(crate) ping_every: Option<Duration>,
    /// Time within which a ping must be answered, or else the connection is closed.
    pub(crate) pong_within: Option<Duration>,
    /// Time after which a connection is closed if nothing was sent to it.
    pub(crate) idle_close: Option<Duration>,
    /// Time after which the last quote of a silent symbol is sent again.
    pub(crate) repeat_after: Option<Duration>,
    /// Whether a client that subscribes is sent the last quote.
    pub(crate) snapshot: bool,
    /// Greatest number of messages from a client within a second, or else the connection is closed.
    pub(crate) inbound_per_second: Option<usize>,
    /// Whether the venue has a dialect with depth-1 deltas.
    pub(crate) deltas: bool,
}

/// The answer to a connection request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A WebSocket.
    Open {
        /// Whether frames are wrapped with the name of their stream.
        combined: bool,
        /// Topics that the URL subscribes.
        topics: Vec<String>,
        /// Whether this path serves no quotes.
        without_quotes: bool,
    },
    /// A WebSocket for orders.
    Orders {
        /// The path that was asked for.
        path: String,
        /// Its query, without the question mark.
        query: String,
    },
    /// HTTP 404.
    NotFound,
}

/// What the venue knows about one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// The venue's id of the connection.
    pub(crate) id: String,
    /// Whether frames are wrapped with the name of their stream.
    pub(crate) combined: bool,
    /// Whether the connection's path serves no quotes.
    pub(crate) without_quotes: bool,
    /// Whether the connection is one for orders.
    pub(crate) takes_orders: bool,
    /// Topics subscribed, in the order in which they were subscribed.
    pub(crate) topics: Vec<String>,
}

/// One step of the answer to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send a reply.
    Reply(String),
    /// Send an error reply.
    Fail(String),
    /// Send the answer to a heartbeat.
    Heartbeat(String),
    /// Note the client's answer to a heartbeat of the venue's.
    Pong,
    /// Start sending a topic.
    Subscribe(String),
    /// Stop sending a topic.
    Unsubscribe(String),
    /// Switch the wrapping of frames on or off.
    Combine(bool),
    /// End the connection without a closing handshake, once everything before has left.
    End,
}

impl Action {
    /// Returns the topic that it starts sending, if it does.
    pub(crate) fn subscribed(&self) -> Option<&str> {
        if let Action::Subscribe(topic) = self { Some(topic) } else { None }
    }
}

/// The prices and sizes of a quote, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// Best bid.
    pub bid: String,
    /// Size at the best bid.
    pub bid_qty: String,
    /// Best ask.
    pub ask: String,
    /// Size at the best ask.
    pub ask_qty: String,
}

/// One quote that is to be written as a frame.
#[derive(Debug)]
pub struct WireQuote<'a> {
    /// Name of the stream that the frame belongs to.
    pub topic: &'a str,
    /// The venue's symbol.
    pub symbol: &'a str,
    /// Prices and sizes as the venue writes them.
    pub texts: &'a Texts,
    /// Prices and sizes sent before, for a delta. `None` asks for a snapshot.
    pub before: Option<&'a Texts>,
    /// Whether the venue's older dialect is asked for.
    pub delta_dialect: bool,
    /// Update id of the symbol.
    pub sequence: u64,
    /// Sequence number across the symbols of the venue.
    pub cross: u64,
    /// Numbers of orders at the best bid and at the best ask.
    pub orders: [u64; 2],
    /// Matching time, in ms since 1970 UTC.
    pub event_ms: u64,
    /// Sending time, in ms since 1970 UTC.
    pub push_ms: u64,
}

/// The parts of a recorded frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recorded<'a> {
    /// Topic that the frame belongs to.
    pub(crate) topic: Cow<'a, str>,
    /// Position of the bare frame in the recorded one.
    pub(crate) bare: Range<usize>,
}
