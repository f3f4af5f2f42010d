//! Results in dated folders: each analysis writes a folder of its own, and the link `latest` then
//! points to it.
//!
//! A folder appears as a whole, under its final name. It lists the files that were written into it, so
//! that old folders can be deleted later without deleting anything that somebody else put there.

use spreadwire_lake::folder;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

/// Name of the link to the newest folder.
pub const LATEST: &str = "latest";
/// Name of the file that lists the files of a folder, a path a line.
const LIST: &str = ".files";
/// Folders of the same minute that are told apart by a number.
const SAME_MINUTE_MAX: u32 = 10_000;

/// A folder that is being written.
#[derive(Debug)]
pub struct Edition {
    root: PathBuf,
    unfinished: PathBuf,
    name: String,
}

/// What was written.
#[derive(Debug)]
pub struct Finished {
    /// The folder.
    pub folder: PathBuf,
    /// The link `latest`.
    pub latest: PathBuf,
    /// The name of the older folder that the link still points to; `None` if it points to this one.
    pub stays: Option<PathBuf>,
}

/// What becomes of the link `latest`.
#[derive(Clone, Copy, Debug)]
pub enum Latest<'a> {
    /// It points to the new folder.
    Moves,
    /// It stays where it is if the folder there has a file of this name.
    StaysWith(&'a str),
}

/// Returns why nothing can be written below `root`: something else has the name of the link.
///
/// # Errors
/// The operating system's, if it does not say what is there.
pub fn obstacle(root: &Path) -> io::Result<Option<String>> {
    let link = root.join(LATEST);
    match fs::symlink_metadata(&link) {
        Ok(found) if !found.is_symlink() => Ok(Some(format!(
            "{} is not a link: move it away, so that it can point to the newest results",
            link.display()
        ))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Edition {
    /// Begins the folder of an analysis below `root`, which is made if it does not exist. `now_ns` is
    /// the time of the analysis in ns since 1970.
    ///
    /// # Errors
    /// If a folder cannot be made, or something else has the name of the link.
    pub fn begin(root: &Path, now_ns: i64) -> io::Result<Edition> {
        if let Some(why) = obstacle(root)? {
            return Err(io::Error::other(why));
        }
        folder::create(root)?;
        let time = jiff::Timestamp::from_nanosecond(i128::from(now_ns)).unwrap_or_default();
        let unfinished = root.join(format!(".unfinished-{}", std::process::id()));
        // An earlier process of the same number was killed.
        if unfinished.is_dir() {
            fs::remove_dir_all(&unfinished)?;
        }
        folder::create(&unfinished)?;
        let name = time.strftime("%Y-%m-%dT%H%MZ").to_string();
        Ok(Edition { root: root.to_owned(), unfinished, name })
    }

    /// Returns the folder to write into.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.unfinished
    }

    /// Gives the folder with these files its final name, points the link to it if `latest` moves, and
    /// deletes older folders so that `keep` are left, and the one that the link points to. `files` are paths below [`folder`](Edition::folder).
    ///
    /// # Errors
    /// If the operating system refuses. The link then points to a whole folder all the same.
    pub fn finish(
        self,
        files: &[PathBuf],
        keep: usize,
        latest: Latest<'_>,
    ) -> io::Result<Finished> {
        let listed: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        super::replace(&self.unfinished.join(LIST), (listed.join("\n") + "\n").as_bytes())?;
        let name = self.place()?;
        let link = self.root.join(LATEST);
        let stays = match latest {
            Latest::StaysWith(file) if link.join(file).is_file() => Some(fs::read_link(&link)?),
            Latest::StaysWith(_) | Latest::Moves => None,
        };
        if stays.is_none() {
            self.point(&name)?;
        }
        prune(&self.root, keep.max(1), &name)?;
        Ok(Finished { folder: self.root.join(&name), latest: link, stays })
    }

    /// Points the link to a folder.
    fn point(&self, name: &str) -> io::Result<()> {
        let link = self.root.join(format!(".{LATEST}-{}", std::process::id()));
        if fs::symlink_metadata(&link).is_ok() {
            fs::remove_file(&link)?;
        }
        symlink(name, &link)?;
        fs::rename(&link, self.root.join(LATEST))?;
        fs::File::open(&self.root)?.sync_all()
    }

    /// Renames the folder to the first name that is free.
    fn place(&self) -> io::Result<String> {
        for number in 1..SAME_MINUTE_MAX {
            let name =
                if number == 1 { self.name.clone() } else { format!("{}-{number}", self.name) };
            let path = self.root.join(&name);
            if fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            match fs::rename(&self.unfinished, &path) {
                Ok(()) => return Ok(name),
                // Another analysis was quicker.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!(
            "{} has too many folders of this minute",
            self.root.display()
        )))
    }
}

impl Drop for Edition {
    /// Deletes the folder if it was not finished.
    fn drop(&mut self) {
        // Best effort: what is left is not linked from anywhere.
        drop(fs::remove_dir_all(&self.unfinished));
    }
}

/// Returns whether a name is that of a dated folder: `2026-11-24T0210Z`, or the same with a number.
fn is_dated(name: &str) -> bool {
    let (time, number) = name.split_at_checked(16).unwrap_or((name, "?"));
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    time.chars().map(shape).eq("0000-00-00T0000Z".chars())
        && number.strip_prefix('-').unwrap_or("0").chars().all(|c| c.is_ascii_digit())
        && (number.is_empty() || number.starts_with('-'))
}

/// Deletes what earlier analyses wrote, but for the newest `keep` folders. `newest` always stays, and so does
/// the folder that the link points to.
fn prune(root: &Path, keep: usize, newest: &str) -> io::Result<()> {
    let linked = fs::read_link(root.join(LATEST)).unwrap_or_default();
    let stays = |name: &str| name == newest || Path::new(name) == linked;
    let (mut dated, mut kept) = (Vec::new(), 0);
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let has_list = || entry.path().join(LIST).is_file();
        if !is_dated(&name) || !entry.file_type()?.is_dir() || !has_list() {
            continue;
        }
        if stays(&name) {
            kept += 1;
        } else {
            dated.push(name);
        }
    }
    // A number of two digits comes after one of one digit.
    dated.sort_unstable_by(|a, b| (&a[..16], a.len(), a).cmp(&(&b[..16], b.len(), b)));
    let surplus = (dated.len() + kept).saturating_sub(keep);
    dated.iter().take(surplus).try_for_each(|name| delete(&root.join(name)))
}

