//! One connection of a scripted server: the upgrade, then the steps on one thread and the reading on
//! another.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::scripted::events::{Seen, Shared, State, What};
use crate::scripted::script::{Script, Step, Upgrade};
use crate::scripted::wire::{self, Frame};

/// The writing end, which the steps and the answers share.
struct Voice<'a> {
    stream: Mutex<&'a TcpStream>,
    is_silent: AtomicBool,
    /// Whether a close was sent.
    has_closed: AtomicBool,
}

impl Voice<'_> {
    /// Sends a frame. Nothing is sent after a close.
    fn say(&self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let is_close = opcode == wire::CLOSE;
        if self.has_closed.fetch_or(is_close, Ordering::AcqRel) {
            return Ok(());
        }
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&wire::frame(opcode, payload))
    }

    fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Acquire)
    }
}

/// Holds the conversation until the client leaves or the server stops.
pub(super) fn hold(stream: &TcpStream, number: usize, script: &Script, shared: &Shared) {
    if let Ok(kept) = stream.try_clone() {
        shared.change(|state| state.sockets.push((number, kept)));
    }
    if shared.lock().is_stopping {
        // Nobody shuts down what was added after the stop.
        return;
    }
    // An error is the end of the connection, which is noted.
    if converse(stream, number, script, shared).is_ok_and(|ending| ending != Ending::Reset) {
        drop(stream.shutdown(Shutdown::Both));
    }
    // A reset is sent when the last handle is closed.
    shared.change(|state| state.sockets.retain(|(other, _)| *other != number));
    if !is_gone(&shared.lock(), number) {
        shared.note(number, What::Gone);
    }
}

/// How a script ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The client may stay.
    Open,
    HungUp,
    Reset,
}

fn converse(
    stream: &TcpStream,
    number: usize,
    script: &Script,
    shared: &Shared,
) -> io::Result<Ending> {
    stream.set_nodelay(true)?;
    let mut reader = stream;
    let head = wire::read_head(&mut reader)?;
    shared.note(number, What::Asked(wire::path_of(&head)));
    if !upgrade(stream, &head, &script.upgrade, shared)? {
        return Ok(Ending::HungUp);
    }
    let voice = Voice {
        stream: Mutex::new(stream),
        is_silent: AtomicBool::new(false),
        has_closed: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let listening = scope.spawn(|| listen(stream, number, script, &voice, shared));
        let left = steps(stream, number, script, &voice, shared);
        let how = match left {
            Ok(Ending::Open) => None,
            // The peer is told nothing yet; only our reading ends.
            Ok(Ending::Reset) => Some(Shutdown::Read),
            Ok(Ending::HungUp) | Err(_) => Some(Shutdown::Both),
        };
        how.into_iter().for_each(|how| drop(stream.shutdown(how)));
        // A thread that panicked has printed why.
        drop(listening.join());
        left
    })
}

/// Answers the request for a WebSocket. Returns whether it is open.
fn upgrade(
    mut stream: &TcpStream,
    head: &str,
    upgrade: &Upgrade,
    shared: &Shared,
) -> io::Result<bool> {
    let accepted = wire::accepted(head);
    match upgrade {
        Upgrade::Accept => stream.write_all(accepted.as_bytes())?,
        Upgrade::AcceptAt(word) => {
            if !shared.wait(|state| state.words.contains(word)) {
                return Ok(false);
            }
            stream.write_all(accepted.as_bytes())?;
        }
        Upgrade::Trickle(pause) => return trickle(stream, accepted.as_bytes(), *pause, shared),
        Upgrade::Refuse { status, headers, body } => {
            stream.write_all(wire::refusal(*status, headers, body).as_bytes())?;
            return Ok(false);
        }
        Upgrade::Ignore => {
            // Whatever else the client sends, the read ends when it leaves.
            while wire::read_some(&mut stream)? {}
            return Ok(false);
        }
        Upgrade::HangUp => return Ok(false),
    }
    Ok(true)
}

