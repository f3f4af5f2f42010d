//! Results as files and on the console: the same report in each form. A form knows the report, and
//! nothing about how it was made.

use crate::options::Format;
use crate::report::Report;
use anyhow::Context;
use spreadwire_lake::folder;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub mod console;
pub mod csv;
pub mod html;
pub mod json;
pub mod parquet;
pub mod recommended;

/// Writes the requested files into a folder, replacing each older one as a whole, and returns their
/// paths.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    report: &Report,
    folder: &Path,
    formats: &[Format],
    recommendations: &str,
) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut written = Vec::new();
    for format in formats {
        let (name, content) = match format {
            Format::Csv => ("ranking.csv", csv::table(report)?.into_bytes()),
            Format::Parquet => ("ranking.parquet", parquet::file(report)?),
            Format::Html => ("report.html", html::page(report)?.into_bytes()),
            Format::Json => ("report.json", json::text(report)?.into_bytes()),
            Format::Toml => ("recommendations.toml", recommendations.as_bytes().to_vec()),
        };
        let path = folder.join(name);
        replace(&path, &content).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Replaces a file as a whole. Another run may write the same file at the same time, so that each
/// process writes under a name of its own first.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.tmp", std::process::id()));
    folder::replace(Path::new(&unfinished), path, |mut file| file.write_all(content))
}
