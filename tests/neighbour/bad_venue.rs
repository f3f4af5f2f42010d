//! Venues that accept the engine and send it everything but quotes.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long a venue waits for its socket before it looks whether it has to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Time between two bytes that are trickled.
const PAUSE: Duration = Duration::from_millis(5);

/// What a venue sends next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// These bytes so many times, as fast as they are taken.
    Flood(&'static [u8], usize),
    /// A text of so many spaces.
    Long(u32),
    /// These bytes, one at a time.
    Trickle(&'static [u8]),
    /// The same as a flood, until the test is over.
    Forever(&'static [u8]),
}

const PINGS: &[u8] = b"\x89\x00";
/// A message of four fragments, two of them empty, between pings. It is no JSON.
const FRAGMENTS: &[u8] = b"\x01\x02{}\x89\x01!\x00\x00\x8A\x00\x00\x00\x80\x01]";

/// Pings, long messages, a trickled frame, and a message in empty fragments that never ends. The engine hangs up, comes
/// back, and gets the same.
pub(crate) const CUT_OFF: &[Step] = &[
    Step::Flood(PINGS, 20_000),
    Step::Long(300 << 10),
    Step::Long(300 << 10),
    Step::Trickle(b"\x81\x7E\x00\xFF {\"half\": \"a message\""),
    Step::Flood(b" ", 255 - 21),
    Step::Flood(b"\x01\x00", 1),
    Step::Forever(b"\x00\x00"),
];
/// Pings and fragmented messages for ever, each of which is within all bounds.
pub(crate) const WITHOUT_END: &[Step] = &[Step::Flood(PINGS, 20_000), Step::Forever(FRAGMENTS)];

/// A venue, which begins when it is told to. Dropping it stops it.
pub(crate) struct BadVenue {
    address: SocketAddr,
    begun: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BadVenue {
    pub(crate) fn start(steps: &'static [Step]) -> BadVenue {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let [begun, stop] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (may_begin, must_stop) = (Arc::clone(&begun), Arc::clone(&stop));
        let thread = Builder::new().name("bad-venue".to_owned());
        let serving = move || {
            for stream in listener.incoming() {
                while !may_begin.load(Ordering::Relaxed) && !must_stop.load(Ordering::Relaxed) {
                    std::thread::park_timeout(PAUSE);
                }
                if must_stop.load(Ordering::Relaxed) {
                    break;
                }
                // The engine hangs up when it has had enough.
                drop(stream.and_then(|stream| serve(stream, steps, &must_stop)));
            }
        };
        let thread = Some(thread.spawn(serving).unwrap());
        BadVenue { address, begun, stop, thread }
    }

    /// Returns the base URL.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Answers the engine from now on.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }
}

impl Drop for BadVenue {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The listener waits for a connection, so it gets one.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // A drop must not panic again.
            drop(thread.join());
        }
    }
}

/// Upgrades a connection and takes the steps. Nothing that the engine says is read.
fn serve(stream: TcpStream, steps: &[Step], stop: &AtomicBool) -> io::Result<()> {
    let mut socket = tungstenite::accept(stream).map_err(io::Error::other)?;
    let socket = socket.get_mut();
    socket.set_write_timeout(Some(LOOK))?;
    for step in steps {
        match *step {
            Step::Flood(bytes, times) => write(socket, &bytes.repeat(times), stop)?,
            Step::Long(length) => {
                let header = [&[0x81, 127, 0, 0, 0, 0][..], &length.to_be_bytes()].concat();
                write(socket, &[header, vec![b' '; length as usize]].concat(), stop)?;
            }
            Step::Trickle(bytes) => {
                for byte in bytes.chunks(1) {
                    write(socket, byte, stop)?;
                    std::thread::park_timeout(PAUSE);
                }
            }
            Step::Forever(bytes) => {
                let many = bytes.repeat(1_000);
                while !stop.load(Ordering::Relaxed) {
                    write(socket, &many, stop)?;
                }
            }
        }
    }
    Ok(())
}

fn write(socket: &mut TcpStream, mut bytes: &[u8], stop: &AtomicBool) -> io::Result<()> {
    while !bytes.is_empty() && !stop.load(Ordering::Relaxed) {
        match socket.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
