//! Why a simulator could not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::venues;

/// Why a simulator could not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A venue that is not known or not among those served.
    #[error("{0} is not a venue served here; the simulator has {known}", known = venues::venue_names().join(", "))]
    Venue(String),
    /// An option that makes no sense.
    #[error("{0}")]
    Option(String),
    /// A parameter of the model that makes no sense.
    #[error("model: {0}")]
    Model(String),
    /// A fault's text form that was not understood.
    #[error("fault {text:?}: {why}")]
    Fault {
        /// The text.
        text: String,
        /// What was expected.
        why: String,
    },
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A file that cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a recording that was not understood.
    #[error("{path}, line {line}: {why}")]
    Row {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: u64,
        /// What was expected.
        why: String,
    },
    /// A tape with no row to play.
    #[error("{path} has no row to play; {unmapped} rows are of venues not mapped to a served one")]
    Empty {
        /// The file or folder.
        path: String,
        /// Rows of venues that are not mapped.
        unmapped: u64,
    },
    /// The self-made certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// TLS does not take the certificate.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// The system refused a poll or a thread.
    #[error("cannot start")]
    Io(#[source] io::Error),
}

impl SimError {
    /// A file that cannot be read.
    pub(crate) fn file(path: &Path, source: io::Error) -> SimError {
        SimError::File { path: path.display().to_string(), source }
    }

    /// A line of a recording that was not understood; `line` counts from 1.
    pub(crate) fn row(path: &Path, line: u64, why: &(impl fmt::Display + ?Sized)) -> SimError {
        SimError::Row { path: path.display().to_string(), line, why: why.to_string() }
    }
}
