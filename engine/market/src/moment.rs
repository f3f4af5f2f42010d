//! Times and days as texts, and as the date-times and dates of TOML files.

use crate::clock::Nanos;

/// Formats a time as RFC 3339 in UTC: `2026-11-24T02:10:00Z`.
#[must_use]
pub fn time_to_text(time: Nanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default().to_string()
}

/// Parses an RFC 3339 time with an offset; `None` if the text is malformed or the time is before
/// 1970.
#[must_use]
pub fn time_of_text(text: &str) -> Option<Nanos> {
    u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}

/// Serde module: [`Nanos`] as a TOML date-time.
pub(crate) mod date_time {
    use super::{time_of_text, time_to_text};
    use crate::clock::Nanos;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use toml::value::Datetime;

    pub(crate) fn serialize<S: Serializer>(time: &Nanos, to: S) -> Result<S::Ok, S::Error> {
        time_to_text(*time).parse::<Datetime>().map_err(S::Error::custom)?.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Nanos, D::Error> {
        let text = Datetime::deserialize(from)?.to_string();
        let none = || format!("{text} is not a time with an offset like 2026-11-24T02:10:00Z");
        time_of_text(&text).ok_or_else(|| D::Error::custom(none()))
    }
}

/// Serde module: a day as a TOML local date.
pub(crate) mod date {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use toml::value::Datetime;

    pub(crate) fn only_date(date: &Datetime) -> bool {
        date.date.is_some() && date.time.is_none() && date.offset.is_none()
    }

    pub(crate) fn serialize<S: Serializer>(day: &str, to: S) -> Result<S::Ok, S::Error> {
        let date = day.parse::<Datetime>().map_err(S::Error::custom)?;
        if only_date(&date) {
            date.serialize(to)
        } else {
            Err(S::Error::custom(format!("{day:?} is not a day")))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
        let date = Datetime::deserialize(from)?;
        if only_date(&date) {
            Ok(date.to_string())
        } else {
            Err(D::Error::custom(format!("{date} is not a day like 2026-11-24")))
        }
    }
}
