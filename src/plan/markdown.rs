//! The plan, and what became of it, in Markdown: for merge requests and the summaries of pipelines.
//!
//! Whatever comes from outside stands in fenced blocks and code spans that it cannot end, where HTML, links and mentions
//! mean nothing (<https://spec.commonmark.org/0.31.2/#fenced-code-blocks>, and section 6.1). The blocks are those of a diff,
//! which GitHub and GitLab colour: `!` stands there for the `~` of the text.

use std::fmt::Write as _;

use super::text::{self, Dress};
use super::{Digest, Orphan, Plan, Refusal, RoomPlan};
use crate::printable::harmless;
use crate::report::Report;

/// The plan: a heading that sums it up, and a block of lines for each room with something to tell.
#[must_use]
pub fn plan(plan: &Plan, refusals: &[Refusal]) -> String {
    let mut text = format!("## {}\n", text::summary(plan).trim_end_matches('.'));
    if let Some(time) = text::time(plan) {
        let _ = writeln!(text, "\n{time}");
    }
    if !refusals.is_empty() {
        refused(&mut text, &text::refused(plan, refusals, Dress::new(false)));
    }
    let problems = plan.problems.iter().map(|problem| format!("- problem: {}", harmless(problem)));
    let warnings = plan.warnings.iter().map(|warning| format!("! warning: {}", harmless(warning)));
    text.push_str(&block("diff", &problems.chain(warnings).collect::<Vec<_>>()));
    for room in plan.rooms.iter().filter(|room| room.is_worth_telling()) {
        section(&mut text, text::names(Some(&room.alias), room), room, None);
    }
    for orphan in &plan.orphans {
        section(&mut text, text::names(orphan.alias.as_ref(), &orphan.plan), &orphan.plan, Some(orphan));
    }
    text
}

/// The digest of a plan on a line of its own, where scripts find it.
#[must_use]
pub fn digest(digest: &Digest) -> String {
    format!("\nDigest: `{digest}`\n")
}

/// What became of a plan: a heading that sums it up, and a line for each change that was not made.
#[must_use]
pub fn report(plan: &Plan, report: &Report) -> String {
    let said = text::report(plan, report, Dress::new(false));
    let mut lines: Vec<&str> = said.lines().collect();
    let summary = lines.pop().unwrap_or_default();
    let mark = |line: &str| if line.starts_with("failed:") { '-' } else { '!' };
    let lines: Vec<String> = lines.iter().map(|line| format!("{} {line}", mark(line))).collect();
    format!("\n## {}\n{}", summary.trim_end_matches('.'), block("diff", &lines))
}

/// What the guard said: its own words as they are, and what it says of the plan in a block between them.
fn refused(text: &mut String, said: &str) {
    let (of_plan, own): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.starts_with("  "));
    let limits: Vec<String> = of_plan.iter().map(|line| format!("- {}", line.trim_start())).collect();
    let mut own = own.into_iter();
    let _ = write!(text, "\n{}\n{}", own.next().unwrap_or_default(), block("diff", &limits));
    for line in own {
        let _ = writeln!(text, "\n{line}");
    }
}

fn section(
    text: &mut String,
    (alias, id): (impl AsRef<str>, impl AsRef<str>),
    room: &RoomPlan,
    orphan: Option<&Orphan>,
) {
    let mut body = String::new();
    text::body(&mut body, room, orphan, Dress::new(false));
    let lines: Vec<String> = body.lines().map(as_in_a_diff).collect();
    let _ = writeln!(text, "\n### {} {}", span(alias.as_ref()), span(id.as_ref()));
    text.push_str(&block("diff", &lines));
}

fn as_in_a_diff(line: &str) -> String {
    let line = line.trim_start();
    line.strip_prefix('~').map_or_else(|| line.to_owned(), |rest| format!("!{rest}"))
}

/// A block that nothing in it can end, after an empty line; nothing if there are no lines.
pub(crate) fn block(language: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines = lines.join("\n");
    let fence = "`".repeat(3.max(longest_run(&lines) + 1));
    format!("\n{fence}{language}\n{lines}\n{fence}\n")
}

/// Code that nothing in it can end.
fn span(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    // A space at both ends belongs to the marks, and keeps them from running into the text.
    if text.starts_with('`') || text.ends_with('`') {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// How many backticks stand in a row, at most.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(block("diff", &["+ a".into(), "````".into()]), "\n`````diff\n+ a\n````\n`````\n");
        assert_eq!(block("diff", &[]), "");
        assert_eq!([span("#a`b"), span("`a"), span("a")], ["``#a`b``", "`` `a ``", "`a`"]);
    }
}
