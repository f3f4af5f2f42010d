//! Results as files and on the console: the same report in each form. Forms know the report and
//! nothing of how it came about.

use crate::options::Format;
use crate::report::Report;
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

pub mod console;
pub mod csv;
pub mod html;
pub mod json;
pub mod parquet;
pub mod recommended;

/// Writes the files that were asked for into a folder, each in place of an older one as a whole, and
/// returns their paths.
///
/// # Errors
/// If one cannot be made or written.
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

/// Who reads meanwhile sees the old file or the new one; another run beside this one writes aside too.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.tmp", std::process::id()));
    let replaced = fs::write(&unfinished, content).and_then(|()| fs::rename(&unfinished, path));
    if replaced.is_err() {
        // It may not even be there.
        fs::remove_file(&unfinished).unwrap_or(());
    }
    replaced
}
