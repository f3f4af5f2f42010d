//! Kills an engine at a chosen moment: strace watches one of its threads and kills the process before
//! the thread's Nth call of a kind. (With `--seccomp-bpf` strace 6.1 does not kill.)
//!
//! The main thread is watched from its start. Another thread is found by its name; the engine is
//! stopped until strace is attached to it. Meanwhile the lake is locked against changes, so that
//! recovery, which the sealer begins with, has not begun either. The shell that starts the engine
//! becomes strace, because some systems let only a parent trace a process.

use crate::victim::{ENGINE, Scene, until};
use spreadwire_lake::lock;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The thread with which a process begins.
pub(crate) const MAIN: &str = "main";

const ATTACH: &str = r#"
"$@" >>"$LOG" 2>&1 &
engine=$!
until task=$(grep -slx "$THREAD" /proc/$engine/task/*/comm); do kill -0 $engine || exit 1; done
kill -STOP $engine || exit 1
echo $engine
task=${task%/comm}
exec strace -y -o "$TRACE" -e trace="/^$CALL" -e inject="/^$CALL:signal=SIGKILL:when=$COUNT" \
    -p ${task##*/}
"#;

const LAUNCH: &str = r#"
exec strace -y -o "$TRACE" -e trace="/^$CALL" -e inject="/^$CALL:signal=SIGKILL:when=$COUNT" \
    "$@" >>"$LOG" 2>&1
"#;

/// The moment before a thread's `count`th call that has a name beginning with `call`.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) thread: &'static str,
    pub(crate) call: &'static str,
    pub(crate) count: usize,
}

impl Moment {
    /// Runs an engine for `seconds` and kills it at the moment. Returns the call before which it was
    /// killed, or `None` if it ended before that, or before strace was attached.
    pub(crate) fn kill(&self, scene: &Scene, seconds: &str) -> Option<String> {
        let trace = scene.home.join("trace");
        if self.thread == MAIN {
            self.shell(LAUNCH, scene, seconds, &trace).spawn().unwrap().wait().unwrap();
        } else {
            self.attach(scene, self.shell(ATTACH, scene, seconds, &trace));
        }
        until(&scene.clock, "the engine to be gone", || {
            (!lock::is_recording(&scene.lake)).then_some(())
        });
        let text = fs::read(&trace).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let killed = text.trim_end().ends_with("+++ killed by SIGKILL +++");
        killed.then(|| text.lines().rev().nth(1).unwrap_or_default().to_owned())
    }

    fn shell(&self, script: &str, scene: &Scene, seconds: &str, trace: &PathBuf) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", ENGINE]).args(scene.run()).args(["--for", seconds]);
        command.env("LOG", scene.home.join("engine.log")).env("TRACE", trace);
        command.env("THREAD", self.thread).env("CALL", self.call);
        command.env("COUNT", self.count.to_string());
        command
    }

    /// Waits until strace is attached, lets the engine go on, and waits until strace ends.
    fn attach(&self, scene: &Scene, mut command: Command) {
        let locked = lock::changes(&scene.lake).unwrap();
        let mut strace = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut engine = String::new();
        BufReader::new(strace.stdout.take().unwrap()).read_line(&mut engine).unwrap();
        let attached = told(&mut strace);
        let engine = engine.trim();
        if engine.is_empty() {
            // It ended before its thread was found.
            strace.wait().unwrap();
            return;
        }
        let signal = if attached.is_ok() { "CONT" } else { "KILL" };
        assert!(send(signal, engine) && attached.is_ok(), "{}: {attached:?}", self.thread);
        drop(locked);
        until(&scene.clock, "strace to end", || {
            // A stop that strace holds when the engine is to go on takes effect after that.
            if is_stopped(engine) {
                send("CONT", engine);
            }
            strace.try_wait().unwrap()
        });
    }
}

/// Sends a signal to a process, and returns whether there is one.
fn send(signal: &str, process: &str) -> bool {
    Command::new("kill").args(["-s", signal, process]).status().unwrap().success()
}

/// Returns whether a process is stopped by a signal.
fn is_stopped(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

/// Waits until strace says that it is attached; what else it said is the error.
fn told(strace: &mut Child) -> Result<(), String> {
    let mut words = String::new();
    let mut lines = BufReader::new(strace.stderr.as_mut().unwrap());
    while lines.read_line(&mut words).unwrap() != 0 {
        if words.ends_with("attached\n") {
            return Ok(());
        }
    }
    Err(words)
}
