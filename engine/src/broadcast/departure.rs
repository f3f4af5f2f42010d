//! Why a client's connection ends, and what the client is told about it.

/// Why a client's connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    Left,
    Reset,
    HandshakeTimeout,
    NoUpgrade,
    Full,
    Silent,
    Stuck,
    TooFast,
    TooLarge,
    NotJson,
    NotUtf8,
    Binary,
    Protocol,
    Shutdown,
}

impl Departure {
    /// Every reason.
    pub(super) const ALL: [Departure; 14] = [
        Departure::Left,
        Departure::Reset,
        Departure::HandshakeTimeout,
        Departure::NoUpgrade,
        Departure::Full,
        Departure::Silent,
        Departure::Stuck,
        Departure::TooFast,
        Departure::TooLarge,
        Departure::NotJson,
        Departure::NotUtf8,
        Departure::Binary,
        Departure::Protocol,
        Departure::Shutdown,
    ];

    /// Returns the last part of its counter's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Departure::Left => "left",
            Departure::Reset => "reset",
            Departure::HandshakeTimeout => "handshake_timeout",
            Departure::NoUpgrade => "no_upgrade",
            Departure::Full => "full",
            Departure::Silent => "silent",
            Departure::Stuck => "stuck",
            Departure::TooFast => "too_fast",
            Departure::TooLarge => "too_large",
            Departure::NotJson => "not_json",
            Departure::NotUtf8 => "not_utf8",
            Departure::Binary => "binary",
            Departure::Protocol => "protocol",
            Departure::Shutdown => "shutdown",
        }
    }

    /// Returns the close code (RFC 6455, 7.4.1) and reason that the client is sent.
    pub(super) fn close(self) -> Option<(u16, &'static str)> {
        match self {
            Departure::Shutdown => Some((1001, "the engine stops")),
            Departure::Protocol => Some((1002, "not a frame of RFC 6455")),
            Departure::Binary => Some((1003, "requests are text")),
            Departure::NotJson => Some((1007, "requests are JSON")),
            Departure::NotUtf8 => Some((1007, "text is UTF-8")),
            Departure::Silent => Some((1008, "no frame of yours within the silent timeout")),
            Departure::Stuck => Some((1008, "your socket takes nothing")),
            Departure::TooFast => Some((1008, "too many frames within a second")),
            Departure::TooLarge => Some((1009, "a request is too long")),
            Departure::Left
            | Departure::Reset
            | Departure::HandshakeTimeout
            | Departure::NoUpgrade
            | Departure::Full => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_lists_every_close_code_and_the_default_limits() {
        let document = include_str!("../../../docs/broadcast.md");
        for departure in Departure::ALL {
            if let Some((code, _)) = departure.close() {
                assert!(document.contains(&format!("| {code} |")), "{departure:?}");
            }
        }
    }
}
