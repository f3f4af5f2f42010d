//! Reads any bytes, and any change of a sound segment, as a journal segment.
//!
//! The reader is used only through its interface.

use bytemuck::Zeroable;
use spreadwire_lake::run::{Origin, RunId};
use spreadwire_lake::segment::{
    Block, ReadBlock, SegmentError, SegmentInfo, SegmentReader, SegmentWriter,
};
use spreadwire_market::record::{Gap, Quote, Record};
use std::io::Cursor;
use std::sync::OnceLock;

/// Number of records in each block of the sound segment.
const BLOCKS: [u64; 4] = [3, 1, 7, 2];
const HEADER_BYTES: usize = 64;

/// Runs the reader on an input.
///
/// # Panics
/// If it breaks one of its guarantees.
pub(crate) fn run(data: &[u8]) {
    let blocks = read_all(data);
    let records: usize = blocks.iter().map(|block| block.records.len()).sum();
    assert!(records * HEADER_BYTES <= data.len(), "the reader returned more than the input holds");
    change_sound_one(data);
}

/// Returns every block that the reader finds, including those after damage.
fn read_all(data: &[u8]) -> Vec<ReadBlock> {
    let mut blocks = Vec::new();
    let Ok(mut reader) = SegmentReader::new(Cursor::new(data)) else { return blocks };
    loop {
        match reader.next() {
            Some(Ok(block)) => blocks.push(block),
            Some(Err(SegmentError::Corrupt { .. })) => {
                let before = reader.offset();
                let found = reader.skip_damage();
                assert!(!found.is_ok_and(|found| found) || before < reader.offset());
            }
            Some(Err(_)) | None => break,
        }
    }
    assert!(reader.next().is_none(), "nothing may follow the end");
    let follow = |pair: &[ReadBlock]| pair[0].offset < pair[1].offset;
    assert!(blocks.windows(2).all(follow), "the order of blocks is the file's");
    blocks
}

/// Changes or truncates a sound segment, or both, as the input says.
fn change_sound_one(data: &[u8]) {
    let [low, high, flip, cut, ..] = *data else { return };
    let (bytes, blocks) = sound();
    let mut changed = bytes.clone();
    let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
    changed[at] ^= flip;
    changed.truncate(bytes.len() - usize::from(cut).min(bytes.len()));
    let differs = bytes.iter().zip(&changed).position(|(a, b)| a != b).unwrap_or(changed.len());
    let end = |b: &ReadBlock| b.offset + (HEADER_BYTES * (b.records.len() + 1)) as u64;
    let whole = blocks.iter().take_while(|block| end(block) <= differs as u64).count();
    let found = read_all(&changed);
    let whole = if differs < HEADER_BYTES { 0 } else { whole };
    assert!(whole <= found.len() || differs < HEADER_BYTES, "a complete block is missing");
    assert_eq!(found.get(..whole), blocks.get(..whole), "blocks before the change are as written");
    assert!(found.iter().all(|block| blocks.contains(block)), "a block that was never written");
}

/// Returns a segment written by the writer, and its blocks.
fn sound() -> &'static (Vec<u8>, Vec<ReadBlock>) {
    static SOUND: OnceLock<(Vec<u8>, Vec<ReadBlock>)> = OnceLock::new();
    SOUND.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = RunId::new("fuzz").expect("letters");
        let info = SegmentInfo { origin: Origin { run, catalogue: 7 }, number: 0, started_at: 1 };
        let mut writer = SegmentWriter::create(folder.path(), info).expect("a new file");
        let mut block = Block::new(16, 5);
        for records in BLOCKS {
            (0..records).for_each(|at| block.push(&record(at)));
            writer.write(&mut block).expect("room on the disk");
            block.clear();
        }
        let path = writer.finish().close().expect("the file is there").path;
        let bytes = std::fs::read(path).expect("the file is there");
        let blocks = read_all(&bytes);
        assert_eq!(blocks.len(), BLOCKS.len());
        (bytes, blocks)
    })
}

fn record(at: u64) -> Record {
    if at == 2 {
        return Gap::new(9, 4).into();
    }
    Quote { ts_recv: at, sequence: at, ..Quote::zeroed() }.into()
}
