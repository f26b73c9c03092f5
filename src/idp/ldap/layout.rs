//! Which directory this is, and how such a directory keeps people and groups.

use std::fmt;
use std::time::SystemTime;

use super::entry::Entry;
use crate::config::{ForeignMembers, LdapIdp, Lockout, Schema};
use crate::printable::line;

/// What a server says of itself (RFC 4512, section 5.1).
#[derive(Debug, Clone, Default)]
pub(super) struct Root {
    /// Whether it could be read at all.
    readable: bool,
    classes: Vec<String>,
    vendor: String,
    controls: Vec<String>,
    capabilities: Vec<String>,
    /// Where its schema is.
    pub(super) subschema: Option<String>,
    /// The entries below which everything is.
    pub(super) contexts: Vec<String>,
}

/// The attributes of the root DSE. All but the first are operational: they come only when asked for by name.
pub(super) const ROOT_ATTRIBUTES: [&str; 9] = [
    "objectClass",
    "vendorName",
    "vendorVersion",
    "supportedControl",
    "supportedExtension",
    "supportedCapabilities",
    "supportedLDAPVersion",
    "subschemaSubentry",
    "namingContexts",
];
/// RFC 2696.
pub(super) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// RFC 3296.
const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";
/// `LDAP_CAP_ACTIVE_DIRECTORY_OID` (MS-ADTS, section 3.1.1.3.4.3.1).
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

impl Root {
    pub(super) fn of(entry: &Entry) -> Self {
        let all = |name: &str| entry.texts(name).map(str::to_owned).collect::<Vec<_>>();
        Self {
            readable: ROOT_ATTRIBUTES.iter().skip(1).any(|name| !entry.values(name).is_empty()),
            classes: entry.texts("objectClass").map(str::to_lowercase).collect(),
            vendor: all("vendorName").join(", "),
            controls: all("supportedControl"),
            capabilities: all("supportedCapabilities"),
            subschema: entry.texts("subschemaSubentry").next().map(str::to_owned),
            contexts: all("namingContexts"),
        }
    }

    /// Whether entries can be had as they are stored.
    pub(super) fn has_stored(&self) -> bool {
        self.controls.iter().any(|control| control == MANAGE_DSA_IT)
    }

    /// Whether the page control may be sent. A server that says what it offers is believed; to another one it goes
    /// as what may be ignored. Without pages the whole list is one answer, which a limit makes an error.
    pub(super) fn pages(&self) -> bool {
        !self.readable || self.controls.iter().any(|control| control == PAGED_RESULTS)
    }

    /// Whether only the schema can tell which of two directories it is.
    pub(super) fn is_389ds(&self) -> bool {
        self.vendor.to_lowercase().contains("389 project")
    }

    /// Which directory it is, and by what it is recognised. `ipa` tells whether the schema is that of `FreeIPA`.
    pub(super) fn recognise(&self, ipa: bool) -> (Kind, String) {
        let vendor = || format!("vendorName \"{}\"", line(&self.vendor));
        if self.capabilities.iter().any(|capability| capability == ACTIVE_DIRECTORY) {
            (Kind::ActiveDirectory, format!("supportedCapabilities {ACTIVE_DIRECTORY}"))
        } else if self.is_389ds() && ipa {
            (Kind::FreeIpa, format!("{}, ipaUserGroup in its schema, and cn=accounts", vendor()))
        } else if self.is_389ds() {
            (Kind::Ds389, vendor())
        } else if self.classes.iter().any(|class| class == "openldaprootdse") {
            (Kind::OpenLdap, "objectClass OpenLDAProotDSE".into())
        } else if self.readable {
            let known_as = if self.vendor.is_empty() { "no vendorName".to_owned() } else { vendor() };
            (Kind::Generic, format!("{known_as}, which is none that is known here"))
        } else {
            (Kind::Generic, "a root DSE that cannot be read".into())
        }
    }
}

/// The kinds of directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    OpenLdap,
    Ds389,
    FreeIpa,
    ActiveDirectory,
    Generic,
}

impl Kind {
    /// The kind that the configuration names, if it names one.
    pub(super) fn named(schema: Schema) -> Option<Self> {
        match schema {
            Schema::Auto => None,
            Schema::OpenLdap => Some(Self::OpenLdap),
            Schema::Ds389 => Some(Self::Ds389),
            Schema::FreeIpa => Some(Self::FreeIpa),
            Schema::ActiveDirectory => Some(Self::ActiveDirectory),
            Schema::Generic => Some(Self::Generic),
        }
    }
}

/// As the configuration names it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenLdap => "openldap",
            Self::Ds389 => "389ds",
            Self::FreeIpa => "freeipa",
            Self::ActiveDirectory => "active_directory",
            Self::Generic => "generic",
        })
    }
}

/// How a directory keeps people and groups: what the configuration says, and for the rest what such a directory does.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    pub(super) group_filter: String,
    pub(super) group_name_attribute: String,
    pub(super) member_attributes: Vec<String>,
    pub(super) user_filter: String,
    pub(super) username_attribute: String,
    pub(super) id_attributes: Vec<String>,
    pub(super) lockout: Lockout,
    pub(super) foreign_members: ForeignMembers,
    /// When locks that end are compared with the clock.
    pub(super) now: SystemTime,
}

