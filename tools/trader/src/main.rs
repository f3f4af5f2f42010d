//! `trader`: follows the engine's broadcast, decides as the engine does, and executes on paper or through
//! a gateway.
//!
//! Without a gateway it watches: it reports when opportunities open and close, and places no orders.
//! Events are printed to stdout, one per line. Connections and the summary go to stderr.
//!
//! ```text
//! $ trader --entry-bps 4 --exit-bps 1 --for 60
//! opened #1 BTC/USDT buy binance sell okx 61837.63 x 0.5 -> 61995.1 x 1.2 net 5.42 bp
//! closed #1 BTC/USDT buy binance sell okx after 84.112 ms, peak 6.02 bp, exit
//! ```
//!
//! How to read it: prices and sizes are those of the quotes that opened the opportunity. `net` is
//! after both taker fees. The time is the difference between the receive times of the quotes that
//! opened and closed it.
//!
//! With `--gateway paper --config FILE` it trades on paper by the section `[trading]` of the engine's
//! configuration. Every line then begins with PAPER. What it decides, sends and hears goes to a journal
//! first, from which a restart goes on. `trader status`, `explain`, `kill`, `resume`, `adopt` and
//! `reload` speak to a running trader through a socket beside the journal; `trader report` reads the
//! journal. The kill switch is also turned by a file (`trading.kill_file`) and by SIGUSR1. SIGHUP, or a
//! change of the files, makes it read configuration and approved pairs again.
//!
//! ```text
//! $ trader --config engine.toml --gateway paper
//! PAPER opened #1 BTC/USDT buy binance sell okx 61837.63 x 0.5 -> 61995.1 x 1.2 net 5.42 bp
//! PAPER deal #1 on #1: BTC/USDT buy binance 61837.63 sell okx 61995.1 x 0.1 net 5.42 bp
//! PAPER order 1 of deal #1: buy 0.1 BTC/USDT at 61837.63 on binance (entry)
//! ```
//!
//! `--gateway sim` sends its orders to simulated venues on this host (`exchange-sim`), in the venues' own
//! protocols, and `--gateway live --live --max-notional AMOUNT` to the venues. Lines begin with SIM or LIVE
//! then. Both need a key to an account at each venue at which something may open, in
//! `[[trading.venues]]`, and what the venues hold is what the books begin with.
//!
//! It follows the broadcast with the reference client (`spreadwire_market::client`). Spreads that
//! are too old, come amid a snapshot, have a leg that is not live, or a net beyond `--max-net-bps`
//! are not acted on, which is told once on each connection. If the server
//! sends something that cannot be right, the trader closes what is open, says what it was, and
//! connects again, in pauses that grow until a connection has been in step for 10 s.
//!
//! Exit codes: 0 stopped by Ctrl-C, SIGTERM, `--for`, or because nobody reads stdout any more; 1 something failed; 2 wrong arguments or
//! configuration; 3 the server speaks another version of the protocol, so trying again is useless.
//!
//! A server that wants a token gets the one in `--token-file`, `--token-env` or
//! `--token-credential`. With `wss://` its certificate is checked against the public authorities and
//! those in `--ca-file`. `unix:/path` is a Unix socket of the same host.
//!
//! With `--approved FILE`, only pairs open that a person has approved with `analyzer approve`, each at
//! its own thresholds and until its approval expires (`docs/recommendations.md`).

mod options;

use anyhow::{Context, bail};
use clap::Parser;
use options::{Ask, Cli, Command, GatewayKind, Report, RunArguments as Arguments};
use spreadwire_config::config::{self, Config};
use spreadwire_config::secret::Source;
use spreadwire_lake::decisions::{self, DecisionsError, FILE_NAME};
use spreadwire_market::approved;
use spreadwire_market::client::Limits;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::spread::{self, MAX_NETS_BPS};
use spreadwire_output::{err, out};
use spreadwire_trading::gateway::{Gateway, Mode};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use trader::control::{self, Control, Request};
use trader::driver::Driver;
use trader::engine;
use trader::gateway_io::{GatewayIo, Refusal};
use trader::plan::{Overrides, Places, Plan, SOCKET_NAME};
use trader::run::{Reload, Run};
use trader::watch::{self, End, Ended};
use trader::{Rule, Server, SpreadListener, report, status, sweep};

