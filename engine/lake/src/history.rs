//! The inputs of recorded runs, in the order in which the calculator used them.
//!
//! [`History::open`] finds the files of a lake and the runs that they belong to, without reading rows.
//! [`History::read`] returns the inputs of one run: its quotes and statuses as [`Record`]s with the ids of
//! a catalogue, each with its journal sequence, and a [`Gap`] where numbers are in no file.
//!
//! The numbers of an engine's run say in which order its inputs were used. Rows are stored by venue,
//! instrument and receive time, so they are merged: `stream` reads a file piece by piece and knows the
//! least number of what is left, and `inputs` passes on what is below the least number of all streams. The
//! memory is bounded by one piece for each file whose numbers overlap, however large the lake is.
//!
//! Imported files have numbers of their own, each from 0 on, and no statuses. Imports that overlap in time
//! are read as one run: by receive time, then by the name of the run, then by number. Their inputs are
//! numbered anew, and a status [`State::Live`] precedes the first quote of each listing.
//!
//! Prices and sizes are doubles in the lake and mantissas in a record. `exact` finds the mantissa that the
//! double was made of, at the scale of the catalogue.
//!
//! Segments that are not sealed yet are not read: [`History::unsealed`] names their runs.
//!
//! [`Record`]: spreadwire_market::record::Record
//! [`Gap`]: spreadwire_market::record::Gap
//! [`State::Live`]: spreadwire_market::state::State::Live

mod batch;
mod chunk;
mod decode;
mod error;
mod exact;
mod gaps;
mod inputs;
mod runs;
mod selection;
mod stream;
mod survey;
mod unsealed;
mod window;

pub use error::HistoryError;
pub use inputs::{Block, Inputs, Tally};
pub use runs::Run;
pub use selection::Selection;
pub use unsealed::Unsealed;

use spreadwire_market::instrument::Catalogue;
use std::path::{Path, PathBuf};

/// The recorded runs of a lake, and what else was found there.
#[derive(Debug)]
pub struct History {
    catalogue: Catalogue,
    runs: Vec<Run>,
    unsealed: Vec<Unsealed>,
    passed_over: Vec<PathBuf>,
}

impl History {
    /// Finds the selected runs of a lake. Their inputs will have the ids and the scales of `catalogue`.
    /// Footers and the ledger are read, and rows only where a time selects a part of a file.
    ///
    /// # Errors
    /// If a folder or a file cannot be read, or the lake has no run of a selected name.
    pub fn open(
        lake: &Path,
        catalogue: &Catalogue,
        selection: &Selection,
    ) -> Result<History, HistoryError> {
        let survey = survey::find(lake, selection)?;
        let unsealed = unsealed::find(lake, selection)?;
        let runs = runs::find(lake, &survey.files, selection)?;
        let (catalogue, passed_over) = (catalogue.clone(), survey.passed_over);
        Ok(History { catalogue, runs, unsealed, passed_over })
    }

    /// Returns the runs, in the order in which they began.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Returns the selected runs of which segments are not sealed yet. The rows of these segments are in
    /// no run of this history.
    #[must_use]
    pub fn unsealed(&self) -> &[Unsealed] {
        &self.unsealed
    }

    /// Returns links, pipes and other things that are no files, in places where files of the lake
    /// belong. They were not opened.
    #[must_use]
    pub fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }

    /// Reads the inputs of a run, from its beginning.
    #[must_use]
    pub fn read<'a>(&'a self, run: &'a Run) -> Inputs<'a> {
        Inputs::new(run, &self.catalogue)
    }
}
