//! The server's frame reader by the cases of RFC 6455, in the order of Autobahn's sections, and
//! beside tungstenite, which was written by others and must find the same.

use spreadwire_engine::broadcast::message_reader::{
    FRAMES_PER_MESSAGE_MAX, Fault, Item, MessageReader,
};
use spreadwire_kit::noise::noise;
use std::io::{self, ErrorKind, Read, Write};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// Longest message, bytes.
const MESSAGE_MAX: usize = 1_000;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;

/// What is heard of a client, and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Fault(Fault),
}

/// Returns a masked frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => bytes.push(0x80 | length),
        (_, Ok(length)) => bytes.extend([&[0x80 | 126][..], &length.to_be_bytes()].concat()),
        _ => bytes.extend([&[0x80 | 127][..], &(payload.len() as u64).to_be_bytes()].concat()),
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// Hears bytes that come in pieces of `size`.
fn heard(bytes: &[u8], size: usize) -> Vec<Heard> {
    let mut reader = MessageReader::new(MESSAGE_MAX);
    let mut all = Vec::new();
    for mut piece in bytes.chunks(size) {
        loop {
            match reader.next(&mut piece) {
                Ok(None) => break,
                Ok(Some(Item::Part)) => {}
                Ok(Some(Item::Text(text))) => all.push(Heard::Text(text.to_owned())),
                Ok(Some(Item::Binary(bytes))) => all.push(Heard::Binary(bytes.to_owned())),
                Ok(Some(Item::Ping(payload))) => all.push(Heard::Ping(payload.to_owned())),
                Ok(Some(Item::Pong)) => all.push(Heard::Pong),
                Ok(Some(Item::Close(code))) => all.push(Heard::Close(code)),
                Err(fault) => {
                    all.push(Heard::Fault(fault));
                    return all;
                }
            }
        }
        assert!(piece.is_empty(), "a reader that has nothing to return took everything");
    }
    all
}

/// Bytes to read, and nowhere to write to.
struct Bytes<'a>(&'a [u8]);

impl Read for Bytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { self.0.read(into) }
    }
}

impl Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what tungstenite hears.
fn heard_by_tungstenite(bytes: &[u8]) -> Vec<Heard> {
    let max = Some(MESSAGE_MAX);
    let config = WebSocketConfig::default().max_message_size(max).max_frame_size(max);
    let mut socket = WebSocket::from_raw_socket(Bytes(bytes), Role::Server, Some(config));
    let mut all = Vec::new();
    loop {
        let heard = match socket.read() {
            Ok(Message::Text(text)) => Heard::Text(text.to_string()),
            Ok(Message::Binary(bytes)) => Heard::Binary(bytes.to_vec()),
            Ok(Message::Ping(payload)) => Heard::Ping(payload.to_vec()),
            Ok(Message::Pong(_)) => Heard::Pong,
            Ok(Message::Close(frame)) => {
                // A code that may not be sent is answered with 1002, and returned as that.
                let code = frame.map(|frame| u16::from(frame.code));
                all.push(match code {
                    Some(1002) if !bytes_hold_1002(bytes) => Heard::Fault(Fault::Protocol),
                    code => Heard::Close(code),
                });
                return all;
            }
            Ok(Message::Frame(_)) => unreachable!("only written"),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return all,
            Err(error) => {
                all.push(Heard::Fault(if matches!(error, Error::Capacity(_)) {
                    Fault::TooLong
                } else if matches!(error, Error::Utf8(_)) {
                    Fault::NotUtf8
                } else {
                    Fault::Protocol
                }));
                return all;
            }
        };
        all.push(heard);
    }
}

/// Whether the last frame is a close with 1002, as [`close`] writes it.
fn bytes_hold_1002(bytes: &[u8]) -> bool {
    let masked: Vec<u8> = close(1002, b"")[6..].to_vec();
    bytes.windows(2).any(|window| window == masked)
}

