//! Tests the command line as a user sees it: exit codes, messages, and the presets.

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use spreadwire_config::config::{self, Config};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::run::{Provenance, RunId};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::known_keys::KnownKeys;
use spreadwire_market::moment::time_of_text;
use spreadwire_market::problem::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn spreadwire(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spreadwire")).args(arguments).output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn preset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)
}

/// A valid configuration that tests modify.
const GOOD: &str = r#"
[[venues]]
name = "binance"
[[venues]]
name = "okx"
[[instruments]]
name = "BTC/USDT"
price_decimals = 2
size_decimals = 8
[[threads]]
name = "all"
idle = "backoff"
agents = ["feed", "calculator", "decision", "broadcast", "journal"]
"#;

fn planned(text: &str) -> Result<Plan, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    std::fs::write(&path, text).unwrap();
    Plan::read(&path, &Host { cpus: vec![0, 1], descriptors: u64::MAX, now: 0 })
}

/// Returns the only problem of `text`, as `key: reason`.
fn problem(text: &str) -> String {
    let problems = planned(text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(!problems[0].remedy.is_empty());
    assert!(problems[0].file.ends_with("test.toml"), "{problems:?}");
    format!("{}: {}", problems[0].key, problems[0].reason)
}

#[test]
fn each_problem_is_told_with_its_key_and_reason() {
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replacen(from, to, 1)
    };
    let spin = "[[threads]]\nname = \"b\"\nidle = \"spin\"\nagents = []\n";
    let spin_on_0 = "[[threads]]\nname = \"N\"\ncpu = 0\nidle = \"spin\"\nagents = []\n";
    let two_on_0 = format!("{GOOD}{}{}", spin_on_0.replace('N', "b"), spin_on_0.replace('N', "c"));
    let three =
        format!("{GOOD}{spin}{}{}", spin.replace("\"b\"", "\"c\""), spin.replace("\"b\"", "\"d\""));
    let venue = "[[venues]]\nname = \"okx\"\n";
    let instrument =
        "[[instruments]]\nname = \"BTC/USDT\"\nprice_decimals = 2\nsize_decimals = 8\n";
    let cases = [
        (with("idle =", "idel = \"spin\"\nidle ="), "threads[0].idel: no such key"),
        (with("name = \"all\"", "name = \"all\"\ncpu = 9"), "threads[0].cpu: there is no CPU 9"),
        (two_on_0, "threads: \"b\" and \"c\" both spin on CPU 0"),
        (three, "threads: 3 spinning threads on 2 CPUs"),
        (with(venue, &venue.repeat(2)), "venues[2].name: venue \"okx\" stands twice"),
        (with("\"okx\"", "\"okks\""), "venues[1].name: no venue is called \"okks\""),
        (with("\"okx\"\n", "\"okx\"\nurl = \"http://x\"\n"), "venues[1].url: the address"),
        (with("\"okx\"\n", "\"okx\"\nurl = \"ws://x:99999\"\n"), "venues[1].url: the address"),
        (with("\"okx\"\n", "\"okx\"\nrest_url = \"ws://x\"\n"), "venues[1].rest_url: the address"),
        (
            with("\"okx\"\n", "\"okx\"\nrest_url = \"http://x/api\"\n"),
            "venues[1].rest_url: \"http://x/api\" has a path",
        ),
        (with("\"okx\"\n", "\"okx\"\nurl = \"ws://x/ws\"\n"), "venues[1].url: \"ws://x/ws\" has"),
        (
            with("size_decimals = 8", "size_decimals = 8\nsymbols = { okx = \"\" }"),
            "instruments[0].symbols: the symbol of okx is empty",
        ),
        (format!("{GOOD}[journal]\nlake = \"\"\n"), "journal.lake: it is empty"),
        (
            with("name = \"BTC/USDT\"", &format!("name = \"{}/USDT\"", "B".repeat(195))),
            "instruments[0].name: the name is 200 bytes long",
        ),
        (format!("{GOOD}[decision]\nentry_bps = inf\n"), "decision.entry_bps: inf is no"),
        (with("\"okx\"\n", "\"okx\"\ntaker_fee_bps = 2000.0\n"), "venues[1].taker_fee_bps: 2000"),
        (with("\"okx\"\n", "\"okx\"\nca_file = \"none.pem\"\n"), "venues[1].ca_file: "),
        (with(instrument, &instrument.repeat(2)), "instruments[1].name: instrument \"BTC/USDT\""),
        (with("BTC/USDT", "BTCUSDT"), "instruments[0].name: \"BTCUSDT\" is no instrument"),
        (with("price_decimals = 2", "price_decimals = 30"), "instruments[0].price_decimals: 30"),
        (
            with("size_decimals = 8", "size_decimals = 8\nvenues = [\"binance\", \"bybit\"]"),
            "instruments[0].venues: no venue \"bybit\" here",
        ),
        (GOOD.split("[[threads]]").next().unwrap_or_default().to_owned(), "threads: there is none"),
        (with("\"calculator\", ", ""), "threads: agent \"calculator\" stands on no thread"),
        (
            with("\"journal\"]", "\"journal\", \"journal\"]"),
            "threads: agent \"journal\" stands more",
        ),
        (with("\"journal\"]", "\"journal\", \"jornal\"]"), "threads[0].agents: no agent is called"),
        (with("\"feed\", ", "\"feed.okx\", "), "threads: nobody reads binance"),
        (with("\"backoff\"", "\"sleep\""), "threads[0].idle: \"sleep\" is no idle strategy"),
        (with("name = \"all\"", "name = \"a-very-long-name\""), "threads[0].name: "),
        (
            with("name = \"all\"", "name = \"capture\""),
            "threads[0].name: \"capture\" is the name of one of the engine's own threads",
        ),
        (with("price_decimals = 2", "price_decimals = \"2\""), "line 8: invalid type"),
        (with("[[threads]]", "[[threads]"), "line 10: "),
    ];
    for (text, expected) in cases {
        let got = problem(&text);
        assert!(got.starts_with(expected), "expected {expected:?}, got {got:?}");
    }
}

