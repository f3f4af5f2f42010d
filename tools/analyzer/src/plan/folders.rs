//! Where results may be written: nowhere that a lake would be changed. `lake verify` refuses a lake
//! with a file that its ledger does not name.

use super::problems::Problems;
use std::path::{Component, Path, PathBuf};

/// Largest number of symbolic links that are followed for one path; Linux follows 40.
const LINKS_MAX: usize = 40;

/// Adds a problem if a folder for results is the lake, lies in it, or has it inside.
pub(super) fn apart(option: &'static str, folder: &Path, lake: &Path, problems: &mut Problems) {
    let (whole, lake) = (resolved(folder), resolved(lake));
    let how = if whole == lake {
        "is the lake"
    } else if whole.starts_with(&lake) {
        "is inside the lake"
    } else if lake.starts_with(&whole) {
        "has the lake inside"
    } else {
        return;
    };
    let what = format!("{:?} {how}, which must hold nothing else", folder.display().to_string());
    problems.add(option, what, "give a folder beside the lake");
}

/// Adds a problem if a file is where a folder for results, or a folder around it, would have to be.
pub(super) fn no_file(option: &'static str, folder: &Path, problems: &mut Problems) {
    let (known, _) = known_part(&resolved(folder));
    if !known.is_dir() {
        let what = format!("{:?} is not a folder", known.display().to_string());
        problems.add(option, what, "give the name of a folder, or of one to make");
    }
}

/// Returns a path without symbolic links and without `.` and `..`, as far as it exists; the rest is
/// taken as it is written.
fn resolved(path: &Path) -> PathBuf {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..LINKS_MAX {
        let (known, rest) = known_part(&path);
        let whole = known.canonicalize().unwrap_or_else(|_| known.clone());
        let next = rest.first().map(|name| whole.join(name));
        // A link whose target does not exist yet leads somewhere all the same.
        match next.as_deref().and_then(|next| next.read_link().ok()) {
            Some(target) => {
                path = rest[1..].iter().fold(whole.join(target), |path, name| path.join(name));
            }
            None => return rest.iter().fold(whole, |path, name| step(path, name)),
        }
    }
    path
}

/// Returns the longest beginning of a path that exists, and the components after it.
fn known_part(path: &Path) -> (PathBuf, Vec<PathBuf>) {
    let mut known = path.to_owned();
    let mut rest = Vec::new();
    while !known.exists() {
        let Some(last) = known.components().next_back().map(|of| PathBuf::from(of.as_os_str()))
        else {
            break;
        };
        let Some(parent) = known.parent().map(Path::to_owned) else { break };
        rest.insert(0, last);
        known = parent;
    }
    (known, rest)
}

fn step(mut path: PathBuf, name: &Path) -> PathBuf {
    match name.components().next() {
        Some(Component::ParentDir) => {
            path.pop();
            path
        }
        Some(Component::CurDir) | None => path,
        Some(Component::Normal(_) | Component::RootDir | Component::Prefix(_)) => path.join(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_in_the_place_of_a_folder_is_named() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        for (folder, is_told) in
            [("file", true), ("file/new", true), ("new/er", false), ("", false)]
        {
            let mut problems = Problems::default();
            no_file("--out", &home.path().join(folder), &mut problems);
            let told: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), usize::from(is_told), "{folder}: {told:?}");
            assert!(told.iter().all(|of| of.contains("/file\" is not a folder")), "{told:?}");
        }
    }

    #[test]
    fn a_folder_is_found_in_the_lake_however_it_is_written() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir_all(at("lake/exchange=okx")).unwrap();
        std::fs::create_dir_all(at("other")).unwrap();
        symlink(at("lake"), at("link")).unwrap();
        symlink(at("lake/not yet"), at("dangling")).unwrap();
        symlink("../lake", at("other/back")).unwrap();
        for (folder, lake, told) in [
            ("lake", "lake", "is the lake"),
            ("lake/", "link", "is the lake"),
            ("link", "lake", "is the lake"),
            ("lake/new/er", "lake", "is inside"),
            ("link/new", "lake", "is inside"),
            ("lake/../lake/new", "lake", "is inside"),
            ("other/../lake", "lake", "is the lake"),
            ("no/../lake/new", "lake", "is inside"),
            ("other/back/new", "lake", "is inside"),
            ("dangling", "lake", "is inside"),
            ("dangling/deep", "lake", "is inside"),
            (".", "lake", "has the lake inside"),
            ("", "lake/exchange=okx", "has the lake inside"),
            ("lake2", "lake", ""),
            ("lake.partials", "lake", ""),
            ("other/new", "lake", ""),
            ("lake/../new", "lake", ""),
        ] {
            let mut problems = Problems::default();
            apart("--out", &at(folder), &at(lake), &mut problems);
            let found: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
            assert_eq!(found.len(), usize::from(!told.is_empty()), "{folder} {lake}: {found:?}");
            assert!(found.iter().all(|of| of.contains(told)), "{folder} {lake}: {found:?}");
        }
    }
}
