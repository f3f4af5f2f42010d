//! The trader against a server that follows a script: refusals, pauses, exit codes, and texts that
//! must not reach a terminal.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::{Value, json};
use spreadwire_market::client::{Heard, Limits, PROOF};
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::record::{Closed, Gap, Record};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use trader::{News, Rule, Server, SpreadListener, Trader};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

const START: Nanos = 1_700_000_000 * SECOND;
/// Number of calls of `listen` after which a test gives up: half a minute.
const CALLS_MAX: usize = 300;

/// In a script, stands for the time at which the message is sent.
const NOW: &str = "now";
/// Maximum number of scripts of a test.
const SCRIPTS_MAX: usize = 12;

/// What the server does on one connection.
enum Connection {
    /// Says these and waits until the client leaves.
    Says(Vec<Value>),
    /// Says these and closes the connection for this reason.
    Closes(Vec<Value>, &'static str),
    /// Says these, and then sends this as a binary message.
    SaysBinary(Vec<Value>, &'static [u8]),
    /// Answers the upgrade with this text.
    Answers(&'static str),
    /// Answers the upgrade with this subprotocol, or with none.
    Chooses(Option<&'static str>),
}

use Connection::{Answers, Chooses, Closes, Says, SaysBinary};

/// Accepts one connection for each script and then no more.
fn serve(listener: &TcpListener, scripts: Vec<Connection>, accepted: &AtomicUsize) {
    for script in scripts {
        let (socket, _) = listener.accept().unwrap();
        accepted.fetch_add(1, Ordering::Relaxed);
        follow(socket, script);
    }
}

/// Connects to the server at its drop, so that a test that fails does not leave it waiting.
struct Release(SocketAddr);

impl Drop for Release {
    fn drop(&mut self) {
        for _ in 0..SCRIPTS_MAX {
            drop(TcpStream::connect(self.0));
        }
    }
}

fn follow(socket: TcpStream, script: Connection) {
    let (messages, last) = match script {
        Says(messages) => (messages, None),
        SaysBinary(messages, bytes) => (messages, Some(Message::binary(bytes))),
        Closes(messages, why) => (messages, Some(close(why))),
        Answers(text) => return answer(socket, text),
        Chooses(subprotocol) => {
            // The client leaves during the handshake or right behind it.
            if let Ok(mut client) = upgraded(socket, subprotocol) {
                while client.read().is_ok() {}
            }
            return;
        }
    };
    let Ok(mut client) = upgraded(socket, Some("spreadwire.v1.json")) else { return };
    for message in messages {
        let now = Clock::host().now().to_string();
        let text = message.to_string().replace(&format!("\"{NOW}\""), &now);
        if client.send(Message::text(text)).is_err() {
            return;
        }
    }
    if last.is_some_and(|last| client.send(last).is_err()) {
        return;
    }
    while client.read().is_ok() {}
}

/// Returns a close for this reason; without one, it is an ordinary close.
fn close(why: &'static str) -> Message {
    let code = if why.is_empty() { CloseCode::Normal } else { CloseCode::Policy };
    Message::Close(Some(CloseFrame { code, reason: why.into() }))
}

fn answer(mut socket: TcpStream, text: &str) {
    let mut request = Vec::new();
    let mut bytes = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&bytes[..count]),
        }
    }
    socket.write_all(text.as_bytes()).unwrap();
}

#[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
fn upgraded(
    socket: TcpStream,
    subprotocol: Option<&'static str>,
) -> Result<WebSocket<TcpStream>, String> {
    let choose = |_: &Request, mut response: Response| {
        if let Some(name) = subprotocol {
            response.headers_mut().insert("Sec-WebSocket-Protocol", name.parse().unwrap());
        }
        Ok(response)
    };
    tungstenite::accept_hdr(socket, choose).map_err(|error| error.to_string())
}

fn hello(protocol: &str, venue: &str) -> Value {
    json!({
        "type": "hello", "protocol": protocol, "engine": "0.2.0", "revision": 2,
        "venues": [{"name": venue, "taker_fee_bps": 1}, {"name": "b", "taker_fee_bps": 1}],
        "instruments": [
            {"name": "X/Y", "price_scale": 2, "size_scale": 2, "venues": [venue, "b"]},
        ],
    })
}

fn good_hello() -> Value {
    hello("spreadwire.v1", "a")
}

fn snapshot(ts: impl Into<Value>) -> Value {
    let ts = ts.into();
    let state = |venue: &str| {
        json!({
            "venue": venue, "instrument": "X/Y", "state": "live", "reason": "quote", "ts_recv": ts,
        })
    };
    json!({
        "type": "snapshot", "id": "default", "seq": 0, "states": [state("a"), state("b")],
        "spreads": [], "last": true,
    })
}

fn spread(seq: u64, ts: impl Into<Value>, sell_px: &str) -> Value {
    let ts = ts.into();
    json!({
        "type": "spread", "seq": seq, "instrument": "X/Y", "buy_venue": "a", "sell_venue": "b",
        "buy_px": "100", "sell_px": sell_px, "buy_sz": "1", "sell_sz": "1", "gross_bps": 0,
        "net_bps": 0, "ts_recv": ts, "quote_seq": seq,
    })
}

/// Runs the binary against the scripts until it ends by itself. Returns its output and the number
/// of connections that it made.
fn run(scripts: Vec<Connection>) -> (Output, usize) {
    run_with(&[], scripts)
}

fn run_with(more: &[&str], scripts: Vec<Connection>) -> (Output, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (url, accepted) = (url(address), AtomicUsize::new(0));
    // A trader that does not end by itself is stopped, and the test fails by its exit code.
    let rest = "--entry-bps 20 --exit-bps 5 --cooldown-ms 0 --max-age-ms 60000 --for 30".split(' ');
    let arguments = ["--url", &url].into_iter().chain(rest).chain(more.iter().copied());
    std::thread::scope(|scope| {
        let _release = Release(address);
        scope.spawn(|| serve(&listener, scripts, &accepted));
        let trader = Command::new(env!("CARGO_BIN_EXE_trader")).args(arguments).output();
        (trader.unwrap(), accepted.load(Ordering::Relaxed))
    })
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn another_version_of_the_protocol_ends_the_trader_with_its_own_exit_code() {
    for (script, told) in [
        (Says(vec![hello("spreadwire.v2", "a")]), "the server uses protocol \"spreadwire.v2\""),
        (Says(vec![json!({"type": "hello", "protocol": "other", "venues": 7})]), "\"other\""),
        (Chooses(None), "does not speak spreadwire.v1 ("),
        (Chooses(Some("spreadwire.v2.json")), "does not speak spreadwire.v1 ("),
    ] {
        let (output, connections) = run(vec![script]);
        let errors = text(&output.stderr);
        assert_eq!((output.status.code(), connections), (Some(3), 1), "{errors}");
        assert!(errors.contains(told), "{errors}");
        assert!(errors.contains("use the program of the engine's own version"), "{errors}");
        assert!(!errors.contains("retrying"), "{errors}");
    }
}

#[test]
fn what_a_peer_says_reaches_the_terminal_escaped_or_not_at_all() {
    let evil = "a\u{1b}[2J\u{202e}\n";
    let named = |field: &str, value: &str| {
        let mut message = spread(1, 0, "101");
        message[field] = json!(value);
        vec![good_hello(), snapshot(0), message]
    };
    let (output, connections) = run(vec![
        Says(vec![hello("spreadwire.v1", evil)]),
        Says(named("buy_venue", evil)),
        Says(named("sell_px", evil)),
        Says(vec![
            good_hello(),
            json!({"type": evil, "protocol": evil, "x": "\u{1b}"}),
            json!(evil),
        ]),
        Closes(vec![good_hello()], "bye\u{1b}[2J\nfoo"),
        Says(vec![hello(evil, "a")]),
    ]);
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), connections), (Some(3), 6), "{errors:?}");
    let strange = |c: char| c != '\n' && !spreadwire_market::escape::is_printable(c);
    assert!(!printed.contains(strange) && !errors.contains(strange), "{printed:?} {errors:?}");
    // Each loss is one line.
    assert!(errors.contains("bye\\u{1b}[2J\\nfoo; retrying in"), "{errors}");
    assert_eq!(errors.matches("; retrying in ").count(), 5, "{errors}");
    assert_eq!(errors.matches("a\\u{1b}[2J\\u{202e}\\n").count(), 5, "{errors}");
    assert!(errors.lines().all(|line| !line.starts_with("foo")), "{errors}");
}