#[test]
fn each_problem_of_a_section_is_told_with_its_key_and_reason() {
    let cases = [
        (format!("{GOOD}[rings]\nfeed = 1\n"), "rings.feed: 1 is out of range"),
        (format!("{GOOD}[clock]\nmax_error_ms = 0\n"), "clock.max_error_ms: 0 is out of range"),
        (format!("{GOOD}[clock]\nat_start = \"ask\"\n"), "clock.at_start: \"ask\" is none of"),
        (format!("{GOOD}[run]\nprovenance = \"import\"\n"), "run.provenance: \"import\" is none"),
        (format!("{GOOD}[broadcast]\naddress = \"x\"\n"), "broadcast.address: \"x\" is no address"),
        (
            format!("{GOOD}[broadcast]\naddress = \"0.0.0.0:8181\"\n"),
            "broadcast.address: 0.0.0.0:8181 is beyond loopback",
        ),
        (
            format!("{GOOD}[broadcast]\naddress = \"unix:/no/such/folder/b.sock\"\n"),
            "broadcast.address: the folder of /no/such/folder/b.sock does not exist",
        ),
        (
            format!("{GOOD}[broadcast]\nupgrades_max = 0\n"),
            "broadcast.upgrades_max: 0 is out of range",
        ),
        (
            format!("{GOOD}[broadcast]\nclients_per_address = 0\n"),
            "broadcast.clients_per_address: 0 is",
        ),
        (
            format!("{GOOD}[broadcast]\nconnects_per_second = 0\n"),
            "broadcast.connects_per_second: 0 is",
        ),
        (
            format!("{GOOD}[broadcast]\nhosts = [\"ok.example\", \"x:80\"]\n"),
            "broadcast.hosts: \"x:80\" is no name of a host",
        ),
        (
            format!("{GOOD}[broadcast]\norigins = [\"http://ok.example:80\", \"*\"]\n"),
            "broadcast.origins: \"*\" is no origin",
        ),
        (
            format!("{GOOD}[broadcast]\norigins = [\"https://x.example/\"]\n"),
            "broadcast.origins: \"https://x.example/\" is no origin",
        ),
        (format!("{GOOD}[decision]\nexit_bps = 9.0\n"), "decision.exit_bps: 9 is above"),
        (format!("{GOOD}[decision]\ninstruments = [\"X/Y\"]\n"), "decision.instruments: no instr"),
        (format!("{GOOD}[journal]\nflush_ms = 0\n"), "journal.flush_ms: 0 is out of range"),
        (format!("{GOOD}[capture]\nring_bytes = 1\n"), "capture.ring_bytes: 1 is out of range"),
        (format!("{GOOD}[capture]\nvenues = [\"bybit\"]\n"), "capture.venues: no venue \"bybit\""),
        (format!("{GOOD}[capture]\nenabled = true\nvenues = []\n"), "capture.venues: it is empty"),
        (
            format!("{GOOD}[journal]\ndisk_reserve_mb = 2000000000\n"),
            "journal.disk_reserve_mb: 2000000000 is out of range",
        ),
        (
            format!("{GOOD}[journal]\nspreads_min_net_bps = nan\n"),
            "journal.spreads_min_net_bps: NaN is no threshold",
        ),
    ];
    for (text, expected) in cases {
        let got = problem(&text);
        assert!(got.starts_with(expected), "expected {expected:?}, got {got:?}");
    }
}

