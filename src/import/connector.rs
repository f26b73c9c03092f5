//! What both bots said about their directory.

use url::Url;

use super::ImportError;
use super::render::Toml;
use super::section::{Entry, Section};
use crate::config::{is_attribute_name, is_search_filter};

/// The file that the access token goes into, beside the configuration.
const TOKEN_FILE: &str = "matrix-token";
/// The file that the password of the directory goes into, beside the configuration.
const PASSWORD_FILE: &str = "directory-password";

/// `[matrix]`, which maubot kept to itself.
pub(super) fn matrix(toml: &mut Toml, homeserver: Option<&str>) {
    toml.header("[matrix]");
    toml.ask("check the address of the homeserver: maubot knew it, the bot's configuration does not.");
    match homeserver {
        Some(server) => toml.text("homeserver", &format!("https://{server}")),
        None => toml.fill_in("homeserver", "https://matrix.example.com", "give the address."),
    }
    toml.ask(&format!(
        "put an access token of the bot's account into the file {TOKEN_FILE} beside this one. Use the same account: \
         it has power in the rooms that exist. Stop the bot first."
    ));
    toml.text("access_token_file", TOKEN_FILE);
}

/// The homeserver of the people, as a line of `[[idp]]`.
pub(super) fn mxid_homeserver(toml: &mut Toml, server: Option<&str>) {
    match server {
        Some(server) => toml.text("mxid_homeserver", server),
        None => {
            toml.fill_in("mxid_homeserver", "example.com", "the bot's configuration has no mxid_homeserver.");
        }
    }
}

/// Takes the homeserver out of a section.
pub(super) fn server_name(section: &mut Section) -> Result<Option<String>, ImportError> {
    let Some((name, entry)) = section.text("mxid_homeserver")? else { return Ok(None) };
    match matrix_sdk::ruma::ServerName::parse(&name) {
        Ok(_) if Url::parse(&format!("https://{name}")).is_ok() => Ok(Some(name)),
        Ok(_) => Err(entry.error("expected a server name like example.com")),
        Err(error) => Err(entry.error(format!("expected a server name like example.com: {error}"))),
    }
}

/// A URL that `inviter` takes, or why not.
pub(super) fn checked_url(text: &str, entry: &Entry) -> Result<Url, ImportError> {
    let url = Url::parse(text).map_err(|error| entry.error(format!("expected the address of a directory: {error}")))?;
    if !matches!(url.scheme(), "ldap" | "ldaps") {
        return Err(entry.error("inviter speaks to directories over ldap:// and ldaps:// alone"));
    }
    let is_bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if url.host_str().is_none_or(str::is_empty) || !is_bare {
        return Err(entry.error("expected a host, perhaps with a port, and nothing else"));
    }
    Ok(url)
}

/// `url` and how it is secured.
pub(super) fn url(toml: &mut Toml, url: &Url, checked_certificates: bool) {
    let without_slash = url.as_str().trim_end_matches('/');
    if url.scheme() == "ldaps" {
        if !checked_certificates {
            toml.comment(
                "CHANGED: the bot took any certificate, so anybody on the way could read its password. inviter checks \
                 it: for a private authority name its certificate in ca_file.",
            );
        }
        toml.text("url", without_slash);
    } else {
        toml.comment(
            "CHANGED: the bot sent its password unencrypted, for anybody on the way to read. inviter secures the \
             connection with StartTLS before it sends anything; url = \"ldaps://...\" is as safe. For a private \
             authority name its certificate in ca_file. If the directory has no TLS at all, allow_plaintext = true \
             in place of starttls = true does what the bot did, with its risk.",
        );
        toml.text("url", without_slash);
        toml.boolean("starttls", true);
    }
    toml.comment("ca_file = \"directory-ca.pem\"");
}

/// `bind_dn` and where the password goes.
pub(super) fn bind(toml: &mut Toml, ldap: &mut Section, dn: &str, password: &str) -> Result<(), ImportError> {
    let has_password = ldap.take(password).is_some_and(|entry| entry.is_given());
    if let Some((dn, _)) = ldap.text(dn)? {
        toml.text("bind_dn", &dn);
        toml.ask(&format!(
            "put the password into the file {PASSWORD_FILE} beside this one{}.",
            if has_password {
                format!("; it is the bot's {password}, which is not copied here")
            } else {
                String::new()
            }
        ));
        toml.text("bind_password_file", PASSWORD_FILE);
    } else {
        let what = if has_password { "a password without a name" } else { "no name and no password" };
        toml.comment(&format!("The bot had {what}, and so searched as nobody in particular."));
    }
    Ok(())
}

/// A distinguished name below which something is searched.
pub(super) fn base(toml: &mut Toml, ldap: &mut Section, old: &str, new: &str) -> Result<(), ImportError> {
    match ldap.text(old)? {
        Some((base, _)) => toml.text(new, &base),
        None => toml.fill_in(new, "dc=example,dc=com", &format!("the bot's configuration has no {old}.")),
    }
    Ok(())
}

/// A filter as the bots put it into theirs: `(&(memberOf=...)` and this and `)`.
pub(super) fn user_filter(toml: &mut Toml, ldap: &mut Section) -> Result<(), ImportError> {
    let Some((filter, entry)) = ldap.text("user_filter")? else {
        toml.comment("The bot's configuration has no user_filter, so inviter's own holds: (objectClass=person).");
        return Ok(());
    };
    let several = format!("(&{filter})");
    if is_search_filter(&filter) {
        toml.text("user_filter", &filter);
    } else if is_search_filter(&several) {
        toml.comment("The bot's filter was several, all of which must hold; here they are one.");
        toml.text("user_filter", &several);
    } else {
        return Err(entry.error("expected a search filter in parentheses (RFC 4515), like (objectClass=person)"));
    }
    Ok(())
}

/// The attribute with the username.
pub(super) fn username_attribute(toml: &mut Toml, ldap: &mut Section) -> Result<(), ImportError> {
    match ldap.text("username_attribute")? {
        Some((name, _)) if is_attribute_name(&name) => toml.text("username_attribute", &name),
        Some((_, entry)) => return Err(entry.error("expected the name of an attribute, like uid")),
        None => toml.text("username_attribute", "uid"),
    }
    Ok(())
}

/// What nothing was made of.
pub(super) fn unknown(toml: &mut Toml, sections: &[Vec<String>]) {
    let keys = sections.concat();
    if !keys.is_empty() {
        toml.blank();
        toml.comment(&format!("Keys that the bot did not know either, and that are left out: {}", keys.join(", ")));
    }
}
