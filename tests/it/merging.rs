//! What identity providers and the configuration say of one room, brought together.

use std::path::Path;

use inviter::config::Config;
use inviter::desired::Desired;
use inviter::snapshot::{Account, Group, Members, Snapshot, Standing};
use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId, RoomAliasId, UserId};

fn config(rooms: &str) -> Config {
    let idp = |name: &str| {
        format!(
            "[[idp]]\nname = \"{name}\"\ntype = \"file\"\nmxid_homeserver = \"example.com\"\npath = \"{name}.toml\"\n"
        )
    };
    let text = format!(
        "[matrix]\nhomeserver = \"https://matrix.example.com\"\naccess_token = \"x\"\n{}{}{rooms}",
        idp("staff"),
        idp("guests")
    );
    Config::parse(Path::new("inviter.toml"), &text).unwrap()
}

fn alias(text: &str) -> OwnedRoomAliasId {
    RoomAliasId::parse(text).unwrap()
}

fn user(name: &str) -> OwnedUserId {
    UserId::parse(format!("@{name}:example.com")).unwrap()
}

fn group(name: &str, members: &[&str], owners: &[&str]) -> Group {
    let known = |names: &[&str]| Members::Known(names.iter().map(|name| (*name).to_owned()).collect());
    Group {
        name: name.into(),
        id: Some(format!("id-of-{name}")),
        label: name.into(),
        members: known(members),
        owners: Some(known(owners)),
    }
}

fn snapshot(groups: Vec<Group>) -> Snapshot {
    let account =
        |name: &str| Account { username: name.into(), mxid: None, label: name.into(), standing: Standing::Active };
    let accounts = ["alice", "bob"].map(|name| (name.to_owned(), account(name))).into();
    Snapshot { accounts, groups, ..Snapshot::default() }
}

#[test]
fn a_person_has_the_highest_level_that_anything_says() {
    for (level, expected) in [(70, 70), (20, 50)] {
        let rooms = format!(
            "[[rooms]]\nalias = \"#ops:example.com\"\nmembers = [{{ user = \"@alice:example.com\", level = {level} }}]\n"
        );
        let staff = snapshot(vec![group("#ops:example.com", &["alice"], &["alice"])]);
        let guests = snapshot(vec![group("#ops:example.com", &["alice"], &[])]);
        let desired = Desired::build(&config(&rooms), &[staff, guests]).unwrap();
        let member = &desired.rooms[&alias("#ops:example.com")].members[&user("alice")];
        assert_eq!(member.level, Some(expected));
        let via: Vec<String> = member.via.iter().map(ToString::to_string).collect();
        let expected = ["[[rooms]] members (configuration)", "#ops:example.com (guests)", "#ops:example.com (staff)"];
        assert_eq!(via.len(), expected.len(), "{via:?}");
        assert!(expected.iter().all(|group| via.contains(&(*group).to_owned())), "{via:?}");
    }
}

#[test]
fn a_group_of_one_provider_is_not_looked_for_in_another() {
    let rooms =
        "[[rooms]]\nalias = \"#ops:example.com\"\ngroups = [{ idp = \"staff\", group = \"#team:example.com\" }]\n";
    let of_guests = snapshot(vec![group("#team:example.com", &["bob"], &[])]);
    let desired = Desired::build(&config(rooms), &[snapshot(Vec::new()), of_guests]).unwrap();
    let room = &desired.rooms[&alias("#ops:example.com")];
    assert!(room.members.is_empty(), "{room:?}");
    assert!(room.incomplete.iter().any(|gap| gap == "there is no group #team:example.com in \"staff\""), "{room:?}");
}

#[test]
fn a_room_bears_the_groups_and_the_servers_of_all_who_name_it() {
    let rooms = "[[rooms]]\nalias = \"#all:example.com\"\ngroups = [{ group = \"#ops:example.com\" }]\n";
    let staff = snapshot(vec![group("#ops:example.com", &["alice"], &[])]);
    let desired = Desired::build(&config(rooms), &[staff, snapshot(Vec::new())]).unwrap();
    for name in ["#ops:example.com", "#all:example.com"] {
        let room = &desired.rooms[&alias(name)];
        let marked: Vec<_> = room.stamp.groups.iter().map(|group| (group.idp.as_str(), group.id.as_str())).collect();
        assert_eq!(marked, [("staff", "id-of-#ops:example.com")], "{name}");
        assert_eq!(room.servers.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["example.com"], "{name}");
    }
}

