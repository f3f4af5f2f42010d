//! Who may connect: the `Host` that a request names, and the `Origin` of a web page.
//!
//! Loopback is no authentication: every web page in a browser on the same machine can open a
//! WebSocket to it. A browser tells the page's origin, so an origin is refused unless it is listed.
//! A page can also have its own name resolve to this machine (DNS rebinding). Then the browser
//! names that host, so a host is refused unless it is an address, `localhost`, or listed. An
//! address cannot be rebound. Where there are tokens, a request also brings one (`bearer.rs`).

use super::bearer;
use super::denial::{BAD, Denial, FORBIDDEN, only};
use crate::broadcast::departure::Dismissal;
use crate::broadcast::settings::Settings;
use crate::broadcast::token::Token;
use std::net::IpAddr;
use std::sync::Arc;
use tungstenite::http::uri::Authority;
use tungstenite::http::{HeaderMap, header};

/// Most bytes of a header's value that an answer repeats.
const SHOWN_BYTES_MAX: usize = 100;

/// The names that may be used, in lower case, and the tokens.
#[derive(Debug)]
pub(in crate::broadcast) struct Access {
    hosts: Vec<String>,
    origins: Vec<String>,
    tokens: Vec<Token>,
}

impl Access {
    /// Lets in whom the settings let in.
    pub(in crate::broadcast) fn new(settings: &Settings) -> Access {
        let lower = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect();
        let (hosts, origins) = (lower(&settings.hosts), lower(&settings.origins));
        Access { hosts, origins, tokens: settings.tokens.clone() }
    }

    /// Checks the headers of a request; returns the name of the token that it brings, if it needs
    /// one.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<Option<Arc<str>>, Denial> {
        self.check_host(headers)?;
        self.check_origin(headers)?;
        bearer::check(&self.tokens, headers)
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Denial> {
        let why = Dismissal::ForeignHost;
        let Ok(value) = only(headers, header::HOST) else {
            let sentence = "a request has one Host header".to_owned();
            return Err(Denial { why, status: BAD, sentence });
        };
        let Some(host) = value.and_then(host_of) else {
            let sentence = "the Host header is missing, or is no host".to_owned();
            return Err(Denial { why, status: BAD, sentence });
        };
        if is_local(&host) || self.hosts.contains(&host) {
            return Ok(());
        }
        let shown = shown(&host);
        let sentence = format!(
            "the host {shown} is not known here; connect by address, or list it in broadcast.hosts"
        );
        Err(Denial { why, status: FORBIDDEN, sentence })
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Denial> {
        let why = Dismissal::ForeignOrigin;
        let Ok(value) = only(headers, header::ORIGIN) else {
            let sentence = "a request has at most one Origin header".to_owned();
            return Err(Denial { why, status: BAD, sentence });
        };
        let Some(origin) = value else { return Ok(()) };
        if self.origins.contains(&origin.to_lowercase()) {
            return Ok(());
        }
        let shown = shown(origin);
        let sentence = format!(
            "web pages of {shown} may not connect; list the origin in broadcast.origins if they may"
        );
        Err(Denial { why, status: FORBIDDEN, sentence })
    }
}

/// Returns the host without its port, in lower case.
fn host_of(value: &str) -> Option<String> {
    let authority: Authority = value.parse().ok().filter(|_| !value.contains('@'))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let host = host.trim_end_matches('.');
    (!host.is_empty()).then(|| host.to_lowercase())
}

/// Returns whether a host is an address, or a name that is this machine's everywhere (RFC 6761).
fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}

fn shown(value: &str) -> String {
    let short: String = value.chars().take(SHOWN_BYTES_MAX).collect();
    format!("{short:?}")
}
