//! Who there is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value, json};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    User,
    Group,
    ServicePrincipal,
    Device,
    OrgContact,
    /// Something that did not exist when this was written.
    Odd,
}

impl Kind {
    /// The name in `@odata.type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::ServicePrincipal => "servicePrincipal",
            Self::Device => "device",
            Self::OrgContact => "orgContact",
            Self::Odd => "hologram",
        }
    }

    /// The properties that come without `$select`, of those that entries here have.
    pub fn defaults(&self) -> &'static [&'static str] {
        match self {
            Self::User => &["displayName", "id", "mail", "userPrincipalName"],
            Self::Group => &[
                "deletedDateTime",
                "displayName",
                "groupTypes",
                "id",
                "mail",
                "mailEnabled",
                "mailNickname",
                "onPremisesSyncEnabled",
                "securityEnabled",
                "visibility",
            ],
            _ => &["displayName", "id"],
        }
    }
}

/// An entry of the directory.
#[derive(Debug, Clone)]
pub struct Entry {
    pub kind: Kind,
    pub properties: Map<String, Value>,
    pub members: Vec<String>,
    pub owners: Vec<String>,
}

/// A directory, and what the application may read of it.
#[derive(Debug)]
pub struct World {
    pub entries: BTreeMap<String, Entry>,
    /// Whether the application has User.Read.All.
    pub may_read_users: bool,
    /// Whether the application has GroupMember.Read.All.
    pub may_read_groups: bool,
    pub tenant_domain: String,
}

impl Default for World {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            may_read_users: true,
            may_read_groups: true,
            tenant_domain: "corp.example".to_owned(),
        }
    }
}

/// The ID of somebody or something by its name.
pub fn guid(name: &str) -> String {
    // FNV-1a, twice: the same name has the same ID in every run.
    let hash =
        |seed: u64| name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let (a, b) = (hash(0xcbf2_9ce4_8422_2325), hash(0x9ae1_6a3b_2f90_404f));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

impl World {
    fn add(&mut self, kind: Kind, name: &str, properties: Value) -> String {
        let id = guid(name);
        let Value::Object(mut properties) = properties else { panic!("properties are an object") };
        properties.insert("id".into(), json!(id));
        self.entries.insert(id.clone(), Entry { kind, properties, members: Vec::new(), owners: Vec::new() });
        id
    }

    /// Adds a member of the tenant.
    pub fn user(&mut self, name: &str) -> String {
        let upn = format!("{name}@{}", self.tenant_domain);
        let properties = json!({
            "accountEnabled": true, "displayName": name, "mail": upn, "mailNickname": name,
            "onPremisesExtensionAttributes": { "extensionAttribute1": null },
            "onPremisesSamAccountName": null, "userPrincipalName": upn, "userType": "Member",
        });
        self.add(Kind::User, name, properties)
    }

    /// Adds a guest, with the account `name@domain` elsewhere.
    pub fn guest(&mut self, name: &str, domain: &str) -> String {
        let upn = format!("{name}_{domain}#EXT#@{}", self.tenant_domain);
        let properties = json!({
            "accountEnabled": true, "displayName": name, "mail": format!("{name}@{domain}"), "mailNickname": null,
            "onPremisesExtensionAttributes": null, "onPremisesSamAccountName": null,
            "userPrincipalName": upn, "userType": "Guest",
        });
        self.add(Kind::User, &upn, properties)
    }

    /// Adds a security group with members and owners, by their IDs.
    pub fn group(&mut self, name: &str, members: &[&str], owners: &[&str]) -> String {
        let properties = json!({
            "deletedDateTime": null, "displayName": name, "groupTypes": [], "mail": null, "mailEnabled": false,
            "mailNickname": "x", "onPremisesSyncEnabled": null, "securityEnabled": true, "visibility": null,
        });
        let id = self.add(Kind::Group, name, properties);
        let entry = self.entry(&id);
        entry.members = members.iter().map(ToString::to_string).collect();
        entry.owners = owners.iter().map(ToString::to_string).collect();
        id
    }

    /// Adds something that is neither a user nor a group.
    pub fn other(&mut self, kind: Kind, name: &str) -> String {
        self.add(kind, name, json!({ "displayName": name }))
    }

    /// An entry, to be changed.
    pub fn entry(&mut self, id: &str) -> &mut Entry {
        self.entries.get_mut(id).unwrap_or_else(|| panic!("there is no {id}"))
    }

    /// Sets a property.
    pub fn set(&mut self, id: &str, property: &str, value: Value) {
        self.entry(id).properties.insert(property.to_owned(), value);
    }

    /// What a navigation property of a group holds.
    pub fn related(&self, id: &str, relation: &str) -> Option<Vec<&Entry>> {
        let group = self.entries.get(id).filter(|entry| entry.kind == Kind::Group)?;
        let ids: Vec<&String> = match relation {
            "members" => group.members.iter().collect(),
            // Owners of such groups are not available.
            "owners" if group.properties.get("onPremisesSyncEnabled") == Some(&json!(true)) => Vec::new(),
            "owners" => group.owners.iter().collect(),
            "transitiveMembers" => self.reached(group),
            _ => return None,
        };
        Some(ids.into_iter().filter_map(|id| self.entries.get(id)).collect())
    }

    fn reached<'a>(&'a self, group: &'a Entry) -> Vec<&'a String> {
        let (mut reached, mut seen) = (Vec::new(), BTreeSet::new());
        let mut next: VecDeque<&String> = group.members.iter().collect();
        while let Some(id) = next.pop_front() {
            if seen.insert(id) {
                reached.push(id);
                next.extend(self.entries.get(id).iter().flat_map(|entry| &entry.members));
            }
        }
        reached
    }
}
