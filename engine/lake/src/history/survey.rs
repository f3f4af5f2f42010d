//! The files of quotes and statuses in a lake, by their footers.

use super::error::HistoryError;
use super::selection::Selection;
use crate::folder;
use crate::layout::{self, PARQUET_SUFFIX};
use crate::table::{Footer, QUOTES, STATUS, Table, io_error};
use rayon::prelude::*;
use spreadwire_market::clock::Nanos;
use std::collections::BTreeSet;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone, Debug)]
pub(super) struct LakeFile {
    pub(super) path: PathBuf,
    pub(super) table: &'static Table,
    /// The venue and the instrument of quotes.
    pub(super) listing: Option<(String, String)>,
    /// The runs that have rows in it.
    pub(super) runs: BTreeSet<String>,
    pub(super) rows: u64,
    /// First and last time, by the statistics.
    pub(super) times: (Nanos, Nanos),
    /// Least and greatest number, by the statistics.
    pub(super) numbers: (u64, u64),
}

/// What was found in a lake.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Sorted by path.
    pub(super) files: Vec<LakeFile>,
    pub(super) passed_over: Vec<PathBuf>,
}

/// Finds the files that may have selected inputs, or statuses before them, and reads their footers.
pub(super) fn find(lake: &Path, selection: &Selection) -> Result<Survey, HistoryError> {
    folder::refuse_links(lake).map_err(|source| io_error("read", lake, source))?;
    let mut walk = Walk { selection, files: Vec::new(), passed_over: Vec::new() };
    walk.quotes(lake)?;
    walk.statuses(lake)?;
    let Walk { mut files, mut passed_over, .. } = walk;
    files.sort();
    passed_over.sort();
    let files = files.into_par_iter().map(|(path, is_status)| of_footer(path, is_status));
    let files: Vec<LakeFile> = files.collect::<Result<_, _>>()?;
    Ok(Survey { files, passed_over })
}

fn of_footer(path: PathBuf, is_status: bool) -> Result<LakeFile, HistoryError> {
    let table = if is_status { &STATUS } else { &QUOTES };
    let Footer { metadata, rows, first, last, numbers } = Footer::read(&path, table)?;
    let value = |key: &str| {
        let missing = || HistoryError::Impossible {
            path: path.clone(),
            why: format!("its footer has no spreadwire.{key}"),
        };
        metadata.get(key).cloned().ok_or_else(missing)
    };
    let listing = match is_status {
        true => None,
        false => Some((value("venue")?, value("instrument")?)),
    };
    let parts = value("parts")?;
    let runs = parts.split(',').map(|part| part.split(':').next().unwrap_or_default().to_owned());
    let runs = runs.collect();
    let times = (first.unwrap_or(0), last.unwrap_or(Nanos::MAX));
    let numbers = numbers.unwrap_or((0, u64::MAX));
    Ok(LakeFile { path, table, listing, runs, rows, times, numbers })
}

/// A walk through the folders. Nothing but folders and files is opened.
struct Walk<'a> {
    selection: &'a Selection,
    /// Files, and whether they hold statuses.
    files: Vec<(PathBuf, bool)>,
    passed_over: Vec<PathBuf>,
}

impl Walk<'_> {
    fn quotes(&mut self, lake: &Path) -> Result<(), HistoryError> {
        for venue in self.folders(lake, "exchange=")? {
            for symbol in self.folders(&venue, "symbol=")? {
                for date in self.folders(&symbol, "date=")? {
                    for hour in self.folders(&date, "hour=")? {
                        let times = layout::times_of(&hour);
                        if times.is_some_and(|times| self.selection.may_have_quotes(times)) {
                            self.files(&hour, false)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn statuses(&mut self, lake: &Path) -> Result<(), HistoryError> {
        let statuses = lake.join(layout::STATUS);
        if !statuses.is_dir() {
            return Ok(());
        }
        for date in self.folders(&statuses, "date=")? {
            let times = layout::times_of(&date);
            if times.is_some_and(|(first, _)| self.selection.may_begin(first)) {
                self.files(&date, true)?;
            }
        }
        Ok(())
    }

    /// Returns the folders in a folder whose names begin with `key`.
    fn folders(&mut self, folder: &Path, key: &str) -> Result<Vec<PathBuf>, HistoryError> {
        let named = list(folder)?.into_iter().filter(|(name, ..)| name.starts_with(key));
        let (folders, others): (Vec<_>, Vec<_>) = named.partition(|(.., of)| of.is_dir());
        let strange = others.into_iter().filter(|(.., of)| !of.is_file());
        self.passed_over.extend(strange.map(|(_, path, _)| path));
        Ok(folders.into_iter().map(|(_, path, _)| path).collect())
    }

    /// Adds the Parquet files of a folder.
    fn files(&mut self, folder: &Path, is_status: bool) -> Result<(), HistoryError> {
        for (name, path, of) in list(folder)? {
            if !name.ends_with(PARQUET_SUFFIX) || name.starts_with('.') {
                continue;
            }
            if of.is_file() {
                self.files.push((path, is_status));
            } else {
                self.passed_over.push(path);
            }
        }
        Ok(())
    }
}

/// Lists a folder: names, paths, and what they are. Links are not followed.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf, FileType)>, HistoryError> {
    let list = || -> std::io::Result<Vec<_>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // No name of ours is other than UTF-8.
            if let Ok(name) = entry.file_name().into_string() {
                found.push((name, entry.path(), entry.file_type()?));
            }
        }
        Ok(found)
    };
    list().map_err(|source| io_error("list", folder, source).into())
}
