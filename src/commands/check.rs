//! `check`: everything that a run needs is looked at. Nothing is written, unless `--fix` asks for it.

use std::io::Write;
use std::path::Path;

use futures_util::future::join;
use matrix_sdk::ruma::OwnedRoomAliasId;

use crate::actual::{ActualRoom, AskedFor};
use crate::all_failed;
use crate::check::{Area, Findings, counted};
use crate::cli::{CheckArgs, Cli, Format, SyncArgs};
use crate::config::{AddMembers, Config, Idp, IdpKind, LdapIdp};
use crate::desired::Desired;
use crate::idp::{IdpError, Step};
use crate::matrix::{Adding, Administration, Session};
use crate::plan;
use crate::printer::Printer;
use crate::report::Status;
use crate::snapshot::Snapshot;
use crate::stop::Stop;
use crate::watch::{Unwatched, Watch};

/// Looks at everything, and prints what was found.
pub(crate) async fn run<W: Write>(
    cli: &Cli,
    args: &CheckArgs,
    watch: &dyn Watch,
    mut printer: Printer<'_, W>,
) -> anyhow::Result<Status> {
    let mut findings = Findings::new();
    if let Some(config) = configuration(&cli.config, &mut findings) {
        look(&config, args, watch, &mut findings).await;
    }
    match printer.format {
        Format::Json => printer.json(&findings)?,
        // The command line lets no other through.
        Format::Text | Format::Markdown | Format::Html => printer.print(&findings.text(printer.dress))?,
    }
    Ok(findings.status())
}

fn configuration(path: &Path, findings: &mut Findings) -> Option<Config> {
    let config = Config::load(path, &[]);
    let name = path.display().to_string();
    match &config {
        Err(error) => findings.failed(Area::Configuration, None, error.to_string()),
        Ok(config) => {
            let message = format!(
                "{name} is read: {}, {}",
                counted(config.idps.len(), "identity provider", "identity providers"),
                counted(config.rooms.len(), "described room", "described rooms")
            );
            findings.ok(Area::Configuration, None, message);
            for warning in &config.warnings {
                findings.warning(Area::Secrets, None, warning, None);
            }
            if config.warnings.is_empty() {
                findings.ok(Area::Secrets, None, "nobody else can read them, on this machine or on the way");
            }
        }
    }
    config.ok()
}

async fn look(config: &Config, args: &CheckArgs, watch: &dyn Watch, findings: &mut Findings) {
    let (answers, session) =
        join(crate::read_idps(config), Session::connect_to_add(&config.matrix, Stop::default())).await;
    for (idp, answer) in config.idps.iter().zip(&answers) {
        identity_provider(config, idp, answer, findings);
    }
    let desired = match (all_failed(&answers), crate::merge(config, &answers)) {
        (Some(_), _) => None,
        (None, Ok(desired)) => Some(desired),
        (None, Err(error)) => {
            findings.failed(Area::IdentityProvider, None, error.to_string());
            None
        }
    };
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            findings.failed(Area::Homeserver, None, error.to_string());
            return findings.warning(Area::Rooms, None, "not looked at, since the homeserver cannot be used", None);
        }
    };
    homeserver(config, &session, findings).await;
    admin(config, args, &session, findings).await;
    if let Some(room) = &config.report.room {
        report_room(&session, room, findings).await;
    }
    match desired {
        None => findings.warning(Area::Rooms, None, "not looked at, since it is not known which are wanted", None),
        Some(desired) => rooms(config, &session, &desired, watch, findings).await,
    }
}

fn identity_provider(config: &Config, idp: &Idp, answer: &Result<Snapshot, IdpError>, findings: &mut Findings) {
    let (area, name) = (Area::IdentityProvider, Some(idp.name.as_str()));
    match answer {
        Err(error) => {
            if let (IdpKind::Ldap(ldap), IdpError::Ldap { failure, .. }) = (&idp.kind, error)
                && let Some(far) = passed(ldap, &failure.step)
            {
                findings.ok(area, name, far);
            }
            findings.failed(area, name, error.to_string());
        }
        Ok(snapshot) => {
            match &idp.kind {
                IdpKind::Ldap(ldap) => directory(ldap, name, findings),
                IdpKind::Entra(_) => findings.ok(area, name, "signed in, and Graph can be read"),
                IdpKind::File(file) => findings.ok(area, name, format!("{} is read", file.path.display())),
            }
            findings.snapshot(config, idp, snapshot);
        }
    }
}

/// How far a directory could be used before something went wrong.
fn passed(ldap: &LdapIdp, step: &Step) -> Option<String> {
    match step {
        Step::Connect(_) | Step::Srv(_) | Step::Servers => None,
        Step::StartTls(url) => Some(format!("{url} answers")),
        Step::Bind(_) | Step::External | Step::Gssapi(_) => Some(reached(ldap)),
        Step::Root | Step::Search { .. } | Step::Lookup | Step::Ranges(_) => {
            Some(format!("{}; {}", reached(ldap), bound(ldap)))
        }
    }
}

fn directory(ldap: &LdapIdp, name: Option<&str>, findings: &mut Findings) {
    findings.ok(Area::IdentityProvider, name, format!("{}; {}", reached(ldap), bound(ldap)));
}

fn reached(ldap: &LdapIdp) -> String {
    let mut servers: Vec<String> = ldap.urls.iter().map(ToString::to_string).collect();
    servers.extend(ldap.srv.iter().map(|srv| format!("a server of {}", srv.domain)));
    let tls = match (ldap.starttls, ldap.urls.iter().any(|url| url.scheme() == "ldap")) {
        (true, _) => ", and its certificate is trusted (StartTLS)",
        (false, false) => ", and its certificate is trusted",
        (false, true) => "",
    };
    format!("{} answers{tls}", servers.join(" or "))
}

