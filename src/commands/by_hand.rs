//! `unmanage`, `invite-member`, `kick-member` and `invite-admin`: one room, one person.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;
use wildmatch::WildMatch;

use crate::actual::ActualRoom;
use crate::before_writing;
use crate::cli::{Format, Mode};
use crate::config::Config;
use crate::manual::{self, Bounds, Decision, End, Refusal, Request, Step, Task};
use crate::matrix::{Done, Reader, Session, WriteError, Writer};
use crate::printer::Printer;
use crate::report::{Outcome, Status};
use crate::stop::Stop;
use crate::watch::{Unwatched, Watch};

/// How often it is looked whether somebody has come.
const POLL: Duration = Duration::from_secs(5);

/// Does what is left to do for a request.
pub(crate) async fn run<W: Write>(
    config: &Config,
    request: &Request,
    mode: Mode,
    stop: &Stop,
    watch: &dyn Watch,
    mut printer: Printer<'_, W>,
) -> anyhow::Result<Status> {
    let session = before_writing(stop, Session::connect_until(&config.matrix, stop.clone())).await??;
    let reader = session.reader();
    let bounds = Bounds {
        me: session.me().to_owned(),
        managed_servers: config.managed_servers(),
        protected: config.policy.protected_users.iter().map(|pattern| WildMatch::new(pattern)).collect(),
    };
    let writer = (!mode.dry_run).then(|| session.writer());
    let (mut room, mut decision) = before_writing(stop, look(&reader, request, &bounds, watch)).await??;
    if matches!(request.task, Task::Unmanage { .. }) && !matches!(decision.end, End::Already(_)) {
        decision.warnings.extend(before_writing(stop, named_by_an_idp(config, request, &room)).await?);
    }
    let warnings = decision.warnings.clone();
    printer.text(|dress| {
        manual::text::heading(&request.alias, room_id(&room), dress) + manual::text::warnings(&warnings, dress).as_str()
    })?;
    let mut taken = take(&decision.steps, request, &room, writer.as_ref()).await;
    show(&taken, &mut printer)?;
    if let Some(wait) = mode.wait.filter(|_| is_complete(&taken) && decision.end == End::Waiting) {
        printer.text(|_| manual::text::waiting(request, wait))?;
        (room, decision) = wait_for(wait, stop, &reader, request, &bounds, (room, decision)).await;
        if decision.end == End::Done {
            let steps = take(&decision.steps, request, &room, writer.as_ref()).await;
            show(&steps, &mut printer)?;
            taken.extend(steps);
        }
    }
    let (complete, end) = (is_complete(&taken), decision.end);
    match printer.format {
        Format::Json => printer.json(&manual::json::Document::new(
            request,
            room_id(&room),
            mode.dry_run,
            &taken,
            &end,
            &warnings,
        ))?,
        _ if complete => {
            printer.text(|dress| dress.bold(&manual::text::end(request, &end, mode.dry_run)) + "\n")?;
        }
        _ => printer.text(|dress| dress.bold(manual::text::FAILED) + "\n")?,
    }
    Ok(match end {
        _ if !complete => Status::Incomplete,
        End::Waiting | End::Declined => Status::Waiting,
        End::Done | End::Already(_) => Status::Done,
    })
}

/// Looks now and then, until something other than waiting is to be done, the time is over, or the run is to end.
async fn wait_for(
    wait: Duration,
    stop: &Stop,
    reader: &Reader,
    request: &Request,
    bounds: &Bounds,
    mut seen: (ActualRoom, Decision),
) -> (ActualRoom, Decision) {
    let deadline = Instant::now() + wait;
    let mut told = String::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return seen;
        }
        let looking = async {
            tokio::time::sleep(POLL.min(left)).await;
            look(reader, request, bounds, &Unwatched).await
        };
        let Ok(looked) = stop.or(looking).await else { return seen };
        match looked {
            Ok((room, mut decision)) => {
                // They were invited before the waiting began.
                if decision.steps.iter().any(|step| matches!(step, Step::Invite(_))) {
                    decision.end = End::Declined;
                }
                if decision.end != End::Waiting {
                    return (room, decision);
                }
                seen = (room, decision);
            }
            // What has been done stands, and the homeserver may come back.
            Err(error) => {
                let error = format!("{error:#}");
                if error != told {
                    warn!("{error}");
                    told = error;
                }
            }
        }
    }
}

