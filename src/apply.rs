//! Runs a plan: rooms side by side, the changes of a room in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};
use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, UserId};

use crate::matrix::{Done, WriteError, Writer};
use crate::plan::{Change, Creation, Plan, RoomPlan, Way};
use crate::report::{Outcome, Report};
use crate::watch::Watch;

/// Somebody who can make a change.
pub trait Effect: Sync {
    /// Makes one change in a room. `room` is its ID, once there is a room.
    fn apply(
        &self,
        alias: &RoomAliasId,
        room: Option<&RoomId>,
        change: &Change,
    ) -> impl Future<Output = Result<Done, WriteError>> + Send;

    /// Creates a room, and invites as many of these people by the same request as can be.
    fn create(&self, creation: &Creation, people: &[&UserId]) -> impl Future<Output = Result<Done, WriteError>> + Send;
}

impl Effect for Writer {
    async fn apply(&self, alias: &RoomAliasId, room: Option<&RoomId>, change: &Change) -> Result<Done, WriteError> {
        Self::apply(self, alias, room, change).await
    }

    async fn create(&self, creation: &Creation, people: &[&UserId]) -> Result<Done, WriteError> {
        Self::create(self, creation, people).await
    }
}

/// Makes the changes of a plan, in at most `concurrency` rooms at once. New spaces are created before anything else, since
/// rooms are put into them.
///
/// A change that fails does not keep the room's others from being tried, unless the room is not there or the account not
/// in it. When nothing can be changed any more, what is left is skipped.
pub async fn apply(plan: &Plan, effect: &impl Effect, concurrency: usize, watch: &dyn Watch) -> Report {
    let rooms: Vec<_> = plan.changing().enumerate().map(|(place, room)| RoomRun::new(room, place)).collect();
    watch.begin("applying changes", rooms.iter().map(|room| room.plan.changes.len()).sum());
    let stopped = Stopped::default();
    let run = Run { effect, stopped: &stopped, watch };
    let (spaces, rooms): (Vec<_>, Vec<_>) = rooms.into_iter().partition(RoomRun::is_new_space);
    let mut ready: Vec<_> =
        stream::iter(spaces).map(|room| run.changes(room, 1)).buffer_unordered(concurrency.max(1)).collect().await;
    ready.extend(rooms);
    let rooms: BTreeMap<_, _> = stream::iter(ready)
        .map(|room| run.changes(room, usize::MAX))
        .buffer_unordered(concurrency.max(1))
        .map(|room| (room.plan.alias.clone(), room.outcomes.into_values().collect()))
        .collect()
        .await;
    watch.end();
    Report { rooms }
}

/// A room whose changes are under way.
struct RoomRun<'a> {
    plan: &'a RoomPlan,
    room: Option<OwnedRoomId>,
    /// Who was invited when the room was created.
    invited: BTreeSet<OwnedUserId>,
    /// Why nothing more can be done in the room, if so.
    closed: Option<&'static str>,
    /// The changes that are left, by their place in the plan, the next one first.
    left: VecDeque<usize>,
    /// By the place in the plan.
    outcomes: BTreeMap<usize, Outcome>,
}

impl<'a> RoomRun<'a> {
    /// `place` is that of the room among the others: in each the invitations begin with somebody else. Homeservers limit
    /// how often one person is invited, and who is to be in many rooms would else be invited to all of them at once.
    fn new(plan: &'a RoomPlan, place: usize) -> Self {
        let is_invite = |change: &&Change| matches!(change, Change::Invite(_));
        let invites = plan.changes.iter().rev().take_while(is_invite).count();
        let mut left: VecDeque<usize> = (0..plan.changes.len()).collect();
        let mut last = left.split_off(plan.changes.len() - invites);
        last.rotate_left(place.checked_rem(invites).unwrap_or(0));
        left.append(&mut last);
        Self {
            plan,
            room: plan.room_id.clone(),
            invited: BTreeSet::new(),
            closed: None,
            left,
            outcomes: BTreeMap::new(),
        }
    }

