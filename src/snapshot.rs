//! What one identity provider said, in the one shape that every kind of provider is brought into.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk::ruma::OwnedUserId;

/// The identity of an account or a group inside its identity provider: an immutable ID where the provider
/// has one (`entryUUID`, `objectGUID`, Entra's `id`), else the normalised distinguished name.
pub type SourceId = String;

/// A complete answer of one identity provider. An answer that is not complete is an error, or makes single
/// groups [`Members::Unknown`]; it never reads as fewer people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The accounts that may be in rooms, locked ones left out.
    pub accounts: BTreeMap<SourceId, Account>,
    /// The groups whose names may stand for rooms, in any order.
    pub groups: Vec<Group>,
    /// The identities of groups that were seen and that nobody asked for, by the ID or, where there is none, the name: a
    /// group that is among them stands for no room, and is not gone.
    pub other_groups: BTreeSet<SourceId>,
    /// Why there may be more groups than these, if so; a group that is not there is then not known to be gone.
    pub more_groups: Option<String>,
    /// What a person should know about this answer, a sentence each.
    pub notices: BTreeSet<String>,
}

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name that becomes the localpart of the Matrix user ID.
    pub username: String,
    /// The whole Matrix user ID, where the provider knows it: that of somebody with an account elsewhere, say. The
    /// username is then for messages alone.
    pub mxid: Option<OwnedUserId>,
    /// How messages name the account: a distinguished name, a user principal name.
    pub label: String,
    /// Whether the account can be used at the moment.
    pub standing: Standing,
}

/// Whether an account that the provider lists can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Usable: the person is wanted in the rooms of their groups.
    Active,
    /// Locked out for the moment, after wrong passwords for example. Nothing is done about such a person,
    /// neither invited nor removed, since anybody can bring this about for anybody.
    LockedOut,
}

/// A group, with the accounts that it reaches through groups in groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The name that the naming convention is applied to.
    pub name: String,
    /// The identity that outlives renaming, if the provider has one.
    pub id: Option<SourceId>,
    /// How messages name the group: a distinguished name, say.
    pub label: String,
    /// The members.
    pub members: Members,
    /// The owners, where the provider keeps them at the group itself. `None` where a sibling group named by the
    /// convention holds them.
    pub owners: Option<Members>,
}

/// The members of a group, or why they could not be learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// All of them; each is a key of [`Snapshot::accounts`].
    Known(BTreeSet<SourceId>),
    /// Those that could be learnt, and the reason why there may be more. Nobody may be removed on such an answer.
    Unknown {
        /// The members that are certain.
        at_least: BTreeSet<SourceId>,
        /// What went wrong, for a person.
        reason: String,
    },
}

impl Members {
    /// The members that are certain.
    #[must_use]
    pub fn certain(&self) -> &BTreeSet<SourceId> {
        match self {
            Self::Known(members) | Self::Unknown { at_least: members, .. } => members,
        }
    }

    /// Why there may be more members than [`Members::certain`] tells, if so.
    #[must_use]
    pub fn unknown_because(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown { reason, .. } => Some(reason),
        }
    }
}
