//! Reads any bytes as the frames of a client of the broadcast, cut in two ways.

use spreadwire_engine::broadcast::message_reader::{FRAMES_PER_MESSAGE_MAX, Item, MessageReader};

/// Longest message, bytes.
const MESSAGE_MAX: usize = 256;

/// What is heard: messages and control frames as they are printed, or how it ended.
fn heard(bytes: &[u8], size: usize) -> Vec<String> {
    let mut reader = MessageReader::new(MESSAGE_MAX);
    let (mut all, mut parts) = (Vec::new(), 0);
    for mut piece in bytes.chunks(size) {
        loop {
            let next = reader.next(&mut piece);
            match next {
                Ok(None) => break,
                Ok(Some(Item::Part)) => parts += 1,
                Ok(Some(Item::Text(text))) => assert!(text.len() <= MESSAGE_MAX),
                Ok(Some(Item::Binary(bytes))) => assert!(bytes.len() <= MESSAGE_MAX),
                Ok(Some(Item::Ping(payload))) => assert!(payload.len() <= 125),
                Ok(Some(Item::Pong | Item::Close(_))) => {}
                Err(fault) => {
                    all.push(format!("{fault:?}"));
                    return all;
                }
            }
            if matches!(next, Ok(Some(Item::Text(_) | Item::Binary(_)))) {
                parts = 0;
            }
            assert!(parts <= FRAMES_PER_MESSAGE_MAX, "more parts than are joined");
            all.push(format!("{next:?}"));
        }
    }
    all
}

/// Reads an input whose first byte says how it is cut.
///
/// # Panics
/// If the reader does, holds more than it may, or hears something else in other pieces.
pub(crate) fn run(data: &[u8]) {
    let [size, bytes @ ..] = data else { return };
    let whole = heard(bytes, bytes.len().max(1));
    assert_eq!(heard(bytes, usize::from(*size).max(1)), whole);
}