/// Exit code if the server speaks another version of the protocol.
const OTHER_PROTOCOL: u8 = 3;

/// Longest wait for the server while a gateway may have answers.
const GATEWAY_PATIENCE: Duration = Duration::from_millis(1);

/// What to do where somebody else trades by the same configuration.
const TAKEN: &str = "an engine or trader trades by this configuration already: add --watch to look on, \
                     or --journal to trade beside it";

/// What to do instead of an option of earlier versions.
const GONE: &str = "there is no --recommendations any more: approve pairs with `analyzer approve \
                    PAIR...`, and give the file that it writes, as --approved approved.toml";

/// Why a run cannot begin: what is wrong with its arguments or configuration, a line each.
struct Refused(String);

/// Runs the trader; the exit codes are at the top of this file.
fn main() -> ExitCode {
    let Cli { command, run } = Cli::parse();
    let code = match command {
        None => follow(&run),
        Some(Command::Run(run)) => follow(&run),
        Some(Command::Status(which)) => ask(&which, Request::Status, status::status_text),
        Some(Command::Explain(which)) => ask(&which, Request::Explain, status::explain_text),
        Some(Command::Kill(which)) => kill(&which),
        Some(Command::Resume(which)) => ask(&which, Request::Resume, done),
        Some(Command::Adopt(which)) => ask(&which, Request::Adopt, done),
        Some(Command::Reload(which)) => ask(&which, Request::Reload, done),
        Some(Command::Report(which)) => show_report(&which),
        Some(Command::Sweep(arguments)) => run_sweep(&arguments),
    };
    spreadwire_output::conclude(code)
}

/// Sweeps a lake. A period of the past may be decided by approvals that have expired since.
fn run_sweep(arguments: &sweep::Arguments) -> ExitCode {
    let plan = match Plan::read(&arguments.config, &Overrides::default(), 0) {
        Ok(plan) => plan,
        Err(problems) => {
            err!("trader: {}", problems.join("\n"));
            return ExitCode::from(2);
        }
    };
    let Plan { catalogue, thresholds, trading, max_net, .. } = plan;
    let base = sweep::Base { catalogue, thresholds, trading, max_net };
    let prepared = match sweep::prepare(arguments, base) {
        Ok(prepared) => prepared,
        Err(why) => {
            err!("trader: {why}");
            return ExitCode::from(2);
        }
    };
    match sweep::run(arguments, &prepared) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            err!("trader: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn follow(arguments: &Arguments) -> ExitCode {
    let clock = Clock::host();
    match begin(arguments, &clock) {
        Err(Refused(why)) => {
            err!("trader: {why}");
            ExitCode::from(2)
        }
        Ok(Err(error)) => {
            err!("trader: {error:#}");
            ExitCode::FAILURE
        }
        Ok(Ok(Ended::Stopped)) => ExitCode::SUCCESS,
        Ok(Ok(Ended::OtherProtocol)) => ExitCode::from(OTHER_PROTOCOL),
    }
}

/// Checks everything, then watches or trades.
fn begin(arguments: &Arguments, clock: &Clock) -> Result<anyhow::Result<Ended>, Refused> {
    if arguments.recommendations.is_some() {
        return Err(Refused(GONE.to_owned()));
    }
    let mut problems = Vec::new();
    let config = match &arguments.config {
        Some(path) => config::read(path, &mut problems).unwrap_or_default(),
        None => Config::default(),
    };
    let kind = kind(arguments, &config)?;
    let limits = limits(arguments, &config)?;
    let Some(kind) = kind else {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let rule = rule(arguments, &config, lines, clock.now())
            .map_err(|error| Refused(format!("{error:#}")))?;
        let server = server_told(arguments)?;
        return Ok(watch(arguments, server, rule, limits, clock));
    };
    let file = arguments.config.clone().unwrap_or_default();
    let overrides = overrides(arguments);
    let plan = Plan::read(&file, &overrides, clock.now());
    let plan = plan.map_err(|lines| Refused(lines.join("\n")))?;
    let gateway = match gateway(kind, &plan, &file, clock)? {
        Ok(gateway) => gateway,
        Err(error) => return Ok(Err(error)),
    };
    let server = server_told(arguments)?;
    let approved = arguments.approved.clone().or(config.decision.approved);
    Ok(trade(arguments, server, (plan, file, approved), gateway, limits, clock))
}

/// Returns who executes; `None` for watching.
fn kind(arguments: &Arguments, config: &Config) -> Result<Option<GatewayKind>, Refused> {
    let Arguments { gateway, watch, live, max_notional, .. } = arguments;
    let is_live = *gateway == Some(GatewayKind::Live);
    if is_live && !live {
        let why = "--gateway live sends real orders: add --live if that is what you want";
        return Err(Refused(why.to_owned()));
    }
    if *live && !is_live {
        return Err(Refused("--live is for --gateway live alone".to_owned()));
    }
    if is_live && max_notional.is_none() {
        let why = "--gateway live needs --max-notional, the largest notional of an order";
        return Err(Refused(why.to_owned()));
    }
    let is_on_paper = !watch && config.trading.mode == "paper";
    Ok(gateway.or(is_on_paper.then_some(GatewayKind::Paper)))
}

/// Returns the gateway of a kind; `None` on paper.
fn gateway(
    kind: GatewayKind,
    plan: &Plan,
    file: &Path,
    clock: &Clock,
) -> Result<anyhow::Result<Option<Box<dyn Gateway>>>, Refused> {
    let mode = match kind {
        GatewayKind::Paper => return Ok(Ok(None)),
        GatewayKind::Sim => Mode::Sim,
        GatewayKind::Live => Mode::Live,
    };
    match GatewayIo::open(mode, plan, file, clock) {
        Ok(gateway) => Ok(Ok(Some(Box::new(gateway)))),
        Err(Refusal::Configuration(problems)) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(Refused(lines.join("\n")))
        }
        Err(Refusal::System(error)) => Ok(Err(error).context("cannot begin the gateway")),
    }
}

