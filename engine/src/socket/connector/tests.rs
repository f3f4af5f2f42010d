//! Attempts against scripted servers on loopback. Nothing here waits for a time to pass, except for
//! the deadlines that are tested; order is kept by channels.

use super::*;
use spreadwire_market::clock::MILLI;
use spreadwire_venues::budget::Rate;
use spreadwire_venues::venue::HOUR;
use std::io::{Read, Write};
use std::net::TcpListener;
use tungstenite::handshake::derive_accept_key;

/// Deadline of attempts that must not reach it.
const LONG: Nanos = 60 * SECOND;
/// Deadline of attempts that must reach it.
const SHORT: Nanos = 300 * MILLI;

/// A server on loopback. It ends with the test's process.
struct Server {
    address: SocketAddr,
    /// Tells of each connection whose request was read, by its number.
    asked: Receiver<usize>,
}

impl Server {
    /// Reads the request of each connection, then lets `serve` do what it likes with it, with the
    /// request's text, on a thread of its own.
    fn new(serve: impl Fn(TcpStream, &str) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = channel::unbounded();
        let serve = Arc::new(serve);
        let accept = move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (serve, tell, mut stream) = (Arc::clone(&serve), tell.clone(), stream.unwrap());
                spawn(move || {
                    let request = head_of(&mut stream);
                    // A test may have ended before.
                    tell.send(number).unwrap_or(());
                    serve(stream, &request);
                });
            }
        };
        spawn(accept);
        Server { address, asked }
    }

    /// Accepts every upgrade, and keeps the connections.
    fn good() -> Server {
        Server::new(|mut stream, request| {
            stream.write_all(acceptance(request).as_bytes()).unwrap();
            drop(stream.read(&mut [0; 1]));
        })
    }

    /// Sends a byte of the acceptance now and then, and never all of it.
    fn trickling() -> Server {
        Server::new(|mut stream, request| {
            let answer = acceptance(request);
            let endless = answer.bytes().take(20).chain(std::iter::repeat(b'x'));
            for byte in endless {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    }

    fn target(&self, scheme: &str) -> Target {
        target(&format!("{scheme}://{}/ws", self.address))
    }

    fn route(&self, gate: &Gate) -> Route {
        Route { venue: "venue", target: self.target("ws"), gate: gate.clone() }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().spawn(work).unwrap();
}

fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| 0 < count) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn acceptance(request: &str) -> String {
    let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

fn target(url: &str) -> Target {
    let options = SocketOptions { receive_buffer_bytes: 64 << 10, ..SocketOptions::default() };
    Target {
        address: Address::parse(url).unwrap(),
        tls: tls_config(None).unwrap(),
        options,
        headers: &[],
    }
}

fn attempt(target: &Target, lookups: &Lookups, patience: Nanos) -> Result<WebSocket, ConnectError> {
    Attempt::new(target, lookups, &Clock::host(), patience).run(|_| Ok(()))
}

/// A feed's ends of the channels to its connector. Dropping it is the feed's end.
struct Feed {
    requests: Sender<Request>,
    answers: Receiver<Connected>,
}

impl Feed {
    fn new(routes: Vec<Route>, clock: &Clock) -> Feed {
        let (requests, asked) = channel::unbounded();
        let (answer, answers) = channel::unbounded();
        let connector = Connector::new(routes, Lookups::of_system(), clock.clone());
        spawn(move || connector.serve(&asked, &answer));
        Feed { requests, answers }
    }

    fn ask(&self, connection: usize) {
        self.requests.send(Request { connection, route: connection, is_spare: false }).unwrap();
    }
}

#[test]
fn attempts_that_trickle_hold_up_nobody() {
    let (slow, good) = (Server::trickling(), Server::good());
    let gate = Gate::new(&[]);
    let mut routes: Vec<Route> = (0..5).map(|_| slow.route(&gate)).collect();
    routes.push(good.route(&gate));
    let feed = Feed::new(routes, &Clock::host());
    (0..5).for_each(|connection| feed.ask(connection));
    assert_eq!(slow.asked.iter().take(5).count(), 5);
    feed.ask(5);
    // The others could only have been answered by an error at their deadline.
    let first = feed.answers.recv().unwrap();
    assert!(first.connection == 5 && first.socket.is_ok(), "{first:?}");
}

#[test]
fn a_deadline_holds_for_all_steps_whatever_trickles() {
    let silent = Server::new(|mut stream, _| drop(stream.read(&mut [0; 1])));
    let trickling = Server::trickling();
    let lookups = Lookups::of_system();
    let hanging = Lookups::by(|_, _| {
        std::thread::sleep(Duration::from_secs(3_600));
        Ok(Vec::new())
    });
    let named = target("ws://venue.test/ws");
    for (target, lookups, step) in [
        (&silent.target("ws"), &lookups, Step::Upgrade),
        (&trickling.target("ws"), &lookups, Step::Upgrade),
        // It waits for the end of a request that is no HTTP.
        (&silent.target("wss"), &lookups, Step::Tls),
        (&named, &hanging, Step::Lookup),
    ] {
        let error = attempt(target, lookups, SHORT).unwrap_err();
        let ConnectError::TimedOut { step: found, after } = &error else {
            panic!("{step}: {error}")
        };
        assert_eq!(*found, step);
        assert!(Duration::from_nanos(SHORT) <= *after, "{after:?}");
    }
}

#[test]
fn a_name_is_reached_by_the_address_that_answers() {
    let good = Server::good();
    // Where there is no IPv6, the address fails as well.
    let refusing = "[::1]:9".parse().unwrap();
    let address = good.address;
    let lookups = Lookups::by(move |host, port| {
        assert_eq!((host, port), ("venue.test", 80));
        Ok(vec![refusing, address])
    });
    let socket = attempt(&target("ws://venue.test/ws"), &lookups, LONG);
    assert!(socket.is_ok(), "{socket:?}");
    let nobody = Lookups::by(|_, _| Ok(Vec::new()));
    let error = attempt(&target("ws://venue.test/ws"), &nobody, LONG).unwrap_err();
    assert_eq!(error.to_string(), "cannot reach venue.test:80: the name has no address");
}

#[test]
fn a_refusal_keeps_its_status_headers_and_the_begin_of_its_body() {
    let long = "x".repeat(5_000);
    let seconds = |count| Some(count * SECOND);
    for (answer, expected) in [
        (
            "418 I'm a teapot\r\nRetry-After: 120\r\nContent-Length: 6\r\n\r\nbanned".to_owned(),
            (418, seconds(120), None, "banned"),
        ),
        (
            "429 Too Many Requests\r\nretry-after: 7\r\nContent-Length: 19\r\n\r\n\
             \x1b]0;x\x07\r\nWARN fine\r\n"
                .to_owned(),
            (429, seconds(7), None, "\x1b]0;x\x07\r\nWARN fine\r\n"),
        ),
        ("503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(), (503, None, None, "")),
        (
            format!("403 Forbidden\r\nConnection: close\r\n\r\n{long}"),
            (403, None, None, &long[..KEPT_MAX]),
        ),
        (
            "302 Found\r\nLocation: https://venue.test/login\r\nContent-Length: 2\r\n\r\nno"
                .to_owned(),
            (302, None, Some("https://venue.test/login"), "no"),
        ),
        (
            format!("301 Moved\r\nLocation: /{long}\r\nRetry-After: soon\r\n\r\nshort"),
            (301, None, Some(&format!("/{}", &long[..KEPT_MAX - 1])), "short"),
        ),
        (
            // The library refuses control bytes in a header.
            "429 Slow\r\nX-Odd: a\x01b\r\nRetry-After: 90\r\nContent-Length: 4\r\n\r\ndown"
                .to_owned(),
            (429, seconds(90), None, "down"),
        ),
    ] {
        let server = Server::new(move |mut stream, _| {
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
            // Without a length, the body ends with the stream. With one, the server keeps it open.
            if answer.contains("Content-Length") {
                drop(stream.read(&mut [0; 1]));
            }
        });
        let error = attempt(&server.target("ws"), &Lookups::of_system(), LONG).unwrap_err();
        let ConnectError::Refused { status, retry_after, location, body } = &error else {
            panic!("{error}")
        };
        let body = std::str::from_utf8(body).unwrap();
        let wait = retry_after.as_ref().map(|asked| asked.wait);
        assert_eq!((*status, wait, location.as_deref(), body), expected);
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_until_the_deadline() {
    let server = Server::new(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\nbegin").unwrap();
        drop(stream.read(&mut [0; 1]));
    });
    let error = attempt(&server.target("ws"), &Lookups::of_system(), 3_600 * SECOND).unwrap_err();
    assert_eq!(error.to_string(), "refused with HTTP 403: \"begin\"");
}

#[test]
fn what_is_no_answer_is_an_error_and_nothing_more() {
    for answer in ["", "HTTP/1.1 101\r\n", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 101 OK\r\n\r\n"] {
        let server = Server::new(move |mut stream, _| stream.write_all(answer.as_bytes()).unwrap());
        let error = attempt(&server.target("ws"), &Lookups::of_system(), LONG).unwrap_err();
        assert!(matches!(error, ConnectError::Upgrade(_)), "{answer:?}: {error:?}");
    }
}

#[test]
fn an_upgrade_that_fails_is_told_in_words_of_ours() {
    let long = format!("HTTP/1.1 101 OK\r\nX: {}", "x".repeat(200_000));
    for (answer, words) in [
        ("", "the venue closed the connection before its answer was complete"),
        ("HTTP/1.1 101 Sw", "the venue closed the connection before its answer was complete"),
        (&long, "the head of the answer is too long, or comes in too many pieces"),
    ] {
        let answer = answer.to_owned();
        let server = Server::new(move |mut stream, _| {
            // It may have been closed before everything was sent.
            drop(stream.write_all(answer.as_bytes()));
        });
        let error = attempt(&server.target("ws"), &Lookups::of_system(), LONG).unwrap_err();
        assert_eq!(error.to_string(), format!("WebSocket upgrade: {words}"));
    }
}

#[test]
fn an_attempt_that_panics_is_answered() {
    let Feed { requests, answers } = Feed::new(Vec::new(), &Clock::host());
    requests.send(Request { connection: 0, route: 0, is_spare: false }).unwrap();
    // Without an answer, the channel would now end.
    drop(requests);
    let answer = answers.recv().unwrap();
    assert!(matches!(answer.socket, Err(ConnectError::Panicked)), "{answer:?}");
}

#[test]
fn two_feeds_share_the_budget_of_a_host_and_the_end_of_a_feed_ends_its_wait() {
    const RATES: &[Rate] = &[Rate { count: 1, per: HOUR }];
    let (server, clock) = (Server::good(), Clock::manual(0));
    let gate = Gate::new(RATES);
    let feeds = [(); 3].map(|()| Feed::new(vec![server.route(&gate)], &clock));
    let [first, second, third] = feeds;
    first.ask(0);
    assert!(first.answers.recv().unwrap().socket.is_ok());
    assert_eq!(server.asked.recv(), Ok(0));
    // The clock stands still: only the end of the feed ends this wait.
    third.ask(0);
    drop(third.requests);
    assert!(third.answers.recv().is_err(), "it ends without an answer");
    second.ask(0);
    // Its place may be behind the one that the third feed had.
    assert!(server.asked.try_recv().is_err() && second.answers.try_recv().is_err());
    clock.set(2 * HOUR);
    assert!(second.answers.recv().unwrap().socket.is_ok());
    assert_eq!(server.asked.recv(), Ok(1));
}

#[test]
fn a_refusal_with_a_wait_keeps_the_other_connections_to_the_host_away() {
    let server = Server::new(|mut stream, _| {
        let answer = "HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        drop(stream.read(&mut [0; 1]));
    });
    let (clock, gate) = (Clock::manual(5 * SECOND), Gate::new(&[]));
    let [first, second] = [(); 2].map(|()| Feed::new(vec![server.route(&gate)], &clock));
    first.ask(0);
    assert_eq!(first.answers.recv().unwrap().socket.unwrap_err().floor(), 120 * SECOND);
    assert_eq!(server.asked.recv(), Ok(0));
    clock.set(125 * SECOND - 1);
    assert_eq!(gate.try_pass(clock.now()), Err(125 * SECOND));
    second.ask(0);
    assert!(server.asked.try_recv().is_err());
    clock.set(125 * SECOND);
    assert_eq!(second.answers.recv().unwrap().socket.unwrap_err().floor(), 120 * SECOND);
    assert_eq!(server.asked.recv(), Ok(1));
}
