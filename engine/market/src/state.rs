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
    }
}
