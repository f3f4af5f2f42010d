//! Reads any bytes, and any change of sound files, as Parquet files of the lake.

use crate::sound_lake::{SoundLake, changed};
use spreadwire_lake::table::{TABLES, TableReader};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Maximum number of batches to read, because a few bytes can claim many rows.
const BATCHES_MAX: usize = 8;

/// Reads an input as a file of each table.
///
/// # Panics
/// If the reader does.
pub(crate) fn run(data: &[u8]) {
    static SOUND: OnceLock<SoundLake> = OnceLock::new();
    let [which, changes @ ..] = data else { return };
    let lake = SOUND.get_or_init(SoundLake::make);
    // A name beside the lake's folders that the lake does not use.
    let path = lake.path().join("file.parquet");
    if data.starts_with(b"PAR1") {
        return read(&path, data);
    }
    let tables: Vec<_> = lake.files.iter().filter(|(path, _)| is_parquet(path)).collect();
    read(&path, &changed(&tables[usize::from(*which) % tables.len()].1, changes));
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "parquet")
}

fn read(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("room on the disk");
    for table in TABLES {
        let Ok(reader) = TableReader::open(path, table) else { continue };
        for batch in reader.take(BATCHES_MAX) {
            let Ok(batch) = batch else { break };
            assert_eq!(batch.num_columns(), table.schema().fields().len());
            assert_eq!(spreadwire_lake::table::row_hashes(&batch).len(), batch.num_rows());
        }
    }
}
