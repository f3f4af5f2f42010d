//! Why a connection could not be made, as data, and how long the next attempt must wait.
//!
//! What a peer wrote is kept as it came and is escaped when it is shown, so that no byte of it acts
//! on a terminal or splits a line of a log.

use crate::runtime::descriptors;
use crate::runtime::duration;
use spreadwire_market::clock::{Nanos, SECOND};
use std::fmt;
use std::io;
use std::time::Duration;

/// Number of bytes of a refusal's body, and of its `Location`, that are kept.
pub const KEPT_MAX: usize = 200;
/// Least wait after a status that means a ban or a door that stays closed: 418 (Binance's ban of an
/// address), 403 and 451.
const BAN_FLOOR: Nanos = 300 * SECOND;
/// Longest wait after such a status, whatever its `Retry-After` says: Binance's bans last up to 3
/// days.
const BAN_MAX: Nanos = 3 * 86_400 * SECOND;
/// Least wait after a status that asks for fewer attempts, 429 and 503. A `Retry-After` of 0, or a date
/// that has passed, does not shorten it.
const BUSY_FLOOR: Nanos = 60 * SECOND;
/// Longest wait after any other status. A venue is not given up for a day because of a mistake in a
/// header; an attempt an hour harms nobody.
const WAIT_MAX: Nanos = 3_600 * SECOND;

/// The part of an attempt in which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The name is looked up.
    Lookup,
    /// An address is reached by TCP.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The WebSocket upgrade.
    Upgrade,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Lookup => "name lookup",
            Step::Tcp => "TCP connection",
            Step::Tls => "TLS handshake",
            Step::Upgrade => "WebSocket upgrade",
        })
    }
}

/// Reason why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address, or nobody could tell.
    #[error("cannot look up {host}: {source}")]
    Lookup {
        /// The name.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// Lookups of earlier attempts have still not returned, so none is begun.
    #[error("{0} name lookups have not returned; check the resolver of this host")]
    LookupsHang(usize),
    /// No address of the host could be reached by TCP.
    #[error("cannot reach {address}: {source}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The operating system's error for the last address that was tried.
        source: io::Error,
    },
    /// The attempt's deadline passed.
    #[error("timed out in the {step} {:.1} s after the attempt began", after.as_secs_f64())]
    TimedOut {
        /// The step that had not ended.
        step: Step,
        /// Time since the attempt began.
        after: Duration,
    },
    /// The TLS handshake failed.
    #[error("TLS: {}", escaped(.0))]
    Tls(io::Error),
    /// The host is not a name or address that a certificate can contain.
    #[error("{0:?} is not a name that a certificate can contain")]
    BadName(String),
    /// The venue answered the upgrade with a status other than 101.
    #[error("{}", refusal(*status, retry_after.as_ref(), location.as_deref(), body))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The answer's `Retry-After`, if it can be read.
        retry_after: Option<RetryAfter>,
        /// The answer's `Location`, cut to [`KEPT_MAX`] bytes.
        location: Option<String>,
        /// First [`KEPT_MAX`] bytes of the answer's body.
        body: Vec<u8>,
    },
    /// The WebSocket upgrade failed in another way.
    #[error("WebSocket upgrade: {}", escaped(.0))]
    Upgrade(String),
    /// What is left of the venue's limit of attempts is kept for lines that are lost, and this attempt
    /// was for one that is to be replaced.
    #[error(
        "no attempt was made: the rest of the venue's limit is kept for lost lines for another {}",
        duration::in_words(*wait)
    )]
    Spared {
        /// Time until one more attempt of this kind is allowed, ns.
        wait: Nanos,
    },
    /// The process or the host has no file descriptor left.
    #[error("no file descriptor left ({0}); {remedy}", remedy = descriptors::REMEDY)]
    NoDescriptor(io::Error),
    /// The attempt's thread panicked, which is a fault of ours.
    #[error("the attempt panicked")]
    Panicked,
    /// The socket's settings were refused.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
}

impl ConnectError {
    /// Returns the error under its own name if it is about descriptors.
    #[must_use]
    pub fn named(self) -> ConnectError {
        let (ConnectError::Lookup { source, .. }
        | ConnectError::Unreachable { source, .. }
        | ConnectError::Io(source)) = &self
        else {
            return self;
        };
        match source.raw_os_error().filter(|_| descriptors::is_exhausted(source)) {
            Some(code) => ConnectError::NoDescriptor(io::Error::from_raw_os_error(code)),
            None => self,
        }
    }

