//! The maubot plugin for LDAP room mappings.

use std::collections::BTreeSet;

use matrix_sdk::ruma::{OwnedRoomAliasId, UserId};

use super::ImportError;
use super::connector::{self, checked_url};
use super::render::Toml;
use super::section::{Entry, Section};
use crate::naming;

/// Keys that this bot has and the other has not.
pub(super) const OWN_KEYS: [&str; 2] = ["sync_rooms", "admin_users"];

/// What the bot replaced by the argument of its command.
const PLACEHOLDER: &str = "<1>";

/// A room as the bot had it, checked.
struct Room {
    alias: String,
    name: Option<String>,
    visibility: Option<String>,
    groups: Vec<(String, i64)>,
    members: Vec<(String, i64)>,
    /// Whether it stands for one room for each value.
    is_template: bool,
}

pub(super) fn import(mut root: Section, values: &[String]) -> Result<String, ImportError> {
    let mut unknown = Vec::new();
    let mut taken = BTreeSet::new();
    let mut rooms = Vec::new();
    for entry in root.list("sync_rooms")? {
        let mut section = entry.section()?;
        rooms.push(room(&mut section, values, &mut taken, &mut unknown)?);
        unknown.push(section.unknown());
    }
    if !values.is_empty() && !rooms.iter().any(|room| room.is_template) {
        return Err(ImportError::new(None, "", "no alias of this configuration has <1>, so leave out --value"));
    }
    let mut ldap = root.section("ldap")?.ok_or_else(|| root.missing("ldap"))?;
    let homeserver = connector::server_name(&mut ldap)?;

    let mut toml = Toml::default();
    head(&mut toml);
    connector::matrix(&mut toml, homeserver.as_deref());
    directory(&mut toml, homeserver.as_deref(), &mut ldap, &rooms)?;
    unknown.push(ldap.unknown());
    policy(&mut toml);
    for room in &rooms {
        write(&mut toml, room, values);
    }
    if let Some(admins) = root.take("admin_users")
        && admins.is_given()
    {
        toml.blank();
        toml.comment(
            "CHANGED: admin_users has no counterpart. The bot took !ldap-sync from them; inviter is started by whoever \
             may run it on its machine and read its files.",
        );
    }
    unknown.push(root.unknown());
    connector::unknown(&mut toml, &unknown);
    Ok(toml.finish())
}

fn head(toml: &mut Toml) {
    toml.comment(
        "Made by `inviter import` from the configuration of the maubot plugin for LDAP room mappings. Do what each TO \
         DO asks, read what is CHANGED, and look at the plan: `inviter sync --dry-run` writes nothing.",
    );
    toml.comment("");
    toml.comment("What inviter does otherwise in all:");
    for item in [
        "`inviter sync` is !ldap-sync, and `inviter sync --dry-run` is !ldap-check.",
        "It removes nobody unless it is run with --kick, and withholds demotions till then. The bot demoted.",
        "Who is in several groups of a room has the highest of their levels. With the bot the last one counted.",
        "The level 100 makes an admin, whom inviter never demotes or removes.",
        "All other power levels of a room are kept. The bot reset them.",
        "An answer of the directory that is not complete stops the run. The bot took it for an empty group.",
        "Who left or declined is left alone for a day (reinvite_after under [policy]). The bot invited them at once.",
        "Usernames are written in lower case, as Matrix user IDs are.",
        "Members of groups in groups count at any depth.",
    ] {
        toml.item(item);
    }
    toml.blank();
}

fn directory(toml: &mut Toml, homeserver: Option<&str>, ldap: &mut Section, rooms: &[Room]) -> Result<(), ImportError> {
    toml.header("[[idp]]");
    toml.text("name", "directory");
    toml.text("type", "ldap");
    connector::mxid_homeserver(toml, homeserver);
    match ldap.text("uri")? {
        Some((uri, entry)) => connector::url(toml, &checked_url(uri.trim(), &entry)?, true),
        None => toml.fill_in("url", "ldaps://ldap.example.com", "the bot's configuration has no uri."),
    }
    connector::bind(toml, ldap, "connect_dn", "connect_password")?;
    match group_base(rooms.iter().flat_map(|room| &room.groups).map(|(group, _)| group.as_str())) {
        Some(base) => {
            toml.comment("The bot had no such key: this is what the names of its groups have in common.");
            toml.text("group_base", &base);
        }
        None => toml.fill_in("group_base", "dc=example,dc=com", "name the entry below which all groups are."),
    }
    connector::base(toml, ldap, "base_dn", "user_base")?;
    connector::user_filter(toml, ldap)?;
    toml.text("username_attribute", "uid");
    Ok(())
}

fn policy(toml: &mut Toml) {
    toml.header("[policy]");
    toml.comment("The bot removed nobody. Nor does inviter, unless it is run with --kick.");
    toml.boolean("cautious", true);
}

