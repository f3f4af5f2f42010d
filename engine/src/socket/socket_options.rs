//! What a feed's sockets ask of the kernel, and what it says to that.
//!
//! Options are asked for once at the start on a socket of nobody, so that a kernel that refuses one
//! is told of once, with what would help; a refusal costs the option and nothing else. It must not
//! know what is read.

use nix::sys::socket::sockopt::Timestamping;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, TimestampingFlag, recvmsg as nix_recvmsg, setsockopt,
};
use socket2::{Domain, SockRef, Socket, Type};
use spreadwire_market::clock::Nanos;
use std::io::{self, IoSliceMut};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};

/// The smallest receive buffer: a record of TLS has room beside the rest of a frame.
pub const RECEIVE_BUFFER_MIN: usize = 32 * 1024;
/// Words of the control message that carries a stamp: a header and three times.
const CONTROL_WORDS: usize = 8;

/// How the sockets of the feeds are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Room of each connection for what was read and not decoded yet, bytes.
    pub receive_buffer_bytes: usize,
    /// `SO_BUSY_POLL`: a read that finds nothing looks at the network card itself, microseconds; 0
    /// asks for nothing.
    pub busy_poll_us: u32,
    /// `SO_TIMESTAMPING`: the kernel's stamp of the youngest bytes comes with each read.
    pub kernel_timestamps: bool,
    /// `TCP_QUICKACK`, again after each turn of reading: what was read is acknowledged at once.
    pub quick_ack: bool,
}

/// An option that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("sockets.{key}: the kernel refuses {option}: {source}; {remedy}")]
pub struct Refused {
    /// Its key in the configuration.
    key: &'static str,
    /// Its name in socket(7) or tcp(7).
    option: &'static str,
    source: io::Error,
    /// What would help.
    remedy: &'static str,
}

impl SocketOptions {
    /// Asks for them on a connected stream; returns what was refused.
    pub fn apply(&self, tcp: &TcpStream) -> Vec<Refused> {
        self.ask(&SockRef::from(tcp), tcp)
    }

    /// What the kernel will refuse, one sentence each, told by a socket of nobody.
    ///
    /// # Errors
    /// If the system has no socket at all.
    pub fn probe(&self) -> io::Result<Vec<Refused>> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        Ok(self.ask(&SockRef::from(&socket), &socket))
    }

    fn ask(&self, socket: &SockRef<'_>, fd: &impl AsFd) -> Vec<Refused> {
        let mut refused = Vec::new();
        let mut note = |key, option, remedy, answer: io::Result<()>| {
            refused.extend(answer.err().map(|source| Refused { key, option, source, remedy }));
        };
        if 0 < self.busy_poll_us {
            let remedy = "raise net.core.busy_read to it, grant CAP_NET_ADMIN, or set 0";
            note("busy_poll_us", "SO_BUSY_POLL", remedy, socket.set_busy_poll(self.busy_poll_us));
        }
        if self.kernel_timestamps {
            let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
                | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
            let answer = setsockopt(fd, Timestamping, &flags).map_err(io::Error::from);
            note("kernel_timestamps", "SO_TIMESTAMPING", "set false", answer);
        }
        if self.quick_ack {
            note("quick_ack", "TCP_QUICKACK", "set false", socket.set_tcp_quickack(true));
        }
        refused
    }
}

/// Acknowledges what was read so far at once; the kernel forgets the wish by itself.
///
/// # Errors
/// As the OS has them.
pub fn acknowledge(tcp: &TcpStream) -> io::Result<()> {
    SockRef::from(tcp).set_tcp_quickack(true)
}

/// Room for the control message of a read.
#[derive(Debug, Default)]
pub struct Control([u64; CONTROL_WORDS]);

/// Reads, and tells the kernel's receive stamp of the youngest segment that the bytes came in, ns
/// since 1970 by `CLOCK_REALTIME`; `None` where there is none.
///
/// # Errors
/// As recvmsg(2).
pub fn receive_stamped(
    tcp: &TcpStream,
    into: &mut [u8],
    control: &mut Control,
) -> io::Result<(usize, Option<Nanos>)> {
    let mut slices = [IoSliceMut::new(into)];
    let control = bytemuck::cast_slice_mut(&mut control.0);
    let read = nix_recvmsg::<()>(tcp.as_raw_fd(), &mut slices, Some(control), MsgFlags::empty())?;
    let stamp = read.cmsgs()?.find_map(|message| {
        let ControlMessageOwned::ScmTimestampsns(stamps) = message else { return None };
        nanos(&stamps.system)
    });
    Ok((read.bytes, stamp))
}

fn nanos(time: &nix::sys::time::TimeSpec) -> Option<Nanos> {
    let seconds = Nanos::try_from(time.tv_sec()).ok().filter(|seconds| 0 < *seconds)?;
    let within = Nanos::try_from(time.tv_nsec()).ok()?;
    Some(seconds * spreadwire_market::clock::SECOND + within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    #[test]
    fn the_defaults_ask_for_nothing_and_a_refusal_is_a_sentence_with_a_remedy() {
        assert!(SocketOptions::default().probe().unwrap().is_empty());
        let refused = Refused {
            key: "busy_poll_us",
            option: "SO_BUSY_POLL",
            source: io::Error::from_raw_os_error(1),
            remedy: "set 0",
        };
        assert_eq!(
            refused.to_string(),
            "sockets.busy_poll_us: the kernel refuses SO_BUSY_POLL: Operation not permitted \
             (os error 1); set 0"
        );
    }

    #[test]
    fn a_read_comes_with_the_kernels_stamp_of_its_youngest_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut peer = listener.accept().unwrap().0;
        let options = SocketOptions { kernel_timestamps: true, ..SocketOptions::default() };
        assert!(options.apply(&client).is_empty());
        let (mut control, mut room, mut stamps) = (Control::default(), [0; 64], Vec::new());
        // The kernel begins to stamp a little after it was asked to.
        for _ in 0..100_000 {
            peer.write_all(b"x").unwrap();
            let (count, stamp) = receive_stamped(&client, &mut room, &mut control).unwrap();
            assert_eq!(&room[..count], b"x");
            stamps.extend(stamp);
            if stamps.len() == 3 {
                break;
            }
        }
        assert_eq!(stamps.len(), 3, "the kernel stamps nothing");
        // After this was written, in ns since 1970.
        assert!(1_700_000_000 * spreadwire_market::clock::SECOND < stamps[0], "{stamps:?}");
        drop(peer);
        assert_eq!(receive_stamped(&client, &mut room, &mut control).unwrap(), (0, None));
    }
}
