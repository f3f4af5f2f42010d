//! A blocking WebSocket client for the tests.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use exchange_sim::{Simulator, venue_path};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tungstenite::{HandshakeError, Message, WebSocket};

/// Time limit of a read. A read that takes this long has failed.
const LONG: Duration = Duration::from_secs(30);

pub(crate) trait Line: Read + Write + Send {}

impl<T: Read + Write + Send> Line for T {}

pub(crate) struct Client {
    socket: WebSocket<Box<dyn Line>>,
}

fn connect(simulator: &Simulator, venue: &str) -> TcpStream {
    let venues = simulator.venues();
    let (_, address) = venues.iter().find(|(name, _)| *name == venue).expect("a served venue");
    let stream = TcpStream::connect(address).expect("the simulator listens");
    stream.set_read_timeout(Some(LONG)).expect("a socket");
    stream
}

fn shake(line: Box<dyn Line>, url: &str) -> Result<WebSocket<Box<dyn Line>>, tungstenite::Error> {
    match tungstenite::client(url, line) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(problem)) => Err(problem),
        Err(HandshakeError::Interrupted(_)) => panic!("no answer to the handshake"),
    }
}

pub(crate) fn open(simulator: &Simulator, venue: &str) -> Client {
    open_path(simulator, venue, venue_path(venue).expect("a known venue"))
}

pub(crate) fn open_path(simulator: &Simulator, venue: &str, path: &str) -> Client {
    let url = format!("{}{path}", simulator.url(venue));
    let socket = shake(Box::new(connect(simulator, venue)), &url).expect("the path exists");
    Client { socket }
}

pub(crate) fn expect_http(simulator: &Simulator, venue: &str, path: &str, status: u16) {
    let url = format!("{}{path}", simulator.url(venue));
    match shake(Box::new(connect(simulator, venue)), &url) {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), status),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{path} was accepted"),
    }
}

impl Client {
    pub(crate) fn open_tls(simulator: &Simulator, venue: &str, path: &str, name: &str) -> Client {
        let pem = simulator.certificate_pem().expect("TLS is on");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("trusted");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name_here = ServerName::try_from(name.to_owned()).expect("a name");
        let session = ClientConnection::new(Arc::new(config), name_here).expect("a session");
        let line = StreamOwned::new(session, connect(simulator, venue));
        let url = format!("wss://{name}{path}");
        Client { socket: shake(Box::new(line), &url).expect("the certificate is trusted") }
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.socket.send(message).expect("the connection is open");
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    /// Sends several texts by one write, so that they arrive together even on a busy machine.
    pub(crate) fn say_at_once(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.socket.write(Message::text(text)).expect("the connection is open");
        }
        self.socket.flush().expect("the connection is open");
    }

    /// Reads the next message of any kind.
    pub(crate) fn message(&mut self) -> Message {
        self.socket.read().expect("a message")
    }

    /// Reads the next message of any kind, or returns how the connection ended.
    pub(crate) fn try_message(&mut self) -> Result<Message, tungstenite::Error> {
        self.socket.read()
    }

    /// Reads the next text.
    pub(crate) fn hear(&mut self) -> String {
        loop {
            if let Message::Text(text) = self.message() {
                return text.to_string();
            }
        }
    }

    /// Reads up to the first text that satisfies `is_it` and returns that.
    pub(crate) fn until(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let text = self.hear();
            if is_it(&text) {
                return text;
            }
        }
    }

    /// Reads to the end. Returns the close code, if there was a close frame.
    pub(crate) fn until_closed(&mut self) -> Option<u16> {
        let mut code = None;
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => code = Some(frame.map_or(1005, |it| it.code.into())),
                Ok(_) => {}
                Err(_) => return code,
            }
        }
    }

    /// Reads to the end. Returns every text, and whether the end was a WebSocket close.
    pub(crate) fn drain(&mut self) -> (Vec<String>, bool) {
        let (mut texts, mut was_closed) = (Vec::new(), false);
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => texts.push(text.to_string()),
                Ok(Message::Close(_)) => was_closed = true,
                Ok(_) => {}
                Err(_) => return (texts, was_closed),
            }
        }
    }

    pub(crate) fn subscribe_bybit(&mut self, topics: &[&str]) -> &'static str {
        let args: Vec<String> = topics.iter().map(|topic| format!("\"{topic}\"")).collect();
        self.say(&format!(r#"{{"req_id":"1","op":"subscribe","args":[{}]}}"#, args.join(",")));
        "1"
    }
}
