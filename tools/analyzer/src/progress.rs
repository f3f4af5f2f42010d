//! Progress of an analysis: on a terminal, a bar with rows per second and the time left; nothing
//! otherwise. It is written to standard error, so that a pipe carries only the result.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use spreadwire_output::Stream;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes of files for the time left, and rows for people.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    rows: Arc<AtomicU64>,
}

impl Progress {
    /// Returns a bar if standard error is a terminal and `quiet` is false.
    #[must_use]
    pub fn new(quiet: bool) -> Progress {
        let rows = Arc::new(AtomicU64::new(0));
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if quiet || !Stream::Err.is_terminal() {
            return Progress { bar, rows };
        }
        let counted = Arc::clone(&rows);
        let speed = move |state: &ProgressState, out: &mut dyn Write| {
            let seconds = state.elapsed().as_secs_f64().max(0.001);
            #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
            let rows = counted.load(Ordering::Relaxed) as f64 / seconds / 1e6;
            write!(out, "{rows:.1} M rows/s").unwrap_or(());
        };
        let template = "analysing [{bar:30}] {percent:>3}% {speed}, {eta} left";
        let style = ProgressStyle::with_template(template);
        if let Ok(style) = style {
            bar.set_style(style.with_key("speed", speed).progress_chars("=> "));
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Progress { bar, rows }
    }

    /// Sets the number of bytes to read.
    pub fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    /// Adds bytes and rows that were read.
    pub fn done(&self, bytes: u64, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bar.inc(bytes);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