fn overrides(arguments: &Arguments) -> Overrides {
    Overrides {
        approved: arguments.approved.clone(),
        entry_bps: arguments.entry_bps,
        exit_bps: arguments.exit_bps,
        cooldown: arguments.cooldown_ms.map(|millis| millis.saturating_mul(MILLI)),
        instruments: arguments.instruments.clone(),
        journal: arguments.journal.clone(),
        max_notional: arguments.max_notional,
    }
}

/// Trades by a plan, which was read from a file and from a file of approved pairs.
fn trade(
    arguments: &Arguments,
    server: Server,
    (plan, file, approved): (Plan, PathBuf, Option<PathBuf>),
    gateway: Option<Box<dyn Gateway>>,
    limits: Limits,
    clock: &Clock,
) -> anyhow::Result<Ended> {
    let [stop, hangup, killed] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    for (signal, flag) in [
        (signal_hook::consts::SIGINT, &stop),
        (signal_hook::consts::SIGTERM, &stop),
        (signal_hook::consts::SIGHUP, &hangup),
        (signal_hook::consts::SIGUSR1, &killed),
    ] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    let end = End { stop: &stop, at: end_at(arguments, clock)? };
    let wanted = plan.wanted();
    let mut listener = SpreadListener::new(server, limits, clock.clone()).wanting(wanted);
    if gateway.is_some() {
        listener = listener.with_patience(GATEWAY_PATIENCE);
    }
    let (described, socket) = (plan.described.clone(), plan.places.socket.clone());
    let driver = Driver::open(plan, gateway, killed, limits.max_age, clock.now());
    let driver = driver.map_err(|error| {
        let is_taken = matches!(error, DecisionsError::Taken { .. });
        let error = anyhow::Error::from(error);
        if is_taken { error.context(TAKEN) } else { error }
    })?;
    described.iter().for_each(|line| err!("{} {line}", driver.mode().name()));
    let control = Control::serve(&socket, driver.kill().clone())
        .with_context(|| format!("cannot make the control socket {}", socket.display()))?;
    let reload = Reload::new(file, overrides(arguments), approved, &hangup);
    let (url, json) = (arguments.url.clone(), arguments.json);
    Run { driver, control, reload, url, json }.trade(&mut listener, &end, clock)
}

