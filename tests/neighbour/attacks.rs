//! The attacks of clients, as data: how each begins, what it says, and how it must be counted.

use serde_json::json;

/// How a connection of an attack begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// With nothing: what the attack says comes first.
    Raw,
    /// With an upgrade, as of any client.
    Upgraded,
}

/// What an attack does with its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Says everything as fast as it is taken, reads to the end, and comes again.
    Floods,
    /// Says one byte now and then.
    Trickles,
    /// Says it once and reads nothing.
    Holds,
    /// Says it once, and reads one byte now and then.
    Sips,
    /// Opens one connection after the other, and keeps the newest.
    Crowds,
}

/// One attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) opening: Opening,
    /// Connections at once.
    pub(crate) at_once: usize,
    /// Addresses that they come from.
    pub(crate) addresses: u8,
    pub(crate) says: fn() -> Vec<u8>,
    pub(crate) manner: Manner,
    /// Counters below `broadcast.`, one of which must grow as long as the attack goes on. None
    /// where the attack is within the limits.
    pub(crate) counted: &'static [&'static str],
    /// What the attacker is told at least once: a status, a close code, or the code of an error.
    pub(crate) told: Option<&'static str>,
}

const USUAL: Attack = Attack {
    name: "",
    opening: Opening::Upgraded,
    at_once: 1,
    addresses: 1,
    says: Vec::new,
    manner: Manner::Floods,
    counted: &[],
    told: None,
};

const POLICY: Option<&str> = Some("close 1008");
const TOO_MANY: Option<&str> = Some("HTTP 429");

/// The attack that is noticed only while spreads are sent.
pub(crate) const NEVER_READ: &str = "clients that never read";

/// Every attack of clients. Each has addresses of its own.
pub(crate) const ATTACKS: [Attack; 21] = [
    Attack {
        name: "connections that never speak",
        opening: Opening::Raw,
        at_once: 150,
        addresses: 8,
        manner: Manner::Crowds,
        counted: &["disconnected.evicted"],
        ..USUAL
    },
    Attack {
        name: "an upgrade a byte at a time",
        opening: Opening::Raw,
        says: || upgrade("").into_bytes(),
        manner: Manner::Trickles,
        counted: &["disconnected.evicted", "disconnected.handshake_timeout"],
        ..USUAL
    },
    Attack {
        name: "an upgrade without end",
        opening: Opening::Raw,
        says: || upgrade(&format!("X-Long: {}\r\n", "x".repeat(20_000))).into_bytes(),
        counted: &["disconnected.no_upgrade"],
        told: Some("HTTP 431"),
        ..USUAL
    },
    Attack {
        name: "an upgrade that can be read in two ways",
        opening: Opening::Raw,
        says: || upgrade("Sec-WebSocket-Version: 13\r\nContent-Length: 5\r\n").into_bytes(),
        counted: &["disconnected.no_upgrade"],
        told: Some("HTTP 400"),
        ..USUAL
    },
    Attack {
        name: "web pages",
        opening: Opening::Raw,
        says: || upgrade("Origin: https://example.com\r\n").into_bytes(),
        counted: &["disconnected.foreign_origin"],
        told: Some("HTTP 403"),
        ..USUAL
    },
    Attack {
        name: "a crowd of clients from one address",
        at_once: 60,
        manner: Manner::Crowds,
        counted: &["disconnected.address_full"],
        told: TOO_MANY,
        ..USUAL
    },
    Attack {
        name: "a storm of clients that come and go",
        at_once: 8,
        says: || frame(0x88, &1000_u16.to_be_bytes()),
        counted: &["disconnected.address_fast"],
        told: TOO_MANY,
        ..USUAL
    },
    Attack {
        name: "pings",
        says: || frame(0x89, b"!").repeat(2_000),
        counted: &["disconnected.too_fast"],
        told: POLICY,
        ..USUAL
    },
    Attack {
        name: "pongs",
        says: || frame(0x8A, b"").repeat(2_000),
        counted: &["disconnected.too_fast"],
        told: POLICY,
        ..USUAL
    },
    Attack {
        name: "empty fragments without end",
        says: || [frame(0x01, b""), frame(0x00, b"").repeat(10_000)].concat(),
        counted: &["disconnected.endless"],
        told: POLICY,
        ..USUAL
    },
    Attack {
        name: "fragments with pings between",
        says: || {
            [frame(0x01, b"{"), [frame(0x00, b" "), frame(0x89, b"")].concat().repeat(5_000)]
                .concat()
        },
        counted: &["disconnected.endless", "disconnected.too_fast"],
        told: POLICY,
        ..USUAL
    },
    Attack {
        name: "a message that is too long",
        says: || frame(0x81, &vec![b' '; 1 << 20]),
        counted: &["disconnected.too_large"],
        told: Some("close 1009"),
        ..USUAL
    },
    Attack {
        name: "a frame a byte at a time",
        says: || frame(0x81, &[b' '; 15_000]),
        manner: Manner::Trickles,
        ..USUAL
    },
    Attack {
        name: "no frames at all",
        says: || vec![0xFF; 1_000],
        counted: &["disconnected.protocol"],
        told: Some("close 1002"),
        ..USUAL
    },
    Attack {
        name: "requests that are not JSON",
        says: || frame(0x81, b"[[[[").repeat(50),
        counted: &["disconnected.not_json"],
        told: Some("close 1007"),
        ..USUAL
    },
    Attack {
        name: "binary requests",
        says: || frame(0x82, &[0; 1_000]).repeat(50),
        counted: &["disconnected.binary"],
        told: Some("close 1003"),
        ..USUAL
    },
    Attack {
        name: "huge names",
        says: || {
            let name = "x".repeat(15_000);
            let ask = json!({"op": "subscribe", "instruments": [name]}).to_string();
            [frame(0x81, ask.as_bytes()).repeat(15), frame(0x88, b"")].concat()
        },
        counted: &["errors"],
        told: Some("unknown_instrument"),
        ..USUAL
    },
    Attack {
        name: "more filters than a client may have",
        says: || {
            let ask = json!({"op": "subscribe", "instruments": ["BTC/USDT:SPOT-PERP"]}).to_string();
            [frame(0x81, ask.as_bytes()).repeat(80), frame(0x88, b"")].concat()
        },
        counted: &["errors"],
        told: Some("too_many_filters"),
        ..USUAL
    },
    Attack {
        name: "subscriptions in a flood",
        says: || {
            let ask = json!({"op": "subscribe", "id": "same"}).to_string();
            frame(0x81, ask.as_bytes()).repeat(2_000)
        },
        counted: &["disconnected.too_fast"],
        ..USUAL
    },
    Attack {
        name: NEVER_READ,
        at_once: 6,
        manner: Manner::Holds,
        counted: &["disconnected.stuck", "disconnected.overrun"],
        ..USUAL
    },
    Attack {
        name: "clients that read one byte now and then",
        at_once: 4,
        manner: Manner::Sips,
        ..USUAL
    },
];

/// Returns a request for an upgrade with more headers.
pub(crate) fn upgrade(more: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Returns a frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => bytes.push(0x80 | length),
        (_, Ok(length)) => bytes.extend([&[0x80 | 126][..], &length.to_be_bytes()].concat()),
        _ => bytes.extend([&[0x80 | 127][..], &(payload.len() as u64).to_be_bytes()].concat()),
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}
