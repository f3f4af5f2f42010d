//! The sections of the configuration as the settings that agents take.
//!
//! Units are converted here and nowhere else: milliseconds and seconds to ns, MiB to bytes. The
//! defaults of what can be configured are the configuration's; those of what cannot stand here.

use super::RingSizes;
use crate::socket::socket_options::SocketOptions;
use crate::{broadcast, journal};
use spreadwire_config::config;
use spreadwire_market::clock::{MICRO, MILLI, SECOND};

impl From<&config::Broadcast> for broadcast::Settings {
    fn from(config: &config::Broadcast) -> broadcast::Settings {
        let config::Broadcast { clients_max, client_buffer_bytes, stuck_timeout_ms, .. } = *config;
        broadcast::Settings {
            max_clients: clients_max,
            client_buffer_bytes,
            request_bytes_max: 16 * 1024,
            requests_per_second: 100,
            filters_max: 64,
            handshake_timeout: 5 * SECOND,
            ping_interval: 15 * SECOND,
            silent_timeout: 35 * SECOND,
            stuck_timeout: stuck_timeout_ms.saturating_mul(MILLI),
            poll_interval: 200 * MICRO,
        }
    }
}

impl Default for broadcast::Settings {
    fn default() -> broadcast::Settings {
        (&config::Broadcast::default()).into()
    }
}

impl From<&config::Journal> for journal::Settings {
    fn from(config: &config::Journal) -> journal::Settings {
        journal::Settings {
            segment_rows: config.segment_records,
            segment_age: config.segment_seconds.saturating_mul(SECOND),
            flush_interval: config.flush_ms.saturating_mul(MILLI),
            sync_interval: config.sync_ms.saturating_mul(MILLI),
            disk_reserve: config.disk_reserve_mb.saturating_mul(1 << 20),
            block_records_max: 4096,
        }
    }
}

impl Default for journal::Settings {
    fn default() -> journal::Settings {
        (&config::Journal::default()).into()
    }
}

impl From<&config::Sockets> for SocketOptions {
    fn from(config: &config::Sockets) -> SocketOptions {
        let config::Sockets { receive_buffer_bytes, busy_poll_us, kernel_timestamps, quick_ack } =
            *config;
        SocketOptions { receive_buffer_bytes, busy_poll_us, kernel_timestamps, quick_ack }
    }
}

impl Default for SocketOptions {
    fn default() -> SocketOptions {
        (&config::Sockets::default()).into()
    }
}

impl From<&config::Rings> for RingSizes {
    fn from(config: &config::Rings) -> RingSizes {
        let config::Rings { feed, broadcast, decision, journal } = *config;
        RingSizes { feed, broadcast, decision, journal }
    }
}
