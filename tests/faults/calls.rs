//! A run under strace, and its file calls.

use std::path::Path;
use std::process::Command;

/// The variable that makes this binary the child; it holds the lake's path.
pub(crate) const CHILD: &str = "SPREADWIRE_FAULTS_LAKE";

/// Name of the lake's folder, which no other path contains.
pub(crate) const LAKE: &str = "faulty-lake";

/// A system call, as strace tells it.
pub(crate) struct Call {
    pub(crate) name: String,
    /// The whole line; a descriptor has its path behind it.
    pub(crate) text: String,
}

impl Call {
    fn of(line: &str) -> Option<Call> {
        let (name, _) = line.split_once('(')?;
        Some(Call { name: name.trim().to_owned(), text: line.to_owned() })
    }

    /// Returns whether the call names the lake or something in it.
    pub(crate) fn is_of_lake(&self) -> bool {
        self.text.contains(LAKE)
    }

    /// Returns the file that it is about, as far as that is needed to tell calls apart.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.descriptor().filter(|path| path.contains(LAKE)).or(self.paths().first().copied())
    }

    /// Returns the path of the descriptor that it is given.
    pub(crate) fn descriptor(&self) -> Option<&str> {
        let (_, rest) = self.text.split_once('<')?;
        rest.split_once('>').map(|(path, _)| path)
    }

    /// Returns the paths that it is given as texts.
    pub(crate) fn paths(&self) -> Vec<&str> {
        self.text.split('"').skip(1).step_by(2).collect()
    }
}

/// Lives a run under strace, with a fault if one is given. Returns what the child said, and its calls.
pub(crate) fn traced(lake: &Path, fault: Option<&str>) -> (String, Vec<Call>) {
    let out = lake.with_file_name("calls");
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-y", "-s", "256", "-e", "signal=none", "-o"]).arg(&out);
    match fault {
        None => strace.args(["-e", "trace=%file,%desc,flock"]),
        // Only this kind stops the child.
        Some(fault) => {
            let kind = fault.split(':').next().unwrap();
            strace.args(["-f", "--seccomp-bpf", "-e", &format!("trace={kind}")]);
            strace.arg("-e").arg(format!("inject={fault}"))
        }
    };
    strace.arg(std::env::current_exe().unwrap()).env(CHILD, lake);
    let output = strace.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code().is_some_and(|code| code <= 1), "{fault:?}: {output:?}");
    let lines = std::fs::read(out).unwrap();
    (said, String::from_utf8_lossy(&lines).lines().filter_map(Call::of).collect())
}
