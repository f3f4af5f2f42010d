//! Makes connections on cold threads: DNS, TCP, TLS and the WebSocket upgrade.
//!
//! A feed requests a connection by its number and later receives a ready, non-blocking WebSocket or
//! an error. The feed never waits; it also decides when to try and how often.

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

/// Timeout of the TCP connection, and of each read during the handshakes.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Destination and settings of a connection.
#[derive(Clone, Debug)]
pub struct Target {
    /// The full address, including the path.
    pub address: Address,
    /// TLS configuration, used for `wss://`.
    pub tls: Arc<ClientConfig>,
    /// Socket options for reading.
    pub options: SocketOptions,
}

/// A feed's request to make connection number `connection`.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The connection's number within its feed.
    pub connection: usize,
}

/// Result of a request.
#[derive(Debug)]
pub struct Connected {
    /// The requested connection's number.
    pub connection: usize,
    /// The socket, or the reason why there is none.
    pub socket: Result<Box<WebSocket>, ConnectError>,
}

/// Reason why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// DNS or TCP failed.
    #[error("cannot reach {address}: {source}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// The host is not a name or address that a certificate can contain.
    #[error("{0:?} is not a name that a certificate can contain")]
    BadName(String),
    /// The WebSocket upgrade failed.
    #[error("WebSocket upgrade: {0}")]
    Upgrade(String),
    /// The socket's settings were refused.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
}

/// Returns the trust settings for `wss://`: Mozilla's roots, plus the certificates of a PEM file if
/// one is given.
///
/// # Errors
/// A sentence about the file, if it cannot be read or contains no certificate.
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
        return Err(format!("{}: contains no certificate in PEM form", shown.display()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| format!("{}: {error}", shown.display()))?;
    }
    Ok(())
}

/// Serves one feed's requests until the feed is dropped. This is the main function of a cold
/// thread.
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

/// Makes one connection, blocking, and returns it ready for non-blocking reads.
///
/// # Errors
/// [`ConnectError`]; nothing is left open.
pub fn connect(target: &Target, clock: &Clock) -> Result<WebSocket, ConnectError> {
    let Address { url, secure, host, port } = &target.address;
    let tcp = reach(host, *port)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(CONNECT_TIMEOUT))?;
    tcp.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    // Refused options were reported at startup.
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
        return Err(ConnectError::Upgrade("the answer ends without an empty line".to_owned()));
    }
    library.get_mut().set_nonblocking()?;
    Ok(WebSocket::new(library))
}

/// Small read sizes: tungstenite zero-fills its read buffer before every read, and the reads here
/// are usually small.
pub(crate) fn settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(1 << 20)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
}

/// Longest accepted message, bytes. A longer one ends the connection, because a socket's memory
/// must be bounded. A shorter message that exceeds what decoders read is rejected and counted, and
/// the connection continues.
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
