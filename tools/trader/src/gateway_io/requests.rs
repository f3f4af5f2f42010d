//! Requests to a venue's REST API, one after the other on a thread of its own.

use super::heard::{Event, Teller};
use spreadwire_gateways::protocol::Request;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use ureq::Agent;
use ureq::http;

/// Maximum time of a request with its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer. The longest is a page of 100 orders, at about 1 KiB for one.
const BYTES_MAX: u64 = 4 << 20;

/// Sends requests until there are no more to come.
pub(crate) struct RequestThread {
    /// Base address, without a path.
    pub(crate) base: String,
    /// Requests, each with its number.
    pub(crate) requests: Receiver<(u64, Request)>,
    pub(crate) teller: Teller,
}

impl RequestThread {
    /// Runs until the driver is gone.
    pub(crate) fn run(self) {
        let agent = agent();
        while let Ok((number, request)) = self.requests.recv() {
            let event = match ask(&agent, &self.base, request) {
                Ok((status, body)) => Event::Answered(number, status, body),
                Err(error) => Event::Failed(number, error.to_string()),
            };
            if !self.teller.tell(event) {
                return;
            }
        }
    }
}

/// Redirects are not followed: a request is signed for the venue alone.
fn agent() -> Agent {
    let config = Agent::config_builder()
        .user_agent(concat!("spreadwire/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None);
    Agent::from(config.build())
}

fn ask(agent: &Agent, base: &str, request: Request) -> Result<(u16, String), ureq::Error> {
    let Request { method, path, headers, body } = request;
    let mut call = http::Request::builder().method(method).uri(format!("{base}{path}"));
    for (name, value) in headers {
        call = call.header(name, value);
    }
    let answer = if body.is_empty() {
        agent.run(call.body(())?)
    } else {
        agent.run(call.header("Content-Type", "application/json").body(body)?)
    };
    let mut answer = answer?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(BYTES_MAX).read_to_string()?;
    Ok((status, body))
}
