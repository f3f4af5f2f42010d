//! Attackers: one thread for each attack, which goes on until it is told to stop.

use crate::attacks::{ATTACKS, Attack, Manner, Opening, upgrade};
use socket2::{Domain, Socket, Type};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long an attacker waits for its socket before it looks whether it has to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Time between two rounds, bytes or connections of an attack. The test's machine has other work too.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes that the kernel keeps for an attacker that does not read.
pub(crate) const SMALL_BUFFER: usize = 4_096;
/// Of what an attacker reads, the first so many bytes are kept, and as many of the last as a close has.
const KEPT_MAX: usize = 64 << 10;
const TAIL_MAX: usize = 127;

/// Everything that the attackers and the test know of each other.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Connections that were made.
    made: AtomicU64,
    /// How often each attack was told what it must be told.
    told: [AtomicU64; ATTACKS.len()],
}

/// All attackers at work. Dropping them stops them.
pub(crate) struct Attackers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Attackers {
    /// Starts every attack on a server.
    pub(crate) fn start(server: SocketAddr) -> Attackers {
        let shared = Arc::new(Shared::default());
        let attacker = |(number, attack): (usize, &'static Attack)| {
            let attacker =
                Attacker { attack, number, server, opened: 0, shared: Arc::clone(&shared) };
            let thread = Builder::new().name(format!("attack-{number}"));
            thread.spawn(move || attacker.run()).unwrap()
        };
        let threads = ATTACKS.iter().enumerate().map(attacker).collect();
        Attackers { shared, threads }
    }

    /// Returns the attacks that have not been told yet what they must be told.
    pub(crate) fn not_told(&self) -> impl Iterator<Item = &'static str> {
        let told = |number: usize| self.shared.told[number].load(Ordering::Relaxed);
        let is_waiting =
            move |(number, attack): &(usize, &Attack)| attack.told.is_some() && told(*number) == 0;
        ATTACKS.iter().enumerate().filter(is_waiting).map(|(_, attack)| attack.name)
    }

    /// Ends all attacks, and returns how many connections they made.
    pub(crate) fn stop(mut self) -> u64 {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        self.shared.made.load(Ordering::Relaxed)
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        // After a failed test, nobody attacks beside the others.
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// One attack at work.
struct Attacker {
    attack: &'static Attack,
    number: usize,
    server: SocketAddr,
    /// Connections that were tried.
    opened: usize,
    shared: Arc<Shared>,
}

impl Attacker {
    fn run(mut self) {
        let mut held = VecDeque::new();
        while !self.is_over() {
            match self.attack.manner {
                Manner::Floods | Manner::Trickles => {
                    let mut sockets: Vec<_> =
                        (0..self.attack.at_once).filter_map(|_| self.open()).collect();
                    sockets.iter_mut().for_each(|socket| self.say(socket));
                    sockets.iter_mut().for_each(|socket| self.hear(socket));
                }
                Manner::Crowds => {
                    held.extend(self.open());
                    if self.attack.at_once < held.len() {
                        held.pop_front();
                    }
                }
                Manner::Holds | Manner::Sips => {
                    if held.len() < self.attack.at_once {
                        held.extend(self.open());
                    }
                    if self.attack.manner == Manner::Sips {
                        held.retain_mut(|socket| !is_end(&socket.read(&mut [0])));
                    }
                }
            }
            std::thread::park_timeout(PAUSE);
        }
    }

    fn is_over(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Opens a connection from one of the attack's addresses. One that is refused is told so.
    fn open(&mut self) -> Option<TcpStream> {
        let from = self.opened % usize::from(self.attack.addresses);
        self.opened += 1;
        let [subnet, host] = [self.number, from].map(|n| u8::try_from(n + 1).unwrap());
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 1, subnet, host), 0)).into()).unwrap();
        if matches!(self.attack.manner, Manner::Holds | Manner::Sips) {
            socket.set_recv_buffer_size(SMALL_BUFFER).unwrap();
        }
        socket.connect(&self.server.into()).unwrap();
        self.shared.made.fetch_add(1, Ordering::Relaxed);
        let mut socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(LOOK)).unwrap();
        socket.set_write_timeout(Some(LOOK)).unwrap();
        match self.attack.opening {
            Opening::Raw => Some(socket),
            Opening::Upgraded => self.upgrade(&mut socket).then_some(socket),
        }
    }

    /// Returns whether the server made it a client.
    fn upgrade(&self, socket: &mut TcpStream) -> bool {
        self.write(socket, upgrade("").as_bytes());
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && !self.is_over() {
            let read = socket.read(&mut byte);
            if is_end(&read) {
                break;
            }
            head.extend(&byte[..read.unwrap_or(0)]);
        }
        self.understand(&head, &[]);
        head.starts_with(b"HTTP/1.1 101")
    }

    fn say(&self, socket: &mut TcpStream) {
        let all = (self.attack.says)();
        if self.attack.manner == Manner::Floods {
            self.write(socket, &all);
            return;
        }
        for byte in all.chunks(1) {
            if self.is_over() || !self.write(socket, byte) {
                break;
            }
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Writes as much as the server takes until it ends the connection; returns whether it has not.
    fn write(&self, socket: &mut TcpStream, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && !self.is_over() {
            let written = socket.write(bytes);
            if is_end(&written) {
                return false;
            }
            bytes = &bytes[written.unwrap_or(0)..];
        }
        true
    }

    /// Reads to the end.
    fn hear(&self, socket: &mut TcpStream) {
        let (mut kept, mut tail) = (Vec::new(), Vec::new());
        let mut chunk = [0; 16 << 10];
        while !self.is_over() {
            let read = socket.read(&mut chunk);
            if is_end(&read) {
                break;
            }
            let bytes = &chunk[..read.unwrap_or(0)];
            kept.extend(&bytes[..bytes.len().min(KEPT_MAX - kept.len())]);
            tail.extend(bytes);
            tail.drain(..tail.len().saturating_sub(TAIL_MAX));
        }
        self.understand(&kept, &tail);
    }

    /// Counts what the attack must be told.
    fn understand(&self, kept: &[u8], tail: &[u8]) {
        let Some(wanted) = self.attack.told else { return };
        let holds = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
        let is_told = match wanted.split_once(' ') {
            Some(("HTTP", status)) => holds(&format!("HTTP/1.1 {status}")),
            Some(("close", code)) => close_code(tail) == Some(code.parse().unwrap()),
            _ => holds(wanted),
        };
        self.shared.told[self.number].fetch_add(u64::from(is_told), Ordering::Relaxed);
    }
}

/// Whether a read or a write says that the connection has ended.
fn is_end(result: &io::Result<usize>) -> bool {
    match result {
        Ok(count) => *count == 0,
        Err(error) => !matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        ),
    }
}

/// Returns the code of the close that bytes end with.
fn close_code(tail: &[u8]) -> Option<u16> {
    let is_close =
        |at: &usize| tail[*at] == 0x88 && *at + 2 + usize::from(tail[at + 1]) == tail.len();
    let at = (0..tail.len().saturating_sub(3)).find(is_close)?;
    Some(u16::from_be_bytes([tail[at + 2], tail[at + 3]]))
}
