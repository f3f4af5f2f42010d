//! Asks the venues' REST APIs for their instruments: all venues at once, each on a thread of its own.
//!
//! A venue is a stranger: each answer is bounded in bytes, pages and time, and nothing of it reaches a
//! terminal unescaped. Redirects are told and not followed, because a venue that moves a client
//! elsewhere refuses its region or is no longer at this address. The environment's proxy is used
//! (`HTTPS_PROXY`, `NO_PROXY`).

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use spreadwire_catalogue::Venue;
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_venues::instruments::{ListError, Listed, OddRow};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

/// Most bytes of all pages of a venue. Binance's list, the longest, has about 5 MiB.
pub(crate) const BYTES_MAX: usize = 32 << 20;
/// Most pages of a venue. Bybit's longest lists have four.
const PAGES_MAX: usize = 50;
/// Bytes of a refusal that are shown.
const SAMPLE_BYTES: usize = 200;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 16;

/// What came of asking one venue.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Address of the first page.
    pub(crate) url: String,
    /// Its instruments, or why there are none.
    pub(crate) listed: Result<Instruments, Unanswered>,
}

/// The instruments of a venue, from all its pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instruments {
    pub(crate) listed: Vec<Listed>,
    pub(crate) odd: Vec<OddRow>,
}

/// Why a venue's instruments are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("the whole answer did not come within {} s", .0.as_secs_f64())]
    Time(Duration),
    #[error("the answer is longer than {} MiB", BYTES_MAX >> 20)]
    Long,
    #[error("the list has more than {PAGES_MAX} pages, or a page leads back to an earlier one")]
    Pages,
    #[error("the answer is no HTTP: {0}")]
    NotHttp(String),
    #[error("the list is empty")]
    Empty,
    #[error("it answered {status}{hints}{sample}")]
    Status { status: String, hints: String, sample: String },
    #[error("{reason}; it begins: {sample}")]
    List { reason: String, sample: String },
    #[error("{0}")]
    CaFile(String),
}

impl Unanswered {
    /// Returns what a person can do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Unanswered::Connection(_) => {
                "check the network and the address, or set rest_url to a host that serves your region"
            }
            Unanswered::Time(_) => "ask again, or allow more by --timeout",
            Unanswered::Long | Unanswered::Pages => {
                "check that rest_url is the venue's; if it is, the limit of this program is too low"
            }
            Unanswered::Status { status, .. } => match status.get(..3) {
                Some("429" | "418") => "wait for the time that it names, then ask again",
                Some("403" | "451") => {
                    "the venue may refuse your region: set rest_url to a host that serves it"
                }
                Some("404" | "301" | "302" | "307" | "308") => {
                    "set rest_url to the venue's address"
                }
                Some(_) | None => "ask again later",
            },
            Unanswered::Empty => "ask again later; a venue that trades lists its instruments",
            Unanswered::List { .. } | Unanswered::NotHttp(_) => {
                "check that rest_url is the venue's and that no proxy answers in its place"
            }
            Unanswered::CaFile(_) => "name a PEM file with the authority's certificate",
        }
    }
}

/// Asks all venues and returns their answers in the same order, each within `limit`.
pub(crate) fn all(venues: &[Venue], limit: Duration, clock: &Clock) -> Vec<Answer> {
    let bars = MultiProgress::new();
    let ask = |venue: &Venue| {
        let url = format!("{}{}", venue.rest_url, venue.spec.instruments.path);
        let bar = bars.add(bar(venue.spec.name));
        let listed = Question { venue, limit, end: end(limit, clock), clock, bar: &bar }.ask();
        bar.finish_with_message(if listed.is_ok() { "answered" } else { "failed" });
        Answer { url, listed }
    };
    let answers = std::thread::scope(|scope| {
        let started: Vec<_> = venues
            .iter()
            .map(|venue| {
                let name = format!("ask-{}", venue.spec.name);
                std::thread::Builder::new().name(name).spawn_scoped(scope, || ask(venue))
            })
            .collect();
        let joined = started.into_iter().zip(venues).map(|(thread, venue)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // Without a thread of its own, the venue is asked here.
            Err(_) => ask(venue),
        });
        joined.collect()
    });
    // If this fails, a line of progress stays on the terminal.
    drop(bars.clear());
    answers
}

fn end(limit: Duration, clock: &Clock) -> Nanos {
    clock.now().saturating_add(Nanos::try_from(limit.as_nanos()).unwrap_or(Nanos::MAX))
}

/// Returns a line of progress; it is shown only if standard error is a terminal.
fn bar(name: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {prefix:<13} {bytes:>10} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style).with_prefix(name).with_message("asking");
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// The conversation with one venue.
struct Question<'a> {
    venue: &'a Venue,
    limit: Duration,
    end: Nanos,
    clock: &'a Clock,
    bar: &'a ProgressBar,
}

