//! Summarises the outcome of all checks: one line that a benchmark prints first, and a report for
//! people and programs.

use crate::check::{Finding, Status};
use crate::checks;
use crate::host::Host;
use serde::Serialize;
use std::fmt;
use std::fmt::Write;
use std::time::Duration;

/// How long the counters are watched for a benchmark.
const WATCH: Duration = Duration::from_millis(250);
/// Version of the report's JSON format, which `docs/tuning.md` describes.
pub const FORMAT: u32 = 1;
/// Maximum number of failed checks that the verdict's line names.
const NAMED_MAX: usize = 6;

/// Number of checks by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Number of checks that passed.
    pub pass: usize,
    /// Number of checks that warned.
    pub warn: usize,
    /// Number of checks that failed.
    pub fail: usize,
    /// Number of checks that were skipped.
    pub skip: usize,
    /// Names of the checks that failed.
    pub failed: Vec<&'static str>,
    /// Names of the checks that warned.
    pub warned: Vec<&'static str>,
}

impl Verdict {
    /// Counts findings.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Verdict {
        let names = |status: Status| -> Vec<&'static str> {
            findings.iter().filter(|it| it.status == status).map(|it| it.id).collect()
        };
        let (failed, warned) = (names(Status::Fail), names(Status::Warn));
        Verdict {
            pass: names(Status::Pass).len(),
            warn: warned.len(),
            fail: failed.len(),
            skip: names(Status::Skip).len(),
            failed,
            warned,
        }
    }
}

impl fmt::Display for Verdict {
    /// Writes a line such as
    /// `doctor: 12 pass, 5 warn, 3 fail (isolation, nohz_full, governor), 9 skipped`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "doctor: {} pass, {} warn, {} fail", self.pass, self.warn, self.fail)?;
        if !self.failed.is_empty() {
            let named = self.failed.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
            let more = if NAMED_MAX < self.failed.len() { ", ..." } else { "" };
            write!(f, " ({named}{more})")?;
        }
        write!(f, ", {} skipped", self.skip)
    }
}

/// Checks this machine for a quarter of a second, with the default hot CPUs.
#[must_use]
pub fn verdict() -> Verdict {
    Verdict::of(&checks::run(&Host::live(None, None, WATCH)))
}

/// The host that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Model of the CPU.
    pub cpu: String,
    /// Kernel release.
    pub kernel: String,
    /// Whether it is a virtual machine.
    pub vm: bool,
    /// CPUs that the process may use.
    pub cpus: String,
    /// CPUs that the checks consider the engine's.
    pub hot: String,
    /// CPUs that are left to everything else.
    pub cold: String,
    /// Time for which the counters were watched, seconds.
    pub watched_s: f64,
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Always [`FORMAT`].
    pub format: u32,
    /// The host that was checked.
    pub host: About,
    /// Number of checks by outcome.
    pub verdict: Verdict,
    /// The verdict as one line.
    pub line: String,
    /// Finding of every check.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Runs every check on a host.
    #[must_use]
    pub fn of(host: &Host) -> Report {
        let findings = checks::run(host);
        let verdict = Verdict::of(&findings);
        let unknown = || "unknown".to_owned();
        let about = About {
            cpu: host.cpu_info("model name").unwrap_or_else(unknown),
            kernel: host.text("proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            vm: host.is_vm(),
            cpus: host.cpus.to_string(),
            hot: host.hot.to_string(),
            cold: host.cold.to_string(),
            watched_s: host.seconds,
        };
        Report { format: FORMAT, host: about, line: verdict.to_string(), verdict, findings }
    }

    /// Returns the report for people: the checks by area, with a fix for each fault, then the
    /// verdict.
    #[must_use]
    pub fn text(&self) -> String {
        let About { cpu, kernel, vm, cpus, hot, cold, .. } = &self.host;
        let vm = if *vm { ", a virtual machine" } else { "" };
        let cold = if cold.is_empty() { "none" } else { cold };
        let mut text = format!("{cpu}, Linux {kernel}{vm}\n");
        let mut line = |line: String| writeln!(text, "{line}").expect("a String accepts any text");
        line(format!("CPUs {cpus}; hot {hot}, for everything else {cold}"));
        let mut area = "";
        for finding in &self.findings {
            if finding.area != area {
                area = finding.area;
                line(format!("\n{area}"));
            }
            line(format!("  {}  {:<23} {}", finding.status.word(), finding.id, finding.found));
            if let Some(mend) = &finding.mend {
                line(format!("        {:<23} good: {}", "", finding.good));
                line(format!("        {:<23} fix: {mend}", ""));
            }
        }
        line(format!("\n{}", self.line));
        text
    }
}
