//! Opens a file and finds out what it is by its first bytes: CSV, plain or in a gzip or zip file,
//! Parquet, or a NumPy array, plain or in an `.npz`.
//!
//! A file is read twice, so it must be a regular file, which a pipe is not. Everything that is read
//! goes into its [`Identity`], decompressed, so that the same content is known whatever holds it.

use crate::event;
use anyhow::{Context, bail, ensure};
use csv::StringRecord;
use flate2::CrcReader;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;
use zip::{CompressionMethod, ZipArchive};

/// Size of the buffers through which files are read.
const BUFFER_BYTES: usize = 1 << 16;

/// An open file.
#[derive(Debug)]
pub enum Content {
    /// Lines of fields.
    Csv(CsvFile),
    /// Columns.
    Parquet(ParquetFile),
    /// A NumPy array.
    Array(ArrayFile),
}

/// An open CSV file.
#[derive(Debug)]
pub struct CsvFile {
    /// Its lines after the first.
    pub reader: csv::Reader<Summed>,
    /// Its first line.
    pub header: StringRecord,
    /// Its name without folders; in a zip file that of the file inside.
    pub name: String,
    /// The sum of everything read so far.
    pub sum: Sum,
}

/// An open Parquet file.
#[derive(Debug)]
pub struct ParquetFile {
    /// The file.
    pub file: File,
    /// Its path, which may hold names.
    pub path: std::path::PathBuf,
    /// The sum of its bytes.
    pub sum: Sum,
}

/// An open NumPy array.
#[derive(Debug)]
pub struct ArrayFile {
    /// Its bytes after the header.
    pub reader: BufReader<Summed>,
    /// Number of its elements, if they are hftbacktest's events.
    pub events: Option<u64>,
    /// The sum of everything read so far.
    pub sum: Sum,
}

impl Content {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read, or is nothing that could be understood.
    pub fn open(path: &Path) -> anyhow::Result<Content> {
        let mut file = regular(path)?;
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start)?;
        file.rewind()?;
        ensure!(!start.is_empty(), "the file is empty");
        match start.as_slice() {
            [b'P', b'A', b'R', b'1', ..] => Ok(Content::Parquet(parquet(file, path)?)),
            [b'P', b'K', 3 | 5, ..] => in_zip(file),
            [0x1F, 0x8B, ..] => {
                let input = MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file));
                unpacked(Box::new(input), name_of(path).trim_end_matches(".gz"))
            }
            [0x28, 0xB5, 0x2F, 0xFD, ..] => bail!("compressed with zstd: decompress it first"),
            [0x89, b'H', b'D', b'F', ..] => bail!("HDF5, which is not understood"),
            _ => unpacked(Box::new(file), &name_of(path)),
        }
    }

    /// Returns the sum of what was read; of the whole file once its last row was.
    #[must_use]
    pub fn sum(&self) -> Sum {
        match self {
            Content::Csv(CsvFile { sum, .. })
            | Content::Parquet(ParquetFile { sum, .. })
            | Content::Array(ArrayFile { sum, .. }) => sum.clone(),
        }
    }
}

/// Opens a regular file. A pipe without a writer would be waited for, hence `NONBLOCK`.
fn regular(path: &Path) -> anyhow::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).context("cannot open it")?);
    let kind = file.metadata()?;
    ensure!(
        !kind.is_dir(),
        "it is a folder: give the files in it, of a NautilusTrader catalog {}",
        path.join("data/quote_tick/*/*.parquet").display()
    );
    ensure!(
        kind.is_file(),
        "it is not a regular file, but a pipe, a socket or a device: files are read twice, so write \
         it to a file first"
    );
    Ok(file)
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Opens CSV or an array, after decompression.
fn unpacked(mut input: Box<dyn Read>, name: &str) -> anyhow::Result<Content> {
    let mut start = Vec::new();
    input.by_ref().take(6).read_to_end(&mut start)?;
    let is_array = start == *b"\x93NUMPY";
    let (input, sum) = (Box::new(io::Cursor::new(start).chain(input)), Sum::default());
    let summed = Summed { input, sum: sum.clone() };
    if is_array {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, summed);
        let events = event::read_header(&mut reader)?;
        return Ok(Content::Array(ArrayFile { reader, events, sum }));
    }
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(BUFFER_BYTES).from_reader(summed);
    let header = reader.byte_headers().context("its first line cannot be read")?.clone();
    ensure!(!header.is_empty(), "the file is empty");
    let header = StringRecord::from_byte_record_lossy(header);
    Ok(Content::Csv(CsvFile { reader, header, name: name.to_owned(), sum }))
}

