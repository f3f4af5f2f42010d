//! Changes a sound lake: `lake verify` must not call the result complete.

use crate::sound_lake::{SoundLake, changed};
use std::fs;
use std::sync::{Mutex, PoisonError};

static SOUND: Mutex<Option<SoundLake>> = Mutex::new(None);

/// Changes a file of the lake as the input says, verifies, and restores the file.
///
/// # Panics
/// If verify panics, accepts a changed lake as complete, or reports a sound one as damaged.
pub(crate) fn run(data: &[u8]) {
    let [which, changes @ ..] = data else { return };
    let mut sound = SOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let lake = sound.get_or_insert_with(SoundLake::make);
    let (relative, original) = &lake.files[usize::from(*which) % lake.files.len()];
    let path = lake.path().join(relative);
    let bytes = changed(original, changes);
    if changes == [0] {
        fs::remove_file(&path).expect("the file is there");
    } else {
        fs::write(&path, &bytes).expect("room on the disk");
    }
    let verdict = lake::verify::verify(lake.path(), None, &lake::progress::bar("", 0, true));
    fs::write(&path, original).expect("room on the disk");
    let differs = changes == [0] || bytes != *original;
    let is_table = relative.extension().is_some_and(|end| end == "parquet");
    let may_pass = !(is_table && differs);
    let text = || format!("{}: {}", relative.display(), verdict.to_text());
    assert!(may_pass || !verdict.is_complete(), "called complete: {}", text());
    assert!(differs || verdict.is_complete(), "nothing was changed: {}", text());
}
