//! The maubot plugin for Azure AD and LDAP.

use matrix_sdk::ruma::{RoomAliasId, UserId};

use super::connector::{self, checked_url};
use super::render::Toml;
use super::section::{Entry, Section};
use super::{ImportError, entra};

/// Keys that this bot has and the other has not.
pub(super) const OWN_KEYS: [&str; 8] = [
    "idp_type",
    "azure_ad",
    "administration_room",
    "permissions",
    "history_visibility",
    "encryption_on_room_creation",
    "cautious",
    "renamed_users",
];

const LEVELS: [(&str, i64); 7] = [
    ("users_default", 0),
    ("events_default", 0),
    ("state_default", 50),
    ("invite", 100),
    ("kick", 100),
    ("ban", 100),
    ("redact", 100),
];

const EVENT_LEVELS: [(&str, i64); 10] = [
    ("m.room.name", 50),
    ("m.room.power_levels", 100),
    ("m.room.history_visibility", 100),
    ("m.room.canonical_alias", 100),
    ("m.room.avatar", 50),
    ("m.room.tombstone", 100),
    ("m.room.topic", 50),
    ("m.room.pinned_events", 0),
    ("m.reaction", 0),
    ("m.room.redaction", 100),
];

const HISTORY: [&str; 4] = ["world_readable", "shared", "invited", "joined"];

pub(super) fn import(mut root: Section) -> Result<String, ImportError> {
    let mut toml = Toml::default();
    let mut unknown = Vec::new();
    head(&mut toml);
    let homeserver = connector::server_name(&mut root)?;
    connector::matrix(&mut toml, homeserver.as_deref());

    let (mut ldap, mut azure) = (root.section("ldap")?, root.section("azure_ad")?);
    match root.text("idp_type")? {
        Some((kind, _)) if kind == "ldap" => {
            let mut ldap = ldap.take().ok_or_else(|| root.missing("ldap"))?;
            directory(&mut toml, homeserver.as_deref(), &mut ldap)?;
            unknown.push(ldap.unknown());
        }
        Some((kind, entry)) if kind != "azure_ad" => return Err(entry.error("expected azure_ad or ldap")),
        _ => {
            let mut azure = azure.take().ok_or_else(|| root.missing("azure_ad"))?;
            entra::idp(&mut toml, homeserver.as_deref(), &mut azure)?;
            unknown.push(azure.unknown());
        }
    }
    for (section, name) in [(&ldap, "ldap"), (&azure, "azure_ad")] {
        if section.is_some() {
            toml.comment(&format!("The bot did not use its section {name}, so nothing is made of it."));
        }
    }
    policy(&mut toml, &mut root)?;
    unknown.push(room(&mut toml, &mut root)?);
    report(&mut toml, &mut root)?;
    renamed_users(&mut toml, &mut root)?;
    unknown.push(root.unknown());
    connector::unknown(&mut toml, &unknown);
    Ok(toml.finish())
}

fn head(toml: &mut Toml) {
    toml.comment(
        "Made by `inviter import` from the configuration of the maubot plugin for Azure AD and LDAP. Do what each TO \
         DO asks, read what is CHANGED, and look at the plan: `inviter sync --dry-run` writes nothing.",
    );
    toml.comment("");
    toml.comment("What inviter does otherwise in all:");
    for item in [
        "It ends when it is done: let cron start `inviter sync` every half hour, as often as the bot worked.",
        "`inviter sync --kick` is !sync, and `inviter sync --dry-run` is !sync dry.",
        "While cautious = true demotions are withheld like removals. The bot demoted.",
        "A run that would remove too many people is refused (max_kicks and max_kicks_percent under [policy]).",
        "An answer of the directory that is not complete stops the run. The bot took it for an empty group.",
        "Who left or declined is left alone for a day (reinvite_after under [policy]). The bot invited them at once.",
        "Members of groups in groups count at any depth.",
    ] {
        toml.item(item);
    }
    toml.blank();
}

fn directory(toml: &mut Toml, homeserver: Option<&str>, ldap: &mut Section) -> Result<(), ImportError> {
    toml.header("[[idp]]");
    toml.text("name", "directory");
    toml.text("type", "ldap");
    connector::mxid_homeserver(toml, homeserver);
    host(toml, ldap)?;
    connector::bind(toml, ldap, "bind_dn", "bind_password")?;
    toml.comment(
        "CHANGED: the bot saw groups with objectClass=group alone. inviter sees the usual kinds of groups \
         (group_filter).",
    );
    connector::base(toml, ldap, "base_dn_groups", "group_base")?;
    connector::base(toml, ldap, "base_dn_users", "user_base")?;
    connector::user_filter(toml, ldap)?;
    connector::username_attribute(toml, ldap)
}

fn host(toml: &mut Toml, ldap: &mut Section) -> Result<(), ImportError> {
    let port = match ldap.take("port") {
        Some(entry) if entry.is_given() => match u16::try_from(entry.number()?) {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(entry.error("expected a port, a number from 1 to 65535")),
        },
        _ => None,
    };
    let Some((host, entry)) = ldap.text("host")? else {
        toml.fill_in("url", "ldaps://ldap.example.com", "the bot's configuration has no host of the directory.");
        return Ok(());
    };
    connector::url(toml, &address(host.trim(), port, &entry)?, false);
    Ok(())
}

