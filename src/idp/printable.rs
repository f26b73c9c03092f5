//! What comes from a directory, on its way to a terminal.

use std::fmt::Write as _;

const LONGEST: usize = 300;

/// The text without control characters and without those that turn the direction of writing, cut to a line.
pub(super) fn printable(text: &str) -> String {
    let mut printable: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| {
            !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
        .take(LONGEST + 1)
        .collect();
    if let Some((cut, _)) = printable.char_indices().nth(LONGEST) {
        printable.truncate(cut);
        printable.push('…');
    }
    printable
}

/// The first few of a list, and how many more there are.
pub(super) fn few<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 3;
    let mut items = items.into_iter();
    let mut text = String::new();
    for item in items.by_ref().take(SHOWN) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&printable(item));
    }
    match items.count() {
        0 => {}
        more => {
            let _ = write!(text, " and {more} more");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{0}\n\u{202e}c\u{9b}d"), "a[31mb cd");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(printable(&"ü".repeat(1000)).chars().count(), LONGEST + 1);
        assert_eq!(printable(&"ü".repeat(LONGEST)), "ü".repeat(LONGEST));
    }

    #[test]
    fn a_long_list_is_counted() {
        assert_eq!(few(["a", "b", "c"]), "a, b, c");
        assert_eq!(few(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
        assert_eq!(few([]), "");
    }
}
