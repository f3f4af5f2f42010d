//! The agent behind the relay: clients over TLS are clients like any other. These use real sockets,
//! and wait for what they can see, however long the kernel takes.

use crate::tcp::falls_behind_and_reads_on;
use rcgen::CertifiedKey;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use spreadwire_engine::broadcast::network::Sockets;
use spreadwire_engine::broadcast::tls::{self, Relay, ServerTls};
use spreadwire_engine::broadcast::{self, Settings};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_market::clock::SECOND;
use spreadwire_market::counters::Counters;
use spreadwire_rigs::broadcast::model::Model;
use spreadwire_rigs::broadcast::server::{Door, Server, Wait, catalogue, end_of, settings, spread};
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tungstenite::protocol::frame::coding::CloseCode;

/// Sessions that a relay of these tests holds.
const SESSIONS_MAX: usize = 16;

/// A client's way to the server, with the certificates that it trusts.
struct TlsDoor {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

type Far = StreamOwned<ClientConnection, TcpStream>;

impl Door for TlsDoor {
    type Far = Far;

    fn dial(&self) -> Far {
        let socket = self.address.dial();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(&self.config), name).unwrap(), socket)
    }

    fn is_in_vain(&self, wait: &mut Wait, worked: bool) -> bool {
        self.address.is_in_vain(wait, worked)
    }
}

/// A server whose certificate is in a folder of the test, and the flag that has it read again.
struct Scene {
    server: Server<Sockets, TlsDoor>,
    folder: TempDir,
    reload: Arc<AtomicBool>,
    counters: Counters,
}

/// Writes a new certificate and its key; returns what trusts it.
fn certify(folder: &Path) -> Arc<ClientConfig> {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.join("certificate.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::set_permissions(folder.join("key.pem"), Permissions::from_mode(0o600)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn load(folder: &Path) -> Result<ServerTls, tls::BadTls> {
    ServerTls::load(&folder.join("certificate.pem"), &folder.join("key.pem"))
}

fn scene(limits: Settings) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let config = certify(folder.path());
    let listener = broadcast::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.endpoint().unwrap().tcp().unwrap();
    let (handover, handed) = tls::handover();
    let (reload, counters) = (Arc::new(AtomicBool::new(false)), Counters::default());
    let tls = load(folder.path()).unwrap();
    let relay = Relay::new(handed, tls, SESSIONS_MAX, Arc::clone(&reload), &counters).unwrap();
    let door = TlsDoor { address, config };
    let server = Server::behind(listener.over_tls(handover), door, catalogue(3, 3), limits);
    Scene { server: server.beside(relay), folder, reload, counters }
}

#[test]
fn clients_connect_ask_listen_and_leave() {
    let Scene { mut server, counters, .. } = scene(settings());
    let mut model = Model::new(31, 3, 3);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.expect(&mut server, "snapshot");
    }
    (0..200).for_each(|_| model.batch(&mut server));
    let [first, second] = &mut clients;
    for client in [&mut *first, &mut *second] {
        client.until_seq(&mut server, model.seq);
        assert_eq!(client.spread_seqs(), (1..=model.seq).collect::<Vec<_>>());
    }
    first.ask(&serde_json::json!({"op": "ping", "id": "here"}));
    assert_eq!(first.expect(&mut server, "pong")["id"], "here");
    first.say("buy!");
    assert_eq!(first.close_code(&mut server), Some(CloseCode::Invalid));
    second.socket.close(None).unwrap();
    server.until("the second leaves", |server| server.count("disconnected.left") == 1);
    drop(clients);
    server.until("no session is left", |server| {
        server.pass(SECOND / 10);
        counters.expect("broadcast.tls.sessions") == 0
    });
}

#[test]
fn a_client_that_does_not_read_is_conflated_and_then_cut_as_any_other() {
    let Scene { mut server, .. } = scene(Settings { stuck_timeout: SECOND, ..settings() });
    let mut good = server.connect();
    let mut stuck = server.connect();
    good.expect(&mut server, "snapshot");
    stuck.expect(&mut server, "snapshot");
    let mut seq = 0;
    while server.count("congestions") == 0 {
        assert!(seq < 1_000_000, "what is buffered for a client has no end");
        (0..500).for_each(|n| server.send(spread(0, 0, 1, 10_000 + n)));
        seq += 500;
        good.until_seq(&mut server, seq);
    }
    assert_eq!(good.spread_seqs(), (1..=seq).collect::<Vec<_>>(), "the other one notices nothing");
    server.pass(SECOND);
    server.until("the stuck one is cut", |server| server.count("disconnected.stuck") == 1);
    assert_eq!(server.count("clients"), 1);
}

#[test]
fn a_client_that_reads_on_after_a_pause_is_told_what_it_missed() {
    let Scene { mut server, .. } = scene(settings());
    let mut slow = server.connect();
    slow.expect(&mut server, "snapshot");
    falls_behind_and_reads_on(&mut server, &mut slow, 500);
}

