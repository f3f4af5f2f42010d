//! Any bytes, and any change of a sound frame, as a frame of one venue.
//!
//! Both decoders and a plain `serde_json` reader must agree; `tests/plain_reader.rs` says what that
//! means. It knows a venue by its row of the registry alone, and must not know libFuzzer.

use crate::plain_reader::{Case, EDITS, edited};
use spreadwire_venues::venues::named;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Changes of a sound frame in one input.
const EDITS_MAX: usize = 8;

thread_local! {
    /// The venues that were asked for, with their fixtures.
    static CASES: RefCell<BTreeMap<&'static str, Case>> = const { RefCell::new(BTreeMap::new()) };
}

/// Runs the decoders of the venue of this name over an input.
///
/// # Panics
/// If they do not agree, or there is no such venue.
pub(crate) fn run(venue: &'static str, data: &[u8]) {
    CASES.with_borrow_mut(|cases| {
        let spec = || named(venue).unwrap_or_else(|| panic!("no venue {venue}"));
        let case = cases.entry(venue).or_insert_with(|| Case::of(spec()));
        // A file of the corpus may end in a new line, a frame of a venue does not.
        case.makes_nothing_up(data.strip_suffix(b"\n").unwrap_or(data));
        change_sound_one(case, data);
    });
}

/// The input says which frame of the fixture is changed, and how.
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
