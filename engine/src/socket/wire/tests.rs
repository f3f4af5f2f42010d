//! A stream over TLS with a server session whose reads and writes the test decides.

use super::*;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use socket2::SockRef;
use spreadwire_market::clock::SECOND;
use std::net::TcpListener;

/// Number of steps after which a test gives up waiting for loopback.
const PATIENCE: usize = 1_000_000;
/// Size of each receive buffer: one TLS record and as much again.
const BUFFER: usize = 32 << 10;
/// Size of each write.
const PIECE: usize = 16 << 10;
/// Size that both sockets' buffers are asked for. The kernel makes more of it.
const SOCKET_BUFFER: usize = 16 << 10;

/// Both ends of a connection, after the handshake.
struct Tunnel {
    wire: Wire,
    session: ServerConnection,
    tcp: TcpStream,
}

impl Tunnel {
    fn new() -> Tunnel {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&listener).set_recv_buffer_size(SOCKET_BUFFER).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        SockRef::from(&stream).set_send_buffer_size(SOCKET_BUFFER).unwrap();
        let mut tcp = listener.accept().unwrap().0;
        let mut session = ServerConnection::new(Arc::new(server)).unwrap();
        let options = SocketOptions { receive_buffer_bytes: BUFFER, ..SocketOptions::default() };
        let mut wire = Wire::new(stream, Clock::manual(SECOND), &options);
        std::thread::scope(|scope| {
            scope.spawn(|| session.complete_io(&mut tcp).unwrap());
            let name = ServerName::try_from("127.0.0.1").unwrap();
            wire.secure(&Arc::new(client), name).unwrap();
        });
        wire.set_nonblocking().unwrap();
        tcp.set_nonblocking(true).unwrap();
        Tunnel { wire, session, tcp }
    }

    /// Lets the server read what has arrived, and appends the plain bytes to `read`.
    fn server_reads(&mut self, read: &mut Vec<u8>) {
        match self.session.read_tls(&mut self.tcp) {
            Ok(_) => drop(self.session.process_new_packets().unwrap()),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        let plain = self.session.process_new_packets().unwrap().plaintext_bytes_to_read();
        let before = read.len();
        read.resize(before + plain, 0);
        self.session.reader().read_exact(&mut read[before..]).unwrap();
    }

    /// Sends what the server's session has to send, as much as the socket takes.
    fn server_sends(&mut self) {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.tcp) {
                Ok(_) => {}
                Err(error) => return assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    /// Writes pieces of a pattern until the stream refuses one; returns what it accepted.
    fn write_until_refused(&mut self, pieces_max: usize) -> (Vec<u8>, Option<io::Error>) {
        let mut accepted = Vec::new();
        for _ in 0..pieces_max {
            let piece = pattern(accepted.len(), PIECE);
            match self.wire.write(&piece) {
                Ok(count) => accepted.extend(&piece[..count]),
                Err(error) => return (accepted, Some(error)),
            }
        }
        (accepted, None)
    }

    /// Lets the client send the rest while the server reads, until `count` bytes have arrived.
    fn flush_until_read(&mut self, count: usize) -> Vec<u8> {
        let mut read = Vec::new();
        for _ in 0..PATIENCE {
            match self.wire.flush() {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            self.server_reads(&mut read);
            if read.len() == count {
                return read;
            }
        }
        panic!("{} of {count} bytes arrived", read.len());
    }
}

/// Returns bytes that no other place of the stream is likely to have.
fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect()
}

#[test]
fn what_the_socket_did_not_take_follows_later_and_nothing_is_lost() {
    let mut tunnel = Tunnel::new();
    let mut accepted = 0;
    for _ in 0..PATIENCE {
        accepted += tunnel.wire.write(&pattern(accepted, PIECE)).unwrap();
        if tunnel.wire.is_write_blocked() {
            break;
        }
    }
    assert!(tunnel.wire.is_write_blocked());
    assert!(tunnel.flush_until_read(accepted) == pattern(0, accepted));
    assert!(!tunnel.wire.is_write_blocked());
    assert_eq!(tunnel.wire.write(b"more").unwrap(), 4);
    assert_eq!(tunnel.flush_until_read(4), b"more");
}

#[test]
fn writes_to_a_blocked_socket_wait_up_to_a_bound_and_are_refused_beyond() {
    let mut tunnel = Tunnel::new();
    // Far more than the bound of 1 MiB and both sockets' buffers hold.
    let (accepted, refused) = tunnel.write_until_refused(64 << 20 >> 14);
    assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    assert!(1 << 20 <= accepted.len() && accepted.len() < 8 << 20, "{}", accepted.len());
    assert!(tunnel.flush_until_read(accepted.len()) == accepted);
    // There is room again.
    let (accepted, refused) = tunnel.write_until_refused(1);
    assert!(refused.is_none());
    assert!(tunnel.flush_until_read(accepted.len()) == accepted);
}

#[test]
fn records_are_opened_only_while_there_is_room_for_one() {
    let mut tunnel = Tunnel::new();
    let sent = pattern(0, 20 * BUFFER);
    let (mut queued, mut read) = (0, Vec::<u8>::new());
    let frame_max = tunnel.wire.frame_max();
    for _ in 0..PATIENCE {
        // Records of many sizes, so that every rest of room occurs.
        if queued < sent.len() && !tunnel.session.wants_write() {
            let count = (1 + read.len() % PIECE).min(sent.len() - queued);
            tunnel.session.writer().write_all(&sent[queued..queued + count]).unwrap();
            queued += count;
        }
        tunnel.server_sends();
        tunnel.wire.rearm(false);
        if tunnel.wire.waiting().len() < frame_max {
            tunnel.wire.fill().unwrap();
        }
        let count = tunnel.wire.waiting().len();
        // Bytes wait until there are many, as those of an incomplete frame do.
        if frame_max <= count || read.len() + count == sent.len() {
            read.extend(Wire::take(&mut tunnel.wire, 1 + count / 2));
        }
        assert_eq!(tunnel.wire.frame_max(), frame_max, "the buffer has grown");
        if read.len() == sent.len() {
            break;
        }
    }
    assert!(read == sent, "{} of {} bytes", read.len(), sent.len());
}

#[test]
fn an_announced_end_is_noticed_although_the_socket_stays_open() {
    let mut tunnel = Tunnel::new();
    tunnel.session.writer().write_all(b"last").unwrap();
    tunnel.session.send_close_notify();
    tunnel.server_sends();
    let mut ended = false;
    for _ in 0..PATIENCE {
        tunnel.wire.rearm(false);
        ended = tunnel.wire.fill().unwrap() == Received::Ended;
        if ended {
            break;
        }
    }
    assert!(ended, "the peer has said that it sends no more");
    assert_eq!(tunnel.wire.waiting(), b"last");
    assert_eq!(tunnel.wire.fill().unwrap(), Received::Ended, "it stays ended");
}

#[test]
fn a_changed_byte_is_an_error_and_no_data() {
    let mut tunnel = Tunnel::new();
    tunnel.session.writer().write_all(b"quote").unwrap();
    let mut record = Vec::new();
    while tunnel.session.wants_write() {
        tunnel.session.write_tls(&mut record).unwrap();
    }
    *record.last_mut().unwrap() ^= 1;
    tunnel.tcp.write_all(&record).unwrap();
    for _ in 0..PATIENCE {
        tunnel.wire.rearm(false);
        match tunnel.wire.fill() {
            Ok(_) => assert_eq!(tunnel.wire.waiting(), b""),
            Err(error) => return assert_eq!(error.kind(), io::ErrorKind::InvalidData),
        }
    }
    panic!("the record was never read");
}
