//! `inviter` keeps Matrix rooms in step with the groups of an identity provider.
//!
//! One run is one reconciliation, and data goes one way through it: the identity providers say what is desired, the
//! homeserver says what is there, a pure function says what differs, and only then is anything written.

pub mod actual;
pub mod apply;
pub mod cli;
pub mod config;
pub mod desired;
pub mod idp;
pub mod matrix;
pub mod naming;
pub mod plan;
pub mod power;
pub mod printable;
pub mod progress;
pub mod report;
pub mod snapshot;
pub mod watch;

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use anstream::ColorChoice;
use anstream::stream::RawStream;
use anyhow::Context;
use futures_util::future::{join, join_all};
use tracing::info;
use wildmatch::WildMatch;

use crate::actual::Actual;
use crate::cli::{Cli, Color, Command, Format, SyncArgs};
use crate::config::Config;
use crate::desired::Desired;
use crate::idp::IdpError;
use crate::matrix::Session;
use crate::naming::GroupName;
use crate::plan::{Limits, Plan, Policy, Refusal, Removals};
use crate::report::{Report, Status};
use crate::snapshot::Snapshot;
use crate::watch::Watch;

/// Does what the command line says, and prints plan and report to `out`.
///
/// # Errors
/// When nothing was changed because of an error: a bad configuration, an identity provider or a homeserver that did
/// not answer well. What goes wrong in a single room is in the report.
pub async fn run<W: Write + RawStream>(cli: &Cli, watch: &dyn Watch, out: &mut W) -> anyhow::Result<Status> {
    let config = Config::load(&cli.config)?;
    let Command::Sync(args) = &cli.command;
    let printer = Printer { format: cli.format, dress: plan::text::Dress::new(colored(cli.color, out)), out };
    sync(&config, args, watch, printer).await
}

async fn sync<W: Write>(
    config: &Config,
    args: &SyncArgs,
    watch: &dyn Watch,
    mut printer: Printer<'_, W>,
) -> anyhow::Result<Status> {
    let (desired, session) = join(read_desired(config, args), Session::connect(&config.matrix)).await;
    let (desired, session) = (desired?, session?);
    let actual = session.reader().read(&desired.rooms.keys().cloned().collect(), watch).await?;
    let (plan, refusals) = decide(config, args, &desired, &actual);

    printer.plan(&plan, &refusals)?;
    let report = if args.dry_run {
        None
    } else {
        Some(apply::apply(&plan, &session.writer(), config.matrix.concurrency, watch).await)
    };
    printer.report(&plan, &refusals, report.as_ref())?;
    Ok(Status::of(&plan, !refusals.is_empty(), report.as_ref(), args.detailed_exitcode))
}

/// Reads all identity providers, and brings together what they say. One of several may fail: nobody is removed then.
async fn read_desired(config: &Config, args: &SyncArgs) -> anyhow::Result<Desired> {
    let answers = join_all(config.idps.iter().map(|idp| async {
        // Names that begin like those of rooms and are none are wanted as well, to be warned of.
        let wanted = |name: &str| !matches!(idp.convention.read(name), Ok(GroupName::Other));
        let snapshot = idp::fetch(idp, &wanted).await?;
        info!("{}: {} groups, {} accounts", idp.name, snapshot.groups.len(), snapshot.accounts.len());
        Ok::<_, IdpError>(snapshot)
    }))
    .await;
    if let Some(error) = all_failed(&answers) {
        anyhow::bail!(error);
    }
    let (snapshots, errors): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .map(|answer| answer.map_or_else(|error| (Snapshot::default(), Some(error)), |it| (it, None)))
        .unzip();
    let mut desired = Desired::build(config, &snapshots)?;
    for (idp, error) in config.idps.iter().zip(errors) {
        if let Some(error) = error {
            desired.lose(&idp.name, &error.to_string());
        }
    }
    desired.restrict(&args.rooms())?;
    Ok(desired)
}

/// What all identity providers failed with, if there is none that did not.
fn all_failed(answers: &[Result<Snapshot, IdpError>]) -> Option<String> {
    let errors: Option<Vec<String>> =
        answers.iter().map(|answer| answer.as_ref().err().map(ToString::to_string)).collect();
    errors.map(|errors| errors.join("; "))
}

/// The plan, and why the guard refused its removals, if it did; the plan is then one without them.
fn decide(config: &Config, args: &SyncArgs, desired: &Desired, actual: &Actual) -> (Plan, Vec<Refusal>) {
    let mut policy = Policy {
        removals: if args.kick || !config.policy.cautious { Removals::Made } else { Removals::Cautious },
        adopt: config.policy.adopt,
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds),
        reinvite_after: milliseconds(config.policy.reinvite_after),
        protected: config.policy.protected_users.iter().map(|pattern| WildMatch::new(pattern)).collect(),
    };
    let limits = Limits {
        max_kicks: config.policy.max_kicks,
        max_percent: config.policy.max_kicks_percent.into(),
        percent_from: config.policy.max_kicks_percent_from,
        allowed: args.allow_kicks,
    };
    let plan = plan::compute(desired, actual, &policy);
    let refusals = plan::guard(&plan, &limits);
    if refusals.is_empty() {
        return (plan, refusals);
    }
    policy.removals = Removals::Refused;
    (plan::compute(desired, actual, &policy), refusals)
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether text for this stream is coloured.
#[must_use]
pub fn colored<S: RawStream>(color: Color, stream: &S) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => stream.is_terminal() && anstream::AutoStream::choice(stream) != ColorChoice::Never,
    }
}

/// Prints plan and report: text at once, JSON as one document at the end.
struct Printer<'a, W> {
    format: Format,
    dress: plan::text::Dress,
    out: &'a mut W,
}

impl<W: Write> Printer<'_, W> {
    /// A plan that cannot be shown is not applied.
    fn plan(&mut self, plan: &Plan, refusals: &[Refusal]) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.print(&plan::text::plan(plan, refusals, self.dress)),
            Format::Json => Ok(()),
        }
        .context("the plan cannot be printed, so nothing was changed")
    }

    fn report(&mut self, plan: &Plan, refusals: &[Refusal], report: Option<&Report>) -> anyhow::Result<()> {
        match (self.format, report) {
            (Format::Json, report) => {
                let document = plan::json::Document::new(plan, refusals, report);
                let text = serde_json::to_string_pretty(&document)?;
                self.print(&format!("{}\n", printable::harmless_json(&text)))
            }
            (Format::Text, Some(report)) if !plan.is_empty() => {
                self.print(&plan::text::report(plan, report, self.dress))
            }
            (Format::Text, _) => Ok(()),
        }
        .context("the report cannot be printed; see the homeserver for what was done")
    }

    fn print(&mut self, text: &str) -> anyhow::Result<()> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}
