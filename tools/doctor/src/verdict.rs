//! The outcome of all checks: one line for the head of a benchmark, a report for people and programs.
//!
//! It must not know any particular check.

use crate::check::{Finding, Status};
use crate::checks;
use crate::host::Host;
use serde::Serialize;
use std::fmt;
use std::fmt::Write;
use std::time::Duration;

/// How long the counters are watched when a benchmark asks.
const WATCH: Duration = Duration::from_millis(250);
/// The number of the report's JSON shape; `docs/tuning.md` describes it.
pub const FORMAT: u32 = 1;
/// Names of failed checks in the verdict's line.
const NAMED_MAX: usize = 6;

/// How many checks came out how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// As it should be.
    pub pass: usize,
    /// Costs microseconds.
    pub warn: usize,
    /// Costs more.
    pub fail: usize,
    /// Not here, or not told.
    pub skip: usize,
    /// Names of those that failed.
    pub failed: Vec<&'static str>,
    /// Names of those that warn.
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

/// Looks at this machine for a quarter of a second, with the hot CPUs that are customary.
#[must_use]
pub fn verdict() -> Verdict {
    Verdict::of(&checks::run(&Host::live(None, None, WATCH)))
}

/// What was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Model of the CPU.
    pub cpu: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Whether it is a virtual machine.
    pub vm: bool,
    /// CPUs that the process may use.
    pub cpus: String,
    /// CPUs that the checks take for the engine's.
    pub hot: String,
    /// CPUs that are left to everything else.
    pub cold: String,
    /// For how long the counters were watched, seconds.
    pub watched_s: f64,
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// What was looked at.
    pub host: About,
    /// How many came out how.
    pub verdict: Verdict,
    /// The verdict as a line.
    pub line: String,
    /// Every check.
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

    /// For people: the checks by area, what is not as it should be with what mends it, the verdict.
    #[must_use]
    pub fn text(&self) -> String {
        let About { cpu, kernel, vm, cpus, hot, cold, .. } = &self.host;
        let vm = if *vm { ", a virtual machine" } else { "" };
        let cold = if cold.is_empty() { "none" } else { cold };
        let mut text = format!("{cpu}, Linux {kernel}{vm}\n");
        let mut line = |line: String| writeln!(text, "{line}").expect("a String takes it all");
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
                line(format!("        {:<23} mend: {mend}", ""));
            }
        }
        line(format!("\n{}", self.line));
        text
    }
}
