//! The feed's reader by the cases of Autobahn's testsuite, in the order of its sections. Each case comes
//! in pieces of several sizes, through receive buffers that hold it and that do not. The deviations
//! are in docs/reliability.md.

use super::{Error, Heard, LONG, Message, frame, ours, unmasked};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::coding::CloseCode;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Well until the peer ended the stream.
    Cut,
    /// After a closing handshake.
    Closed,
    /// By the peer's fault.
    Fault,
}

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// What is heard, as [`Heard`] writes it.
type Said = (char, Vec<u8>);

fn part(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, false, 0, payload)
}

fn text(payload: &[u8]) -> Said {
    ('t', payload.to_vec())
}

fn control() -> Said {
    ('c', Vec::new())
}

fn end_of(heard: &Heard) -> End {
    let ended = heard.ended.as_deref().unwrap();
    let cut = Error::Protocol(ProtocolError::ResetWithoutClosingHandshake);
    if ended == cut.to_string() {
        End::Cut
    } else if ended == Error::ConnectionClosed.to_string() {
        End::Closed
    } else {
        End::Fault
    }
}

/// Plays frames, requires this, and returns what was answered.
fn check(name: &str, frames: &[Vec<u8>], expected: &[Said], end: End) -> Vec<Message> {
    let bytes = frames.concat();
    let mut answers = Vec::new();
    for (piece, room) in [(1, 100), (7, 1_000), (usize::MAX, 100), (usize::MAX, 2_000)] {
        // Loopback does not gain from thousands of single bytes.
        let piece = piece.max(bytes.len() / 200 + 1).min(bytes.len().max(1));
        let (heard, answered) = ours(&bytes, &[piece], room);
        assert_eq!(end_of(&heard), end, "{name}, {piece} bytes at a time: {:?}", heard.ended);
        assert_eq!(heard.messages, expected, "{name}, {piece} bytes at a time");
        answers = unmasked(&answered);
    }
    answers
}

#[test]
fn section_1_and_2_messages_of_any_length_pings_and_pongs() {
    for length in [0, 1, 125, 126, 127, 128, 1_000, LONG] {
        let payload = vec![b'*'; length];
        check("a text", &[part(FIN | TEXT, &payload)], &[text(&payload)], End::Cut);
        let bytes = vec![0xFE; length];
        check("bytes", &[part(FIN | BINARY, &bytes)], &[('b', bytes.clone())], End::Cut);
    }
    for payload in [&b""[..], b"Hello", b"\x00\xFF\xFE\xFD", &[0xFE; 125]] {
        let answers = check("a ping", &[part(FIN | PING, payload)], &[control()], End::Cut);
        assert_eq!(answers, [Message::Pong(payload.to_vec().into())]);
        let answers = check("a pong", &[part(FIN | PONG, payload)], &[control()], End::Cut);
        assert_eq!(answers, []);
    }
    check("a ping of 126 bytes", &[part(FIN | PING, &[0; 126])], &[], End::Fault);
    let pings: Vec<_> = (0..10).map(|n| part(FIN | PING, &[n])).collect();
    let answers = check("ten pings", &pings, &vec![control(); 10], End::Cut);
    assert_eq!(answers.last(), Some(&Message::Pong(vec![9].into())));
}

#[test]
fn section_3_and_4_reserved_bits_and_opcodes() {
    let (sound, said) = (part(FIN | TEXT, b"{}"), text(b"{}"));
    for reserved in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            let frames = [sound.clone(), part(FIN | reserved | opcode, b"")];
            check("a reserved bit", &frames, std::slice::from_ref(&said), End::Fault);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        for payload in [&b""[..], b"hello"] {
            let frames = [sound.clone(), part(FIN | opcode, payload), sound.clone()];
            check("a reserved opcode", &frames, std::slice::from_ref(&said), End::Fault);
        }
    }
    check("a mask", &[frame(FIN | TEXT, true, 0, b"{}")], &[], End::Fault);
}

