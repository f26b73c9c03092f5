//! `idp`, `joined` and `managed`: what there is, and nothing is written.

use std::io::Write;

use futures_util::future::join;

use crate::cli::{Format, SyncArgs};
use crate::config::Config;
use crate::list::{Document, IdpList, JoinedList, List, ManagedList};
use crate::matrix::Session;
use crate::plan;
use crate::printer::Printer;
use crate::report::Status;
use crate::watch::Watch;

/// What the identity providers want; the homeserver is not asked for anything.
pub(crate) async fn idp<W: Write>(config: &Config, printer: Printer<'_, W>) -> anyhow::Result<Status> {
    let list = IdpList::of(&crate::read_desired(config).await?);
    let status = if list.is_whole() { Status::Done } else { Status::Incomplete };
    print(List::Idp(list), printer)?;
    Ok(status)
}

/// The rooms that the account has joined.
pub(crate) async fn joined<W: Write>(
    config: &Config,
    watch: &dyn Watch,
    printer: Printer<'_, W>,
) -> anyhow::Result<Status> {
    let session = Session::connect(&config.matrix).await?;
    let reader = session.reader();
    let ids = reader.joined().await?;
    let rooms = reader.others(ids.clone(), watch).await?.rooms;
    let list = JoinedList::of(session.me(), &ids, &rooms);
    let status = if list.is_whole() { Status::Done } else { Status::Incomplete };
    print(List::Joined(list), printer)?;
    Ok(status)
}

/// The rooms that are managed, those that were, and those that cannot be.
pub(crate) async fn managed<W: Write>(
    config: &Config,
    watch: &dyn Watch,
    printer: Printer<'_, W>,
) -> anyhow::Result<Status> {
    let (desired, session) = join(crate::read_desired(config), Session::connect(&config.matrix)).await;
    let (desired, session) = (desired?, session?);
    let reader = session.reader();
    let mut actual = reader.read(&plan::asked_for(&desired), watch).await?;
    actual.others = reader.others(plan::unread(&actual), watch).await?.rooms;
    let plan = plan::compute(&desired, &actual, &crate::rules::policy(config, &SyncArgs::default()));
    let list = ManagedList::of(&desired, &actual, &plan, &config.managed_servers());
    let status = if plan.has_problems() { Status::Incomplete } else { Status::Done };
    print(List::Managed(list), printer)?;
    Ok(status)
}

fn print<W: Write>(list: List, mut printer: Printer<'_, W>) -> anyhow::Result<()> {
    let document = Document::new(list);
    match printer.format {
        Format::Text => printer.text(|dress| document.text(dress)),
        Format::Json => printer.json(&document),
        Format::Markdown => printer.print(&document.markdown()),
        Format::Html => printer.print(&document.html()),
    }
}
