//! What a shell and a manual want to know of the command line.

use std::io::Write;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArgs, ManArgs};

/// The name under which the program is called.
const PROGRAM: &str = "inviter";

/// Prints a script that completes the command line in a shell.
pub(crate) fn completions(args: CompletionsArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), PROGRAM, &mut script);
    out.write_all(&script).context("the completions cannot be printed")
}

/// Writes the manual pages, one for each command, into a folder, or prints that of the program.
pub(crate) fn man(args: &ManArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(folder) = &args.folder else {
        return clap_mangen::Man::new(Cli::command()).render(out).context("the manual page cannot be printed");
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("the manual pages cannot be written into {}", folder.display()))
}
