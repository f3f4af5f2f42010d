//! A scripted server as a client sees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use exchange_sim::scripted::{Script, Scripted, Seen, Step, Upgrade, What};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

/// Longest wait, which only a broken machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

fn try_open(server: &Scripted, path: &str) -> Result<WebSocket<TcpStream>, Error> {
    let url = server.url() + path;
    let stream = TcpStream::connect(url.trim_start_matches("ws://").split('/').next().unwrap());
    let stream = stream.unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match tungstenite::client(url, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(problem)) => Err(problem),
        Err(HandshakeError::Interrupted(_)) => panic!("the stream blocks"),
    }
}

fn open(server: &Scripted) -> WebSocket<TcpStream> {
    try_open(server, "/ws").unwrap()
}

fn did(connection: usize, what: What) -> Seen {
    Seen { connection, what }
}

#[test]
fn steps_follow_what_the_client_sends_and_all_of_that_is_kept() {
    let server = Scripted::start(|_| {
        Script::of([
            Step::Received("SUBSCRIBE".to_owned()),
            Step::Send("one".to_owned()),
            Step::Received("SUBSCRIBE".to_owned()),
            Step::SendBytes(vec![2]),
            Step::Ping(vec![3]),
            Step::Word("go".to_owned()),
            Step::Close(1008, "Too many requests".to_owned()),
        ])
        .answering(|text| if text == "ping" { vec!["pong".to_owned()] } else { Vec::new() })
    })
    .unwrap();
    let mut client = try_open(&server, "/ws?a=b").unwrap();
    client.send(Message::text("ping")).unwrap();
    assert_eq!(client.read().unwrap(), Message::text("pong"));
    client.send(Message::text("SUBSCRIBE a")).unwrap();
    assert_eq!(client.read().unwrap(), Message::text("one"));
    client.send(Message::text("SUBSCRIBE b")).unwrap();
    assert_eq!(client.read().unwrap(), Message::binary(vec![2]));
    assert_eq!(client.read().unwrap(), Message::Ping(vec![3].into()));
    client.flush().unwrap();
    server.give("go");
    let close = CloseFrame { code: CloseCode::Policy, reason: "Too many requests".into() };
    assert_eq!(client.read().unwrap(), Message::Close(Some(close)));
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    drop(client);
    let gone = |seen: &[Seen]| seen.contains(&did(0, What::Gone));
    assert!(server.wait_until(PATIENCE, gone));
    let seen: Vec<What> = server.seen().into_iter().map(|seen| seen.what).collect();
    assert_eq!(
        seen[..6],
        [
            What::Asked("/ws?a=b".to_owned()),
            What::Text("ping".to_owned()),
            What::Text("SUBSCRIBE a".to_owned()),
            What::Text("SUBSCRIBE b".to_owned()),
            What::Pong(vec![3]),
            What::Close(Some((1008, "Too many requests".to_owned()))),
        ]
    );
}

#[test]
fn a_request_may_be_refused_with_status_headers_and_body() {
    let server = Scripted::start(|connection| match connection {
        0 => Script::refusing(429, &[("Retry-After", "120")], "slow down"),
        1 => Script::refusing(302, &[("Location", "wss://elsewhere/")], ""),
        _ => Script::of([]),
    });
    let server = server.unwrap();
    let Err(Error::Http(refused)) = try_open(&server, "/") else { panic!("accepted") };
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"120".parse().unwrap())
    );
    assert_eq!(refused.body().as_deref(), Some(&b"slow down"[..]));
    let Err(Error::Http(moved)) = try_open(&server, "/") else { panic!("accepted") };
    assert_eq!(
        (moved.status().as_u16(), &moved.headers()["location"]),
        (302, &"wss://elsewhere/".parse().unwrap())
    );
    open(&server);
    let asked = |seen: &Seen| matches!(seen.what, What::Asked(_));
    assert_eq!(server.seen().into_iter().filter(asked).count(), 3);
}

#[test]
fn an_upgrade_may_come_late_a_byte_at_a_time_or_never() {
    let server = Scripted::start(|connection| match connection {
        0 => Script::of([]).upgrading(Upgrade::AcceptAt("now".to_owned())),
        1 => Script::of([]).upgrading(Upgrade::Trickle(Duration::from_millis(1))),
        2 => Script::of([]).upgrading(Upgrade::HangUp),
        _ => Script::of([]).upgrading(Upgrade::Ignore),
    });
    let server = server.unwrap();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| open(&server));
        assert!(
            server
                .wait_until(PATIENCE, |seen| seen.contains(&did(0, What::Asked("/ws".to_owned()))))
        );
        assert!(!late.is_finished());
        server.give("now");
        late.join().unwrap();
    });
    let mut slow = TcpStream::connect(server.url().trim_start_matches("ws://")).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: a\r\n\r\n").unwrap();
    let mut first = [0; 12];
    slow.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 101");
    assert!(try_open(&server, "/").is_err());
    let ignored = TcpStream::connect(server.url().trim_start_matches("ws://")).unwrap();
    drop(server);
    // The server's end is shut down with it.
    assert_eq!((&ignored).read(&mut [0; 9]).unwrap_or(0), 0);
}

#[test]
fn a_silent_server_answers_neither_pings_nor_a_close() {
    let server = Scripted::start(|_| {
        Script::of([
            Step::FallSilent,
            Step::Send("silent".to_owned()),
            Step::Word("end".to_owned()),
            Step::Reset,
        ])
    });
    let server = server.unwrap();
    let mut client = open(&server);
    assert_eq!(client.read().unwrap(), Message::text("silent"));
    client.send(Message::Ping(vec![1].into())).unwrap();
    client.close(None).unwrap();
    client.flush().unwrap();
    let closed = |seen: &[Seen]| seen.contains(&did(0, What::Close(None)));
    assert!(server.wait_until(PATIENCE, closed));
    assert!(server.seen().contains(&did(0, What::Ping(vec![1]))));
    server.give("end");
    let Err(Error::Io(end)) = client.read() else { panic!("something came before the end") };
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
}
