//! Rules for the order of a run's file calls. Each one holds a power cut, a kill or a second process off.

use crate::calls::Call;
use std::path::Path;

/// The calls of a run in their order.
struct Calls<'a> {
    lake: &'a str,
    all: &'a [&'a Call],
}

pub(crate) fn check(lake: &Path, all: &[&Call]) {
    let calls = Calls { lake: lake.to_str().unwrap(), all };
    let renames = calls.all("rename", |_| true);
    assert!(10 < renames.len(), "{} renames", renames.len());
    let joined = renames.iter().filter(|at| calls.is_joined(**at)).count();
    assert_eq!(joined, 4, "two venues' files are taken along twice");
    renames.iter().for_each(|at| calls.check_rename(*at));
    calls.check_folders();
    calls.check_files_are_read_back();
    calls.check_names_follow_the_ledger();
    calls.check_segments();
    calls.check_changes_are_locked();
    calls.check_head();
    calls.check_end();
}

impl Calls<'_> {
    /// Returns the places of calls of a name.
    fn all(&self, name: &str, is_it: impl Fn(&Call) -> bool) -> Vec<usize> {
        let calls = self.all.iter().enumerate();
        calls.filter(|(_, call)| call.name == name && is_it(call)).map(|(at, _)| at).collect()
    }

    fn within(&self, name: &str, from: usize, until: usize, is_it: impl Fn(&Call) -> bool) -> bool {
        self.all(name, is_it).into_iter().any(|at| from < at && at < until)
    }

    fn names(&self, at: usize) -> [&str; 2] {
        let paths = self.all[at].paths();
        [paths[0], paths[1]]
    }

    fn is_data(&self, path: &str) -> bool {
        path.starts_with(&format!("{}/exchange=", self.lake))
    }

    /// Whether a file of rows gets the name of another one.
    fn is_joined(&self, at: usize) -> bool {
        let [from, to] = self.names(at);
        self.is_data(to) && from.ends_with(".tmp") && from.trim_end_matches(".tmp") != to
    }

    /// What gets a name was synced under its old one, and the folder is synced before the next step that
    /// relies on it.
    fn check_rename(&self, at: usize) {
        let [from, to] = self.names(at);
        if from.ends_with(".tmp") {
            let is_it = |call: &Call| call.descriptor() == Some(from);
            assert!(self.within("fsync", 0, at, is_it), "{from} got its name unsynced");
        }
        let folder = Path::new(to).parent().unwrap().to_str().unwrap();
        let is_relied_on = |call: &&Call| {
            call.name == "unlink" || call.name == "rename" && call.text.contains("/ledger/")
        };
        let later = self.all.iter().enumerate().skip(at + 1);
        let until = later.filter(|(_, call)| is_relied_on(call)).map(|(at, _)| at).next();
        let is_it = |call: &Call| call.descriptor() == Some(folder);
        let until = until.unwrap_or(self.all.len());
        assert!(self.within("fsync", at, until, is_it), "{to}: its name was not synced");
    }

    /// A new folder is on the disk before anything in it gets its name.
    fn check_folders(&self) {
        let made = self.all("mkdir", |call| call.text.ends_with(" = 0"));
        assert!(6 < made.len(), "{} folders", made.len());
        for at in made {
            let folder = self.all[at].paths()[0];
            let parent = Path::new(folder).parent().unwrap().to_str().unwrap();
            // What is around the lake is not among the calls.
            if folder == self.lake {
                continue;
            }
            let inside = format!("{folder}/");
            let named = self.all("rename", |call| call.paths()[1].starts_with(&inside));
            let until = named.into_iter().find(|named| at < *named).unwrap_or(self.all.len());
            let is_it = |call: &Call| call.descriptor() == Some(parent);
            assert!(self.within("fsync", at, until, is_it), "{folder}: its name was not synced");
        }
    }

    /// Every file of rows is read between its last write and its name. A file that is taken along is
    /// read before it is replaced.
    fn check_files_are_read_back(&self) {
        for at in self.all("rename", |call| self.is_data(call.paths()[1])) {
            let [from, to] = self.names(at);
            let is_it = |path: &str| {
                let path = path.to_owned();
                move |call: &Call| call.descriptor() == Some(path.as_str())
            };
            if from.ends_with(".tmp") {
                let written = self.all("write", is_it(from)).into_iter().max().unwrap();
                let reads = ["read", "pread64"];
                let read = reads.iter().any(|read| self.within(read, written, at, is_it(from)));
                assert!(read, "{from} was not read back");
            }
            if self.is_joined(at) {
                assert!(self.within("read", 0, at, is_it(to)), "{to} was not read");
            }
        }
    }

    /// No file of rows has a name before the ledger knows it: since the file was begun, a file of the
    /// ledger got its name.
    fn check_names_follow_the_ledger(&self) {
        for at in self.all("rename", |call| self.is_data(call.paths()[1])) {
            let [from, _] = self.names(at);
            if from.ends_with(".tmp") {
                let begun = self.all("openat", |call| {
                    call.paths().contains(&from) && call.text.contains("O_CREAT")
                });
                let is_it = |call: &Call| call.paths()[1].contains("/ledger/");
                let begun = begun.into_iter().filter(|begun| *begun < at).max().unwrap();
                assert!(self.within("rename", begun, at, is_it), "{from} before the ledger");
            }
        }
    }

    /// A segment is synced before it is closed, and its folder after; it is deleted after its files have
    /// their names.
    fn check_segments(&self) {
        let closes = self.all("rename", |call| call.paths()[1].ends_with(".seg"));
        assert_eq!(closes.len(), 3);
        for at in closes {
            let [from, to] = self.names(at);
            let is_it = |call: &Call| call.descriptor() == Some(from);
            assert!(self.within("fdatasync", 0, at, is_it), "{from} was closed unsynced");
            let deleted = self.all("unlink", |call| call.paths() == [to]);
            let [deleted] = deleted[..] else { panic!("{to} was deleted {deleted:?}") };
            let named = |call: &Call| self.is_data(call.paths()[1]);
            assert!(self.within("rename", at, deleted, named), "{to} was deleted too early");
            // While nobody else may change the lake.
            let is_lock =
                |call: &Call| call.descriptor().is_some_and(|path| path.ends_with("/change.lock"));
            let released = self.all("close", is_lock).into_iter().find(|at| deleted < *at).unwrap();
            let journal = Path::new(to).parent().unwrap().to_str().unwrap();
            let is_it = |call: &Call| call.descriptor() == Some(journal);
            assert!(self.within("fsync", deleted, released, is_it), "{to}: its end was not synced");
        }
    }

    /// From the ledger's entries to the end of the segment nobody else changes the lake: its change lock is
    /// held from before the files are written until the segment is gone.
    fn check_changes_are_locked(&self) {
        let lock = format!("{}/change.lock", self.lake);
        let is_lock = |call: &Call| call.descriptor() == Some(lock.as_str());
        let is_taken = |call: &Call| call.text.contains("LOCK_EX") && call.text.ends_with(" = 0");
        let taken = self.all("flock", |call| is_lock(call) && is_taken(call));
        assert_eq!(taken.len(), 3, "each segment is sealed once");
        let released = self.all("close", is_lock);
        let is_held = |at: usize| {
            let taken = taken.iter().filter(|taken| **taken < at).max();
            taken.is_some_and(|taken| !released.iter().any(|end| taken < end && *end < at))
        };
        let is_of_segment = |path: &str| {
            path.contains("/ledger/") && path.contains("/run-00") || self.is_data(path)
        };
        let mut changes = self
            .all("openat", |call| call.text.contains("O_CREAT") && is_of_segment(call.paths()[0]));
        changes.extend(self.all("rename", |call| is_of_segment(call.paths()[1])));
        changes.extend(self.all("unlink", |call| call.paths()[0].ends_with(".seg")));
        assert!(20 < changes.len(), "{} changes", changes.len());
        for at in changes {
            assert!(is_held(at), "the change lock was not held: {}", self.all[at].text);
        }
    }

    /// The head is written after the begin of the run in the ledger, and after its end, and at no other
    /// time: it never names a file of the ledger that is not there.
    fn check_head(&self) {
        let of_ledger = |what: &'static str| {
            let found = self.all("rename", |call| call.paths()[1].contains(what));
            let [at] = found[..] else { panic!("{what}: {found:?}") };
            at
        };
        let told = ["/run-started", "/run-ended"].map(of_ledger);
        let heads = self.all("rename", |call| call.paths()[1].ends_with("/head.json"));
        let [begun, ended] = heads[..] else { panic!("the head was written {heads:?}") };
        assert!(told[0] < begun && begun < told[1] && told[1] < ended, "{told:?} {heads:?}");
        let mark = self.all("unlink", |call| call.paths()[0].ends_with(".run.json"));
        assert!(ended < mark[0], "the mark went before the head was written");
    }

    /// The mark goes after the last segment and the end in the ledger; then the lock is released.
    fn check_end(&self) {
        let gone = self.all("unlink", |call| call.paths()[0].ends_with(".run.json"));
        let [gone] = gone[..] else { panic!("the mark was deleted {gone:?}") };
        let last = self.all("unlink", |call| call.paths()[0].ends_with(".seg")).into_iter().max();
        let ended = self.all("rename", |call| call.paths()[1].contains("-ended"));
        assert!(last.unwrap() < gone && *ended.last().unwrap() < gone, "the mark went too early");
        let is_lock =
            |call: &Call| call.descriptor().is_some_and(|path| path.ends_with("/recording.lock"));
        let released = self.all("close", is_lock);
        assert!(gone < *released.last().unwrap() && released.len() == 1, "the lock went too early");
        let journal = format!("{}/journal", self.lake);
        let is_it = |call: &Call| call.descriptor() == Some(journal.as_str());
        assert!(self.within("fsync", gone, *released.last().unwrap(), is_it));
    }
}