/// Checks a case in pieces of every size, and beside tungstenite.
fn check(name: &str, frames: &[Vec<u8>], expected: &[Heard]) {
    let bytes = frames.concat();
    for size in [1, 2, 3, 5, 7, 64, bytes.len().max(1)] {
        assert_eq!(heard(&bytes, size), expected, "{name}, {size} bytes at a time");
    }
    // Codes that were registered after tungstenite's list.
    if name != "1014 is registered" {
        assert_eq!(heard_by_tungstenite(&bytes), expected, "{name}, by tungstenite");
    }
}

fn text(of: &str) -> Heard {
    Heard::Text(of.to_owned())
}

const PROTOCOL: Heard = Heard::Fault(Fault::Protocol);
const NOT_UTF8: Heard = Heard::Fault(Fault::NotUtf8);

#[test]
fn section_1_and_2_messages_of_any_length_pings_and_pongs() {
    for length in [0, 1, 125, 126, 127, 128, 999, 1_000] {
        let long = "*".repeat(length);
        check("a text", &[frame(FIN | TEXT, long.as_bytes())], &[text(&long)]);
        let bytes = vec![0xFE; length];
        check("bytes", &[frame(FIN | BINARY, &bytes)], &[Heard::Binary(bytes.clone())]);
    }
    for length in [0, 1, 125] {
        let payload = vec![0xFF; length];
        check("a ping", &[frame(FIN | PING, &payload)], &[Heard::Ping(payload.clone())]);
        check("a pong", &[frame(FIN | PONG, &payload)], &[Heard::Pong]);
    }
    let pings: Vec<_> = (0..10).map(|n| frame(FIN | PING, &[n])).collect();
    let expected: Vec<_> = (0..10).map(|n| Heard::Ping(vec![n])).collect();
    check("ten pings", &pings, &expected);
    check("a ping of 126 bytes", &[frame(FIN | PING, &[0; 126])], &[PROTOCOL]);
    for length in [1_001, 65_536] {
        let long = frame(FIN | TEXT, &vec![b'*'; length]);
        check("a text too long", &[long], &[Heard::Fault(Fault::TooLong)]);
    }
    let halves = [frame(TEXT, &[b'*'; 600]), frame(FIN, &[b'*'; 401])];
    check("fragments too long", &halves, &[Heard::Fault(Fault::TooLong)]);
}

#[test]
fn section_3_and_4_reserved_bits_and_opcodes() {
    for reserved in [0x10, 0x20, 0x40, 0x70] {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            let frames = [frame(FIN | TEXT, b"hi"), frame(FIN | reserved | opcode, b"")];
            check("a reserved bit", &frames, &[text("hi"), PROTOCOL]);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        for payload in [&b""[..], b"hello"] {
            let frames = [frame(FIN | TEXT, b"hi"), frame(FIN | opcode, payload)];
            check("a reserved opcode", &frames, &[text("hi"), PROTOCOL]);
        }
    }
}