    /// Whether the creation of the room has made this change as well.
    fn is_made(&self, change: &Change) -> bool {
        matches!(change, Change::Invite(invite) if self.invited.contains(&invite.user))
    }

    fn to_invite(&self) -> Vec<&'a UserId> {
        let invitee = |change: &'a Change| match change {
            Change::Invite(invite) if invite.way == Way::Invite => Some(invite.user.as_ref()),
            _ => None,
        };
        self.plan.changes.iter().filter_map(invitee).collect()
    }

    fn is_new_space(&self) -> bool {
        matches!(self.plan.changes.first(), Some(Change::Create(creation)) if creation.is_space)
    }
}

struct Run<'a, E> {
    effect: &'a E,
    stopped: &'a Stopped,
    watch: &'a dyn Watch,
}

impl<E: Effect> Run<'_, E> {
    /// Makes the next changes of a room, at most so many.
    async fn changes<'a>(&self, mut run: RoomRun<'a>, at_most: usize) -> RoomRun<'a> {
        for _ in 0..at_most {
            let Some((place, change)) =
                run.left.pop_front().and_then(|place| Some((place, run.plan.changes.get(place)?)))
            else {
                break;
            };
            let outcome = if run.is_made(change) {
                Outcome::Applied
            } else if let Some(why) = self.stopped.why() {
                Outcome::Skipped(why)
            } else if let Some(why) = run.closed {
                Outcome::Skipped(why.to_owned())
            } else {
                let answer = match change {
                    Change::Create(creation) => self.effect.create(creation, &run.to_invite()).await,
                    _ => self.effect.apply(&run.plan.alias, run.room.as_deref(), change).await,
                };
                outcome(answer, &mut run, self.stopped)
            };
            if !outcome.is_done() {
                run.closed = run.closed.or(match change {
                    Change::Create(_) => Some("the room was not created"),
                    Change::Join { .. } => Some("the room was not joined"),
                    _ => None,
                });
            }
            tracing::debug!(alias = %run.plan.alias, ?outcome, "change");
            run.outcomes.insert(place, outcome);
            self.watch.step();
        }
        run
    }
}

fn outcome(answer: Result<Done, WriteError>, run: &mut RoomRun<'_>, stopped: &Stopped) -> Outcome {
    match answer {
        Ok(Done::Applied) => Outcome::Applied,
        Ok(Done::Already) => Outcome::AlreadyDone,
        Ok(Done::Created { room, invited }) => {
            run.room = Some(room);
            run.invited = invited;
            Outcome::Applied
        }
        Ok(Done::AlreadyCreated(id)) => {
            run.room = Some(id);
            Outcome::AlreadyDone
        }
        Err(WriteError::Failed(text)) => Outcome::Failed(text),
        Err(WriteError::Blocked(text)) => Outcome::Blocked(text),
        Err(WriteError::Skipped(text)) => Outcome::Skipped(text),
        Err(WriteError::Ended(text)) => {
            stopped.stop(text.clone());
            Outcome::Skipped(text)
        }
        Err(WriteError::Stop(text)) => {
            stopped.stop(format!("not tried, after this: {text}"));
            Outcome::Failed(text)
        }
    }
}

/// Why nothing more is tried, once that is so.
#[derive(Default)]
struct Stopped(Mutex<Option<String>>);

