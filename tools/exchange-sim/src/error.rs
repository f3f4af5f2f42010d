//! The error of a simulator that could not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::venues;

/// The reason why a simulator could not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The options name a venue that is not known, or not among those served.
    #[error("venue {0:?} is not served; known venues are {known}", known = known_venues())]
    Venue(String),
    /// An option makes no sense.
    #[error("{0}")]
    Option(String),
    /// A parameter of the model makes no sense.
    #[error("model: {0}")]
    Model(String),
    /// The text of a fault was not understood.
    #[error("fault {text:?}: {why}")]
    Fault {
        /// Text of the fault.
        text: String,
        /// What was expected instead.
        why: String,
    },
    /// The text of a change to a list of instruments was not understood.
    #[error("listing {text:?}: {why}")]
    Listing {
        /// Text of the change.
        text: String,
        /// What was expected instead.
        why: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// Address of the venue.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// Path of the file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// A line of a recording was not understood.
    #[error("{path}, line {line}: {why}")]
    Row {
        /// Path of the file.
        path: String,
        /// Number of the line, counted from 1.
        line: u64,
        /// What is wrong with the line.
        why: String,
    },
    /// A tape has no row to play.
    #[error(
        "{path} has no row to play; {unmapped} rows belong to venues that are not mapped to a \
         served venue"
    )]
    Empty {
        /// Path of the file or folder.
        path: String,
        /// Number of rows of venues that are not mapped.
        unmapped: u64,
    },
    /// The self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate")]
    Certificate(#[source] rcgen::Error),
    /// TLS does not accept the certificate.
    #[error("cannot set up TLS with the self-signed certificate")]
    Tls(#[source] rustls::Error),
    /// The system refused a poll, a socket's address or a thread.
    #[error("the system refused a resource that the simulator needs")]
    Io(#[source] io::Error),
}

fn known_venues() -> String {
    venues::known_venue_names().join(", ")
}

impl SimError {
    /// Makes the error for a file that cannot be read.
    pub(crate) fn file(path: &Path, source: io::Error) -> SimError {
        SimError::File { path: path.display().to_string(), source }
    }

    /// Makes the error for a line of a recording. `line` is counted from 1.
    pub(crate) fn row(path: &Path, line: u64, why: &(impl fmt::Display + ?Sized)) -> SimError {
        SimError::Row { path: path.display().to_string(), line, why: why.to_string() }
    }
}
