//! The states of a (venue, instrument) and the reasons for changes, by the codes that records hold.

/// What may be made of a (venue, instrument) now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// No connection, or no quote since it was made.
    Down = 0,
    /// The last quote holds.
    Live = 1,
    /// Too old, or the connection shows no life.
    Stale = 2,
    /// Changes were lost; waiting for a full picture.
    Gap = 3,
    /// Bid above ask.
    Crossed = 4,
}

/// Why a state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// A good quote came.
    Quote = 0,
    /// The connection ended.
    Disconnected = 1,
    /// No frame of any kind within the venue's limit.
    Silent = 2,
    /// The last quote is older than the maximum age.
    Quiet = 3,
    /// The sequence shows lost quotes.
    SequenceGap = 4,
    /// Bid above ask.
    Crossed = 5,
    /// The venue refused the subscription.
    Refused = 6,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] =
        [State::Down, State::Live, State::Stale, State::Gap, State::Crossed];

    /// The state of a record's code.
    #[must_use]
    pub fn of_code(code: u8) -> Option<State> {
        State::ALL.into_iter().find(|s| *s as u8 == code)
    }

    /// As clients see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Down => "down",
            State::Live => "live",
            State::Stale => "stale",
            State::Gap => "gap",
            State::Crossed => "crossed",
        }
    }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 7] = [
        Reason::Quote,
        Reason::Disconnected,
        Reason::Silent,
        Reason::Quiet,
        Reason::SequenceGap,
        Reason::Crossed,
        Reason::Refused,
    ];

    /// The reason of a record's code.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Reason> {
        Reason::ALL.into_iter().find(|r| *r as u8 == code)
    }

    /// As clients see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Quote => "quote",
            Reason::Disconnected => "disconnected",
            Reason::Silent => "silent",
            Reason::Quiet => "quiet",
            Reason::SequenceGap => "sequence_gap",
            Reason::Crossed => "crossed",
            Reason::Refused => "refused",
        }
    }
}

/// Why an opportunity closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseReason {
    /// The net spread fell below the exit threshold.
    Exit = 0,
    /// A leg is no longer live.
    LegNotLive = 1,
    /// Records were missed: what happened meanwhile is unknown.
    Gap = 2,
    /// The engine stopped.
    Stopped = 3,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [CloseReason; 4] =
        [CloseReason::Exit, CloseReason::LegNotLive, CloseReason::Gap, CloseReason::Stopped];

    /// The reason of a record's code.
    #[must_use]
    pub fn of_code(code: u8) -> Option<CloseReason> {
        CloseReason::ALL.into_iter().find(|r| *r as u8 == code)
    }

    /// As logs show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::Exit => "exit",
            CloseReason::LegNotLive => "leg_not_live",
            CloseReason::Gap => "gap",
            CloseReason::Stopped => "stopped",
        }
    }
}
