//! What a change is called where each has a line of its own.

use std::fmt::Write as _;

use super::{AliasReason, Change, Creation, HeldChange, Reason, show};
use crate::printable::harmless;

/// What is held back, and why it would be done.
pub(super) fn held_lines(change: &HeldChange) -> Vec<(String, Option<String>)> {
    let line = |reason: &Reason| vec![(change.to_string(), Some(reason.to_string()))];
    match change {
        HeldChange::Kick(kick) => line(&kick.reason),
        HeldChange::Level(level) => line(&level.reason),
        HeldChange::Invite(invite) => line(&invite.reason),
        HeldChange::Other(other) => lines(other).into_iter().map(|line| (line.what, line.why)).collect(),
    }
}

/// One line of a change: the mark in front, what is done, and why.
pub(super) struct Line {
    pub(super) mark: char,
    pub(super) what: String,
    pub(super) why: Option<String>,
}

pub(super) fn lines(change: &Change) -> Vec<Line> {
    let configured = |key: &str| Some(format!("[room] {key}"));
    match change {
        Change::Create(creation) => vec![Line { mark: '+', what: created(creation), why: None }],
        Change::Join { .. } => vec![Line {
            mark: '+',
            what: "join the room".into(),
            why: Some("invited; the next run plans the rest".into()),
        }],
        Change::Stamp(stamp) => {
            let groups: Vec<String> = stamp.groups.iter().map(|group| format!("{} {}", group.idp, group.id)).collect();
            if stamp.orphaned {
                return vec![Line { mark: '~', what: show::brief(change), why: None }];
            }
            let what = format!("mark the room as managed for {}", harmless(&groups.join(", ")));
            vec![Line { mark: '~', what, why: None }]
        }
        Change::PowerLevels(change) => {
            let users = change.users.iter().map(|user| Line {
                mark: '~',
                what: user.to_string(),
                why: Some(user.reason.to_string()),
            });
            let permissions = change.permissions.iter().map(|permission| Line {
                mark: '~',
                what: permission.to_string(),
                why: configured("permissions"),
            });
            users.chain(permissions).collect()
        }
        Change::HistoryVisibility { from, to } => {
            let from = from.as_deref().map_or("not set".into(), harmless);
            let what = format!("history visibility: {from} -> {to}");
            vec![Line { mark: '~', what, why: configured("history_visibility") }]
        }
        Change::Name { from, to } => {
            let why = if from.is_none() { "the room has none" } else { "[[rooms]] name" };
            vec![Line { mark: '~', what: text_change("name", from.as_deref(), to), why: Some(why.into()) }]
        }
        Change::Topic { from, to } => {
            let what = text_change("topic", from.as_deref(), to);
            vec![Line { mark: '~', what, why: Some("[[rooms]] topic".into()) }]
        }
        Change::Alias(change) => {
            let from = change.from.as_ref().map_or("not set".into(), |alias| harmless(alias.as_str()));
            let what = format!("main alias: {from} -> {}", harmless(change.to.as_str()));
            let old = if change.drop { "; the old one is taken away" } else { "" };
            let why = match change.reason {
                AliasReason::Renamed => "its group was renamed",
                AliasReason::Upgraded => "it replaces the room that had the alias",
            };
            vec![Line { mark: '~', what, why: Some(format!("{why}{old}")) }]
        }
        Change::Directory { .. } => {
            vec![Line { mark: '~', what: show::brief(change), why: Some("[[rooms]] directory".into()) }]
        }
        Change::Restrict { .. } => {
            vec![Line { mark: '~', what: show::brief(change), why: Some("[[rooms]] restricted".into()) }]
        }
        Change::SpaceParent(_) | Change::SpaceChild(_) => {
            vec![Line { mark: '~', what: show::brief(change), why: Some("[[rooms]] parent".into()) }]
        }
        Change::Kick(kick) => vec![Line { mark: '-', what: kick.to_string(), why: Some(kick.reason.to_string()) }],
        Change::Invite(invite) => {
            vec![Line { mark: '+', what: invite.to_string(), why: Some(invite.reason.to_string()) }]
        }
    }
}

fn text_change(what: &str, from: Option<&str>, to: &str) -> String {
    let from = from.map_or("not set".into(), |from| format!("\"{}\"", harmless(from)));
    format!("{what}: {from} -> \"{}\"", harmless(to))
}

fn created(creation: &Creation) -> String {
    let kind = if creation.is_space { "space" } else { "room" };
    let mut what = format!("create the {kind} \"{}\"", harmless(&creation.name));
    if let Some(version) = &creation.version {
        let _ = write!(what, ", version {}", harmless(version.as_str()));
    }
    if creation.encryption {
        what.push_str(", encrypted");
    }
    if let Some(topic) = &creation.topic {
        let _ = write!(what, ", topic \"{}\"", harmless(topic));
    }
    if creation.listed {
        what.push_str(", in the room directory");
    }
    if let Some(visibility) = creation.history_visibility {
        let _ = write!(what, ", history visibility {visibility}");
    }
    for (key, level) in &creation.permissions {
        let _ = write!(what, ", permission {} {level}", harmless(&key.to_string()));
    }
    what
}
