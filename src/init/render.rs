//! The configuration that is made of the answers.

use serde_json::Value;

use super::{Answers, Kind};
use crate::config::schema::{description, schema};
use crate::import::render::Toml;

/// A file with a secret that the configuration names.
#[derive(Debug, Clone, Copy)]
struct Secret {
    /// The file, beside the configuration.
    file: &'static str,
    /// What belongs into it.
    what: &'static str,
}

/// What is left to do for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What it is for.
    pub what: String,
    /// The command that does it, if one does.
    pub command: Option<String>,
}

const TOKEN: Secret = Secret { file: "matrix-token", what: "an access token of the account of inviter" };
const PASSWORD: Secret = Secret { file: "directory-password", what: "the password of that account of the directory" };
const CLIENT_SECRET: Secret = Secret { file: "client-secret", what: "the secret of the application" };

impl Secret {
    fn all(kind: Kind) -> Vec<Self> {
        match kind.type_of_idp() {
            "ldap" => vec![TOKEN, PASSWORD],
            "entra" => vec![TOKEN, CLIENT_SECRET],
            _ => vec![TOKEN],
        }
    }
}

/// What is left to do before the first run. `folder` is that of the configuration with a slash, or empty, and `inviter` how
/// the program is called with it.
#[must_use]
pub fn next_steps(kind: Kind, answers: &Answers, folder: &str, inviter: &str) -> Vec<Next> {
    let mut steps: Vec<Next> = Secret::all(kind)
        .into_iter()
        .map(|secret| Next {
            what: format!("Give it {}, and end with Ctrl-D:", secret.what),
            command: Some(format!("(umask 077; cat > {})", shell(&format!("{folder}{}", secret.file)))),
        })
        .collect();
    if let (Kind::File, Some(path)) = (kind, answers.get("path")) {
        let command = format!(
            "printf '[[rooms]]\\nalias = \"#operations:%s\"\\nmembers = [\"alice\"]\\n' {} > {}",
            shell(answers.get("server-name").map_or("", String::as_str)),
            shell(&format!("{folder}{path}"))
        );
        steps.push(Next { what: "Write down rooms and members:".into(), command: Some(command) });
    }
    steps.push(Next { what: "See whether everything is there:".into(), command: Some(format!("{inviter} check")) });
    let command = Some(format!("{inviter} sync --dry-run"));
    steps.push(Next { what: "See what a run would do, which writes nothing:".into(), command });
    steps
}

/// A word as a shell takes it.
pub(crate) fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The configuration, with what the schema says of each key.
#[must_use]
pub fn render(kind: Kind, answers: &Answers) -> String {
    let mut page = Page { toml: Toml::default(), schema: schema(), section: "", kind: None, answers };
    page.toml.comment("The configuration of inviter. `inviter check` says whether all is there, and `inviter sync --dry-run` what a run would do.");
    page.toml.comment("With `inviter schema > inviter.schema.json`, and `#:schema ./inviter.schema.json` as the first line, editors complete its keys.");
    page.section("matrix", "[matrix]");
    page.answer("homeserver", "homeserver");
    page.secret("access_token_file", TOKEN);
    page.idp(kind);
    page.section("policy", "[policy]");
    page.say("cautious");
    page.toml.boolean("cautious", true);
    page.section("room", "[room]");
    page.say("history_visibility");
    page.toml.text("history_visibility", "joined");
    page.toml.finish()
}

struct Page<'a> {
    toml: Toml,
    schema: Value,
    section: &'static str,
    kind: Option<&'static str>,
    answers: &'a Answers,
}

impl Page<'_> {
    fn section(&mut self, section: &'static str, header: &'static str) {
        self.section = section;
        self.kind = None;
        self.toml.header(header);
    }

    fn idp(&mut self, kind: Kind) {
        self.section("idp", "[[idp]]");
        self.kind = Some(kind.type_of_idp());
        let name = match kind {
            Kind::Entra => "azure",
            Kind::File => "people",
            _ => "corp",
        };
        self.say("name");
        self.toml.text("name", name);
        self.toml.text("type", kind.type_of_idp());
        self.answer("mxid_homeserver", "server-name");
        match kind {
            Kind::Entra => self.entra(),
            Kind::File => self.answer("path", "path"),
            Kind::Openldap | Kind::Ds389 | Kind::Freeipa | Kind::ActiveDirectory | Kind::Lldap => self.directory(kind),
        }
    }

    fn directory(&mut self, kind: Kind) {
        self.answer("url", "url");
        if self.answers.get("url").is_some_and(|url| url.to_lowercase().starts_with("ldap:")) {
            self.say("starttls");
            self.toml.boolean("starttls", true);
        }
        self.suggest("ca_file", "ca.pem");
        self.toml.comment(match kind {
            Kind::Openldap => "The server must not cut long lists for the account: `limits dn.exact=\"...\" size=unlimited size.prtotal=unlimited`.",
            Kind::Ds389 | Kind::Freeipa => "The account needs nsSizeLimit and nsLookThroughLimit of -1, and access to nsAccountLock.",
            Kind::Lldap => "The account needs the group lldap_strict_readonly.",
            _ => "Any user without further rights will do as the account.",
        });
        self.answer("bind_dn", "bind-dn");
        self.secret("bind_password_file", PASSWORD);
        let base = self.answers.get("base").cloned().unwrap_or_default();
        let (groups, people) = match kind {
            Kind::Freeipa => (format!("cn=groups,cn=accounts,{base}"), format!("cn=users,cn=accounts,{base}")),
            Kind::ActiveDirectory => (base.clone(), base),
            _ => (format!("ou=groups,{base}"), format!("ou=people,{base}")),
        };
        self.say("group_base");
        self.toml.text("group_base", &groups);
        if kind == Kind::Lldap {
            self.toml.text("group_filter", "(objectClass=groupOfUniqueNames)");
            self.toml.texts("member_attributes", &["member".to_owned()]);
        }
        self.say("user_base");
        self.toml.text("user_base", &people);
        self.suggest("user_filter", "(&(objectClass=person)(employeeType=staff))");
        if kind == Kind::ActiveDirectory {
            self.suggest("username_attribute", "userPrincipalName");
        }
        if matches!(kind, Kind::ActiveDirectory | Kind::Freeipa) {
            self.suggest("foreign_members", "leave_out");
        }
    }

    fn entra(&mut self) {
        self.answer("tenant_id", "tenant-id");
        self.answer("client_id", "client-id");
        self.secret("client_secret_file", CLIENT_SECRET);
        self.answer("root_group_id", "root-group-id");
        self.suggest("guests", "local");
    }

    /// What the schema says of a key.
    fn say(&mut self, key: &str) {
        if let Some(text) = description(&self.schema, self.section, self.kind, key) {
            self.toml.comment(&text);
        }
    }

    fn answer(&mut self, key: &str, option: &str) {
        self.say(key);
        self.toml.text(key, self.answers.get(option).map_or("", String::as_str));
    }

    fn suggest(&mut self, key: &str, value: &str) {
        self.say(key);
        self.toml.suggestion(key, value);
    }

    fn secret(&mut self, key: &str, secret: Secret) {
        self.say(key);
        self.toml
            .comment(&format!("Make it with (umask 077; cat > {}), so that nobody else can read it.", secret.file));
        self.toml.text(key, secret.file);
    }
}
