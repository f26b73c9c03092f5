//! Parses the command line, starts the runtime, and ends with the exit status: nothing else.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use inviter::cli::Cli;
use inviter::logs;
use inviter::progress::Bars;
use inviter::report::Status;

fn main() -> ExitCode {
    let cli = match Cli::try_parse().and_then(Cli::with_a_format_that_fits) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for, and no error.
            let status = if error.use_stderr() { Status::Usage } else { Status::Done };
            return if error.print().is_ok() { status.into() } else { Status::Error.into() };
        }
    };
    let bars = Bars::new(&cli);
    logs::begin(&cli, &bars);
    inviter::idp::quieten_ldap_panics();
    // What takes time is the other side: to wake a second thread for each part of an answer would cost more than it brings.
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(inviter::run(&cli, &bars, &mut io::stdout().lock())));
    match result {
        Ok(status) => status.into(),
        Err(error) => {
            logs::end(cli.log_format, &error);
            Status::Error.into()
        }
    }
}
