//! Tests the trader against the engine's own server where that is guarded: by a token, over TLS, and
//! over a Unix socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rcgen::CertifiedKey;
use spreadwire_config::secret::Secret;
use spreadwire_engine::broadcast::endpoint::Endpoint;
use spreadwire_engine::broadcast::listener::Listener;
use spreadwire_engine::broadcast::tls::{self, Relay, ServerTls};
use spreadwire_engine::broadcast::token::{Token, TokenKind};
use spreadwire_engine::broadcast::{self, Settings};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::ring::{self, EdgeCounters};
use spreadwire_kit::catalogue;
use spreadwire_market::client::Limits;
use spreadwire_market::clock::Clock;
use spreadwire_market::counters::Counters;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trader::{News, Server, SpreadListener};

const READ: &str = "read-0123456789abcdef0123456789abcdef";
const WRONG: &str = "read-0123456789abcdef0123456789abcde0";
const CONTROL: &str = "control-0123456789abcdef0123456789abcdef";
/// Number of calls of `listen` without news after which a test gives up: a minute and a half.
const CALLS_MAX: usize = 1000;

/// Writes a certificate for 127.0.0.1 and its key.
fn certify(folder: &Path) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.join("certificate.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::set_permissions(folder.join("key.pem"), Permissions::from_mode(0o600)).unwrap();
}

fn guarded() -> Settings {
    let token = |name: &str, kind, secret| {
        let secret = Secret::new(secret).unwrap();
        Token { name: name.into(), kind, secret }
    };
    let tokens =
        vec![token("desk", TokenKind::Read, READ), token("admin", TokenKind::Control, CONTROL)];
    Settings { tokens, ..Settings::default() }
}

/// The agents of a guarded server.
fn agents(listener: Listener, folder: Option<&Path>) -> Vec<Box<dyn Agent>> {
    let (clock, counters) = (Clock::host(), Counters::default());
    let (edge, records) = ring::hold(64, EdgeCounters::default());
    let (states, states_in) = ring::count(1, EdgeCounters::default());
    // Nothing is sent; a test ends the server by not driving it any more.
    drop((edge, states));
    let (mut agents, mut listener): (Vec<Box<dyn Agent>>, _) = (Vec::new(), listener);
    if let Some(folder) = folder {
        let tls =
            ServerTls::load(&folder.join("certificate.pem"), &folder.join("key.pem")).unwrap();
        let (handover, handed) = tls::handover();
        let reload = Arc::new(AtomicBool::new(false));
        agents.push(Box::new(Relay::new(handed, tls, 16, reload, &counters).unwrap()));
        listener = listener.over_tls(handover);
    }
    let instruments = ["X/Y".to_owned()].into_iter();
    let catalogue =
        catalogue::of(instruments, (0..2).map(|n| format!("venue{n}"))).listed().build();
    let all = Arc::new(catalogue);
    let (reception, agent) =
        broadcast::serve(records, states_in, all, listener, guarded(), clock, &counters).unwrap();
    agents.push(Box::new(reception));
    agents.push(Box::new(agent));
    agents
}

/// Returns whether a listener connects to a server, or why it does not.
fn outcome(server: Server) -> Result<(), String> {
    let mut listener = SpreadListener::new(server, Limits::default(), Clock::host());
    for _ in 0..CALLS_MAX {
        match listener.listen(&mut Vec::new()) {
            News::None | News::Records(_) => {}
            News::Connected(_) => return Ok(()),
            News::Lost { why, .. } | News::OtherProtocol { why } => return Err(why),
        }
    }
    panic!("gave up waiting");
}

/// Runs a server on a thread while a test connects.
fn beside(agents: Vec<Box<dyn Agent>>, connect: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let (mut agents, clock) = (agents, Clock::host());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let now = clock.now();
                let work: usize = agents.iter_mut().map(|agent| agent.do_work(now)).sum();
                if work == 0 {
                    std::thread::yield_now();
                }
            }
        });
        let connected = std::panic::catch_unwind(std::panic::AssertUnwindSafe(connect));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = connected {
            std::panic::resume_unwind(panic);
        }
    });
}

fn server(url: &str, token: Option<&str>, ca_file: Option<&Path>) -> Server {
    Server::new(url, token.map(|text| Secret::new(text).unwrap()), ca_file).unwrap()
}

#[test]
fn the_trader_brings_its_token_by_every_way_and_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let certificate = folder.path().join("certificate.pem");
    let port: Endpoint = "127.0.0.1:0".parse().unwrap();
    let socket = Endpoint::Unix(folder.path().join("broadcast.sock"));
    for (endpoint, is_tls) in [(&port, false), (&port, true), (&socket, false)] {
        let listener = Listener::bind(endpoint).unwrap();
        let url = listener.endpoint().unwrap().url(is_tls);
        let trusted = is_tls.then_some(certificate.as_path());
        beside(agents(listener, is_tls.then_some(folder.path())), || {
            assert_eq!(outcome(server(&url, Some(READ), trusted)), Ok(()), "{url}");
            for (token, status) in [(None, "401"), (Some(WRONG), "401"), (Some(CONTROL), "403")] {
                let why = outcome(server(&url, token, trusted)).unwrap_err();
                assert!(why.contains(status) && why.contains("token"), "{url}: {why}");
                assert!(!why.contains("0123456789abcdef"), "{why}");
            }
        });
    }
}

#[test]
fn a_certificate_that_is_not_trusted_and_a_server_without_tls_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let url = listener.endpoint().unwrap().url(true);
    beside(agents(listener, Some(folder.path())), || {
        let others = other.path().join("certificate.pem");
        for ca_file in [None, Some(others.as_path())] {
            let why = outcome(server(&url, Some(READ), ca_file)).unwrap_err();
            assert!(why.contains("certificate"), "{why}");
        }
        let plain = url.replace("wss://", "ws://");
        outcome(server(&plain, Some(READ), None)).unwrap_err();
    });
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let url = listener.endpoint().unwrap().url(true);
    beside(agents(listener, None), || {
        outcome(server(&url, Some(READ), None)).unwrap_err();
    });
}
