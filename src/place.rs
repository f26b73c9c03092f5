//! Places in files that a person wrote, as messages name them: `inviter.toml:9:1: idp[0].url: `.

use std::fmt;
use std::path::Path;

/// Line and column of an offset in a text, both from 1.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

/// Writes what goes before a message: the file, the position if one is known, and the key if one is meant.
pub(crate) fn write_place(
    f: &mut fmt::Formatter<'_>,
    file: &Path,
    position: Option<(impl fmt::Display, impl fmt::Display)>,
    key: &str,
) -> fmt::Result {
    write!(f, "{}", file.display())?;
    if let Some((line, column)) = position {
        write!(f, ":{line}:{column}")?;
    }
    f.write_str(": ")?;
    if key.is_empty() { Ok(()) } else { write!(f, "{key}: ") }
}
