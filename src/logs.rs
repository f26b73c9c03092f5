//! What the program logs, on standard error: text for a person, or a JSON object on each line.

use std::fmt;
use std::io::{self, Write};

use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::prelude::*;

use crate::cli::{Cli, LogFormat};
use crate::printable::{HarmlessJson, harmless};
use crate::progress::{Bars, Stderr};

/// Lets what is logged from now on go to standard error.
///
/// Only what this program logs itself: the logs of its libraries may hold secrets, or repeat what is told better here.
pub fn begin(cli: &Cli, bars: &Bars) {
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let progress = if cli.quiet { level } else { level.max(LevelFilter::INFO) };
    let targets = Targets::new().with_target("inviter", level).with_target("inviter::progress", progress);
    let stderr = bars.stderr();
    let registry = tracing_subscriber::registry();
    match cli.log_format {
        LogFormat::Text => {
            let colored = crate::colored(cli.color, &io::stderr());
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(move || stderr.clone())
                .with_ansi(colored)
                .with_target(false)
                .without_time()
                .fmt_fields(format::debug_fn(harmless_field).delimited(" "));
            registry.with(lines).with(targets).init();
        }
        LogFormat::Json => {
            let lines = tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_target(false)
                .with_writer(move || Lines(stderr.clone()));
            registry.with(lines).with(targets).init();
        }
    }
}

/// Tells why a run ended with nothing done.
pub fn end(format: LogFormat, error: &anyhow::Error) {
    match format {
        // Where standard error is gone as well, the exit status still tells.
        LogFormat::Text => drop(writeln!(io::stderr(), "error: {}", harmless(&format!("{error:#}")))),
        LogFormat::Json => tracing::error!("{error:#}"),
    }
}

/// What is logged may quote a directory or a homeserver.
fn harmless_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    match field.name() {
        "message" => write!(writer, "{}", harmless(&value)),
        name => write!(writer, "{name}={}", harmless(&value)),
    }
}

/// Lines of JSON, each of which is written at once: the same with nothing in it that could steer a terminal.
struct Lines(Stderr);

impl Write for Lines {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut line = Vec::with_capacity(buffer.len());
        HarmlessJson(&mut line).write_all(String::from_utf8_lossy(buffer).as_bytes())?;
        self.0.write_all(&line)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
