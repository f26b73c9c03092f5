//! What Graph says about a person, and who that is in Matrix.

use serde_json::{Map, Value};

use super::error::EntraProblem;
use crate::config::{EntraIdp, Guests, Idp};
use crate::naming;
use crate::printable::line;
use crate::snapshot::{Account, Standing};

/// The properties that are always asked for. `accountEnabled` comes only if it is asked for.
const ALWAYS: [&str; 4] = ["id", "accountEnabled", "userPrincipalName", "userType"];

/// What follows the name of a guest who is a local user. Usernames in Entra have no `=`, so no local user has the same
/// (<https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-userprincipalname>).
const GUEST_SUFFIX: &str = "=ext";

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Person {
    /// Somebody who may be in rooms.
    Usable(Account),
    /// A disabled account.
    Disabled,
    /// A guest who is in no room, by name.
    Skipped(String),
    /// It cannot be told who this is, and why.
    Unclear(String),
}

/// The properties to ask for.
pub(super) fn select(idp: &EntraIdp) -> String {
    let property = property(idp);
    let more = (!ALWAYS.contains(&property)).then_some(property);
    ALWAYS.into_iter().chain(more).collect::<Vec<_>>().join(",")
}

/// The property that is asked for; `extensionAttribute1` and the like are inside another one.
fn property(idp: &EntraIdp) -> &str {
    if idp.username_property.starts_with("extensionAttribute") {
        "onPremisesExtensionAttributes"
    } else {
        &idp.username_property
    }
}

/// Reads a user.
pub(super) fn person(all: &Idp, idp: &EntraIdp, id: &str, user: &Map<String, Value>) -> Result<Person, EntraProblem> {
    // Without User.Read.All, people come as 200 with null instead of what they are
    // (<https://learn.microsoft.com/graph/permissions-overview#limited-information-returned-for-inaccessible-member-objects>).
    let withheld = |name| EntraProblem::Withheld {
        what: format!("the property {name} of the user {}", line(id)),
        permission: "User.Read.All",
    };
    let upn = text(user, "userPrincipalName")?.ok_or_else(|| withheld("userPrincipalName"))?;
    let enabled = match user.get("accountEnabled") {
        Some(Value::Bool(enabled)) => *enabled,
        None | Some(Value::Null) => return Err(withheld("accountEnabled")),
        Some(_) => return Err(odd("accountEnabled")),
    };
    if !enabled {
        return Ok(Person::Disabled);
    }
    let label = line(upn);
    let account = |username: String, mxid| {
        Person::Usable(Account { username, mxid, label: label.clone(), standing: Standing::Active })
    };
    let home = home_name(upn);
    if home.is_some() || text(user, "userType")?.is_some_and(|kind| kind.eq_ignore_ascii_case("Guest")) {
        let name = home.unwrap_or_else(|| before_at(upn));
        return Ok(match &idp.guests {
            Guests::Skip => Person::Skipped(label),
            Guests::Local => account(format!("{name}{GUEST_SUFFIX}"), None),
            Guests::Map(servers) => {
                let own = home.and_then(|home| home.rsplit_once('_'));
                match own.and_then(|(name, domain)| Some((name, servers.get(&domain.to_lowercase())?))) {
                    None => Person::Skipped(label),
                    Some((name, server)) => match naming::user_id(name, server, all.invalid_names) {
                        Ok(user) => account(name.to_owned(), Some(user)),
                        Err(reason) => Person::Unclear(format!("{label}: {reason}")),
                    },
                }
            }
        });
    }
    let value = match property(idp) {
        "onPremisesExtensionAttributes" => match user.get("onPremisesExtensionAttributes") {
            Some(Value::Object(attributes)) => text(attributes, &idp.username_property)?,
            _ => None,
        },
        property => text(user, property)?,
    };
    Ok(match value.map(|value| before_at(value).trim()).filter(|name| !name.is_empty()) {
        Some(name) => account(name.to_owned(), None),
        None => Person::Unclear(format!("{label} has no {}", idp.username_property)),
    })
}

/// The name in a guest's user principal name: `alice_partner.com#EXT#@example.onmicrosoft.com`
/// (<https://learn.microsoft.com/entra/external-id/user-properties>).
fn home_name(upn: &str) -> Option<&str> {
    let at = upn
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| upn.get(*at..*at + 5).is_some_and(|mark| mark.eq_ignore_ascii_case("#EXT#")))?;
    upn.get(..at)
}

fn before_at(address: &str) -> &str {
    address.split_once('@').map_or(address, |(name, _)| name)
}

/// A property that is a text, if it is there.
pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, EntraProblem> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(odd(name)),
    }
}

fn odd(property: &str) -> EntraProblem {
    EntraProblem::Unintelligible(format!("{property} has not the type that the documentation says"))
}