/// Deletes the files that a folder lists, and the folder if nothing else is in it.
fn delete(folder: &Path) -> io::Result<()> {
    let list = fs::read_to_string(folder.join(LIST))?;
    let mut folders = BTreeSet::new();
    for file in list.lines().map(Path::new) {
        let is_below = file.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_below || file.as_os_str().is_empty() {
            continue;
        }
        match fs::remove_file(folder.join(file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        folders.extend(file.ancestors().skip(1).filter(|of| !of.as_os_str().is_empty()));
    }
    fs::remove_file(folder.join(LIST))?;
    let deepest_first = folders.into_iter().rev().map(|below| folder.join(below));
    for folder in deepest_first.chain([folder.to_owned()]) {
        match fs::remove_dir(folder) {
            // Somebody else's files are in it.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;
    /// 2026-11-24T02:10:00Z.
    const AT: i64 = 1_795_486_200_000_000_000;

    fn write(root: &Path, now_ns: i64, content: &str, keep: usize) -> PathBuf {
        let edition = Edition::begin(root, now_ns).unwrap();
        fs::create_dir(edition.folder().join("pairs")).unwrap();
        let files = ["report.json", "pairs/one.json"].map(PathBuf::from);
        files.iter().for_each(|file| fs::write(edition.folder().join(file), content).unwrap());
        edition.finish(&files, keep, Latest::Moves).unwrap().folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn each_analysis_has_its_folder_and_the_link_points_to_the_newest() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("deep/analysis");
        assert_eq!(write(&root, AT, "one", 30), root.join("2026-11-24T0210Z"));
        let latest = || fs::read_to_string(root.join("latest/report.json")).unwrap();
        assert_eq!(latest(), "one");
        assert_eq!(write(&root, AT + 1, "two", 30), root.join("2026-11-24T0210Z-2"));
        write(&root, AT + MINUTE, "three", 30);
        assert_eq!(latest(), "three");
        let expected = ["2026-11-24T0210Z", "2026-11-24T0210Z-2", "2026-11-24T0211Z", "latest"];
        assert_eq!(names(&root), expected);
        // The link is relative: the folder can be moved.
        assert_eq!(fs::read_link(root.join("latest")).unwrap(), Path::new("2026-11-24T0211Z"));
        // What was not finished leaves nothing, and the link stays.
        let edition = Edition::begin(&root, AT + 2 * MINUTE).unwrap();
        fs::write(edition.folder().join("report.json"), "half").unwrap();
        drop(edition);
        assert_eq!(
            (names(&root).as_slice(), latest()),
            (&expected.map(str::to_owned)[..], "three".into())
        );
    }

    #[test]
    fn the_last_ones_are_kept_and_only_what_was_written_is_deleted() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        // Files of somebody else: in a folder of ours, in one that only looks like ours, and links.
        fs::create_dir(root.join("2020-01-01T0000Z")).unwrap();
        fs::write(root.join("2020-01-01T0000Z/mine"), "").unwrap();
        fs::create_dir(root.join("2020-01-02T0000Z-note")).unwrap();
        fs::write(root.join("report.json"), "of an earlier version").unwrap();
        let outside = root.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join(LIST), "kept\n").unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        symlink(&outside, root.join("2020-01-03T0000Z")).unwrap();
        let first = write(root, AT, "1", 3);
        fs::write(first.join("pairs/note"), "mine").unwrap();
        for minute in 1..13 {
            write(root, AT + minute / 4 * MINUTE, "more", 3);
        }
        let expected = [
            "2020-01-01T0000Z",
            "2020-01-02T0000Z-note",
            "2020-01-03T0000Z",
            "2026-11-24T0210Z",
            "2026-11-24T0212Z-4",
            "2026-11-24T0213Z",
            "latest",
            "outside",
            "report.json",
        ];
        let mut found = names(root);
        found.retain(|name| name != "2026-11-24T0212Z-3");
        assert_eq!(found, expected);
        assert_eq!(names(&first), ["pairs"], "somebody's note is left");
        assert_eq!(names(&first.join("pairs")), ["note"]);
        assert!(outside.join("kept").exists() && root.join("2020-01-01T0000Z/mine").exists());
        // A list that leads elsewhere deletes nothing there.
        let edition = Edition::begin(root, AT + 99 * MINUTE).unwrap();
        fs::write(root.join("victim"), "").unwrap();
        let files = ["../victim", "../../victim"].map(PathBuf::from);
        let folder = edition.finish(&files, 1, Latest::Moves).unwrap().folder;
        write(root, AT + 100 * MINUTE, "last", 1);
        assert!(root.join("victim").exists() && !folder.exists());
    }

    #[test]
    fn the_link_stays_with_a_folder_that_has_the_file_and_that_folder_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        let write = |minute: i64, name: &str| {
            let edition = Edition::begin(root, AT + minute * MINUTE).unwrap();
            fs::write(edition.folder().join(name), "").unwrap();
            let latest =
                if name == "decision" { Latest::Moves } else { Latest::StaysWith("decision") };
            edition.finish(&[PathBuf::from(name)], 2, latest).unwrap().stays
        };
        assert_eq!(write(0, "else"), None, "there is no link yet");
        assert_eq!(write(1, "else"), None, "nothing is lost");
        assert_eq!(write(2, "decision"), None);
        for minute in 3..6 {
            assert_eq!(write(minute, "else").unwrap(), Path::new("2026-11-24T0212Z"));
        }
        assert!(root.join("latest/decision").is_file());
        assert_eq!(names(root), ["2026-11-24T0212Z", "2026-11-24T0215Z", "latest"]);
        assert_eq!(write(6, "decision"), None);
        assert_eq!(fs::read_link(root.join("latest")).unwrap(), Path::new("2026-11-24T0216Z"));
    }

    #[test]
    fn something_else_in_the_place_of_the_link_is_not_touched() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        fs::create_dir(root.join("latest")).unwrap();
        let told = Edition::begin(root, AT).unwrap_err().to_string();
        assert!(told.contains("latest is not a link: move it away"), "{told}");
        assert_eq!(names(root), ["latest"]);
        // A link that points nowhere is replaced.
        fs::remove_dir(root.join("latest")).unwrap();
        symlink("gone", root.join("latest")).unwrap();
        write(root, AT, "x", 30);
        assert_eq!(fs::read_to_string(root.join("latest/report.json")).unwrap(), "x");
    }

    #[test]
    fn dated_names_are_told_from_others() {
        for name in ["2026-11-24T0210Z", "2026-11-24T0210Z-2", "2026-11-24T0210Z-10"] {
            assert!(is_dated(name), "{name}");
        }
        for name in [
            "2026-11-24",
            "2026-11-24T0210Z2",
            "2026-11-24T0210Z-a",
            "latest",
            "",
            "2026-11-24T0210Zé",
        ] {
            assert!(!is_dated(name), "{name}");
        }
    }
}
