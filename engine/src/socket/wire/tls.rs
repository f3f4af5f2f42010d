//! TLS over a timestamped stream, with rustls's unbuffered session. One read takes all records that
//! have arrived. They are decrypted in place, and the plain bytes are appended to the connection's
//! buffer.
//!
//! rustls 0.23 returns each record in a newly allocated block, even in this mode: one allocation by
//! the library and two copies per record. The gain over its buffered session is that data is not
//! read in pieces of 4 KiB with a system call each.

use super::{Received, StampedTcp};
use crate::socket::receive_buffer::ReceiveBuffer;
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::io;
use std::sync::Arc;

/// Maximum size of a decrypted record, bytes.
pub(super) const RECORD_MAX: usize = 16 * 1024;
/// Maximum size of a record on the wire: with its header and the overhead of encryption (RFC 5246,
/// 6.2.3).
const SENT_MAX: usize = RECORD_MAX + 2048 + 5;
/// Maximum number of bytes that wait for a blocked socket. Beyond this, writes are refused.
const OUTGOING_MAX: usize = 1 << 20;

/// The client side of a session.
pub(super) struct Tls {
    session: UnbufferedClientConnection,
    /// Encrypted bytes from the peer.
    sealed: ReceiveBuffer,
    /// Encrypted bytes of ours that wait for the socket.
    outgoing: Vec<u8>,
    /// Number of bytes of `outgoing` that the socket has accepted.
    sent: usize,
    /// Whether the peer has announced the end of its data.
    ended: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// State of the session after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The next step can follow at once.
    On,
    /// The handshake needs bytes from the peer.
    Blocked,
    /// The session is open, and no complete record from the peer is left.
    Open,
    /// The peer has closed its side.
    Ended,
}

impl Tls {
    /// Performs the full handshake on a blocking stream.
    pub(super) fn handshake(
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
        tcp: &mut StampedTcp,
        plain: &mut ReceiveBuffer,
    ) -> io::Result<Tls> {
        let session =
            UnbufferedClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let sealed = ReceiveBuffer::with_capacity(2 * SENT_MAX);
        let mut tls = Tls { session, sealed, outgoing: Vec::new(), sent: 0, ended: false };
        loop {
            match tls.step(tcp, plain)? {
                Step::On => {}
                Step::Open => return Ok(tls),
                Step::Blocked => match tcp.receive(&mut tls.sealed)? {
                    Received::Bytes | Received::Nothing => {}
                    Received::Ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                },
                Step::Ended => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Decrypts buffered records, and reads from the socket only if there were none, once. What was
    /// read may hold no bytes for the caller: a part of a record, or a message of TLS itself.
    pub(super) fn fill(
        &mut self,
        tcp: &mut StampedTcp,
        plain: &mut ReceiveBuffer,
    ) -> io::Result<Received> {
        if self.open_records(tcp, plain)? {
            return Ok(Received::Bytes);
        }
        if self.ended {
            return Ok(Received::Ended);
        }
        let received = tcp.receive(&mut self.sealed)?;
        if received == Received::Bytes && !self.open_records(tcp, plain)? && self.ended {
            return Ok(Received::Ended);
        }
        Ok(received)
    }

    /// Decrypts records while there is space for another; returns whether this produced any bytes.
    fn open_records(
        &mut self,
        tcp: &mut StampedTcp,
        plain: &mut ReceiveBuffer,
    ) -> io::Result<bool> {
        let before = plain.waiting().len();
        while !self.sealed.waiting().is_empty()
            && !self.ended
            && RECORD_MAX <= plain.spare().len()
            && self.step(tcp, plain)? == Step::On
        {}
        Ok(before < plain.waiting().len())
    }

    /// Advances the session by one state.
    fn step(&mut self, tcp: &mut StampedTcp, plain: &mut ReceiveBuffer) -> io::Result<Step> {
        let UnbufferedStatus { mut discard, state } =
            self.session.process_tls_records(self.sealed.waiting_mut());
        let step = match state.map_err(broken)? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(broken)?;
                    discard += record.discard;
                    plain.append(record.payload);
                }
                Step::On
            }
            ConnectionState::EncodeTlsData(mut message) => {
                seal(&mut self.outgoing, |room| match message.encode(room) {
                    Ok(count) => Ok(count),
                    Err(EncodeError::InsufficientSize(size)) => Err(Some(size.required_size)),
                    Err(EncodeError::AlreadyEncoded) => Err(None),
                })?;
                Step::On
            }
            ConnectionState::TransmitTlsData(message) => {
                message.done();
                // Bytes that the socket does not accept are sent before the next write.
                send_some(&mut self.outgoing, &mut self.sent, tcp)?;
                Step::On
            }
            ConnectionState::WriteTraffic(_) => Step::Open,
            ConnectionState::BlockedHandshake => Step::Blocked,
            ConnectionState::PeerClosed | ConnectionState::Closed => Step::Ended,
            // A client gets no other state.
            ConnectionState::ReadEarlyData(_) | _ => {
                return Err(io::ErrorKind::Unsupported.into());
            }
        };
        self.sealed.take(discard);
        self.ended |= step == Step::Ended;
        Ok(step)
    }

    /// Encrypts `bytes` and sends as much as the socket accepts. The rest waits for the next write
    /// or flush.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        tcp: &mut StampedTcp,
        plain: &mut ReceiveBuffer,
    ) -> io::Result<usize> {
        if OUTGOING_MAX < self.outgoing.len() {
            self.flush(tcp)?;
        }
        // The session accepts writes only when it has nothing of its own to send. That is rare.
        while self.step(tcp, plain)? == Step::On {}
        let UnbufferedStatus { discard, state } =
            self.session.process_tls_records(self.sealed.waiting_mut());
        let ConnectionState::WriteTraffic(mut traffic) = state.map_err(broken)? else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let bytes = &bytes[..bytes.len().min(RECORD_MAX)];
        seal(&mut self.outgoing, |room| match traffic.encrypt(bytes, room) {
            Ok(count) => Ok(count),
            Err(EncryptError::InsufficientSize(size)) => Err(Some(size.required_size)),
            Err(EncryptError::EncryptExhausted) => Err(None),
        })?;
        self.sealed.take(discard);
        send_some(&mut self.outgoing, &mut self.sent, tcp)?;
        Ok(bytes.len())
    }

    /// Sends waiting bytes.
    pub(super) fn flush(&mut self, tcp: &mut StampedTcp) -> io::Result<()> {
        send(&mut self.outgoing, &mut self.sent, tcp)
    }
}

/// Appends encrypted bytes to `outgoing`. `put` writes into the space it is given and returns how
/// many bytes it wrote, how many it needs, or an error.
fn seal(
    outgoing: &mut Vec<u8>,
    mut put: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> io::Result<()> {
    let before = outgoing.len();
    let mut room = 1024;
    loop {
        outgoing.resize(before + room, 0);
        match put(&mut outgoing[before..]) {
            Ok(count) => {
                outgoing.truncate(before + count);
                return Ok(());
            }
            Err(Some(needed)) if room < needed => room = needed,
            Err(_) => {
                outgoing.truncate(before);
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

fn send(outgoing: &mut Vec<u8>, sent: &mut usize, tcp: &mut StampedTcp) -> io::Result<()> {
    while *sent < outgoing.len() {
        match tcp.write(&outgoing[*sent..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    outgoing.clear();
    *sent = 0;
    Ok(())
}

fn send_some(outgoing: &mut Vec<u8>, sent: &mut usize, tcp: &mut StampedTcp) -> io::Result<()> {
    match send(outgoing, sent, tcp) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
