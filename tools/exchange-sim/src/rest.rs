//! The venues' REST API for instruments: which request asks for it, and what the list says.
//!
//! A client asks on the port of the venue's WebSocket. A request that does not ask for an upgrade is
//! answered here. The list holds the instruments of the source, with the changes that the options
//! script.

use std::str::FromStr;

use crate::decimal;
use crate::error::SimError;

/// Length of the longest head of a request, in bytes.
pub(crate) const HEAD_LEN_MAX: usize = 16 << 10;

/// One scripted change of a venue's list of instruments.
///
/// Its text form, as on the command line, is `<venue>:<symbol>:<change>`, for example
/// `okx:BTC-USDT:halted`. The changes are `halted`, `unlisted`, `renamed=SYMBOL`, `tick=STEP` and
/// `lot=STEP`. The quotes do not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Name of the venue.
    pub venue: String,
    /// The venue's symbol.
    pub symbol: String,
    /// What is other than the source has it.
    pub change: ListingChange,
}

/// What is changed in a venue's list of instruments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListingChange {
    /// The venue says that the instrument does not trade.
    Halted,
    /// The list does not have the instrument.
    Unlisted,
    /// The list has the same base and quote under this symbol.
    Renamed(String),
    /// The step of prices, as the list writes it.
    Tick(String),
    /// The step of sizes, as the list writes it.
    Lot(String),
}

impl FromStr for Listing {
    type Err = SimError;

    fn from_str(text: &str) -> Result<Listing, SimError> {
        let wrong = |why: &str| SimError::Listing { text: text.to_owned(), why: why.to_owned() };
        let mut parts = text.splitn(3, ':');
        let (Some(venue), Some(symbol), Some(change)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong(
                "expected <venue>:<symbol>:<change>, for example okx:BTC-USDT:halted",
            ));
        };
        let change = change_of(change).ok_or_else(|| {
            wrong("the change must be halted, unlisted, renamed=SYMBOL, tick=STEP or lot=STEP")
        })?;
        Ok(Listing { venue: venue.to_owned(), symbol: symbol.to_owned(), change })
    }
}

fn change_of(text: &str) -> Option<ListingChange> {
    match text.split_once('=') {
        None if text == "halted" => Some(ListingChange::Halted),
        None if text == "unlisted" => Some(ListingChange::Unlisted),
        Some((_, "")) | None => None,
        Some(("renamed", symbol)) => Some(ListingChange::Renamed(symbol.to_owned())),
        Some(("tick", step)) => Some(ListingChange::Tick(step.to_owned())),
        Some(("lot", step)) => Some(ListingChange::Lot(step.to_owned())),
        Some(_) => None,
    }
}

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

/// Applies the scripted changes of one venue to its list.
pub(crate) fn change(list: &mut Vec<RestInstrument>, changes: &[&Listing]) {
    for Listing { symbol, change, .. } in changes {
        if *change == ListingChange::Unlisted {
            list.retain(|it| it.symbol != *symbol);
        }
        for it in list.iter_mut().filter(|it| it.symbol == *symbol) {
            match change {
                ListingChange::Halted => it.is_halted = true,
                ListingChange::Unlisted => {}
                ListingChange::Renamed(new) => it.symbol.clone_from(new),
                ListingChange::Tick(step) => it.tick.clone_from(step),
                ListingChange::Lot(step) => it.lot.clone_from(step),
            }
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

    #[test]
    fn changes_of_the_list_are_parsed_and_applied() {
        let mut list = ["A", "B", "C", "D"]
            .map(|symbol| RestInstrument::of("BTC/USDT", symbol, (2, 0)))
            .to_vec();
        let changes: Vec<Listing> =
            ["okx:A:halted", "okx:B:unlisted", "okx:C:renamed=X", "okx:D:tick=1e-8", "okx:D:lot=0"]
                .map(|text| text.parse().expect("a change"))
                .to_vec();
        change(&mut list, &changes.iter().collect::<Vec<_>>());
        let texts: Vec<String> = list
            .iter()
            .map(|it| format!("{} {} {} {}", it.symbol, it.is_halted, it.tick, it.lot))
            .collect();
        assert_eq!(texts, ["A true 0.01 1", "X false 0.01 1", "D false 1e-8 0"]);
        for bad in ["okx:A", "okx:A:gone", "okx:A:tick=", "okx:A:tick", ""] {
            assert!(bad.parse::<Listing>().is_err(), "{bad:?}");
        }
    }
}
