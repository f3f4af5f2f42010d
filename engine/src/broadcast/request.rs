//! Requests of clients: one JSON object each, checked to the last field.
//!
//! A wrong request is answered with what would be right. Only a text that is not JSON ends the
//! connection. Requests are rare and parsed on a cold thread, so this is simple rather than fast.

use super::directory::{Directory, suggestion};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use spreadwire_market::instrument::{InstrumentId, VenueId};

/// Most bytes of a client's id for a filter or a ping, which is echoed.
const ID_BYTES_MAX: usize = 64;

/// What a filter lets pass; an absent field means all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wish {
    /// The client's id for it.
    pub(super) id: Option<String>,
    /// Spreads of these.
    pub(super) instruments: Option<Vec<InstrumentId>>,
    /// Spreads of which one leg is on one of these.
    pub(super) venues: Option<Vec<VenueId>>,
    /// Spreads that pay at least this.
    pub(super) min_net_bps: Option<f64>,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    /// Add a filter.
    Subscribe(Wish),
    /// Remove one filter, or all.
    Unsubscribe(Option<String>),
    /// Answer.
    Ping(Option<String>),
}

/// The reason why a request was refused, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// One word for programs.
    pub(super) code: &'static str,
    /// A sentence for people.
    pub(super) message: String,
    /// The request's id.
    pub(super) id: Option<String>,
}

/// The reason why a text is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Not JSON.
    NotJson,
    /// JSON, but wrong.
    Refused(Refusal),
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Rejection {
        Rejection::Refused(refusal)
    }
}

/// Reads a client's text.
pub(super) fn parse(text: &str, directory: &Directory) -> Result<Request, Rejection> {
    let value: Value = serde_json::from_str(text).map_err(|error| unread(text, &error))?;
    let Value::Object(fields) = value else {
        return Err(refusal("bad_message", r#"a request is an object: {"op":"ping"}"#, None).into());
    };
    let id = id_of(&fields)?;
    let request = match fields.get("op").and_then(Value::as_str) {
        Some("subscribe") => {
            only(&fields, &["op", "id", "instruments", "venues", "min_net_bps"], id.as_ref())?;
            Request::Subscribe(wish(&fields, id, directory)?)
        }
        Some("unsubscribe") => {
            only(&fields, &["op", "id"], id.as_ref())?;
            Request::Unsubscribe(id)
        }
        Some("ping") => {
            only(&fields, &["op", "id"], id.as_ref())?;
            Request::Ping(id)
        }
        Some(_) | None => {
            let message = r#""op" is one of "subscribe", "unsubscribe", "ping""#;
            return Err(refusal("unknown_op", message, id).into());
        }
    };
    Ok(request)
}

/// A text may be JSON and still hold what we do not read: a number beyond 64 bits, lists too deep.
fn unread(text: &str, error: &serde_json::Error) -> Rejection {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Rejection::NotJson;
    }
    let message = format!("this JSON holds something that no request has: {error}");
    refusal("bad_message", message, None).into()
}

fn refusal(code: &'static str, message: impl Into<String>, id: Option<String>) -> Refusal {
    Refusal { code, message: message.into(), id }
}

fn id_of(fields: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match fields.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if id.len() <= ID_BYTES_MAX => Ok(Some(id.clone())),
        Some(_) => {
            let message = format!(r#""id" is a string of at most {ID_BYTES_MAX} bytes"#);
            Err(refusal("bad_value", message, None))
        }
    }
}

fn only(fields: &Map<String, Value>, known: &[&str], id: Option<&String>) -> Result<(), Refusal> {
    let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let hint = suggestion(unknown, known.iter().copied());
    let message = format!("no field {} here{hint}; there are {known:?}", shown(unknown));
    Err(refusal("unknown_field", message, id.cloned()))
}

fn wish(
    fields: &Map<String, Value>,
    id: Option<String>,
    directory: &Directory,
) -> Result<Wish, Refusal> {
    let min_net_bps = match fields.get("min_net_bps") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_f64().ok_or_else(|| {
            refusal("bad_value", r#""min_net_bps" is a number: 2.5"#, id.clone())
        })?),
    };
    let instruments = names(fields, "instruments", id.as_ref())?
        .map(|names| {
            let find = |name: &&str| {
                let hint = || directory.like_instrument(name);
                directory.instrument(name).ok_or_else(|| {
                    unknown("unknown_instrument", "instrument", name, &hint(), id.as_ref())
                })
            };
            names.iter().map(find).collect::<Result<Vec<_>, _>>()
        })
        .transpose()?;
    let venues = names(fields, "venues", id.as_ref())?
        .map(|names| {
            let find = |name: &&str| {
                let hint = || directory.like_venue(name);
                directory
                    .venue(name)
                    .ok_or_else(|| unknown("unknown_venue", "venue", name, &hint(), id.as_ref()))
            };
            names.iter().map(find).collect::<Result<Vec<_>, _>>()
        })
        .transpose()?;
    Ok(Wish { id, instruments, venues, min_net_bps })
}

