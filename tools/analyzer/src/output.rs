//! The results as files and on the console: one report in several formats. The formats depend on
//! the report and on nothing that made it.

use crate::options::Format;
use crate::report::{Report, detail_files};
use anyhow::Context;
use spreadwire_lake::folder;
use std::io::Write;
use std::path::{Path, PathBuf};

pub mod console;
pub mod csv;
pub mod dated;
pub mod exposure;
pub mod html;
pub mod json;
pub mod parquet;
pub mod recommended;

/// Name of the folder with the details of pairs.
pub const DETAILS: &str = "pairs";

/// Name of the report as JSON.
pub const REPORT: &str = "report.json";

/// Name of the recommendations.
pub const RECOMMENDATIONS: &str = "recommendations.toml";

/// Writes the files that were asked for into a folder, each replacing an older one as a whole, and
/// returns their paths below it. Without recommendations, as nothing was decided, there is no file of them.
///
/// # Errors
/// Returns an error if the folder cannot be created or a file cannot be written.
pub fn write(
    report: &Report,
    folder: &Path,
    formats: &[Format],
    recommendations: Option<&str>,
) -> anyhow::Result<Vec<PathBuf>> {
    folder::create(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut written = Vec::new();
    for format in formats {
        let (name, content) = match format {
            Format::Csv => ("ranking.csv", csv::table(report)?.into_bytes()),
            Format::Parquet => ("ranking.parquet", parquet::file(report)?),
            Format::Html => ("report.html", html::page(report)?.into_bytes()),
            Format::Json => {
                written.extend(details(report, folder)?);
                (REPORT, json::text(report)?.into_bytes())
            }
            Format::Toml => match recommendations {
                Some(text) => (RECOMMENDATIONS, text.as_bytes().to_vec()),
                None => continue,
            },
        };
        let path = folder.join(name);
        replace(&path, &content).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(PathBuf::from(name));
    }
    Ok(written)
}

/// Writes the details of pairs into files of their own, and returns their paths below the folder.
fn details(report: &Report, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (detail, name) in report.details.iter().zip(detail_files(&report.details)) {
        let path = folder.join(&name);
        let whole = || format!("cannot write {}", path.display());
        path.parent().map_or(Ok(()), folder::create).with_context(whole)?;
        replace(&path, json::detail(detail)?.as_bytes()).with_context(whole)?;
        written.push(PathBuf::from(name));
    }
    Ok(written)
}

/// Replaces a file atomically: a reader sees the old file or the new one. The name of the temporary
/// file contains the process id, so that two runs do not write the same one.
///
/// # Errors
/// The operating system's.
pub fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.tmp", std::process::id()));
    folder::replace(Path::new(&unfinished), path, |mut file| file.write_all(content))
}
