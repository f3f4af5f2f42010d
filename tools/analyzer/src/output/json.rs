//! The whole report as JSON, one key a line, and back. It must not know how the report came about.

use crate::report::Report;

/// The report.
///
/// # Errors
/// Never of the content: a report holds no value that JSON has not.
pub fn text(report: &Report) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
