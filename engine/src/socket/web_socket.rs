//! A WebSocket for a feed. Common messages are slices of the receive buffer; tungstenite handles
//! the rest.
//!
//! `frame_reader` finds complete text and binary frames, which are returned without copying. All
//! other bytes go through tungstenite, which answers pings and closes, joins fragments, checks the
//! protocol, and does all writing.

use crate::socket::frame_reader::{Frame, FrameReader, HEADER_MAX, Next};
use crate::socket::wire::{Received, Wire};
use spreadwire_market::clock::Nanos;
use std::io;
use tungstenite::{Error, Message, WebSocket as Library};

/// Result of a read.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<'a> {
    /// A text message. One that came in a single frame that fits the buffer may not be UTF-8.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping or a pong. A ping is answered automatically.
    Control,
    /// The peer closes the connection, with this code and reason if it says why. It is answered
    /// automatically, and the end of the stream follows.
    Close(Option<(u16, &'a str)>),
    /// There is no complete message and the socket is empty.
    Nothing,
}

/// A WebSocket over a [`Wire`].
#[derive(Debug)]
pub struct WebSocket {
    library: Library<Wire>,
    reader: FrameReader,
    /// Whether the library may have a message to deliver or an answer to send.
    library_is_due: bool,
    /// The library's last message, kept while the caller reads it.
    message: Option<Message>,
}

impl WebSocket {
    /// Wraps an upgraded connection that is already non-blocking.
    #[must_use]
    pub fn new(library: Library<Wire>) -> WebSocket {
        let reader = FrameReader::new(library.get_ref().frame_max() - HEADER_MAX);
        WebSocket { library, reader, library_is_due: false, message: None }
    }

    /// Returns the next message and the time at which its last bytes were read. Reads from the
    /// socket only if no complete frame is buffered.
    ///
    /// # Errors
    /// Tungstenite's error; the connection is over.
    #[inline]
    pub fn take(&mut self) -> Result<(Taken<'_>, Nanos), Error> {
        loop {
            if self.library_is_due {
                if self.ask_library()? {
                    break;
                }
                continue;
            }
            match self.reader.next(self.library.get_ref().waiting()) {
                Next::Text(frame) => {
                    let (bytes, at) = self.payload(frame);
                    return Ok((Taken::Text(bytes), at));
                }
                Next::Binary(frame) => {
                    let (bytes, at) = self.payload(frame);
                    return Ok((Taken::Binary(bytes), at));
                }
                Next::Other(count) => {
                    self.library.get_mut().allow(count);
                    self.library_is_due = true;
                }
                Next::Incomplete => match self.library.get_mut().fill()? {
                    Received::Bytes => {}
                    Received::Nothing => return Ok((Taken::Nothing, 0)),
                    // The library knows whether the end was expected.
                    Received::Ended => self.library_is_due = true,
                },
            }
        }
        let taken = match &self.message {
            Some(Message::Text(text)) => Taken::Text(text.as_bytes()),
            Some(Message::Binary(bytes)) => Taken::Binary(bytes),
            Some(Message::Close(frame)) => {
                Taken::Close(frame.as_ref().map(|it| (it.code.into(), it.reason.as_str())))
            }
            Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) | None => Taken::Control,
        };
        Ok((taken, self.library.get_ref().last_read()))
    }

    #[inline]
    fn payload(&mut self, frame: Frame) -> (&[u8], Nanos) {
        let wire = self.library.get_mut();
        let at = wire.last_read();
        (&wire.take(frame.header + frame.payload)[frame.header..], at)
    }

    /// Asks the library for a message and returns whether it has one.
    #[cold]
    fn ask_library(&mut self) -> Result<bool, Error> {
        // Free the last message before the library allocates the next.
        self.message = None;
        match self.library.read() {
            Ok(message) => self.message = Some(message),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.library_is_due = false;
            }
            Err(error) => return Err(error),
        }
        Ok(self.message.is_some())
    }

    /// Sends a message. Bytes that the socket does not accept wait for [`flush`](WebSocket::flush).
    ///
    /// # Errors
    /// Tungstenite's error.
    pub fn send(&mut self, message: Message) -> Result<(), Error> {
        unless_blocked(self.library.send(message))
    }

    /// Sends the bytes that wait for the socket, including answers to pings.
    ///
    /// # Errors
    /// Tungstenite's error.
    pub fn flush(&mut self) -> Result<(), Error> {
        if !self.wire().is_write_blocked() {
            return Ok(());
        }
        unless_blocked(self.library.flush())
    }

    /// Starts the closing handshake. The peer's answer arrives as [`Taken::Close`].
    ///
    /// # Errors
    /// Tungstenite's error.
    pub fn close(&mut self) -> Result<(), Error> {
        unless_blocked(self.library.close(None))
    }

    /// Returns the byte stream.
    #[must_use]
    #[inline]
    pub fn wire(&self) -> &Wire {
        self.library.get_ref()
    }

    /// Returns the byte stream, mutable.
    #[inline]
    pub fn wire_mut(&mut self) -> &mut Wire {
        self.library.get_mut()
    }
}

