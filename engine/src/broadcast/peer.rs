//! The other side of a connection, as the kernel knows it.

use std::fmt::{Display, Formatter};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Who has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process at an address and a port.
    Remote(SocketAddr),
    /// A process of this host's user with this id, over a Unix socket.
    Local(u32),
}

/// What counts as one and the same for the limits of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An address of IPv4, or a network of IPv6.
    Network(IpAddr),
    /// A user of this host.
    User(u32),
}

impl Peer {
    /// Returns whose limits apply: of IPv6 those of the network of 64 bits, which is one customer's.
    #[must_use]
    pub fn source(self) -> Source {
        let address = match self {
            Peer::Local(user) => return Source::User(user),
            Peer::Remote(address) => address.ip().to_canonical(),
        };
        Source::Network(match address {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl Display for Peer {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Remote(address) => write!(f, "{address}"),
            Peer::Local(user) => write!(f, "uid {user}"),
        }
    }
}
