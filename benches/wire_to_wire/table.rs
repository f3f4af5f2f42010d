//! Output of the blocks' results: tables, JSON lines and plots.

use super::Stages;
use super::load::Outcome;
use super::options::Options;
use anyhow::Context;
use benches::plot::{self, Axes, Line};
use benches::results::{self, QUANTILES};
use serde_json::{Map, Value, json};
use spreadwire_engine::runtime::latency::Latency;
use spreadwire_engine::summary::Summary;

/// Quantiles of a curve, as `1 / (1 - q)`.
const CURVE: [f64; 14] =
    [2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 1e5];

/// Results of one contender.
struct Lane {
    name: &'static str,
    blocks: Vec<Outcome>,
}

/// The blocks of a case.
pub(crate) struct Measured {
    case: String,
    lanes: Vec<Lane>,
    frames: usize,
    seconds: u64,
    stages: Stages,
    /// Sentences about records that engines lost.
    losses: Vec<String>,
    /// Whether the engine did not keep up in one of its blocks.
    pub(crate) saturated: bool,
}

impl Measured {
    pub(crate) fn new(
        case: &str,
        names: impl Iterator<Item = &'static str>,
        frames: usize,
        seconds: u64,
    ) -> Measured {
        Measured {
            case: case.to_owned(),
            lanes: names.map(|name| Lane { name, blocks: Vec::new() }).collect(),
            frames,
            seconds,
            stages: Stages::default(),
            losses: Vec::new(),
            saturated: false,
        }
    }

    pub(crate) fn add(&mut self, place: usize, outcome: Outcome) {
        self.lanes[place].blocks.push(outcome);
    }

    /// Adds the losses that the engine of a block reports.
    pub(crate) fn engine_ran(&mut self, summary: &Summary) {
        self.stages.merge(&summary.report);
        let dropped = summary.drops().into_iter().filter(|(_, count)| 0 < *count);
        self.losses.extend(dropped.map(|(edge, count)| format!("{count} dropped at {edge}")));
        if !summary.is_complete() {
            let quotes = summary.counters.sum("feed.", ".quotes");
            let rows = summary.counters.expect("seal.rows");
            self.losses.push(format!("{quotes} quotes, {rows} rows"));
        }
    }

    fn sums(&self) -> Vec<(&'static str, Outcome)> {
        let sum = |lane: &Lane| {
            let (first, rest) = lane.blocks.split_first()?;
            let mut sum = first.clone();
            rest.iter().for_each(|block| sum.merge(block));
            Some((lane.name, sum))
        };
        self.lanes.iter().filter_map(sum).collect()
    }

