//! Addresses of WebSocket servers: `ws://host[:port]/path` and `wss://host[:port]/path`.

use http::Uri;

/// A parsed address. Its text is what it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The whole address as it was written.
    pub url: String,
    /// Whether the connection is encrypted: `wss://`.
    pub secure: bool,
    /// Host name or IP address, without the brackets of an IPv6 address.
    pub host: String,
    /// Port; 443 or 80 where none is written.
    pub port: u16,
}

/// The text is not the address of a WebSocket server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address {0:?} is not ws://host[:port]/path or wss://host[:port]/path")]
pub struct BadAddress(pub String);

impl Address {
    /// Parses an address.
    ///
    /// # Errors
    /// [`BadAddress`] if the scheme is neither `ws` nor `wss`, the host is missing, or the port is
    /// out of range.
    pub fn parse(url: &str) -> Result<Address, BadAddress> {
        let bad = || BadAddress(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        // A port beyond the range is no port to the parser, which would silently fall back to the
        // customary one.
        let written = uri
            .authority()
            .is_some_and(|a| a.as_str().rsplit(']').next().unwrap_or("").contains(':'));
        if written && uri.port_u16().is_none() {
            return Err(bad());
        }
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(bad()),
        };
        let host = uri.host().filter(|h| !h.is_empty()).ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Address { url: url.to_owned(), secure, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_with_the_customary_ports() {
        for (url, secure, host, port) in [
            ("ws://127.0.0.1:8181", false, "127.0.0.1", 8181),
            ("wss://stream.example.com/ws", true, "stream.example.com", 443),
            ("ws://example.com", false, "example.com", 80),
            ("ws://[::1]:9000/x", false, "::1", 9000),
            ("ws://[::1]/x", false, "::1", 80),
        ] {
            let wanted = Address { url: url.to_owned(), secure, host: host.to_owned(), port };
            assert_eq!(Address::parse(url), Ok(wanted));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for url in ["", "http://x", "ws://", "ws://h:99999", "ws://h:", "127.0.0.1:8181", "ws:/x"] {
            assert_eq!(Address::parse(url), Err(BadAddress(url.to_owned())), "{url:?}");
        }
    }
}
