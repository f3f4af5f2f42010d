//! Files that import each other, straight or through others.

use super::sources::Source;
use std::collections::{BTreeMap, BTreeSet};

/// What each file imports: the file, and one path that says so.
type Imports<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

/// Returns one circle of imports in words, `a.rs uses crate::b::X, b.rs uses crate::a::Y`; `None` if
/// there is none.
pub(crate) fn circle(sources: &[Source]) -> Option<String> {
    let imports = imports(sources);
    // What imports nothing that is left is on no circle. What stays leads to one in any case.
    let mut left: BTreeSet<&str> = imports.keys().copied().collect();
    loop {
        let leads_on = |file: &&str| imports[file].keys().any(|other| left.contains(other));
        let kept: BTreeSet<&str> = left.iter().copied().filter(|file| leads_on(file)).collect();
        if kept.len() == left.len() {
            break;
        }
        left = kept;
    }
    let mut trail: Vec<(&str, &str)> = Vec::new();
    let mut file = *left.first()?;
    while trail.iter().all(|(seen, _)| *seen != file) {
        let (next, path) = imports[file].iter().find(|(other, _)| left.contains(*other))?;
        trail.push((file, path));
        file = next;
    }
    let start = trail.iter().position(|(seen, _)| *seen == file)?;
    let told = trail[start..].iter().map(|(file, path)| format!("{file} uses {path}"));
    Some(told.collect::<Vec<_>>().join(", "))
}

fn imports(sources: &[Source]) -> Imports<'_> {
    let name = |source: &Source| source.file.to_str().unwrap().to_owned();
    let files: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.module.as_str(), source)).collect();
    let mut imports = Imports::new();
    for source in sources {
        let from = source.file.to_str().unwrap();
        let of = imports.entry(from).or_default();
        for path in &source.uses {
            let Some(target) = file_of(path, &files) else { continue };
            if name(target) != from {
                of.entry(target.file.to_str().unwrap()).or_insert(path);
            }
        }
    }
    imports
}

/// The file of the innermost module that a path leads through.
fn file_of<'a>(path: &str, files: &BTreeMap<&str, &'a Source>) -> Option<&'a Source> {
    let ends = path.match_indices("::").map(|(at, _)| at).chain([path.len()]);
    let modules = ends.filter_map(|end| files.get(&path[..end]).copied());
    modules.last()
}
