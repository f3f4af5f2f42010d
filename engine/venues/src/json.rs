//! A JSON reader for the venues' general decoders.
//!
//! A [`Json`] owns the parser's buffers and one copy of the frame, because the parser unescapes in
//! place. Once the buffers have grown to the largest frame seen, reading allocates nothing. A frame
//! that is longer than [`FRAME_MAX`] or nested deeper than [`DEPTH_MAX`] is refused.
//!
//! If a key appears twice in an object, the **last** value counts, as in `serde_json`, JavaScript
//! and Python. Numbers are returned as the text that was sent, not as doubles. The parser's tape
//! does not keep that text, so it is found by counting the structural characters in the original
//! frame.

use simd_json::{Buffers, Node, StaticNode, Tape};

/// Maximum length of a frame, bytes. A quote has 100 to 400 bytes. A full book of 400 levels, to
/// which no venue here subscribes, has about 40,000.
pub const FRAME_MAX: usize = 256 * 1024;

/// Maximum nesting depth. A quote has 5.
pub const DEPTH_MAX: usize = 32;

/// The text is not JSON, is truncated, too long or too deeply nested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed JSON")]
pub struct Malformed;

/// A JSON reader that reuses its buffers.
pub struct Json {
    buffers: Buffers,
    /// Empty between texts; kept for its allocation.
    tape: Tape<'static>,
    /// The text, followed by the padding that the parser may read.
    scratch: Vec<u8>,
}

impl Default for Json {
    fn default() -> Json {
        Json {
            buffers: Buffers::with_max_depth(1024, DEPTH_MAX),
            tape: Tape(Vec::new()),
            scratch: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Json").field("capacity", &self.scratch.capacity()).finish_non_exhaustive()
    }
}

impl Json {
    /// Parses `text` and passes its root value to `visit`.
    ///
    /// # Errors
    /// [`Malformed`] if the text is refused; `visit` is then not called.
    pub fn read<R>(
        &mut self,
        text: &[u8],
        visit: impl FnOnce(Value<'_>) -> R,
    ) -> Result<R, Malformed> {
        if text.len() > FRAME_MAX {
            return Err(Malformed);
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(text);
        self.scratch.resize(text.len() + simd_json::INPUT_PADDING, 0);
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = simd_json::fill_tape_padded(
            &mut self.scratch,
            text.len(),
            &mut self.buffers,
            &mut tape,
        );
        let structurals = self.buffers.structural_indexes();
        let result = match parsed {
            Ok(()) => Ok(visit(Value { nodes: &tape.0, at: 0, text, structurals })),
            Err(_) => Err(Malformed),
        };
        self.tape = tape.reset();
        result
    }
}

/// A value of the text being read.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    nodes: &'a [Node<'a>],
    at: usize,
    text: &'a [u8],
    structurals: &'a [u32],
}

impl<'a> Value<'a> {
    /// Returns a field of an object. If the key appears twice, the last value counts. Returns
    /// `None` if there is no such field or this is not an object.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.fields().filter(|(name, _)| *name == key).last().map(|(_, value)| value)
    }

    /// Returns the fields of an object in the order sent; none if this is not an object.
    #[must_use]
    pub fn fields(self) -> Fields<'a> {
        let left = match self.nodes[self.at] {
            Node::Object { len, .. } => len,
            Node::Array { .. } | Node::String(_) | Node::Static(_) => 0,
        };
        Fields { next: Value { at: self.at + 1, ..self }, left }
    }

