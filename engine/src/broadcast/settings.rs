//! The limits of the server and of each client.

use super::tls;
use super::token::Token;
use spreadwire_market::clock::Nanos;

/// Clients beside [`Settings::max_clients`] that were told to go and are still sent something.
pub(super) const LEAVING_MAX: usize = 64;
/// Connections that have been sent everything and may still read it.
pub(super) const PARTING_MAX: usize = 256;

/// Limits of the server and of each client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most clients at a time; more are refused with HTTP 503.
    pub max_clients: usize,
    /// Most connections whose upgrade is not complete; the oldest gives way to a new one.
    pub max_upgrades: usize,
    /// Most connections of one address; more are refused with HTTP 429.
    pub clients_per_address: usize,
    /// Most connections that one address may make within a second; more are refused with HTTP 429.
    pub connects_per_second: u32,
    /// Hosts that a request may name beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Origins of web pages that may connect.
    pub origins: Vec<String>,
    /// Tokens of which a request brings one; without any, nobody needs one.
    pub tokens: Vec<Token>,
    /// Bytes that may wait for one client before it is conflated; at least 128 KiB.
    pub client_buffer_bytes: usize,
    /// Bytes of the longest message that a client may send.
    pub request_bytes_max: usize,
    /// Most frames that a client may send within a second.
    pub requests_per_second: u32,
    /// Most bytes that a client may send within a second.
    pub request_bytes_per_second: usize,
    /// Most filters that a client may hold.
    pub filters_max: usize,
    /// Time after which a connection that is no WebSocket yet is closed, ns.
    pub handshake_timeout: Nanos,
    /// Time between two pings of the server, ns.
    pub ping_interval: Nanos,
    /// Time after which a client that shows no life is closed, ns.
    pub silent_timeout: Nanos,
    /// Time after which a client whose socket takes nothing although bytes wait is closed, ns.
    pub stuck_timeout: Nanos,
    /// Time between two polls of the sockets while nothing waits, ns.
    pub poll_interval: Nanos,
}

impl Settings {
    /// Returns the most connections that are held at a time, of any kind.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        [LEAVING_MAX, self.max_upgrades, PARTING_MAX]
            .into_iter()
            .fold(self.max_clients, usize::saturating_add)
    }

    /// Returns the most descriptors that those take.
    #[must_use]
    pub fn descriptors_max(&self, is_over_tls: bool) -> usize {
        let connections = self.connections_max();
        if is_over_tls { tls::descriptors_max(connections) } else { connections }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::conflation::entries_max;
    use spreadwire_market::clock::SECOND;

    #[test]
    fn the_document_lists_the_default_limits() {
        let document = include_str!("../../../docs/broadcast.md");
        let limits = Settings::default();
        for row in [
            format!("| connections | {} |", limits.max_clients),
            format!("| connections of one address | {} |", limits.clients_per_address),
            format!("| new connections of one address | {} a second |", limits.connects_per_second),
            format!("| upgrades at once | {} |", limits.max_upgrades),
            format!("| complete within {} s;", limits.handshake_timeout / SECOND),
            format!("| {} a second |", limits.requests_per_second),
            format!("| bytes from you | {} KiB a second |", limits.request_bytes_per_second / 1024),
            format!("| a request | {} KiB |", limits.request_bytes_max / 1024),
            format!("| filters | {} |", limits.filters_max),
            format!("| bytes that wait for you | {} MiB |", limits.client_buffer_bytes >> 20),
            format!(
                "| {} ({} MiB) |",
                entries_max(limits.client_buffer_bytes),
                limits.client_buffer_bytes >> 20
            ),
            format!("although bytes wait | {} s |", limits.stuck_timeout / SECOND),
            format!("pings every {} s;", limits.ping_interval / SECOND),
            format!("is enough) | {} s |", limits.silent_timeout / SECOND),
        ] {
            assert!(document.contains(&row), "{row}");
        }
    }
}