struct Defaults {
    group_filter: &'static str,
    member_attributes: &'static [&'static str],
    user_filter: &'static str,
    username_attribute: &'static str,
    id_attributes: &'static [&'static str],
}

impl Layout {
    pub(super) fn of(idp: &LdapIdp, kind: Kind) -> Self {
        let defaults = defaults(kind);
        let text = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
        let list = |given: &Option<Vec<String>>, default: &[&str]| {
            given.clone().unwrap_or_else(|| default.iter().map(ToString::to_string).collect())
        };
        Self {
            kind,
            group_filter: text(&idp.group_filter, defaults.group_filter),
            group_name_attribute: text(&idp.group_name_attribute, "cn"),
            member_attributes: list(&idp.member_attributes, defaults.member_attributes),
            user_filter: text(&idp.user_filter, defaults.user_filter),
            username_attribute: text(&idp.username_attribute, defaults.username_attribute),
            id_attributes: list(&idp.id_attributes, defaults.id_attributes),
            lockout: idp.lockout,
            foreign_members: idp.foreign_members,
            now: SystemTime::now(),
        }
    }

    /// Says what was chosen, and why.
    pub(super) fn tell(&self, because: &str, pages: bool) {
        tracing::info!(
            schema = %self.kind,
            %because,
            paged = pages,
            group_filter = %self.group_filter,
            group_name_attribute = %self.group_name_attribute,
            member_attributes = %self.member_attributes.join(", "),
            user_filter = %self.user_filter,
            username_attribute = %self.username_attribute,
            id_attributes = %self.id_attributes.join(", "),
            "how this directory is read"
        );
    }

    /// Whether everybody is a member of a group that does not name them (MS-ADTS, section 3.1.1.8.1: `primaryGroupID`).
    pub(super) fn has_primary_groups(&self) -> bool {
        self.kind == Kind::ActiveDirectory
    }
}

fn defaults(kind: Kind) -> Defaults {
    const POSIX: &[&str] = &["member", "uniqueMember", "memberUid"];
    match kind {
        Kind::OpenLdap => Defaults {
            group_filter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)\
                           (objectClass=groupOfURLs))",
            member_attributes: POSIX,
            user_filter: "(objectClass=person)",
            username_attribute: "uid",
            id_attributes: &["entryUUID"],
        },
        Kind::Ds389 => Defaults {
            group_filter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)\
                           (objectClass=groupOfURLs))",
            member_attributes: POSIX,
            user_filter: "(objectClass=person)",
            username_attribute: "uid",
            // With the plugin for entryUUID, entries from before it was enabled may have none.
            id_attributes: &["nsUniqueId"],
        },
        Kind::FreeIpa => Defaults {
            group_filter: "(|(objectClass=ipaUserGroup)(objectClass=groupOfNames))",
            member_attributes: &["member"],
            user_filter: "(objectClass=person)",
            username_attribute: "uid",
            id_attributes: &["ipaUniqueID", "nsUniqueId"],
        },
        Kind::ActiveDirectory => Defaults {
            group_filter: "(objectClass=group)",
            member_attributes: &["member"],
            // Computers are users too, of another category.
            user_filter: "(&(objectCategory=person)(objectClass=user))",
            username_attribute: "sAMAccountName",
            id_attributes: &["objectGUID"],
        },
        Kind::Generic => Defaults {
            group_filter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)\
                           (objectClass=groupOfURLs)(objectClass=group))",
            member_attributes: POSIX,
            user_filter: "(objectClass=person)",
            username_attribute: "uid",
            id_attributes: &["entryUUID", "ipaUniqueID", "nsUniqueId", "objectGUID"],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(attributes: &[(&str, &[&str])], ipa: bool) -> String {
        Root::of(&Entry::new("", attributes)).recognise(ipa).0.to_string()
    }

    #[test]
    fn a_directory_is_recognised_by_its_root() {
        let vendor = ("vendorName", ["389 Project"].as_slice());
        assert_eq!(recognised(&[("objectClass", &["top", "OpenLDAProotDSE"])], false), "openldap");
        assert_eq!(recognised(&[vendor], false), "389ds");
        assert_eq!(recognised(&[vendor], true), "freeipa");
        assert_eq!(recognised(&[("supportedCapabilities", &[ACTIVE_DIRECTORY])], false), "active_directory");
        assert_eq!(recognised(&[("vendorName", &["LLDAP"])], false), "generic");
        assert_eq!(recognised(&[], true), "generic");
    }

    #[test]
    fn pages_are_asked_for_unless_the_server_says_that_it_has_none() {
        let pages = |attributes: &[(&str, &[&str])]| Root::of(&Entry::new("", attributes)).pages();
        assert!(pages(&[]));
        assert!(pages(&[("supportedControl", &["1.2.3", PAGED_RESULTS])]));
        assert!(!pages(&[("supportedControl", &["1.2.3"])]));
        assert!(!pages(&[("vendorName", &["LLDAP"])]));
    }
}