    /// Returns the elements of an array; `None` if this is not an array.
    #[must_use]
    pub fn items(self) -> Option<Items<'a>> {
        let Node::Array { len, .. } = self.nodes[self.at] else { return None };
        Some(Items { next: Value { at: self.at + 1, ..self }, left: len })
    }

    /// Returns the string, unescaped.
    #[must_use]
    pub fn string(self) -> Option<&'a str> {
        let Node::String(text) = self.nodes[self.at] else { return None };
        Some(text)
    }

    /// Returns the text of a decimal: the content of a string, or a number as it was sent. The
    /// caller checks whether a string is a number.
    #[must_use]
    pub fn decimal(self) -> Option<&'a [u8]> {
        match self.nodes[self.at] {
            Node::String(text) => Some(text.as_bytes()),
            Node::Static(StaticNode::I64(_) | StaticNode::U64(_) | StaticNode::F64(_)) => {
                self.number()
            }
            Node::Static(_) | Node::Object { .. } | Node::Array { .. } => None,
        }
    }

    /// Returns an integer from 0 to `u64::MAX` that was sent as a number or as a string of digits.
    #[must_use]
    pub fn integer(self) -> Option<u64> {
        match self.nodes[self.at] {
            Node::Static(StaticNode::I64(number)) => u64::try_from(number).ok(),
            Node::Static(StaticNode::U64(number)) => Some(number),
            // `parse` alone would also accept "+1".
            Node::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            Node::String(_) | Node::Static(_) | Node::Object { .. } | Node::Array { .. } => None,
        }
    }

    /// Returns the boolean.
    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        let Node::Static(StaticNode::Bool(truth)) = self.nodes[self.at] else { return None };
        Some(truth)
    }

    /// Returns whether this is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        matches!(self.nodes[self.at], Node::Static(StaticNode::Null))
    }

    /// Returns whether this is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(self.nodes[self.at], Node::Object { .. })
    }

    /// Returns the value that follows this one and everything it contains.
    fn behind(self) -> Value<'a> {
        let held = match self.nodes[self.at] {
            Node::Object { count, .. } | Node::Array { count, .. } => count,
            Node::String(_) | Node::Static(_) => 0,
        };
        Value { at: self.at + 1 + held, ..self }
    }

    /// Returns the text of a number. Each node of the tape begins at one structural character, in
    /// the same order; characters that only separate or close begin no node.
    #[cold]
    fn number(self) -> Option<&'a [u8]> {
        let starts = |at: &&u32| !matches!(self.text[**at as usize], b'}' | b']' | b':' | b',');
        let start = *self.structurals.iter().filter(starts).nth(self.at)? as usize;
        let rest = &self.text[start..];
        let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        Some(&rest[..length])
    }
}

/// The fields of an object, in the order sent.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// The next key, if any is left.
    next: Value<'a>,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = self.next.string()?;
        let value = Value { at: self.next.at + 1, ..self.next };
        self.next = value.behind();
        Some((key, value))
    }
}

