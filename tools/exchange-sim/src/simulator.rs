//! The handle of a running simulator, and how one is started.
//!
//! Owns the one thread. Must not know what happens on it.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Interest, Poll, Token, Waker};

use crate::error::SimError;
use crate::feed::Feed;
use crate::market::Market;
use crate::options::{Options, Speed};
use crate::server::{Server, WAKE};
use crate::shared::Shared;
use crate::stats::{Outcome, Stats, Written};
use crate::tls::Identity;
use crate::venues;

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    venues: Vec<(&'static str, SocketAddr)>,
    certificate_pem: Option<String>,
    shared: Arc<Shared>,
    waker: Waker,
    thread: Option<JoinHandle<Vec<Written>>>,
}

impl Simulator {
    /// Opens the source, binds the venues' addresses and starts the thread that serves them. On
    /// return clients can connect.
    ///
    /// # Errors
    ///
    /// If the options make no sense, the source cannot be read or an address is taken. Nothing
    /// is left running then.
    pub fn start(options: Options) -> Result<Simulator, SimError> {
        check(&options)?;
        let (feed, listed) = Feed::open(&options)?;
        let identity = if options.tls { Some(Identity::make()?) } else { None };
        let poll = Poll::new().map_err(SimError::Io)?;
        let waker = Waker::new(poll.registry(), WAKE).map_err(SimError::Io)?;
        let mut markets = Vec::new();
        for (index, at) in options.venues.iter().enumerate() {
            let venue =
                venues::by_name(&at.name).ok_or_else(|| SimError::Venue(at.name.clone()))?;
            let (listener, address) = listen(&poll, index, at.bind)
                .map_err(|source| SimError::Bind { address: at.bind, source })?;
            let mut market = Market::new(venue, listener, address, &options);
            market.list(&listed, index);
            markets.push(market);
        }
        let venues = markets.iter().map(|it| (it.venue.name(), it.address)).collect();
        let counters = markets.iter().map(|it| it.stats).collect();
        let shared = Arc::new(Shared::new(!options.hold, counters));
        let certificate_pem = identity.as_ref().map(|it| it.certificate_pem.clone());
        let for_thread = Arc::clone(&shared);
        let thread = Builder::new()
            .name("exchange-sim".to_owned())
            .spawn(move || Server::new(poll, options, identity, markets, feed, for_thread).run())
            .map_err(SimError::Io)?;
        Ok(Simulator { venues, certificate_pem, shared, waker, thread: Some(thread) })
    }

    /// The base URL of a venue, without a path: `ws://127.0.0.1:PORT`, or `wss://` with TLS.
    ///
    /// # Panics
    ///
    /// If the venue is not among the options' ones.
    #[must_use]
    pub fn url(&self, venue: &str) -> String {
        let found = self.venues.iter().find(|(name, _)| *name == venue);
        let Some((_, address)) = found else { panic!("{venue} is not simulated") };
        let scheme = if self.certificate_pem.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{address}")
    }

    /// The venues served and their addresses, in the order of the options.
    #[must_use]
    pub fn venues(&self) -> &[(&'static str, SocketAddr)] {
        &self.venues
    }

    /// With TLS, the certificate a client must trust.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// Lets a held source play, as soon as there are the subscriptions it waits for.
    pub fn release(&self) {
        self.shared.release();
        self.wake();
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Whether the source has ended and everything was written to the sockets. Clients may still
    /// have to read it.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.shared.stats().finished
    }

    /// Waits for [`finished`](Self::finished); false when `timeout` came first.
    pub fn wait_finished(&self, timeout: Duration) -> bool {
        self.shared.wait_finished(timeout)
    }

    /// Waits until the counters satisfy `enough`; false when `timeout` came first.
    pub fn wait_until(&self, timeout: Duration, enough: impl Fn(&Stats) -> bool) -> bool {
        self.shared.wait(timeout, enough)
    }

    /// Closes all connections and ends the thread.
    ///
    /// # Panics
    ///
    /// If the simulator's thread has panicked.
    #[must_use]
    pub fn stop(mut self) -> Outcome {
        let written = match self.end() {
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Vec::new(),
        };
        Outcome { stats: self.shared.stats(), written }
    }

    fn end(&mut self) -> Option<std::thread::Result<Vec<Written>>> {
        self.shared.stop();
        self.wake();
        self.thread.take().map(JoinHandle::join)
    }

    fn wake(&self) {
        // The poll also wakes up at its next tick.
        drop(self.waker.wake());
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // A panic of the thread was printed by itself; a drop is no place for another.
        drop(self.end());
    }
}

fn listen(poll: &Poll, index: usize, bind: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let mut listener = TcpListener::bind(bind)?;
    let address = listener.local_addr()?;
    poll.registry().register(&mut listener, Token(1 + index), Interest::READABLE)?;
    Ok((listener, address))
}

fn check(options: &Options) -> Result<(), SimError> {
    if options.venues.is_empty() {
        return Err(SimError::Option("no venue is asked for".to_owned()));
    }
    let mut seen = HashSet::new();
    for at in &options.venues {
        if venues::by_name(&at.name).is_none() {
            return Err(SimError::Venue(at.name.clone()));
        }
        if !seen.insert(at.name.as_str()) {
            return Err(SimError::Option(format!("{} is asked for twice", at.name)));
        }
    }
    for fault in &options.faults {
        if !seen.contains(fault.venue.as_str()) {
            return Err(SimError::Venue(fault.venue.clone()));
        }
    }
    match options.speed {
        Speed::Times(speed) if !(1e-6..=1e6).contains(&speed) => {
            Err(SimError::Option(format!("speed {speed} is not between 0.000001 and 1000000")))
        }
        Speed::Times(_) | Speed::Max => Ok(()),
    }
}
