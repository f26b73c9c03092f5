//! The command line tools of `OpenLDAP`, which speak to every server.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Whom to speak to, and as whom.
#[derive(Debug, Clone)]
pub struct Client {
    /// The server.
    pub url: String,
    /// The authority that signed its certificate.
    pub ca_file: PathBuf,
    /// Who binds.
    pub bind_dn: String,
    /// The password of that account.
    pub password: String,
}

impl Client {
    /// Adds entries.
    pub fn add(&self, ldif: &str) {
        self.tool("ldapadd", &[], ldif);
    }

    /// Applies an LDIF with `changetype`s.
    pub fn modify(&self, ldif: &str) {
        self.tool("ldapmodify", &[], ldif);
    }

    /// Deletes an entry.
    pub fn delete(&self, dn: &str) {
        self.tool("ldapdelete", &[dn], "");
    }

    /// Searches below a base and returns unwrapped LDIF.
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> String {
        self.tool("ldapsearch", &[&["-LLL", "-o", "ldif-wrap=no", "-b", base, filter], attributes].concat(), "")
    }

    /// Whether somebody may bind.
    pub fn lets_in(&self) -> bool {
        self.run("ldapwhoami", &[], "").0
    }

    fn tool(&self, name: &str, arguments: &[&str], input: &str) -> String {
        let (ok, output) = self.run(name, arguments, input);
        assert!(ok, "{name} failed at {}: {output}\n{input}", self.url);
        output
    }

    /// Whether a tool succeeded, and what it wrote.
    fn run(&self, name: &str, arguments: &[&str], input: &str) -> (bool, String) {
        let mut child = Command::new(name)
            .env("LDAPTLS_CACERT", &self.ca_file)
            .args(["-x", "-H", &self.url, "-D", &self.bind_dn, "-w", &self.password])
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
        let said = if output.status.success() { output.stdout } else { [output.stdout, output.stderr].concat() };
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// Runs a program to its end and returns what it wrote.
pub fn done(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?} does not start ({error}): run tests/setup"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
