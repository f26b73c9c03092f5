//! A configuration to begin with: which questions it takes, and what is made of the answers. Nothing is read or written.

mod render;

use std::collections::BTreeMap;

use clap::ValueEnum;
use matrix_sdk::ruma::ServerName;
use url::Url;

pub(crate) use render::shell;
pub use render::{Next, next_steps, render};

/// A kind of identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `OpenLDAP`, or another LDAP directory
    #[value(alias = "ldap")]
    Openldap,
    /// 389 Directory Server
    #[value(name = "389ds")]
    Ds389,
    /// `FreeIPA`
    Freeipa,
    /// Active Directory, of Microsoft or Samba
    ActiveDirectory,
    /// lldap
    Lldap,
    /// Microsoft Entra ID
    Entra,
    /// A file with rooms and members
    File,
}

impl Kind {
    /// What the option `--idp` calls it.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The value of `type` in the configuration.
    #[must_use]
    pub fn type_of_idp(self) -> &'static str {
        match self {
            Self::Openldap | Self::Ds389 | Self::Freeipa | Self::ActiveDirectory | Self::Lldap => "ldap",
            Self::Entra => "entra",
            Self::File => "file",
        }
    }
}

/// The answers, by the name of the option.
pub type Answers = BTreeMap<&'static str, String>;

/// Something that a configuration needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The option that answers it, without its dashes.
    pub option: &'static str,
    /// The question.
    pub text: &'static str,
    /// Whether the default may be taken without anybody having seen it.
    pub has_safe_default: bool,
    check: fn(&str) -> Result<(), String>,
}

impl Question {
    /// Whether a text is an answer.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(&self, answer: &str) -> Result<(), String> {
        if answer.chars().any(char::is_control) {
            return Err("expected one line without control characters".into());
        }
        (self.check)(answer)
    }

    /// What the answers so far suggest.
    #[must_use]
    pub fn default(&self, kind: Kind, answers: &Answers) -> Option<String> {
        let server = answers.get("server-name").map(|name| name.split(':').next().unwrap_or(name));
        let base = || answers.get("base");
        match self.option {
            "server-name" => {
                let host = Url::parse(answers.get("homeserver")?).ok()?.host_str()?.to_owned();
                Some(host.strip_prefix("matrix.").map_or_else(|| host.clone(), str::to_owned))
            }
            "url" => Some(match kind {
                Kind::Freeipa => format!("ldaps://ipa.{}", server?),
                Kind::ActiveDirectory => format!("ldaps://dc1.{}", server?),
                Kind::Lldap => format!("ldaps://lldap.{}:6360", server?),
                _ => format!("ldaps://ldap.{}", server?),
            }),
            "base" => Some(server?.split('.').map(|label| format!("dc={label}")).collect::<Vec<_>>().join(",")),
            "bind-dn" => Some(match kind {
                Kind::Ds389 => format!("uid=inviter,ou=services,{}", base()?),
                Kind::Freeipa => format!("uid=inviter,cn=sysaccounts,cn=etc,{}", base()?),
                Kind::ActiveDirectory => format!("cn=inviter,cn=Users,{}", base()?),
                Kind::Lldap => format!("uid=inviter,ou=people,{}", base()?),
                _ => format!("cn=inviter,ou=services,{}", base()?),
            }),
            "path" => Some("rooms.toml".into()),
            _ => None,
        }
    }
}

/// What a configuration for this kind needs to know, in the order in which it is asked.
#[must_use]
pub fn questions(kind: Kind) -> Vec<Question> {
    let question = |option, text, check| Question { option, text, has_safe_default: false, check };
    let mut questions = vec![
        question("homeserver", "Base URL of the homeserver, like https://matrix.example.com", homeserver),
        question("server-name", "Name of the homeserver, as in user IDs", server_name),
    ];
    questions.extend(match kind {
        Kind::Entra => vec![
            question("tenant-id", "ID of the tenant, or one of its domains", tenant),
            question("client-id", "ID of the application (app registration)", object_id),
            question("root-group-id", "Object ID of the root group", object_id),
        ],
        Kind::File => {
            vec![Question { has_safe_default: true, ..question("path", "File with rooms and members", file) }]
        }
        Kind::Openldap | Kind::Ds389 | Kind::Freeipa | Kind::ActiveDirectory | Kind::Lldap => vec![
            question("url", "Where the directory is", directory),
            question("base", "Entry of the directory below which all is", name),
            Question { has_safe_default: true, ..question("bind-dn", "Who binds to the directory", name) },
        ],
    });
    questions
}

fn homeserver(answer: &str) -> Result<(), String> {
    match Url::parse(answer) {
        Ok(url) if url.scheme() == "https" && url.username().is_empty() && url.password().is_none() => Ok(()),
        _ => Err("expected a URL with https://, without a name and a password in it".into()),
    }
}

fn server_name(answer: &str) -> Result<(), String> {
    ServerName::parse(answer).map(|_| ()).map_err(|_| "expected the name of a homeserver, like example.com".into())
}

fn directory(answer: &str) -> Result<(), String> {
    match Url::parse(answer) {
        Ok(url)
            if matches!(url.scheme(), "ldap" | "ldaps")
                && url.host_str().is_some_and(|host| !host.is_empty())
                && url.username().is_empty()
                && url.password().is_none()
                && matches!(url.path(), "" | "/")
                && url.query().is_none() =>
        {
            Ok(())
        }
        _ => Err("expected ldaps://host[:port] or ldap://host[:port]".into()),
    }
}

fn name(answer: &str) -> Result<(), String> {
    if answer.contains('=') { Ok(()) } else { Err("expected a distinguished name, like dc=example,dc=com".into()) }
}

fn tenant(answer: &str) -> Result<(), String> {
    let is_domain = answer.contains('.') && answer.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    if is_domain { Ok(()) } else { object_id(answer) }
}

fn object_id(answer: &str) -> Result<(), String> {
    if crate::config::is_object_id(answer) {
        Ok(())
    } else {
        Err("expected an ID like 00000000-0000-0000-0000-000000000000".into())
    }
}

fn file(answer: &str) -> Result<(), String> {
    let known = std::path::Path::new(answer)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("toml") || ending.eq_ignore_ascii_case("json"));
    if known { Ok(()) } else { Err("expected a file that ends in .toml or .json".into()) }
}
