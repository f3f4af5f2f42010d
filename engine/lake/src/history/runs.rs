//! The runs of a lake, and the files that have their inputs.

use super::chunk::{Order, Window};
use super::error::HistoryError;
use super::gaps::Gaps;
use super::selection::Selection;
use super::stream::Source;
use super::survey::LakeFile;
use super::window;
use crate::ledger::{Entry, EntryKind, Ledger};
use crate::provenance;
use crate::run::Provenance;
use spreadwire_market::clock::Nanos;
use std::collections::BTreeMap;
use std::path::Path;

/// A run whose inputs can be read.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name; of imports that overlap in time all their names.
    pub names: Vec<String>,
    /// Where its quotes come from; `None` if a run of an old version does not say.
    pub provenance: Option<Provenance>,
    /// When it began, ns since 1970 UTC.
    pub begin: Nanos,
    pub(super) order: Order,
    pub(super) window: Window,
    pub(super) sources: Vec<Source>,
    pub(super) gaps: Gaps,
    /// The last number that the calculator gave out, if the ledger has it and the run is read to its end.
    pub(super) last: Option<u64>,
}

impl Run {
    /// Returns whether its inputs were imported. Then they are ordered by receive time, and the statuses
    /// are made up: each listing is live from its first quote on.
    #[must_use]
    pub fn is_import(&self) -> bool {
        self.order == Order::Time
    }

    /// Returns the number of rows in the files that are read, by their footers. Those of other runs, which
    /// are passed over, are counted too.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.sources.iter().map(|source| source.rows).sum()
    }
}

/// Finds the selected runs of a lake among its files, in the order in which they began.
pub(super) fn find(
    lake: &Path,
    files: &[LakeFile],
    selection: &Selection,
) -> Result<Vec<Run>, HistoryError> {
    let Ledger { facts, errors, .. } = Ledger::read(lake);
    if let Some(error) = errors.into_iter().next() {
        return Err(error.into());
    }
    let mut facts_of: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for fact in &facts {
        facts_of.entry(fact.run.as_deref().unwrap_or_default()).or_default().push(fact);
    }
    let mut files_of: BTreeMap<&str, Vec<&LakeFile>> = BTreeMap::new();
    for file in files {
        file.runs.iter().for_each(|run| files_of.entry(run).or_default().push(file));
    }
    let is_dropped = |fact: &&Entry| fact.kind == EntryKind::Dropped;
    let is_known = |name: &str| {
        let facts = facts_of.get(name).map(Vec::as_slice).unwrap_or_default();
        let is_there = !facts.is_empty() || files_of.contains_key(name);
        is_there && !facts.iter().any(is_dropped)
    };
    if let Some(run) = selection.runs.iter().find(|name| !is_known(name)) {
        return Err(HistoryError::UnknownRun { lake: lake.to_owned(), run: run.clone() });
    }
    let (mut runs, mut imports) = (Vec::new(), Vec::new());
    for (name, files) in files_of {
        let run = Recorded { name, files, facts: facts_of.remove(name).unwrap_or_default() };
        // Some files of a run that was dropped may still be there.
        if !selection.has_run(name) || run.facts.iter().any(is_dropped) {
            continue;
        }
        if run.provenance() == Some(Provenance::Import) {
            imports.push(run);
        } else {
            runs.extend(run.of_engine(selection)?);
        }
    }
    runs.extend(together(imports).into_iter().filter_map(|group| imported(&group, selection)));
    runs.sort_by(|one, two| (one.begin, &one.names).cmp(&(two.begin, &two.names)));
    Ok(runs)
}

/// A run, its files and its facts.
struct Recorded<'a> {
    name: &'a str,
    files: Vec<&'a LakeFile>,
    facts: Vec<&'a Entry>,
}

