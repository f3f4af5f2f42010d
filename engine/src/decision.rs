//! Placeholder replaced in the next commit.

/// Why an opportunity closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseReason {
    /// The net spread fell under the exit threshold.
    Exit = 0,
    /// A leg is no longer live.
    LegNotLive = 1,
    /// Records were missed: what happened meanwhile is unknown.
    Gap = 2,
    /// The engine stopped.
    Stopped = 3,
}
