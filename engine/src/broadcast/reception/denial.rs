//! Why a request may not come in, and how its headers are read to find that out.

use crate::broadcast::departure::Dismissal;
use tungstenite::http::HeaderMap;
use tungstenite::http::header::HeaderName;

/// The status of a request that could mean two things, or nothing.
pub(super) const BAD: &str = "400 Bad Request";
/// The status of a request that brings no right token.
pub(super) const UNAUTHORIZED: &str = "401 Unauthorized";
/// The status of a request that may not come in whatever token it brings.
pub(super) const FORBIDDEN: &str = "403 Forbidden";

/// Why a request may not come in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Denial {
    /// What is counted.
    pub(super) why: Dismissal,
    /// The answer's status line.
    pub(super) status: &'static str,
    /// The answer's sentence.
    pub(super) sentence: String,
}

/// Returns the one value of a header, `None` if it is absent, and an error if there are more.
pub(super) fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// Returns the values of a header's lines. One that is no text is an empty text.
pub(super) fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().map(|value| value.to_str().map_or("", str::trim))
}
