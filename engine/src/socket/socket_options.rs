//! Socket options for the feeds, and the kernel's answer to them.
//!
//! At startup the options are tried once on a throwaway socket. If the kernel refuses one, that is
//! reported once, with a remedy. A refused option is skipped; everything else works as before.

use nix::sys::socket::sockopt::Timestamping;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, TimestampingFlag, recvmsg as nix_recvmsg, setsockopt,
};
use socket2::{Domain, SockRef, Socket, Type};
use spreadwire_market::clock::Nanos;
use std::io::{self, IoSliceMut};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};

/// Minimum receive buffer: space for one TLS record beside the rest of a frame.
pub const RECEIVE_BUFFER_MIN: usize = 32 * 1024;
/// Size of the control message with a timestamp, in words: a header and three times.
const CONTROL_WORDS: usize = 8;

/// Socket options of the feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Size of each connection's buffer for bytes that were read but not yet decoded.
    pub receive_buffer_bytes: usize,
    /// `SO_BUSY_POLL`, microseconds: a read that finds nothing polls the network card itself. 0
    /// does not set it.
    pub busy_poll_us: u32,
    /// `SO_TIMESTAMPING`: each read returns the kernel's timestamp of the youngest bytes.
    pub kernel_timestamps: bool,
    /// `TCP_QUICKACK`, set again after each read cycle, so that received data is acknowledged at
    /// once.
    pub quick_ack: bool,
}

/// An option that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("sockets.{key}: the kernel refuses {option}: {source}; {remedy}")]
pub struct Refused {
    /// Key in the configuration.
    key: &'static str,
    /// Name of the option in socket(7) or tcp(7).
    option: &'static str,
    source: io::Error,
    /// What the user can do about it.
    remedy: &'static str,
}

impl SocketOptions {
    /// Applies the options to a connected stream and returns those that were refused.
    pub fn apply(&self, tcp: &TcpStream) -> Vec<Refused> {
        self.ask(&SockRef::from(tcp), tcp)
    }

    /// Tries the options on a throwaway socket and returns those that the kernel refuses.
    ///
    /// # Errors
    /// If the system cannot create a socket.
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
            let remedy = "raise net.core.busy_read to this value, grant CAP_NET_ADMIN, or set 0";
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

/// Acknowledges received data at once. The kernel resets the option by itself.
///
/// # Errors
/// The operating system's error.
pub fn acknowledge(tcp: &TcpStream) -> io::Result<()> {
    SockRef::from(tcp).set_tcp_quickack(true)
}

/// Buffer for the control message of a read.
#[derive(Debug, Default)]
pub struct Control([u64; CONTROL_WORDS]);

/// Reads, and returns the kernel's receive timestamp of the youngest segment among the bytes, ns
/// since 1970 by `CLOCK_REALTIME`; `None` if there is none.
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
        // The kernel starts timestamping shortly after the option is set.
        for _ in 0..100_000 {
            peer.write_all(b"x").unwrap();
            let (count, stamp) = receive_stamped(&client, &mut room, &mut control).unwrap();
            assert_eq!(&room[..count], b"x");
            stamps.extend(stamp);
            if stamps.len() == 3 {
                break;
            }
        }
        assert_eq!(stamps.len(), 3, "the kernel returned no timestamps");
        // A timestamp must be later than the writing of this test, in ns since 1970.
        assert!(1_700_000_000 * spreadwire_market::clock::SECOND < stamps[0], "{stamps:?}");
        drop(peer);
        assert_eq!(receive_stamped(&client, &mut room, &mut control).unwrap(), (0, None));
    }
}
