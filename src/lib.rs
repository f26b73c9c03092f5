//! `inviter` keeps Matrix rooms in step with the groups of an identity provider.
//!
//! One run is one reconciliation, and data goes one way through it: the identity providers say what is desired, the
//! homeserver says what is there, a pure function says what differs, and only then is anything written.

pub mod actual;
pub mod apply;
mod bounded;
pub mod check;
pub mod cli;
mod commands;
pub mod config;
pub mod desired;
mod dn;
#[cfg(test)]
mod fuzz;
pub mod idp;
pub mod import;
pub mod init;
pub mod list;
mod lock;
pub mod logs;
pub mod manual;
pub mod matrix;
pub mod metrics;
pub mod naming;
mod page;
mod place;
pub mod plan;
pub mod power;
pub mod printable;
mod printer;
pub mod progress;
pub mod report;
mod rules;
pub mod shard;
pub mod snapshot;
pub mod stop;
mod suggest;
pub mod watch;

use std::io::Write;
use std::time::{Duration, Instant};

use anstream::ColorChoice;
use anstream::stream::RawStream;
use anyhow::Context;
use futures_util::future::{join, join_all};
use matrix_sdk::ruma::OwnedRoomAliasId;
use tracing::{error, info, warn};

use crate::actual::{Actual, ActualRoom, AskedFor};
use crate::cli::{Cli, Color, Command, ImportArgs, SyncArgs};
use crate::commands::{by_hand, init as begin, lists, metrics as numbers, shell};
use crate::config::Config;
use crate::desired::{Desired, DesiredError};
use crate::idp::IdpError;
use crate::matrix::{Adding, Reader, Session};
use crate::naming::GroupName;
use crate::plan::{Change, Digest, Plan, Policy, Refusal};
use crate::printer::Printer;
use crate::report::Status;
use crate::snapshot::Snapshot;
use crate::stop::Stop;
use crate::watch::{Unwatched, Watch};

/// How long the report of a run that is to end may take on its way to its room.
const LAST_WORD: Duration = Duration::from_secs(10);

/// Does what the command line says, and prints plan and report to `out`. SIGTERM, SIGINT and the deadline stop it between
/// two requests.
///
/// # Errors
/// When nothing was changed because of an error: a bad configuration, an identity provider or a homeserver that did
/// not answer well. What goes wrong in a single room is in the report.
pub async fn run<W: Write + RawStream>(cli: &Cli, watch: &dyn Watch, out: &mut W) -> anyhow::Result<Status> {
    let (started, mut seen) = (Instant::now(), numbers::Seen::default());
    let stop = Stop::after(match &cli.command {
        Command::Sync(args) => args.deadline,
        _ => None,
    });
    // Ctrl-C ends `init` while it waits for an answer.
    if !matches!(cli.command, Command::Init(_)) {
        stop.at_signals().context("signals cannot be received")?;
    }
    let result = tokio::select! {
        status = obey(cli, &stop, watch, &mut seen, out) => status,
        () = stop.insisted() => {
            error!("ended at once by a second signal: what was under way may have been done; the next run finds out");
            Ok(Status::Incomplete)
        }
    };
    if let Command::Sync(args) = &cli.command {
        let status = result.as_ref().map_or(Status::Error, |status| *status);
        numbers::publish(args, &seen, started.elapsed(), status, &stop).await;
    }
    result
}

async fn obey<W: Write + RawStream>(
    cli: &Cli,
    stop: &Stop,
    watch: &dyn Watch,
    seen: &mut numbers::Seen,
    out: &mut W,
) -> anyhow::Result<Status> {
    let mut printer = Printer { format: cli.format, dress: plan::text::Dress::new(colored(cli.color, out)), out };
    match &cli.command {
        Command::Sync(args) => {
            numbers::gateway(args)?;
            let config = with_account(cli, &args.values)?;
            Box::pin(sync(&config, args, stop, watch, seen, printer)).await
        }
        Command::Idp => before_writing(stop, lists::idp(&configuration(cli, &[])?, printer)).await?,
        Command::Joined => before_writing(stop, lists::joined(&with_account(cli, &[])?, watch, printer)).await?,
        Command::Managed => {
            before_writing(stop, Box::pin(lists::managed(&with_account(cli, &[])?, watch, printer))).await?
        }
        Command::ByHand(command) => {
            let config = with_account(cli, &[])?;
            by_hand::run(&config, &command.request(), command.mode(), stop, watch, printer).await
        }
        Command::Check(args) => commands::check::run(cli, args, watch, printer).await,
        Command::Init(args) => begin::run(&cli.config, args, cli.quiet),
        Command::Import(args) => import_from_bot(args, printer),
        Command::Schema => printer.json(&config::schema::schema()).map(|()| Status::Done),
        Command::Completions(args) => shell::completions(*args, printer.out).map(|()| Status::Done),
        Command::Man(args) => shell::man(args, printer.out).map(|()| Status::Done),
    }
}

