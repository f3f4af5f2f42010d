//! The examples of `docs/examples` read the broadcast's binary protocol over real sockets.

use serde_json::{Value, json};
use spreadwire_engine::broadcast::network::Sockets;
use spreadwire_kit::needs::python;
use spreadwire_market::record::{Gap, RecordingState};
use spreadwire_market::state::State;
use spreadwire_rigs::broadcast::flattened::flattened;
use spreadwire_rigs::broadcast::model::{Model, text};
use spreadwire_rigs::broadcast::server::{START, Server, catalogue, settings, spread, status};
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

/// Returns whether two messages say the same; only JSON rounds basis points.
fn assert_same(json: &Value, binary: &Value) {
    for (field, value) in json.as_object().unwrap() {
        // The binary protocol's catalogue does not tell it.
        if field == "revision" {
            continue;
        }
        if field.ends_with("_bps") && json["type"] == "spread" {
            let distance = value.as_f64().unwrap() - binary[field].as_f64().unwrap();
            assert!(distance.abs() < 0.000_051, "{field}: {json} {binary}");
        } else {
            assert_eq!(&binary[field], value, "{field}: {json} {binary}");
        }
    }
    assert_eq!(binary["conflated"], json["conflated"]);
}

/// An example of `docs/examples` that reads from the server.
struct Example {
    process: Child,
    /// A file, because a pipe would fill up while nobody reads it.
    output: std::fs::File,
}

impl Example {
    fn start(script: &str, server: &Server<Sockets, SocketAddr>, rest: &[&str]) -> Example {
        let script = self::script(script);
        let output = tempfile::tempfile().unwrap();
        let process = Command::new(python())
            .args([script, format!("ws://{}", server.door)])
            .args(rest)
            .stdout(output.try_clone().unwrap())
            .spawn()
            .unwrap();
        Example { process, output }
    }

    fn printed(mut self) -> String {
        let mut printed = String::new();
        self.output.rewind().unwrap();
        self.output.read_to_string(&mut printed).unwrap();
        printed
    }
}

