//! From the state events of a room to what a plan needs of them. The events are hostile input: an event that is not what
//! it should be is passed over where that is harmless, and makes the room unreadable where it is not.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::room_version_rules::AuthorizationRules;
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, RoomVersionId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::actual::{JoinedRoom, Member, Membership, STAMP_TYPE, STANDING_INVITATION, Stamp};
use crate::power::PowerLevels;

type Object = Map<String, Value>;

/// The state of a room that `me` has joined, from the JSON of each event.
///
/// # Errors
/// When the room's version is not known, or an event that everything rests on is missing or malformed.
pub(crate) fn joined_room<'a>(
    id: OwnedRoomId,
    me: &UserId,
    events: impl Iterator<Item = &'a str>,
) -> Result<JoinedRoom, String> {
    let state = State::of(events);
    let create = state
        .event("m.room.create", "")
        .and_then(|event| Some((event.content()?, event.sender())))
        .ok_or("the room's state has no well-formed m.room.create")?;
    let (create, sender) = create;
    let version = version(&create)?;
    let rules = version
        .rules()
        .ok_or_else(|| format!("inviter does not know the rules of room version {:?}", version.as_str()))?
        .authorization;
    let (creators, founder) = creators(&create, sender, &rules)?;
    let levels = match state.event("m.room.power_levels", "") {
        None => None,
        Some(event) => Some(event.content().ok_or("the room's m.room.power_levels is malformed")?),
    };
    if state.members.get(me).map(|member| member.membership) != Some(Membership::Join) {
        return Err("the account of inviter has left the room meanwhile".into());
    }
    let text = |kind, key: &str| Some(state.content(kind, "")?.get(key)?.as_str()?.to_owned());
    let replaced_by =
        state.content("m.room.tombstone", "").map(|_| text("m.room.tombstone", "replacement_room").unwrap_or_default());
    // The authorisation rules let nobody else write under this key; a homeserver that did would be believed otherwise.
    let mark = state.event(STAMP_TYPE, me.as_str()).filter(|event| event.sender().as_deref() == Some(me));
    let mark = mark.and_then(|event| Some((event.content()?, event)));
    Ok(JoinedRoom {
        id,
        version,
        power: PowerLevels::new(levels, creators, founder.as_deref()),
        history_visibility: text("m.room.history_visibility", "history_visibility"),
        name: text("m.room.name", "name").filter(|name| !name.is_empty()),
        topic: text("m.room.topic", "topic").filter(|topic| !topic.is_empty()),
        canonical_alias: text("m.room.canonical_alias", "alias").and_then(|alias| RoomAliasId::parse(alias).ok()),
        alias_is_own: state.content("m.room.canonical_alias", "").is_some()
            && state.event("m.room.canonical_alias", "").and_then(Event::sender).as_deref() == Some(me),
        alt_aliases: state.alt_aliases(),
        is_space: create.get("type").and_then(Value::as_str) == Some("m.space"),
        join_rules: state.content("m.room.join_rules", ""),
        children: state.with_via("m.space.child"),
        parents: state.with_via("m.space.parent"),
        replaces: predecessor(&create),
        in_directory: None,
        encrypted: text("m.room.encryption", "algorithm").is_some(),
        replaced_by,
        orphaned_since: mark.as_ref().and_then(|(content, event)| orphaned_since(content, event)),
        stamp: mark.as_ref().and_then(|(content, _)| stamp(content)),
        released: mark.is_some_and(|(content, _)| content.is_empty()),
        standing_invitations: state.standing_invitations,
        members: state.members,
    })
}

/// The mark of `inviter`, if this is one.
pub(crate) fn stamp(content: &Object) -> Option<Stamp> {
    serde_json::from_value(Value::Object(content.clone())).ok()
}

/// Since when a room bears the mark of an orphaned one. A time that is none does not count as long ago.
fn orphaned_since(content: &Object, event: &Event<'_>) -> Option<u64> {
    stamp(content).filter(|stamp| stamp.orphaned)?;
    Event::read(event.origin_server_ts)
}