#[test]
fn a_refusal_closes_what_is_open_and_is_told_and_counted_once() {
    let begin = || vec![good_hello(), snapshot(NOW), spread(1, NOW, "101")];
    let then = |more: Vec<Value>| Says([begin(), more].concat());
    let many: Vec<Value> = (2..500).map(|seq| spread(seq, NOW, "-1")).collect();
    let (output, connections) = run(vec![
        then(many),
        then(vec![spread(1000, NOW, "102")]),
        Closes(begin(), "enough"),
        Says(vec![hello("spreadwire.v2", "a")]),
    ]);
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), connections), (Some(3), 4), "{errors}");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 6, "{printed}");
    for (place, pair) in lines.chunks(2).enumerate() {
        let id = place + 1;
        let opened = format!("opened #{id} X/Y buy a sell b 100 x 1 -> 101 x 1 net ");
        assert!(pair[0].starts_with(&opened), "{printed}");
        assert!(pair[1].starts_with(&format!("closed #{id} ")), "{printed}");
        assert!(pair[1].ends_with(", gap"), "{printed}");
    }
    assert_eq!(errors.matches("refused what the server sent: ").count(), 2, "{errors}");
    assert_eq!(errors.matches("sell_px is \"-1\"").count(), 1, "{errors}");
    assert_eq!(errors.matches("number 1000 came in place of 2").count(), 1, "{errors}");
    assert!(errors.contains("closed by the server: 1008 enough; retrying in"), "{errors}");
    let summary =
        "3 spreads, 3 opened, 3 closed, 4 gaps, 3 connections, 2 refused, 0 messages not acted on";
    assert!(errors.ends_with(&format!("{summary}\n")), "{errors}");
}