fn unless_blocked(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::connector;
    use crate::socket::socket_options::SocketOptions;
    use proptest::prelude::*;
    use spreadwire_market::clock::Clock;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use tungstenite::protocol::{Role, WebSocketConfig};

    /// Number of reads after which a test gives up waiting for loopback.
    const PATIENCE: usize = 10_000_000;
    /// Length of a message that does not fit the buffer of these tests.
    const LONG: usize = 3_000;

    fn settings() -> WebSocketConfig {
        connector::settings().max_frame_size(Some(LONG)).max_message_size(Some(LONG))
    }

    /// Returns the peer's end of a connection and a client upgraded over it.
    fn pair(receive_buffer_bytes: usize) -> (TcpStream, WebSocket) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut peer = listener.accept().unwrap().0;
        peer.set_nodelay(true).unwrap();
        let options = SocketOptions { receive_buffer_bytes, ..SocketOptions::default() };
        let mut wire = Wire::new(client, Clock::manual(7), &options);
        peer.write_all(b"HTTP/1.1 101\r\n\r\n").unwrap();
        let mut head = [0; 16];
        wire.read_exact(&mut head).unwrap();
        assert!(wire.is_upgraded());
        wire.set_nonblocking().unwrap();
        (peer, WebSocket::new(Library::from_raw_socket(wire, Role::Client, Some(settings()))))
    }

    /// Messages and the way the connection ended, as both readers report them.
    #[derive(Debug, Default, PartialEq)]
    struct Heard {
        messages: Vec<(char, Vec<u8>)>,
        ended: Option<String>,
    }

    impl Heard {
        /// Takes what has arrived and returns whether the connection continues.
        fn take(&mut self, socket: &mut WebSocket) -> bool {
            loop {
                socket.wire_mut().rearm(false);
                match socket.take() {
                    Ok((Taken::Text(text), 7)) => self.messages.push(('t', text.to_vec())),
                    Ok((Taken::Binary(bytes), 7)) => self.messages.push(('b', bytes.to_vec())),
                    Ok((Taken::Control, 7)) => self.messages.push(('c', Vec::new())),
                    Ok((Taken::Close(why), 7)) => self.messages.push(closed(why)),
                    Ok((Taken::Nothing, _)) => return true,
                    Ok((taken, at)) => panic!("{taken:?} at {at}"),
                    Err(error) => {
                        self.ended = Some(error.to_string());
                        return false;
                    }
                }
            }
        }

        fn library(bytes: &[u8]) -> (Heard, Vec<u8>) {
            let stream = Answering { bytes, answers: Vec::new() };
            let mut library = Library::from_raw_socket(stream, Role::Client, Some(settings()));
            let mut heard = Heard::default();
            loop {
                match library.read() {
                    Ok(Message::Text(text)) => heard.messages.push(('t', text.as_bytes().to_vec())),
                    Ok(Message::Binary(bytes)) => heard.messages.push(('b', bytes.to_vec())),
                    Ok(Message::Close(why)) => {
                        let why = why.as_ref().map(|it| (it.code.into(), it.reason.as_str()));
                        heard.messages.push(closed(why));
                    }
                    Ok(_) => heard.messages.push(('c', Vec::new())),
                    Err(error) => {
                        heard.ended = Some(error.to_string());
                        return (heard, library.into_inner().answers);
                    }
                }
            }
        }
    }

    fn closed(why: Option<(u16, &str)>) -> (char, Vec<u8>) {
        ('e', why.map(|(code, reason)| format!("{code} {reason}").into()).unwrap_or_default())
    }

    /// A stream that returns given bytes and records what is written.
    struct Answering<'a> {
        bytes: &'a [u8],
        answers: Vec<u8>,
    }

    impl Read for Answering<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.bytes.read(into)
        }
    }

    impl Write for Answering<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.answers.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the client's answers with their random masks removed.
    fn unmasked(answers: &[u8]) -> Vec<Message> {
        let stream = Answering { bytes: answers, answers: Vec::new() };
        let mut server = Library::from_raw_socket(stream, Role::Server, None);
        std::iter::from_fn(|| server.read().ok()).collect()
    }

    /// Sends `bytes` to our reader through a socket, in the given pieces; returns what it received
    /// and answered.
    fn ours(bytes: &[u8], pieces: &[usize], room: usize) -> (Heard, Vec<u8>) {
        let (mut peer, mut socket) = pair(room);
        let mut heard = Heard::default();
        let mut rest = bytes;
        let mut goes_on = true;
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            rest = later;
            goes_on = goes_on && peer.write_all(now).is_ok() && heard.take(&mut socket);
            if rest.is_empty() || !goes_on {
                break;
            }
        }
        // The peer continues to read.
        peer.shutdown(Shutdown::Write).unwrap();
        for _ in 0..PATIENCE {
            goes_on = goes_on && heard.take(&mut socket);
            if !goes_on {
                break;
            }
        }
        drop(socket);
        let mut answers = Vec::new();
        // Dropping a socket with unread bytes resets it; the answers have arrived before.
        drop(peer.read_to_end(&mut answers));
        (heard, answers)
    }

    /// Builds a frame as a server sends it, or must not send it: `form` 0 uses the shortest length
    /// field, 1 and 2 use longer ones for the same length.
    fn frame(first: u8, masked: bool, form: u8, payload: &[u8]) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![first];
        match (form, u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (0, Ok(length @ 0..126), _) => bytes.push(mask | length),
            (0 | 1, _, Ok(length)) => {
                bytes.push(mask | 126);
                bytes.extend(length.to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend((payload.len() as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([0; 4]);
        }
        bytes.extend(payload);
        bytes
    }

    /// Generates one message that a server may send, or a protocol violation.
    fn any_frames() -> impl Strategy<Value = Vec<u8>> {
        let payload = |max| proptest::collection::vec(any::<u8>(), 0..max);
        let text = proptest::collection::vec("[ -~é€𝄞]", 0..200).prop_map(|parts| parts.concat());
        let fragments = (payload(300), payload(300), payload(100), any::<bool>()).prop_map(
            |(first, last, ping, binary)| {
                [
                    frame(if binary { 0x02 } else { 0x01 }, false, 0, &first),
                    frame(0x89, false, 0, &ping),
                    frame(0x00, false, 0, &last),
                    frame(0x80, false, 0, b"end"),
                ]
                .concat()
            },
        );
        let broken = (any::<u8>(), any::<bool>(), 0..3u8, payload(200)).prop_filter_map(
            "text that is not UTF-8 has a test of its own",
            |(first, masked, form, payload)| {
                (first != 0x81).then(|| frame(first, masked, form, &payload))
            },
        );
        prop_oneof![
            12 => (text, 0..3u8).prop_map(|(text, form)| frame(0x81, false, form, text.as_bytes())),
            4 => (payload(700), 0..3u8).prop_map(|(bytes, form)| frame(0x82, false, form, &bytes)),
            3 => payload(126).prop_map(|bytes| frame(0x89, false, 0, &bytes)),
            2 => payload(126).prop_map(|bytes| frame(0x8A, false, 0, &bytes)),
            2 => fragments,
            1 => Just(frame(0x82, false, 0, &[7; LONG])),
            1 => Just(frame(0x82, false, 0, &[7; LONG + 1])),
            1 => Just(frame(0x88, false, 0, b"\x03\xe8bye")),
            1 => payload(10).prop_map(|bytes| frame(0x88, false, 0, &bytes)),
            1 => broken,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
        #[test]
        fn our_reader_hears_what_the_library_hears(
            frames in proptest::collection::vec(any_frames(), 0..20),
            pieces in proptest::collection::vec(1..900usize, 1..30),
            room in 32..1_200usize,
            lost in 0..30usize,
        ) {
            let mut bytes = frames.concat();
            bytes.truncate(bytes.len().saturating_sub(lost.saturating_sub(20)));
            let (expected, answers) = Heard::library(&bytes);
            let (heard, answered) = ours(&bytes, &pieces, room);
            prop_assert_eq!(heard, expected);
            prop_assert_eq!(unmasked(&answered), unmasked(&answers));
        }
    }

    #[test]
    fn any_cut_gives_the_same() {
        let long = [b'x'; 300];
        let bytes = [
            frame(0x81, false, 0, b"{}"),
            frame(0x81, false, 0, &long),
            frame(0x89, false, 0, b"ping"),
            frame(0x82, false, 2, b"\x00\xff"),
            frame(0x01, false, 0, b"one "),
            frame(0x80, false, 0, b"message"),
            frame(0x81, false, 0, b""),
            frame(0x88, false, 0, b"\x03\xe8"),
        ]
        .concat();
        let (expected, _) = Heard::library(&bytes);
        for cut in 1..bytes.len() {
            assert_eq!(ours(&bytes, &[cut, bytes.len()], 400).0, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_close_is_handed_up_with_its_code_and_reason() {
        for (payload, told) in [
            (&b"\x03\xf0Too many requests"[..], "1008 Too many requests"),
            (b"\x0f\xa4", "4004 "),
            (b"", ""),
        ] {
            let bytes = [frame(0x81, false, 0, b"{}"), frame(0x88, false, 0, payload)].concat();
            let (heard, _) = ours(&bytes, &[100], 400);
            assert_eq!(heard.messages, [('t', b"{}".to_vec()), ('e', told.into())]);
            assert_eq!(heard.ended, Some(Error::ConnectionClosed.to_string()));
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_a_message_and_the_next_one_is_read() {
        let bytes = [frame(0x81, false, 0, b"\xff"), frame(0x81, false, 0, b"{}")].concat();
        let (heard, _) = ours(&bytes, &[100], 400);
        assert_eq!(heard.messages, [('t', b"\xff".to_vec()), ('t', b"{}".to_vec())]);
        assert_eq!(Heard::library(&bytes).0.messages, []);
    }

    #[test]
    fn a_burst_is_read_with_one_read() {
        let (mut peer, mut socket) = pair(64 * 1024);
        let bytes = frame(0x81, false, 0, &[b'x'; 146]).repeat(100);
        peer.write_all(&bytes).unwrap();
        for _ in 0..100 {
            assert_eq!(socket.take().unwrap(), (Taken::Text(&[b'x'; 146][..]), 7));
        }
        let head = 16;
        assert_eq!(socket.wire().bytes_read(), head + bytes.len() as u64);
        peer.write_all(&bytes).unwrap();
        // The read was short, so the socket is not read again until it may have data.
        assert_eq!(socket.take().unwrap().0, Taken::Nothing);
        socket.wire_mut().rearm(false);
        assert_eq!(socket.take().unwrap(), (Taken::Text(&[b'x'; 146][..]), 7));
    }
}
