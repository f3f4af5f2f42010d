//! How many connections each address has, and how fast it makes new ones.

use crate::broadcast::departure::Dismissal;
use crate::broadcast::settings::Settings;
use spreadwire_market::clock::{Nanos, SECOND};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Addresses that are remembered without a connection of theirs.
const IDLE_MAX: usize = 4096;

/// The addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    all: HashMap<IpAddr, Address>,
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
        address: IpAddr,
        settings: &Settings,
        now: Nanos,
    ) -> Result<(), Dismissal> {
        if IDLE_MAX <= self.all.len() {
            self.all.retain(|_, address| address.connections > 0);
        }
        let begin = Address { connections: 0, since: now, made: 0 };
        let address = self.all.entry(network(address)).or_insert(begin);
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
    pub(super) fn leave(&mut self, address: IpAddr) {
        if let Some(address) = self.all.get_mut(&network(address)) {
            address.connections = address.connections.saturating_sub(1);
        }
    }
}

/// Returns what counts as one address: of IPv6 the network of 64 bits, which is one customer's.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_makes_so_many_in_a_second() {
        let settings =
            Settings { clients_per_address: 2, connects_per_second: 3, ..Settings::default() };
        let mut addresses = Addresses::default();
        let mut arrive =
            |address: &str, now| addresses.arrive(address.parse().unwrap(), &settings, now);
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
        addresses.leave("10.0.0.1".parse().unwrap());
        let again = addresses.arrive("10.0.0.1".parse().unwrap(), &settings, 2 * SECOND);
        assert_eq!(again, Ok(()));
    }

    #[test]
    fn addresses_without_a_connection_are_forgotten() {
        let settings = Settings::default();
        let mut addresses = Addresses::default();
        for number in 0..3 * 4096_u32 {
            let address = IpAddr::V4(number.into());
            addresses.arrive(address, &settings, 0).unwrap();
            addresses.leave(address);
            assert!(addresses.all.len() <= IDLE_MAX, "after {number}");
        }
    }
}
