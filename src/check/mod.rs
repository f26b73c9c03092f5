//! What `inviter check` finds: whether everything is there that a run needs, and what to do where it is not.
//!
//! `examples/check.schema.json` is the contract of what is printed for programs, made from these types.

mod idp;
mod plan;
mod text;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::plan::text::Dress;
use crate::report::Status;

/// The version of the format. It grows when a field changes its meaning or goes away, not when one is added.
pub const VERSION: u32 = 1;

/// What `inviter check` prints with `--format json`.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(title = "What inviter check found")]
pub struct Findings {
    /// The version of this format.
    version: u32,
    /// How many findings there are of each kind.
    summary: Summary,
    /// The findings, in the order in which a run needs what they are about.
    #[serde(rename = "findings")]
    list: Vec<Finding>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
struct Summary {
    ok: usize,
    warning: usize,
    failed: usize,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Whether it is as it should be.
    pub status: Verdict,
    /// What it belongs to.
    pub area: Area,
    /// The identity provider, the room or the file that it is about; null if there is only one of its kind.
    pub about: Option<String>,
    /// What was found, for a person.
    pub message: String,
    /// What to do about it, for a person; null if there is nothing to do, or the message says it.
    pub remedy: Option<String>,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Ok,
    /// A run can do without, or it cannot be told.
    Warning,
    /// A run will not do all that it should.
    Failed,
}

/// What a finding belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The configuration file.
    Configuration,
    /// Whether others can read secrets, on this machine or on the way.
    Secrets,
    /// An identity provider.
    IdentityProvider,
    /// The homeserver.
    Homeserver,
    /// The account of `inviter`.
    Account,
    /// The admin API of Synapse.
    AdminApi,
    /// The limits of rate of the account.
    RateLimits,
    /// Whether other homeservers are needed.
    Federation,
    /// The room that reports go to.
    ReportRoom,
    /// The rooms that the identity providers name.
    Rooms,
    /// Whether the guard would refuse the plan.
    Guard,
}

impl Area {
    fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Secrets => "secrets",
            Self::IdentityProvider => "identity provider",
            Self::Homeserver => "homeserver",
            Self::Account => "account",
            Self::AdminApi => "admin API",
            Self::RateLimits => "rate limits",
            Self::Federation => "federation",
            Self::ReportRoom => "report room",
            Self::Rooms => "rooms",
            Self::Guard => "guard",
        }
    }
}

impl Findings {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { version: VERSION, ..Self::default() }
    }

    /// Adds what is as it should be.
    pub fn ok(&mut self, area: Area, about: Option<&str>, message: impl Into<String>) {
        self.add(Verdict::Ok, area, about, message.into(), None);
    }

    /// Adds what a run can do without.
    pub fn warning(&mut self, area: Area, about: Option<&str>, message: impl Into<String>, remedy: Option<&str>) {
        self.add(Verdict::Warning, area, about, message.into(), remedy);
    }

    /// Adds what keeps a run from doing all that it should.
    pub fn failed(&mut self, area: Area, about: Option<&str>, message: impl Into<String>) {
        self.add(Verdict::Failed, area, about, message.into(), None);
    }

    fn add(&mut self, status: Verdict, area: Area, about: Option<&str>, message: String, remedy: Option<&str>) {
        match status {
            Verdict::Ok => self.summary.ok += 1,
            Verdict::Warning => self.summary.warning += 1,
            Verdict::Failed => self.summary.failed += 1,
        }
        let (about, remedy) = (about.map(ToOwned::to_owned), remedy.map(ToOwned::to_owned));
        self.list.push(Finding { status, area, about, message, remedy });
    }

    /// What was found so far.
    #[must_use]
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// How the command ends: warnings do not count.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.summary.failed == 0 { Status::Done } else { Status::Incomplete }
    }

    /// The findings for a person at a terminal.
    #[must_use]
    pub fn text(&self, dress: Dress) -> String {
        text::findings(self, dress)
    }

    /// The schema that every document fits.
    #[must_use]
    pub fn schema() -> Value {
        schemars::schema_for!(Findings).to_value()
    }
}

/// `1 room`, `2 rooms`.
pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
