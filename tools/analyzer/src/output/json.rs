//! The report as JSON: one key of the whole a line, and one entry of a list a line, so that a pair is found
//! with `grep` and two reports are compared with `diff`. Details of pairs are files of their own.
//! `docs/report.schema.json` describes all of it.

use crate::report::{Detail, FORMAT, Report};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// Brackets around a line: those of the whole, and those of a list in it.
const OUTER: usize = 2;

/// Returns the report as JSON.
///
/// # Errors
/// Never in practice: a report holds no value that JSON cannot express.
pub fn text(report: &Report) -> anyhow::Result<String> {
    lines(report)
}

/// Returns the details of a pair as JSON.
///
/// # Errors
/// Never in practice, as [`text`].
pub fn detail(detail: &Detail) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct File<'a> {
        format: u32,
        #[serde(flatten)]
        detail: &'a Detail,
    }
    lines(&File { format: FORMAT, detail })
}

fn lines(value: &impl Serialize) -> anyhow::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, Lines::default()))?;
    text.push(b'\n');
    Ok(String::from_utf8(text)?)
}

/// Begins a line for each key of the whole, and for each entry of a list in it.
#[derive(Default)]
struct Lines {
    depth: usize,
    /// Whether the list or object that ends has something in it.
    is_filled: bool,
}

impl Lines {
    fn begin<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_filled = false;
        writer.write_all(bracket)
    }

    fn end<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.is_filled && self.depth < OUTER {
            self.line(writer)?;
        }
        self.is_filled = true;
        writer.write_all(bracket)
    }

    fn next<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b"," })?;
        if self.depth <= OUTER { self.line(writer) } else { Ok(()) }
    }

    fn line<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b" "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.next(to, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.next(to, first)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_key_and_an_entry_of_a_list_have_a_line_each() {
        let value =
            json!({"a": 1, "b": [], "c": [{"d": [1, {}], "e": {"f": []}}, 2], "g": {"h": 3}});
        let text = lines(&value).unwrap();
        let expected = "{\n \"a\":1,\n \"b\":[],\n \"c\":[\n  {\"d\":[1,{}],\"e\":{\"f\":[]}},\n  2\n ],\n \
                        \"g\":{\n  \"h\":3\n }\n}\n";
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
