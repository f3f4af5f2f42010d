//! The venues' REST API: what a request is, and what the list of instruments says.
//!
//! A client asks on the port of the venue's WebSocket. A request that does not ask for an upgrade is
//! answered as HTTP. The list holds the instruments of the source; `listing` changes it. `orders`
//! answers the requests about orders and balances.

use crate::decimal;

/// Length of the longest head of a request, in bytes.
pub(crate) const HEAD_LEN_MAX: usize = 16 << 10;

/// Length of the longest body of a request, in bytes.
const BODY_LEN_MAX: usize = 64 << 10;

/// The venue's number of the first instrument.
const FIRST_CODE: u64 = 211_001;

/// One instrument in a venue's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestInstrument {
    pub(crate) symbol: String,
    pub(crate) base: String,
    pub(crate) quote: String,
    pub(crate) is_halted: bool,
    /// Step of prices, as the list writes it.
    pub(crate) tick: String,
    /// Step of sizes, as the list writes it. It is also the least size.
    pub(crate) lot: String,
    /// The venue's number of the instrument, where it has one.
    pub(crate) code: u64,
    /// Numbers of digits after the point of the source's prices and sizes.
    pub(crate) places: (usize, usize),
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
            code: 0,
            places,
        }
    }

    /// Gives the instrument the venue's number for the one at this index of the source.
    pub(crate) fn numbered(self, index: usize) -> RestInstrument {
        RestInstrument { code: FIRST_CODE + index as u64, ..self }
    }

    /// Returns the least value of an order, in the quote currency.
    pub(crate) fn min_notional(&self) -> &'static str {
        if self.quote.contains("USD") { "5" } else { "0.0001" }
    }
}

/// A REST request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The query, without the question mark.
    pub(crate) query: String,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// Returns the value of a header, or an empty text. `name` is in lower case.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value)
    }

    /// Returns a parameter of the query, if it is there. Values are not decoded: those that venues
    /// document for these requests need no encoding.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns the path with its query, as the request has it.
    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }
}

/// An answer to a REST request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: String,
}

impl Response {
    /// Returns an answer with status 200.
    pub(crate) fn ok(body: String) -> Response {
        Response { status: 200, body }
    }
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    /// More bytes are needed.
    Incomplete,
    /// They are for the WebSocket handshake to judge.
    WebSocket,
    /// A request that asks for no upgrade.
    Ask(Box<Request>),
}

/// Reads the first bytes of a connection.
pub(crate) fn head(bytes: &[u8]) -> Head {
    const METHODS: [&[u8]; 2] = [b"GET ", b"POST "];
    let is_beginning = |method: &&[u8]| {
        let shared = bytes.len().min(method.len());
        bytes[..shared] == method[..shared]
    };
    if !METHODS.iter().any(is_beginning) {
        return Head::WebSocket;
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if HEAD_LEN_MAX < bytes.len() { Head::WebSocket } else { Head::Incomplete };
    };
    let (mut request, body) = (request(&bytes[..end]), &bytes[end + 4..]);
    let length = request.header("content-length").parse().unwrap_or(0);
    if HEAD_LEN_MAX < end || BODY_LEN_MAX < length || !request.header("upgrade").is_empty() {
        return Head::WebSocket;
    }
    if body.len() < length {
        return Head::Incomplete;
    }
    request.body = String::from_utf8_lossy(&body[..length]).into_owned();
    Head::Ask(Box::new(request))
}

/// Reads the head of a request.
fn request(bytes: &[u8]) -> Request {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let method = first.next().unwrap_or_default().to_owned();
    let target = first.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: lines.filter_map(header).collect(),
        body: String::new(),
    }
}

/// Returns a whole HTTP response. Without an answer, it says that there is no such path.
pub(crate) fn response(answer: Option<&Response>) -> Vec<u8> {
    let (status, kind, body) = match answer {
        Some(answer) => (answer.status, "application/json", answer.body.as_str()),
        None => (404, "text/plain", "no such path"),
    };
    let reason = match status {
        200 => "OK",
        401 => "Unauthorized",
        404 => "Not Found",
        _ => "Bad Request",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_request_without_upgrade_is_answered_here() {
        let get = b"GET /v5/market/x?category=spot HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
        for length in 0..get.len() {
            assert_eq!(head(&get[..length]), Head::Incomplete, "{length}");
        }
        let Head::Ask(request) = head(get) else { panic!("a request") };
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v5/market/x"));
        assert_eq!(request.parameter("category"), Some("spot"));
        assert_eq!((request.header("accept"), request.header("cookie")), ("*/*", ""));
        assert_eq!(request.target(), "/v5/market/x?category=spot");
        let post = b"POST /a HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        for length in 0..post.len() {
            assert_eq!(head(&post[..length]), Head::Incomplete, "{length}");
        }
        let Head::Ask(request) = head(post) else { panic!("a request") };
        assert_eq!((request.target().as_str(), request.body.as_str()), ("/a", r#"{"a":1}"#));
        let long = b"POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n";
        assert_eq!(head(long), Head::WebSocket);
        let upgrade = b"GET /ws HTTP/1.1\r\nHost: a\r\nupgrade: websocket\r\n\r\n";
        assert_eq!(head(upgrade), Head::WebSocket);
        for other in [&b"PUT / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"GEX"] {
            assert_eq!(head(other), Head::WebSocket);
        }
        assert_eq!(head(&[b"GET /", &[b'x'; HEAD_LEN_MAX][..]].concat()), Head::WebSocket);
    }
}
