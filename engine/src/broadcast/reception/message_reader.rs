//! Reads WebSocket messages (RFC 6455) out of what a client sends, however it is cut.
//!
//! The reader is handed bytes and holds what is not whole yet: a header, a control frame, a message
//! in fragments. It finds every violation as soon as the bytes that show it are there, and it
//! bounds what a client can make it hold: the bytes of a message, and the frames that a message may
//! come in. Each frame is returned, the parts of a message too, so that the caller can count them.

/// Most frames of one message: a client that means a request sends one.
pub const FRAMES_PER_MESSAGE_MAX: u32 = 64;
/// Longest payload of a control frame.
const CONTROL_PAYLOAD_MAX: usize = 125;
/// Longest header of a masked frame.
const HEADER_MAX: usize = 14;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// A frame that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The last frame of a text: the whole of it.
    Text(&'a str),
    /// The last frame of a binary message: the whole of it.
    Binary(&'a [u8]),
    /// A frame of a message of which more is to come.
    Part,
    /// A ping, with what the pong has to repeat.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// The client closes, with its code if it gave one. Nothing after it is a frame.
    Close(Option<u16>),
}

/// The reason why a client's bytes cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no frame of RFC 6455, or not one that may come here.
    Protocol,
    /// A text or a reason is not UTF-8.
    NotUtf8,
    /// A message is too long.
    TooLong,
    /// A message comes in too many frames.
    Endless,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Data(Kind),
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(first: u8) -> Option<Opcode> {
        match first & 0x0F {
            0x0 => Some(Opcode::Continuation),
            0x1 => Some(Opcode::Data(Kind::Text)),
            0x2 => Some(Opcode::Data(Kind::Binary)),
            0x8 => Some(Opcode::Close),
            0x9 => Some(Opcode::Ping),
            0xA => Some(Opcode::Pong),
            _ => None,
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// A frame whose header is whole.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    is_final: bool,
    mask: [u8; 4],
    /// Bytes of its payload that were taken, and that are still to come.
    taken: usize,
    left: usize,
}

/// The message that is being put together.
#[derive(Debug, Default)]
struct Assembly {
    kind: Option<Kind>,
    bytes: Vec<u8>,
    /// Bytes that are known to be UTF-8.
    sound: usize,
    frames: u32,
}

/// The reader of one client.
#[derive(Debug)]
pub struct MessageReader {
    message_max: usize,
    header: [u8; HEADER_MAX],
    header_length: usize,
    frame: Option<Frame>,
    message: Assembly,
    control: Vec<u8>,
    /// Whether the message was returned and is to be dropped.
    is_returned: bool,
    is_closed: bool,
}

impl MessageReader {
    /// Reads messages of up to `message_max` bytes.
    #[must_use]
    pub fn new(message_max: usize) -> MessageReader {
        MessageReader {
            message_max,
            header: [0; HEADER_MAX],
            header_length: 0,
            frame: None,
            message: Assembly::default(),
            control: Vec::new(),
            is_returned: false,
            is_closed: false,
        }
    }

    /// Takes bytes from the front of `bytes` until a frame is whole; `None` if all of them were
    /// taken before.
    ///
    /// # Errors
    /// Why nothing more can be read from this client.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Item<'_>>, Fault> {
        self.drop_returned();
        if self.is_closed {
            *bytes = &[];
            return Ok(None);
        }
        if self.frame.is_none() && !self.take_header(bytes)? {
            return Ok(None);
        }
        match self.take_payload(bytes)? {
            Some(frame) => self.finish(frame).map(Some),
            None => Ok(None),
        }
    }

    fn drop_returned(&mut self) {
        if std::mem::take(&mut self.is_returned) {
            self.message.bytes.clear();
            (self.message.kind, self.message.sound, self.message.frames) = (None, 0, 0);
        }
    }

    /// Completes the header; returns whether it is whole.
    fn take_header(&mut self, bytes: &mut &[u8]) -> Result<bool, Fault> {
        loop {
            let needed = self.header_needed()?;
            if self.header_length == needed {
                break;
            }
            let count = (needed - self.header_length).min(bytes.len());
            if count == 0 {
                return Ok(false);
            }
            let (now, later) = bytes.split_at(count);
            self.header[self.header_length..][..count].copy_from_slice(now);
            self.header_length += count;
            *bytes = later;
        }
        self.frame = Some(self.begin()?);
        self.header_length = 0;
        Ok(true)
    }

    /// Returns how long the header is, as far as its first bytes tell. They are checked before more
    /// is waited for.
    fn header_needed(&self) -> Result<usize, Fault> {
        if self.header_length < 2 {
            return Ok(2);
        }
        let [first, second, ..] = self.header;
        self.check(first, second)?;
        Ok(match second & !MASKED {
            126 => 8,
            127 => 14,
            _ => 6,
        })
    }

    fn check(&self, first: u8, second: u8) -> Result<(), Fault> {
        let Some(opcode) = Opcode::of(first) else { return Err(Fault::Protocol) };
        let is_sound = first & RESERVED == 0
            && second & MASKED != 0
            && match opcode {
                Opcode::Continuation => self.message.kind.is_some(),
                Opcode::Data(_) => self.message.kind.is_none(),
                Opcode::Close | Opcode::Ping | Opcode::Pong => {
                    first & FIN != 0 && usize::from(second & !MASKED) <= CONTROL_PAYLOAD_MAX
                }
            };
        if is_sound { Ok(()) } else { Err(Fault::Protocol) }
    }

    /// Begins the frame of a header that is whole.
    fn begin(&mut self) -> Result<Frame, Fault> {
        let header = &self.header[..self.header_length];
        let opcode = Opcode::of(header[0]).ok_or(Fault::Protocol)?;
        let (lengths, mask) = header[1..].split_at(header.len() - 5);
        let length = match *lengths {
            [short] => u64::from(short & !MASKED),
            [_, high, low] => u64::from(u16::from_be_bytes([high, low])),
            [_, a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => return Err(Fault::Protocol),
        };
        if 1 << 63 <= length {
            return Err(Fault::Protocol);
        }
        let left = usize::try_from(length).map_err(|_| Fault::TooLong)?;
        let is_final = header[0] & FIN != 0;
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        self.control.clear();
        if !opcode.is_control() {
            self.message.begin(opcode, left, self.message_max)?;
        }
        Ok(Frame { opcode, is_final, mask, taken: 0, left })
    }

    /// Takes payload; returns the frame once it is whole.
    fn take_payload(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, Fault> {
        let Some(mut frame) = self.frame.take() else { return Ok(None) };
        let (now, later) = bytes.split_at(frame.left.min(bytes.len()));
        *bytes = later;
        let masks = frame.mask.iter().cycle().skip(frame.taken % 4);
        let plain = now.iter().zip(masks).map(|(byte, mask)| byte ^ mask);
        if frame.opcode.is_control() {
            self.control.extend(plain);
        } else {
            self.message.bytes.extend(plain);
            self.message.check_text()?;
        }
        frame.taken += now.len();
        frame.left -= now.len();
        if frame.left > 0 {
            self.frame = Some(frame);
            return Ok(None);
        }
        Ok(Some(frame))
    }

    fn finish(&mut self, frame: Frame) -> Result<Item<'_>, Fault> {
        match frame.opcode {
            Opcode::Ping => Ok(Item::Ping(&self.control)),
            Opcode::Pong => Ok(Item::Pong),
            Opcode::Close => {
                self.is_closed = true;
                close_code(&self.control).map(Item::Close)
            }
            Opcode::Continuation | Opcode::Data(_) if !frame.is_final => Ok(Item::Part),
            Opcode::Continuation | Opcode::Data(_) => {
                self.is_returned = true;
                self.message.whole()
            }
        }
    }
}

impl Assembly {
    fn begin(&mut self, opcode: Opcode, length: usize, max: usize) -> Result<(), Fault> {
        if let Opcode::Data(kind) = opcode {
            self.kind = Some(kind);
        }
        self.frames += 1;
        if FRAMES_PER_MESSAGE_MAX < self.frames {
            return Err(Fault::Endless);
        }
        if max.saturating_sub(self.bytes.len()) < length { Err(Fault::TooLong) } else { Ok(()) }
    }

    /// Checks what is new of a text. A character may still be cut at the end.
    fn check_text(&mut self) -> Result<(), Fault> {
        if self.kind != Some(Kind::Text) {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.sound..]) {
            Ok(text) => self.sound += text.len(),
            Err(error) if error.error_len().is_none() => self.sound += error.valid_up_to(),
            Err(_) => return Err(Fault::NotUtf8),
        }
        Ok(())
    }

    fn whole(&self) -> Result<Item<'_>, Fault> {
        match self.kind {
            Some(Kind::Text) => {
                std::str::from_utf8(&self.bytes).map(Item::Text).map_err(|_| Fault::NotUtf8)
            }
            Some(Kind::Binary) | None => Ok(Item::Binary(&self.bytes)),
        }
    }
}

/// Checks the payload of a close frame (RFC 6455, 5.5.1 and 7.4) and returns its code.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { Ok(None) } else { Err(Fault::Protocol) };
    };
    if std::str::from_utf8(reason).is_err() {
        return Err(Fault::NotUtf8);
    }
    let code = u16::from_be_bytes([*high, *low]);
    // 1004 to 1006 and 1015 are never sent; 1012 to 1014 are registered beside those of the RFC.
    let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if may_be_sent { Ok(Some(code)) } else { Err(Fault::Protocol) }
}
