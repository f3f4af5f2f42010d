//! Why connections end: those of clients, and those that never became one.
//!
//! Clients are counted by the broadcast, which sends them off. Everybody else is counted by the
//! reception. A counter has one writer, so the two have different names.

use spreadwire_market::named;

named! {
    /// Why a client's connection ends. The name is the last part of the counter's name.
    pub(super) enum Departure {
        /// The client closed the connection.
        Left => "left",
        /// The connection broke.
        Reset => "reset",
        /// No frame came within the silent timeout.
        Silent => "silent",
        /// Its socket took nothing within the stuck timeout.
        Stuck => "stuck",
        /// It sent more frames or bytes within a second than are read.
        TooFast => "too_fast",
        /// It missed more than is kept for it.
        Overrun => "overrun",
        /// It sent a message in more frames than are joined.
        Endless => "endless",
        /// A request was too long.
        TooLarge => "too_large",
        /// A request was not JSON.
        NotJson => "not_json",
        /// A text frame was not UTF-8.
        NotUtf8 => "not_utf8",
        /// It sent a binary frame.
        Binary => "binary",
        /// It sent something that is not a frame of RFC 6455.
        Protocol => "protocol",
        /// The engine stopped.
        Shutdown => "shutdown",
    }
}

named! {
    /// Why a connection ends before its upgrade. The name is the last part of the counter's name.
    pub(super) enum Dismissal {
        /// It was closed or broke.
        LeftEarly => "left_early",
        /// The upgrade was not complete in time.
        HandshakeTimeout => "handshake_timeout",
        /// It was the oldest, and a newer one needed the place.
        Evicted => "evicted",
        /// What came was no WebSocket upgrade.
        NoUpgrade => "no_upgrade",
        /// There were as many clients as are served.
        Full => "full",
        /// Its address had as many connections as one may have.
        AddressFull => "address_full",
        /// Its address made connections too fast.
        AddressFast => "address_fast",
        /// It named a host that is not ours.
        ForeignHost => "foreign_host",
        /// It came from a web page of an origin that is not listed.
        ForeignOrigin => "foreign_origin",
        /// It brought no token, though one is needed.
        NoToken => "no_token",
        /// Its token is none of ours, or does not let it read.
        WrongToken => "wrong_token",
        /// Its address brought no right token too often.
        TokenFast => "token_fast",
        /// The engine stopped before its upgrade was complete.
        Stopped => "stopped",
    }
}

impl Departure {
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
            Departure::TooFast => Some((1008, "too many frames or bytes within a second")),
            Departure::Overrun => Some((1008, "you missed more than is kept for you")),
            Departure::Endless => Some((1008, "a message in too many frames")),
            Departure::TooLarge => Some((1009, "a request is too long")),
            Departure::Left | Departure::Reset => None,
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