pub(crate) fn the_example_in_python_reads_the_same_values_that_json_has() {
    let mut model = Model::new(16, 3, 3);
    let mut server = Server::on_loopback(catalogue(3, 3), settings());
    (0..30).for_each(|_| model.batch(&mut server));
    server.turn();
    let mut client = server.connect();
    client.ask(&json!({"op": "ping", "id": "here"}));
    client.expect(&mut server, "pong");
    let mut again = server.connect();
    again.expect(&mut server, "hello");
    let snapshot = again.expect(&mut server, "snapshot");
    let count = 2 + flattened(&[snapshot]).len() + 400;
    let rest = [&count.to_string(), r#"{"op":"ping","id":"here"}"#];
    let mut reader = Example::start("read_binary.py", &server, &rest);
    let (clients, asked) = (server.count("clients"), server.count("requests"));
    server.until("the reader asks", |server| server.count("requests") > asked);
    assert_eq!(server.count("clients"), clients + 1);
    let mut later = server.connect();
    let mut stream: Vec<Value> = vec![later.expect(&mut server, "hello")];
    stream.push(later.expect(&mut server, "snapshot"));
    for round in 0..200 {
        match round % 50 {
            7 => server.send(Gap::new(START + round, 3)),
            8 => server.record(RecordingState::Vanished, round),
            _ => {}
        }
        let mut odd = spread(0, 0, 1, 10_000 - i64::try_from(round).unwrap() * 97);
        (odd.buy_sz, odd.sell_sz) = (i64::MAX, -i64::try_from(round).unwrap());
        odd.net = 0.000_000_005 * f64::from(u32::try_from(round).unwrap());
        odd.sequence = u64::MAX - round;
        server.send(odd);
        server.send(status(0, 0, State::ALL[usize::try_from(round % 5).unwrap()]));
        server.turn();
    }
    let mut end = None;
    server.until("the reader's end", |_| {
        later.read();
        end = reader.process.try_wait().unwrap();
        end.is_some()
    });
    assert!(end.unwrap().success());
    let printed = reader.printed();
    let read: Vec<Value> = printed.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let (answers, read): (Vec<_>, Vec<_>) = read.into_iter().partition(|m| m["type"] == "pong");
    assert_eq!(answers, [json!({"type": "pong", "id": "here", "ts": START})]);
    stream.append(&mut later.seen);
    let expected = flattened(&stream);
    assert!(expected.len() >= read.len() && read.len() == count - 1);
    expected.iter().zip(&read).for_each(|(json, binary)| assert_same(json, binary));
}

pub(crate) fn the_short_example_prints_the_spreads_that_json_has() {
    let mut model = Model::new(17, 3, 3);
    let mut server = Server::on_loopback(catalogue(3, 3), settings());
    (0..30).for_each(|_| model.batch(&mut server));
    server.turn();
    let mut client = server.connect();
    let snapshot = client.expect(&mut server, "snapshot");
    let spreads = snapshot["spreads"].as_array().unwrap();
    assert!(3 < spreads.len());
    let count = spreads.len().to_string();
    let mut reader = Example::start("watch_spreads.py", &server, &[&count]);
    let mut end = None;
    server.until("the reader's end", |_| {
        end = reader.process.try_wait().unwrap();
        end.is_some()
    });
    assert!(end.unwrap().success());
    let printed = reader.printed();
    assert_eq!(printed.lines().count(), spreads.len());
    for (line, spread) in printed.lines().zip(spreads) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<f64>().unwrap();
        assert_eq!(words[0], spread["seq"].to_string());
        for (word, field) in [(1, "instrument"), (3, "buy_venue"), (7, "sell_venue")] {
            assert_eq!(words[word], text(spread, field), "{line}");
        }
        for (word, field) in [(5, "buy_px"), (9, "sell_px")] {
            assert_eq!(
                number(words[word]).to_bits(),
                number(&text(spread, field)).to_bits(),
                "{line}"
            );
        }
        let distance = number(words[11]) - spread["net_bps"].as_f64().unwrap();
        assert!(distance.abs() < 0.000_11, "{line} {spread}");
    }
}