/// Opens the one file of a zip file.
fn in_zip(file: File) -> anyhow::Result<Content> {
    let mut archive = ZipArchive::new(BufReader::new(file)).context("the zip file is damaged")?;
    let names = archive.file_names().map(|name| Ok(name?.into_owned()));
    let names: Vec<String> =
        names.collect::<Result<_, zip::result::ZipError>>().context("the zip file is damaged")?;
    let is_file = |name: &&String| !name.ends_with('/');
    let wanted = names.iter().filter(is_file).filter(|name| !name.contains("__MACOSX/"));
    let wanted: Vec<&String> = wanted.collect();
    let name = match wanted.as_slice() {
        [name] => (*name).clone(),
        several => match several.iter().find(|name| **name == "data.npy") {
            Some(name) => (**name).clone(),
            None => bail!(
                "the zip file holds {} files, and one is expected: unpack it and give them singly",
                several.len()
            ),
        },
    };
    let member = Member::of(&mut archive, &name)?;
    let mut file = archive.into_inner().into_inner();
    file.seek(SeekFrom::Start(member.start))?;
    unpacked(member.input(file)?, &name_of(Path::new(&name)))
}

/// Where a file lies in a zip file.
struct Member {
    start: u64,
    packed_bytes: u64,
    method: CompressionMethod,
    crc: u32,
}

impl Member {
    fn of(archive: &mut ZipArchive<BufReader<File>>, name: &str) -> anyhow::Result<Member> {
        let file = archive.by_name(name).with_context(|| format!("cannot read {name} in it"))?;
        ensure!(!file.encrypted(), "{name} in it is encrypted");
        let start = file.data_start().context("the zip file is damaged")?;
        let (packed_bytes, method) = (file.compressed_size(), file.compression());
        Ok(Member { start, packed_bytes, method, crc: file.crc32() })
    }

    /// Reads it from the zip file, which stands at its beginning.
    fn input(self, file: File) -> anyhow::Result<Box<dyn Read>> {
        let packed = BufReader::with_capacity(BUFFER_BYTES, file.take(self.packed_bytes));
        let method = self.method;
        let stored = method == CompressionMethod::Stored;
        let known = stored || method == CompressionMethod::Deflated;
        ensure!(known, "the zip file is compressed by {method}: unpack it first");
        let input: Box<dyn Read> =
            if stored { Box::new(packed) } else { Box::new(DeflateDecoder::new(packed)) };
        Ok(Box::new(Proved { input: CrcReader::new(input), crc: self.crc }))
    }
}

/// A reader that ends with an error if the CRC32 of what it read is not the expected one.
struct Proved {
    input: CrcReader<Box<dyn Read>>,
    crc: u32,
}

impl Read for Proved {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.input.crc().sum() != self.crc {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the zip file is damaged: the checksum of its content is another",
            ));
        }
        Ok(read)
    }
}

/// Reads a Parquet file for its sum, and opens it.
fn parquet(mut file: File, path: &Path) -> anyhow::Result<ParquetFile> {
    let sum = Sum::default();
    io::copy(
        &mut Summed { input: Box::new(file.try_clone()?), sum: sum.clone() },
        &mut io::sink(),
    )?;
    file.rewind()?;
    Ok(ParquetFile { file, path: path.to_owned(), sum })
}

/// What a file is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// SHA-256 of its content, decompressed; of a Parquet file, of its bytes.
    pub sha256: [u8; 32],
    /// CRC32C of the same, by which earlier versions knew it.
    pub crc: u32,
}

/// The sum of what is read through a reader.
#[derive(Clone, Debug, Default)]
pub struct Sum(Rc<RefCell<(Sha256, u32)>>);

impl Sum {
    fn add(&self, bytes: &[u8]) {
        let (sha, crc) = &mut *self.0.borrow_mut();
        sha.update(bytes);
        *crc = crc32c::crc32c_append(*crc, bytes);
    }

    /// Returns what was read so far.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let (sha, crc) = &*self.0.borrow();
        Identity { sha256: sha.clone().finalize().into(), crc: *crc }
    }
}

/// A reader that sums up everything read through it.
pub struct Summed {
    input: Box<dyn Read>,
    sum: Sum,
}

impl std::fmt::Debug for Summed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Summed").finish_non_exhaustive()
    }
}

impl Read for Summed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.sum.add(&buffer[..read]);
        Ok(read)
    }
}
