//! What can go wrong with Entra and Graph, for the person who is to put it right.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use humantime::format_duration;

use crate::printable::line;

/// What was being done, and what came of it.
#[derive(Debug, thiserror::Error)]
pub struct EntraFailure {
    /// What was being done.
    pub step: EntraStep,
    /// What came of it.
    pub problem: EntraProblem,
}

impl fmt::Display for EntraFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            // That comes first, whatever it is for.
            problem @ EntraProblem::SignIn { .. } => write!(f, "{problem}"),
            problem => write!(f, "{}: {problem}", self.step),
        }
    }
}

/// What was being done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntraStep {
    /// Getting ready.
    Prepare,
    /// Reading the direct members of the root group.
    Root {
        /// The address of Graph.
        graph: String,
        /// The group's ID.
        id: String,
    },
    /// Reading members and owners of the groups of rooms.
    Groups {
        /// The address of Graph.
        graph: String,
    },
}

impl fmt::Display for EntraStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare => f.write_str("cannot prepare to sign in"),
            Self::Root { graph, id } => write!(f, "cannot read the members of the root group {id} at {graph}"),
            Self::Groups { graph } => write!(f, "cannot read the groups of rooms at {graph}"),
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EntraProblem {
    /// The file with the certificates of a private authority is of no use.
    #[error("ca_file {}: {cause}. Give a PEM file with the authority's certificate", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file with the certificate to sign in with is of no use.
    #[error("client_certificate_file {}: {cause}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        cause: String,
    },
    /// No HTTP client can be made.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
    /// Signing in failed.
    #[error("cannot sign in at {authority} to the tenant {tenant} with {credential}: {answer}. {advice}")]
    SignIn {
        /// Where.
        authority: String,
        /// To which tenant.
        tenant: String,
        /// With what.
        credential: &'static str,
        /// What was answered.
        answer: String,
        /// What to do.
        advice: &'static str,
    },
    /// There was no answer.
    #[error("no answer: {cause}. {advice}")]
    Transport {
        /// Why.
        cause: String,
        /// What to do.
        advice: &'static str,
    },
    /// Graph answered with an error.
    #[error("{0}")]
    Refused(Refused),
    /// Graph limits the rate, and patience is at an end.
    #[error(
        "Graph limits the rate (status {status}) and asks to wait {} more; {} of rate_limit_patience = {} are used up. \
         Run again later, or raise rate_limit_patience",
        format_duration(*asked), format_duration(*waited), format_duration(*patience)
    )]
    Throttled {
        /// The status.
        status: u16,
        /// How long is to be waited.
        asked: Duration,
        /// How long was waited already.
        waited: Duration,
        /// How long may be waited in all.
        patience: Duration,
    },
    /// The answer is not as the documentation has it.
    #[error("the answer cannot be understood: {0}. Is there a proxy in between?")]
    Unintelligible(String),
    /// The answer does not end.
    #[error("the answer is longer than {0} MiB, and was not read. Is there a proxy in between?")]
    TooLong(usize),
    /// A page names a next page where it cannot be.
    #[error("the next page is said to be at {0}, where the token must not go")]
    Elsewhere(String),
    /// The pages do not end.
    #[error("the pages go in a circle: the page after page {0} was there before")]
    Endless(usize),
    /// Properties are withheld.
    #[error(
        "{what} is not told: the application may not read it. Grant the application permission {permission} of \
         Microsoft Graph, and give admin consent"
    )]
    Withheld {
        /// Which property of what.
        what: String,
        /// The permission that is missing.
        permission: &'static str,
    },
}

/// An error that Graph answered (<https://learn.microsoft.com/graph/errors>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The code, such as `Authorization_RequestDenied`.
    pub code: String,
    /// What it says.
    pub message: String,
    /// The ID by which Microsoft finds the request.
    pub request_id: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, line(&self.code))?;
        if !self.message.is_empty() {
            write!(f, ": {}", line(&self.message).trim_end_matches('.'))?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request-id {})", line(id))?;
        }
        let advice = match (self.status, self.code.as_str()) {
            (401, _) => {
                "The token was not accepted: check cloud, graph_url and authority_url, and whether the application \
                 still exists"
            }
            (403, _) => {
                "Grant the application permissions GroupMember.Read.All and User.Read.All of Microsoft Graph, and \
                 give admin consent"
            }
            (404, _) => "There is no such group in this tenant, or it was deleted: check its ID and tenant_id",
            (500.., _) => "Run again later",
            _ => return Ok(()),
        };
        write!(f, ". {advice}")
    }
}

impl EntraProblem {
    /// Whether it is a matter of a single group, and the others may be told.
    pub(super) fn is_of_one_group(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.status != 401,
            Self::Unintelligible(_) | Self::Elsewhere(_) | Self::Endless(_) => true,
            _ => false,
        }
    }

    /// What a failed request comes from.
    pub(super) fn transport(error: &reqwest::Error) -> Self {
        let cause = chain(error);
        let advice = if error.is_timeout() {
            "Check the network and proxies, or raise timeout and connect_timeout"
        } else if cause.contains("certificate") {
            "Check graph_url and authority_url; give ca_file if a private authority signed the certificate"
        } else {
            "Check graph_url and authority_url, the network, name service and proxies (HTTPS_PROXY)"
        };
        Self::Transport { cause, advice }
    }
}

/// What an error and its causes say, each thing once, without what the libraries say of themselves.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let text = text.lines().filter(|line| !line.starts_with("To troubleshoot")).collect::<Vec<_>>().join(" ");
        let text = text.split_once("Credential authentication failed.").map_or(text.as_str(), |(_, rest)| rest).trim();
        // The trace ID is what Microsoft asks for; the rest of that tail says no more.
        let text = text.split(" Correlation ID: ").next().unwrap_or(text);
        let is_empty_talk = text.starts_with("error sending request") || text.contains("`reqwest` request");
        next = error.source();
        let is_said = (is_empty_talk && next.is_some()) || said.iter().any(|earlier| earlier.contains(text));
        if !is_said {
            said.push(text.to_owned());
        }
    }
    said.retain(|text| !text.is_empty());
    line(&said.join(": ")).trim_end_matches('.').to_owned()
}
