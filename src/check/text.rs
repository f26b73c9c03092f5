//! Findings for a person at a terminal: a line for each, and what to do below it.

use std::fmt::Write as _;

use anstyle::AnsiColor;

use super::{Finding, Findings, Verdict};
use crate::plan::text::Dress;
use crate::printable::harmless;

/// No column is wider, whatever a room is called.
const WIDEST: usize = 40;

pub(super) fn findings(findings: &Findings, dress: Dress) -> String {
    let subjects: Vec<String> = findings.list.iter().map(subject).collect();
    let width = subjects.iter().map(|subject| subject.chars().count()).max().unwrap_or(0).min(WIDEST);
    let mut text = String::new();
    for (finding, subject) in findings.list.iter().zip(&subjects) {
        let (color, word) = match finding.status {
            Verdict::Ok => (AnsiColor::Green, "ok"),
            Verdict::Warning => (AnsiColor::Yellow, "warning"),
            Verdict::Failed => (AnsiColor::Red, "failed"),
        };
        let word = dress.color(color, &format!("{word:<7}"));
        let _ = writeln!(text, "{word}  {subject:<width$}  {}", harmless(&finding.message));
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "{:9}{:width$}  -> {}", "", "", harmless(remedy));
        }
    }
    let summary = findings.summary;
    let mut parts = vec![format!("{} ok", summary.ok)];
    if summary.warning > 0 {
        parts.push(format!("{} {}", summary.warning, if summary.warning == 1 { "warning" } else { "warnings" }));
    }
    if summary.failed > 0 {
        parts.push(format!("{} failed", summary.failed));
    }
    let _ = writeln!(text, "\n{}", dress.bold(&format!("{}.", parts.join(", "))));
    text
}

fn subject(finding: &Finding) -> String {
    finding.about.as_deref().map_or_else(|| finding.area.name().into(), |about| harmless(about).into_owned())
}
