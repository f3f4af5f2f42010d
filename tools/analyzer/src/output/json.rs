//! The whole report as JSON, one key per line.

use crate::report::Report;

/// Returns the report as JSON.
///
/// # Errors
/// Never in practice: a report holds no value that JSON cannot express.
pub fn text(report: &Report) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