impl Recorded<'_> {
    fn started(&self) -> Option<&Entry> {
        self.facts.iter().copied().find(|fact| fact.kind == EntryKind::Started)
    }

    fn provenance(&self) -> Option<Provenance> {
        self.started().and_then(provenance::of_started)
    }

    /// Returns the first and the last time of its rows.
    fn times(&self) -> (Nanos, Nanos) {
        let times = || self.files.iter().map(|file| file.times);
        let first = times().map(|(first, _)| first).min().unwrap_or(0);
        (first, times().map(|(_, last)| last).max().unwrap_or(0))
    }

    /// Returns the run of an engine; `None` if nothing of it is selected.
    fn of_engine(&self, selection: &Selection) -> Result<Option<Run>, HistoryError> {
        let Some(numbers) = window::numbers(&self.files, self.name, selection)? else {
            return Ok(None);
        };
        let ended = self.facts.iter().filter(|fact| fact.kind == EntryKind::Ended);
        let last = ended.filter_map(|fact| fact.last).max();
        let order = Order::Number;
        Ok(Some(Run {
            names: vec![self.name.to_owned()],
            provenance: self.provenance(),
            begin: self.started().map_or(self.times().0, |started| started.time),
            order,
            window: Window { numbers, times: (0, Nanos::MAX) },
            sources: self.sources(order, numbers, 0),
            gaps: Gaps::new(self.facts.iter().copied()),
            last: last.filter(|_| selection.until.is_none()),
        }))
    }

    /// Returns its files that may have numbers of a range, or statuses before them.
    fn sources(&self, order: Order, (first, last): (u64, u64), rank: u32) -> Vec<Source> {
        let is_needed = |file: &&&LakeFile| {
            let is_before = file.listing.is_some() && file.numbers.1 < first;
            !is_before && file.numbers.0 <= last
        };
        let source = |file: &&LakeFile| Source {
            path: file.path.clone(),
            listing: file.listing.clone(),
            run: (self.name.to_owned(), rank),
            is_shared: 1 < file.runs.len(),
            least: match order {
                Order::Number => file.numbers.0,
                Order::Time => file.times.0,
            },
            rows: file.rows,
        };
        self.files.iter().filter(is_needed).map(source).collect()
    }
}

/// Groups imports that overlap in time.
fn together(mut imports: Vec<Recorded<'_>>) -> Vec<Vec<Recorded<'_>>> {
    imports.sort_by_key(|run| (run.times(), run.name));
    let (mut groups, mut end): (Vec<Vec<Recorded<'_>>>, Nanos) = (Vec::new(), 0);
    for run in imports {
        let (first, last) = run.times();
        match groups.last_mut() {
            Some(group) if first <= end => group.push(run),
            Some(_) | None => groups.push(vec![run]),
        }
        end = end.max(last);
    }
    groups
}

/// Returns imports that are read as one run; `None` if nothing of them is selected.
fn imported(group: &[Recorded<'_>], selection: &Selection) -> Option<Run> {
    let first = selection.from.unwrap_or(0);
    let last = selection.until.map_or(Nanos::MAX, |until| until.saturating_sub(1));
    let has_rows = |file: &&LakeFile| file.times.0 <= last && first <= file.times.1;
    let is_selected = group.iter().flat_map(|run| &run.files).any(has_rows);
    let begin = group.iter().map(|run| run.times().0).min().filter(|_| is_selected)?;
    let mut names: Vec<&Recorded<'_>> = group.iter().collect();
    names.sort_by_key(|run| run.name);
    let order = Order::Time;
    let ranked = (0..).zip(&names);
    let sources = ranked.flat_map(|(rank, run)| run.sources(order, (0, u64::MAX), rank));
    Some(Run {
        names: names.iter().map(|run| run.name.to_owned()).collect(),
        provenance: Some(Provenance::Import),
        begin,
        order,
        window: Window { numbers: (0, u64::MAX), times: (first, last) },
        sources: sources.collect(),
        gaps: Gaps::default(),
        last: None,
    })
}
