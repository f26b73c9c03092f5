//! Text from outside, on its way to a person: nothing in it steers a terminal or misleads a reader.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};

/// The longest line that a server's or a directory's text may make, in characters.
const LONGEST: usize = 300;

/// The text with everything escaped that could steer a terminal or mislead a reader: control characters, line
/// separators, bidirectional overrides and invisible characters.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if is_harmful(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Passes JSON on with the same characters escaped as JSON has it; it says the same. The text may be larger than the memory
/// for a copy of it. What is written at once is whole characters, and better many of them: a `BufWriter` keeps to that.
#[derive(Debug)]
pub struct HarmlessJson<W>(pub W);

impl<W: Write> Write for HarmlessJson<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.iter().all(|byte| matches!(byte, b'\n' | b' '..=b'~')) {
            return self.0.write(bytes);
        }
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            // The rest comes again, with what it lacks.
            Err(error) if error.valid_up_to() > 0 => {
                bytes.get(..error.valid_up_to()).and_then(|start| str::from_utf8(start).ok()).unwrap_or_default()
            }
            Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
        };
        let mut from = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| is_harmful(*c) && *c != '\n') {
            self.0.write_all(text.get(from..at).unwrap_or_default().as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(self.0, "\\u{unit:04x}")?;
            }
            from = at + c.len_utf8();
        }
        self.0.write_all(text.get(from..).unwrap_or_default().as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text as one harmless line, cut if it is long.
#[must_use]
pub(crate) fn line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    harmless(&line).into_owned()
}

/// The first few of a list, and how many more there are.
pub(crate) fn few<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 3;
    let mut items = items.into_iter();
    let mut text = items.by_ref().take(SHOWN).map(line).collect::<Vec<_>>().join(", ");
    match items.count() {
        0 => {}
        more => {
            let _ = write!(text, " and {more} more");
        }
    }
    text
}

/// Control characters, separators of lines, and what Unicode calls `Default_Ignorable_Code_Point`, which no font shows
/// (`DerivedCoreProperties.txt`). Of these the variation selectors pass that choose between the looks of one character.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_could_steer_a_terminal_or_a_reader_is_escaped() {
        assert_eq!(
            harmless("a\u{1b}[31mb\u{202e}c\nd\u{200b}\u{9b}"),
            "a\\u{1b}[31mb\\u{202e}c\\u{a}d\\u{200b}\\u{9b}"
        );
        assert_eq!(harmless("Jürgen 東京 🙂"), "Jürgen 東京 🙂");
    }

    fn harmless_json(value: &impl serde::Serialize) -> String {
        let mut text = Vec::new();
        // So small a buffer ends within texts.
        let mut out = io::BufWriter::with_capacity(7, HarmlessJson(&mut text));
        serde_json::to_writer_pretty(&mut out, value).unwrap();
        out.flush().unwrap();
        drop(out);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn harmless_json_says_the_same() {
        let value = serde_json::json!({ "name": "a\u{9b}b\u{202e}c\u{e0001}d\n🙂" });
        let text = harmless_json(&value);
        assert_eq!(text, "{\n  \"name\": \"a\\u009bb\\u202ec\\udb40\\udc01d\\n🙂\"\n}");
        assert!(!text.chars().any(|c| is_harmful(c) && c != '\n'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_line_is_one_line_and_cut() {
        assert_eq!(line("a\tb\nc\u{0}"), "a b c\\u{0}");
        assert_eq!(line(&"ü".repeat(1000)).chars().count(), LONGEST + 1);
        assert_eq!(line(&"ü".repeat(LONGEST)), "ü".repeat(LONGEST));
    }

    #[test]
    fn a_long_list_is_counted() {
        assert_eq!(few(["a", "b", "c"]), "a, b, c");
        assert_eq!(few(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
        assert_eq!(few([]), "");
    }

    #[test]
    fn fuzz_nothing_harmful_is_left_and_twice_is_once() {
        crate::fuzz::try_all(&crate::fuzz::nasty(), |text| {
            for harmless in [harmless(&text).into_owned(), line(&text), few([text.as_str(), "b"])] {
                assert!(!harmless.chars().any(is_harmful), "{harmless:?}");
                assert_eq!(super::harmless(&harmless), harmless);
            }
            if !text.chars().any(is_harmful) {
                assert_eq!(harmless(&text), text);
            }
            let json = harmless_json(&[&text]);
            assert!(!json.chars().any(|c| is_harmful(c) && c != '\n'), "{json:?}");
            assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [text]);
        });
    }
}