/// The elements of an array, in the order sent.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    /// The next element, if any is left.
    next: Value<'a>,
    left: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        let item = self.next;
        self.next = item.behind();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read<R>(text: &str, visit: impl FnOnce(Value<'_>) -> R) -> Result<R, Malformed> {
        Json::default().read(text.as_bytes(), visit)
    }

    #[test]
    fn fields_are_found_behind_nested_ones() {
        let text = r#"{"x":{"b":[1,[2],{"c":3}]},"b":"1.50","n":null,"t":true,"l":[["1","2"],[]]}"#;
        read(text, |value| {
            assert_eq!(value.get("b").unwrap().string(), Some("1.50"));
            assert!(value.get("n").unwrap().is_null() && value.get("x").unwrap().is_object());
            assert_eq!(value.get("t").unwrap().boolean(), Some(true));
            assert!(value.get("c").is_none() && value.get("b").unwrap().get("b").is_none());
            let levels: Vec<usize> = value
                .get("l")
                .and_then(Value::items)
                .unwrap()
                .map(|level| level.items().unwrap().count())
                .collect();
            assert_eq!(levels, [2, 0]);
        })
        .unwrap();
    }

    #[test]
    fn of_two_equal_keys_the_last_counts() {
        let found = read(r#"{"a":1,"b":2,"a":{"a":3},"a":4}"#, |v| v.get("a").unwrap().integer());
        assert_eq!(found, Ok(Some(4)));
    }

    #[test]
    fn numbers_keep_the_text_that_was_sent() {
        let text = r#" { "k:1,}" : "\u00e9\"x" , "a" : [ 1.50 , -0.10,{"z":9007199254740993}, 1e-7 ],
            "s":"2.50", "b" :123456789.123456789012 , "n":null} "#;
        read(text, |value| {
            let texts: Vec<Option<&[u8]>> =
                value.get("a").unwrap().items().unwrap().map(Value::decimal).collect();
            let expected: [Option<&[u8]>; 4] = [Some(b"1.50"), Some(b"-0.10"), None, Some(b"1e-7")];
            assert_eq!(texts, expected);
            assert_eq!(value.get("b").unwrap().decimal(), Some(&b"123456789.123456789012"[..]));
            assert_eq!(value.get("s").unwrap().decimal(), Some(&b"2.50"[..]));
            assert_eq!(value.get("n").unwrap().decimal(), None);
        })
        .unwrap();
    }

    #[test]
    fn integers_come_as_numbers_or_as_digits() {
        for (text, expected) in [
            ("18446744073709551615", Some(u64::MAX)),
            ("\"18446744073709551615\"", Some(u64::MAX)),
            ("\"18446744073709551616\"", None),
            ("0", Some(0)),
            ("-1", None),
            ("\"+1\"", None),
            ("\"\"", None),
            ("\"1.0\"", None),
            ("1.0", None),
            ("true", None),
            ("[]", None),
        ] {
            assert_eq!(read(text, |v| v.integer()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_and_the_next_text_is_read() {
        let mut json = Json::default();
        let deep = "[".repeat(100_000);
        let closed = format!("{}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
        let long = format!("\"{}\"", "x".repeat(FRAME_MAX));
        for text in
            ["", " ", "{", "{\"a\":", "[1,]", "nul", "1 2", "\u{feff}1", &deep, &closed, &long]
        {
            assert_eq!(json.read(text.as_bytes(), |_| ()), Err(Malformed), "{:.20}", text);
        }
        assert_eq!(json.read(b"\"\xff\"", |_| ()), Err(Malformed));
        assert_eq!(json.read(b"7", |v| v.integer()), Ok(Some(7)));
    }

    /// Generates a value's text, with numbers that a double cannot hold.
    fn any_text() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|b| b.to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            "-?(0|[1-9][0-9]{0,16})\\.[0-9]{1,18}",
            any::<String>().prop_map(|s| serde_json::Value::from(s).to_string()),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| format!("[{}]", items.join(" ,"))),
                proptest::collection::vec(("[a-c]", inner), 0..5).prop_map(|fields| {
                    let fields: Vec<String> =
                        fields.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                    format!("{{{}}}", fields.join(",\n"))
                }),
            ]
        })
    }

    /// Writes a value again from the reader's output.
    fn rewrite(value: Value<'_>) -> String {
        if let Some(items) = value.items() {
            return format!("[{}]", items.map(rewrite).collect::<Vec<_>>().join(" ,"));
        }
        if value.is_object() {
            let fields: Vec<String> =
                value.fields().map(|(k, v)| format!("\"{k}\": {}", rewrite(v))).collect();
            return format!("{{{}}}", fields.join(",\n"));
        }
        if let Some(text) = value.string() {
            return serde_json::Value::from(text).to_string();
        }
        if let Some(truth) = value.boolean() {
            return truth.to_string();
        }
        value.decimal().map_or("null".to_owned(), |t| String::from_utf8_lossy(t).into_owned())
    }

    proptest! {
        #[test]
        fn a_text_is_written_again_as_it_was(text in any_text()) {
            prop_assert_eq!(read(&text, rewrite), Ok(text));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = Json::default().read(&bytes, rewrite) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
            }
        }
    }
}