#[test]
fn bounds_and_lines_of_a_venue_are_proved() {
    let okx = |keys: &str| GOOD.replacen("\"okx\"\n", &format!("\"okx\"\n{keys}\n"), 1);
    let cases = [
        (okx("lines = 3"), "venues[1].lines: 3"),
        (okx("max_lag_ms = 9999999"), "venues[1].max_lag_ms: "),
        (okx("max_jump_bps = -1.0"), "venues[1].max_jump_bps: -1"),
        (okx("second_url = \"ws://x\""), "venues[1].second_url: there is 1 line"),
        (okx("lines = 2\nsecond_url = \"http://x\""), "venues[1].second_url: "),
        (format!("{GOOD}[calculator]\nmax_net_bps = -5.0\n"), "calculator.max_net_bps: -5"),
    ];
    for (text, expected) in cases {
        let got = problem(&text);
        assert!(got.starts_with(expected), "expected {expected:?}, got {got:?}");
    }
}

#[test]
fn sockets_have_bounds() {
    let cases = [
        (
            format!("{GOOD}[sockets]\nreceive_buffer_bytes = 1024\n"),
            "sockets.receive_buffer_bytes: 1024 is out of range",
        ),
        (
            format!("{GOOD}[sockets]\nbusy_poll_us = 10001\n"),
            "sockets.busy_poll_us: 10001 is out of range",
        ),
        (
            format!("{GOOD}[sockets]\nkernel_timestamp = true\n"),
            "sockets.kernel_timestamp: no such key",
        ),
    ];
    for (text, expected) in cases {
        let got = problem(&text);
        assert!(got.starts_with(expected), "expected {expected:?}, got {got:?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = GOOD.replace("idle =", "idel = 1\nidle =").replace("\"okx\"", "\"okks\"")
        + "[rings]\nfeed = 1\n";
    let keys: Vec<_> = planned(&text).unwrap_err().into_iter().map(|p| p.key).collect();
    assert_eq!(keys, ["threads[0].idel", "venues[1].name", "rings.feed"]);
}

#[test]
fn a_misspelt_key_is_named_though_the_right_one_is_missing() {
    let problems = planned(&GOOD.replace("idle =", "idel =")).unwrap_err();
    let told: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.key, p.remedy)).collect();
    assert_eq!(told[0], "threads[0].idel: did you mean `idle`?", "{told:?}");
    assert_eq!(problems.len(), 2, "{told:?}");
}