#[test]
fn a_group_that_nobody_asked_for_is_known_to_be_there_and_a_gap_is_kept() {
    let mut staff = snapshot(vec![group("#ops:example.com", &["alice"], &[])]);
    staff.other_groups.insert("other".into());
    staff.more_groups = Some("a page is missing".into());
    staff.notices.insert("something is odd".into());
    staff.groups[0].members = Members::Unknown { at_least: ["alice".into()].into(), reason: "cut off".into() };
    staff.groups[0].owners =
        Some(Members::Unknown { at_least: ["alice".into()].into(), reason: "owners cut off".into() });
    let mut desired = Desired::build(&config(""), &[staff, snapshot(Vec::new())]).unwrap();
    assert!(desired.idps["staff"].groups.contains("other"), "{:?}", desired.idps);
    assert_eq!(desired.idps["staff"].more_groups.as_deref(), Some("a page is missing"));
    assert!(desired.warnings.contains("staff: something is odd"), "{:?}", desired.warnings);
    let room = &desired.rooms[&alias("#ops:example.com")];
    for gap in ["staff: #ops:example.com: cut off", "staff: #ops:example.com: owners cut off"] {
        assert!(room.incomplete.contains(gap), "{room:?}");
    }
    assert_eq!(room.members[&user("alice")].level, Some(50), "who is certain is wanted");

    desired.lose("staff", "it is away");
    assert!(!desired.idps.contains_key("staff") && desired.unread.contains_key("staff"));
    let room = &desired.rooms[&alias("#ops:example.com")];
    assert!(room.unread.contains("staff") && room.incomplete.contains("staff could not be read"), "{room:?}");
}

#[test]
fn what_the_configuration_says_of_a_room_alone_reaches_it() {
    let rooms = "[[rooms]]\nalias = \"#ops:example.com\"\ntype = \"space\"\nname = \"Ops\"\ntopic = \"T\"\ndirectory = \"public\"\n\
                 parent = \"#all:example.com\"\nrestricted = true\ncautious = false\nprotected_users = [\"@x:*\"]\n";
    let none = || snapshot(Vec::new());
    let desired = Desired::build(&config(rooms), &[none(), none()]).unwrap();
    let room = &desired.rooms[&alias("#ops:example.com")].described;
    assert!(room.is_listed && room.is_space && room.restricted);
    assert_eq!((room.name.as_deref(), room.topic.as_deref()), (Some("Ops"), Some("T")));
    assert_eq!((room.in_directory, room.cautious), (Some(true), Some(false)));
    assert_eq!(
        (room.parent.as_deref(), room.protected_users.as_slice()),
        (Some(&*alias("#all:example.com")), &["@x:*".to_owned()][..])
    );
}

#[test]
fn leaving_rooms_out_is_remembered() {
    let groups =
        || snapshot(vec![group("#ops:example.com", &["alice"], &[]), group("#dev:example.com", &["bob"], &[])]);
    let all = Desired::build(&config(""), &[groups(), snapshot(Vec::new())]).unwrap();
    let mut same = all.clone();
    same.restrict(&[].into()).unwrap();
    assert_eq!(same, all);
    let mut one = all.clone();
    one.restrict(&[alias("#ops:example.com")].into()).unwrap();
    assert!(one.is_restricted && one.rooms.len() == 1, "{one:?}");
    let mut others = all;
    others.leave_to_others(|room| *room == alias("#ops:example.com"));
    assert_eq!(others.own().map(|(room, _)| room.as_str()).collect::<Vec<_>>(), ["#dev:example.com"]);
    assert_eq!(others.rooms.len(), 2);
}

#[test]
fn a_name_in_the_configuration_that_two_groups_have_is_ambiguous() {
    let rooms = "[[rooms]]\nalias = \"#all:example.com\"\ngroups = [{ group = \"#ops:example.com\" }]\n";
    let mut twin = group("#ops:example.com", &["bob"], &[]);
    twin.label = "another".into();
    let staff = snapshot(vec![group("#ops:example.com", &["alice"], &[]), twin]);
    let desired = Desired::build(&config(rooms), &[staff, snapshot(Vec::new())]).unwrap();
    let ambiguous = &desired.rooms[&alias("#all:example.com")].ambiguous;
    let expected = "staff: #ops:example.com may be #ops:example.com or another: name it by its distinguished name";
    assert!(ambiguous.contains(expected), "{ambiguous:?}");
}

#[test]
fn an_account_that_can_have_no_user_is_told_of_wherever_it_is_reached() {
    let rooms = "[[rooms]]\nalias = \"#all:example.com\"\ngroups = [{ group = \"team\" }]\n";
    for (name, members, owners) in [("#ops:example.com", &[][..], &["bob"][..]), ("team", &["bob"], &[])] {
        let mut staff = snapshot(vec![group(name, members, owners)]);
        staff.accounts.get_mut("bob").unwrap().username = "b b".into();
        let desired = Desired::build(&config(rooms), &[staff, snapshot(Vec::new())]).unwrap();
        assert!(desired.warnings.iter().any(|warning| warning.contains("bob (\"b b\") is left out")), "{desired:?}");
    }
}
