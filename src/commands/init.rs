//! `init`: asks what a configuration needs to know, and writes it.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, BufRead as _, ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum as _;
use tracing::error;

use crate::cli::InitArgs;
use crate::init::{Answers, Kind, Question, next_steps, questions, render, shell};
use crate::printable::harmless;
use crate::report::Status;

/// Asks, writes the configuration, and tells what is left to do.
///
/// # Errors
/// When the file is there already or cannot be written, and when the answers end.
pub(crate) fn run(path: &Path, args: &InitArgs, quiet: bool) -> anyhow::Result<Status> {
    let shown = path.display();
    if path.symlink_metadata().is_ok() {
        anyhow::bail!(
            "{shown} is there already, and is left as it is: name another file with --config FILE, or move it away"
        );
    }
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    let kind = match args.idp {
        Some(kind) => kind,
        None if asks => ask_kind()?,
        None => {
            let kinds: Vec<String> = Kind::value_variants().iter().map(|kind| kind.name()).collect();
            error!(
                "there is no terminal to ask at: give --idp ({}) and what it needs, see inviter help init",
                kinds.join(", ")
            );
            return Ok(Status::Usage);
        }
    };
    let answers = match collect(kind, args, asks)? {
        Ok(answers) => answers,
        Err(why) => {
            error!("{why}");
            return Ok(Status::Usage);
        }
    };
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == ErrorKind::AlreadyExists => {
            anyhow::bail!("{shown} was made by somebody else meanwhile")
        }
        Err(why) => return Err(why).with_context(|| format!("{shown} cannot be made")),
    };
    file.write_all(render(kind, &answers).as_bytes()).with_context(|| format!("{shown} cannot be written"))?;
    if !quiet {
        say(&next(path, kind, &answers));
    }
    Ok(Status::Done)
}

/// The answers; or, where nobody can be asked, what is missing or wrong on the command line.
fn collect(kind: Kind, args: &InitArgs, asks: bool) -> anyhow::Result<Result<Answers, String>> {
    let mut given = args.given();
    let mut answers = Answers::new();
    let mut missing = Vec::new();
    for question in questions(kind) {
        let option = question.option;
        if let Some(answer) = given.remove(option) {
            if let Err(expected) = question.check(&answer) {
                return Ok(Err(format!("--{option}: {expected}")));
            }
            answers.insert(option, answer);
            continue;
        }
        let default = question.default(kind, &answers);
        match default {
            default if asks => {
                answers.insert(option, ask(&question, default.as_deref())?);
            }
            Some(default) if question.has_safe_default => {
                answers.insert(option, default);
            }
            _ => missing.push(format!("--{option}")),
        }
    }
    if let Some(option) = given.keys().next() {
        return Ok(Err(format!("--{option} says nothing of --idp {}", kind.name())));
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Ok(Err(format!("there is no terminal to ask at: --idp {} also needs {missing}", kind.name())));
    }
    Ok(Ok(answers))
}

fn ask_kind() -> anyhow::Result<Kind> {
    let kinds = Kind::value_variants();
    let mut text = String::from("Which identity provider is it?\n");
    for (number, kind) in (1..).zip(kinds) {
        let help = kind.to_possible_value().and_then(|value| Some(value.get_help()?.to_string())).unwrap_or_default();
        let _ = writeln!(text, "  {number}  {:<17} {}", kind.name(), help.replace('`', ""));
    }
    say(&text);
    loop {
        let answer = read(&format!("Number or name [{}]: ", Kind::Openldap.name()))?;
        if answer.is_empty() {
            return Ok(Kind::Openldap);
        }
        let by_number = answer.parse::<usize>().ok().and_then(|number| kinds.get(number.checked_sub(1)?)).copied();
        match by_number.or_else(|| Kind::from_str(&answer, true).ok()) {
            Some(kind) => return Ok(kind),
            None => say(&format!("expected a number from 1 to {}, or a name\n", kinds.len())),
        }
    }
}

fn ask(question: &Question, default: Option<&str>) -> anyhow::Result<String> {
    let prompt = match default {
        Some(default) => format!("{} [{}]: ", question.text, harmless(default)),
        None => format!("{}: ", question.text),
    };
    loop {
        let answer = read(&prompt)?;
        let answer = match default {
            Some(default) if answer.is_empty() => default.to_owned(),
            _ => answer,
        };
        match question.check(&answer) {
            Ok(()) => return Ok(answer),
            Err(expected) => say(&format!("{expected}\n")),
        }
    }
}

/// A line of the terminal.
fn read(prompt: &str) -> anyhow::Result<String> {
    say(prompt);
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line).context("the answer cannot be read, so nothing was written")?;
    anyhow::ensure!(read > 0, "the answers ended before the questions, so nothing was written");
    Ok(line.trim().to_owned())
}

fn say(text: &str) {
    // Who cannot be told is asked in vain, and sees nothing of that either.
    let _ = io::stderr().write_all(text.as_bytes()).and_then(|()| io::stderr().flush());
}

fn next(path: &Path, kind: Kind, answers: &Answers) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(String::new, |folder| format!("{}/", folder.display()));
    let inviter = if path == Path::new("inviter.toml") {
        "inviter".to_owned()
    } else {
        format!("inviter -c {}", shell(&path.display().to_string()))
    };
    let mut text = format!("{} is written. What is left to do:\n", path.display());
    for (number, step) in (1..).zip(next_steps(kind, answers, &folder, &inviter)) {
        let _ = writeln!(text, "  {number}. {}", step.what);
        if let Some(command) = step.command {
            let _ = writeln!(text, "       {command}");
        }
    }
    text
}