fn address(host: &str, port: Option<u16>, entry: &Entry) -> Result<url::Url, ImportError> {
    // The bot's library took a scheme in the host, and only that made it speak TLS.
    let text = if host.contains("://") {
        host.to_owned()
    } else if host.matches(':').count() > 1 && !host.starts_with('[') {
        format!("ldap://[{host}]")
    } else {
        format!("ldap://{host}")
    };
    let mut url = checked_url(&text, entry)?;
    if url.port().is_none() && url.set_port(port).is_err() {
        return Err(entry.error("expected a host"));
    }
    // TLS from the start is what this port is for; the bot, which spoke plainly there, got no answer.
    if url.scheme() == "ldap" && url.port() == Some(636) && url.set_scheme("ldaps").is_err() {
        return Err(entry.error("expected a host"));
    }
    Ok(url)
}

fn policy(toml: &mut Toml, root: &mut Section) -> Result<(), ImportError> {
    toml.header("[policy]");
    toml.boolean("cautious", root.take("cautious").map_or(Ok(true), |entry| entry.boolean())?);
    toml.comment(
        "The rooms that exist bear no mark of inviter yet. It takes those into its care that a group names, and in \
         which the account has the power for it. You can remove this line after the first run: rooms that people make \
         are left alone then.",
    );
    toml.boolean("adopt", true);
    Ok(())
}

/// Returns what is unknown in `permissions`.
fn room(toml: &mut Toml, root: &mut Section) -> Result<Vec<String>, ImportError> {
    toml.header("[room]");
    let history = match root.take("history_visibility") {
        None => "shared".to_owned(),
        Some(entry) => match entry.text()? {
            Some(text) if HISTORY.contains(&text.as_str()) => text,
            _ => return Err(entry.error(format!("expected one of {}", HISTORY.join(", ")))),
        },
    };
    toml.comment("CHANGED: set where the alias is on the homeserver of inviter; the bot tried it elsewhere as well.");
    toml.text("history_visibility", &history);
    let encryption = root.take("encryption_on_room_creation").map_or(Ok(true), |entry| entry.boolean())?;
    toml.boolean("encryption", encryption);

    toml.header("[room.permissions]");
    toml.comment(
        "CHANGED: the bot removed all other keys from the power levels of a room, so that for other state events \
         state_default held. inviter keeps what is not named here, such as the homeserver's m.room.encryption = 100.",
    );
    let Some(mut permissions) = root.section("permissions")? else {
        toml.comment("The bot's configuration has no permissions, so these are its own.");
        levels(toml, &LEVELS.map(|(key, level)| (key.to_owned(), level)));
        toml.header("[room.permissions.events]");
        levels(toml, &EVENT_LEVELS.map(|(key, level)| (key.to_owned(), level)));
        return Ok(Vec::new());
    };
    let mut missing = Vec::new();
    for (key, _) in LEVELS {
        match permissions.take(key) {
            Some(entry) => toml.number(key, entry.level(-100)?),
            None => missing.push(key),
        }
    }
    if !missing.is_empty() {
        toml.comment(&format!("CHANGED: the bot failed without {}; inviter leaves it as it is.", missing.join(", ")));
    }
    if let Some(mut events) = permissions.section("events")? {
        toml.header("[room.permissions.events]");
        let events = events.rest().into_iter().map(|(name, entry)| Ok((name, entry.level(-100)?)));
        levels(toml, &events.collect::<Result<Vec<_>, ImportError>>()?);
    }
    Ok(permissions.unknown())
}

fn levels(toml: &mut Toml, levels: &[(String, i64)]) {
    for (key, level) in levels {
        toml.number(key, *level);
    }
}

fn report(toml: &mut Toml, root: &mut Section) -> Result<(), ImportError> {
    let Some((alias, entry)) = root.text("administration_room")? else { return Ok(()) };
    if let Err(error) = RoomAliasId::parse(&alias) {
        return Err(entry.error(format!("expected a room alias like #room:example.com: {error}")));
    }
    toml.header("[report]");
    toml.comment(
        "CHANGED: the bot took commands in this room, from everybody there. inviter takes commands on its command line \
         alone, and tells this room what each run did.",
    );
    toml.text("room", &alias);
    Ok(())
}

fn renamed_users(toml: &mut Toml, root: &mut Section) -> Result<(), ImportError> {
    let Some(mut users) = root.section("renamed_users")? else { return Ok(()) };
    let users = users.rest();
    if !users.is_empty() {
        toml.header("[renamed_users]");
    }
    for (new, entry) in users {
        let Some(old) = entry.text_or_number()?.filter(|old| !old.is_empty()) else { continue };
        let is_localpart = UserId::parse(format!("@{old}:example.com"))
            .and_then(|user| user.validate_historical())
            .is_ok_and(|()| !old.contains([':', '@']));
        if !is_localpart {
            return Err(entry.error("expected the old username, the first part of a Matrix user ID"));
        }
        if new == new.to_lowercase() {
            toml.text(&new, &old);
        } else {
            toml.comment(&format!(
                "Left out, as the bot never followed it, because it looked for usernames in lower case: {new}"
            ));
        }
    }
    Ok(())
}
