//! What the simulator counted and what it remembers having written.
//!
//! Plain records, filled by the server. Must not know how anything was sent.

/// Counters of a running or ended simulator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// By venue, in the order of the options.
    pub venues: Vec<VenueStats>,
    /// Items (quotes or raw frames) taken from the source.
    pub produced: u64,
    /// The most that an item was sent after it was due, ns. At unlimited speed nothing is due.
    pub late_ns_max: u64,
    /// Frames that a recording says it lacks, so far; of a loop in this round.
    pub lost: u64,
    /// Binary frames of a recording, which name no stream and are not sent; likewise.
    pub binary: u64,
    /// Whether the source has begun to play.
    pub playing: bool,
    /// Whether the source has ended and everything was written to the sockets.
    pub finished: bool,
    /// Why the source ended before its end, if it did.
    pub problem: Option<String>,
}

impl Stats {
    /// The counters of one venue; zeros for a venue that is not simulated.
    #[must_use]
    pub fn venue(&self, name: &str) -> VenueStats {
        self.venues.iter().find(|venue| venue.name == name).copied().unwrap_or_default()
    }

    /// Quotes sent by all venues.
    #[must_use]
    pub fn quotes(&self) -> u64 {
        self.venues.iter().map(|venue| venue.quotes).sum()
    }

    /// Subscriptions held now, by (connection, topic).
    #[must_use]
    pub fn subscriptions(&self) -> u64 {
        self.venues.iter().map(|venue| venue.subscriptions).sum()
    }
}

/// Counters of one venue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VenueStats {
    /// The venue's name.
    pub name: &'static str,
    /// WebSockets open now.
    pub connections: u64,
    /// WebSockets opened so far.
    pub opened: u64,
    /// Connection requests turned away (HTTP 404, failed handshakes).
    pub turned_away: u64,
    /// Subscriptions held now, by (connection, topic).
    pub subscriptions: u64,
    /// Text messages received.
    pub requests: u64,
    /// Error replies sent, scripted ones too.
    pub errors: u64,
    /// Data frames sent, by connection; replies are not counted.
    pub frames: u64,
    /// Bytes of those frames, without the WebSocket's headers.
    pub frame_len: u64,
    /// Quotes (or raw frames) of the source that at least one client was sent.
    pub quotes: u64,
    /// Quotes produced while nobody was subscribed to them, and raw frames that name no stream.
    pub unheard: u64,
    /// Quotes not sent because of a scripted skip, or because every subscribed connection was
    /// stalled or ending.
    pub withheld: u64,
    /// Last quotes sent upon subscribing.
    pub snapshots: u64,
    /// Last quotes sent again after a silence.
    pub repeats: u64,
    /// Client heartbeats answered, in the venue's form or as protocol pings.
    pub heartbeats: u64,
    /// Protocol pings sent.
    pub pings: u64,
    /// Pongs received.
    pub pongs: u64,
    /// Scripted faults fired.
    pub faults: u64,
    /// Connections cut because the client did not read.
    pub stuck: u64,
    /// Connections closed for breaking the venue's rules: too many messages, no pong, idle.
    pub expelled: u64,
}

/// Why a quote was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// A quote of the source.
    Change,
    /// The last quote, to a client that just subscribed.
    Snapshot,
    /// The last quote again after a silence, same sequence number.
    Repeat,
    /// A well-formed message with a wrong quote, by a scripted fault.
    Faulty,
}

/// One quote as written to the sockets of its subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The venue's name.
    pub venue: &'static str,
    /// The venue's spelling of the instrument.
    pub symbol: String,
    /// Best bid price, as sent.
    pub bid: String,
    /// Size at the best bid, as sent.
    pub bid_qty: String,
    /// Best ask price, as sent.
    pub ask: String,
    /// Size at the best ask, as sent.
    pub ask_qty: String,
    /// The symbol's update id: `u`, `seqId`.
    pub sequence: u64,
    /// Matching time, ns since 1970 UTC in whole ms: `T`, `cts`, `ts` of OKX. Binance spot does
    /// not write it.
    pub event_ns: u64,
    /// Sending time, ns since 1970 UTC in whole ms: `E`, `ts` of Bybit. Others do not write it.
    pub push_ns: u64,
    /// Why it was written.
    pub occasion: Occasion,
    /// Connections it was written to.
    pub receivers: u32,
}

/// What remains of a simulator that was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The counters at the end.
    pub stats: Stats,
    /// With `record`, every quote written, in order. What a broken connection lost on the way is
    /// in here too. Raw recorded frames are not.
    pub written: Vec<Written>,
}