fn trickle(
    mut stream: &TcpStream,
    bytes: &[u8],
    pause: Duration,
    shared: &Shared,
) -> io::Result<bool> {
    for byte in bytes {
        if !shared.pause(pause) {
            return Ok(false);
        }
        stream.write_all(&[*byte])?;
    }
    Ok(true)
}

/// Does the steps. An error ends the connection.
fn steps(
    stream: &TcpStream,
    number: usize,
    script: &Script,
    voice: &Voice<'_>,
    shared: &Shared,
) -> io::Result<Ending> {
    let mut heard = 0;
    for step in &script.steps {
        match step {
            Step::Received(text) => heard = wait_for(text, number, heard, shared)?,
            Step::Word(word) => {
                let given = |it: &State| it.words.contains(word) || is_gone(it, number);
                if !shared.wait(given) {
                    return Ok(Ending::HungUp);
                }
            }
            Step::Send(text) => voice.say(wire::TEXT, text.as_bytes())?,
            Step::SendBytes(bytes) => voice.say(wire::BINARY, bytes)?,
            Step::Ping(payload) => voice.say(wire::PING, payload)?,
            Step::FallSilent => voice.is_silent.store(true, Ordering::Release),
            Step::Close(code, reason) => voice.say(wire::CLOSE, &wire::close(*code, reason))?,
            Step::Reset => {
                socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
                return Ok(Ending::Reset);
            }
            Step::HangUp => return Ok(Ending::HungUp),
        }
    }
    Ok(Ending::Open)
}

/// Waits for a text of the client behind the first `heard` events. Returns the number of events up to
/// it.
fn wait_for(text: &str, number: usize, heard: usize, shared: &Shared) -> io::Result<usize> {
    let is_it = |seen: &Seen| {
        let said = matches!(&seen.what, What::Text(said) if said.contains(text));
        seen.connection == number && said
    };
    let place = |seen: &[Seen]| {
        let found = seen.iter().skip(heard).position(is_it);
        found.map(|place| heard + place + 1)
    };
    shared.wait(|state| place(&state.seen).is_some() || is_gone(state, number));
    place(&shared.lock().seen).ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
}

/// Returns whether the client has left.
fn is_gone(state: &State, number: usize) -> bool {
    let gone = Seen { connection: number, what: What::Gone };
    state.seen.contains(&gone)
}

/// Notes what the client sends until it leaves, and answers what a server answers by itself.
fn listen(
    mut stream: &TcpStream,
    number: usize,
    script: &Script,
    voice: &Voice<'_>,
    shared: &Shared,
) {
    while let Ok(Some(Frame { opcode, payload })) = wire::read_frame(&mut stream) {
        let text = || String::from_utf8_lossy(&payload).into_owned();
        let (what, answer) = match opcode {
            wire::TEXT => {
                let texts = script.respond.as_ref().map(|respond| respond(&text()));
                let answers = texts.into_iter().flatten().map(|it| (wire::TEXT, it.into_bytes()));
                (What::Text(text()), answers.collect())
            }
            wire::PING => (What::Ping(payload.clone()), vec![(wire::PONG, payload)]),
            wire::PONG => (What::Pong(payload), Vec::new()),
            wire::CLOSE => (What::Close(wire::close_of(&payload)), vec![(wire::CLOSE, payload)]),
            _ => (What::Bytes(payload), Vec::new()),
        };
        let is_close = matches!(what, What::Close(_));
        shared.note(number, what);
        let spoken = answer.iter().all(|(opcode, payload): &(u8, Vec<u8>)| {
            voice.is_silent() || voice.say(*opcode, payload).is_ok()
        });
        // Both have closed, and the server is the one that ends the connection.
        if !spoken || (is_close && !voice.is_silent()) {
            drop(stream.shutdown(Shutdown::Both));
            break;
        }
    }
    shared.note(number, What::Gone);
}