#[test]
fn section_5_fragments() {
    let (a, b, c) = (frame(TEXT, b"frag"), frame(0, b"men"), frame(FIN, b"ts"));
    let ping = frame(FIN | PING, b"!");
    let pinged = Heard::Ping(b"!".to_vec());
    let empty = frame(0, b"");
    for (name, frames, expected) in [
        ("three fragments", vec![&a, &b, &c], vec![text("fragments")]),
        (
            "a ping between",
            vec![&a, &ping, &b, &ping, &c],
            vec![pinged.clone(), pinged.clone(), text("fragments")],
        ),
        ("empty ones between", vec![&a, &empty, &b, &empty, &c], vec![text("fragments")]),
        ("nothing to continue", vec![&b], vec![PROTOCOL]),
        ("nothing to end", vec![&c], vec![PROTOCOL]),
        ("nothing after the end", vec![&a, &c, &c], vec![text("fragts"), PROTOCOL]),
        ("a text within a text", vec![&a, &a], vec![PROTOCOL]),
        ("bytes within a text", vec![&a, &frame(FIN | BINARY, b"")], vec![PROTOCOL]),
        ("a fragmented ping", vec![&frame(PING, b"")], vec![PROTOCOL]),
        ("a fragmented pong", vec![&frame(PONG, b"x")], vec![PROTOCOL]),
        ("a fragmented close", vec![&frame(CLOSE, b"")], vec![PROTOCOL]),
        ("all empty", vec![&frame(TEXT, b""), &empty, &frame(FIN, b"")], vec![text("")]),
    ] {
        let frames: Vec<Vec<u8>> = frames.into_iter().cloned().collect();
        check(name, &frames, &expected);
    }
    let parts = |count: u32| -> Vec<Vec<u8>> {
        let middle = (2..count).map(|_| frame(0, b"."));
        [frame(TEXT, b"")].into_iter().chain(middle).chain([frame(FIN, b"")]).collect()
    };
    let most = FRAMES_PER_MESSAGE_MAX;
    let dots = ".".repeat(most as usize - 2);
    check("as many frames as are joined", &parts(most), &[text(&dots)]);
    // tungstenite would join them for ever.
    let endless = [Heard::Fault(Fault::Endless)];
    assert_eq!(heard(&parts(most + 1).concat(), 3), endless);
    let empty = [vec![frame(TEXT, b"")], vec![frame(0, b""); 10_000]].concat();
    assert_eq!(heard(&empty.concat(), usize::MAX), endless);
}

#[test]
fn section_6_texts_are_utf_8_wherever_they_are_cut() {
    let sound = "κόσμε \u{7FF} \u{800} \u{FFFF} \u{10000} \u{10FFFF} Hello-µ@ßöäüàá-UTF-8!!";
    for cut in 0..=sound.len() {
        let (left, right) = sound.as_bytes().split_at(cut);
        check("cut anywhere", &[frame(TEXT, left), frame(FIN, right)], &[text(sound)]);
    }
    for bad in [
        &b"\x80"[..],
        b"\xBF",
        b"\xC0\xAF",
        b"\xC1\xBF",
        b"\xE0\x80\xAF",
        b"\xED\xA0\x80",
        b"\xED\xBF\xBF",
        b"\xF0\x80\x80\xAF",
        b"\xF4\x90\x80\x80",
        b"\xF8\x88\x80\x80\x80",
        b"\xFE",
        b"\xFF",
        b"\xCE\xBA\xE1\xBD",
        b"\xE2\x82",
        b"\xF0\x9F\x98",
    ] {
        let bad = [b"good ", bad].concat();
        check("not UTF-8", &[frame(FIN | TEXT, &bad)], &[NOT_UTF8]);
        for cut in 0..=bad.len() {
            let (left, right) = bad.split_at(cut);
            check("not UTF-8, cut", &[frame(TEXT, left), frame(FIN, right)], &[NOT_UTF8]);
        }
        check("no text", &[frame(FIN | BINARY, &bad)], &[Heard::Binary(bad.clone())]);
    }
}

#[test]
fn what_is_not_utf_8_is_found_before_its_frame_is_whole() {
    let mut bytes = frame(TEXT, &[&b"good \xFF"[..], &[b'x'; 500]].concat());
    bytes.truncate(14);
    assert_eq!(heard(&bytes, 1), [NOT_UTF8]);
    let mut unmasked = vec![FIN | TEXT, 5];
    assert_eq!(heard(&unmasked, 1), [PROTOCOL]);
    unmasked[1] = 0;
    assert_eq!(heard(&unmasked, 2), [PROTOCOL]);
}

