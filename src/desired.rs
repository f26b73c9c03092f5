//! What the identity providers want: the rooms, who is in them, and at which level.

use std::fmt;

/// A group because of which somebody is wanted in a room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Via {
    /// The name of the identity provider in the configuration.
    pub idp: String,
    /// The name of the group.
    pub group: String,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.group, self.idp)
    }
}
