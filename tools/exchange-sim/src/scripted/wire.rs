//! The WebSocket protocol as far as a scripted server needs it, with full control of what is answered.

use std::io::{self, Read};

use tungstenite::handshake::derive_accept_key;

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// Longest request head, and longest message of a client, in bytes.
const HEAD_LEN_MAX: usize = 16 << 10;
const MESSAGE_LEN_MAX: u64 = 1 << 20;

/// A frame of the client.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

/// Reads the head of a request, byte by byte so that nothing behind it is taken.
pub(super) fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if HEAD_LEN_MAX < head.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Reads anything. Returns false at the end.
pub(super) fn read_some(stream: &mut impl Read) -> io::Result<bool> {
    let mut buffer = [0; 256];
    stream.read(&mut buffer).map(|count| 0 < count)
}

/// Returns the path and query of a request.
pub(super) fn path_of(head: &str) -> String {
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Returns the answer that accepts a request.
pub(super) fn accepted(head: &str) -> String {
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    };
    let key = head.lines().find_map(named).unwrap_or_default();
    let key = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {key}\r\n\r\n"
    )
}

/// Returns the answer that refuses a request.
pub(super) fn refusal(status: u16, headers: &[(String, String)], body: &str) -> String {
    let mut answer = format!("HTTP/1.1 {status} Refused\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        answer += &format!("{name}: {value}\r\n");
    }
    answer + "\r\n" + body
}

/// Returns a whole frame of the server.
pub(super) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(length) if length < 126 => bytes.push(length.to_be_bytes()[1]),
        Ok(length) => {
            bytes.push(126);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// Returns the payload of a close.
pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// Returns the code and the reason in the payload of a close.
pub(super) fn close_of(payload: &[u8]) -> Option<(u16, String)> {
    let (code, reason) = payload.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
}

/// Reads a frame of the client; `None` at the end. Clients mask what they send and do not split it.
pub(super) fn read_frame(stream: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut head = [0; 2];
    match stream.read_exact(&mut head) {
        Ok(()) => {}
        Err(problem) if problem.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(problem) => return Err(problem),
    }
    let length = length(head[1] & 0x7f, stream)?;
    let mut mask = [0; 4];
    stream.read_exact(&mut mask)?;
    let mut payload = Vec::new();
    stream.take(length).read_to_end(&mut payload)?;
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    Ok(Some(Frame { opcode: head[0] & 0x0f, payload }))
}

fn length(short: u8, stream: &mut impl Read) -> io::Result<u64> {
    let length = match short {
        126 => {
            let mut bytes = [0; 2];
            stream.read_exact(&mut bytes)?;
            u64::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            stream.read_exact(&mut bytes)?;
            u64::from_be_bytes(bytes)
        }
        length => u64::from(length),
    };
    if MESSAGE_LEN_MAX < length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(length)
}
