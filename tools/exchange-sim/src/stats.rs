//! The simulator's counters, and the quotes that it remembers having written.
//!
//! These are plain records that the server fills.

/// Counters of a simulator that runs or has stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Counters of each venue, in the order of the options.
    pub venues: Vec<VenueStats>,
    /// Items taken from the source: quotes or recorded frames.
    pub produced: u64,
    /// Greatest delay between the time an item was due and its sending, in ns. Stays 0 at unlimited
    /// speed, at which no item has a due time.
    pub late_ns_max: u64,
    /// Frames that the recording played so far says it lacks. Starts again at 0 with each loop.
    pub lost: u64,
    /// Binary frames in the recording played so far. They name no stream and are not sent. Starts
    /// again at 0 with each loop.
    pub binary: u64,
    /// Whether the source has begun to play.
    pub playing: bool,
    /// Whether the source has ended and everything was written to the sockets.
    pub finished: bool,
    /// Why the source stopped before its end, if it did.
    pub problem: Option<String>,
}

impl Stats {
    /// Returns the counters of one venue, which are all 0 if the venue is not simulated.
    #[must_use]
    pub fn venue(&self, name: &str) -> VenueStats {
        self.venues.iter().find(|venue| venue.name == name).copied().unwrap_or_default()
    }

    /// Returns the number of quotes sent by all venues.
    #[must_use]
    pub fn quotes(&self) -> u64 {
        self.venues.iter().map(|venue| venue.quotes).sum()
    }

    /// Returns the number of (connection, topic) subscriptions that exist now.
    #[must_use]
    pub fn subscriptions(&self) -> u64 {
        self.venues.iter().map(|venue| venue.subscriptions).sum()
    }
}

/// Counters of one venue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VenueStats {
    /// Name of the venue.
    pub name: &'static str,
    /// WebSockets open now.
    pub connections: u64,
    /// WebSockets opened so far.
    pub opened: u64,
    /// Connection requests turned away: HTTP 404 and failed handshakes.
    pub turned_away: u64,
    /// REST requests answered with the list of instruments.
    pub lists: u64,
    /// (connection, topic) subscriptions that exist now.
    pub subscriptions: u64,
    /// Text messages received.
    pub requests: u64,
    /// Error replies sent, including scripted ones.
    pub errors: u64,
    /// Data frames sent. A frame sent to two connections counts twice; replies are not counted.
    pub frames: u64,
    /// Bytes of those frames, without WebSocket headers.
    pub frame_len: u64,
    /// Quotes or recorded frames of the source that were sent to at least one client.
    pub quotes: u64,
    /// Quotes produced while no client was subscribed to them, and recorded frames that name no
    /// stream.
    pub unheard: u64,
    /// Quotes that were not sent because of a scripted skip, or because every subscribed connection
    /// was stalled or ending.
    pub withheld: u64,
    /// Last quotes sent to clients that had just subscribed.
    pub snapshots: u64,
    /// Last quotes sent again after a silence.
    pub repeats: u64,
    /// Clients' heartbeats answered, whether in the venue's own form or as protocol pings.
    pub heartbeats: u64,
    /// Protocol pings sent to clients.
    pub pings: u64,
    /// Pongs received from clients.
    pub pongs: u64,
    /// Scripted faults that happened, of quotes and of orders.
    pub faults: u64,
    /// Requests about orders that were signed and well-formed.
    pub orders: u64,
    /// Trades of the client's orders.
    pub fills: u64,
    /// Connections cut off because the client did not read.
    pub stuck: u64,
    /// Connections closed for breaking a rule of the venue: too many messages, no pong, or idle.
    pub expelled: u64,
}

/// Why a quote was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// The source has a new quote.
    Change,
    /// A client has just subscribed and gets the last quote.
    Snapshot,
    /// The symbol was silent, so its last quote is sent again with the same update id.
    Repeat,
    /// A scripted fault asks for a wrong quote in a well-formed message.
    Faulty,
}

/// One quote as it was written to the sockets of its subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Name of the venue.
    pub venue: &'static str,
    /// The venue's symbol of the instrument.
    pub symbol: String,
    /// Best bid price, as sent.
    pub bid: String,
    /// Size at the best bid, as sent.
    pub bid_qty: String,
    /// Best ask price, as sent.
    pub ask: String,
    /// Size at the best ask, as sent.
    pub ask_qty: String,
    /// Update id of the symbol: the field `u`, or `seqId` of OKX.
    pub sequence: u64,
    /// Matching time in ns since 1970 UTC, a whole number of ms. This is `T` of Binance USD-M,
    /// `cts` of Bybit and `ts` of OKX. Binance spot does not write it.
    pub event_ns: u64,
    /// Sending time in ns since 1970 UTC, a whole number of ms. This is `E` of Binance USD-M and
    /// `ts` of Bybit. Other venues do not write it.
    pub push_ns: u64,
    /// Why it was written.
    pub occasion: Occasion,
    /// Number of connections that the quote was written to.
    pub receivers: u32,
}

/// The result of a simulator that was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Counters at the end.
    pub stats: Stats,
    /// Every quote written, in order, if [`Options::record`](crate::Options::record) was set. This
    /// includes quotes that a broken connection lost on the way, but not recorded frames.
    pub written: Vec<Written>,
}
