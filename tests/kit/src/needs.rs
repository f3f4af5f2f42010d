//! Runs tests that need something from outside the workspace: a Python package, a command, or real
//! data.
//!
//! If it is missing, the test is shown as ignored, with what it needs, instead of passing without
//! having run. With `CI=true` a missing tool is a failure, because CI installs all of them. Real
//! data must be present if `SPREADWIRE_REAL_DATA` names its folder. A binary of such tests has
//! `harness = false` and passes its list to [`run`]. A function that is missing from the list is
//! dead code, about which the compiler warns.

use libtest_mimic::{Arguments, Failed, Trial};
use std::borrow::Cow;
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A requirement of a test outside Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Python 3 with these packages.
    Python(&'static [&'static str]),
    /// A command on the path.
    Command(&'static str),
    /// The browser that [`chromium`] names.
    Chromium,
    /// Permission to mount a disk, in a process with mounts of its own.
    Mounts,
    /// A file or folder among the real data.
    RealData(Cow<'static, str>),
}

impl Need {
    /// Arguments with which `unshare` starts a process that may mount disks, unseen by all others.
    pub const MOUNTS: [&str; 2] = ["--mount", "--map-root-user"];

    /// Requires a file or folder among the real data.
    pub const fn data(path: &'static str) -> Need {
        Need::RealData(Cow::Borrowed(path))
    }

    fn is_met(&self) -> bool {
        match self {
            Need::Python(packages) => {
                let find = "import importlib.util as i, sys; \
                    sys.exit(any(i.find_spec(name) is None for name in sys.argv[1:]))";
                succeeds(Command::new(python()).args(["-c", find]).args(*packages))
            }
            Need::Command(name) => succeeds(Command::new(name).arg("--version")),
            Need::Chromium => succeeds(Command::new(chromium()).arg("--version")),
            Need::Mounts => {
                let mount = ["mount", "-t", "tmpfs", "none", "/tmp"];
                succeeds(Command::new("unshare").args(Need::MOUNTS).args(mount))
            }
            Need::RealData(path) => real_data(path).exists(),
        }
    }

    /// Returns whether it is a failure if this is missing.
    fn is_promised(&self) -> bool {
        match self {
            Need::Python(_) | Need::Command(_) | Need::Chromium => {
                std::env::var("CI").is_ok_and(|ci| ci == "true")
            }
            // Some systems do not let anybody mount.
            Need::Mounts => false,
            Need::RealData(_) => std::env::var_os("SPREADWIRE_REAL_DATA").is_some(),
        }
    }
}

impl Display for Need {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Need::Python(packages) => write!(f, "{} with {}", python(), packages.join(", ")),
            Need::Command(name) => write!(f, "the command {name}"),
            Need::Chromium => write!(f, "the browser {}", chromium()),
            Need::Mounts => write!(f, "permission to mount"),
            Need::RealData(path) => write!(f, "{path} of SPREADWIRE_REAL_DATA"),
        }
    }
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Returns the Python that tests call: `PYTHON`, or `python3`.
pub fn python() -> String {
    std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Returns the browser that tests call: `CHROMIUM`, or `chromium`.
pub fn chromium() -> String {
    std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned())
}

/// Returns the path of a file or folder among the real data.
pub fn real_data(path: &str) -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = top.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).unwrap_or(top);
    let folder = std::env::var_os("SPREADWIRE_REAL_DATA");
    top.join(folder.unwrap_or_else(|| "../shared".into())).join(path)
}

/// A test and its requirements.
#[expect(missing_debug_implementations, reason = "a function has nothing to print")]
pub struct Test {
    /// Its name, including the module.
    pub name: String,
    /// Requirements that must be met for it to run.
    pub needs: Vec<Need>,
    /// The test.
    pub run: Box<dyn FnOnce() + Send>,
}

/// Lists tests by their paths, each with what it needs.
#[macro_export]
macro_rules! tests {
    ($($test:path: $needs:expr),* $(,)?) => {
        vec![$($crate::needs::Test {
            name: stringify!($test).replace(' ', ""), needs: $needs.to_vec(), run: Box::new($test),
        }),*]
    };
}
pub use crate::tests;

/// Runs tests as the built-in harness would, by the same command line.
pub fn run(tests: Vec<Test>) -> std::process::ExitCode {
    let mut known: Vec<(Need, bool)> = Vec::new();
    let mut is_missing = |need: &Need| {
        if let Some((_, missing)) = known.iter().find(|(other, _)| other == need) {
            return *missing;
        }
        let missing = !need.is_met();
        known.push((need.clone(), missing));
        missing
    };
    let mut trials = Vec::new();
    for test in tests {
        let missing: Vec<Need> = test.needs.iter().filter(|n| is_missing(n)).cloned().collect();
        trials.push(trial(test, &missing));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(test: Test, missing: &[Need]) -> Trial {
    let list = list(missing);
    if missing.iter().any(Need::is_promised) {
        return Trial::test(test.name, move || Err(Failed::from(format!("needs {list}"))));
    }
    let run = test.run;
    let runner = move || {
        run();
        Ok(())
    };
    if missing.is_empty() {
        return Trial::test(test.name, runner);
    }
    Trial::test(test.name, runner).with_kind(format!("needs {list}")).with_ignored_flag(true)
}

/// Lists what is missing. Of several files of real data, the first one stands for all.
fn list(missing: &[Need]) -> String {
    let is_data = |need: &&Need| matches!(need, Need::RealData(_));
    let (data, mut named): (Vec<&Need>, Vec<&Need>) = missing.iter().partition(is_data);
    named.extend(data.first());
    let list = named.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    match data.len() {
        0 | 1 => list,
        2 => format!("{list} and another file"),
        files => format!("{list} and {} other files", files - 1),
    }
}
