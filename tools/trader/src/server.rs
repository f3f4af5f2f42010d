//! Which server to connect to, and what it takes: the address, the token, and whom to trust.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use spreadwire_config::address::Address;
use spreadwire_config::secret::Secret;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the address of a Unix socket begins with.
const UNIX: &str = "unix:";

/// A broadcast server.
#[derive(Clone, Debug)]
pub struct Server {
    /// The address as it was written.
    pub(crate) url: String,
    pub(crate) route: Route,
    pub(crate) token: Option<Secret>,
}

/// How it is reached.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Over TCP.
    Plain { host: String, port: u16 },
    /// Over TLS.
    Tls { host: String, port: u16, name: ServerName<'static>, config: Arc<ClientConfig> },
    /// Over a Unix socket of this host.
    Unix(PathBuf),
}

impl Server {
    /// Takes the address of a server, `ws://host:port`, `wss://host:port` or `unix:/path`; a token
    /// to bring; and a PEM file of an authority to trust in addition to the public ones.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn new(url: &str, token: Option<Secret>, ca_file: Option<&Path>) -> Result<Server, String> {
        let route = route(url, ca_file)?;
        if ca_file.is_some() && !matches!(route, Route::Tls { .. }) {
            return Err(format!("{url}: only a wss:// server has a certificate to check"));
        }
        Ok(Server { url: url.to_owned(), route, token })
    }

    /// Returns whether the token can be read by others on its way to the server.
    #[must_use]
    pub fn shows_its_token(&self) -> bool {
        let Route::Plain { host, .. } = &self.route else { return false };
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.token.is_some() && !is_here
    }

    /// Returns the URL for the request, which names a host.
    pub(crate) fn request_url(&self) -> &str {
        if matches!(self.route, Route::Unix(_)) { "ws://localhost/" } else { &self.url }
    }
}

fn route(url: &str, ca_file: Option<&Path>) -> Result<Route, String> {
    if let Some(path) = url.strip_prefix(UNIX).filter(|path| !path.is_empty()) {
        return Ok(Route::Unix(PathBuf::from(path)));
    }
    let expected = || format!("{url:?}: expected ws://host:port, wss://host:port or unix:/path");
    let Address { host, port, secure, .. } = Address::parse(url).map_err(|_| expected())?;
    if !secure {
        return Ok(Route::Plain { host, port });
    }
    let name = ServerName::try_from(host.clone()).map_err(|_| expected())?;
    Ok(Route::Tls { host, port, name, config: tls_config(ca_file)? })
}

fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        add_certificates(&mut roots, path).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("it has no certificate in PEM form".to_owned());
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_three_kinds_are_known_and_others_refused() {
        for (url, expected) in [
            ("ws://h:1", "Plain"),
            ("wss://h:1", "Tls"),
            ("wss://127.0.0.1:1", "Tls"),
            ("unix:/run/b.sock", "Unix"),
            ("unix:", "expected"),
            ("http://h:1", "expected"),
            ("h:1", "expected"),
        ] {
            let shown = match Server::new(url, None, None) {
                Ok(server) => format!("{:?}", server.route),
                Err(why) => why,
            };
            assert!(shown.contains(expected), "{url}: {shown}");
        }
    }

    #[test]
    fn a_token_is_shown_on_the_way_to_another_host_alone() {
        for (url, is_shown) in [
            ("ws://10.0.0.1:1", true),
            ("ws://spreads.example", true),
            ("ws://127.0.0.1:1", false),
            ("ws://[::1]:1", false),
            ("ws://localhost:1", false),
            ("wss://10.0.0.1:1", false),
            ("unix:/run/b.sock", false),
        ] {
            let token = Secret::new(&"a1".repeat(16)).unwrap();
            let server = Server::new(url, Some(token), None).unwrap();
            assert_eq!(server.shows_its_token(), is_shown, "{url}");
            assert!(!format!("{server:?}").contains("a1a1"), "{url}");
            assert!(!Server::new(url, None, None).unwrap().shows_its_token(), "{url}");
        }
    }
}