/// Whether a room that cannot be read may be one that bears the mark: it does, or this is not the state of a room.
pub(crate) fn may_be_marked<'a>(me: &UserId, events: impl Iterator<Item = &'a str>) -> bool {
    let state = State::of(events);
    state.content("m.room.create", "").is_none() || state.content(STAMP_TYPE, me.as_str()).is_some()
}

/// An object without those parts that are nested too deeply, or have numbers too large, to be read; parts of parts down
/// to `depth` levels. Any member of a room can write such things, and is not to make it unreadable.
fn object(text: &str, depth: usize) -> Option<Object> {
    if let Ok(whole) = serde_json::from_str(text) {
        return Some(whole);
    }
    let parts: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let part = |text: &str| match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(_) if depth > 0 => object(text, depth - 1).map(Value::Object),
        Err(_) => None,
    };
    Some(parts.into_iter().filter_map(|(key, text)| Some((key, part(text.get())?))).collect())
}

/// The membership that the content of an `m.room.member` event gives.
pub(crate) fn membership(content: &Object) -> Option<Membership> {
    membership_of(content.get("membership")?.as_str()?)
}

fn membership_of(text: &str) -> Option<Membership> {
    match text {
        "join" => Some(Membership::Join),
        "invite" => Some(Membership::Invite),
        "knock" => Some(Membership::Knock),
        "leave" => Some(Membership::Leave),
        "ban" => Some(Membership::Ban),
        // The authorisation rules let no other value in.
        _ => None,
    }
}

/// State events by type and state key; those of members apart, of which there may be many.
struct State<'a> {
    events: BTreeMap<Cow<'a, str>, BTreeMap<Cow<'a, str>, Event<'a>>>,
    members: BTreeMap<OwnedUserId, Member>,
    standing_invitations: BTreeSet<OwnedUserId>,
}

/// An event as it was sent, of which only what is looked at is read.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    state_key: Cow<'a, str>,
    #[serde(borrow)]
    sender: Option<&'a RawValue>,
    #[serde(borrow)]
    origin_server_ts: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    fn read<T: Deserialize<'a>>(value: Option<&'a RawValue>) -> Option<T> {
        serde_json::from_str(value?.get()).ok()
    }

    fn content(&self) -> Option<Object> {
        object(self.content?.get(), 1)
    }

    fn sender(&self) -> Option<OwnedUserId> {
        UserId::parse(Self::read::<Cow<'_, str>>(self.sender)?).ok()
    }

    /// Whose membership this is, and whether it is an invitation that stays one.
    fn member(&self) -> Option<(OwnedUserId, Member, bool)> {
        #[derive(Deserialize)]
        struct Content<'a> {
            #[serde(borrow)]
            membership: Cow<'a, str>,
            #[serde(borrow)]
            reason: Option<&'a RawValue>,
        }
        let user = UserId::parse(&*self.state_key).ok()?;
        let content = Self::read::<Content<'_>>(self.content)?;
        let membership = membership_of(&content.membership)?;
        let stands = membership == Membership::Invite
            && Self::read::<Cow<'_, str>>(content.reason).is_some_and(|reason| reason == STANDING_INVITATION);
        let sender = self.sender().filter(|sender| *sender != user);
        let member = Member { membership, sender, since: Self::read(self.origin_server_ts).unwrap_or(0) };
        Some((user, member, stands))
    }
}

impl<'a> State<'a> {
    fn of(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut events: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        let (mut members, mut standing_invitations) = (BTreeMap::new(), BTreeSet::new());
        for event in texts.filter_map(|text| serde_json::from_str::<Event<'_>>(text).ok()) {
            if event.kind == "m.room.member" {
                if let Some((user, member, stands)) = event.member() {
                    if stands {
                        standing_invitations.insert(user.clone());
                    }
                    members.insert(user, member);
                }
            } else {
                events.entry(event.kind.clone()).or_default().insert(event.state_key.clone(), event);
            }
        }
        Self { events, members, standing_invitations }
    }

