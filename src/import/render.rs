//! TOML that a person reads: keys, values and comments, everything escaped.

use std::fmt::Write as _;

use crate::printable::harmless;

/// What each comment begins with that asks a person to do something.
const TO_DO: &str = "TO DO: ";

const WIDTH: usize = 116;

/// The text of a TOML document as it grows.
#[derive(Debug, Default)]
pub(crate) struct Toml {
    text: String,
}

impl Toml {
    pub(crate) fn finish(self) -> String {
        self.text
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A header such as `[matrix]` or `[[idp]]`.
    pub(crate) fn header(&mut self, header: &'static str) {
        let gap = if self.text.is_empty() || self.text.ends_with("\n\n") { "" } else { "\n" };
        let _ = writeln!(self.text, "{gap}{header}");
    }

    pub(crate) fn comment(&mut self, text: &str) {
        self.wrapped("# ", "# ", text);
    }

    pub(crate) fn item(&mut self, text: &str) {
        self.wrapped("# - ", "#   ", text);
    }

    /// A comment that asks for something.
    pub(crate) fn ask(&mut self, text: &str) {
        self.wrapped("# ", "#   ", &format!("{TO_DO}{text}"));
    }

    /// A key that must be filled in, which stands there as a comment until it is.
    pub(crate) fn fill_in(&mut self, key: &str, example: &str, what: &str) {
        self.ask(&format!("fill in and remove the #: {what}"));
        let _ = writeln!(self.text, "# {} = {}", key_text(key), quoted(example));
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "{} = {}", key_text(key), quoted(value));
    }

    /// A key that may be given, which stands there as a comment.
    pub(crate) fn suggestion(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "# {} = {}", key_text(key), quoted(value));
    }

    pub(crate) fn number(&mut self, key: &str, value: i64) {
        let _ = writeln!(self.text, "{} = {value}", key_text(key));
    }

    pub(crate) fn boolean(&mut self, key: &str, value: bool) {
        let _ = writeln!(self.text, "{} = {value}", key_text(key));
    }

    pub(crate) fn texts(&mut self, key: &str, values: &[String]) {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        let _ = writeln!(self.text, "{} = [{}]", key_text(key), values.join(", "));
    }

    fn wrapped(&mut self, first: &str, next: &str, text: &str) {
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in text.split_whitespace() {
            let word = harmless(word);
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                let _ = writeln!(self.text, "{line}");
                next.clone_into(&mut line);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(&word);
            is_empty = false;
        }
        let _ = writeln!(self.text, "{}", line.trim_end());
    }
}

fn key_text(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// A basic string of one line. What could steer a terminal is escaped as well.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if matches!(harmless(c.encode_utf8(&mut [0; 4])), std::borrow::Cow::Owned(_)) => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