fn script(name: &str) -> String {
    format!("{}/../docs/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Reads the messages with `follow_pairs.py`; returns its exit code, its output and its errors.
fn followed(messages: &[Value]) -> (Option<i32>, String, String) {
    let mut process = Command::new(python())
        .args([&script("follow_pairs.py"), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
    // A process that refuses a message does not read those behind it.
    let written = process.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = process.wait_with_output().unwrap();
    assert!(written.is_ok() || output.status.code() != Some(0));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Returns a `hello`, a snapshot with both legs live at number 1, and a spread of number 2.
fn stream() -> [Value; 3] {
    let state = |venue: &str| json!({"venue": venue, "instrument": "X/Y", "state": "live"});
    [
        json!({
            "type": "hello", "protocol": "spreadwire.v1",
            "venues": [{"name": "a", "taker_fee_bps": 1}, {"name": "b", "taker_fee_bps": -1}],
            "instruments": [
                {"name": "X/Y", "price_scale": 2, "size_scale": 1, "venues": ["a", "b"]},
            ],
        }),
        json!({
            "type": "snapshot", "id": "default", "seq": 1, "states": [state("a"), state("b")],
            "spreads": [], "last": true,
        }),
        json!({
            "type": "spread", "seq": 2, "instrument": "X/Y", "buy_venue": "a", "sell_venue": "b",
            "buy_px": "1.50", "sell_px": "1.51", "buy_sz": "1", "sell_sz": "0.5", "net_bps": 7,
            "ts_recv": START, "quote_seq": 1,
        }),
    ]
}

/// Returns the message with some fields replaced.
fn with(message: &Value, fields: &Value) -> Value {
    let mut message = message.clone();
    for (name, value) in fields.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

/// The rules are those of the reference client, whose own tests try each of them closely.
pub(crate) fn the_careful_example_refuses_what_cannot_be_and_tells_every_end() {
    let [hello, snapshot, spread] = stream();
    let status = |state: &str, health: &str| {
        json!({
            "type": "status", "venue": "b", "instrument": "X/Y", "state": state, "health": health,
        })
    };
    let ended = with(&spread, &json!({"type": "ended", "reason": "leg_old"}));
    let gap = json!({"type": "gap", "reason": "engine", "missed": 1});
    let next = |fields: Value| with(&spread, &with(&json!({"seq": 3}), &fields));
    let conflated = |seq: u64| next(json!({"seq": seq, "conflated": true}));
    let slow = json!({
        "type": "gap", "reason": "slow_client", "missed": 7, "from_seq": 3, "to_seq": 9,
    });
    let second = 1_000_000_000;
    let begin = [hello.clone(), snapshot.clone(), spread.clone()];
    for (messages, code, told) in [
        (vec![next(json!({}))], 0, "spread 3 X/Y a b 1.50 1.51 7"),
        (vec![ended.clone()], 0, "ended X/Y a b 'leg_old'"),
        (vec![status("stale", "lagging")], 0, "ended X/Y a b 'stale'"),
        (vec![status("live", "melted")], 0, "ended X/Y a b"),
        (vec![status("melted", "live")], 0, "ended X/Y a b 'melted'"),
        (vec![gap.clone()], 0, "ended X/Y a b 'gap'"),
        (vec![next(json!({"ts_recv": START - second - 1}))], 0, "ended X/Y a b 'not acted on"),
        (vec![next(json!({"ts_recv": START - second / 4}))], 0, "ended X/Y a b 'not acted on"),
        (vec![slow.clone(), conflated(8), next(json!({"seq": 10}))], 0, "spread 10 X/Y"),
        (vec![slow, conflated(8), next(json!({"seq": 11}))], 1, "missing before 11"),
        (vec![status("stale", "stale"), next(json!({}))], 1, "a leg is not live"),
        (vec![next(json!({"seq": 1000}))], 1, "numbers are missing before 1000"),
        (vec![next(json!({"seq": 2}))], 1, "a number goes back"),
        (vec![next(json!({"buy_px": "0"}))], 1, "no price or size '0'"),
        (vec![next(json!({"sell_px": "-1"}))], 1, "no price or size '-1'"),
        (vec![next(json!({"sell_px": "1.005"}))], 1, "no price or size"),
        (vec![next(json!({"buy_sz": "Infinity"}))], 1, "no price or size"),
        (vec![next(json!({"buy_sz": "NaN"}))], 1, "no price or size"),
        (vec![next(json!({"buy_sz": "one"}))], 1, "not a message"),
        (vec![next(json!({"sell_venue": "a"}))], 1, "both legs at one venue"),
        (vec![next(json!({"sell_venue": "\u{1b}[2J"}))], 1, "'\\x1b[2J'"),
        (vec![next(json!({"sell_px": "60000"}))], 0, "ended X/Y a b 'not acted on"),
        (vec![next(json!({"buy_px": "60000"}))], 0, "ended X/Y a b 'not acted on"),
        (vec![json!({"type": "unsubscribed", "ids": ["default"]})], 1, "nothing was asked"),
        (vec![json!({"type": "subscribed", "id": "evil"})], 1, "nothing was asked"),
        (vec![hello.clone()], 1, "hello twice"),
        (vec![snapshot.clone()], 1, "no snapshot was due"),
        (vec![json!({"type": "spread"})], 1, "not a message"),
    ] {
        let (exit, printed, errors) = followed(&[&begin[..], &messages].concat());
        assert_eq!(exit, Some(code), "{messages:?}: {printed}{errors}");
        assert!(printed.starts_with("spread 2 X/Y a b 1.50 1.51 7\n"), "{printed}");
        let (last, other) = if code == 0 { (printed, errors) } else { (errors, String::new()) };
        assert!(last.lines().last().unwrap().contains(told), "{messages:?}: {last}");
        assert_eq!(other, "", "{messages:?}");
    }
    let first = with(&snapshot, &json!({"last": false}));
    let amid = followed(&[hello.clone(), first, spread.clone(), next(json!({"seq": 9}))]);
    assert_eq!(amid, (Some(0), String::new(), String::new()), "amid a snapshot");
    for (fields, code, told) in [
        (json!({"protocol": "spreadwire.v2"}), 3, "another protocol 'spreadwire.v2'"),
        (
            json!({"venues": [{"name": "a", "taker_fee_bps": -100.1}]}),
            1,
            "fees that no engine accepts",
        ),
        (json!({"venues": [{"name": "a\n", "taker_fee_bps": 1}]}), 1, "a bad name 'a\\n'"),
    ] {
        let (exit, _, errors) = followed(&[with(&hello, &fields)]);
        assert!(exit == Some(code) && errors.contains(told), "{exit:?} {errors}");
    }
    let (exit, _, errors) = followed(&[spread]);
    assert!(exit == Some(1) && errors.contains("first message was not hello"), "{errors}");
}

/// The server upgrades and chooses no subprotocol, as one of another version does.
pub(crate) fn the_examples_end_where_the_server_does_not_speak_the_protocol() {
    for example in ["watch_spreads.py", "read_binary.py", "follow_pairs.py"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let mut process = Command::new(python())
            .args([script(example), url])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (socket, _) = listener.accept().unwrap();
        let mut client = tungstenite::accept(socket).unwrap();
        while client.read().is_ok() {}
        let mut errors = String::new();
        process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(!process.wait().unwrap().success(), "{example}");
        assert!(errors.contains("does not speak spreadwire.v1"), "{example}: {errors}");
    }
}

/// Upgrades and chooses the protocol of JSON texts.
#[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
fn accept_json(socket: TcpStream) -> WebSocket<TcpStream> {
    let choose = |_: &Request, mut response: Response| {
        let name = "spreadwire.v1.json".parse().unwrap();
        response.headers_mut().insert("Sec-WebSocket-Protocol", name);
        Ok(response)
    };
    tungstenite::accept_hdr(socket, choose).unwrap()
}

/// However a connection ends, the example says so in a sentence.
pub(crate) fn the_careful_example_tells_how_a_connection_ended() {
    let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let away = CloseFrame { code: CloseCode::Away, reason: "stopping\u{1b}[2J".into() };
    for (last, code, told) in [
        (Some(Message::Close(Some(normal))), 4, "ended: closed by the server: 1000 ''\n"),
        (
            Some(Message::Close(Some(away))),
            4,
            "ended: closed by the server: 1001 'stopping\\x1b[2J'\n",
        ),
        (Some(Message::binary(b"{}".as_slice())), 1, "refused: a binary message\n"),
        (None, 4, "ended: the connection broke\n"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let process = Command::new(python())
            .args([script("follow_pairs.py"), url])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (socket, _) = listener.accept().unwrap();
        let mut client = accept_json(socket);
        for message in stream().iter().take(2) {
            client.send(Message::text(message.to_string())).unwrap();
        }
        if let Some(last) = last {
            client.send(last).unwrap();
            while client.read().is_ok() {}
        }
        drop(client);
        let output = process.wait_with_output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.as_str()), (Some(code), told));
    }
    let output = Command::new(python())
        .args([&script("follow_pairs.py"), "ws://127.0.0.1:1"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{errors}");
    assert!(errors.starts_with("ended: ") && errors.lines().count() == 1, "{errors}");
}
