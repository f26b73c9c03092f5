//! What a run amounted to, on its way to Prometheus.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::error;
use url::Url;

use crate::cli::SyncArgs;
use crate::matrix::requests_sent;
use crate::metrics::{Run, to_file, to_gateway};
use crate::plan::Plan;
use crate::report::{Report, Status};
use crate::stop::Stop;

/// What a run has come to so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) plan: Option<Plan>,
    pub(crate) report: Option<Report>,
}

/// The address of the Pushgateway, if one is given.
///
/// # Errors
/// When it is none; the text does not repeat it, since it may hold a password.
pub(crate) fn gateway(args: &SyncArgs) -> anyhow::Result<Option<Url>> {
    let Some(given) = &args.pushgateway else { return Ok(None) };
    match Url::parse(given.expose()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => anyhow::bail!("--pushgateway: expected a URL with https:// or http://; nothing was changed"),
    }
}

/// Writes and sends what a run amounted to, however it ended. What goes wrong with that is told, and does not change how the
/// run ends: numbers that grow old raise an alarm themselves.
///
/// A run that found the lock taken did nothing, and leaves the numbers of the other alone.
pub(crate) async fn publish(args: &SyncArgs, seen: &Seen, took: Duration, status: Status, stop: &Stop) {
    if status == Status::Locked || (args.metrics_file.is_none() && args.pushgateway.is_none()) {
        return;
    }
    let shard = args.shard.map(crate::shard::Shard::index);
    let run = Run {
        ended: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64()),
        took,
        status,
        shard,
        requests: requests_sent(),
        plan: seen.plan.as_ref(),
        report: seen.report.as_ref(),
    };
    let text = match run.text() {
        Ok(text) => text,
        Err(why) => return error!("the metrics cannot be made: {why}"),
    };
    if let Some(path) = &args.metrics_file
        && let Err(why) = to_file(path, &text)
    {
        error!("{why}");
    }
    // An address that is none has been told before.
    if let Ok(Some(url)) = gateway(args) {
        let sent = tokio::select! {
            sent = to_gateway(&url, shard, text) => sent,
            () = stop.insisted() => return,
        };
        if let Err(why) = sent {
            error!("{why}");
        }
    }
}