#[test]
fn a_problem_in_an_included_file_names_that_file() {
    let folder = tempfile::tempdir().unwrap();
    let (main, included) = (folder.path().join("main.toml"), folder.path().join("more.toml"));
    std::fs::write(&main, format!("include = [\"more.toml\"]\n{GOOD}")).unwrap();
    std::fs::write(&included, "[[venues]]\nname = \"nowhere\"\n").unwrap();
    let problems =
        Plan::read(&main, &Host { cpus: vec![0, 1], descriptors: u64::MAX, now: 0 }).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((&problems[0].file, problems[0].key.as_str()), (&included, "venues[0].name"));
}

/// Two approved pairs of the valid configuration.
const APPROVED: &str = r#"
format = 2
[[pairs]]
instrument = "BTC/USDT"
buy = "okx"
sell = "binance"
model = "inventory"
entry_bps = 4.5
entry_bps_min = 3.0
entry_bps_max = 8.0
exit_bps = 0.5
size_quote = 4000.0
size_quote_max = 5000.0
per_day = 12.5
reason = "It pays."
approved_by = "ada"
approved_at = 2020-01-01T00:00:00Z
expires = 2100-01-01T00:00:00Z
evidence = "c0ffee"
[[pairs]]
instrument = "BTC/USDT"
buy = "binance"
sell = "okx"
model = "inventory"
entry_bps = 9.0
entry_bps_min = 7.0
entry_bps_max = 12.0
exit_bps = 1.0
size_quote = 800.0
size_quote_max = 800.0
reason = "It pays a little."
approved_by = "ada"
approved_at = 2020-01-01T00:00:00Z
expires = 2020-01-08T00:00:00Z
evidence = "c0ffee"
"#;

/// Returns a folder with a configuration and the approved pairs that it names.
fn approving(config: &str, approved: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.toml");
    std::fs::write(folder.path().join("approved.toml"), approved).unwrap();
    std::fs::write(&path, format!("{config}[decision]\napproved = \"approved.toml\"\n")).unwrap();
    (folder, path)
}

/// Reads a plan as of a time, ns since 1970 UTC.
fn plan_at(path: &Path, now: u64) -> Result<Plan, Vec<Problem>> {
    Plan::read(path, &Host { cpus: vec![0, 1], descriptors: u64::MAX, now })
}

#[test]
fn check_tells_which_approved_pairs_are_enabled() {
    let (_folder, path) = approving(GOOD, APPROVED);
    let output = spreadwire(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(!errors(&output).contains("0 pairs enabled"));
    let told = String::from_utf8(output.stdout).unwrap();
    let expected = "decision\n  1 of 2 approved pairs enabled, the first until \
                    2100-01-01T00:00:00Z, 1 has expired\n  \
                    BTC/USDT buy okx sell binance: entry 4.5 bp, exit 0.5 bp\n  \
                    BTC/USDT buy binance sell okx: entry 9 bp, exit 1 bp, EXPIRED at \
                    2020-01-08T00:00:00Z\nedges\n";
    assert!(told.contains(expected), "{told}");
    let now = time_of_text("2020-01-08T00:00:00Z").unwrap();
    assert_eq!(plan_at(&path, now).unwrap().decision.rules.unwrap().pairs.len(), 1);
    assert_eq!(plan_at(&path, now - 1).unwrap().decision.rules.unwrap().pairs.len(), 2);
}

#[test]
fn it_is_said_loudly_if_no_approved_pair_can_open() {
    let expired = APPROVED.replace("2100-01-01", "2020-01-08");
    for (approved, more, why) in [
        ("format = 2\n", "", "no pair is approved"),
        (expired.as_str(), "", "all 2 approvals have expired"),
        (APPROVED, "instruments = []\n", "decision.instruments leaves out every approved pair"),
    ] {
        let (_folder, path) = approving(GOOD, approved);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text + more).unwrap();
        let output = spreadwire(&["check", "--config", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0));
        let told = format!("0 pairs enabled: nothing will open ({why}");
        assert!(errors(&output).contains(&told), "{}", errors(&output));
    }
    let (_folder, path) = approving(GOOD, APPROVED);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + "instruments = []\n").unwrap();
    let plan = plan_at(&path, 0).unwrap();
    assert!(plan.describe().contains("exit 0.5 bp, left out by decision.instruments\n"));
}

