//! A terminal for the program: `script` of util-linux.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::installed::on_path;

/// Runs a command line of a shell on a terminal, types the lines, and returns the exit status and what was seen.
pub fn on_terminal(folder: &Path, command: &str, lines: &[&str]) -> (i32, String) {
    let mut child = Command::new(on_path("script"))
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .current_dir(folder)
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is there");
    let mut keyboard = child.stdin.take().expect("stdin is piped");
    for line in lines {
        writeln!(keyboard, "{line}").expect("the terminal takes lines");
    }
    let mut screen = String::new();
    let mut output = child.stdout.take().expect("stdout is piped");
    let _ = std::io::Read::read_to_string(&mut output, &mut screen);
    let status = child.wait().expect("script ends").code().unwrap_or(-1);
    drop(keyboard);
    (status, screen)
}
