//! Microsoft Entra ID, through Microsoft Graph: the direct members of a root group are the groups of rooms.
//!
//! For each room two things are asked, its members through groups in groups and its owners, ten rooms in a request.

mod certificate;
mod error;
mod graph;
mod http;
mod members;
mod pace;
mod person;
mod rooms;
mod sign_in;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::graph::{Collection, Graph, PARTS};
use self::members::People;
use self::rooms::{Room, Rooms};
use crate::config::{EntraIdp, Idp};
use crate::snapshot::{Group, Members, Snapshot};

pub use error::{EntraFailure, EntraProblem, EntraStep, Refused};

/// How many requests are under way at a time.
const AT_ONCE: usize = 4;

/// The most objects that Graph puts on a page.
const PAGE: usize = 999;

/// Reads a tenant.
pub(super) async fn fetch(
    all: &Idp,
    idp: &EntraIdp,
    wanted: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Snapshot, EntraFailure> {
    let address = || idp.graph.as_str().trim_end_matches('/').to_owned();
    let failed = |step: EntraStep| move |problem| EntraFailure { step, problem };
    let at_root = EntraStep::Root { graph: address(), id: idp.root_group_id.clone() };
    let at_groups = EntraStep::Groups { graph: address() };

    let graph = Graph::new(idp).map_err(failed(EntraStep::Prepare))?;
    let path = format!("/groups/{}/members?$select={}&$top={PAGE}", idp.root_group_id, rooms::SELECT);
    let root = graph.collection(&path).await.map_err(failed(at_root.clone()))?;
    let rooms = Rooms::read(all, idp, wanted, root).map_err(failed(at_root))?;
    let mut people = People::new(all, idp);
    let answers = ask(&graph, &rooms.questions(idp), &mut people).await.map_err(failed(at_groups))?;
    Ok(snapshot(rooms, answers, people))
}

/// Asks for collections, many in a request, and for the rest of each; the answers are in the order of the questions.
/// What was read is boiled down at once, for it is a lot.
async fn ask(graph: &Graph<'_>, paths: &[String], people: &mut People<'_>) -> Result<Vec<Answer>, EntraProblem> {
    let batches: Vec<_> = paths.chunks(PARTS).map(|paths| batch(graph, paths)).collect();
    let mut batches = stream::iter(batches).buffered(AT_ONCE);
    let mut answers = Vec::with_capacity(paths.len());
    while let Some(collections) = batches.try_next().await? {
        for collection in &collections {
            answers.push(Answer { is_empty: collection.objects.is_empty(), members: people.members(collection)? });
        }
    }
    Ok(answers)
}

async fn batch(graph: &Graph<'_>, paths: &[String]) -> Result<Vec<Collection>, EntraProblem> {
    let mut collections = Vec::new();
    for page in graph.first_pages(paths).await? {
        collections.push(match page {
            Ok(page) => graph.rest(page).await?,
            Err(problem) if problem.is_of_one_group() => Collection::unread(problem),
            Err(problem) => return Err(problem),
        });
    }
    Ok(collections)
}

/// The answer to one question.
struct Answer {
    is_empty: bool,
    members: Members,
}

fn snapshot(rooms: Rooms, answers: Vec<Answer>, people: People<'_>) -> Snapshot {
    let mut answers = answers.into_iter();
    let mut groups = rooms.malformed;
    for Room { group, owners } in rooms.known {
        let Some(Answer { is_empty, mut members }) = answers.next() else { break };
        if let (true, true, Members::Known(_)) = (group.is_hidden, is_empty, &members) {
            let reason = "its membership is hidden: grant the application permission Member.Read.Hidden".into();
            members = Members::Unknown { at_least: [].into(), reason };
        }
        let owners = owners.path(&group.id).and_then(|_| answers.next()).map(|answer| answer.members);
        groups.push(Group { label: group.label(), name: group.name, id: Some(group.id), members, owners });
    }
    let mut notices = rooms.notices;
    let accounts = people.finish(&mut notices);
    Snapshot { accounts, groups, other_groups: rooms.others, more_groups: rooms.more, notices }
}

#[cfg(test)]
mod tests;
