//! What the runs that recorded a lake left of their opportunities and decisions.

use super::lines;
use anyhow::Context as _;
use spreadwire_engine::plan::Plan;
use spreadwire_lake::decisions::{self, Journal};
use spreadwire_lake::layout;
use spreadwire_lake::ledger::{EntryKind, Ledger};
use spreadwire_market::clock::Nanos;
use spreadwire_trading::entry::Entry;
use spreadwire_trading::gateway::Mode;
use spreadwire_trading::line::{self, Names};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A run by the time at which it began, and that of the next one, ns since 1970 UTC.
pub(super) type Span = (Nanos, Nanos);

/// What is left.
pub(super) struct Live {
    lake: PathBuf,
    /// The journal of decisions, where the plan trades.
    journal: Option<Journal>,
    /// Runs that were killed.
    killed: BTreeSet<String>,
}

impl Live {
    /// Reads the journal of decisions and the ends of the runs.
    pub(super) fn read(plan: &Plan, lake: &Path) -> anyhow::Result<Live> {
        let journal = plan.trading.as_ref().map(|trading| {
            let folder = trading.journal.clone().unwrap_or_else(|| lake.join(layout::TRADING));
            folder.join(decisions::FILE_NAME)
        });
        // A lake whose engine never traded has none.
        let journal = journal.filter(|path| path.exists());
        let journal = journal.map(|path| decisions::read(&path)).transpose()?;
        let facts = Ledger::read(lake).facts.into_iter();
        let is_kill = |entry: &spreadwire_lake::ledger::Entry| {
            entry.kind == EntryKind::Ended && entry.cause.as_deref() == Some("killed")
        };
        let killed = facts.filter(is_kill).filter_map(|entry| entry.run).collect();
        Ok(Live { lake: lake.to_owned(), journal, killed })
    }

    /// Returns whether a run was killed: it has left no end, and perhaps not its last lines.
    pub(super) fn is_killed(&self, run: &str) -> bool {
        self.killed.contains(run)
    }

    /// Returns the entries before a run, by the ids of the plan, and when the run's journal began. `None` if
    /// it has none.
    pub(super) fn before(
        &self,
        plan: &Plan,
        (begin, until): Span,
    ) -> anyhow::Result<Option<(Nanos, Vec<Entry>)>> {
        let (Some(journal), Some(trading)) = (&self.journal, &plan.trading) else {
            return Ok(None);
        };
        let is_it = |(began, _): &&(Nanos, usize)| begin <= *began && *began < until;
        let Some((began, first)) = journal.runs.iter().rev().find(is_it) else { return Ok(None) };
        let names = Names { catalogue: &plan.catalogue, assets: &trading.settings.assets };
        let of_plan = |entry: &Entry| {
            let text = line::write(entry, Mode::Paper, &journal.catalogue);
            line::read(&text, names).map(|(_, entry)| entry)
        };
        let entries = journal.entries[..*first].iter().map(of_plan).collect::<Result<_, _>>();
        Ok(Some((
            *began,
            entries.context("the journal of decisions does not fit the configuration")?,
        )))
    }

    /// Returns the lines of a run's opportunities.
    pub(super) fn opportunities(&self, run: &str) -> anyhow::Result<Vec<String>> {
        let path = self.lake.join(layout::OPPORTUNITIES).join(format!("{run}.jsonl"));
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot compare with {}", path.display()))?;
        // A killed run may leave a line without its end.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(whole.lines().map(str::to_owned).collect())
    }

    /// Returns the lines of a run's decisions; `None` where the plan does not trade, or the run did not.
    pub(super) fn decisions(&self, (begin, until): Span) -> Option<Vec<String>> {
        let journal = self.journal.as_ref()?;
        let is_it = |(began, _): &(Nanos, usize)| begin <= *began && *began < until;
        let has_traded = journal.runs.iter().any(is_it);
        has_traded.then(|| lines(journal.run(begin, until), &journal.catalogue))
    }
}

/// Returns the first line in which two lists differ, in words. Of a killed run (`is_killed`) only the lines
/// that both have are compared.
pub(super) fn first_difference(
    what: &str,
    live: &[String],
    replayed: &[String],
    is_killed: bool,
) -> Option<String> {
    let pairs = live.iter().zip(replayed).position(|(one, other)| one != other);
    let shorter = live.len().min(replayed.len());
    let place = pairs.or((live.len() != replayed.len() && !is_killed).then_some(shorter))?;
    let told = |lines: &[String]| lines.get(place).map_or("nothing", String::as_str).to_owned();
    let number = place + 1;
    Some(format!("{what}, line {number}: live {}, replayed {}", told(live), told(replayed)))
}