#[test]
fn nothing_opens_amid_a_snapshot_on_what_is_old_or_where_a_state_is_not_known() {
    let now = Clock::host().now();
    let mut first = snapshot(now);
    first["last"] = json!(false);
    let melted = json!({
        "type": "status", "venue": "b", "instrument": "X/Y", "state": "live", "health": "melted",
        "reason": "quote", "ts_recv": now, "previous": "live",
    });
    let hour = 3600 * SECOND;
    let (output, _) = run(vec![
        Closes(vec![good_hello(), first, spread(1, now, "105")], "amid a snapshot"),
        Says(vec![
            good_hello(),
            snapshot(now),
            spread(1, now - hour, "101"),
            spread(2, now - hour, "102"),
            spread(3, now + hour, "103"),
            spread(4, now, "104"),
            melted,
            hello("spreadwire.v2", "a"),
        ]),
        Says(vec![hello("spreadwire.v2", "a")]),
    ]);
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(lines[0].contains("-> 104 x 1") && lines[1].ends_with("leg_not_live"), "{printed}");
    for told in ["arrive too old", "are ahead of this host's", "states that this version does not"]
    {
        assert_eq!(errors.matches(told).count(), 1, "{told}: {errors}");
    }
    assert!(errors.contains("the server said hello twice; retrying"), "{errors}");
    assert!(errors.ends_with("1 refused, 4 messages not acted on\n"), "{errors}");
}

#[test]
fn what_was_not_asked_for_is_refused_and_closes_what_is_open() {
    let begin = || vec![good_hello(), snapshot(NOW), spread(1, NOW, "101")];
    let then = |message: Value| Says([begin(), vec![message, spread(2, NOW, "102")]].concat());
    let (output, _) = run(vec![
        then(json!({"type": "unsubscribed", "ids": ["default"]})),
        then(json!({"type": "subscribed", "id": "evil"})),
        SaysBinary(begin(), b"\x02\x01garbage"),
        Says(vec![hello("spreadwire.v2", "a")]),
    ]);
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(printed.matches("opened").count(), 3, "{printed}");
    assert_eq!(printed.matches(", gap\n").count(), 3, "{printed}");
    for told in [
        "the server answers \"unsubscribed\", and nothing was asked; retrying",
        "the server answers \"subscribed\", and nothing was asked; retrying",
        "a binary message of 9 bytes came, and spreadwire.v1.json has only texts; retrying",
    ] {
        assert!(errors.contains(told), "{told}: {errors}");
    }
}

