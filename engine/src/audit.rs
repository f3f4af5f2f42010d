//! The audit log: a cold agent that writes who connected to the broadcast and what became of them.
//!
//! It takes entries from the reception and appends each as a JSON object in a line
//! (`docs/security.md`). A line that cannot be written is counted; the next ones are tried all the
//! same, so that the log goes on once the disk has room again.

mod bounded_file;

use crate::broadcast::audit::Entry;
use crate::runtime::agent::{Agent, Report};
use bounded_file::BoundedFile;
use crossbeam::channel::{Receiver, TryRecvError};
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::{Counter, Counters};
use std::io;
use std::path::Path;

/// Most entries written in one duty cycle.
const ENTRIES_PER_CYCLE: usize = 256;
/// Bytes after which the file is renamed and a new one begins.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The agent.
#[derive(Debug)]
pub struct Audit {
    entries: Receiver<Entry>,
    file: BoundedFile,
    /// Whether the reception is gone and everything that it told is written.
    is_over: bool,
    /// Whether the last line could not be written.
    is_failing: bool,
    written: Counter,
    lost: Counter,
}

impl Audit {
    /// Opens the log.
    ///
    /// # Errors
    /// If the file cannot be opened, is a link, or is no file.
    pub fn new(entries: Receiver<Entry>, path: &Path, counters: &Counters) -> io::Result<Audit> {
        Ok(Audit {
            entries,
            file: BoundedFile::open(path, FILE_BYTES_MAX)?,
            is_over: false,
            is_failing: false,
            written: counters.register("audit.written"),
            lost: counters.register("audit.lost"),
        })
    }

    fn write(&mut self, entry: &Entry) {
        let result = self.file.append(&entry.line());
        match &result {
            Ok(()) => self.written.add(1),
            Err(error) => {
                self.lost.add(1);
                if !self.is_failing {
                    tracing::error!(target: "audit", "cannot write the audit log: {error}");
                }
            }
        }
        self.is_failing = result.is_err();
    }

    fn take(&mut self) -> usize {
        let mut taken = 0;
        while taken < ENTRIES_PER_CYCLE {
            match self.entries.try_recv() {
                Ok(entry) => self.write(&entry),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.is_over = true;
                    break;
                }
            }
            taken += 1;
        }
        taken
    }
}

impl Agent for Audit {
    fn role(&self) -> &'static str {
        "audit"
    }

    fn do_work(&mut self, _now: Nanos) -> usize {
        self.take()
    }

    fn is_finished(&self) -> bool {
        self.is_over
    }

    fn on_close(&mut self) {
        while 0 < self.take() {}
    }

    fn report(&mut self, _report: &mut Report) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::audit::{self, Identity, What};
    use crate::broadcast::peer::Peer;

    #[test]
    fn every_entry_is_written_before_the_agent_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let counters = Counters::default();
        let (sender, receiver) = audit::queue();
        let mut agent = Audit::new(receiver, &path, &counters).unwrap();
        for number in 0..1000 {
            let who = Identity { number, peer: Peer::Local(0), token: None };
            sender.try_send(Entry { at: 0, who, what: What::Left("left") }).unwrap();
        }
        drop(sender);
        while !agent.is_finished() {
            agent.do_work(0);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1000);
        assert_eq!((counters.expect("audit.written"), counters.expect("audit.lost")), (1000, 0));
    }
}