/// Returns what the server answers to these bytes until it closes.
fn answer(server: &mut Server<Sockets, TlsDoor>, request: &[u8]) -> String {
    let mut far = server.door.dial();
    far.conn.writer().write_all(request).unwrap();
    let mut answer = Vec::new();
    server.until("an answer and the end", |_| end_of(&mut far, &mut answer));
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_refusal_is_read_whole() {
    let Scene { mut server, .. } = scene(settings());
    let refused = answer(&mut server, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 426 "), "{refused}");
    let limits = Settings { connects_per_second: 1, ..settings() };
    let Scene { mut server, .. } = scene(limits);
    server.connect().expect(&mut server, "hello");
    let refused = answer(&mut server, b"GET / HTTP/1.1\r\n");
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.ends_with("failure\n"), "{refused}");
}

/// Returns whether the server has ended a connection that is no TLS on our side.
fn has_ended(raw: &mut TcpStream) -> bool {
    end_of(raw, &mut Vec::new())
}

#[test]
fn who_speaks_no_tls_or_says_nothing_is_let_go_and_the_others_stay() {
    let limits = Settings { handshake_timeout: SECOND, max_upgrades: 2, ..settings() };
    let Scene { mut server, counters, .. } = scene(limits);
    let mut good = server.connect();
    good.expect(&mut server, "snapshot");
    let mut plain = server.door.address.dial();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    server.until("plain HTTP fails", |_| has_ended(&mut plain));
    assert_eq!(counters.expect("broadcast.tls.failed"), 1);
    let mut silent = server.door.address.dial();
    server.until("it is accepted", |_| counters.expect("broadcast.tls.sessions") == 2);
    server.pass(SECOND);
    server.until("it is let go", |server| {
        server.pass(SECOND / 10);
        has_ended(&mut silent)
    });
    assert_eq!(server.count("disconnected.handshake_timeout"), 1);
    let gone = server.door.address.dial();
    server.until("it is accepted", |_| counters.expect("broadcast.tls.sessions") == 2);
    drop(gone);
    server.until("its session ends", |_| counters.expect("broadcast.tls.sessions") == 1);
    server.send(spread(0, 0, 1, 10_100));
    good.until_seq(&mut server, 1);
}

#[test]
fn half_open_handshakes_give_way_to_newer_ones() {
    let Scene { mut server, counters, .. } = scene(Settings { max_upgrades: 4, ..settings() });
    let mut half_open: Vec<TcpStream> = (0..10).map(|_| server.door.address.dial()).collect();
    server.until("the oldest give way", |server| server.count("disconnected.evicted") == 6);
    server.connect().expect(&mut server, "hello");
    server.until("their sessions end", |server| {
        server.pass(SECOND / 10);
        counters.expect("broadcast.tls.sessions") <= 5
    });
    let ended = half_open.iter_mut().filter_map(|raw| has_ended(raw).then_some(())).count();
    assert!((6..=7).contains(&ended), "{ended} have ended");
}

#[test]
fn more_sessions_than_are_held_are_refused_and_counted() {
    let limits = Settings { max_upgrades: 100, handshake_timeout: 9 * SECOND, ..settings() };
    let Scene { mut server, counters, .. } = scene(limits);
    let dialled: Vec<TcpStream> =
        (0..SESSIONS_MAX + 3).map(|_| server.door.address.dial()).collect();
    server.until("three are refused", |_| counters.expect("broadcast.tls.refused") == 3);
    server.until("they are ended", |_| dialled.iter().filter(|raw| is_over(raw)).count() == 3);
}

fn is_over(raw: &TcpStream) -> bool {
    matches!(raw.peek(&mut [0]), Ok(0))
}

#[test]
fn the_certificate_is_read_again_when_asked_and_a_bad_one_changes_nothing() {
    let Scene { mut server, folder, reload, .. } = scene(settings());
    let mut first = server.connect();
    first.expect(&mut server, "snapshot");
    let newer = certify(folder.path());
    reload.store(true, Ordering::Relaxed);
    server.until("it is taken", |_| !reload.load(Ordering::Relaxed));
    server.door.config = newer;
    server.connect().expect(&mut server, "hello");
    fs::write(folder.path().join("certificate.pem"), "nothing").unwrap();
    reload.store(true, Ordering::Relaxed);
    server.until("it is refused", |_| !reload.load(Ordering::Relaxed));
    server.connect().expect(&mut server, "hello");
    server.send(spread(0, 0, 1, 10_100));
    first.until_seq(&mut server, 1);
}

#[test]
fn at_the_end_everything_is_read_and_the_relay_ends() {
    let Scene { mut server, .. } = scene(settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    server.send(spread(0, 0, 1, 10_100));
    let (mut relay, now) = server.close();
    let mut waited = 0;
    while client.closed.is_none() {
        client.read();
        relay.do_work(now);
        waited += 1;
        assert!(waited < 10_000, "in vain");
    }
    assert_eq!(client.spread_seqs(), [1]);
    assert_eq!(client.closed.flatten().map(|frame| frame.code), Some(CloseCode::Away));
    drop(client.socket);
    while !relay.is_finished() {
        relay.do_work(now);
        waited += 1;
        assert!(waited < 20_000, "in vain");
    }
}

#[test]
fn files_that_cannot_be_used_are_refused_with_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    certify(folder.path());
    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    load(folder.path()).unwrap();
    let refused = |word: &str, expected: &str| {
        let bad = load(folder.path()).unwrap_err();
        assert!(bad.key.ends_with(expected) && bad.to_string().contains(word), "{bad}");
    };
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    refused("chmod 0600", "private_key");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::copy(other.path().join("certificate.pem"), &certificate).unwrap();
    refused("certificate", "private_key");
    fs::write(&certificate, "").unwrap();
    refused("no certificate", "certificate");
    fs::remove_file(&certificate).unwrap();
    refused("certificate.pem", "certificate");
    certify(folder.path());
    fs::write(&key, "secret").unwrap();
    let bad = load(folder.path()).unwrap_err();
    assert!(bad.key == "broadcast.private_key" && !bad.to_string().contains("secret"), "{bad}");
}
