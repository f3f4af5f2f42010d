//! Secrets: read from where the configuration says they are, and never shown.
//!
//! A configuration names a secret and does not hold it. A [`Secret`] has no `Display`, its `Debug`
//! does not show it, and what is wrong with one is said without it. It is compared in a time that
//! depends on its length alone.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// Fewest characters of a secret: 128 bits in hexadecimal digits, which nobody guesses.
pub const CHARACTERS_MIN: usize = 32;
/// Most characters of a secret.
pub const CHARACTERS_MAX: usize = 256;
/// Most bytes of a file that are looked at.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The permissions of group and others.
const OTHERS: u32 = 0o077;
/// The folder in which systemd puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// A secret text.
#[derive(Clone)]
pub struct Secret(String);

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In an environment variable.
    Environment(String),
    /// In a credential that systemd hands to the service.
    Credential(String),
    /// In a file that only its owner may read.
    File(PathBuf),
}

/// A secret that cannot be used, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {remedy}")]
pub struct Unusable {
    /// What is wrong, without the secret.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Unusable {
    fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Unusable {
        Unusable { reason: reason.into(), remedy: remedy.into() }
    }
}

impl Secret {
    /// Takes a text. Every character can stand in an HTTP header and in the name of a subprotocol.
    ///
    /// # Errors
    /// If the text is too short to be secret, too long, or has other characters.
    pub fn new(text: &str) -> Result<Secret, Unusable> {
        let remedy = "make one with: openssl rand -hex 32";
        let is_sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
        if !text.chars().all(is_sound) {
            let reason = "it has characters other than letters, digits and - . _ ~";
            return Err(Unusable::new(reason, remedy));
        }
        if !(CHARACTERS_MIN..=CHARACTERS_MAX).contains(&text.len()) {
            let (length, min, max) = (text.len(), CHARACTERS_MIN, CHARACTERS_MAX);
            let reason = format!("it has {length} characters, not {min} to {max}");
            return Err(Unusable::new(reason, remedy));
        }
        Ok(Secret(text.to_owned()))
    }

    /// Returns the text, to send it to whom it is meant for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns whether a text is the secret, in a time that depends on the lengths alone.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Secret {}

impl Source {
    /// Reads the secret. White space at the end does not belong to it.
    ///
    /// # Errors
    /// If it is not there, if others may read it, or if it can be none.
    pub fn read(&self) -> Result<Secret, Unusable> {
        Secret::new(self.text()?.trim_end())
    }

    /// Reads a text that is more than one secret, as the key to an account with its parts. Whoever calls
    /// must not show it.
    ///
    /// # Errors
    /// If it is not there, or if others may read it.
    pub fn text(&self) -> Result<String, Unusable> {
        match self {
            Source::Environment(name) => environment(name),
            Source::Credential(name) => credential(name),
            Source::File(path) => private_text(path),
        }
    }
}

fn environment(name: &str) -> Result<String, Unusable> {
    let remedy =
        format!("set it to a secret, and only for this process: {name}=... spreadwire run");
    std::env::var(name)
        .map_err(|_| Unusable::new(format!("the environment has no text {name}"), remedy))
}

/// systemd has made the file for this service alone, so its permissions are not looked at.
fn credential(name: &str) -> Result<String, Unusable> {
    let remedy = format!("start the service with LoadCredential={name}:FILE in its unit");
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(Unusable::new(format!("{name:?} is no name of a credential"), remedy));
    }
    let Ok(folder) = std::env::var(CREDENTIALS) else {
        let reason = format!("{CREDENTIALS} is not set, so there are no credentials");
        return Err(Unusable::new(reason, remedy));
    };
    let path = Path::new(&folder).join(name);
    let file = File::open(&path).map_err(|error| unreadable(&path, &error, &remedy))?;
    text_of(&path, file, &remedy)
}

/// Reads a file that only its owner may read.
///
/// # Errors
/// If it cannot be read, is no file, or if others may read or write it.
pub fn private_text(path: &Path) -> Result<String, Unusable> {
    let remedy = "name a file that only its owner may read";
    let shown = path.display();
    // Opening a FIFO would wait for its other end.
    let is_file = std::fs::metadata(path).map_err(|error| unreadable(path, &error, remedy))?;
    if !is_file.is_file() {
        return Err(Unusable::new(format!("{shown} is no file"), remedy));
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error, remedy))?;
    let opened = file.metadata().map_err(|error| unreadable(path, &error, remedy))?;
    let mode = opened.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        let reason = format!("{shown} has the mode {mode:04o}, so others may use it too");
        return Err(Unusable::new(reason, format!("chmod 0600 {shown}")));
    }
    text_of(path, file, remedy)
}

fn text_of(path: &Path, file: File, remedy: &str) -> Result<String, Unusable> {
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
    read.map(|_| text).map_err(|error| unreadable(path, &error, remedy))
}

fn unreadable(path: &Path, error: &std::io::Error, remedy: &str) -> Unusable {
    Unusable::new(format!("{} cannot be read: {error}", path.display()), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_secret_has_so_many_sound_characters_and_is_never_shown() {
        for (text, word) in [
            ("short", "5 characters"),
            (&"x".repeat(257), "257 characters"),
            (&format!("{GOOD} "), "other than"),
            (&format!("{GOOD}="), "other than"),
            (&format!("{GOOD}\u{e9}"), "other than"),
        ] {
            let error = Secret::new(text).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("openssl rand"), "{error}");
            assert!(!error.contains(text), "{error}");
        }
        let secret = Secret::new(GOOD).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(not shown)");
        assert_eq!(secret.reveal(), GOOD);
    }

    #[test]
    fn only_the_same_text_is_the_secret() {
        let secret = Secret::new(GOOD).unwrap();
        assert!(secret.is(GOOD));
        for other in [&GOOD[1..], &GOOD.replace('f', "e"), &format!("{GOOD}f"), ""] {
            assert!(!secret.is(other), "{other}");
        }
    }

    #[test]
    fn a_file_that_others_may_use_is_refused_with_the_command_that_helps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, format!("{GOOD}\n")).unwrap();
        for mode in 0..=0o777_u32 {
            let permissions = std::fs::Permissions::from_mode(mode | 0o400);
            std::fs::set_permissions(&path, permissions).unwrap();
            let read = Source::File(path.clone()).read();
            if mode & 0o077 == 0 {
                assert!(read.unwrap().is(GOOD), "{mode:o}");
            } else {
                let error = read.unwrap_err();
                assert_eq!(error.remedy, format!("chmod 0600 {}", path.display()), "{mode:o}");
            }
        }
    }

    #[test]
    fn what_is_no_file_or_no_credential_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none");
        for (source, word) in [
            (Source::File(folder.path().to_owned()), "is no file"),
            (Source::File(none), "cannot be read"),
            (Source::Environment("SPREADWIRE_NO_SUCH_VARIABLE".to_owned()), "has no text"),
            (Source::Credential("../token".to_owned()), "no name of a credential"),
            (Source::Credential(String::new()), "no name of a credential"),
        ] {
            let error = source.read().unwrap_err().to_string();
            assert!(error.contains(word), "{source:?}: {error}");
        }
    }
}
