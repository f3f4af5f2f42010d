//! The examples of `docs/examples` read the broadcast's binary protocol over real sockets.

use serde_json::{Value, json};
use spreadwire_engine::broadcast::network::Tcp;
use spreadwire_kit::needs::python;
use spreadwire_market::record::{Gap, RecordingState};
use spreadwire_market::state::State;
use spreadwire_rigs::broadcast::flattened::flattened;
use spreadwire_rigs::broadcast::model::{Model, text};
use spreadwire_rigs::broadcast::server::{START, Server, catalogue, settings, spread, status};
use std::io::{Read, Seek};
use std::net::SocketAddr;

/// Returns whether two messages say the same; only JSON rounds basis points.
fn assert_same(json: &Value, binary: &Value) {
    for (field, value) in json.as_object().unwrap() {
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
    process: std::process::Child,
    /// A file, because a pipe would fill up while nobody reads it.
    output: std::fs::File,
}

impl Example {
    fn start(script: &str, server: &Server<Tcp, SocketAddr>, rest: &[&str]) -> Example {
        let script = format!("{}/../docs/examples/{script}", env!("CARGO_MANIFEST_DIR"));
        let output = tempfile::tempfile().unwrap();
        let process = std::process::Command::new(python())
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
