//! The command line tools of `OpenLDAP`, which speak to every server.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// Runs a tool; whether it succeeded, and what it wrote.
pub fn run(name: &str, ca_file: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(name)
        .env("LDAPTLS_CACERT", ca_file)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} does not start ({error}): run tests/setup"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.as_bytes().to_vec();
    // On a thread of its own, because the tool writes a line for each entry that it reads.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the tool ends");
    let _ = writer.join();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
