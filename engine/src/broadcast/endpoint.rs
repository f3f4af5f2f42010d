//! Where the broadcast listens: an address and a port, or a socket in the file system.

use std::fmt::{Display, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// What the address of a Unix socket begins with.
const UNIX: &str = "unix:";
/// Most bytes of a Unix socket's path: Linux keeps 108, and the socket is made under a longer name.
pub(super) const PATH_BYTES_MAX: usize = 90;

/// Where the broadcast listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// Returns the address and the port, where it has such.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Endpoint::Tcp(address) => Some(*address),
            Endpoint::Unix(_) => None,
        }
    }

    /// Returns it as clients write it.
    #[must_use]
    pub fn url(&self, is_over_tls: bool) -> String {
        match self {
            Endpoint::Tcp(_) => format!("{}://{self}", if is_over_tls { "wss" } else { "ws" }),
            Endpoint::Unix(_) => self.to_string(),
        }
    }

    /// Returns whether a process of another host may reach it.
    #[must_use]
    pub fn is_beyond_this_host(&self) -> bool {
        match self {
            Endpoint::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Endpoint::Unix(_) => false,
        }
    }
}

impl FromStr for Endpoint {
    type Err = ();

    fn from_str(text: &str) -> Result<Endpoint, ()> {
        match text.strip_prefix(UNIX) {
            Some(path) if path.is_empty() || PATH_BYTES_MAX < path.len() => Err(()),
            Some(path) => Ok(Endpoint::Unix(PathBuf::from(path))),
            None => text.parse().map(Endpoint::Tcp).map_err(|_| ()),
        }
    }
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "{address}"),
            Endpoint::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_are_parsed_and_only_loopback_and_paths_are_of_this_host() {
        for (text, is_beyond) in [
            ("127.0.0.1:8181", Some(false)),
            ("127.9.9.9:1", Some(false)),
            ("[::1]:8181", Some(false)),
            ("[::ffff:127.0.0.1]:1", Some(false)),
            ("unix:/run/spreadwire.sock", Some(false)),
            ("0.0.0.0:8181", Some(true)),
            ("[::]:8181", Some(true)),
            ("192.168.1.5:8181", Some(true)),
            ("[::ffff:10.0.0.1]:1", Some(true)),
            ("unix:", None),
            ("localhost:8181", None),
            ("/run/spreadwire.sock", None),
            (&format!("unix:/{}", "x".repeat(PATH_BYTES_MAX)), None),
        ] {
            let parsed: Result<Endpoint, ()> = text.parse();
            let shown = parsed.as_ref().map(ToString::to_string);
            assert_eq!(
                parsed.as_ref().ok().map(Endpoint::is_beyond_this_host),
                is_beyond,
                "{text}"
            );
            assert!(is_beyond.is_none() || shown.as_deref() == Ok(text), "{shown:?}");
        }
    }
}
