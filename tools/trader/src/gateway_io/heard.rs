//! What threads of connections tell the driver.

use super::outbox::Generation;
use spreadwire_gateways::protocol::Line;
use std::sync::mpsc::SyncSender;

/// Something that happened at a transport.
#[derive(Debug)]
pub(crate) enum Event {
    /// A connection is open.
    Opened(Line, Generation),
    /// A text came on it.
    Text(Line, Generation, String),
    /// A text was not sent, not a byte of it.
    NotSent(u64),
    /// A connection is gone, with the reason; without one, this side closed it.
    Lost(Line, Generation, Option<String>),
    /// No connection could be made, with the reason.
    NotOpened(Line, String),
    /// A request was answered: its number, the status, the body.
    Answered(u64, u16, String),
    /// A request got no answer, with the reason.
    Failed(u64, String),
}

/// Tells the driver what happened at one session's transports.
#[derive(Clone)]
pub(crate) struct Teller {
    /// Which session it is about.
    pub(crate) session: usize,
    /// Where the driver reads.
    pub(crate) to: SyncSender<(usize, Event)>,
}

impl Teller {
    /// Tells an event. While the driver is behind, this waits, and so does the venue. `false` if there is
    /// no driver any more.
    pub(crate) fn tell(&self, event: Event) -> bool {
        self.to.send((self.session, event)).is_ok()
    }
}