    /// Returns the least time until the next attempt, ns; 0 if the error asks for none. The caller adds
    /// its own back-off.
    #[must_use]
    pub fn floor(&self) -> Nanos {
        match self {
            ConnectError::Refused { status, retry_after, .. } => {
                wait_of(*status, retry_after.as_ref())
            }
            ConnectError::Spared { wait } => *wait,
            ConnectError::Lookup { .. }
            | ConnectError::LookupsHang(_)
            | ConnectError::Unreachable { .. }
            | ConnectError::TimedOut { .. }
            | ConnectError::Tls(_)
            | ConnectError::BadName(_)
            | ConnectError::Upgrade(_)
            | ConnectError::NoDescriptor(_)
            | ConnectError::Panicked
            | ConnectError::Io(_) => 0,
        }
    }

    /// Returns whether the venue asked for the wait, so that it holds for every attempt to its host.
    #[must_use]
    pub fn closes_the_host(&self) -> bool {
        matches!(self, ConnectError::Refused { .. }) && 0 < self.floor()
    }
}

/// Returns the least wait after a refusal.
fn wait_of(status: u16, retry_after: Option<&RetryAfter>) -> Nanos {
    let asked = retry_after.map_or(0, |asked| asked.wait);
    match status {
        403 | 418 | 451 => asked.clamp(BAN_FLOOR, BAN_MAX),
        429 | 503 => asked.clamp(BUSY_FLOOR, WAIT_MAX),
        _ => asked.min(WAIT_MAX),
    }
}

fn refusal(
    status: u16,
    retry_after: Option<&RetryAfter>,
    location: Option<&str>,
    body: &[u8],
) -> String {
    let mut words = format!("refused with HTTP {status}");
    if let Some(asked) = retry_after {
        words += &format!(", Retry-After {:?}", asked.text);
        let wait = wait_of(status, retry_after);
        if wait != asked.wait {
            words += &format!(" (waiting {})", duration::in_words(wait));
        }
    }
    if let Some(location) = location {
        words += &format!(", Location {location:?}");
    }
    if !body.is_empty() {
        words += &format!(": \"{}\"", body.escape_ascii());
    }
    words
}

/// Returns a text of a library, which may repeat what a peer wrote, with every character escaped that is
/// not printable.
pub fn escaped(text: &impl fmt::Display) -> String {
    let mut plain = String::new();
    for character in text.to_string().chars() {
        match character {
            '"' | '\'' | '\\' => plain.push(character),
            other => plain.extend(other.escape_debug()),
        }
    }
    plain
}

/// A `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// As the venue wrote it.
    pub text: String,
    /// The wait that it asks for, counted from the answer, ns.
    pub wait: Nanos,
}

