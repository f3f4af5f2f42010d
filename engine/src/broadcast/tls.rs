//! TLS for the clients of the broadcast, kept off both of its halves.
//!
//! A connection over TCP gets a pair of connected Unix sockets. One end of it takes the place of the
//! TCP connection in the reception and the broadcast, which see a client like any other: its limits,
//! its timeouts, and its socket that takes no more. The other end and the TCP connection belong to
//! the [`Relay`], a cold agent that passes bytes between the two, encrypted on one side. It buffers
//! little and reads from one side only while the other one takes what it has, so that a client that
//! does not read is a socket that takes no more for the broadcast too. Such a client takes three
//! descriptors instead of one.

mod relay;
mod session;

pub use relay::Relay;

use super::byte_stream::ByteStream;
use crossbeam::channel::{self, Receiver, Sender};
use mio::net::UnixStream;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use spreadwire_config::secret;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Descriptors of one client over TLS: its TCP connection, and both ends of the pair.
const DESCRIPTORS_PER_CLIENT: usize = 3;
/// Descriptors of a client that the reception has let go and the relay has not.
const DESCRIPTORS_LINGERING: usize = 2;
/// The name of the agent that speaks TLS.
pub const ROLE: &str = "tls";
/// Sessions beside those of connections that there are: the client may still read the rest.
pub const LINGERING_MAX: usize = 256;
/// Connections that may wait for the relay.
const WAITING_MAX: usize = 256;

/// Returns the most descriptors that so many connections of the reception take over TLS.
#[must_use]
pub fn descriptors_max(connections: usize) -> usize {
    let lingering = LINGERING_MAX + WAITING_MAX;
    connections
        .saturating_mul(DESCRIPTORS_PER_CLIENT)
        .saturating_add(lingering * DESCRIPTORS_LINGERING)
}

/// Returns the most memory of so many connections of the reception over TLS, bytes.
#[must_use]
pub fn bytes_max(connections: usize) -> usize {
    let sessions = connections.saturating_add(LINGERING_MAX + WAITING_MAX);
    sessions.saturating_mul(session::BYTES_MAX)
}

/// With what the server proves who it is.
#[derive(Clone, Debug)]
pub struct ServerTls {
    certificate: PathBuf,
    private_key: PathBuf,
    config: Arc<ServerConfig>,
}

/// Which file of the two cannot be used, why, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}; {remedy}")]
pub struct BadTls {
    /// The configuration's key.
    pub key: &'static str,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl ServerTls {
    /// Reads a certificate, with those that it is signed by, and its key.
    ///
    /// # Errors
    /// If one of the files cannot be read, if others may read the key, or if they do not fit.
    pub fn load(certificate: &Path, private_key: &Path) -> Result<ServerTls, BadTls> {
        let config = config(certificate, private_key)?;
        let (certificate, private_key) = (certificate.to_owned(), private_key.to_owned());
        Ok(ServerTls { certificate, private_key, config })
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// As [`load`](ServerTls::load); then what was read before stands.
    pub fn reload(&mut self) -> Result<(), BadTls> {
        self.config = config(&self.certificate, &self.private_key)?;
        Ok(())
    }
}

fn config(certificate: &Path, private_key: &Path) -> Result<Arc<ServerConfig>, BadTls> {
    let of_certificate = |reason: String| BadTls {
        key: "broadcast.certificate",
        reason: format!("{}: {reason}", certificate.display()),
        remedy: "name a PEM file with the server's certificate, and those it is signed by".into(),
    };
    let of_key =
        |reason: String, remedy: String| BadTls { key: "broadcast.private_key", reason, remedy };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(of_certificate("it has no certificate in PEM form".to_owned()));
    }
    let text = secret::private_text(private_key).map_err(|bad| of_key(bad.reason, bad.remedy))?;
    let remedy = || "name a PEM file with the certificate's private key".to_owned();
    let shown = private_key.display();
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|error| of_key(format!("{shown}: {error}"), remedy()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| of_certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| of_key(format!("{shown} and the certificate: {error}"), remedy()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection, and the relay's end of its pair.
#[derive(Debug)]
pub(super) struct Pair {
    outer: ByteStream,
    inner: UnixStream,
}

/// Hands connections to the relay.
#[derive(Clone, Debug)]
pub struct Handover(Sender<Pair>);

/// What is handed over.
#[derive(Debug)]
pub struct Handed(Receiver<Pair>);

/// Opens the way to the relay.
#[must_use]
pub fn handover() -> (Handover, Handed) {
    let (sender, receiver) = channel::bounded(WAITING_MAX);
    (Handover(sender), Handed(receiver))
}

impl Handover {
    /// Hands over a connection; returns what takes its place.
    pub(super) fn replace(&self, outer: ByteStream) -> io::Result<ByteStream> {
        outer.set_nodelay()?;
        let (inner, ours) = UnixStream::pair()?;
        let full = |_| io::Error::new(io::ErrorKind::OutOfMemory, "the relay does not keep up");
        self.0.try_send(Pair { outer, inner }).map_err(full)?;
        Ok(ByteStream::Unix(ours))
    }
}