/// A field that lists names; `None` if it is absent or null.
fn names<'a>(
    fields: &'a Map<String, Value>,
    field: &str,
    id: Option<&String>,
) -> Result<Option<Vec<&'a str>>, Refusal> {
    let names = match fields.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(names)) if !names.is_empty() => {
            names.iter().map(Value::as_str).collect::<Option<Vec<_>>>()
        }
        Some(_) => None,
    };
    let message = || format!("{field:?} is a list of at least one name; leave it out for all");
    names.map(Some).ok_or_else(|| refusal("bad_value", message(), id.cloned()))
}

fn unknown(code: &'static str, what: &str, name: &str, hint: &str, id: Option<&String>) -> Refusal {
    let message = format!("no {what} {}{hint}; \"hello\" lists what there is", shown(name));
    refusal(code, message, id.cloned())
}

/// A client's text as an error repeats it: quoted, and not at length.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(ID_BYTES_MAX).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use spreadwire_kit::catalogue;

    fn directory() -> Directory {
        Directory::new(&catalogue::of(["BTC/USDT", "ETH/USDT"], ["binance", "okx"]).build())
    }

    #[test]
    fn requests_are_followed_or_answered_with_what_would_be_right() {
        for (text, code, hint) in [
            ("[]", "bad_message", "object"),
            ("{}", "unknown_op", "subscribe"),
            (r#"{"op":"buy"}"#, "unknown_op", "unsubscribe"),
            (r#"{"op":"subscribe","id":7}"#, "bad_value", "string"),
            (r#"{"op":"subscribe","venue":["okx"]}"#, "unknown_field", r#"mean "venues"?"#),
            (r#"{"op":"ping","venues":["okx"]}"#, "unknown_field", "op"),
            (r#"{"op":"subscribe","venues":"okx"}"#, "bad_value", "list"),
            (r#"{"op":"subscribe","venues":[]}"#, "bad_value", "leave it out"),
            (r#"{"op":"subscribe","venues":["okex"]}"#, "unknown_venue", r#"mean "okx"?"#),
            (r#"{"op":"subscribe","instruments":["BTC-USDT"]}"#, "unknown_instrument", "BTC/USDT"),
            (r#"{"op":"subscribe","min_net_bps":"2"}"#, "bad_value", "number"),
            (r#"{"op":"subscribe","min_net_bps":1e400}"#, "bad_message", "number out of range"),
            (r#"{"op":"ping","id":-1e999}"#, "bad_message", "number out of range"),
            (r#"{"op":"ping","id":123456789012345678901234567890}"#, "bad_value", "string"),
            (r#"{"op":"ping","id":"\ud800"}"#, "bad_message", "hex escape"),
        ] {
            let Err(Rejection::Refused(refusal)) = parse(text, &directory()) else {
                panic!("{text} was followed");
            };
            assert_eq!(refusal.code, code, "{text}");
            assert!(refusal.message.contains(hint), "{text}: {}", refusal.message);
        }
        for text in ["{", "", "buy!", "{} {}", "[1e]", "\u{feff}{}", "nan"] {
            assert_eq!(parse(text, &directory()), Err(Rejection::NotJson), "{text:?}");
        }
        let deep = "[".repeat(4_000) + &"]".repeat(4_000);
        let Err(Rejection::Refused(refusal)) = parse(&deep, &directory()) else {
            panic!("it is JSON");
        };
        assert_eq!(refusal.code, "bad_message");
        let huge = r#"{"op":"subscribe","min_net_bps":123456789012345678901234567890}"#;
        assert!(matches!(parse(huge, &directory()), Ok(Request::Subscribe(_))));
        let text = r#"{"op":"subscribe","id":"a","instruments":["ETH/USDT"],"venues":null,"min_net_bps":-2}"#;
        let wish = Wish {
            id: Some("a".into()),
            instruments: Some(vec![InstrumentId(1)]),
            venues: None,
            min_net_bps: Some(-2.0),
        };
        assert_eq!(parse(text, &directory()), Ok(Request::Subscribe(wish)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}\\[\\]\":,a-z0-9. ]{0,40}") {
            let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            prop_assert_eq!(parse(&text, &directory()) == Err(Rejection::NotJson), !is_json);
        }
    }
}
