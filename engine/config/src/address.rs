//! Addresses of WebSocket servers, `ws://host[:port]/path` and `wss://host[:port]/path`, and of REST
//! APIs, `http://host[:port]/path` and `https://host[:port]/path`.

use http::Uri;

/// A parsed address. Its text is what it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The whole address as it was written.
    pub url: String,
    /// Whether the connection is encrypted: `wss://` or `https://`.
    pub secure: bool,
    /// Host name or IP address, without the brackets of an IPv6 address.
    pub host: String,
    /// Port; 443 or 80 where none is written.
    pub port: u16,
}

/// The text is not an address of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address {url:?} is not {plain}://host[:port]/path or {secure}://host[:port]/path")]
pub struct BadAddress {
    /// The text.
    pub url: String,
    /// The scheme without encryption.
    pub plain: &'static str,
    /// The scheme with encryption.
    pub secure: &'static str,
}

impl Address {
    /// Parses the address of a WebSocket server.
    ///
    /// # Errors
    /// [`BadAddress`] if the scheme is neither `ws` nor `wss`, the host is missing, or the port is
    /// out of range.
    pub fn parse(url: &str) -> Result<Address, BadAddress> {
        Address::of_scheme(url, ["ws", "wss"])
    }

    /// Parses the address of a REST API.
    ///
    /// # Errors
    /// As [`parse`](Address::parse), for the schemes `http` and `https`.
    pub fn parse_http(url: &str) -> Result<Address, BadAddress> {
        Address::of_scheme(url, ["http", "https"])
    }

    fn of_scheme(
        url: &str,
        [plain, secure_scheme]: [&'static str; 2],
    ) -> Result<Address, BadAddress> {
        let bad = || BadAddress { url: url.to_owned(), plain, secure: secure_scheme };
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
            Some(scheme) if scheme == plain => false,
            Some(scheme) if scheme == secure_scheme => true,
            Some(_) | None => return Err(bad()),
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
            let bad = BadAddress { url: url.to_owned(), plain: "ws", secure: "wss" };
            assert_eq!(Address::parse(url), Err(bad), "{url:?}");
        }
    }

    #[test]
    fn addresses_of_rest_apis_have_schemes_of_their_own() {
        let address = Address::parse_http("https://api.example.com").unwrap();
        assert_eq!((address.secure, address.port), (true, 443));
        assert!(!Address::parse_http("http://127.0.0.1:9101").unwrap().secure);
        let told = Address::parse_http("wss://api.example.com").unwrap_err().to_string();
        let expected = "the address \"wss://api.example.com\" is not http://host[:port]/path or \
                        https://host[:port]/path";
        assert_eq!(told, expected);
    }
}