#[test]
fn problems_of_approvals_are_told_beside_those_of_the_configuration() {
    let config = GOOD.replacen("idle = \"backoff\"", "idle = \"sleep\"", 1);
    let more = APPROVED.replace("\"okx\"", "\"bybit\"");
    let (_folder, path) = approving(&config, &more);
    let now = time_of_text("2020-01-08T00:00:00Z").unwrap();
    let told: Vec<String> = plan_at(&path, now)
        .unwrap_err()
        .iter()
        .map(|p| format!("{} {}: {}", p.file.file_name().unwrap().display(), p.key, p.reason))
        .collect();
    let expected = [
        "engine.toml threads[0].idle: \"sleep\" is no idle strategy",
        "approved.toml pairs[0]: BTC/USDT buy bybit sell binance is approved, but not configured",
    ];
    assert_eq!(told, expected, "what has expired may be unknown");

    let wrong = APPROVED
        .replace("entry_bps = 4.5", "entry_bps = 2.0")
        .replace("size_quote = 800.0", "size_quote = 900.0");
    let (_folder, path) = approving(GOOD, &wrong);
    for command in ["run", "check"] {
        let output = spreadwire(&[command, "--config", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        let errors = errors(&output);
        for told in [
            "approved.toml: pairs[0].entry_bps: 2 is outside its bounds; choose",
            "approved.toml: pairs[1].size_quote: 900 is above size_quote_max, 800; choose",
            "2 problems; nothing was started",
        ] {
            assert!(errors.contains(told), "{told}: {errors}");
        }
    }
}

#[test]
fn the_key_of_earlier_versions_is_refused_with_what_to_do_instead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.toml");
    let config = format!("{GOOD}[decision]\nrecommendations = \"night.toml\"\n");
    std::fs::write(&path, config).unwrap();
    let output = spreadwire(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let told = "decision.recommendations: there is no such key any more; recommendations open \
                nothing: approve pairs with `analyzer approve PAIR...`, and name the file that it \
                writes, as approved = \"approved.toml\"";
    assert!(errors(&output).contains(told), "{}", errors(&output));
}

#[test]
fn check_tells_the_bounds_within_which_quotes_are_believed() {
    let described = |more: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.toml");
        std::fs::write(&path, format!("{GOOD}{more}")).unwrap();
        Plan::read(&path, &Host { cpus: vec![0, 1], descriptors: u64::MAX, now: 0 })
            .unwrap()
            .describe()
    };
    let told = described("");
    let bounds =
        "believed with a lag up to 2000 ms (max_lag_ms), a jump up to 1000 bp (max_jump_bps)";
    assert!(told.contains(bounds), "{told}");
    assert!(told.contains("; nets up to 1000 bp (max_net_bps)\n"), "{told}");
    assert!(described("[calculator]\nmax_net_bps = 0\n").contains("; any net\n"));
}

#[test]
fn every_file_in_config_makes_a_plan_on_a_host_with_eight_cpus() {
    for name in ["laptop.toml", "pinned-2.toml", "pinned-8.toml"] {
        let plan = Plan::read(
            &preset(name),
            &Host { cpus: (0..8).collect(), descriptors: u64::MAX, now: 0 },
        );
        let plan = plan.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert!(plan.describe().contains("calculator"), "{name}");
    }
}

/// Returns the tables of `docs/configuration.md`: each key's path, such as `broadcast.address`, and
/// its default.
fn documented() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (mut sections, mut rows) = (Vec::new(), BTreeMap::new());
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let code = heading.split('`').skip(1).step_by(2);
            let names = code.filter_map(|code| code.strip_prefix('[')?.strip_suffix(']'));
            sections = names.map(|name| name.trim_matches(['[', ']']).to_owned()).collect();
        } else if let Some(row) = line.strip_prefix("| `") {
            let mut cells = row.split(" | ");
            let key = cells.next().unwrap().trim_end_matches('`');
            let default = cells.next().unwrap().trim_matches('`');
            let paths = sections.iter().map(|section| format!("{section}.{key}"));
            let top = sections.is_empty().then(|| key.to_owned());
            rows.extend(paths.chain(top).map(|path| (path, default.to_owned())));
        }
    }
    rows
}

