//! TLS over a stamped stream, with rustls's unbuffered session: one read takes as many records as
//! have come, they are decrypted where they lie, and the plain bytes join the connection's buffer.
//!
//! rustls 0.23 hands each record out in a block of memory of its own, also here: one allocation of
//! the library's and two copies a record. What is saved beside its buffered session is reading in
//! pieces of 4 KiB, a system call each. It must not know what the bytes mean.

use super::{Received, StampedTcp};
use crate::socket::receive_buffer::ReceiveBuffer;
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::io;
use std::sync::Arc;

/// The most that one record decrypts to, bytes.
pub(super) const RECORD_MAX: usize = 16 * 1024;
/// The longest record as it is sent: header, and what encryption may add (RFC 5246, 6.2.3).
const SENT_MAX: usize = RECORD_MAX + 2048 + 5;
/// What may wait for a socket that takes nothing; beyond that nothing more is accepted.
const OUTGOING_MAX: usize = 1 << 20;

/// A client's side of a session.
pub(super) struct Tls {
    session: UnbufferedClientConnection,
    /// As sent by the peer.
    sealed: ReceiveBuffer,
    /// Sealed by us, and waiting for the socket.
    outgoing: Vec<u8>,
    /// Of these, what the socket has taken.
    sent: usize,
    /// The peer has said that nothing follows.
    ended: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Where the session stands after it was driven on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It can be driven on at once.
    On,
    /// The handshake needs bytes of the peer.
    Blocked,
    /// Open, and of the peer's bytes no whole record is left.
    Open,
    /// The peer's side has ended.
    Ended,
}

impl Tls {
    /// The whole handshake, on a stream that blocks.
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

    /// Decrypts what was read, and reads only if that gave nothing.
    pub(super) fn fill(
        &mut self,
        tcp: &mut StampedTcp,
        plain: &mut ReceiveBuffer,
    ) -> io::Result<Received> {
        loop {
            if self.open_records(tcp, plain)? {
                return Ok(Received::Bytes);
            }
            if self.ended {
                return Ok(Received::Ended);
            }
            match tcp.receive(&mut self.sealed)? {
                Received::Bytes => {}
                nothing @ (Received::Nothing | Received::Ended) => return Ok(nothing),
            }
        }
    }

    /// Decrypts records while there is room for another; whether any bytes came of it.
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

    /// Drives the session on by one state.
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
                // What the socket does not take goes before whatever is written next.
                send_some(&mut self.outgoing, &mut self.sent, tcp)?;
                Step::On
            }
            ConnectionState::WriteTraffic(_) => Step::Open,
            ConnectionState::BlockedHandshake => Step::Blocked,
            ConnectionState::PeerClosed | ConnectionState::Closed => Step::Ended,
            // Nothing else is said to a client.
            ConnectionState::ReadEarlyData(_) | _ => {
                return Err(io::ErrorKind::Unsupported.into());
            }
        };
        self.sealed.take(discard);
        self.ended |= step == Step::Ended;
        Ok(step)
    }

    /// Seals `bytes` and sends what the socket takes; the rest waits for the next write or flush.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        tcp: &mut StampedTcp,
        plain: &mut ReceiveBuffer,
    ) -> io::Result<usize> {
        if OUTGOING_MAX < self.outgoing.len() {
            self.flush(tcp)?;
        }
        // Only a session with nothing else to say can be written to; what it says meanwhile is rare.
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

    /// Sends what waits.
    pub(super) fn flush(&mut self, tcp: &mut StampedTcp) -> io::Result<()> {
        send(&mut self.outgoing, &mut self.sent, tcp)
    }
}

/// Appends to `outgoing` what `put` writes into the room that it gets; `put` says how much it wrote,
/// or how much room it needs, or that it cannot.
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