impl Question<'_> {
    fn ask(&self) -> Result<Instruments, Unanswered> {
        let list = self.venue.spec.instruments;
        let agents = self.agents()?;
        let (mut all, mut bytes_left) = (Instruments::default(), BYTES_MAX);
        let (mut next, mut seen) = (String::new(), BTreeSet::new());
        while seen.insert(next.clone()) && seen.len() <= PAGES_MAX {
            let url = format!("{}{}{next}", self.venue.rest_url, list.path);
            let body = self.get(&agents, &url, bytes_left)?;
            bytes_left -= body.len();
            let page = (list.read)(&body).map_err(|error| unreadable(&error, &body))?;
            all.listed.extend(page.listed);
            all.odd.extend(page.odd);
            match page.next {
                Some(more) => next = more,
                None if all.listed.is_empty() => return Err(Unanswered::Empty),
                None => return Ok(all),
            }
        }
        Err(Unanswered::Pages)
    }

    /// Returns an agent that trusts the public authorities, and one that trusts those of `ca_file`.
    fn agents(&self) -> Result<Vec<Agent>, Unanswered> {
        let mut roots = vec![RootCerts::WebPki];
        if let Some(file) = &self.venue.ca_file {
            roots.push(certificates(file).map_err(Unanswered::CaFile)?);
        }
        let agent = |roots: RootCerts| {
            let config = Agent::config_builder()
                .user_agent(concat!("spreadwire/", env!("CARGO_PKG_VERSION")))
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .tls_config(TlsConfig::builder().root_certs(roots).build());
            Agent::from(config.build())
        };
        Ok(roots.into_iter().map(agent).collect())
    }

    /// Gets one page of at most `bytes_max` bytes.
    fn get(&self, agents: &[Agent], url: &str, bytes_max: usize) -> Result<Vec<u8>, Unanswered> {
        let mut response = self.call(agents, url)?;
        let status = response.status();
        if !status.is_success() {
            let hints = hints(response.headers());
            let sample = self.body(response.body_mut(), SAMPLE_BYTES, true).unwrap_or_default();
            let sample = match sample_of(&sample) {
                sample if sample.trim().is_empty() => String::new(),
                sample => format!(": {sample}"),
            };
            let status = status.to_string();
            return Err(Unanswered::Status { status, hints, sample });
        }
        self.body(response.body_mut(), bytes_max, false)
    }

    /// Sends a request. A certificate that the first agent does not trust is shown to the next.
    fn call(
        &self,
        agents: &[Agent],
        url: &str,
    ) -> Result<ureq::http::Response<ureq::Body>, Unanswered> {
        let mut failed = Unanswered::Time(self.limit);
        for agent in agents {
            let left = self.end.saturating_sub(self.clock.now());
            if left == 0 {
                break;
            }
            let limit = Some(Duration::from_nanos(left));
            let answer = match self.venue.spec.instruments.post {
                None => agent.get(url).config().timeout_global(limit).build().call(),
                Some(body) => {
                    let request = agent.post(url).content_type("application/json");
                    request.config().timeout_global(limit).build().send(body)
                }
            };
            match answer {
                Ok(response) => return Ok(response),
                Err(error) => failed = self.unanswered(&error),
            }
        }
        Err(failed)
    }

    /// Reads a body of at most `bytes_max` bytes; a longer one is cut off or refused.
    fn body(
        &self,
        body: &mut ureq::Body,
        bytes_max: usize,
        cut_off: bool,
    ) -> Result<Vec<u8>, Unanswered> {
        let mut reader = body.as_reader();
        let (mut all, mut chunk) = (Vec::new(), vec![0; CHUNK_BYTES]);
        loop {
            let count = reader.read(&mut chunk).map_err(|error| self.unanswered(&error.into()))?;
            all.extend_from_slice(&chunk[..count]);
            self.bar.inc(count as u64);
            if count == 0 {
                return Ok(all);
            }
            if bytes_max < all.len() {
                all.truncate(bytes_max);
                return if cut_off { Ok(all) } else { Err(Unanswered::Long) };
            }
        }
    }

    fn unanswered(&self, error: &ureq::Error) -> Unanswered {
        if let ureq::Error::Timeout(_) = error {
            return Unanswered::Time(self.limit);
        }
        if let ureq::Error::Protocol(error) = error {
            return Unanswered::NotHttp(escaped(&error.to_string()));
        }
        Unanswered::Connection(escaped(&error.to_string()))
    }
}

/// Returns what the headers of a refusal say about when and where to ask again.
fn hints(headers: &ureq::http::HeaderMap) -> String {
    let hint = |name: &str| {
        let value = headers.get(name)?.as_bytes();
        Some(format!(", {name} {}", sample_of(value)))
    };
    ["retry-after", "location"].into_iter().filter_map(hint).collect()
}

fn unreadable(error: &ListError, body: &[u8]) -> Unanswered {
    Unanswered::List { reason: escaped(&error.to_string()), sample: sample_of(body) }
}

/// Returns the first bytes of a text from outside, as they may be shown on a terminal.
fn sample_of(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    escaped(&String::from_utf8_lossy(first))
}

/// Returns a text from outside without control characters.
pub(crate) fn escaped(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(shown).collect()
}

fn certificates(file: &Path) -> Result<RootCerts, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let pem = std::fs::read(file).map_err(|error| told(&error))?;
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| told(&error))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(told(&"contains no certificate in PEM form"));
    }
    Ok(RootCerts::new_with_certs(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_shown_without_control_characters() {
        assert_eq!(sample_of(b"<html>\n\x1b[31m\xff"), "<html>\\n\\u{1b}[31m\u{fffd}");
        assert_eq!(sample_of(&[b'a'; 1000]).len(), SAMPLE_BYTES);
        assert_eq!(escaped("龙虾\u{7}"), "龙虾\\u{7}");
    }
}
