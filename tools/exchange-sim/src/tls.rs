//! The self-signed certificate of a `wss://` simulator, made anew at each start.
//!
//! The certificate is its own root. A client that trusts the PEM text from
//! [`Simulator::certificate_pem`](crate::Simulator::certificate_pem) can connect to `localhost` and
//! `127.0.0.1`; no other client trusts it.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::SimError;

/// The server's TLS configuration and the certificate that a client must trust.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) certificate_pem: String,
}

impl Identity {
    /// Makes a new key, and a certificate for `localhost` and `127.0.0.1`.
    pub(crate) fn make() -> Result<Identity, SimError> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(SimError::Certificate)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)
            })
            .map_err(SimError::Tls)?;
        Ok(Identity { config: Arc::new(config), certificate_pem: made.cert.pem() })
    }
}
