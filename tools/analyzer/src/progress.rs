//! How far an analysis is: a bar with rows per second and the time left on a terminal, nothing
//! anywhere else. It goes to standard error, so that a pipe sees only what was asked for.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts bytes of files for the time left, and rows for people.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    rows: Arc<AtomicU64>,
}

impl Progress {
    /// A bar, if standard error is a terminal and `quiet` is not wanted.
    #[must_use]
    pub fn new(quiet: bool) -> Progress {
        let rows = Arc::new(AtomicU64::new(0));
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if quiet || !std::io::stderr().is_terminal() {
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

    /// So many bytes are to be read.
    pub fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    /// So many bytes and rows were read.
    pub fn done(&self, bytes: u64, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bar.inc(bytes);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