fn watch(
    arguments: &Arguments,
    server: Server,
    rule: Rule,
    limits: Limits,
    clock: &Clock,
) -> anyhow::Result<Ended> {
    rule.describe().iter().for_each(|line| err!("{line}"));
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let end = End { stop: &stop, at: end_at(arguments, clock)? };
    let mut listener = SpreadListener::new(server, limits, clock.clone());
    let (url, json) = (&arguments.url, arguments.json);
    Ok(watch::watch(&mut listener, rule, url, json, &end, clock))
}

fn end_at(arguments: &Arguments, clock: &Clock) -> anyhow::Result<Option<Nanos>> {
    let end = arguments.seconds.map(Duration::try_from_secs_f64).transpose().context("--for")?;
    let nanos = |end: Duration| u64::try_from(end.as_nanos()).unwrap_or(Nanos::MAX);
    Ok(end.map(|end| clock.now().saturating_add(nanos(end))))
}

/// Asks a running trader, and prints its answer.
fn ask(which: &Ask, request: Request, text: impl Fn(&serde_json::Value) -> String) -> ExitCode {
    let socket = match places(which) {
        Ok((socket, _)) => socket,
        Err(why) => {
            err!("trader: {why}");
            return ExitCode::from(2);
        }
    };
    let is_question = matches!(request, Request::Status | Request::Explain);
    let written = || engine::status(&socket).filter(|_| is_question);
    let answer = control::ask(&socket, request);
    match answer.map_err(|why| (why, written())) {
        Ok(answer) if which.json => out!("{answer}"),
        Ok(answer) => out!("{}", text(&answer)),
        Err((_, Some(status))) if which.json => out!("{status}"),
        Err((_, Some(status))) => out!("{}", engine::told(&status)),
        Err((why, None)) => {
            // A refused configuration has a problem a line.
            let lines = why.lines().map(|line| spreadwire_market::escape::escape(line).to_string());
            err!("trader: {}", lines.collect::<Vec<_>>().join("\n"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Returns what was done, for people.
fn done(answer: &serde_json::Value) -> String {
    let word = |key: &str| answer[key].as_str().unwrap_or("?").to_owned();
    let told = format!("{} {}", word("mode"), word("done"));
    spreadwire_market::escape::escape(&told).to_string()
}

/// Returns the control socket, and the kill file if the configuration says where that is.
fn places(which: &Ask) -> Result<(PathBuf, Option<PathBuf>), String> {
    let Some(file) = &which.config else {
        let beside = which.journal.as_ref().map(|folder| folder.join(SOCKET_NAME));
        return Ok((which.socket.clone().or(beside).unwrap_or_default(), None));
    };
    let mut problems = Vec::new();
    let Some(config) = config::read(file, &mut problems) else {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(lines.join("\n"));
    };
    let places = Places::of(&config, which.journal.as_deref());
    Ok((which.socket.clone().unwrap_or(places.socket), Some(places.kill_file)))
}

/// Kills by command, and by the kill file if nobody answers.
fn kill(which: &Ask) -> ExitCode {
    let (socket, file) = match places(which) {
        Ok(places) => places,
        Err(why) => {
            err!("trader: {why}");
            return ExitCode::from(2);
        }
    };
    let why = match control::ask(&socket, Request::Kill) {
        Ok(answer) => {
            out!("{}", done(&answer));
            return ExitCode::SUCCESS;
        }
        Err(why) => why,
    };
    err!("trader: {}", spreadwire_market::escape::escape(&why));
    let Some(file) = file else { return ExitCode::FAILURE };
    match make(&file) {
        Ok(()) => {
            out!("made {}: while it is there, no order is sent", file.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            err!("trader: cannot make {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

/// Makes the kill file, if it is not there.
fn make(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        spreadwire_lake::folder::create(folder)?;
    }
    match spreadwire_lake::files::create_new(file) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn show_report(which: &Report) -> ExitCode {
    let file = if which.file.is_dir() { which.file.join(FILE_NAME) } else { which.file.clone() };
    let journal = match decisions::read(&file) {
        Ok(journal) => journal,
        Err(error) => {
            err!("trader: {:#}", anyhow::Error::from(error));
            return ExitCode::FAILURE;
        }
    };
    let report = report::report(&journal);
    if which.json {
        out!("{report}");
    } else {
        out!("{}", report::text(&report));
    }
    ExitCode::SUCCESS
}

/// Returns the server for the arguments.
fn server(arguments: &Arguments) -> Result<Server, String> {
    let Arguments { token_file, token_env, token_credential, .. } = arguments;
    let file = token_file.clone().map(|file| ("--token-file", Source::File(file)));
    let env = token_env.clone().map(|name| ("--token-env", Source::Environment(name)));
    let credential = token_credential.clone();
    let credential = credential.map(|name| ("--token-credential", Source::Credential(name)));
    let token = file
        .or(env)
        .or(credential)
        .map(|(option, source)| source.read().map_err(|bad| format!("{option}: {bad}")));
    let (url, ca_file) = (&arguments.url, arguments.ca_file.as_deref());
    Server::new(url, token.transpose()?, ca_file).map_err(|why| format!("--url {why}"))
}

/// As [`server`], and warns of a token that others can read.
fn server_told(arguments: &Arguments) -> Result<Server, Refused> {
    let server = server(arguments).map_err(Refused)?;
    if server.shows_its_token() {
        let url = &arguments.url;
        err!("whoever is on the way to {url} can read the token; use wss:// if you can");
    }
    Ok(server)
}

/// Returns the bounds of what is acted on.
fn limits(arguments: &Arguments, config: &Config) -> Result<Limits, Refused> {
    let max_net_bps = arguments.max_net_bps.unwrap_or(config.calculator.max_net_bps);
    if !MAX_NETS_BPS.contains(&max_net_bps) {
        let (min, max) = (MAX_NETS_BPS.start(), MAX_NETS_BPS.end());
        return Err(Refused(format!(
            "max_net_bps: {max_net_bps} is outside its bounds; choose {min} to {max}, 0 for no limit"
        )));
    }
    let max_age = arguments.max_age_ms.saturating_mul(MILLI);
    Ok(Limits { max_age, max_net: spread::max_net(max_net_bps), ..Limits::default() })
}

/// Returns the rule for watching, as of `now`, ns since 1970 UTC. `problems` are those of reading the
/// configuration.
fn rule(
    arguments: &Arguments,
    config: &Config,
    mut problems: Vec<String>,
    now: Nanos,
) -> anyhow::Result<Rule> {
    let decision = &config.decision;
    let file = arguments.approved.as_ref().or(decision.approved.as_ref());
    let approved = file.and_then(|file| match approved::read(file) {
        Ok(all) => Some(all),
        Err(more) => {
            problems.extend(more.iter().map(ToString::to_string));
            None
        }
    });
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    let rule = Rule {
        entry_bps: arguments.entry_bps.unwrap_or(decision.entry_bps),
        exit_bps: arguments.exit_bps.unwrap_or(decision.exit_bps),
        cooldown: arguments.cooldown_ms.unwrap_or(decision.cooldown_ms).saturating_mul(MILLI),
        instruments: if arguments.instruments.is_empty() {
            decision.instruments.clone()
        } else {
            arguments.instruments.clone()
        },
        approved,
        read_at: now,
    };
    let asked = arguments.entry_bps.or(arguments.exit_bps);
    if rule.approved.is_some() && asked.is_some() {
        bail!(
            "--entry-bps and --exit-bps have no effect with approved pairs; set entry_bps and \
             exit_bps of the pair in that file"
        );
    }
    let ordered = rule.exit_bps.is_finite() && rule.exit_bps <= rule.entry_bps;
    if !rule.entry_bps.is_finite() || !ordered {
        bail!("the exit, {} bp, is above the entry, {} bp", rule.exit_bps, rule.entry_bps);
    }
    Ok(rule)
}