#[test]
fn the_document_has_exactly_the_keys_that_the_types_read() {
    let keys = KnownKeys::of::<Config>();
    let sections: BTreeSet<&str> =
        keys.paths().flat_map(|path| path.match_indices('.').map(|(at, _)| &path[..at])).collect();
    let known: Vec<&str> = keys.paths().filter(|path| !sections.contains(path)).collect();
    let documented = documented();
    assert_eq!(documented.keys().collect::<Vec<_>>(), known);
    assert!(keys.is_free("instruments.symbols"), "its keys are names of venues");
    assert!(40 < known.len(), "{known:?}");
}

#[test]
fn the_document_has_the_defaults_of_the_types() {
    let defaults = toml::Value::try_from(Config::default()).unwrap();
    let mut compared = 0;
    for (path, told) in documented() {
        let Some((section, key)) = path.rsplit_once('.') else { continue };
        let table = section.split('.').try_fold(&defaults, |table, name| table.get(name));
        let Some(section) = table.and_then(toml::Value::as_table) else { continue };
        let default =
            section.get(key).map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
        assert_eq!(told, default.unwrap_or_else(|| "none".to_owned()), "{path}");
        compared += 1;
    }
    assert!(25 < compared, "only {compared} defaults were compared");
    let documented = documented();
    assert_eq!(documented["venues.max_age_ms"], config::MAX_AGE_MS_DEFAULT.to_string());
    assert_eq!(documented["threads.sleep_max_us"], config::SLEEP_MAX_US_DEFAULT.to_string());
}

#[test]
fn check_refuses_an_instrument_of_a_market_that_no_venue_trades() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.toml");
    let cases = [
        (
            GOOD.replace("BTC/USDT", "BTC/USDT:PERP"),
            "instruments[0].name: BTC/USDT:PERP is listed on linear perpetual venues, and there is none here; add a \
             linear perpetual venue (binance-usdm, bingx-perp, bitget-perp, bybit-linear, cryptocom-perp, deribit, gate-perp, \
             htx-perp, hyperliquid, kraken-futures, kucoin-perp, mexc-perp, okx-swap), or name BTC/USDT",
        ),
        (
            GOOD.replace("\"okx\"", "\"binance-usdm\""),
            "venues[1].name: binance-usdm is a linear perpetual venue, and no instrument is listed on those; name \
             BTC/USDT:PERP under [[instruments]], compare both markets as BTC/USDT:SPOT-PERP under \
             [[across_markets]], or remove the venue",
        ),
    ];
    for (text, expected) in cases {
        std::fs::write(&path, text).unwrap();
        let output = spreadwire(&["check", "--config", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains(expected), "{}", errors(&output));
    }
    let across = GOOD.replace("\"okx\"", "\"binance-usdm\"").replace(
        "[[instruments]]\nname = \"BTC/USDT\"",
        "[[across_markets]]\nname = \"BTC/USDT:SPOT-PERP\"",
    );
    std::fs::write(&path, across).unwrap();
    let output = spreadwire(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("2 ordered pairs of 1 instruments"), "{told}");
}

#[test]
fn bad_configurations_end_with_2_and_start_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.toml");
    std::fs::write(&bad, "[venues]\n").unwrap();
    let missing = folder.path().join("missing.toml");
    for command in ["run", "check"] {
        for file in [&bad, &missing] {
            let output = spreadwire(&[command, "--config", file.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(2));
            assert!(errors(&output).contains(file.to_str().unwrap()), "{}", errors(&output));
            assert!(errors(&output).contains("nothing was started"));
        }
    }
}

