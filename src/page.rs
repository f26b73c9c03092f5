//! A page for a browser in one file: what the pages of plans and of lists have in common.
//!
//! It loads nothing from anywhere, and its policy lets no other script and style run than its own
//! (<https://www.w3.org/TR/CSP3/>). Without its script, which finds rooms and people, it is all there to read.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::printable::harmless;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// A page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    /// Its heading.
    pub(crate) title: &'a str,
    /// What it says, in a line or two.
    pub(crate) summary: &'a [&'a str],
    /// What concerns no single room.
    pub(crate) notes: &'a Markup,
    /// The rooms, each made by [`room_section`].
    pub(crate) rooms: &'a Markup,
}

impl Page<'_> {
    /// The page as a document.
    #[must_use]
    pub(crate) fn html(self) -> String {
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
            source(STYLE),
            source(SCRIPT)
        );
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (self.title) ": " (self.summary.join(" ")) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header.page {
                        h1 { (self.title) }
                        @for line in self.summary { p.summary { (line) } }
                    }
                    div.find role="search" hidden {
                        label for="find" { "Find rooms, people and groups" }
                        input type="search" id="find" autocomplete="off" spellcheck="false";
                        p role="status" {}
                    }
                    main { (self.notes) (self.rooms) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string() + "\n"
    }
}

/// A room: what it is called, its ID, and a few words about it above the rest.
pub(crate) fn room_section(name: &str, id: &str, facts: &str, body: &Markup) -> Markup {
    html! {
        section.room {
            header {
                h2 { (harmless(name)) }
                p { code { (harmless(id)) } }
                p { (harmless(facts)) }
            }
            (body)
        }
    }
}

/// An item of a list of what a person should know; its kind is also its class.
pub(crate) fn note(kind: &str, text: &str) -> Markup {
    html! { li class=(kind) { (kind) ": " (harmless(text)) } }
}

/// A table with these columns, and with rows of cells, each row of a class.
pub(crate) fn table<'a, const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = (&'a str, [String; N])>,
) -> Markup {
    html! {
        table {
            thead { tr { @for column in columns { th scope="col" { (column) } } } }
            tbody {
                @for (class, cells) in rows {
                    tr class=(class) { @for cell in &cells { td { (harmless(cell)) } } }
                }
            }
        }
    }
}

/// What lets this inline text run.
fn source(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes())))
}
