//! The channels between a feed and the cold threads: the connector, the log and the capture.
//!
//! A feed never waits for any of them.

use super::misfit::Misfit;
use crate::runtime::frame_ring::FrameSender;
use crate::socket::connector::{Connected, Request};
use crossbeam::channel::{Receiver, Sender};
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::Counter;
use spreadwire_market::instrument::VenueId;
use spreadwire_market::state::{Reason, State};
use spreadwire_venues::venue::Reject;
use std::borrow::Cow;

/// A feed's ends of the channels to the cold side.
#[derive(Debug)]
pub struct ColdSide {
    /// To the connector.
    pub requests: Sender<Request>,
    /// From the connector.
    pub answers: Receiver<Connected>,
    /// To the log; a notice that does not fit is dropped and counted.
    pub notices: Sender<Notice>,
    /// To the capture, where there is one; a frame that does not fit is counted and marked.
    pub frames: Option<FrameSender>,
}

/// Something for the log. A notice is made only when something changes or, for rejected and refused
/// messages, once a second.
#[derive(Debug)]
pub enum Notice {
    /// A connection is up.
    Opened {
        /// The venue.
        venue: VenueId,
        /// Number of the connection among the venue's connections, as in the names of counters.
        connection: usize,
        /// Number of the line, where several carry the same symbols.
        line: usize,
    },
    /// A connection could not be made, or ended.
    Lost {
        /// The venue.
        venue: VenueId,
        /// Number of the connection among the venue's connections, as in the names of counters.
        connection: usize,
        /// Number of the line, where several carry the same symbols.
        line: usize,
        /// Why, in words.
        why: String,
        /// What comes next.
        next: Next,
    },
    /// A frame was rejected; a sample.
    Rejected {
        /// The venue.
        venue: VenueId,
        /// Why.
        reason: Reject,
        /// First bytes of the frame.
        sample: Box<[u8]>,
        /// The whole of it, if a number has more decimals than the configuration gives it.
        misfit: Option<Box<Misfit>>,
    },
    /// The health of an instrument changed so that a person should know, or is well again.
    Health {
        /// The venue.
        venue: VenueId,
        /// Name of the instrument.
        instrument: String,
        /// The state that it is in now.
        state: State,
        /// Why.
        reason: Reason,
    },
    /// The feed's thread was held up, so that quotes waited unread.
    HeldUp {
        /// For how long, ns.
        time: Nanos,
    },
    /// A line is about to be replaced by a new one, which is made first.
    Replacing {
        /// The venue.
        venue: VenueId,
        /// Number of the connection among the venue's connections.
        connection: usize,
        /// Number of the line, where several carry the same symbols.
        line: usize,
        /// Why, in words.
        why: Cow<'static, str>,
        /// When the new line is made, ns from now.
        wait: Nanos,
    },
    /// The venue refused a subscription.
    Refused {
        /// The venue.
        venue: VenueId,
        /// Number of the connection among the venue's connections.
        connection: usize,
        /// Number of the line, where several carry the same symbols.
        line: usize,
        /// What was refused, where that is known: a symbol, told at its first refusal.
        refused: Option<Refused>,
        /// First bytes of the message.
        sample: Box<[u8]>,
    },
    /// A line does not bring an instrument that another line brings, or brings it again.
    Unheard {
        /// The venue.
        venue: VenueId,
        /// Number of the connection among the venue's connections.
        connection: usize,
        /// Number of the line.
        line: usize,
        /// Name of the instrument.
        instrument: String,
        /// Whether it is brought again.
        is_over: bool,
    },
}

/// What is done about a lost line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: another line has taken over.
    Nothing,
    /// An attempt for its successor is under way.
    UnderWay,
    /// The next attempt is made in this time, ns.
    In(Nanos),
}

/// A symbol that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The venue's spelling.
    pub symbol: String,
    /// Name of the instrument.
    pub instrument: String,
    /// When it is asked for again, ns from now.
    pub retry_in: Nanos,
}

/// Sends a notice to the log, or counts it if the channel is full.
pub(super) fn notify(notices: &Sender<Notice>, notice: Notice, dropped: &Counter) {
    if notices.try_send(notice).is_err() {
        dropped.add(1);
    }
}