#[test]
fn the_servers_reasons_are_told_whole_and_once() {
    let long = "x".repeat(17 * 1024 * 1024);
    let (output, _) = run(vec![
        Closes(vec![good_hello()], ""),
        Answers("HTTP/1.1 503 Full\r\nContent-Length: 29\r\n\r\n1000 clients are served\x1b[31m\n"),
        Answers("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"),
        Says(vec![json!({"type": "hello", "x": long})]),
        Says(vec![hello("spreadwire.v2", "a")]),
    ]);
    let errors = text(&output.stderr);
    for told in [
        "closed by the server: 1000; retrying",
        ": HTTP 503 Service Unavailable: 1000 clients are served\\u{1b}[31m; retrying",
        ": HTTP 404 Not Found; retrying",
    ] {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert_eq!(errors.matches("Message too long").count(), 1, "{errors}");
}

#[test]
fn a_net_beyond_the_limit_opens_nothing_is_told_once_and_can_be_allowed() {
    let now = Clock::host().now();
    let scripts = || {
        vec![
            Says(vec![
                good_hello(),
                snapshot(now),
                spread(1, now, "60000"),
                spread(2, now, "60001"),
                hello("spreadwire.v2", "a"),
            ]),
            Says(vec![hello("spreadwire.v2", "a")]),
        ]
    };
    let (output, _) = run(scripts());
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(printed, "", "{errors}");
    assert_eq!(errors.matches("a net beyond the limit").count(), 1, "{errors}");
    assert!(errors.ends_with("2 messages not acted on\n"), "{errors}");
    let (output, _) = run_with(&["--max-net-bps", "0"], scripts());
    assert_eq!(text(&output.stdout).matches("opened").count(), 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.toml");
    std::fs::write(&path, "[calculator]\nmax_net_bps = 0\n").unwrap();
    let (output, _) = run_with(&["--config", path.to_str().unwrap()], scripts());
    assert_eq!(text(&output.stdout).matches("opened").count(), 1, "as the engine is configured");
    let (output, connections) = run_with(&["--max-net-bps", "NaN"], scripts());
    let errors = text(&output.stderr);
    assert_eq!((output.status.code(), connections), (Some(2), 0), "{errors}");
    assert!(errors.contains("max_net_bps: NaN is outside its bounds; choose 0 to"), "{errors}");
}

/// A listener in virtual time.
struct Virtual {
    clock: Clock,
    listener: SpreadListener,
    records: Vec<Record>,
}

impl Virtual {
    fn new(address: SocketAddr) -> Virtual {
        let clock = Clock::manual(START);
        let listener = SpreadListener::new(
            Server::new(&url(address), None, None).unwrap(),
            Limits::default(),
            clock.clone(),
        );
        Virtual { clock, listener, records: Vec::new() }
    }

    fn wait(&self, time: Nanos) {
        self.clock.set(self.clock.now() + time);
    }

    /// Listens until there is news of this kind.
    fn until(&mut self, wanted: impl Fn(&News) -> bool) -> News {
        for _ in 0..CALLS_MAX {
            let news = self.listener.listen(&mut self.records);
            if wanted(&news) {
                return news;
            }
        }
        panic!("gave up waiting");
    }

    fn until_in_step(&mut self) {
        self.until(|news| matches!(news, News::Records(Heard::InStep)));
    }

    /// Listens until the connection is lost; returns why, and the pause.
    fn until_lost(&mut self) -> (String, bool, Nanos) {
        let news = self.until(|news| matches!(news, News::Lost { .. }));
        let News::Lost { why, refused, retry_in } = news else { panic!("{news:?}") };
        (why, refused, retry_in)
    }
}

#[test]
fn what_is_open_has_lasted_until_the_stop_or_the_loss() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = AtomicUsize::new(0);
    let scripts = vec![Says(vec![good_hello(), snapshot(START), spread(1, START, "101")])];
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, scripts, &accepted));
        let _release = Release(address);
        let mut at = Virtual::new(address);
        let news = at.until(|news| matches!(news, News::Connected(_)));
        let News::Connected(catalogue) = news else { panic!("{news:?}") };
        at.until_in_step();
        at.until_in_step();
        let [mut stopped, mut lost] = [(); 2].map(|()| {
            let mut trader = Trader::new(rule());
            trader.connected(catalogue.clone());
            trader.take(Heard::InStep, &at.records, &mut Vec::new());
            trader
        });
        at.wait(6 * SECOND);
        let mut events = Vec::new();
        stopped.stop(at.clock.now(), &mut events);
        assert_eq!(lifetimes(&events), [6 * SECOND]);

        at.wait(42 * SECOND);
        at.until_lost();
        events.clear();
        lost.take(Heard::CatchingUp, &at.records[at.records.len() - 1..], &mut events);
        assert_eq!(lifetimes(&events), [48 * SECOND]);
    });
}