impl Stopped {
    fn why(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stop(&self, text: String) {
        let mut why = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        why.get_or_insert(text);
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::{room_alias_id, room_id};

    use super::*;
    use crate::actual::Stamp;
    use crate::plan::{Headcount, Invite, Reason};
    use crate::watch::Unwatched;

    /// Answers by the name that a change gives, and writes down what it was asked.
    #[derive(Default)]
    struct Script {
        seen: Mutex<Vec<String>>,
        /// Who was to be invited with a creation.
        people: Mutex<Vec<OwnedUserId>>,
    }

    impl Effect for Script {
        async fn create(&self, creation: &Creation, people: &[&UserId]) -> Result<Done, WriteError> {
            self.people.lock().unwrap().extend(people.iter().map(|user| (*user).to_owned()));
            self.answer(&creation.alias, None, &creation.name).await
        }

        async fn apply(&self, alias: &RoomAliasId, room: Option<&RoomId>, change: &Change) -> Result<Done, WriteError> {
            let what = match change {
                Change::Name { to, .. } => to.as_str(),
                Change::Invite(invite) => invite.user.localpart(),
                Change::Join { room_id } if room_id == "!closed:x" => "fails",
                _ => "join",
            };
            self.answer(alias, room, what).await
        }
    }

    impl Script {
        async fn answer(&self, alias: &RoomAliasId, room: Option<&RoomId>, what: &str) -> Result<Done, WriteError> {
            let seen = format!("{} {} {what}", alias.alias(), room.map_or("-", RoomId::as_str));
            self.seen.lock().unwrap().push(seen);
            tokio::task::yield_now().await;
            match what {
                "created" => Ok(Done::Created { room: room_id!("!new:x").to_owned(), invited: [user("alice")].into() }),
                "found" => Ok(Done::AlreadyCreated(room_id!("!old:x").to_owned())),
                "already" => Ok(Done::Already),
                "fails" => Err(WriteError::Failed("no".into())),
                "skips" => Err(WriteError::Skipped("later".into())),
                "stops" => Err(WriteError::Stop("token".into())),
                "blocked" => Err(WriteError::Blocked("no".into())),
                "ended" => Err(WriteError::Ended("signal".into())),
                _ => Ok(Done::Applied),
            }
        }
    }

    fn create(name: &str) -> Change {
        Change::Create(Box::new(Creation {
            alias: room_alias_id!("#a:x").to_owned(),
            is_space: false,
            name: name.into(),
            topic: None,
            listed: false,
            version: None,
            encryption: false,
            history_visibility: None,
            permissions: BTreeMap::new(),
            power_levels: serde_json::Map::new(),
            stamp: Stamp::default(),
        }))
    }

    fn user(name: &str) -> OwnedUserId {
        UserId::parse(format!("@{name}:x")).unwrap()
    }

    fn invite(name: &str) -> Change {
        Change::Invite(Invite { user: user(name), level: 0, reason: Reason::NotInGroup, way: Way::Invite })
    }

    fn name(name: &str) -> Change {
        Change::Name { from: None, to: name.into() }
    }

    fn room(alias: &RoomAliasId, id: Option<&RoomId>, changes: Vec<Change>) -> RoomPlan {
        RoomPlan {
            alias: alias.to_owned(),
            room_id: id.map(ToOwned::to_owned),
            headcount: Headcount::default(),
            changes,
            withheld: Vec::new(),
            problems: std::collections::BTreeSet::default(),
            warnings: std::collections::BTreeSet::default(),
        }
    }

    async fn run(rooms: Vec<RoomPlan>) -> (Vec<Vec<Outcome>>, Vec<String>) {
        let (script, plan) = (Script::default(), Plan { rooms, ..Plan::default() });
        let report = apply(&plan, &script, 1, &Unwatched).await;
        (report.rooms.into_values().collect(), script.seen.into_inner().unwrap())
    }

    fn skipped(why: &str) -> Outcome {
        Outcome::Skipped(why.into())
    }

    #[tokio::test]
    async fn changes_go_in_order_into_the_room_that_was_created() {
        let a = room_alias_id!("#a:x");
        let (outcomes, seen) = run(vec![room(a, None, vec![create("created"), name("one"), name("already")])]).await;
        assert_eq!(seen, ["a - created", "a !new:x one", "a !new:x already"]);
        assert_eq!(outcomes, [[Outcome::Applied, Outcome::Applied, Outcome::AlreadyDone]]);
        let (outcomes, seen) = run(vec![room(a, None, vec![create("found"), name("one")])]).await;
        assert_eq!(seen, ["a - found", "a !old:x one"]);
        assert_eq!(outcomes, [[Outcome::AlreadyDone, Outcome::Applied]]);
    }

    #[tokio::test]
    async fn who_was_invited_with_the_creation_is_not_invited_again() {
        let a = room_alias_id!("#a:x");
        let changes = |name| vec![create(name), invite("alice"), invite("bob")];
        let (outcomes, seen) = run(vec![room(a, None, changes("created"))]).await;
        assert_eq!(seen, ["a - created", "a !new:x bob"]);
        assert_eq!(outcomes, [[Outcome::Applied, Outcome::Applied, Outcome::Applied]]);
        // Whom a creation with a lost answer has invited is not known.
        let (_, seen) = run(vec![room(a, None, changes("found"))]).await;
        assert_eq!(seen, ["a - found", "a !old:x alice", "a !old:x bob"]);
    }

    #[tokio::test]
    async fn without_the_room_nothing_is_tried_in_it() {
        let a = room_alias_id!("#a:x");
        for (first, outcome) in [("fails", Outcome::Failed("no".into())), ("skips", skipped("later"))] {
            let (outcomes, seen) = run(vec![room(a, None, vec![create(first), name("one"), name("two")])]).await;
            assert_eq!(seen.len(), 1);
            let why = "the room was not created";
            assert_eq!(outcomes, [[outcome, skipped(why), skipped(why)]]);
        }
    }

    #[tokio::test]
    async fn a_room_that_was_not_joined_is_left_alone() {
        let join = |id: &RoomId| Change::Join { room_id: id.to_owned() };
        for (id, outcomes, tried) in [
            (room_id!("!open:x"), [Outcome::Applied, Outcome::Applied], 2),
            (room_id!("!closed:x"), [Outcome::Failed("no".into()), skipped("the room was not joined")], 1),
        ] {
            let (all, seen) = run(vec![room(room_alias_id!("#a:x"), Some(id), vec![join(id), name("one")])]).await;
            assert_eq!((all, seen.len()), (vec![outcomes.to_vec()], tried));
        }
    }

    #[tokio::test]
    async fn only_those_who_are_plainly_invited_are_named_to_the_creation() {
        let way = |name, way| Change::Invite(Invite { user: user(name), level: 0, reason: Reason::NotInGroup, way });
        let changes =
            vec![create("created"), way("bob", Way::Invite), way("carol", Way::Add), way("dave", Way::InviteAgain)];
        let plan = Plan { rooms: vec![room(room_alias_id!("#a:x"), None, changes)], ..Plan::default() };
        let script = Script::default();
        apply(&plan, &script, 1, &Unwatched).await;
        assert_eq!(*script.people.lock().unwrap(), [user("bob")]);
    }

    #[tokio::test]
    async fn all_new_spaces_are_made_before_anything_is_done_in_a_room() {
        let creating = |alias: &RoomAliasId, is_space| {
            let Change::Create(mut creation) = create("created") else { panic!("no creation") };
            (creation.alias, creation.is_space) = (alias.to_owned(), is_space);
            room(alias, None, vec![Change::Create(creation), name("one")])
        };
        let rooms = vec![
            creating(room_alias_id!("#a:x"), false),
            creating(room_alias_id!("#b:x"), true),
            creating(room_alias_id!("#c:x"), true),
        ];
        let (outcomes, seen) = run(rooms).await;
        let expected = ["b - created", "c - created", "b !new:x one", "c !new:x one", "a - created", "a !new:x one"];
        assert_eq!(seen, expected);
        assert_eq!(outcomes, vec![[Outcome::Applied, Outcome::Applied]; 3]);
    }

    #[tokio::test]
    async fn the_first_reason_to_end_is_told_for_all_that_is_left() {
        let id = room_id!("!r:x");
        let rooms = vec![
            room(room_alias_id!("#a:x"), Some(id), vec![name("ended"), name("one")]),
            room(room_alias_id!("#b:x"), Some(id), vec![name("stops"), name("two")]),
        ];
        let (script, plan) = (Script::default(), Plan { rooms, ..Plan::default() });
        let outcomes: Vec<_> = apply(&plan, &script, 2, &Unwatched).await.rooms.into_values().collect();
        assert_eq!(outcomes[1][0], Outcome::Failed("token".into()), "both were under way");
        assert_eq!(outcomes[0][1], outcomes[1][1]);
    }

    #[tokio::test]
    async fn another_failure_is_that_of_one_change() {
        let id = room_id!("!r:x");
        let rooms = vec![room(room_alias_id!("#a:x"), Some(id), vec![name("fails"), name("skips"), name("one")])];
        let (outcomes, _) = run(rooms).await;
        assert_eq!(outcomes, [[Outcome::Failed("no".into()), skipped("later"), Outcome::Applied]]);
    }

    #[tokio::test]
    async fn what_ends_the_run_ends_it_in_all_rooms() {
        let id = room_id!("!r:x");
        let rooms = vec![
            room(room_alias_id!("#a:x"), Some(id), vec![name("one"), name("stops"), name("two")]),
            room(room_alias_id!("#b:x"), Some(id), vec![name("three")]),
            room(room_alias_id!("#c:x"), Some(id), vec![]),
        ];
        let (outcomes, seen) = run(rooms).await;
        assert_eq!(seen, ["a !r:x one", "a !r:x stops"]);
        let left = skipped("not tried, after this: token");
        let expected = [vec![Outcome::Applied, Outcome::Failed("token".into()), left.clone()], vec![left]];
        assert_eq!(outcomes, expected, "a room without changes has no outcomes");
    }
    #[tokio::test]
    async fn what_is_left_at_the_end_of_the_time_is_skipped_with_the_reason() {
        let id = room_id!("!r:x");
        let rooms = vec![
            room(room_alias_id!("#a:x"), Some(id), vec![name("one"), name("ended"), name("two")]),
            room(room_alias_id!("#b:x"), Some(id), vec![name("three")]),
        ];
        let (outcomes, seen) = run(rooms).await;
        assert_eq!(seen, ["a !r:x one", "a !r:x ended"]);
        let left = skipped("signal");
        assert_eq!(outcomes, [vec![Outcome::Applied, left.clone(), left.clone()], vec![left]]);
    }

    #[tokio::test]
    async fn each_room_invites_somebody_else_first_and_tells_in_the_plans_order() {
        let id = room_id!("!r:x");
        let invite = |user: &str| {
            let user = matrix_sdk::ruma::UserId::parse(format!("@{user}:x")).unwrap();
            Change::Invite(crate::plan::Invite {
                user,
                level: 0,
                reason: crate::plan::Reason::NotInGroup,
                way: crate::plan::Way::Invite,
            })
        };
        let changes = || vec![name("name"), invite("blocked"), invite("bob"), invite("carol")];
        let rooms =
            ["#a:x", "#b:x", "#c:x"].map(|alias| room(&RoomAliasId::parse(alias).unwrap(), Some(id), changes()));
        let (outcomes, seen) = run(rooms.into()).await;
        let order: Vec<&str> = seen.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        let (a, b, c) = (["blocked", "bob", "carol"], ["bob", "carol", "blocked"], ["carol", "blocked", "bob"]);
        let expected: Vec<&str> =
            [a, b, c].iter().flat_map(|room| std::iter::once(&"name").chain(room)).copied().collect();
        assert_eq!(order, expected);
        let blocked = Outcome::Blocked("no".into());
        assert_eq!(outcomes, vec![vec![Outcome::Applied, blocked, Outcome::Applied, Outcome::Applied]; 3]);
    }
}
