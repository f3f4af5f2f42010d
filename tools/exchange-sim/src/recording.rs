//! Opens recorded files, which are plain, gzip or zstd by the ending of their name.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::SimError;

/// Opens a plain file, or a gzip file if its name ends in `.gz`.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read + Send>, SimError> {
    let file = File::open(path).map_err(|source| SimError::file(path, source))?;
    let file = BufReader::with_capacity(1 << 16, file);
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Returns whether a name is that of a zstd file, complete or still being written.
pub(crate) fn is_zstd(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".zst") || name.ends_with(".zst.open")
}

/// Opens a zstd file. A file that breaks off, because its writer was killed, ends where it breaks
/// off.
pub(crate) fn open_zstd(path: &Path) -> Result<Box<dyn Read + Send>, SimError> {
    let failed = |source| SimError::file(path, source);
    let file = File::open(path).map_err(failed)?;
    Ok(Box::new(EndsEarly(zstd::Decoder::new(file).map_err(failed)?)))
}

/// A reader that reports the end of a file where `R` reports a missing end.
struct EndsEarly<R>(R);

impl<R: Read> Read for EndsEarly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Err(problem) if problem.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }
}
