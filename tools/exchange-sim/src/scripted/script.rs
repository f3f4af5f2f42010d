//! What a script says: how an upgrade is answered, and the steps that follow.

use std::fmt;
use std::sync::Arc;
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
pub(super) type Respond = Arc<dyn Fn(&str) -> Vec<String> + Send + Sync>;

/// What happens on one connection. After its last step it stays open until the client leaves.
#[derive(Clone)]
pub struct Script {
    /// How the request for a WebSocket is answered.
    pub upgrade: Upgrade,
    /// What is done then, in order.
    pub steps: Vec<Step>,
    pub(super) respond: Option<Respond>,
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
