//! The agent over a Unix socket: the same protocol, and the limits are those of the user.

use spreadwire_engine::broadcast::Settings;
use spreadwire_rigs::broadcast::model::Model;
use spreadwire_rigs::broadcast::server::{Server, catalogue, settings};

#[test]
fn clients_connect_listen_and_leave() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broadcast.sock");
    let mut model = Model::new(31, 3, 3);
    let mut server = Server::on_unix(&path, catalogue(3, 3), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    (0..50).for_each(|_| model.batch(&mut server));
    client.until_seq(&mut server, model.seq);
    assert_eq!(client.spread_seqs(), (1..=model.seq).collect::<Vec<_>>());
    client.socket.close(None).unwrap();
    server.until("it leaves", |server| server.count("disconnected.left") == 1);
    drop(server);
    assert!(!path.exists(), "the socket goes with its server");
}

#[test]
fn connections_of_one_user_count_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broadcast.sock");
    let limits = Settings { clients_per_address: 1, ..settings() };
    let mut server = Server::on_unix(&path, catalogue(1, 2), limits);
    let mut first = server.connect();
    first.expect(&mut server, "hello");
    let answer = server.answer(b"GET / HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
}
