//! An organisation of its own for each test, on the homeserver that the tests share.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::support::account::Account;
use crate::support::inviter::{Inviter, Outcome};
use crate::support::recorder::Recorder;
use crate::support::slapd::{Slapd, SlapdOptions};
use crate::support::synapse::Synapse;

/// A homeserver behind a recorder, the account of `inviter`, and names that no other test uses.
pub struct Scene {
    pub synapse: &'static Synapse,
    pub recorder: Recorder,
    pub me: Account,
    prefix: String,
    server_of_rooms: &'static str,
}

impl Scene {
    /// Registers the account of `inviter`; the prefix begins every name of this test.
    pub async fn new(prefix: &str) -> Self {
        Self::on(Synapse::shared(), prefix).await
    }

    /// The same on a homeserver of one's choice.
    pub async fn on(synapse: &'static Synapse, prefix: &str) -> Self {
        let recorder = Recorder::start(&synapse.url()).await;
        let me = synapse.register(&format!("{prefix}-inviter")).await;
        Self { synapse, recorder, me, prefix: prefix.to_owned(), server_of_rooms: synapse.server_name() }
    }

    /// The same with an account that is an administrator of the homeserver.
    pub async fn of_admin(synapse: &'static Synapse, prefix: &str) -> Self {
        let me = synapse.register_admin(&format!("{prefix}-admin")).await;
        Self { me, ..Self::on(synapse, prefix).await }
    }

    /// The same with rooms whose aliases are on another homeserver.
    pub fn with_rooms_on(self, other: &'static Synapse) -> Self {
        Self { server_of_rooms: other.server_name(), ..self }
    }

    /// The username of somebody in this test.
    pub fn uid(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// The Matrix user ID of somebody in this test.
    pub fn user(&self, name: &str) -> String {
        format!("@{}-{name}:{}", self.prefix, self.synapse.server_name())
    }

    /// The alias of a room in this test.
    pub fn alias(&self, room: &str) -> String {
        format!("#{}-{room}:{}", self.prefix, self.server_of_rooms)
    }

    /// The name of the group that stands for a room.
    pub fn group(&self, room: &str) -> String {
        format!("xxx{}-{room}xxx{}", self.prefix, self.server_of_rooms.replace(':', "xxx"))
    }

    /// Registers people on the homeserver.
    pub async fn people(&self, names: &[&str]) -> BTreeMap<String, Account> {
        let uids: Vec<String> = names.iter().map(|name| self.uid(name)).collect();
        let accounts = self.synapse.register_many(&uids.iter().map(String::as_str).collect::<Vec<_>>()).await;
        names.iter().map(|name| (*name).to_owned()).zip(accounts).collect()
    }

    /// The section of the configuration for the homeserver.
    pub fn matrix_section(&self) -> String {
        format!(
            "[matrix]\nhomeserver = {:?}\nallow_plaintext = true\naccess_token = {:?}\n",
            self.recorder.url(),
            self.me.access_token
        )
    }

    /// The program with the rooms of a file, which is made from lists of members; `*` marks moderators.
    pub fn with_file(&self, rooms: &[(&str, &[&str])], more: &str) -> Inviter {
        let inviter = Inviter::new(&format!(
            "{}[[idp]]\nname = \"people\"\ntype = \"file\"\nmxid_homeserver = {:?}\npath = \"rooms.toml\"\n{more}",
            self.matrix_section(),
            self.synapse.server_name()
        ));
        self.write_rooms(&inviter, rooms);
        inviter
    }

    /// Rewrites the file with the rooms.
    pub fn write_rooms(&self, inviter: &Inviter, rooms: &[(&str, &[&str])]) {
        let mut text = String::new();
        for (room, people) in rooms {
            let uids = |people: Vec<&&str>| -> Vec<String> {
                people.iter().map(|name| self.uid(name.trim_end_matches('*'))).collect()
            };
            let members = uids(people.iter().collect());
            let moderators = uids(people.iter().filter(|name| name.ends_with('*')).collect());
            let _ = writeln!(
                text,
                "[[rooms]]\nalias = {:?}\nmembers = {members:?}\nmoderators = {moderators:?}",
                self.alias(room)
            );
        }
        inviter.file("rooms.toml", &text);
    }

    /// The program with a directory.
    pub fn with_directory(&self, slapd: &Slapd, more: &str) -> Inviter {
        Inviter::new(&format!("{}{}{more}", self.matrix_section(), self.directory_section(slapd)))
    }

    /// The section of the configuration for a directory.
    pub fn directory_section(&self, slapd: &Slapd) -> String {
        format!(
            "[[idp]]\nname = \"corp\"\ntype = \"ldap\"\nmxid_homeserver = {:?}\nurl = {:?}\nca_file = \"{}\"\n\
             bind_dn = {:?}\nbind_password = {:?}\ngroup_base = \"ou=groups,{base}\"\nuser_base = \"ou=people,{base}\"\n",
            self.synapse.server_name(),
            slapd.ldaps_url(),
            slapd.ca_file().display(),
            slapd.bind_dn(),
            slapd.password(),
            base = slapd.base_dn(),
        )
    }

    /// A directory with these people.
    pub fn directory(&self, people: &[&str]) -> Slapd {
        let slapd = Slapd::start(&SlapdOptions::default());
        let uids: Vec<String> = people.iter().map(|name| self.uid(name)).collect();
        slapd.people(&uids.iter().map(String::as_str).collect::<Vec<_>>());
        slapd
    }

    /// Adds a group of people to a directory.
    pub fn add_group(&self, slapd: &Slapd, name: &str, people: &[&str]) -> String {
        let members: Vec<String> =
            people.iter().map(|name| if name.contains('=') { (*name).to_owned() } else { self.uid(name) }).collect();
        slapd.group(name, &members.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The ID of a room.
    pub async fn room(&self, room: &str) -> String {
        let alias = self.alias(room);
        self.me.resolve_alias(&alias).await.unwrap_or_else(|| panic!("{alias} does not exist"))
    }

    /// Who is in a room, and how: `alice join 50`, sorted, without `inviter` and those who left.
    pub async fn roster(&self, room: &str) -> Vec<String> {
        let room = self.room(room).await;
        let levels = self.me.power_levels(&room).await;
        let mut roster = Vec::new();
        for (user, membership) in self.me.members(&room).await {
            let named = levels["users"].get(&user).and_then(Value::as_i64);
            if user != self.me.user_id && (membership != "leave" || named.is_some()) {
                let name = user.trim_start_matches(&format!("@{}-", self.prefix)).split(':').next().unwrap_or("");
                let level = named.or(levels["users_default"].as_i64()).unwrap_or(0);
                roster.push(format!("{name} {membership} {level}"));
            }
        }
        roster
    }

    /// Lets people accept their invitations to a room.
    pub async fn accept(&self, room: &str, people: &BTreeMap<String, Account>, names: &[&str]) {
        let room = self.room(room).await;
        for name in names {
            people[*name].join(&room).await;
        }
    }
}

/// A run, and the requests that it made.
pub async fn run(inviter: &Inviter, arguments: &[&str]) -> Outcome {
    inviter.run(arguments).await
}

/// The last line of standard output.
pub fn summary(outcome: &Outcome) -> &str {
    outcome.stdout.trim_end().lines().last().unwrap_or("")
}
