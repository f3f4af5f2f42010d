//! The yardstick: a thread that reads from one socket, writes to another, and does nothing else.
//!
//! For each complete incoming frame it sends bytes of the length of an engine's answer. All frames
//! of one read are answered with one write. The time that the engine needs beyond this is its own.

use super::load::Sockets;
use anyhow::Context;
use core_affinity::CoreId;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// Maximum size of one read, as in the engine.
const READ_BYTES: usize = 4096;

/// Lengths of a frame and of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    pub(crate) frame: usize,
    pub(crate) answer: usize,
}

/// Starts a relay on a core. It ends with its input.
pub(crate) fn start(
    lengths: Lengths,
    cpu: usize,
) -> anyhow::Result<(Sockets, JoinHandle<io::Result<()>>)> {
    let (feed, input) = pair()?;
    let (output, answers) = pair()?;
    input.set_nonblocking(true)?;
    output.set_nonblocking(true)?;
    let relay = std::thread::Builder::new()
        .name("relay".to_owned())
        .spawn(move || relay(input, output, lengths, cpu))?;
    Ok((Sockets { feed, answers }, relay))
}

/// Returns two connected sockets.
fn pair() -> anyhow::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port for the relay")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    Ok((near, far))
}

fn relay(
    mut input: TcpStream,
    mut output: TcpStream,
    lengths: Lengths,
    cpu: usize,
) -> io::Result<()> {
    if !core_affinity::set_for_current(CoreId { id: cpu }) {
        return Err(io::Error::other(format!("cannot pin to CPU {cpu}")));
    }
    let mut buffer = [0; READ_BYTES];
    let answers = vec![b'x'; (READ_BYTES / lengths.frame + 2) * lengths.answer];
    // Number of bytes of an incomplete frame.
    let mut begun = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                begun += count;
                let frames = begun / lengths.frame;
                begun %= lengths.frame;
                write(&mut output, &answers[..frames * lengths.answer])?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
}

fn write(output: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
