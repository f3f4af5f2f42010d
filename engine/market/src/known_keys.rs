//! The keys that a type reads from a file, determined from the type itself.
//!
//! The code that serde derives for a struct passes the names of its fields to the deserializer.
//! [`KnownKeys::of`] runs it with a deserializer that has no input. It notes the names, offers one
//! field at a time so that nested structs are reached too, and fails everything else. A new field
//! thus becomes known without being listed anywhere.

use serde::de::value::Error;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Known keys of a kind of file, as paths without list indexes: `threads.cpu`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownKeys {
    paths: BTreeSet<String>,
    free: BTreeSet<String>,
}

impl KnownKeys {
    /// Determines the keys of a type.
    #[must_use]
    pub fn of<T: DeserializeOwned>() -> KnownKeys {
        let notes = RefCell::new(Notes::default());
        loop {
            notes.borrow_mut().unfinished = false;
            // It fails for lack of input; only the notes matter.
            drop(T::deserialize(Survey { notes: &notes, path: String::new() }));
            if !notes.borrow().unfinished {
                return notes.into_inner().keys;
            }
        }
    }

    /// Returns all paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Returns whether a file may have this path.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// Returns whether users choose the keys below this path.
    #[must_use]
    pub fn is_free(&self, path: &str) -> bool {
        self.free.contains(path)
    }

    /// Returns the last parts of the paths that have the same parent as this one.
    pub fn beside<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        let parent = split(path).0;
        self.paths().map(split).filter(move |(other, _)| *other == parent).map(|(_, last)| last)
    }
}

/// Splits a path into its parent and its last part.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

fn join(parent: &str, last: &str) -> String {
    if parent.is_empty() { last.to_owned() } else { format!("{parent}.{last}") }
}

/// Paths found so far.
#[derive(Debug, Default)]
struct Notes {
    keys: KnownKeys,
    /// Fields with nothing more to find below them.
    done: BTreeSet<String>,
    /// Whether the last visited struct has fields that are not done.
    unfinished: bool,
}

/// A deserializer without input, at one path.
struct Survey<'a> {
    notes: &'a RefCell<Notes>,
    path: String,
}

fn nothing<T>() -> Result<T, Error> {
    Err(Error::custom("there is no input"))
}

impl<'de> Deserializer<'de> for Survey<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        nothing()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Once(Some(self)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.notes.borrow_mut().keys.free.insert(self.path);
        nothing()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // The TOML parser sees a date as a struct; everyone else sees a value.
        if name.starts_with("$__") {
            return nothing();
        }
        let Survey { notes, path } = self;
        let paths: Vec<String> = fields.iter().map(|field| join(&path, field)).collect();
        let place = {
            let mut notes = notes.borrow_mut();
            notes.keys.paths.extend(paths.iter().cloned());
            paths.iter().position(|path| !notes.done.contains(path))
        };
        let Some(place) = place else { return nothing() };
        notes.borrow_mut().unfinished = false;
        let below = Survey { notes, path: paths[place].clone() };
        let read = visitor.visit_map(Once(Some((fields[place], below))));
        let mut notes = notes.borrow_mut();
        if !notes.unfinished {
            notes.done.insert(paths[place].clone());
        }
        notes.unfinished = paths.iter().any(|path| !notes.done.contains(path));
        read
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

/// A list of one element, or a table of one field.
struct Once<T>(Option<T>);

impl<'de> SeqAccess<'de> for Once<Survey<'_>> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.0.take().map(|element| seed.deserialize(element)).transpose()
    }
}

impl<'de> MapAccess<'de> for Once<(&'static str, Survey<'_>)> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let field = self.0.as_ref().map(|(field, _)| *field);
        field.map(|field| seed.deserialize(field.into_deserializer())).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        match self.0.take() {
            Some((_, value)) => seed.deserialize(value),
            None => nothing(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the names of the fields are looked at")]
    struct File {
        size: u8,
        parts: Vec<Part>,
        #[serde(default)]
        last: Option<Last>,
        made: toml::value::Datetime,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the names of the fields are looked at")]
    struct Part {
        #[serde(skip)]
        place: usize,
        #[serde(rename = "called")]
        name: String,
        within: Option<Last>,
        words: BTreeMap<String, String>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Last {
        one: f64,
        two: (u8, u8),
    }

    #[test]
    fn every_field_is_found_at_every_depth_and_nothing_else() {
        let keys = KnownKeys::of::<File>();
        let expected = [
            "last",
            "last.one",
            "last.two",
            "made",
            "parts",
            "parts.called",
            "parts.within",
            "parts.within.one",
            "parts.within.two",
            "parts.words",
            "size",
        ];
        assert_eq!(keys.paths().collect::<Vec<_>>(), expected);
        assert!(keys.is_free("parts.words") && !keys.is_free("parts"));
        assert!(keys.contains("parts.called") && !keys.contains("called"));
        let beside: Vec<&str> = keys.beside("last.three").collect();
        assert_eq!(beside, ["one", "two"]);
        assert_eq!(keys.beside("x").count(), 4);
    }
}
