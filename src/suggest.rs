//! What somebody may have meant who wrote something else.

/// How alike two words must be, from 0 to 1, for one to be taken as a slip of the other.
const ALIKE: f64 = 0.8;

/// The known word that is most like the given one, if one is alike.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::jaro(given, word), word))
        .filter(|(likeness, _)| *likeness > ALIKE)
        // Of words that are as like, the first one; `max_by` would take the last.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, word)| word)
}

/// A message of serde about an unknown word, with the known one that may have been meant.
pub(crate) fn with_suggestion(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let is_about_a_word = ["unknown field `", "unknown variant `"].iter().any(|start| message.starts_with(start));
    match words.next().filter(|_| is_about_a_word).and_then(|given| nearest(given, words)) {
        Some(word) => format!("{message}; did you mean `{word}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_and_another_word_is_not() {
        let known = ["homeserver", "access_token", "access_token_file", "timeout"];
        assert_eq!(nearest("hommeserver", known), Some("homeserver"));
        assert_eq!(nearest("acces_token", known), Some("access_token"));
        assert_eq!(nearest("time_out", known), Some("timeout"));
        assert_eq!(nearest("no_such_key", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn only_messages_about_words_are_added_to() {
        let unknown = "unknown field `tmeout`, expected one of `timeout`, `url`";
        assert_eq!(with_suggestion(unknown), format!("{unknown}; did you mean `timeout`?"));
        let variant = "unknown variant `sharred`, expected `shared` or `joined`";
        assert_eq!(with_suggestion(variant), format!("{variant}; did you mean `shared`?"));
        for other in ["missing field `url`", "unknown field `x`, expected `url`", "unknown field", ""] {
            assert_eq!(with_suggestion(other), other);
        }
    }
}
