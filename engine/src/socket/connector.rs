//! Makes connections on cold threads: DNS, TCP, TLS and the WebSocket upgrade.
//!
//! A feed asks by the connection's number and gets a ready, non-blocking WebSocket or an error
//! back; it never waits. When to try, and how often, is the feed's matter. It must not know venues'
//! protocols.

use crate::socket::socket_options::SocketOptions;
use crate::socket::web_socket::WebSocket;
use crate::socket::wire::Wire;
use crossbeam::channel::{Receiver, Sender};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use spreadwire_config::address::Address;
use spreadwire_market::clock::Clock;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tungstenite::protocol::WebSocketConfig;

/// Longest wait for the TCP connection, and for each read of the handshakes.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a connection goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The whole address, path included.
    pub address: Address,
    /// For `wss://`.
    pub tls: Arc<ClientConfig>,
    /// How its socket is read.
    pub options: SocketOptions,
}

/// A feed wants connection number `connection` made.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The connection's number within its feed.
    pub connection: usize,
}

/// What became of a request.
#[derive(Debug)]
pub struct Connected {
    /// The number asked for.
    pub connection: usize,
    /// The socket, or why there is none.
    pub socket: Result<Box<WebSocket>, ConnectError>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// DNS or TCP.
    #[error("cannot reach {address}: {source}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The OS's answer.
        source: io::Error,
    },
    /// TLS.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// Certificate of a name or address that TLS cannot name.
    #[error("{0:?} is no name that a certificate can hold")]
    BadName(String),
    /// The WebSocket upgrade.
    #[error("WebSocket upgrade: {0}")]
    Upgrade(String),
    /// Settings of the socket.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
}

/// Trust for `wss://`: Mozilla's roots, and the certificates of a PEM file beside them.
///
/// # Errors
/// A sentence about the file, if it cannot be read or holds no certificate.
pub fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        add_certificates(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let shown = PathBuf::from(path);
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{}: {error}", shown.display()))?;
    if certificates.is_empty() {
        return Err(format!("{}: holds no certificate in PEM form", shown.display()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| format!("{}: {error}", shown.display()))?;
    }
    Ok(())
}

/// Serves one feed's requests until the feed is gone: the body of a cold thread.
pub fn serve(
    targets: &[Target],
    requests: &Receiver<Request>,
    answers: &Sender<Connected>,
    clock: &Clock,
) {
    for Request { connection } in requests {
        let socket = connect(&targets[connection], clock).map(Box::new);
        if answers.send(Connected { connection, socket }).is_err() {
            return;
        }
    }
}

/// Makes one connection, blocking, and hands it over ready to be read without blocking.
///
/// # Errors
/// [`ConnectError`]; nothing is left open.
pub fn connect(target: &Target, clock: &Clock) -> Result<WebSocket, ConnectError> {
    let Address { url, secure, host, port } = &target.address;
    let tcp = reach(host, *port)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(CONNECT_TIMEOUT))?;
    tcp.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    // A refusal was told at the start.
    drop(target.options.apply(&tcp));
    let mut wire = Wire::new(tcp, clock.clone(), &target.options);
    if *secure {
        let name = ServerName::try_from(host.clone());
        let name = name.map_err(|_| ConnectError::BadName(host.clone()))?;
        wire.secure(&target.tls, name).map_err(ConnectError::Tls)?;
    }
    let (mut library, _response) =
        tungstenite::client::client_with_config(url.as_str(), wire, Some(settings()))
            .map_err(|error| ConnectError::Upgrade(error.to_string()))?;
    if !library.get_ref().is_upgraded() {
        return Err(ConnectError::Upgrade("the answer ends with no empty line".to_owned()));
    }
    library.get_mut().set_nonblocking()?;
    Ok(WebSocket::new(library))
}

/// Small reads: tungstenite zero-fills its read buffer at every read, and what it gets to read here
/// is small as a rule.
pub(crate) fn settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(1 << 20)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
}

/// A message above this ends the connection, for a socket's memory must have a bound. Messages below
/// that are longer than decoders read are rejected and counted, and the connection goes on.
pub const MESSAGE_MAX: usize = 16 << 20;

fn reach(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let address = format!("{host}:{port}");
    let unreachable = |source| ConnectError::Unreachable { address: address.clone(), source };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in (host, port).to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&candidate, CONNECT_TIMEOUT) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}