/// Reads a `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). `now` is ns since 1970. Returns `None`
/// if it is neither. A date that has passed is no wait.
#[must_use]
pub fn retry_after(value: &str, now: Nanos) -> Option<RetryAfter> {
    let value = value.trim();
    let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let wait = if is_number {
        value.parse().unwrap_or(u64::MAX).saturating_mul(SECOND)
    } else {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        let date = parser.parse_timestamp(value).ok()?;
        u64::try_from(date.as_nanosecond()).unwrap_or(u64::MAX).saturating_sub(now)
    };
    Some(RetryAfter { text: value.to_owned(), wait })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<u64>) -> ConnectError {
        let said = |s: u64| RetryAfter { text: s.to_string(), wait: s * SECOND };
        let retry_after = retry_after.map(said);
        ConnectError::Refused { status, retry_after, location: None, body: Vec::new() }
    }

    #[test]
    fn a_status_has_a_least_wait_and_retry_after_is_obeyed() {
        for (status, retry_after, seconds) in [
            (418, None, 300),
            (418, Some(120), 300),
            (418, Some(1_800), 1_800),
            (403, None, 300),
            (451, Some(0), 300),
            (429, None, 60),
            (429, Some(0), 60),
            (429, Some(5), 60),
            (429, Some(86_400), 3_600),
            (429, Some(120), 120),
            (503, None, 60),
            (503, Some(0), 60),
            (503, Some(120), 120),
            (503, Some(9_999_999), 3_600),
            (418, Some(172_800), 172_800),
            (418, Some(9_999_999), 259_200),
            (500, None, 0),
            (502, Some(30), 30),
            (502, Some(9_999_999), 3_600),
            (302, None, 0),
        ] {
            let floor = refused(status, retry_after).floor();
            assert_eq!(floor, seconds * SECOND, "{status}, {retry_after:?}");
        }
        assert_eq!(ConnectError::Upgrade("no".to_owned()).floor(), 0);
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        // 1994-11-06 08:49:37, the example of RFC 9110.
        let date = 784_111_777 * SECOND;
        for (value, now, seconds) in [
            ("120", 0, Some(120)),
            (" 0 ", 0, Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", date - 90 * SECOND, Some(90)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", date + SECOND, Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0, Some(784_111_777)),
            ("-1", 0, None),
            ("1.5", 0, None),
            ("soon", 0, None),
            ("", 0, None),
        ] {
            let wait = retry_after(value, now).map(|asked| asked.wait);
            assert_eq!(wait, seconds.map(|seconds| seconds * SECOND), "{value:?}");
        }
        assert_eq!(retry_after("99999999999999999999999", 0).unwrap().wait, u64::MAX);
    }

    #[test]
    fn a_refusal_says_what_the_venue_asked_for_and_what_is_done_where_that_differs() {
        let said = |status, value: &str| {
            let retry_after = retry_after(value, 784_111_777 * SECOND);
            let error =
                ConnectError::Refused { status, retry_after, location: None, body: Vec::new() };
            error.to_string()
        };
        for (status, value, words) in [
            (503, "120", r#"503, Retry-After "120""#),
            (503, "0", r#"503, Retry-After "0" (waiting 1 min)"#),
            (
                503,
                "99999999999999999999",
                r#"503, Retry-After "99999999999999999999" (waiting 1 h)"#,
            ),
            (
                429,
                "Thu, 01 Jan 2099 00:00:00 GMT",
                r#"429, Retry-After "Thu, 01 Jan 2099 00:00:00 GMT" (waiting 1 h)"#,
            ),
            (418, "9999999", r#"418, Retry-After "9999999" (waiting 3 d)"#),
        ] {
            assert_eq!(said(status, value), format!("refused with HTTP {words}"));
        }
    }

    #[test]
    fn having_no_descriptor_left_has_a_name_of_its_own() {
        let none = || io::Error::from_raw_os_error(24);
        for error in [
            ConnectError::Io(none()),
            ConnectError::Lookup { host: "a".to_owned(), source: none() },
            ConnectError::Unreachable { address: "a:1".to_owned(), source: none() },
        ] {
            let told = error.named().to_string();
            assert!(told.starts_with("no file descriptor left (Too many open files"), "{told}");
            assert!(told.contains("raise LimitNOFILE"), "{told}");
        }
        let refused = ConnectError::Io(io::ErrorKind::ConnectionRefused.into()).named();
        assert!(matches!(refused, ConnectError::Io(_)));
    }

    #[test]
    fn what_the_peer_wrote_is_shown_escaped() {
        let error = ConnectError::Refused {
            status: 429,
            retry_after: Some(RetryAfter { text: "120".to_owned(), wait: 120 * SECOND }),
            location: Some("/login\u{1b}[2J\u{202e}".to_owned()),
            body: b"\x1b]0;owned\x07\r\nWARN \"all well\"\xff".to_vec(),
        };
        assert_eq!(
            error.to_string(),
            r#"refused with HTTP 429, Retry-After "120", Location "/login\u{1b}[2J\u{202e}": "\x1b]0;owned\x07\r\nWARN \"all well\"\xff""#
        );
        assert_eq!(refused(302, None).to_string(), "refused with HTTP 302");
        let name = io::Error::other("not valid for \"a'\\b\u{1b}[2J\n\"");
        let shown = r#"TLS: not valid for "a'\b\u{1b}[2J\n""#;
        assert_eq!(ConnectError::Tls(name).to_string(), shown);
        assert_eq!(
            ConnectError::Upgrade("\u{7}".to_owned()).to_string(),
            r"WebSocket upgrade: \u{7}"
        );
        let timed_out =
            ConnectError::TimedOut { step: Step::Tls, after: Duration::from_millis(9_960) };
        assert_eq!(
            timed_out.to_string(),
            "timed out in the TLS handshake 10.0 s after the attempt began"
        );
    }
}