    /// Returns the median, over all blocks, of a lane's quantile divided by that of the first lane.
    fn ratio(&self, place: usize, quantile: f64) -> f64 {
        let pairs = self.lanes[0].blocks.iter().zip(&self.lanes[place].blocks);
        let at = |outcome: &Outcome| outcome.latency.quantile(quantile) as f64;
        let mut ratios: Vec<f64> = pairs.map(|(one, other)| at(other) / at(one).max(1.0)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }

    fn rows(&self, bench: &str) -> Vec<Map<String, Value>> {
        let mut rows = Vec::new();
        for (place, (name, sum)) in self.sums().into_iter().enumerate() {
            let mut row = results::row(bench, &self.case, name, &sum.latency);
            row.insert("missing".to_owned(), json!(sum.expected - sum.answered));
            row.insert("lag_p99".to_owned(), json!(sum.lag.quantile(0.99)));
            row.insert("rate".to_owned(), json!(self.frames as u64 / self.seconds));
            row.insert("blocks".to_owned(), json!(self.lanes[place].blocks.len()));
            row.insert("curve".to_owned(), json!(curve(&sum.latency)));
            if 0 < place {
                row.insert("beside".to_owned(), json!(self.lanes[0].name));
                row.insert("ratio_p50".to_owned(), json!(self.ratio(place, 0.5)));
                row.insert("ratio_p99".to_owned(), json!(self.ratio(place, 0.99)));
            }
            rows.push(row);
        }
        for (stage, latency) in &self.stages.latencies {
            rows.push(results::row("stages", &self.case, stage, latency));
        }
        rows
    }

    fn print(&self) {
        println!("\n{}: {} frames a block", self.case, self.frames);
        let names = QUANTILES.map(|(name, _)| format!("{name:>9}")).concat();
        println!(
            "{:<18}{:>9}{:>9}{names}{:>9}{:>9}",
            "us", "answered", "missing", "max", "lag p99"
        );
        for (name, sum) in self.sums() {
            let missing = sum.expected - sum.answered;
            let values =
                QUANTILES.map(|(_, q)| format!("{:>9}", micros(results::at(&sum.latency, q))));
            let [max, lag] = [sum.latency.max(), sum.lag.quantile(0.99)].map(|v| micros(Some(v)));
            let counts = format!("{:>9}{missing:>9}", sum.answered);
            println!("{name:<18}{counts}{}{max:>9}{lag:>9}", values.concat());
        }
        for place in 1..self.lanes.len() {
            let [p50, p99] = [0.5, 0.99].map(|quantile| self.ratio(place, quantile));
            let (name, first) = (self.lanes[place].name, self.lanes[0].name);
            println!("{name} / {first}, median of blocks: p50 {p50:.3}, p99 {p99:.3}");
        }
        let stage = |(stage, latency): &(String, Latency)| {
            let [p50, p99] = [0.5, 0.99].map(|quantile| latency.quantile(quantile));
            format!("{} {p50}/{p99}", stage.replace('_', " "))
        };
        let stages: Vec<String> = self.stages.latencies.iter().map(stage).collect();
        if !stages.is_empty() {
            println!("inside the engine, p50/p99 ns: {}", stages.join(", "));
        }
        self.losses.iter().for_each(|loss| println!("the engine lost: {loss}"));
    }

    fn lines(&self) -> Vec<Line> {
        let line = |(name, sum): (&str, Outcome)| Line {
            name: name.to_owned(),
            points: curve(&sum.latency).into_iter().map(|(x, ns)| (x, ns as f64 / 1e3)).collect(),
        };
        self.sums().into_iter().map(line).collect()
    }
}

/// Returns points of the distribution: `1 / (1 - q)` and ns.
fn curve(latency: &Latency) -> Vec<(f64, u64)> {
    let at = |x: f64| Some((x, results::at(latency, 1.0 - 1.0 / x)?));
    CURVE.into_iter().filter_map(at).collect()
}

fn micros(nanos: Option<u64>) -> String {
    nanos.map_or("-".to_owned(), |nanos| format!("{:.1}", nanos as f64 / 1e3))
}

/// All cases of a run.
pub(crate) struct Page<'a> {
    options: &'a Options,
    /// Rate, lane, and p50 and p99 in us, for rates at which all frames were answered.
    rates: Vec<(u32, &'static str, [f64; 2])>,
    drawn: usize,
}

impl Page<'_> {
    pub(crate) fn new(options: &Options) -> Page<'_> {
        Page { options, rates: Vec::new(), drawn: 0 }
    }

    fn bench(&self) -> &'static str {
        if self.options.peer { "peers" } else { "wire_to_wire" }
    }

    /// Prints a case, appends it to the results, and plots it.
    ///
    /// # Panics
    /// If the results cannot be written.
    pub(crate) fn add(&mut self, measured: &Measured) {
        let rows = measured.rows(self.bench());
        for row in rows {
            let line = Value::Object(row);
            results::append(&line);
            if self.options.json {
                println!("{line}");
            }
        }
        let title = format!("{}, {}", self.bench().replace('_', " "), measured.case);
        let axes = Axes { title: &title, x: "quantile", y: "us", ticks: plot::quantile };
        if !self.options.json {
            measured.print();
            println!("\n{}", plot::letters(&measured.lines(), axes));
        }
        self.drawn += 1;
        let name = format!("{}-{}.svg", self.bench(), slug(&measured.case));
        self.write(&name, &plot::svg(&measured.lines(), axes));
    }

    /// As [`add`](Page::add), and adds points to the curve over rates.
    pub(crate) fn add_rate(&mut self, rate: u32, measured: &Measured) {
        for (name, sum) in measured.sums() {
            if sum.answered == sum.expected {
                let at = |quantile| sum.latency.quantile(quantile) as f64 / 1e3;
                self.rates.push((rate, name, [at(0.5), at(0.99)]));
            }
        }
        self.add(measured);
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.options.out.join(name);
        let written =
            std::fs::create_dir_all(&self.options.out).and_then(|()| std::fs::write(&path, text));
        if let Err(error) = written {
            eprintln!("{}: {error}", path.display());
        }
    }

    /// Plots latency over rate and prints where the plots are.
    pub(crate) fn finish(&self) -> anyhow::Result<()> {
        let mut lines: Vec<Line> = Vec::new();
        for (rate, lane, values) in &self.rates {
            for (quantile, value) in ["p50", "p99"].into_iter().zip(values) {
                let name = format!("{lane} {quantile}");
                let place = lines.iter().position(|line| line.name == name).unwrap_or_else(|| {
                    lines.push(Line { name, points: Vec::new() });
                    lines.len() - 1
                });
                lines[place].points.push((f64::from(*rate), *value));
            }
        }
        let title = "latency over rate, as long as every frame is answered";
        let axes = Axes { title, x: "frames a second", y: "us", ticks: plot::number };
        if !lines.is_empty() {
            self.write("rates.svg", &plot::svg(&lines, axes));
            if !self.options.json {
                println!("{}", plot::letters(&lines, axes));
            }
        }
        let out = self.options.out.canonicalize().context("the plots could not be written")?;
        println!("{} plots in {}", self.drawn, out.display());
        Ok(())
    }
}

fn slug(case: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    case.chars().map(letter).collect()
}
