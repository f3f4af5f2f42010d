//! A server that does exactly what a script says, one script for each connection.
//!
//! Where the simulator is an exchange with faults, a scripted server is whatever a test wants to meet:
//! an upgrade that is refused, answered a byte at a time or never; quotes that stop; a close with a
//! code, or none. The steps of a script wait for events (something that the client sent, or the test's
//! word), never for time. Everything that the clients send is kept in order.
//!
//! ```no_run
//! use exchange_sim::scripted::{Script, Scripted, Step};
//!
//! let server = Scripted::start(|connection| match connection {
//!     0 => Script::refusing(429, &[("Retry-After", "120")], "slow down"),
//!     _ => Script::of([
//!         Step::Received("SUBSCRIBE".into()),
//!         Step::Send(r#"{"u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"1.1","A":"1"}"#.into()),
//!         Step::Close(1001, "going away".into()),
//!     ]),
//! })?;
//! println!("{}/ws", server.url());
//! # Ok::<(), std::io::Error>(())
//! ```

mod conversation;
mod events;
mod script;
mod wire;

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

pub use crate::scripted::events::{Seen, What};
pub use crate::scripted::script::{Script, Step, Upgrade};

use crate::scripted::events::Shared;

/// A running scripted server. Dropping it stops it.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Listens on a free port of 127.0.0.1. `script` returns the script of each connection, by its
    /// number.
    ///
    /// # Errors
    ///
    /// If the system gives no port or no thread.
    pub fn start(script: impl Fn(usize) -> Script + Send + 'static) -> io::Result<Scripted> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let thread = Builder::new()
            .name("scripted".to_owned())
            .spawn(move || accept(&listener, &script, &ours))?;
        Ok(Scripted { address, shared, thread: Some(thread) })
    }

    /// Returns the base URL, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Gives a word, for which steps may wait. It holds for all connections from now on.
    pub fn give(&self, word: &str) {
        self.shared.change(|state| state.words.extend([word.to_owned()]));
    }

    /// Returns what the clients did so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Waits until what the clients did is enough. Returns false if `patience` passes first.
    #[must_use]
    pub fn wait_until(&self, patience: Duration, enough: impl Fn(&[Seen]) -> bool) -> bool {
        self.shared.wait_within(patience, enough)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.is_stopping = true;
            for (_, socket) in &state.sockets {
                // A socket that the client has closed is shut down already.
                drop(socket.shutdown(Shutdown::Both));
            }
        });
        // The listener waits for a connection, so it gets one.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // A drop must not panic again.
            drop(thread.join());
        }
    }
}

/// Accepts connections until the server stops, and joins their threads.
fn accept(listener: &TcpListener, script: &dyn Fn(usize) -> Script, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for (connection, stream) in listener.incoming().enumerate() {
        let (Ok(stream), false) = (stream, shared.lock().is_stopping) else { break };
        let (script, ours) = (script(connection), Arc::clone(shared));
        let thread = Builder::new().name(format!("scripted-{connection}"));
        threads
            .extend(thread.spawn(move || conversation::hold(&stream, connection, &script, &ours)));
    }
    for thread in threads {
        // A thread that panicked has printed why.
        drop(thread.join());
    }
}