    fn event(&self, kind: &str, key: &str) -> Option<&Event<'a>> {
        self.events.get(kind)?.get(key)
    }

    fn content(&self, kind: &str, key: &str) -> Option<Object> {
        self.event(kind, key)?.content()
    }

    fn alt_aliases(&self) -> BTreeSet<OwnedRoomAliasId> {
        let content = self.content("m.room.canonical_alias", "").unwrap_or_default();
        let aliases = content.get("alt_aliases").and_then(Value::as_array);
        aliases.into_iter().flatten().filter_map(|alias| RoomAliasId::parse(alias.as_str()?).ok()).collect()
    }

    /// The rooms that events of this type name by their state key. One without `via` names none
    /// (<https://spec.matrix.org/v1.16/client-server-api/#mspacechild>).
    fn with_via(&self, kind: &str) -> BTreeSet<OwnedRoomId> {
        let events = self.events.get(kind).into_iter().flat_map(BTreeMap::values);
        let has_via = |event: &&Event<'_>| {
            event
                .content()
                .is_some_and(|content| content.get("via").and_then(Value::as_array).is_some_and(|via| !via.is_empty()))
        };
        events.filter(has_via).filter_map(|event| RoomId::parse(&*event.state_key).ok()).collect()
    }
}

/// The room that this one replaces (<https://spec.matrix.org/v1.16/client-server-api/#mroomcreate>).
fn predecessor(create: &Object) -> Option<OwnedRoomId> {
    RoomId::parse(create.get("predecessor")?.get("room_id")?.as_str()?).ok()
}

/// `room_version`, or the version of rooms that do not say
/// (<https://spec.matrix.org/v1.16/client-server-api/#mroomcreate>).
fn version(create: &Object) -> Result<RoomVersionId, String> {
    let wrong = || "the room's version is malformed".to_owned();
    match create.get("room_version") {
        None => Ok(RoomVersionId::V1),
        Some(value) => value.as_str().and_then(|text| RoomVersionId::try_from(text).ok()).ok_or_else(wrong),
    }
}