fn room(
    section: &mut Section,
    values: &[String],
    taken: &mut BTreeSet<OwnedRoomAliasId>,
    unknown: &mut Vec<Vec<String>>,
) -> Result<Room, ImportError> {
    let Some((alias, entry)) = section.text("alias")? else { return Err(section.missing("alias")) };
    let is_template = alias.contains(PLACEHOLDER);
    if is_template && !values.is_empty() {
        values.iter().try_for_each(|value| check_alias(alias.replace(PLACEHOLDER, value), &entry, taken))?;
    } else {
        check_alias(alias.replace(PLACEHOLDER, "1"), &entry, taken)?;
    }
    let name = section.text("name")?.map(|(name, entry)| templated(name, &entry, is_template)).transpose()?;
    let visibility = section.text("visibility")?;
    if let Some((text, entry)) = &visibility
        && !matches!(text.as_str(), "public" | "private")
    {
        return Err(entry.error("expected public or private"));
    }
    let mut groups = Vec::new();
    for entry in section.list("ldap_members")? {
        let mut member = entry.section()?;
        let Some((group, entry)) = member.text("ldap_group")? else { return Err(member.missing("ldap_group")) };
        let level = member.take("power_level").ok_or_else(|| member.missing("power_level"))?.level(0)?;
        groups.push((templated(group, &entry, is_template)?, level));
        unknown.push(member.unknown());
    }
    let mut members = Vec::new();
    for entry in section.list("members")? {
        let mut member = entry.section()?;
        let Some((user, entry)) = member.text("mxid")? else { return Err(member.missing("mxid")) };
        UserId::parse(&user)
            .map_err(|error| entry.error(format!("expected a Matrix user ID like @name:example.com: {error}")))?;
        members.push((user, member.take("power_level").map_or(Ok(0), |entry| entry.level(0))?));
        unknown.push(member.unknown());
    }
    Ok(Room { alias, name, visibility: visibility.map(|(text, _)| text), groups, members, is_template })
}

fn check_alias(alias: String, entry: &Entry, taken: &mut BTreeSet<OwnedRoomAliasId>) -> Result<(), ImportError> {
    let alias = naming::alias(alias).map_err(|error| entry.error(error.to_string()))?;
    if let Some(twice) = taken.replace(alias) {
        return Err(entry.error(format!("two rooms are called {twice}")));
    }
    Ok(())
}

fn templated(text: String, entry: &Entry, is_template: bool) -> Result<String, ImportError> {
    if text.contains(PLACEHOLDER) && !is_template {
        return Err(entry.error("this has <1> and the alias has not, so that one room would stand for all values"));
    }
    Ok(text)
}

fn write(toml: &mut Toml, room: &Room, values: &[String]) {
    toml.header("[[rooms]]");
    toml.text("alias", &room.alias);
    if room.is_template && values.is_empty() {
        toml.ask(
            "list the values of <1> here, one room for each (`inviter import` does so for those that it is given with \
             --value), or give them to each run: `inviter sync --value V` is `!ldap-sync V`.",
        );
        toml.comment("for_each = [\"...\"]");
    } else if room.is_template {
        toml.texts("for_each", values);
    }
    if let Some(name) = &room.name {
        toml.text("name", name);
    }
    if let Some(directory) = &room.visibility {
        toml.text("directory", directory);
    }
    for (group, level) in &room.groups {
        toml.header("[[rooms.groups]]");
        toml.text("group", group);
        toml.number("level", *level);
    }
    for (user, level) in &room.members {
        toml.header("[[rooms.members]]");
        toml.text("user", user);
        toml.number("level", *level);
    }
}

/// The longest name that all groups are below.
fn group_base<'a>(groups: impl Iterator<Item = &'a str>) -> Option<String> {
    let common = groups
        .map(|group| {
            let mut parts = parts(group);
            parts.remove(0);
            let fixed = parts.iter().rposition(|part| part.contains(PLACEHOLDER)).map_or(0, |last| last + 1);
            parts.split_off(fixed)
        })
        .reduce(|one, other| {
            let equal = |(a, b): &(&&str, &&str)| a.eq_ignore_ascii_case(b);
            let shared = one.iter().rev().zip(other.iter().rev()).take_while(equal).count();
            one[one.len() - shared..].to_vec()
        })?;
    Some(common.join(",")).filter(|base| !base.is_empty())
}

/// The parts of a distinguished name between its commas.
fn parts(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, byte) in name.bytes().enumerate() {
        if byte == b',' && !escaped {
            parts.push(name[start..index].trim());
            start = index + 1;
        }
        escaped = byte == b'\\' && !escaped;
    }
    parts.push(name[start..].trim());
    parts
}
