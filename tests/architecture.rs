//! Checks the layering that Cargo cannot: the order of the modules inside a crate, and the imports
//! of a venue's file.
//!
//! Between crates, Cargo itself refuses a dependency in the wrong direction. Files are parsed with
//! `syn`, so that code after a `#[cfg(test)]` item is seen and test code is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]
#![allow(clippy::wildcard_enum_match_arm, reason = "syn's enums grow")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// Folders and files of the engine's crate, from the bottom up. A module may use only modules of
/// earlier rows; modules of the same row do not use each other.
const ENGINE_LAYERS: &[&[&str]] = &[
    &["runtime"],
    &["socket"],
    &["feed", "calculator", "decision", "broadcast", "journal"],
    &["audit", "capture", "chronicle", "decision_journal", "plan", "replay", "telemetry"],
    &["summary"],
    &["launch"],
    &["process"],
];

/// All crates whose files must not import each other in a circle, by source folder.
const CRATES: &[&str] = &[
    "engine/market/src",
    "engine/trading/src",
    "engine/backtest/src",
    "engine/gateways/src",
    "engine/venues/src",
    "engine/lake/src",
    "engine/config/src",
    "engine/catalogue/src",
    "engine/src",
    "engine/spreadwire/src",
    "tools/analyzer/src",
    "tools/doctor/src",
    "tools/exchange-sim/src",
    "tools/lake/src",
    "tools/trader/src",
    "tests/kit/src",
    "tests/rigs/src",
];

/// Modules that a venue's file may use: the contract, numbers and JSON.
const VENUE_FILES_MAY_USE: &[&str] =
    &["venue", "instruments", "positional", "json", "protobuf", "venues"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Returns the module path of a file: `journal/syncer.rs` is `["journal", "syncer"]`.
fn module_of(file: &Path, src: &Path) -> Vec<String> {
    let inner = file.strip_prefix(src).unwrap().with_extension("");
    let path: Vec<String> = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path.len() == 1 && matches!(path[0].as_str(), "lib" | "main") { Vec::new() } else { path }
}

/// Returns the paths of our own modules that a file uses outside its tests, from the crate's root.
fn uses(text: &str, module: &[String]) -> BTreeSet<Vec<String>> {
    let mut paths = Paths { module: module.to_vec(), found: BTreeSet::new() };
    paths.visit_file(&syn::parse_file(text).unwrap());
    paths.found
}

struct Paths {
    module: Vec<String>,
    found: BTreeSet<Vec<String>>,
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl Paths {
    /// Notes a path that begins with `crate`, `super` or `self`.
    fn note(&mut self, path: &[String]) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some((first, mut rest)) = path.split_first() else { return };
        let mut at = match *first {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => self.module[..self.module.len().saturating_sub(1)].to_vec(),
            _ => return,
        };
        while let ["super", more @ ..] = rest {
            at.pop();
            rest = more;
        }
        at.extend(rest.iter().map(|part| (*part).to_owned()));
        self.found.insert(at);
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|it| self.tree(it, before)),
        }
    }

    /// Notes paths in a macro's arguments, which `syn` does not parse.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut separated = true;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(ident) if separated => {
                    path.push(ident.to_string());
                    separated = false;
                }
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => separated = true,
                other => {
                    self.note(&std::mem::take(&mut path));
                    separated = true;
                    match other {
                        proc_macro2::TokenTree::Group(group) => self.tokens(group.stream()),
                        proc_macro2::TokenTree::Ident(ident) => {
                            path.push(ident.to_string());
                            separated = false;
                        }
                        _ => {}
                    }
                }
            }
        }
        self.note(&path);
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(it) => &it.attrs,
            syn::Item::Fn(it) => &it.attrs,
            syn::Item::Impl(it) => &it.attrs,
            syn::Item::Use(it) => &it.attrs,
            syn::Item::Const(it) => &it.attrs,
            syn::Item::Struct(it) => &it.attrs,
            _ => return syn::visit::visit_item(self, item),
        };
        if !is_test_only(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test_only(&function.attrs) {
            syn::visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.note(&names);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
    }
}