/// The users who rank above all levels (room version 12 and later, MSC4289), and the one who made the room otherwise.
fn creators(
    create: &Object,
    sender: Option<OwnedUserId>,
    rules: &AuthorizationRules,
) -> Result<(BTreeSet<OwnedUserId>, Option<OwnedUserId>), String> {
    let sender = || sender.ok_or_else(|| "the sender of the room's m.room.create is malformed".to_owned());
    if !rules.explicitly_privilege_room_creators {
        let named = || create.get("creator").and_then(Value::as_str).and_then(|user| UserId::parse(user).ok());
        return Ok((BTreeSet::new(), if rules.use_room_create_sender { Some(sender()?) } else { named() }));
    }
    let mut creators = BTreeSet::from([sender()?]);
    if rules.additional_room_creators
        && let Some(additional) = create.get("additional_creators")
    {
        // Whom we do not recognise as a creator we might try to demote.
        let user = |value: &Value| value.as_str().and_then(|user| UserId::parse(user).ok());
        let additional: Option<Vec<_>> = additional.as_array().and_then(|users| users.iter().map(user).collect());
        creators.extend(additional.ok_or("the room's additional_creators are malformed")?);
    }
    Ok((creators, None))
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::{room_id, user_id};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::power::Power;

    #[expect(clippy::needless_pass_by_value, reason = "`json!` at each call")]
    fn event(kind: &str, key: &str, content: Value) -> Value {
        json!({ "type": kind, "state_key": key, "sender": "@founder:x", "origin_server_ts": 7, "content": content })
    }

    fn mark(content: Value) -> Value {
        let mut mark = event(STAMP_TYPE, "@me:x", content);
        mark["sender"] = json!("@me:x");
        mark
    }

    fn read_with(create: Value, more: &[Value]) -> Result<JoinedRoom, String> {
        let mut events =
            vec![event("m.room.create", "", create), event("m.room.member", "@me:x", json!({ "membership": "join" }))];
        events.extend(more.iter().cloned());
        joined(user_id!("@me:x"), &events)
    }

    fn joined(me: &UserId, events: &[Value]) -> Result<JoinedRoom, String> {
        let texts: Vec<String> = events.iter().map(Value::to_string).collect();
        joined_room(room_id!("!r:x").to_owned(), me, texts.iter().map(String::as_str))
    }

    fn read(more: &[Value]) -> JoinedRoom {
        read_with(json!({ "room_version": "11" }), more).unwrap()
    }

    #[test]
    fn a_room_is_read() {
        let stamp = json!({ "groups": [{ "idp": "corp", "id": "g" }] });
        let room = read(&[
            event("m.room.power_levels", "", json!({ "users": { "@a:x": 50 }, "kick": 60, "org.example": 1 })),
            event("m.room.member", "@a:x", json!({ "membership": "invite" })),
            event("m.room.name", "", json!({ "name": "Room" })),
            event("m.room.history_visibility", "", json!({ "history_visibility": "shared" })),
            event("m.room.encryption", "", json!({ "algorithm": "m.megolm.v1.aes-sha2" })),
            event("m.room.tombstone", "", json!({ "replacement_room": "!new:x" })),
            mark(stamp.clone()),
            event(STAMP_TYPE, "@other:x", json!({ "groups": [] })),
        ]);
        assert_eq!(room.version, RoomVersionId::V11);
        assert_eq!(room.power.of(user_id!("@a:x")), Power::Level(50));
        let invited =
            Member { membership: Membership::Invite, sender: Some(user_id!("@founder:x").to_owned()), since: 7 };
        assert_eq!(room.members.get(user_id!("@a:x")), Some(&invited));
        assert_eq!(room.name.as_deref(), Some("Room"));
        assert_eq!(room.history_visibility.as_deref(), Some("shared"));
        assert!(room.encrypted);
        assert_eq!(room.replaced_by.as_deref(), Some("!new:x"));
        assert_eq!(room.stamp, serde_json::from_value(stamp).ok());
    }

    #[test]
    fn an_empty_mark_is_none_and_tells_that_the_room_was_managed() {
        assert!(!read(&[]).released);
        let room = read(&[mark(json!({}))]);
        assert_eq!((room.stamp, room.released), (None, true));
        let marked = read(&[mark(json!({ "groups": [] }))]);
        assert_eq!((marked.stamp, marked.released), (Some(crate::actual::Stamp::default()), false));
    }

    #[test]
    fn the_time_of_a_mark_counts_if_it_says_orphaned_and_is_one() {
        let since = |content: Value, time: Value| {
            let mut event = mark(content);
            event["origin_server_ts"] = time;
            read(&[event]).orphaned_since
        };
        let orphaned = json!({ "groups": [], "orphaned": true });
        assert_eq!(since(orphaned.clone(), json!(7)), Some(7));
        for time in [json!("7"), json!(-7), json!(null)] {
            assert_eq!(since(orphaned.clone(), time), None);
        }
        assert_eq!(since(json!({ "groups": [] }), json!(7)), None);
    }

    #[test]
    fn an_invitation_stays_one_if_its_reason_says_so() {
        let member = |user: &str, membership: &str, reason: &str| {
            event("m.room.member", user, json!({ "membership": membership, "reason": reason }))
        };
        let room = read(&[
            member("@a:x", "invite", STANDING_INVITATION),
            member("@b:x", "invite", "welcome"),
            member("@c:x", "leave", STANDING_INVITATION),
            event("m.room.member", "@d:x", json!({ "membership": "invite", "reason": 7 })),
        ]);
        assert_eq!(room.standing_invitations, [user_id!("@a:x").to_owned()].into());
    }

    #[test]
    fn who_made_the_room_depends_on_its_version() {
        let (founder, named) = (user_id!("@founder:x"), user_id!("@named:x"));
        let power = |create: Value| read_with(create, &[]).unwrap().power;
        let old = power(json!({ "creator": "@named:x" }));
        assert_eq!((old.of(named), old.of(founder)), (Power::Level(100), Power::Level(0)));
        let eleven = power(json!({ "room_version": "11", "creator": "@named:x" }));
        assert_eq!((eleven.of(named), eleven.of(founder)), (Power::Level(0), Power::Level(100)));
        let twelve = power(json!({ "room_version": "12", "additional_creators": ["@named:x"] }));
        assert_eq!((twelve.of(named), twelve.of(founder)), (Power::Creator, Power::Creator));
    }

    #[test]
    fn a_room_without_its_foundations_cannot_be_read() {
        for create in [
            json!({ "room_version": "99" }),
            json!({ "room_version": 11 }),
            json!({ "room_version": "" }),
            json!("11"),
            json!({ "room_version": "12", "additional_creators": "@a:x" }),
            json!({ "room_version": "12", "additional_creators": ["@a:x", 7] }),
        ] {
            assert!(read_with(create.clone(), &[]).is_err(), "{create}");
        }
        let me = user_id!("@me:x");
        assert!(joined(me, &[]).is_err());
        let broken = event("m.room.power_levels", "", json!([]));
        assert!(read_with(json!({ "room_version": "11" }), &[broken]).is_err());
        let left = event("m.room.member", "@me:x", json!({ "membership": "leave" }));
        assert!(read_with(json!({ "room_version": "11" }), &[left]).unwrap_err().contains("left"));
    }

    #[test]
    fn odd_events_are_passed_over() {
        let plain = read(&[]);
        let odd = read(&[
            json!(null),
            json!({ "type": "m.room.name" }),
            json!({ "type": 1, "state_key": "", "content": {} }),
            event("m.room.name", "", json!({ "name": ["Room"] })),
            event("m.room.history_visibility", "", json!({ "history_visibility": {} })),
            event("m.room.encryption", "", json!({})),
            event("m.room.member", "no user", json!({ "membership": "join" })),
            event("m.room.member", "@a:x", json!({ "membership": 1 })),
            event("m.room.member", "@b:x", json!({ "membership": "admin" })),
            mark(json!({ "groups": 1 })),
            event(STAMP_TYPE, "@me:x", json!({ "groups": [] })), // not of @me:x
            event(STAMP_TYPE, "", json!({ "groups": [] })),
            event("m.room.tombstone", "elsewhere", json!({})),
        ]);
        assert_eq!(plain, odd);
        assert_eq!(read(&[event("m.room.tombstone", "", json!({}))]).replaced_by.as_deref(), Some(""));
        assert_eq!(read(&[event("m.room.name", "", json!({ "name": "" }))]).name, None);
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_the_rest_of_the_event_is_not() {
        let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        let of_state = |kind: &str, key: &str, content: &str| {
            format!(
                r#"{{"type":"{kind}","state_key":"{key}","sender":"@me:x","origin_server_ts":1e999,"unsigned":{deep},
                    "content":{content}}}"#
            )
        };
        let texts = [
            of_state("m.room.create", "", &format!(r#"{{"room_version":"11","x":{deep}}}"#)),
            of_state("m.room.member", "@me:x", &format!(r#"{{"membership":"join","x":{deep},"y":1e999}}"#)),
            of_state("m.room.power_levels", "", &format!(r#"{{"users":{{"@a:x":50,"@b:x":1e999}},"x":{deep}}}"#)),
        ];
        let me = user_id!("@me:x");
        let room = joined_room(room_id!("!r:x").to_owned(), me, texts.iter().map(String::as_str)).unwrap();
        assert_eq!(room.members.get(me), Some(&Member { membership: Membership::Join, sender: None, since: 0 }));
        assert_eq!(room.power.of(user_id!("@a:x")), Power::Level(50));
        for broken in ["", "[]", "{", "null", "1e999", &deep] {
            assert!(joined_room(room_id!("!r:x").to_owned(), me, [broken].into_iter()).is_err());
        }
    }

    #[test]
    fn spaces_and_aliases_are_read_as_far_as_they_count() {
        let of_space = json!({ "room_version": "11", "type": "m.space" });
        let via = json!({ "via": ["x"] });
        let mut alias = event("m.room.canonical_alias", "", json!({ "alias": "#a:x" }));
        let more = [
            event("m.space.child", "!a:x", via.clone()),
            event("m.space.child", "!b:x", json!({ "via": [] })),
            event("m.space.child", "!c:x", json!({})),
            event("m.space.parent", "!d:x", via),
            event("m.room.topic", "", json!({ "topic": "" })),
            alias.clone(),
        ];
        let room = read_with(of_space, &more).unwrap();
        assert!(room.is_space && !read(&more).is_space);
        assert_eq!(room.children, [room_id!("!a:x").to_owned()].into());
        assert_eq!(room.parents, [room_id!("!d:x").to_owned()].into());
        assert_eq!((room.topic, room.alias_is_own), (None, false));
        alias["sender"] = json!("@me:x");
        assert!(read(&[alias]).alias_is_own);
    }

    #[test]
    fn what_may_bear_the_mark_is_not_passed_over() {
        let marked = |events: &[Value]| {
            let texts: Vec<String> = events.iter().map(Value::to_string).collect();
            may_be_marked(user_id!("@me:x"), texts.iter().map(String::as_str))
        };
        let create = event("m.room.create", "", json!({ "room_version": "99" }));
        assert!(marked(&[]), "this is not the state of a room");
        assert!(!marked(std::slice::from_ref(&create)));
        assert!(marked(&[create.clone(), mark(json!({ "groups": [] }))]));
        assert!(!marked(&[create, event(STAMP_TYPE, "@other:x", json!({ "groups": [] }))]));
    }

    #[test]
    fn odd_times_and_senders_of_memberships_do_not_matter() {
        let mut event = event("m.room.member", "@a:x", json!({ "membership": "leave" }));
        (event["origin_server_ts"], event["sender"]) = (json!("now"), json!(7));
        let expected = Member { membership: Membership::Leave, sender: None, since: 0 };
        assert_eq!(read(&[event]).members.get(user_id!("@a:x")), Some(&expected));
    }

    #[test]
    fn fuzz_any_state_is_a_room_that_we_are_in_or_an_error() {
        let kind = proptest::sample::select(vec![
            "m.room.create",
            "m.room.member",
            "m.room.power_levels",
            "m.room.name",
            "m.room.canonical_alias",
            "m.room.tombstone",
            "m.room.join_rules",
            "m.room.history_visibility",
            "m.space.child",
            "m.space.parent",
            STAMP_TYPE,
            "org.example",
        ]);
        let key = prop_oneof![
            Just(String::new()),
            Just("@me:x".into()),
            Just("@a:x".into()),
            Just("!r:x".into()),
            crate::fuzz::nasty()
        ];
        let sender = prop_oneof![Just(json!("@me:x")), Just(json!("@a:x")), crate::fuzz::any_json()];
        let event = (kind, key, sender, crate::fuzz::any_json(), crate::fuzz::any_json())
            .prop_map(|(kind, key, sender, ts, content)| {
                json!({ "type": kind, "state_key": key, "sender": sender, "origin_server_ts": ts, "content": content })
            });
        let event = prop_oneof![9 => event, 1 => crate::fuzz::any_json()];
        let version = proptest::sample::select(vec!["1", "5", "9", "11", "12"]);
        crate::fuzz::try_all(
            &(version, any::<bool>(), proptest::collection::vec(event, 0..12)),
            |(version, sound, mut events)| {
                if sound {
                    events.push(self::event(
                        "m.room.create",
                        "",
                        json!({ "room_version": version, "creator": "@a:x" }),
                    ));
                    events.push(self::event("m.room.member", "@me:x", json!({ "membership": "join" })));
                }
                let me = user_id!("@me:x");
                let Ok(room) = joined(me, &events) else { return };
                assert_eq!(room.membership(me), Membership::Join);
                assert!(!(room.stamp.is_some() && room.released));
            },
        );
    }

    #[test]
    fn fuzz_any_text_of_an_object_is_read_as_far_as_it_can_be() {
        let samples = [r#"{"membership":"join","x":[[[[]]]],"y":1e5}"#, r#"{"users":{"@a:x":50},"z":{"a":{"b":[]}}}"#];
        crate::fuzz::try_all(&crate::fuzz::mutated(samples.map(str::to_owned).into()), |text| {
            if let Ok(whole) = serde_json::from_str::<Object>(&text) {
                assert_eq!(object(&text, 1), Some(whole));
            }
            let _ = joined_room(room_id!("!r:x").to_owned(), user_id!("@me:x"), [text.as_str()].into_iter());
        });
    }
}