#[test]
fn section_7_closing() {
    let after = frame(FIN | TEXT, b"after");
    check("no code", &[frame(FIN | CLOSE, b""), after.clone()], &[Heard::Close(None)]);
    check("one byte", &[frame(FIN | CLOSE, b"\x03")], &[PROTOCOL]);
    let sound =
        [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999];
    for code in sound {
        for reason in [&b""[..], b"bye", &[b'*'; 123]] {
            check("a code", &[close(code, reason), after.clone()], &[Heard::Close(Some(code))]);
        }
    }
    assert_eq!(heard(&close(1002, b""), 1), [Heard::Close(Some(1002))]);
    check("1014 is registered", &[close(1014, b"bad gateway")], &[Heard::Close(Some(1014))]);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check("no code to be sent", &[close(code, b"")], &[PROTOCOL]);
    }
    check("a reason too long", &[close(1000, &[b'*'; 124])], &[PROTOCOL]);
    check("a reason that is not UTF-8", &[close(1000, b"\xCE\xBA\xE1")], &[NOT_UTF8]);
    let within = [frame(TEXT, b"frag"), close(1000, b"")];
    check("within fragments", &within, &[Heard::Close(Some(1000))]);
    check(
        "a close and then a fault",
        &[close(1000, b""), vec![0xFF; 20]],
        &[Heard::Close(Some(1000))],
    );
}

#[test]
fn section_9_and_10_long_messages_in_parts_of_any_size() {
    let long = "*".repeat(MESSAGE_MAX);
    for size in [16, 64, 256, MESSAGE_MAX - 1] {
        for (opcode, expected) in
            [(TEXT, text(&long)), (BINARY, Heard::Binary(long.clone().into_bytes()))]
        {
            let parts: Vec<&[u8]> = long.as_bytes().chunks(size).collect();
            let first = |at: usize| if at == 0 { opcode } else { 0 };
            let last = |at: usize| if at + 1 == parts.len() { FIN } else { 0 };
            let frames = parts.iter().enumerate().map(|(at, it)| frame(first(at) | last(at), it));
            check("in fragments", &frames.collect::<Vec<_>>(), &[expected]);
        }
    }
}

#[test]
fn frames_that_are_not_masked_or_longer_than_any_are_refused() {
    check("not masked", &[vec![FIN | TEXT, 2, b'h', b'i']], &[PROTOCOL]);
    let long =
        |length: u64| [&[FIN | BINARY, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
    check("2 GiB", &[long(1 << 31)], &[Heard::Fault(Fault::TooLong)]);
    assert_eq!(heard(&long(1 << 63), 1), [PROTOCOL], "the top bit is 0 (5.2)");
}

/// Changes a byte or two of sound frames, or takes noise.
fn draw(seed: u64) -> Vec<u8> {
    let noise = noise(seed, 24);
    let mut bytes = Vec::new();
    for pair in noise[4..16].chunks(2) {
        let firsts = [TEXT, FIN | TEXT, 0, FIN, BINARY, FIN | BINARY, FIN | PING, FIN | PONG];
        let payload = "aé漢😀".as_bytes();
        let cut = usize::from(pair[1]) % (payload.len() + 1);
        bytes.extend(frame(firsts[usize::from(pair[0]) % firsts.len()], &payload[..cut]));
    }
    if noise[0].is_multiple_of(4) {
        bytes.extend(close(u16::from_be_bytes([noise[1] % 20, noise[2]]), b"x"));
    }
    if noise[3].is_multiple_of(2) {
        let at = usize::from(noise[16]) % bytes.len();
        bytes[at] ^= 1 << (noise[17] % 8);
    }
    bytes
}

#[test]
fn changed_frames_are_read_as_tungstenite_reads_them() {
    let mut ends = 0;
    for seed in 0..20_000 {
        let bytes = draw(seed);
        let ours = heard(&bytes, 1 + usize::try_from(seed % 9).unwrap());
        let theirs = heard_by_tungstenite(&bytes);
        let fault = ours.iter().position(|heard| matches!(heard, Heard::Fault(_)));
        let count = fault.unwrap_or(ours.len());
        assert_eq!(ours[..count], theirs[..count.min(theirs.len())], "seed {seed}: {bytes:x?}");
        match (ours.get(count), theirs.get(count)) {
            // We find a fault in a frame of which tungstenite waits for the rest.
            (Some(_), None) => ends += 1,
            (ours, theirs) => assert_eq!(ours, theirs, "seed {seed}: {bytes:x?}"),
        }
    }
    assert!(ends < 4_000, "{ends} faults were found by us alone");
}
