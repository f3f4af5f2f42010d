//! Looks up names on threads that can be abandoned.
//!
//! `getaddrinfo` takes no deadline: with a resolver that does not answer it may hang for minutes. So
//! each lookup has a thread of its own, and an attempt waits for it only as long as it may. The thread
//! of an abandoned lookup ends when the call returns. Their number is bounded: while too many hang, no
//! further lookup is begun. An IP address needs no lookup.

use crossbeam::channel::{self, RecvTimeoutError};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Maximum number of abandoned lookups. Each keeps a thread, and a resolver that answers none of so
/// many will not answer the next one.
pub const ABANDONED_MAX: usize = 16;
/// Stack of a lookup's thread, bytes. glibc's resolver needs less than 100 KiB.
pub const STACK: usize = 512 << 10;

/// Returns the addresses of a host, blocking.
type Resolve = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The lookups of all connectors of a process.
#[derive(Clone)]
pub struct Lookups {
    resolve: Arc<Resolve>,
    /// Number of lookups that nobody waits for any more and that have not returned.
    abandoned: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Lookups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookups").field("abandoned", &self.abandoned).finish_non_exhaustive()
    }
}

/// Why there is no address.
#[derive(Debug)]
pub(super) enum NotFound {
    /// The resolver says so.
    Failed(io::Error),
    /// The lookup took too long and was abandoned.
    Late,
    /// This many abandoned lookups have not returned.
    Hanging(usize),
}

impl Lookups {
    /// Looks names up by the system's resolver.
    #[must_use]
    pub fn of_system() -> Lookups {
        Lookups::by(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    /// Looks names up by `resolve`, which may block.
    pub(super) fn by(
        resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Lookups {
        Lookups { resolve: Arc::new(resolve), abandoned: Arc::default() }
    }

    /// Returns the addresses of `host`, waiting at most `patience` for them.
    pub(super) fn look_up(
        &self,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Vec<SocketAddr>, NotFound> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let hanging = self.abandoned.load(Ordering::Relaxed);
        if ABANDONED_MAX <= hanging {
            return Err(NotFound::Hanging(hanging));
        }
        let (answer, answers) = channel::bounded(1);
        let over = Arc::new(AtomicBool::new(false));
        let lookup = Lookup { lookups: self.clone(), host: host.to_owned(), port };
        let returned = Arc::clone(&over);
        let work = move || {
            drop(answer.send((lookup.lookups.resolve)(&lookup.host, lookup.port)));
            if returned.swap(true, Ordering::Relaxed) {
                lookup.lookups.abandoned.fetch_sub(1, Ordering::Relaxed);
            }
        };
        let thread = std::thread::Builder::new().name("lookup".to_owned()).stack_size(STACK);
        thread.spawn(work).map_err(NotFound::Failed)?;
        match answers.recv_timeout(patience) {
            Ok(addresses) => addresses.map_err(NotFound::Failed),
            Err(RecvTimeoutError::Timeout) => {
                self.abandon(&over);
                Err(NotFound::Late)
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(NotFound::Failed(io::Error::other("the lookup panicked")))
            }
        }
    }

    /// Counts a lookup as abandoned unless it has just returned. Whoever marks it as over second knows
    /// that the other came first, so it is counted as long as it runs.
    fn abandon(&self, over: &AtomicBool) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        if over.swap(true, Ordering::Relaxed) {
            self.abandoned.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What a lookup's thread needs.
struct Lookup {
    lookups: Lookups,
    host: String,
    port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::Sender;

    /// Number of times that a test looks for a thread to have ended.
    const PATIENCE: usize = 10_000_000;

    /// Lookups that hang until the sender is used or dropped.
    fn hanging() -> (Lookups, Sender<()>) {
        let (release, released) = channel::unbounded::<()>();
        let lookups = Lookups::by(move |_, port| {
            released.recv().unwrap_or(());
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        });
        (lookups, release)
    }

    fn late(lookups: &Lookups) -> bool {
        matches!(lookups.look_up("name", 1, Duration::ZERO), Err(NotFound::Late))
    }

    #[test]
    fn a_name_has_the_addresses_that_the_resolver_says_and_an_address_needs_none() {
        let lookups = Lookups::by(|host, port| match host {
            "name" => Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))]),
            other => Err(io::Error::other(format!("no {other}"))),
        });
        let patience = Duration::from_secs(60);
        let found = lookups.look_up("name", 443, patience).unwrap();
        assert_eq!(found, ["192.0.2.1:443".parse().unwrap()]);
        assert_eq!(lookups.look_up("::1", 9, patience).unwrap(), ["[::1]:9".parse().unwrap()]);
        let failed = lookups.look_up("other", 9, patience);
        assert!(matches!(failed, Err(NotFound::Failed(e)) if e.to_string() == "no other"));
    }

    #[test]
    fn a_lookup_that_hangs_is_abandoned_and_only_so_many_hang_at_once() {
        let (lookups, release) = hanging();
        for _ in 0..ABANDONED_MAX {
            assert!(late(&lookups));
        }
        let refused = lookups.look_up("name", 1, Duration::ZERO);
        assert!(matches!(refused, Err(NotFound::Hanging(ABANDONED_MAX))), "{refused:?}");
        assert!(lookups.look_up("127.0.0.1", 1, Duration::ZERO).is_ok(), "it needs no lookup");
        // Each that returns makes room for one.
        release.send(()).unwrap();
        let is_free = || lookups.abandoned.load(Ordering::Relaxed) == ABANDONED_MAX - 1;
        assert!((0..PATIENCE).any(|_| is_free()), "{lookups:?}");
        assert!(late(&lookups));
        drop(release);
        let is_free = || lookups.abandoned.load(Ordering::Relaxed) == 0;
        assert!((0..PATIENCE).any(|_| is_free()), "{lookups:?}");
    }
}
