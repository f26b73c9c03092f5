//! From names in an identity provider to names in Matrix: groups to room aliases, accounts to user IDs.

use std::fmt;

use matrix_sdk::ruma::{OwnedRoomAliasId, OwnedUserId, RoomAliasId, ServerName, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::printable::is_harmful;

/// How the groups of an identity provider stand for rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Convention {
    /// The token stands for `#` and `:`, which directories do not like: `xxxopsxxxexample.com` is
    /// `#ops:example.com`, and with the suffix `_owners` the group of its moderators.
    Token {
        /// What stands for `#` and `:`.
        token: String,
        /// What follows the name of a room's group in that of its moderators' group.
        owners_suffix: String,
    },
    /// The alias follows a prefix: `MTRX #ops:example.com` is `#ops:example.com`, and with a suffix, if one is
    /// given, the group of its moderators.
    Prefix {
        /// What the name begins with.
        prefix: String,
        /// What follows the name of a room's group in that of its moderators' group.
        owners_suffix: Option<String>,
    },
    /// The name is the alias.
    Alias,
}

/// What the name of a group stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupName {
    /// A room; the group holds its members.
    Room(OwnedRoomAliasId),
    /// A room; the group holds its moderators.
    Owners(OwnedRoomAliasId),
    /// No room: the name does not follow the convention.
    Other,
}

/// A name that begins like that of a room and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnAlias {
    /// What the name would stand for.
    pub alias: String,
    /// Why that is no alias.
    pub reason: String,
}

impl fmt::Display for NotAnAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no room alias: {}", self.alias, self.reason)
    }
}

impl Convention {
    /// Reads the name of a group.
    ///
    /// # Errors
    /// When the name begins like that of a room, and what it stands for is no room alias.
    pub fn read(&self, name: &str) -> Result<GroupName, NotAnAlias> {
        match self {
            Self::Alias => alias(name.to_owned()).map(GroupName::Room),
            Self::Prefix { prefix, owners_suffix } => {
                let Some(rest) = name.strip_prefix(prefix.as_str()) else { return Ok(GroupName::Other) };
                match owners_suffix.as_deref().and_then(|suffix| rest.strip_suffix(suffix)) {
                    Some(room) => alias(room.to_owned()).map(GroupName::Owners),
                    None => alias(rest.to_owned()).map(GroupName::Room),
                }
            }
            Self::Token { token, owners_suffix } => {
                let Some(rest) = name.strip_prefix(token.as_str()) else { return Ok(GroupName::Other) };
                let spell = |rest: &str| alias(format!("#{}", rest.replace(token.as_str(), ":")));
                // No server name ends like the default suffix, since `_` is not allowed there.
                match rest.strip_suffix(owners_suffix.as_str()) {
                    Some(room) => spell(room).map(GroupName::Owners),
                    None => spell(rest).map(GroupName::Room),
                }
            }
        }
    }
}

/// A text as a room alias.
///
/// # Errors
/// When it is none, or one that no person would give.
pub(crate) fn alias(text: String) -> Result<OwnedRoomAliasId, NotAnAlias> {
    let reason = match RoomAliasId::parse(&text) {
        Ok(alias) if alias.alias().is_empty() => "the part between # and : is empty".to_owned(),
        Ok(_) if text.contains(|c: char| c.is_control() || c.is_whitespace()) => {
            "it has a space or a control character".to_owned()
        }
        Ok(_) if text.contains(misleads) => {
            "it has a character that cannot be seen, or that turns the direction of writing".to_owned()
        }
        Ok(_) if text.len() > MAX_ID_BYTES => format!("it is longer than {MAX_ID_BYTES} bytes"),
        Ok(alias) => return Ok(alias),
        Err(error) => error.to_string(),
    };
    Err(NotAnAlias { alias: text, reason })
}

/// Whether a character makes an alias look like another one. The joiners do not count, which some languages write with.
fn misleads(c: char) -> bool {
    is_harmful(c) && !matches!(c, '\u{200c}' | '\u{200d}')
}

/// The longest that an identifier may be (<https://spec.matrix.org/v1.16/appendices/#common-identifier-format>).
const MAX_ID_BYTES: usize = 255;

/// What becomes of a username that is no valid localpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InvalidNames {
    /// It is reported, and the account is in no room.
    #[default]
    Report,
    /// It is mapped as the specification says: bytes that are not allowed, and `=`, become `=` and two digits
    /// (<https://spec.matrix.org/v1.16/appendices/#mapping-from-other-character-sets>).
    Map,
}

/// The Matrix user ID of a username.
///
/// # Errors
/// When the username cannot be that of a Matrix user; the text says why.
pub fn user_id(username: &str, server: &ServerName, invalid: InvalidNames) -> Result<OwnedUserId, String> {
    let lower = username.to_lowercase();
    if lower.is_empty() {
        return Err("the username is empty".into());
    }
    let localpart = match invalid {
        InvalidNames::Map => lower.bytes().map(mapped).collect(),
        InvalidNames::Report => match lower.chars().find(|c| !u8::try_from(*c).is_ok_and(is_allowed)) {
            Some(odd) => return Err(format!("{odd:?} is not allowed in a Matrix user ID")),
            None => lower,
        },
    };
    let id = format!("@{localpart}:{server}");
    if id.len() > MAX_ID_BYTES {
        return Err(format!("a Matrix user ID has at most {MAX_ID_BYTES} bytes, this one would have {}", id.len()));
    }
    UserId::parse(id).map_err(|error| error.to_string())
}