#[test]
fn wrong_arguments_end_with_2() {
    for arguments in [&["run"][..], &["demo", "--speed", "fast"], &["fly"], &[]] {
        assert_eq!(spreadwire(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let output = spreadwire(&["demo", "--tape", "no-such-tape.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("no-such-tape.csv"), "{}", errors(&output));
}

/// The exchange that Binance runs for the United States speaks the protocol of `binance`.
#[test]
fn binance_us_is_binance_at_another_address() {
    let addresses =
        "url = \"wss://stream.binance.us:9443\"\nrest_url = \"https://api.binance.us\"\n";
    let text = GOOD.replace("\"binance\"\n", &format!("\"binance\"\n{addresses}"));
    let plan = planned(&text).unwrap();
    let venue = plan.venues.iter().find(|venue| venue.spec.name == "binance").unwrap();
    let urls = venue.addresses.each_ref().map(|address| address.url.as_str());
    assert_eq!(urls, ["wss://stream.binance.us:9443/ws"; 2]);
    assert_eq!(plan.provenance, Provenance::Live);
}

#[test]
fn venues_on_this_host_are_simulated_unless_the_configuration_says_otherwise() {
    let local = GOOD.replace("\"okx\"\n", "\"okx\"\nurl = \"ws://[::1]:1\"\n");
    let local = local.replace("\"binance\"\n", "\"binance\"\nurl = \"ws://127.0.0.1:1\"\n");
    let with = |text: &str, name: &str| format!("{text}[run]\nprovenance = \"{name}\"\n");
    for (text, provenance) in [
        (GOOD.to_owned(), Provenance::Live),
        (GOOD.replace("\"okx\"\n", "\"okx\"\nurl = \"ws://localhost:1\"\n"), Provenance::Live),
        (local.clone(), Provenance::Simulated),
        (with(&local, "live"), Provenance::Live),
        (with(&local, "replay"), Provenance::Replay),
        (with(GOOD, "simulated"), Provenance::Simulated),
    ] {
        assert_eq!(planned(&text).unwrap().provenance, provenance, "{text}");
    }
}

#[test]
fn a_lake_of_another_market_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (lake, run) = (home.path(), RunId::new("live-run").unwrap());
    Mark::begin(lake, run, 5, &Catalogue::default(), Provenance::Live).unwrap();
    let arguments = ["demo", "--for", "1", "--listen", "127.0.0.1:0", "--lake"];
    let output = spreadwire(&[&arguments[..], &[lake.to_str().unwrap()]].concat());
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    let told = "holds live quotes, of the run live-run, and these would be simulated";
    assert!(errors.contains(told) && errors.contains("name another lake"), "{errors}");
    assert!(errors.contains("journal.lake: "), "{errors}");
}

#[test]
fn the_demo_plays_every_venue_of_the_registry_that_has_its_instruments() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (lake, config) = (path("lake"), path("demo.toml"));
    let usual = ["demo", "--listen", "127.0.0.1:0", "--for", "1", "--lake", &lake];
    let output = spreadwire(&[&usual[..], &["--venues", "all", "--save-config", &config]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let written = std::fs::read_to_string(&config).unwrap();
    for venue in spreadwire_venues::venues::VENUES {
        let is_played = written.contains(&format!("name = \"{}\"\n", venue.name));
        assert_eq!(is_played, venue.quotes_in("USDT"), "{}", venue.name);
    }
    let output = spreadwire(&[&usual[..], &["--venues", "okx,nowhere"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("\"nowhere\" is not served"), "{}", errors(&output));
}

#[test]
fn a_port_in_use_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let lake = tempfile::tempdir().unwrap();
    let lake = lake.path().to_str().unwrap();
    let output = spreadwire(&["demo", "--for", "1", "--lake", lake, "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(errors.contains(&address) && errors.contains("broadcast.address"), "{errors}");
}

#[test]
fn check_prints_the_plan_and_venues_lists_the_registry() {
    let output = spreadwire(&["check", "--config", preset("laptop.toml").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(String::from_utf8(output.stdout).unwrap().contains("feed > calculator"));
    let listed = String::from_utf8(spreadwire(&["venues"]).stdout).unwrap();
    for venue in spreadwire_venues::venues::VENUES {
        assert!(listed.contains(venue.name) && listed.contains(venue.url), "{}", venue.name);
        let line = listed.lines().find(|line| line.starts_with(&format!("{} ", venue.name)));
        assert!(line.unwrap().contains(&venue.market.to_string()), "{}", venue.name);
    }
}

/// Threads for a demo that do not spin, because tests share the machine.
const THREADS: &str = "[[threads]]\nname = \"all\"\nidle = \"backoff\"\nsleep_max_us = 200\n\
    agents = [\"feed\", \"calculator\", \"decision\", \"broadcast\", \"journal\"]\n";

/// Runs a demo with these arguments in addition to the usual ones, and returns its summary.
fn demo(arguments: &[&str]) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, summary, lake) = (path("threads.toml"), path("summary.json"), path("lake"));
    std::fs::write(&config, THREADS).unwrap();
    let usual = ["demo", "--listen", "127.0.0.1:0", "--lake", &lake, "--config", &config];
    let all = [&usual[..], &["--summary", &summary], arguments].concat();
    let output = spreadwire(&all);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    serde_json::from_str(&std::fs::read_to_string(summary).unwrap()).unwrap()
}

#[test]
fn a_short_demo_records_every_quote_and_says_so_in_its_summary() {
    let summary = demo(&["--for", "2"]);
    let totals = |name: &str| summary["totals"][name].as_u64().unwrap();
    assert!(totals("quotes") > 0);
    assert_eq!(totals("quotes"), totals("rows"));
    assert_eq!(totals("quotes"), totals("journalled"));
    assert!(totals("spreads") > totals("quotes"));
    assert!(totals("broadcast_messages") >= totals("spreads"));
    let drops = summary["drops"].as_object().unwrap();
    assert!(drops.len() >= 4 && drops.values().all(|count| count == 0), "{drops:?}");
    assert_eq!(summary["complete"], true);
    for stage in ["read_to_quote", "read_to_decision", "read_to_broadcast", "read_to_journal"] {
        for figure in ["p50", "p90", "p99", "p99.9", "max"] {
            assert!(summary["latency_ns"][stage][figure].is_u64(), "{stage} {figure}");
        }
    }
}

#[test]
fn when_approvals_expire_the_engine_says_so_once_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let soon = spreadwire_market::clock::Clock::host().now() + 2 * spreadwire_market::clock::SECOND;
    let soon = spreadwire_market::moment::time_to_text(soon);
    let approved =
        APPROVED.replace("2100-01-01T00:00:00Z", &soon).replace("BTC/USDT", "BTC/USDT:SPOT-PERP");
    std::fs::write(path("approved.toml"), approved).unwrap();
    let config = format!("{THREADS}[decision]\napproved = \"approved.toml\"\n");
    std::fs::write(path("threads.toml"), config).unwrap();
    let (config, lake) = (path("threads.toml"), path("lake"));
    let usual = ["demo", "--listen", "127.0.0.1:0", "--lake", &lake, "--config", &config];
    let output = spreadwire(&[&usual[..], &["--for", "4"]].concat());
    let told = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(told.matches("has expired: it opens nothing any more").count(), 1, "{told}");
    assert_eq!(told.matches("0 pairs enabled: nothing will open").count(), 1, "{told}");
    // From the start, if everything has expired by then.
    let output = spreadwire(&[&usual[..], &["--for", "1"]].concat());
    let told = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(told.matches("0 pairs enabled: nothing will open").count(), 1, "{told}");
    assert!(!told.contains("it opens nothing any more"), "{told}");
}

#[test]
fn a_tape_is_played_to_its_end_and_every_row_of_it_is_a_row_of_the_lake() {
    let tape =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/tapes/model_btc_eth_5s.csv.gz");
    let summary = demo(&["--speed", "max", "--tape", tape.to_str().unwrap()]);
    // data/README.md states the tape's number of rows.
    assert_eq!(summary["totals"]["rows"], 2_065);
    assert_eq!(summary["totals"]["quotes"], 2_065);
    assert_eq!(summary["complete"], true);
}