fn show<W: Write>(steps: &[(Step, Option<Outcome>)], printer: &mut Printer<'_, W>) -> anyhow::Result<()> {
    steps.iter().try_for_each(|(step, outcome)| printer.text(|dress| manual::text::step(step, outcome.as_ref(), dress)))
}

async fn look(
    reader: &Reader,
    request: &Request,
    bounds: &Bounds,
    watch: &dyn Watch,
) -> anyhow::Result<(ActualRoom, Decision)> {
    let mut actual = reader.read(&[request.alias.clone()].into_iter().collect(), watch).await?;
    let room = actual.rooms.remove(&request.alias).unwrap_or(ActualRoom::Missing);
    match manual::decide(request, &room, bounds) {
        Ok(decision) => Ok((room, decision)),
        Err(Refusal::NoSuchRoom { alias, .. }) => {
            let known = manual::similar_alias(&alias, &reader.others(actual.joined, watch).await?.rooms);
            Err(Refusal::NoSuchRoom { alias, known }.into())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Takes the steps, up to the first that fails; none without somebody who can write.
async fn take(
    steps: &[Step],
    request: &Request,
    room: &ActualRoom,
    writer: Option<&Writer>,
) -> Vec<(Step, Option<Outcome>)> {
    let mut taken: Vec<(Step, Option<Outcome>)> = Vec::new();
    for step in steps {
        let outcome = match (writer, room) {
            (Some(_), _) if !is_complete(&taken) => Some(Outcome::Skipped("the step before it was not done".into())),
            (Some(writer), ActualRoom::Joined(room)) => {
                Some(outcome(writer.step(&request.alias, &room.id, step).await))
            }
            _ => None,
        };
        taken.push((step.clone(), outcome));
    }
    taken
}

fn outcome(answer: Result<Done, WriteError>) -> Outcome {
    match answer {
        Ok(Done::Already | Done::AlreadyCreated(_)) => Outcome::AlreadyDone,
        Ok(Done::Applied | Done::Created { .. }) => Outcome::Applied,
        Err(WriteError::Blocked(why)) => Outcome::Blocked(why),
        Err(WriteError::Skipped(why) | WriteError::Ended(why)) => Outcome::Skipped(why),
        Err(WriteError::Failed(why) | WriteError::Stop(why)) => Outcome::Failed(why),
    }
}

fn is_complete(steps: &[(Step, Option<Outcome>)]) -> bool {
    steps.iter().filter_map(|(_, outcome)| outcome.as_ref()).all(Outcome::is_done)
}

fn room_id(room: &ActualRoom) -> Option<&matrix_sdk::ruma::OwnedRoomId> {
    match room {
        ActualRoom::Joined(room) => Some(&room.id),
        ActualRoom::Outside(id) | ActualRoom::Invited(id) => Some(id),
        ActualRoom::Missing | ActualRoom::Unreadable(_) => None,
    }
}

/// A warning, if the next run of `sync` would still have to do with the room, or if that is not known.
async fn named_by_an_idp(config: &Config, request: &Request, room: &ActualRoom) -> Option<String> {
    let desired = match crate::read_desired(config).await {
        Ok(desired) => desired,
        Err(error) => {
            return Some(format!("whether the identity providers still name this room is not known: {error:#}"));
        }
    };
    let aliases = match room {
        ActualRoom::Joined(room) => room.canonical_alias.iter().chain(&room.alt_aliases).collect(),
        _ => BTreeSet::new(),
    };
    let named = desired.rooms.keys().find(|alias| **alias == request.alias || aliases.contains(alias))?;
    Some(format!(
        "the identity providers still name {named}: each sync will call it a problem, or manage it again when inviter is \
         invited; remove its group"
    ))
}