/// The characters of a localpart (<https://spec.matrix.org/v1.16/appendices/#user-identifiers>).
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._=/+".contains(&byte)
}

fn mapped(byte: u8) -> String {
    if is_allowed(byte) && byte != b'=' { char::from(byte).into() } else { format!("={byte:02x}") }
}

/// The name of a room that nobody named: `my_room` becomes "my room".
#[must_use]
pub fn room_name(alias: &RoomAliasId) -> String {
    alias.alias().replace('_', " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::server_name;

    use super::*;

    fn token() -> Convention {
        Convention::Token { token: "xxx".into(), owners_suffix: "_owners".into() }
    }

    fn room(alias: &str) -> GroupName {
        GroupName::Room(RoomAliasId::parse(alias).unwrap())
    }

    #[test]
    fn a_group_named_by_the_convention_is_a_room() {
        assert_eq!(token().read("xxxopsxxxexample.com"), Ok(room("#ops:example.com")));
        assert_eq!(token().read("xxxopsxxxexample.comxxx8448"), Ok(room("#ops:example.com:8448")));
        assert_eq!(
            token().read("xxxopsxxxexample.com_owners"),
            Ok(GroupName::Owners(RoomAliasId::parse("#ops:example.com").unwrap()))
        );
    }

    #[test]
    fn a_group_that_does_not_begin_with_the_token_is_no_room() {
        assert_eq!(token().read("company_employees"), Ok(GroupName::Other));
        assert_eq!(token().read("a xxxopsxxxexample.com"), Ok(GroupName::Other));
        assert_eq!(token().read(""), Ok(GroupName::Other));
    }

    #[test]
    fn a_group_that_begins_like_a_room_and_is_none_is_reported() {
        for name in [
            "xxx",
            "xxxops",
            "xxxxxxexample.com",
            "xxxopsxxx",
            "xxxa bxxxexample.com",
            "xxxaxxxbxxxc",
            "xxx\u{1b}xxxc",
            "xxxo\u{202e}psxxxb",
            "xxxo\u{200b}psxxxb",
        ] {
            assert!(token().read(name).is_err(), "{name}: {:?}", token().read(name));
        }
    }

    #[test]
    fn a_prefix_goes_before_the_alias() {
        let prefix = |owners_suffix: Option<&str>| Convention::Prefix {
            prefix: "MTRX ".into(),
            owners_suffix: owners_suffix.map(Into::into),
        };
        assert_eq!(prefix(None).read("MTRX #ops:example.com"), Ok(room("#ops:example.com")));
        assert_eq!(prefix(Some("_owners")).read("MTRX #ops:example.com"), Ok(room("#ops:example.com")));
        assert_eq!(
            prefix(Some("_owners")).read("MTRX #ops:example.com_owners"),
            Ok(GroupName::Owners(RoomAliasId::parse("#ops:example.com").unwrap()))
        );
        for other in ["Marketing", "#ops:example.com", "mtrx #ops:example.com", ""] {
            assert_eq!(prefix(None).read(other), Ok(GroupName::Other), "{other}");
        }
        for bad in ["MTRX ", "MTRX ops", "MTRX  #ops:example.com", "MTRX #ops", "MTRX #a b:example.com", "MTRX #:a"] {
            assert!(prefix(None).read(bad).is_err(), "{bad}");
        }
        assert!(prefix(None).read("MTRX #ops:example.com_owners").is_err(), "no suffix is given");
    }

    #[test]
    fn what_is_as_long_as_an_identifier_may_be_passes() {
        let text = |length: usize| format!("#{}:b", "a".repeat(length - 3));
        assert!(alias(text(255)).is_ok() && alias(text(256)).is_err());
        let user = |length: usize| user_id(&"a".repeat(length - 3), server_name!("b"), InvalidNames::Report);
        assert!(user(255).is_ok() && user(256).is_err());
        assert!(alias("#\u{646}\u{200c}\u{646}:b".into()).is_ok(), "a joiner is a part of the word");
    }

    #[test]
    fn every_character_that_the_specification_allows_is_kept() {
        let id = user_id("a1-._=/+", server_name!("b"), InvalidNames::Report).unwrap();
        assert_eq!(id, "@a1-._=/+:b");
    }

    #[test]
    fn usernames_are_lowered() {
        let id = user_id("Alice.B", server_name!("example.com"), InvalidNames::Report).unwrap();
        assert_eq!(id, "@alice.b:example.com");
    }

    #[test]
    fn odd_usernames_are_reported_or_mapped() {
        let server = server_name!("example.com");
        assert_eq!(
            user_id("jürgen", server, InvalidNames::Report).unwrap_err(),
            "'ü' is not allowed in a Matrix user ID"
        );
        assert_eq!(user_id("Jürgen=x", server, InvalidNames::Map).unwrap(), "@j=c3=bcrgen=3dx:example.com");
        assert_eq!(user_id("a b", server, InvalidNames::Map).unwrap(), "@a=20b:example.com");
        assert!(user_id("", server, InvalidNames::Map).is_err());
        assert!(user_id(&"x".repeat(300), server, InvalidNames::Map).is_err());
    }
}
