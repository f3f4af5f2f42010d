//! Decodes any bytes, and any change of a sound frame, as a frame of one venue.
//!
//! Both decoders and a plain `serde_json` reader must agree, as `tests/venues/plain_reader.rs` defines.
//! The venue is known only by its entry in the registry.

use crate::plain_reader::{Case, EDITS, edited};
use spreadwire_venues::venues::named;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Maximum number of changes to a sound frame per input.
const EDITS_MAX: usize = 8;

thread_local! {
    /// The venues requested so far, with their fixtures.
    static CASES: RefCell<BTreeMap<&'static str, Case>> = const { RefCell::new(BTreeMap::new()) };
}

/// Runs the decoders of the venue with this name on an input.
///
/// # Panics
/// If they do not agree, or there is no such venue.
pub(crate) fn run(venue: &'static str, data: &[u8]) {
    CASES.with_borrow_mut(|cases| {
        let spec = || named(venue).unwrap_or_else(|| panic!("no venue {venue}"));
        let case = cases.entry(venue).or_insert_with(|| Case::of(spec()));
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
