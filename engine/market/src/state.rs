//! The states of a (venue, instrument) and the reasons for changes, by the codes that records hold.

use crate::coded;

coded! {
    /// What may be made of a (venue, instrument) now.
    pub enum State {
        /// No connection, or no quote since it was made.
        Down = 0 => "down",
        /// The last quote holds.
        Live = 1 => "live",
        /// Too old, or the connection shows no life.
        Stale = 2 => "stale",
        /// Changes were lost; waiting for a full picture.
        Gap = 3 => "gap",
        /// Bid above ask.
        Crossed = 4 => "crossed",
    }
}

coded! {
    /// Why a state changed.
    pub enum Reason {
        /// A good quote came.
        Quote = 0 => "quote",
        /// The connection ended.
        Disconnected = 1 => "disconnected",
        /// No frame of any kind within the venue's limit.
        Silent = 2 => "silent",
        /// The last quote is older than the maximum age.
        Quiet = 3 => "quiet",
        /// The sequence shows lost quotes.
        SequenceGap = 4 => "sequence_gap",
        /// Bid above ask.
        Crossed = 5 => "crossed",
        /// The venue refused the subscription.
        Refused = 6 => "refused",
    }
}

coded! {
    /// Why an opportunity closed.
    pub enum CloseReason {
        /// The net spread fell below the exit threshold.
        Exit = 0 => "exit",
        /// A leg is no longer live.
        LegNotLive = 1 => "leg_not_live",
        /// Records were missed: what happened meanwhile is unknown.
        Gap = 2 => "gap",
        /// The engine stopped.
        Stopped = 3 => "stopped",
    }
}