/// Reads the configuration, and tells what a person should know of it.
fn configuration(cli: &Cli, values: &[String]) -> anyhow::Result<Config> {
    let config = Config::load(&cli.config, values)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    Ok(config)
}

/// The same for what needs the account: that there is no token is told before anything is read, and before an error of
/// something else.
fn with_account(cli: &Cli, values: &[String]) -> anyhow::Result<Config> {
    let config = configuration(cli, values)?;
    config.matrix.access_token.as_ref().map_err(Clone::clone)?;
    config.matrix.admin_token.as_ref().map_err(Clone::clone)?;
    Ok(config)
}

/// What a part of a run comes to that writes nothing.
///
/// # Errors
/// When the run is to end before.
async fn before_writing<F: Future>(stop: &Stop, reading: F) -> anyhow::Result<F::Output> {
    stop.or(reading).await.map_err(|why| anyhow::anyhow!("{why} before anything was written: nothing was changed"))
}

/// Prints a configuration made of that of a chat bot; it needs none itself.
fn import_from_bot<W: Write>(args: &ImportArgs, mut printer: Printer<'_, W>) -> anyhow::Result<Status> {
    let file = args.file.display();
    let text = bounded::read_to_string(&args.file).with_context(|| format!("{file} cannot be read"))?;
    let toml = import::import(&args.file, &text, &args.values)?;
    printer.print(&toml).context("the configuration cannot be printed")?;
    Ok(Status::Done)
}

async fn sync<W: Write>(
    config: &Config,
    args: &SyncArgs,
    stop: &Stop,
    watch: &dyn Watch,
    seen: &mut numbers::Seen,
    mut printer: Printer<'_, W>,
) -> anyhow::Result<Status> {
    let _lock = match &args.lock_file {
        None => None,
        Some(path) => {
            let lock = before_writing(stop, lock::take(path, args.lock_wait.unwrap_or_default())).await??;
            if lock.is_none() {
                warn!("another run has the lock file {}: nothing was done", path.display());
                return Ok(Status::Locked);
            }
            lock
        }
    };
    let (session, desired, actual) = before_writing(stop, read(config, args, stop, watch)).await??;
    let adds = *session.adding() == Adding::Possible;
    let (plan, refusals) = decide(config, args, &desired, &actual, adds);
    let plan = &*seen.plan.insert(plan);

    printer.plan(plan, &refusals)?;
    if args.dry_run && !plan.is_empty() {
        printer.digest(&plan.digest()).context("the digest cannot be printed")?;
    }
    if let Some(reviewed) = args.expect.filter(|reviewed| *reviewed != plan.digest()) {
        printer.report(plan, &refusals, None)?;
        anyhow::bail!(not_reviewed(&reviewed, &plan.digest()));
    }
    if !args.dry_run {
        // The session bounds how many requests are under way.
        seen.report = Some(apply::apply(plan, &session.writer(), plan.rooms.len(), watch).await);
    }
    let report = seen.report.as_ref();
    printer.report(plan, &refusals, report)?;
    let status = Status::of(plan, !refusals.is_empty(), report, args.detailed_exitcode);
    match (&config.report.room, report) {
        (Some(room), Some(report)) if report.is_news() || status != Status::Done => {
            let mut text = plan::text::notice(plan, &refusals, report);
            if let Some(shard) = args.shard {
                text.insert_str(0, &format!("shard {shard}\n\n"));
            }
            match last_word(stop, tell(&session, room, &text)).await {
                Ok(()) => Ok(status),
                Err(why) => {
                    error!("the report was not sent to {room}: {why}");
                    Ok(if status == Status::Done { Status::Incomplete } else { status })
                }
            }
        }
        _ => Ok(status),
    }
}

/// Reads the identity providers and the rooms.
async fn read(
    config: &Config,
    args: &SyncArgs,
    stop: &Stop,
    watch: &dyn Watch,
) -> anyhow::Result<(Session, Desired, Actual)> {
    let (desired, session) = join(read_desired(config), Session::connect_to_add(&config.matrix, stop.clone())).await;
    let (mut desired, session) = (desired?, session?);
    desired.restrict(&args.rooms())?;
    if let Some(shard) = args.shard {
        desired.keep(shard);
    }
    if let Adding::Impossible(why) = session.adding() {
        desired.warnings.insert(format!("people are invited rather than added: {why}"));
    }
    let actual = read_actual(&session.reader(), &desired, watch).await?;
    Ok((session, desired, actual))
}

