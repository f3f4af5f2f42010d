//! A WebSocket for a feed. Common messages are slices of the receive buffer; tungstenite handles
//! the rest.
//!
//! `frame_reader` finds complete text and binary frames, which are returned without copying. All
//! other bytes go through tungstenite, which answers pings and closes, joins fragments, checks the
//! protocol, and does all writing.
//!
//! One [`take`](WebSocket::take) does a bounded amount of work whatever the peer sends: at most one
//! read of the socket, and at most one frame, or as much of it as the buffer holds, for the library.
//! Fragments, empty frames and partial frames are returned as [`Taken::Part`], so that the caller
//! counts them.

use crate::socket::frame_reader::{FRAGMENTS_MAX, Frame, FrameReader, HEADER_MAX, Next};
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
    /// So many bytes of a message that is not complete yet: a fragment, or a part of a frame.
    Part(usize),
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
    /// Tungstenite's error, or [`EndlessMessage`] inside of one; the connection is over.
    #[inline]
    pub fn take(&mut self) -> Result<(Taken<'_>, Nanos), Error> {
        let mut is_filled = false;
        let mut handed = 0;
        loop {
            if self.library_is_due {
                if self.ask_library()? {
                    return Ok((self.told(), self.wire().last_read()));
                }
                if 0 < handed {
                    return Ok((Taken::Part(handed), self.wire().last_read()));
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
                    handed = count;
                }
                Next::TooManyFragments => return Err(EndlessMessage::Fragments.into()),
                Next::Incomplete if is_filled => {
                    return Ok((Taken::Part(0), self.wire().last_read()));
                }
                Next::Incomplete => match self.library.get_mut().fill()? {
                    Received::Bytes => is_filled = true,
                    Received::Nothing => return Ok((Taken::Nothing, 0)),
                    // The library knows whether the end was expected.
                    Received::Ended => self.library_is_due = true,
                },
            }
        }
    }

    /// Returns whether a message or a frame has begun and not ended.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.reader.is_unfinished()
    }

    /// Returns the library's last message.
    fn told(&self) -> Taken<'_> {
        match &self.message {
            Some(Message::Text(text)) => Taken::Text(text.as_bytes()),
            Some(Message::Binary(bytes)) => Taken::Binary(bytes),
            Some(Message::Close(frame)) => {
                Taken::Close(frame.as_ref().map(|it| (it.code.into(), it.reason.as_str())))
            }
            Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) | None => Taken::Control,
        }
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

/// A message that does not end within its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndlessMessage {
    /// It has too many fragments.
    #[error("a message of more than {FRAGMENTS_MAX} fragments")]
    Fragments,
    /// It takes too long.
    #[error("a message that has not ended {0} s after it began")]
    Late(u64),
}

impl EndlessMessage {
    /// Returns the reason, if that is what `error` is about.
    #[must_use]
    pub fn of(error: &Error) -> Option<EndlessMessage> {
        let Error::Io(error) = error else { return None };
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<EndlessMessage> for Error {
    fn from(endless: EndlessMessage) -> Error {
        Error::Io(io::Error::new(io::ErrorKind::InvalidData, endless))
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
    mod autobahn;

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
                    Ok((Taken::Part(_), 7)) => {}
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

    /// Takes once for each item, by what it is; parts by their bytes.
    fn takes(socket: &mut WebSocket, count: usize) -> Vec<String> {
        let take = |_| match socket.take().unwrap().0 {
            Taken::Part(bytes) => bytes.to_string(),
            Taken::Nothing => "-".to_owned(),
            Taken::Control => "c".to_owned(),
            Taken::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            taken @ (Taken::Binary(_) | Taken::Close(_)) => panic!("{taken:?}"),
        };
        (0..count).map(take).collect()
    }

    #[test]
    fn each_fragment_and_each_part_of_a_frame_is_handed_up_one_at_a_time() {
        let (mut peer, mut socket) = pair(100);
        let bytes = [
            frame(0x01, false, 0, b"one "),
            frame(0x00, false, 0, b""),
            frame(0x89, false, 0, b""),
            frame(0x80, false, 0, b"message"),
            frame(0x81, false, 0, &[b'x'; 120]),
            frame(0x81, false, 0, b"{}"),
        ]
        .concat();
        peer.write_all(&bytes).unwrap();
        // All is there: the buffer of 100 bytes takes the first frames and 81 bytes of the long one.
        let long = "x".repeat(120);
        let heard = ["6", "2", "c", "one message", "81", &long, "{}", "-"];
        assert_eq!(takes(&mut socket, heard.len()), heard);
    }

    #[test]
    fn empty_fragments_for_ever_end_the_connection_with_a_reason_of_their_own() {
        let (mut peer, mut socket) = pair(64 * 1024);
        peer.write_all(&frame(0x01, false, 0, b"")).unwrap();
        peer.write_all(&frame(0x00, false, 0, b"").repeat(10_000)).unwrap();
        for _ in 0..FRAGMENTS_MAX - 1 {
            assert_eq!(socket.take().unwrap(), (Taken::Part(2), 7));
        }
        let error = socket.take().unwrap_err();
        assert_eq!(EndlessMessage::of(&error), Some(EndlessMessage::Fragments));
    }

    #[test]
    fn a_partial_frame_is_read_once_a_call() {
        let (mut peer, mut socket) = pair(100);
        for (byte, is_unfinished) in [(0x81, true), (0x02, true), (b'{', true), (b'}', false)] {
            peer.write_all(&[byte]).unwrap();
            socket.wire_mut().rearm(false);
            let taken = socket.take().unwrap().0;
            let text = Taken::Text(b"{}");
            assert_eq!(taken, if is_unfinished { Taken::Part(0) } else { text }, "{byte:x}");
            assert_eq!(socket.is_unfinished(), is_unfinished, "{byte:x}");
        }
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