#[test]
fn section_5_fragments() {
    let (a, b, c) = (part(TEXT, b"frag"), part(0, b"men"), part(FIN, b"ts"));
    let (ping, empty) = (part(FIN | PING, b"!"), part(0, b""));
    let all = [text(b"fragments")];
    let pinged = [control(), control(), text(b"fragments")];
    for (name, frames, expected, end) in [
        ("three fragments", vec![&a, &b, &c], &all[..], End::Cut),
        ("pings between", vec![&a, &ping, &b, &ping, &c], &pinged, End::Cut),
        ("empty ones between", vec![&a, &empty, &b, &empty, &c], &all, End::Cut),
        ("nothing to continue", vec![&b], &[], End::Fault),
        ("nothing to end", vec![&c], &[], End::Fault),
        ("nothing after the end", vec![&a, &b, &c, &c], &all, End::Fault),
        ("a text within a text", vec![&a, &a], &[], End::Fault),
        ("bytes within a text", vec![&a, &part(FIN | BINARY, b"")], &[], End::Fault),
        ("a fragmented ping", vec![&part(PING, b"")], &[], End::Fault),
        ("a fragmented pong", vec![&part(PONG, b"x")], &[], End::Fault),
        ("a fragmented close", vec![&part(CLOSE, b"")], &[], End::Fault),
    ] {
        let frames: Vec<Vec<u8>> = frames.into_iter().cloned().collect();
        check(name, &frames, expected, end);
    }
}

#[test]
fn section_6_texts() {
    let sound = "κόσμε \u{7FF} \u{FFFF} \u{10FFFF} Hello-µ@ßöäüàá-UTF-8!!".as_bytes();
    check("a text", &[part(FIN | TEXT, sound)], &[text(sound)], End::Cut);
    for cut in 0..=sound.len() {
        let (left, right) = sound.split_at(cut);
        check("cut", &[part(TEXT, left), part(FIN, right)], &[text(sound)], End::Cut);
    }
    for bad in [&b"\x80"[..], b"\xC0\xAF", b"\xE0\x80\xAF", b"\xED\xA0\x80", b"\xF4\x90\x80\x80"] {
        check("in fragments", &[part(TEXT, bad), part(FIN, b"")], &[], End::Fault);
        // On purpose: the decoders check every byte that they use.
        let whole = [part(FIN | TEXT, bad), part(FIN | TEXT, b"{}")];
        check("in one frame", &whole, &[text(bad), text(b"{}")], End::Cut);
    }
}

#[test]
fn section_7_closing() {
    let close =
        |code: u16, reason: &[u8]| part(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat());
    let after = part(FIN | TEXT, b"after");
    let told = |code: u16, reason: &str| vec![('e', format!("{code} {reason}").into_bytes())];
    let none = [('e', Vec::new())];
    check("no code", &[part(FIN | CLOSE, b"")], &none, End::Closed);
    let (heard, _) = ours(&[part(FIN | CLOSE, b""), after].concat(), &[100], 400);
    assert_eq!(heard.messages, none, "nothing after a close is heard");
    assert_ne!(end_of(&heard), End::Cut);
    check("one byte", &[part(FIN | CLOSE, b"\x03")], &[], End::Fault);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        for reason in ["", "bye", &"*".repeat(123)] {
            let frames = [close(code, reason.as_bytes())];
            let answers = check("a code", &frames, &told(code, reason), End::Closed);
            let [Message::Close(Some(answer))] = &answers[..] else { panic!("{answers:?}") };
            assert_eq!(answer.code, CloseCode::from(code));
        }
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let answers = ours(&close(code, b""), &[100], 400).1;
        let answers = unmasked(&answers);
        let is_refused = match &answers[..] {
            [Message::Close(Some(answer))] => answer.code == CloseCode::Protocol,
            [] => true,
            _ => false,
        };
        assert!(is_refused, "{code}: {answers:?}");
    }
    check("a reason too long", &[close(1000, &[b'*'; 124])], &[], End::Fault);
    check("a reason that is not UTF-8", &[close(1000, b"\xCE\xBA\xE1")], &[], End::Fault);
    let within = [part(TEXT, b"frag"), close(1000, b"")];
    check("within fragments", &within, &told(1000, ""), End::Closed);
}

#[test]
fn section_9_and_10_long_messages_in_parts_of_any_size() {
    let long = vec![b'*'; LONG];
    for size in [1, 64, 256, 1_300, LONG - 1] {
        let mut frames: Vec<Vec<u8>> = long.chunks(size).map(|payload| part(0, payload)).collect();
        frames[0][0] |= TEXT;
        frames.last_mut().unwrap()[0] |= FIN;
        check("in fragments", &frames, &[text(&long)], End::Cut);
    }
    let too_long = [part(FIN | TEXT, &vec![b'*'; LONG + 1])];
    check("too long", &too_long, &[], End::Fault);
    let halves = [part(TEXT, &long), part(FIN, b"*")];
    check("too long in fragments", &halves, &[], End::Fault);
}
