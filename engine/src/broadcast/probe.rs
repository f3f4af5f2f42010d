//! What reads strangers' bytes, for the fuzz targets in `fuzz/`. The engine does not call this.

use super::directory::Directory;
use super::reception::access::Access;
use super::reception::upgrade::{self, Upgrade};
use super::request::{self, Rejection};
use super::settings::Settings;
use spreadwire_market::instrument::Catalogue;

/// Names that requests may use.
#[derive(Debug)]
pub struct Requests(Directory);

impl Requests {
    /// Takes the names of a catalogue.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Requests {
        Requests(Directory::new(catalogue))
    }

    /// Reads a client's text; returns the code and the sentence of what is wrong with it, and the
    /// code `not_json` if it ends the connection.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, text: &str) -> Result<(), (&'static str, String)> {
        match request::parse(text, &self.0) {
            Ok(_) => Ok(()),
            Err(Rejection::NotJson) => Err(("not_json", String::new())),
            Err(Rejection::Refused(refusal)) => Err((refusal.code, refusal.message)),
        }
    }
}

/// Reads an upgrade to a server that knows these hosts and origins; returns the answer, if there is
/// one already, and how many bytes of the request led to it.
#[must_use]
pub fn read_upgrade(
    bytes: &[u8],
    hosts: &[String],
    origins: &[String],
) -> Option<(Vec<u8>, usize)> {
    let (hosts, origins) = (hosts.to_vec(), origins.to_vec());
    let settings = Settings { hosts, origins, ..Settings::default() };
    match upgrade::read(bytes, &Access::new(&settings)) {
        Upgrade::Incomplete => None,
        Upgrade::Accept(accepted) => Some((accepted.response, accepted.consumed)),
        Upgrade::Refuse(_, answer) => Some((answer, 0)),
    }
}