/// Does what belongs to the end of a run, and does not let a run wait for it that is to end.
async fn last_word(stop: &Stop, telling: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let over = async {
        let why = stop.reached().await;
        tokio::time::sleep(LAST_WORD).await;
        why
    };
    tokio::select! {
        told = telling => told,
        why = over => anyhow::bail!("{why}, and it was not taken within {LAST_WORD:?}"),
    }
}

/// Sends the report of a run to its room.
async fn tell(session: &Session, alias: &OwnedRoomAliasId, text: &str) -> anyhow::Result<()> {
    let asked_for = AskedFor { aliases: [alias.clone()].into(), ..AskedFor::default() };
    let (reader, writer) = (session.reader(), session.writer());
    let mut room = reader.read(&asked_for, &Unwatched).await?.rooms.remove(alias);
    if let Some(ActualRoom::Invited(room_id)) = room {
        writer.apply(alias, None, &Change::Join { room_id }).await?;
        room = reader.read(&asked_for, &Unwatched).await?.rooms.remove(alias);
    }
    let room = plan::report_room(alias, room).map_err(anyhow::Error::msg)?;
    Ok(writer.notify(alias, &room, text).await?)
}

/// Reads the rooms, and those that may have been them under another alias or ID.
async fn read_actual(reader: &Reader, desired: &Desired, watch: &dyn Watch) -> anyhow::Result<Actual> {
    let mut actual = reader.read(&plan::asked_for(desired), watch).await?;
    if plan::needs_others(desired, &actual) {
        let mut unknown = plan::unread(&actual);
        if let Some(shard) = desired.shard.filter(|_| !plan::seeks_rooms(desired, &actual)) {
            // Only to find orphaned rooms, each of which is looked at by one shard.
            unknown.retain(|id| shard.holds(id.as_str()));
        }
        if !unknown.is_empty() {
            let others = reader.others(unknown, watch).await?;
            actual.others = others.rooms;
            if let Some(why) = others.gap {
                actual.lose_missing(&why);
            }
        }
    }
    Ok(actual)
}

/// Reads all identity providers, and brings together what they say. One of several may fail: nobody is removed then.
async fn read_desired(config: &Config) -> anyhow::Result<Desired> {
    let answers = read_idps(config).await;
    if let Some(error) = all_failed(&answers) {
        anyhow::bail!(error);
    }
    Ok(merge(config, &answers)?)
}

/// What each identity provider says, in the order of the configuration.
async fn read_idps(config: &Config) -> Vec<Result<Snapshot, IdpError>> {
    join_all(config.idps.iter().map(|idp| async {
        // Names that begin like those of rooms and are none are wanted as well, to be warned of.
        let described = config.group_names(&idp.name);
        let wanted =
            |name: &str| !matches!(idp.convention.read(name), Ok(GroupName::Other)) || described.contains(name);
        let snapshot = idp::fetch(idp, &wanted).await?;
        info!("{}: {} groups, {} accounts", idp.name, snapshot.groups.len(), snapshot.accounts.len());
        Ok::<_, IdpError>(snapshot)
    }))
    .await
}

/// Brings together what the identity providers say.
fn merge(config: &Config, answers: &[Result<Snapshot, IdpError>]) -> Result<Desired, DesiredError> {
    let nothing = Snapshot::default();
    let snapshots: Vec<&Snapshot> = answers.iter().map(|answer| answer.as_ref().unwrap_or(&nothing)).collect();
    let mut desired = Desired::build(config, &snapshots)?;
    for (idp, answer) in config.idps.iter().zip(answers) {
        if let Err(error) = answer {
            desired.lose(&idp.name, &error.to_string());
        }
    }
    Ok(desired)
}

/// What all identity providers failed with, if there is none that did not.
fn all_failed(answers: &[Result<Snapshot, IdpError>]) -> Option<String> {
    let errors: Option<Vec<String>> =
        answers.iter().map(|answer| answer.as_ref().err().map(ToString::to_string)).collect();
    errors.map(|errors| errors.join("; "))
}

/// What is said when the plan is another than the one that was reviewed.
fn not_reviewed(reviewed: &Digest, now: &Digest) -> String {
    format!(
        "nothing was changed, since this is not the plan that was reviewed: --expect says {reviewed}, and the plan is now \
         {now}: the directory, a room or the configuration has changed since, or --kick, --allow-kicks, --room or --value \
         are not those of the dry run: review the plan as it is now, and give its digest to --expect"
    )
}

/// The plan, and why the guard refused its removals, if it did.
fn decide(config: &Config, args: &SyncArgs, desired: &Desired, actual: &Actual, adds: bool) -> (Plan, Vec<Refusal>) {
    let policy = Policy { adds, ..rules::policy(config, args) };
    plan::decide(desired, actual, &policy, &rules::limits(config, args), config.policy.when_refused)
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
