//! States of a (venue, instrument), the reasons for their changes, and their codes in records.

use crate::coded;

coded! {
    /// State of a (venue, instrument).
    pub enum State {
        /// Not connected, or no quote since the connection was made.
        Down = 0 => "down",
        /// The last quote is valid.
        Live = 1 => "live",
        /// The last quote is too old, or the connection shows no life.
        Stale = 2 => "stale",
        /// Changes were lost; waiting for a snapshot.
        Gap = 3 => "gap",
        /// The bid is above the ask.
        Crossed = 4 => "crossed",
        /// There is no bid, no ask, or neither: a halt.
        OneSided = 5 => "one_sided",
        /// The quote was true some time ago: it came late, or we read it late.
        Lagging = 6 => "lagging",
        /// The newest quote could not be read, or cannot be believed.
        Unreadable = 7 => "unreadable",
        /// Subscribed, and never quoted since.
        Silent = 8 => "silent",
        /// The venue refused the subscription.
        Refused = 9 => "refused",
    }
}

impl State {
    /// Returns the state in the terms of the first five, which older clients know: live stays live,
    /// and everything else is not live.
    #[must_use]
    pub fn basic(self) -> State {
        match self {
            State::OneSided | State::Lagging => State::Stale,
            State::Unreadable => State::Gap,
            State::Silent | State::Refused => State::Down,
            State::Down | State::Live | State::Stale | State::Gap | State::Crossed => self,
        }
    }
}

coded! {
    /// Reason for a change of state.
    pub enum Reason {
        /// A good quote arrived.
        Quote = 0 => "quote",
        /// The connection ended.
        Disconnected = 1 => "disconnected",
        /// No frame of any kind arrived within the venue's limit.
        Silent = 2 => "silent",
        /// The last quote is older than the maximum age.
        Quiet = 3 => "quiet",
        /// The sequence numbers show that quotes were lost.
        SequenceGap = 4 => "sequence_gap",
        /// The bid is above the ask.
        Crossed = 5 => "crossed",
        /// The venue refused the subscription.
        Refused = 6 => "refused",
        /// There is a bid or an ask, but not both.
        OneSided = 7 => "one_sided",
        /// There is neither a bid nor an ask.
        Empty = 8 => "empty",
        /// The event time is behind by more than the maximum lag.
        Lag = 9 => "lag",
        /// Our own thread was held up, and the quote had waited.
        HeldUp = 10 => "held_up",
        /// A quote of this symbol could not be decoded.
        Unreadable = 11 => "unreadable",
        /// The quote is too far from those before it, or its time from ours.
        Implausible = 12 => "implausible",
        /// The connection is new, and no quote has come yet.
        Subscribed = 13 => "subscribed",
        /// No quote came within the time for the first one, or within the symbol's pace.
        NoQuote = 14 => "no_quote",
        /// A sequence number is below the last one.
        OutOfOrder = 15 => "out_of_order",
    }
}

impl Reason {
    /// Returns what is done about it, or what a person can do, in words.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Reason::Quote => "nothing to do",
            Reason::Disconnected | Reason::Silent => "connects again",
            Reason::Quiet | Reason::Subscribed => "waits for the next quote",
            Reason::SequenceGap => "waits for the next snapshot",
            Reason::Crossed | Reason::OneSided | Reason::Empty => {
                "waits for a quote with a bid below an ask"
            }
            Reason::Refused => "asks again, at most once an hour in the end; is the symbol right?",
            Reason::Lag => "waits for a quote in time; is the host's clock right?",
            Reason::HeldUp => "reads what has waited; does the thread have a core of its own?",
            Reason::Unreadable => {
                "waits for the next quote that can be read; do the decimals of the instrument suffice?"
            }
            Reason::Implausible => "waits until the next quotes confirm it",
            Reason::NoQuote => "subscribes again; is the symbol right and traded?",
            Reason::OutOfOrder => "waits for a quote in order",
        }
    }
}

coded! {
    /// Reason why a spread ended, although no leg changed its state at that moment.
    pub enum EndReason {
        /// A leg is no longer live; its status precedes this.
        LegNotLive = 0 => "leg_not_live",
        /// A leg is older than its venue's maximum age.
        LegOld = 1 => "leg_old",
        /// The net is beyond the bound of what is believed.
        Implausible = 2 => "implausible",
    }
}

coded! {
    /// Reason why an opportunity closed.
    pub enum CloseReason {
        /// The net spread fell below the exit threshold.
        Exit = 0 => "exit",
        /// A leg is no longer live.
        LegNotLive = 1 => "leg_not_live",
        /// Records were missed, so the spread in the meantime is unknown.
        Gap = 2 => "gap",
        /// The engine stopped.
        Stopped = 3 => "stopped",
        /// The spread ended although both legs are live: one is too old.
        SpreadEnded = 4 => "spread_ended",
        /// The net is beyond the bound of what is believed.
        Implausible = 5 => "implausible",
    }
}