fn bound(ldap: &LdapIdp) -> String {
    match (&ldap.bind, &ldap.client_certificate) {
        (Some((dn, _)), _) => format!("it lets {dn} in"),
        (None, Some(_)) => "it knows the client certificate".into(),
        (None, None) if ldap.gssapi => "it takes the Kerberos ticket".into(),
        (None, None) => "it lets anybody read".into(),
    }
}

async fn homeserver(config: &Config, session: &Session, findings: &mut Findings) {
    let (url, me) = (&config.matrix.homeserver, session.me());
    match session.about().await {
        Err(failure) => findings.failed(Area::Homeserver, None, failure.to_string()),
        Ok(about) => {
            let what = about.synapse.map_or_else(String::new, |version| format!("is Synapse {version} and "));
            let versions = match (about.versions.first(), about.versions.last()) {
                (Some(first), Some(last)) => format!("{first} to {last}"),
                _ => "in versions that are not known here".into(),
            };
            findings.ok(Area::Homeserver, None, format!("{url} {what}speaks Matrix {versions}"));
            let device = about.device.map_or_else(String::new, |device| format!(", device {device}"));
            let message = format!("{me}{device}; whether its access token expires no homeserver tells");
            findings.ok(Area::Account, None, message);
        }
    }
    for idp in config.idps.iter().filter(|idp| idp.mxid_homeserver != me.server_name()) {
        let message = format!(
            "the people of {} are of {}, and the account is of {}: they are invited, and never removed",
            idp.name,
            idp.mxid_homeserver,
            me.server_name()
        );
        findings.warning(Area::Account, None, message, Some("is mxid_homeserver what you mean?"));
    }
}

async fn admin(config: &Config, args: &CheckArgs, session: &Session, findings: &mut Findings) {
    let administration = match session.administration(&config.matrix) {
        Ok(administration) => administration,
        Err(error) => return findings.failed(Area::AdminApi, None, error.to_string()),
    };
    let usable = match administration {
        None => None,
        Some(administration) => match administration.owner().await {
            Ok(owner) => {
                findings.ok(Area::AdminApi, None, format!("it can be used, as {owner}"));
                Some(administration)
            }
            Err(failure) => {
                findings.failed(Area::AdminApi, None, failure.to_string());
                None
            }
        },
    };
    match (config.matrix.add_members, session.adding()) {
        (AddMembers::Join, Adding::Possible) => {
            findings.ok(Area::AdminApi, None, "people are added to rooms, without an invitation to accept");
        }
        (AddMembers::Join, Adding::Impossible(why)) => {
            findings.warning(Area::AdminApi, None, format!("people are invited rather than added: {why}"), None);
        }
        _ => {}
    }
    rate_limits(args, session, usable, findings).await;
}

async fn rate_limits(
    args: &CheckArgs,
    session: &Session,
    administration: Option<Administration>,
    findings: &mut Findings,
) {
    let area = Area::RateLimits;
    let Some(administration) = administration else {
        if args.fix {
            return findings.failed(area, None, "--fix takes an admin_token that works");
        }
        let remedy = format!(
            "if runs are slow, give an admin_token and run inviter check --fix, or have an administrator send \
             {{\"messages_per_second\": 0, \"burst_count\": 0}} to \
             POST /_synapse/admin/v1/users/{}/override_ratelimit",
            session.me()
        );
        return findings.warning(
            area,
            None,
            "whether the account is limited is told to administrators alone",
            Some(&remedy),
        );
    };
    match administration.limits().await {
        Err(failure) => findings.failed(area, None, failure.to_string()),
        Ok(limits) if limits.is_lifted() => findings.ok(area, None, "the account is not limited"),
        Ok(_) if args.fix => match administration.lift_limits().await {
            Ok(()) => findings.ok(area, None, "the account was limited, and is not any more"),
            Err(failure) => findings.failed(area, None, failure.to_string()),
        },
        Ok(_) => findings.warning(
            area,
            None,
            "the account is limited like everybody's: by default to 10 invitations at once, and one in 5 seconds then",
            Some("inviter check --fix lifts that"),
        ),
    }
}

async fn report_room(session: &Session, alias: &OwnedRoomAliasId, findings: &mut Findings) {
    let asked_for = AskedFor { aliases: [alias.clone()].into(), ..AskedFor::default() };
    let (area, about) = (Area::ReportRoom, Some(alias.as_str()));
    match session.reader().read(&asked_for, &Unwatched).await {
        Err(failure) => findings.failed(area, about, failure.to_string()),
        Ok(mut actual) => match actual.rooms.remove(alias) {
            Some(ActualRoom::Invited(_)) => {
                findings.ok(area, about, "inviter is invited there, and the next report joins");
            }
            room => match plan::report_room(alias, room) {
                Ok(_) => findings.ok(area, about, "it can be written to, as far as can be seen without writing"),
                Err(why) => findings.failed(area, about, why),
            },
        },
    }
}

async fn rooms(config: &Config, session: &Session, desired: &Desired, watch: &dyn Watch, findings: &mut Findings) {
    findings.federation(desired, session.me());
    let actual = match crate::read_actual(&session.reader(), desired, watch).await {
        Ok(actual) => actual,
        Err(error) => return findings.failed(Area::Rooms, None, error.to_string()),
    };
    let adds = *session.adding() == Adding::Possible;
    let decide = |args: &SyncArgs| crate::decide(config, args, desired, &actual, adds);
    let (plan, _) = decide(&SyncArgs::default());
    findings.rooms(&plan);
    let (_, refusals) = decide(&SyncArgs { kick: true, ..SyncArgs::default() });
    findings.guard(&refusals, !config.policy.cautious);
}
