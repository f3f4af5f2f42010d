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
mod wire;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How the request for a WebSocket is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgrade {
    /// At once.
    Accept,
    /// When the test gives this word.
    AcceptAt(String),
    /// A byte of the answer at a time, with this time in between.
    Trickle(Duration),
    /// By this HTTP status instead, with headers and a body.
    Refuse {
        /// The status.
        status: u16,
        /// Names and values of headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Never. The connection stays open.
    Ignore,
    /// By the end of the connection.
    HangUp,
}

/// One step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Wait until the client has sent a text that contains this, after what earlier steps waited for.
    Received(String),
    /// Wait until the test gives this word.
    Word(String),
    /// Send a text message.
    Send(String),
    /// Send a binary message.
    SendBytes(Vec<u8>),
    /// Send a ping with this payload.
    Ping(Vec<u8>),
    /// From here on answer nothing: neither pings, nor requests, nor a close.
    FallSilent,
    /// Send a close with a code and a reason.
    Close(u16, String),
    /// End the connection by a TCP reset.
    Reset,
    /// End the connection without a close.
    HangUp,
}

/// Answers to a text that the client sent.
type Respond = Arc<dyn Fn(&str) -> Vec<String> + Send + Sync>;

/// What happens on one connection. After its last step it stays open until the client leaves.
#[derive(Clone)]
pub struct Script {
    /// How the request for a WebSocket is answered.
    pub upgrade: Upgrade,
    /// What is done then, in order.
    pub steps: Vec<Step>,
    respond: Option<Respond>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Script { upgrade, steps, .. } = self;
        f.debug_struct("Script").field("upgrade", upgrade).field("steps", steps).finish()
    }
}

impl Script {
    /// Returns a script that accepts the WebSocket and does these steps.
    #[must_use]
    pub fn of(steps: impl IntoIterator<Item = Step>) -> Script {
        let steps = steps.into_iter().collect();
        Script { upgrade: Upgrade::Accept, steps, respond: None }
    }

    /// Returns a script that refuses the WebSocket with an HTTP status.
    #[must_use]
    pub fn refusing(status: u16, headers: &[(&str, &str)], body: &str) -> Script {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(owned).collect();
        Script::of([]).upgrading(Upgrade::Refuse { status, headers, body: body.to_owned() })
    }

    /// Answers the request for a WebSocket in another way.
    #[must_use]
    pub fn upgrading(self, upgrade: Upgrade) -> Script {
        Script { upgrade, ..self }
    }

    /// Answers each text that the client sends, besides the steps.
    #[must_use]
    pub fn answering(
        self,
        respond: impl Fn(&str) -> Vec<String> + Send + Sync + 'static,
    ) -> Script {
        Script { respond: Some(Arc::new(respond)), ..self }
    }
}

/// Something that a client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Number of the connection, from 0 on.
    pub connection: usize,
    /// What the client did.
    pub what: What,
}

/// What a client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It asked for a WebSocket at this path and query.
    Asked(String),
    /// It sent a text.
    Text(String),
    /// It sent a binary message.
    Bytes(Vec<u8>),
    /// It sent a ping.
    Ping(Vec<u8>),
    /// It sent a pong.
    Pong(Vec<u8>),
    /// It sent a close, perhaps with a code and a reason.
    Close(Option<(u16, String)>),
    /// It is gone, or was sent away.
    Gone,
}

/// State that the connections and the test share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Seen>,
    words: BTreeSet<String>,
    is_stopping: bool,
    /// Sockets that are to be shut down at the end, by connection.
    sockets: Vec<(usize, TcpStream)>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, act: impl FnOnce(&mut State)) {
        act(&mut self.lock());
        self.changed.notify_all();
    }

    fn note(&self, connection: usize, what: What) {
        self.change(|state| state.seen.push(Seen { connection, what }));
    }

    /// Waits until `enough`, or until the server stops. Returns whether it is enough.
    fn wait(&self, enough: impl Fn(&State) -> bool) -> bool {
        let waits = |state: &mut State| !state.is_stopping && !enough(state);
        let state = self.changed.wait_while(self.lock(), waits);
        enough(&state.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for this time. Returns false if the server stops first.
    fn pause(&self, time: Duration) -> bool {
        let waits = |state: &mut State| !state.is_stopping;
        let waited = self.changed.wait_timeout_while(self.lock(), time, waits);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

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
        let shared = &self.shared;
        let waits = |state: &mut State| !enough(&state.seen);
        let waited = shared.changed.wait_timeout_while(shared.lock(), patience, waits);
        enough(&waited.unwrap_or_else(PoisonError::into_inner).0.seen)
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
