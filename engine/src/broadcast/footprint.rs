//! The most memory that one client may take, for the plan of the process.

use super::log::Protocol;
use super::message::Encoder;
use super::reception::{READ_BYTES, REQUEST_BYTES_MAX};
use super::settings::Settings;
use spreadwire_market::instrument::Catalogue;
use std::sync::Arc;

/// Structs of a client in both halves, and what the allocator adds.
const STRUCTS: usize = 4 * 1024;
/// Bytes of a filter beside a bit for each instrument: its id, in both halves, and numbers.
const FILTER: usize = 512;
/// Bytes of a range of messages in a client's queue, of which there is one for every second message
/// of the log at worst.
const RANGE: usize = 24;
/// Bytes of the log for each of its messages, and the log's size in buffers of a client.
const LOG_BYTES_PER_MESSAGE: usize = 128;
const LOG_BUFFERS: usize = 2;

/// Returns the most bytes that one client takes in this process, sockets in the kernel not counted.
#[must_use]
pub fn client_bytes_max(settings: &Settings, catalogue: &Arc<Catalogue>) -> usize {
    let buffer = settings.client_buffer_bytes.max(super::CLIENT_BUFFER_BYTES_MIN);
    // The queue's bytes, and as many again while they are copied out of the log.
    let queue = 2 * buffer;
    let missed = buffer;
    let log_messages = (LOG_BUFFERS * buffer).next_power_of_two() / LOG_BYTES_PER_MESSAGE;
    let ranges = log_messages / 2 * RANGE * 2;
    let filters = settings.filters_max * (FILTER + catalogue.instruments.len() / 8);
    // A message that is put together, the answer to it, and what was read behind it.
    let requests = 4 * settings.request_bytes_max + READ_BYTES + 2 * REQUEST_BYTES_MAX;
    queue + missed + ranges + filters + requests + hello(catalogue) + STRUCTS
}

/// Returns the bytes of the longer `hello`, with which a client's queue begins.
fn hello(catalogue: &Arc<Catalogue>) -> usize {
    let mut encoder = Encoder::new(Arc::clone(catalogue));
    let bytes = |protocol| {
        encoder.hello(protocol);
        encoder.frame().len()
    };
    Protocol::ALL.map(bytes).into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::catalogue;

    #[test]
    fn the_bound_follows_the_buffer_and_not_the_number_of_pairs() {
        let bytes = |instruments: u32, client_buffer_bytes| {
            let names = (0..instruments).map(|n| format!("C{n}/USDT"));
            let venues = (0..6).map(|n| format!("venue{n}"));
            let catalogue = Arc::new(catalogue::of(names, venues).listed().build());
            client_bytes_max(&Settings { client_buffer_bytes, ..Settings::default() }, &catalogue)
        };
        let (few, many) = (bytes(2, 1 << 20), bytes(2_000, 1 << 20));
        assert!(3 << 20 < few && few < 4 << 20, "{few}");
        assert!(many < 5 << 20, "{many}: the names of 2,000 instruments are long");
        assert!(bytes(2, 1 << 17) < 1 << 20);
    }
}
