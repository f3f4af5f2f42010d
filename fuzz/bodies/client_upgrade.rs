//! Reads any bytes as a request for an upgrade, whole and cut.

use spreadwire_engine::broadcast::probe::read_upgrade;

/// A sound request, whose bytes the input may change.
const SOUND: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn check(bytes: &[u8]) {
    let read = |bytes: &[u8]| read_upgrade(bytes, &["ours.example".to_owned()], &[]);
    let whole = read(bytes);
    if let Some((answer, consumed)) = &whole {
        assert!(answer.starts_with(b"HTTP/1.1 ") && *consumed <= bytes.len());
        if 0 < *consumed {
            // What is accepted does not depend on what came behind it.
            assert_eq!(read(&bytes[..*consumed]), whole);
            assert_eq!(read(&bytes[..consumed - 1]), None);
        }
    }
}

/// Reads an input as a request, and as changes to a sound one: a place and a byte each.
///
/// # Panics
/// If the parser does, or if an answer depends on how the request was cut.
pub(crate) fn run(data: &[u8]) {
    check(data);
    let mut changed = SOUND.to_vec();
    for change in data.chunks_exact(2) {
        let at = usize::from(change[0]) % changed.len();
        changed[at] = change[1];
    }
    check(&changed);
}
