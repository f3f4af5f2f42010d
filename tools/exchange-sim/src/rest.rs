//! The venues' REST API for instruments: which request asks for it, and what the list says.
//!
//! A client asks on the port of the venue's WebSocket. A request that does not ask for an upgrade is
//! answered here. The list holds the instruments of the source; `listing` changes it.

use crate::decimal;

/// Length of the longest head of a request, in bytes.
pub(crate) const HEAD_LEN_MAX: usize = 16 << 10;

/// One instrument in a venue's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestInstrument {
    pub(crate) symbol: String,
    pub(crate) base: String,
    pub(crate) quote: String,
    pub(crate) is_halted: bool,
    /// Step of prices, as the list writes it.
    pub(crate) tick: String,
    /// Step of sizes, as the list writes it.
    pub(crate) lot: String,
}

impl RestInstrument {
    /// Returns an instrument of the source. `name` is `BASE/QUOTE`; the steps are the finest that the
    /// numbers of digits after the point allow.
    pub(crate) fn of(name: &str, symbol: &str, places: (usize, usize)) -> RestInstrument {
        let (base, quote) = name.split_once('/').unwrap_or((name, ""));
        let step = |places: usize| {
            let mut out = String::new();
            decimal::push_units(1, places, &mut out);
            out
        };
        RestInstrument {
            symbol: symbol.to_owned(),
            base: base.to_owned(),
            quote: quote.to_owned(),
            is_halted: false,
            tick: step(places.0),
            lot: step(places.1),
        }
    }
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    /// More bytes are needed.
    Incomplete,
    /// They are for the WebSocket handshake to judge.
    WebSocket,
    /// A plain GET of this path, without its query.
    Get(String),
}

/// Reads the first bytes of a connection.
pub(crate) fn head(bytes: &[u8]) -> Head {
    const METHOD: &[u8] = b"GET ";
    let shared = bytes.len().min(METHOD.len());
    if bytes[..shared] != METHOD[..shared] || HEAD_LEN_MAX < bytes.len() {
        return Head::WebSocket;
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Head::Incomplete;
    };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.split("\r\n");
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let upgrades = lines.any(|line| {
        line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("upgrade"))
    });
    if upgrades {
        return Head::WebSocket;
    }
    Head::Get(target.split('?').next().unwrap_or_default().to_owned())
}

/// Returns a whole HTTP response. Without a body, it says that there is no such path.
pub(crate) fn response(body: Option<&str>) -> Vec<u8> {
    let (status, kind, body) = match body {
        Some(body) => ("200 OK", "application/json", body),
        None => ("404 Not Found", "text/plain", "no such path"),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n\
         {body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_get_without_upgrade_is_answered_here() {
        let get = b"GET /v5/market/x?category=spot HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
        for length in 0..get.len() {
            assert_eq!(head(&get[..length]), Head::Incomplete, "{length}");
        }
        assert_eq!(head(get), Head::Get("/v5/market/x".to_owned()));
        let upgrade = b"GET /ws HTTP/1.1\r\nHost: a\r\nupgrade: websocket\r\n\r\n";
        assert_eq!(head(upgrade), Head::WebSocket);
        for other in [&b"POST / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"GEX"] {
            assert_eq!(head(other), Head::WebSocket);
        }
        assert_eq!(head(&[b"GET /", &[b'x'; HEAD_LEN_MAX][..]].concat()), Head::WebSocket);
    }
}
