//! The handle of a running simulator, which starts and stops its thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use mio::{Poll, Waker};

use crate::error::SimError;
use crate::feed::{Feed, Listed};
use crate::market::Market;
use crate::options::{Options, VenueAt};
use crate::server::{Listeners, Server, WAKE};
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
    /// Opens the source, binds the addresses of the venues and starts the thread that serves them.
    /// Clients can connect as soon as this returns.
    ///
    /// # Errors
    ///
    /// If the options make no sense, the source cannot be read, or an address cannot be bound.
    /// Nothing is left running then.
    pub fn start(options: Options) -> Result<Simulator, SimError> {
        options.check()?;
        let (feed, listed) = Feed::open(&options)?;
        let identity = if options.tls { Some(Identity::make()?) } else { None };
        let poll = Poll::new().map_err(SimError::Io)?;
        let waker = Waker::new(poll.registry(), WAKE).map_err(SimError::Io)?;
        let tls = identity.as_ref().map(|identity| Arc::clone(&identity.config));
        let listeners = Listeners::bind(&options.venues, tls, poll.registry())?;
        let addresses = listeners.addresses().map_err(SimError::Io)?;
        let markets = markets(&options, &listed)?;
        let venues = markets.iter().map(|market| market.venue.name()).zip(addresses).collect();
        let counters = markets.iter().map(|market| market.stats).collect();
        let shared = Arc::new(Shared::new(!options.hold, counters));
        let certificate_pem = identity.map(|identity| identity.certificate_pem);
        let for_thread = Arc::clone(&shared);
        let thread = Builder::new()
            .name("exchange-sim".to_owned())
            .spawn(move || Server::new(poll, listeners, markets, feed, &options, for_thread).run())
            .map_err(SimError::Io)?;
        Ok(Simulator { venues, certificate_pem, shared, waker, thread: Some(thread) })
    }

    /// Returns the base URL of a venue, without a path: `ws://127.0.0.1:PORT`, or `wss://` with
    /// TLS.
    ///
    /// # Panics
    ///
    /// If the options do not name the venue.
    #[must_use]
    pub fn url(&self, venue: &str) -> String {
        let found = self.venues.iter().find(|(name, _)| *name == venue);
        let Some((_, address)) = found else { panic!("venue {venue} is not served") };
        let scheme = if self.certificate_pem.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{address}")
    }

    /// Returns the venues served and their addresses, in the order of the options.
    #[must_use]
    pub fn venues(&self) -> &[(&'static str, SocketAddr)] {
        &self.venues
    }

    /// Returns the certificate that clients must trust, if the simulator serves TLS.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// Releases a source that [`Options::hold`] holds. It begins to play as soon as
    /// [`Options::wait_for_subscriptions`] is reached.
    pub fn release(&self) {
        self.shared.release();
        self.wake();
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Returns whether the source has ended and everything was written to the sockets. Clients may
    /// not have read all of it yet.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.shared.stats().finished
    }

    /// Waits until [`finished`](Self::finished) is true. Returns false if `timeout` passes first.
    pub fn wait_finished(&self, timeout: Duration) -> bool {
        self.shared.wait_finished(timeout)
    }

    /// Waits until the counters satisfy `enough`. Returns false if `timeout` passes first.
    pub fn wait_until(&self, timeout: Duration, enough: impl Fn(&Stats) -> bool) -> bool {
        self.shared.wait(timeout, enough)
    }

    /// Closes all connections, ends the thread and returns the counters and the quotes written.
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
        // If this fails, the poll wakes up at its next tick.
        drop(self.waker.wake());
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // If the thread has panicked, it has printed why. A drop must not panic again.
        drop(self.end());
    }
}

/// Returns the market of each venue, with the instruments that the source lists there.
fn markets(options: &Options, listed: &[Listed]) -> Result<Vec<Market>, SimError> {
    let market = |(index, at): (usize, &VenueAt)| {
        let venue = venues::by_name(&at.name).ok_or_else(|| SimError::Venue(at.name.clone()))?;
        let mut market = Market::new(venue, options);
        market.list(listed, index)?;
        if let Some(orders) = &options.orders {
            market.take_orders(orders);
        }
        Ok(market)
    };
    options.venues.iter().enumerate().map(market).collect()
}
