//! Lists of rooms: values that are printed for a person or for a program. `examples/list.schema.json` is the contract of
//! the latter, made from these types.

mod idp;
mod joined;
mod managed;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::plan::markdown::block;
use crate::plan::text::Dress;

pub use idp::IdpList;
pub use joined::JoinedList;
pub use managed::ManagedList;

/// The version of the format. It grows when a field changes its meaning or goes away, not when one is added.
pub const VERSION: u32 = 1;

/// What `inviter idp`, `inviter joined` and `inviter managed` print with `--format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Lists of inviter idp, inviter joined and inviter managed")]
pub struct Document {
    /// The version of this format.
    version: u32,
    #[serde(flatten)]
    list: List,
}

/// What is listed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "list", rename_all = "snake_case")]
pub enum List {
    /// What the identity providers want.
    Idp(IdpList),
    /// The rooms that the account has joined.
    Joined(JoinedList),
    /// The rooms that are managed, those that were, and those that cannot be.
    Managed(ManagedList),
}

impl Document {
    /// The document for a list.
    #[must_use]
    pub fn new(list: List) -> Self {
        Self { version: VERSION, list }
    }

    /// The list for a person at a terminal.
    #[must_use]
    pub fn text(&self, dress: Dress) -> String {
        match &self.list {
            List::Idp(list) => list.text(dress),
            List::Joined(list) => list.text(dress),
            List::Managed(list) => list.text(dress),
        }
    }

    /// The list for a merge request or the summary of a pipeline: its text in a block of its own.
    #[must_use]
    pub fn markdown(&self) -> String {
        let lines: Vec<String> = self.text(Dress::new(false)).lines().map(ToOwned::to_owned).collect();
        block("text", &lines)
    }

    /// The list as a page for a browser.
    #[must_use]
    pub fn html(&self) -> String {
        match &self.list {
            List::Idp(list) => list.html(),
            List::Joined(list) => list.html(),
            List::Managed(list) => list.html(),
        }
    }

    /// The schema that every document fits.
    #[must_use]
    pub fn schema() -> Value {
        schemars::schema_for!(Document).to_value()
    }
}

/// `1 room`, `2 rooms`.
fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