/// Returns every file of a crate by its module, with the other files that it uses.
fn files_of(src: &Path) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let mut files = Vec::new();
    sources(src, &mut files);
    let modules: BTreeSet<Vec<String>> = files.iter().map(|file| module_of(file, src)).collect();
    let file_of = |path: &Vec<String>| {
        (0..=path.len()).rev().map(|end| path[..end].to_vec()).find(|it| modules.contains(it))
    };
    let used = |file: &PathBuf| {
        let module = module_of(file, src);
        let text = fs::read_to_string(file).unwrap();
        assert!(text.starts_with("//!"), "{}: does not open with its purpose", file.display());
        let paths = uses(&text, &module);
        let others = paths.iter().filter_map(file_of).filter(|other| *other != module);
        (module.clone(), others.collect())
    };
    files.iter().map(used).collect()
}

/// Returns whether two modules belong together: a module and the modules inside it may use each
/// other.
fn is_family(a: &[String], b: &[String]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for src in CRATES {
        let files = files_of(&repository().join(src));
        for start in files.keys() {
            let mut reached = BTreeSet::new();
            let mut next = vec![start];
            while let Some(at) = next.pop() {
                let onward = files[at].iter().filter(|other| !is_family(at, other));
                for other in onward {
                    if reached.insert(other) {
                        next.push(other);
                    }
                }
            }
            if reached.contains(start) {
                circles.push(format!("{src}: {} is on a circle", start.join("/")));
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn the_engines_modules_depend_downward_only_and_agents_do_not_know_each_other() {
    let rows = ENGINE_LAYERS.iter().enumerate();
    let layer: BTreeMap<&str, usize> =
        rows.flat_map(|(row, names)| names.iter().map(move |name| (*name, row))).collect();
    let mut faults = Vec::new();
    for (module, used) in files_of(&repository().join("engine/src")) {
        let Some(own) = module.first() else { continue };
        let Some(row) = layer.get(own.as_str()) else {
            faults.push(format!("{own}: not in ENGINE_LAYERS"));
            continue;
        };
        for other in used.iter().filter_map(|path| path.first()).filter(|other| *other != own) {
            if layer.get(other.as_str()).is_none_or(|there| row <= there) {
                faults.push(format!("{} uses {other}, which is not below it", module.join("/")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_venues_file_uses_the_contract_numbers_and_json_alone() {
    for (module, used) in files_of(&repository().join("engine/venues/src")) {
        if module.len() < 2 || module[0] != "venues" {
            continue;
        }
        for other in used {
            let known = VENUE_FILES_MAY_USE.contains(&other[0].as_str());
            assert!(known, "{} uses {}", module.join("/"), other.join("/"));
        }
    }
}

#[test]
fn the_map_in_the_document_is_the_one_that_is_tested() {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let map = text.split("## Inside the engine").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = map.lines().filter(|line| line.starts_with('|')).skip(2);
    let drawn: Vec<Vec<&str>> =
        rows.map(|row| row.split('`').skip(1).step_by(2).collect()).collect();
    assert_eq!(drawn, ENGINE_LAYERS);
}

#[test]
fn the_check_itself_sees_what_it_should() {
    let text = "use crate::{a::{b, c}, d};\n\
                #[cfg(test)] mod tests { use crate::in_tests; }\n\
                use super::e::F;\n\
                // crate::comment\n\
                fn f() -> crate::g::H { assert_eq!(crate::i::J, 1, \"crate::text\"); super::super::k::l() }\n\
                struct S; impl S { #[cfg(test)] fn t() { crate::in_tests::x(); } }";
    let module = ["m".to_owned(), "n".to_owned()];
    let found: Vec<String> = uses(text, &module).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b", "a::c", "d", "g::H", "i::J", "k::l", "m::e::F"]);
}
