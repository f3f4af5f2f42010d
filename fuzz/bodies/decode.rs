//! Decodes any bytes, and any change of a sound frame, as a frame of one venue.
//!
//! Both decoders and a plain `serde_json` reader must agree, as `tests/venues/plain_reader.rs` defines.
//! The first byte of an input chooses the venue by its place in the registry.

use crate::plain_reader::{Case, EDITS, edited};
use spreadwire_venues::venues::VENUES;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Maximum number of changes to a sound frame per input.
const EDITS_MAX: usize = 8;

thread_local! {
    /// The venues requested so far, with their fixtures, by their place in the registry.
    static CASES: RefCell<BTreeMap<usize, Case>> = const { RefCell::new(BTreeMap::new()) };
}

/// Runs the decoders of the venue that the first byte chooses on the rest of the input.
///
/// # Panics
/// If they do not agree.
pub(crate) fn run(data: &[u8]) {
    let Some((&venue, data)) = data.split_first() else { return };
    run_on(usize::from(venue) % VENUES.len(), data);
}

/// Runs the decoders of the venue at this place in the registry on an input.
///
/// # Panics
/// If they do not agree.
pub(crate) fn run_on(venue: usize, data: &[u8]) {
    CASES.with_borrow_mut(|cases| {
        let case = cases.entry(venue).or_insert_with(|| Case::of(&VENUES[venue]));
        // A corpus file may end in a newline; a venue's frame does not.
        case.makes_nothing_up(data.strip_suffix(b"\n").unwrap_or(data));
        change_sound_one(case, data);
    });
}

/// Changes a frame of the fixture; the input selects the frame and the changes.
fn change_sound_one(case: &mut Case, data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else { return };
    let edits = rest.chunks_exact(4).take(EDITS_MAX).map(|edit| {
        let place = usize::from(edit[1]) | usize::from(edit[0] / EDITS) << 8;
        (edit[0] % EDITS, place, edit[2], usize::from(edit[3]))
    });
    let frame = &case.frames[usize::from(which) % case.frames.len()];
    let frame = edited(frame, &edits.collect::<Vec<_>>());
    case.makes_nothing_up(&frame);
}
