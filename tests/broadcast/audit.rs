//! The audit log is told who connected, asked and left, and why; and never a secret.

use serde_json::{Value, json};
use spreadwire_config::secret::Secret;
use spreadwire_engine::broadcast::audit::{Entry, queue};
use spreadwire_engine::broadcast::token::{Token, TokenKind};
use spreadwire_engine::broadcast::{Reception, Settings};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_market::clock::SECOND;
use spreadwire_rigs::broadcast::fake_network::FakeNetwork;
use spreadwire_rigs::broadcast::server::{Client, Server, catalogue, settings, spread};

const SECRET: &str = "read-0123456789abcdef0123456789abcdef";

struct Scene {
    server: Server,
    entries: crossbeam::channel::Receiver<Entry>,
}

fn audited(limits: Settings) -> Scene {
    let server = Server::new(catalogue(2, 3), limits);
    let (sender, entries) = queue();
    let audit = |reception: Reception<FakeNetwork>| reception.audited(sender);
    Scene { server: server.with_reception(audit), entries }
}

fn guarded() -> Settings {
    let secret = Secret::new(SECRET).unwrap();
    let token = Token { name: "desk".into(), kind: TokenKind::Read, secret };
    Settings { tokens: vec![token], ..settings() }
}

impl Scene {
    /// Returns what was told since the last call: event, connection, token, and what it was.
    fn told(&self) -> Vec<Value> {
        let entries = self.entries.try_iter().map(|entry| entry.line());
        entries
            .map(|line| {
                assert!(!line.contains(SECRET), "{line}");
                let read: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(read["from"], "127.0.0.1:5000");
                let what = ["protocol", "why", "request"].into_iter().find_map(|key| read.get(key));
                json!([read["event"], read["connection"], read["token"], what])
            })
            .collect()
    }

    fn connect(&mut self) -> Client {
        let offered = format!("spreadwire.v1.json, bearer.{SECRET}");
        let mut client = self.server.connect_offering(Some(&offered));
        client.expect(&mut self.server, "snapshot");
        client
    }
}

#[test]
fn a_client_is_told_from_its_first_word_to_its_last() {
    let mut scene = audited(guarded());
    let mut client = scene.connect();
    for request in [
        json!({"op": "subscribe", "id": SECRET, "instruments": ["C0/USDT"], "venues": ["venue1"]}),
        json!({"op": "subscribe", "venues": [SECRET]}),
        json!({"op": SECRET}),
        json!({"op": "ping", "id": SECRET}),
        json!({"op": "unsubscribe", "id": SECRET}),
        json!({SECRET: 1}),
    ] {
        client.ask(&request);
    }
    client.say("buy!");
    client.close_code(&mut scene.server);
    scene.server.until("it is gone", |server| server.count("disconnected.not_json") == 1);
    (0..3).for_each(|_| {
        scene.server.turn();
    });
    let asked = |what: Value| json!(["asked", 1, "desk", what]);
    let wish = json!({
        "op": "subscribe", "instruments": ["C0/USDT"], "venues": ["venue1"], "min_net_bps": null,
    });
    let expected = [
        json!(["connected", 1, "desk", "spreadwire.v1.json"]),
        asked(wish),
        asked(json!({"error": "unknown_venue"})),
        asked(json!({"error": "unknown_op"})),
        asked(json!({"op": "unsubscribe"})),
        asked(json!({"error": "unknown_op"})),
        json!(["left", 1, "desk", "not_json"]),
    ];
    assert_eq!(scene.told(), expected);
}

#[test]
fn who_is_refused_is_told_as_long_as_it_is_not_a_flood() {
    let mut scene = audited(guarded());
    for _ in 0..30 {
        scene.server.answer(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    let told = scene.told();
    assert_eq!(told.len(), 10);
    assert_eq!(told[9], json!(["refused", 10, null, "no_upgrade"]));
    scene.server.pass(60 * SECOND);
    scene.server.answer(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(scene.told(), [json!(["refused", 31, null, "no_upgrade"])]);
}

#[test]
fn why_a_client_was_cut_is_told_whichever_half_cut_it() {
    let limits = Settings { stuck_timeout: SECOND, ..guarded() };
    let mut scene = audited(limits);
    let stuck = scene.connect();
    stuck.line().budget = 0;
    scene.server.send(spread(0, 0, 1, 10_100));
    scene.server.turn();
    scene.server.pass(SECOND);
    scene.server.until("it is cut", |server| server.count("disconnected.stuck") == 1);
    (0..3).for_each(|_| {
        scene.server.turn();
    });
    let silent = scene.connect();
    scene.server.pass(35 * SECOND);
    scene.server.until("it is cut", |server| server.count("disconnected.silent") == 1);
    drop(silent);
    (0..3).for_each(|_| {
        scene.server.turn();
    });
    let mut _stays = scene.connect();
    scene.server.agent.on_close();
    scene.server.reception.on_close();
    let told = scene.told();
    let ends: Vec<&Value> = told.iter().filter(|entry| entry[0] == "left").collect();
    let left = |number: u64, why: &str| json!(["left", number, "desk", why]);
    assert_eq!(ends, [&left(1, "stuck"), &left(2, "silent"), &left(3, "shutdown")]);
}
