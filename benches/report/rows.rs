//! The results as the page needs them: headers, and rows by bench, case and contender.
//!
//! A repeated row replaces the earlier one.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Numbers of a row; any may be absent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub(crate) struct Row {
    pub(crate) bench: String,
    pub(crate) case: String,
    pub(crate) who: String,
    #[serde(default)]
    pub(crate) unit: String,
    /// Contender that the ratios refer to, if the row names it.
    #[serde(default)]
    pub(crate) beside: Option<String>,
    #[serde(default)]
    pub(crate) curve: Vec<(f64, f64)>,
    /// All other numbers: `p50`, `ratio_p50`, `missing`.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Row {
    /// Returns a number by its name.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.rest.get(name)?.as_f64()
    }
}

/// All results.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Headers that describe software and machine, one for each run of a bench.
    pub(crate) headers: Vec<Value>,
    /// Rows in the order of their first occurrence.
    pub(crate) rows: Vec<Row>,
}

impl Results {
    /// Parses JSON lines.
    ///
    /// # Errors
    /// At the first line that is not a result, with its number.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Results> {
        let mut results = Results::default();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let told = || format!("line {}: {line}", number + 1);
            let value: Value = serde_json::from_str(line).with_context(told)?;
            match value.get("header") {
                Some(header) => results.headers.push(header.clone()),
                None => results.add(serde_json::from_value(value).with_context(told)?),
            }
        }
        Ok(results)
    }

    fn add(&mut self, row: Row) {
        let key = |row: &Row| (row.bench.clone(), row.case.clone(), row.who.clone());
        match self.rows.iter_mut().find(|old| key(old) == key(&row)) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
    }

    /// Returns the rows of a bench, in order.
    pub(crate) fn of<'a>(&'a self, bench: &str) -> impl Iterator<Item = &'a Row> {
        let bench = bench.to_owned();
        self.rows.iter().filter(move |row| row.bench == bench)
    }

    /// Returns the names of the benches, in order.
    pub(crate) fn benches(&self) -> Vec<String> {
        let mut benches: Vec<String> = Vec::new();
        for row in &self.rows {
            if !benches.contains(&row.bench) {
                benches.push(row.bench.clone());
            }
        }
        benches
    }
}
