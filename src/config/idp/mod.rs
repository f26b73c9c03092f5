//! `[[idp]]`: the identity providers.

mod any;
mod credential;
mod entra;
mod file;
mod ldap;

use std::collections::BTreeSet;
use std::path::Path;

use matrix_sdk::ruma::OwnedServerName;
use toml::Spanned;
use toml::de::DeValue;

use super::document::{ConfigError, Document};
use crate::naming::{Convention, InvalidNames};

pub(super) use any::AnyIdp;
pub use credential::Credential;
pub(crate) use entra::is_object_id;
pub use entra::{EntraIdp, Guests};
pub use file::FileIdp;
pub use ldap::{ForeignMembers, LdapIdp, Lockout, ReadPeople, Schema, Srv};
pub(crate) use ldap::{is_attribute_name, is_search_filter};

/// One identity provider.
#[derive(Debug, Clone)]
pub struct Idp {
    /// The name that plans and stamps call it by.
    pub name: String,
    /// The homeserver of its people.
    pub mxid_homeserver: OwnedServerName,
    /// What becomes of usernames that are no valid localpart.
    pub invalid_names: InvalidNames,
    /// How group names stand for rooms.
    pub convention: Convention,
    /// Which kind it is.
    pub kind: IdpKind,
}

/// The kinds of identity provider.
#[derive(Debug, Clone)]
pub enum IdpKind {
    /// An LDAP directory.
    Ldap(Box<LdapIdp>),
    /// Microsoft Entra ID.
    Entra(Box<EntraIdp>),
    /// A file.
    File(FileIdp),
}

pub(super) fn read(document: &mut Document<'_>, folder: &Path) -> Result<Vec<Idp>, ConfigError> {
    let tables = document.tables("idp")?;
    if tables.is_empty() {
        return Err(document.error_at(&["idp"], "no identity provider is given: add a section [[idp]]".into()));
    }
    let mut idps = Vec::new();
    let mut names = BTreeSet::new();
    for (index, table) in tables.into_iter().enumerate() {
        let at = index.to_string();
        let idp = read_one(document, folder, &at, table)?;
        if idp.name.is_empty() || idp.name.contains(char::is_control) {
            return Err(document.error_at(&["idp", &at, "name"], "expected a name to call it by".into()));
        }
        if !names.insert(idp.name.clone()) {
            return Err(document.error_at(&["idp", &at, "name"], format!("two are called {}", idp.name)));
        }
        idps.push(idp);
    }
    Ok(idps)
}

fn read_one<'a>(
    document: &Document<'a>,
    folder: &Path,
    at: &str,
    table: Spanned<DeValue<'a>>,
) -> Result<Idp, ConfigError> {
    const KINDS: &str = "expected type = \"ldap\", type = \"entra\" or type = \"file\"";
    let span = table.span();
    let DeValue::Table(mut fields) = table.into_inner() else {
        return Err(document.error_at(&["idp", at], "expected a table".into()));
    };
    let kind = fields.remove("type").and_then(|kind| kind.get_ref().as_str().map(str::to_owned));
    let table = Spanned::new(span, DeValue::Table(fields));
    match kind.as_deref() {
        Some("ldap") => ldap::idp(document, folder, at, document.read(table)?),
        Some("entra") => entra::idp(document, folder, at, document.read(table)?),
        Some("file") => Ok(file::idp(folder, document.read(table)?)),
        _ => Err(document.error_at(&["idp", at, "type"], KINDS.into())),
    }
}
