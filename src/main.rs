//! Parses the command line, starts the runtime, and ends with the exit status: nothing else.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use inviter::cli::Cli;
use inviter::printable::harmless;
use inviter::progress::Bars;
use inviter::report::Status;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::prelude::*;

fn main() -> ExitCode {
    let cli = match Cli::try_parse().and_then(Cli::with_a_format_that_fits) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for, and no error.
            let status = if error.use_stderr() { Status::Usage } else { Status::Done };
            return if error.print().is_ok() { status.into() } else { Status::Error.into() };
        }
    };
    let bars = Bars::new(cli.quiet);
    log_to_stderr(&cli, &bars);
    inviter::idp::quieten_ldap_panics();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(inviter::run(&cli, &bars, &mut io::stdout().lock())));
    match result {
        Ok(status) => status.into(),
        Err(error) => {
            // Where standard error is gone as well, the exit status still tells.
            let _ = writeln!(io::stderr(), "error: {}", harmless(&format!("{error:#}")));
            Status::Error.into()
        }
    }
}

/// Only what this program logs itself: the logs of its libraries may hold secrets, or repeat what is told better here.
fn log_to_stderr(cli: &Cli, bars: &Bars) {
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let stderr = bars.stderr();
    let colored = inviter::colored(cli.color, &io::stderr());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || stderr.clone())
        .with_ansi(colored)
        .with_target(false)
        .without_time()
        .fmt_fields(format::debug_fn(harmless_field).delimited(" "));
    tracing_subscriber::registry().with(lines).with(Targets::new().with_target("inviter", level)).init();
}

/// What is logged may quote a directory or a homeserver.
fn harmless_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    match field.name() {
        "message" => write!(writer, "{}", harmless(&value)),
        name => write!(writer, "{name}={}", harmless(&value)),
    }
}