fn rule() -> Rule {
    Rule {
        entry_bps: 20.0,
        exit_bps: 5.0,
        cooldown: 0,
        instruments: vec!["*".to_owned()],
        approved: None,
        read_at: 0,
    }
}

fn lifetimes(events: &[Record]) -> Vec<Nanos> {
    events.iter().filter_map(Record::get::<Closed>).map(|c| c.ts_close - c.ts_open).collect()
}

#[test]
fn a_server_that_says_hello_and_leaves_is_asked_less_and_less_often() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = AtomicUsize::new(0);
    let scripts = (0..SCRIPTS_MAX).map(|n| {
        let mut messages = vec![good_hello()];
        messages.extend((n % 2 == 0).then(|| snapshot(START)));
        Closes(messages, "restarting")
    });
    let scripts: Vec<Connection> = scripts.collect();
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, scripts, &accepted));
        let _release = Release(address);
        let mut at = Virtual::new(address);
        let mut in_nine_seconds = 0;
        for attempt in 0..SCRIPTS_MAX {
            in_nine_seconds += usize::from(at.clock.now() < START + 9 * SECOND);
            let (why, refused, retry_in) = at.until_lost();
            assert!(why.contains("restarting") && !refused, "{why}");
            let least = ((100 * MILLI) << attempt).min(15 * SECOND);
            assert!((least..=30 * SECOND).contains(&retry_in), "attempt {attempt}: {retry_in}");
            assert!(at.records.last().unwrap().is::<Gap>());
            at.wait(retry_in - 1);
            assert!(matches!(at.listener.listen(&mut at.records), News::None), "not before");
            at.wait(1);
        }
        assert!(in_nine_seconds <= 7, "{in_nine_seconds} attempts in 9 s");
        assert_eq!(accepted.load(Ordering::Relaxed), SCRIPTS_MAX);
    });
}

#[test]
fn only_a_connection_that_stays_in_step_makes_the_pause_short_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = AtomicUsize::new(0);
    let proof = |ts| vec![good_hello(), snapshot(ts), spread(2, ts, "101")];
    let mut scripts: Vec<Connection> = (0..6).map(|_| Closes(vec![], "no")).collect();
    scripts.push(Says(proof(START)));
    scripts.push(Says(vec![good_hello(), snapshot(START)]));
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, scripts, &accepted));
        let _release = Release(address);
        let mut at = Virtual::new(address);
        for _ in 0..6 {
            let (_, _, retry_in) = at.until_lost();
            at.wait(retry_in);
        }
        // In step, and then a hole at once: that proves nothing.
        let (why, refused, retry_in) = at.until_lost();
        assert!(why.contains("number 2 came in place of 1") && refused, "{why}");
        assert!(6 * SECOND <= retry_in, "{retry_in}");
        at.wait(retry_in);
        at.until_in_step();
        at.wait(PROOF);
        assert!(matches!(at.listener.listen(&mut at.records), News::None));
        at.wait(40 * SECOND);
        let (why, refused, retry_in) = at.until_lost();
        assert!(why.contains("no frame for 40 s") && !refused, "{why}");
        assert!(retry_in <= 250 * MILLI, "{retry_in}");
    });
}

#[test]
fn a_snapshot_that_never_ends_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = AtomicUsize::new(0);
    let mut first = snapshot(START);
    first["last"] = json!(false);
    let scripts = vec![Says(vec![good_hello(), first]), Says(vec![])];
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, scripts, &accepted));
        let _release = Release(address);
        let mut at = Virtual::new(address);
        at.until(|news| matches!(news, News::Records(Heard::CatchingUp)));
        for _ in 0..2 {
            at.wait(10 * SECOND);
            let (why, refused, retry_in) = at.until_lost();
            assert!(why.contains("no complete snapshot within 10000 ms") && refused, "{why}");
            at.wait(retry_in);
            at.until(|news| matches!(news, News::None));
        }
    });
}
