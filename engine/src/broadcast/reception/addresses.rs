//! How many connections each address has, and how fast it makes new ones.

use crate::broadcast::departure::Dismissal;
use crate::broadcast::peer::Source;
use crate::broadcast::settings::Settings;
use spreadwire_market::clock::{Nanos, SECOND};
use std::collections::HashMap;

/// Addresses that are remembered without a connection of theirs.
const IDLE_MAX: usize = 4096;

/// The addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    all: HashMap<Source, Address>,
}

#[derive(Clone, Copy, Debug)]
struct Address {
    connections: usize,
    /// The current second, and how many connections were made in it.
    since: Nanos,
    made: u32,
}

impl Addresses {
    /// Counts a connection of an address; an error if it may not have one more now.
    pub(super) fn arrive(
        &mut self,
        source: Source,
        settings: &Settings,
        now: Nanos,
    ) -> Result<(), Dismissal> {
        if IDLE_MAX <= self.all.len() {
            self.all.retain(|_, address| address.connections > 0);
        }
        let begin = Address { connections: 0, since: now, made: 0 };
        let address = self.all.entry(source).or_insert(begin);
        if address.since + SECOND <= now {
            (address.since, address.made) = (now, 0);
        }
        address.made = address.made.saturating_add(1);
        if settings.connects_per_second < address.made {
            return Err(Dismissal::AddressFast);
        }
        if settings.clients_per_address <= address.connections {
            return Err(Dismissal::AddressFull);
        }
        address.connections += 1;
        Ok(())
    }

    /// Counts the end of a connection that [`arrive`](Addresses::arrive) has counted.
    pub(super) fn leave(&mut self, source: Source) {
        if let Some(address) = self.all.get_mut(&source) {
            address.connections = address.connections.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::peer::Peer;
    use std::net::{IpAddr, SocketAddr};

    fn source(address: &str) -> Source {
        Peer::Remote(SocketAddr::new(address.parse().unwrap(), 5000)).source()
    }

    #[test]
    fn an_address_has_so_many_connections_and_makes_so_many_in_a_second() {
        let settings =
            Settings { clients_per_address: 2, connects_per_second: 3, ..Settings::default() };
        let mut addresses = Addresses::default();
        let mut arrive = |address: &str, now| addresses.arrive(source(address), &settings, now);
        let (full, fast) = (Err(Dismissal::AddressFull), Err(Dismissal::AddressFast));
        for (address, now, expected) in [
            ("10.0.0.1", 0, Ok(())),
            ("::ffff:10.0.0.1", 0, Ok(())),
            ("10.0.0.1", 0, full),
            ("10.0.0.1", SECOND - 1, fast),
            ("10.0.0.1", SECOND, full),
            ("10.0.0.2", 0, Ok(())),
            ("2001:db8::1", 0, Ok(())),
            ("2001:db8::2", 0, Ok(())),
            ("2001:db8::3", 0, full),
            ("2001:db8:0:1::1", 0, Ok(())),
        ] {
            assert_eq!(arrive(address, now), expected, "{address} at {now}");
        }
        addresses.leave(source("10.0.0.1"));
        let again = addresses.arrive(source("10.0.0.1"), &settings, 2 * SECOND);
        assert_eq!(again, Ok(()));
    }

    #[test]
    fn addresses_without_a_connection_are_forgotten() {
        let settings = Settings::default();
        let mut addresses = Addresses::default();
        for number in 0..3 * 4096_u32 {
            let source = Source::Network(IpAddr::V4(number.into()));
            addresses.arrive(source, &settings, 0).unwrap();
            addresses.leave(source);
            assert!(addresses.all.len() <= IDLE_MAX, "after {number}");
        }
    }
}
