//! The plan, and what became of it, as a page for a browser.

use maud::{Markup, html};

use super::lines::{Line, held_lines, lines};
use super::text::{self, Dress};
use super::{Change, Orphan, Plan, Refusal, RoomPlan};
use crate::page::{Page, note, room_section};
use crate::printable::harmless;
use crate::report::{Outcome, Report};

/// The page of a plan; without a report for a dry run, of which it then tells the digest.
#[must_use]
pub fn page(plan: &Plan, refusals: &[Refusal], report: Option<&Report>) -> String {
    let bare = Dress::new(false);
    let done = report.map(|report| text::report(plan, report, bare));
    // Its last line sums it up; what stands before is told at each change.
    let done = done.as_ref().and_then(|done| done.lines().last());
    let refused = if refusals.is_empty() { String::new() } else { text::refused(plan, refusals, bare) };
    let notes = html! {
        @if let Some(time) = text::time(plan) { p { (time) } }
        @if report.is_none() && !plan.is_empty() { p.digest { "Digest: " code { (plan.digest()) } } }
        @if !refused.is_empty() {
            div.refused {
                @for line in refused.lines() { p class=(if line.starts_with("  ") { "limit" } else { "told" }) { (line.trim_start()) } }
            }
        }
        @if !(plan.problems.is_empty() && plan.warnings.is_empty()) {
            ul.notes {
                @for problem in &plan.problems { (note("problem", problem)) }
                @for warning in &plan.warnings { (note("warning", warning)) }
            }
        }
    };
    let outcomes = |room: &RoomPlan| report.map(|report| report.rooms.get(&room.alias).map_or(&[][..], Vec::as_slice));
    let rooms = html! {
        @for room in plan.rooms.iter().filter(|room| room.is_worth_telling()) {
            @let (alias, id) = text::names(Some(&room.alias), room);
            (room_section(&alias, &id, &headcount(room), &table(room, None, outcomes(room))))
        }
        @for orphan in &plan.orphans {
            @let (alias, id) = text::names(orphan.alias.as_ref(), &orphan.plan);
            (room_section(&alias, &id, "named by no identity provider", &table(&orphan.plan, Some(orphan), outcomes(&orphan.plan))))
        }
    };
    let title = if report.is_some() { "What inviter did" } else { "What inviter would do" };
    let summary = text::summary(plan);
    let summary: Vec<&str> = [summary.as_str()].into_iter().chain(done).collect();
    Page { title, summary: &summary, notes: &notes, rooms: &rooms }.html()
}

fn headcount(room: &RoomPlan) -> String {
    let count = room.headcount;
    format!("{} wanted: {} joined, {} invited", count.wanted, count.joined, count.invited)
}

/// All that there is to tell of a room; with a column of outcomes after a run.
fn table(room: &RoomPlan, orphan: Option<&Orphan>, outcomes: Option<&[Outcome]>) -> Markup {
    let columns = if outcomes.is_some() { 3 } else { 2 };
    html! {
        table {
            thead { tr { th scope="col" { "Change" } th scope="col" { "Why" } @if outcomes.is_some() { th scope="col" { "Outcome" } } } }
            tbody {
                @if let Some(orphan) = orphan { (remark("warning", &orphan.to_string(), columns)) }
                @for (at, change) in room.changes.iter().enumerate() { (rows(change, outcomes.and_then(|outcomes| outcomes.get(at)), columns)) }
                @for held in &room.withheld {
                    @for (what, why) in held_lines(&held.change) {
                        tr.held {
                            td { (mark('.')) "withheld: " (harmless(&what)) }
                            td { @if let Some(why) = why { (harmless(&why)) "; " } (harmless(&held.why.to_string())) }
                            @if columns > 2 { td {} }
                        }
                    }
                }
                @for problem in &room.problems { (remark("problem", &problem.to_string(), columns)) }
                @for warning in &room.warnings { (remark("warning", warning, columns)) }
            }
        }
    }
}

/// The lines of a change, each with what became of the whole.
fn rows(change: &Change, outcome: Option<&Outcome>, columns: usize) -> Markup {
    html! {
        @for Line { mark: sign, what, why } in lines(change) {
            @let class = match sign { '+' => "add", '-' => "remove", _ => "change" };
            tr class=(class) {
                td { (mark(sign)) (harmless(&what)) }
                td { @if let Some(why) = why { (harmless(&why)) } }
                @if columns > 2 { td { @if let Some(outcome) = outcome { (became(outcome)) } } }
            }
        }
    }
}

fn became(outcome: &Outcome) -> Markup {
    let (class, word, reason) = match outcome {
        Outcome::Applied => ("done", "done", None),
        Outcome::AlreadyDone => ("done", "done already", None),
        Outcome::Blocked(reason) => ("warning", "blocked", Some(reason)),
        Outcome::Skipped(reason) => ("warning", "skipped", Some(reason)),
        Outcome::Failed(reason) => ("problem", "failed", Some(reason)),
    };
    html! { span class=(class) { (word) } @if let Some(reason) = reason { ": " (harmless(reason)) } }
}

fn remark(kind: &str, text: &str, columns: usize) -> Markup {
    html! { tr class=(kind) { td colspan=(columns) { (mark('!')) (kind) ": " (harmless(text)) } } }
}

/// The mark of a line, which the words beside it say as well.
fn mark(mark: char) -> Markup {
    html! { span.mark aria-hidden="true" { (mark) } }
}
