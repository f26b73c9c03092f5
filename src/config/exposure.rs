//! Secrets that others on the same machine, or on the way, could read: worth a warning in every run.

use std::path::Path;

use url::{Host, Url};

/// A warning, if everybody on the machine can read a file that holds a secret.
///
/// That the file's group can read it is deliberate more often than not: `root:inviter`, or the `fsGroup` of a pod.
#[cfg(unix)]
pub(super) fn readable_by_all(file: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;

    // Kubernetes mounts secrets as links, whose own mode says nothing.
    let real = file.canonicalize().ok()?;
    let mode = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o7777);
    let found = mode(&real)?;
    let can_be_reached = real.ancestors().skip(1).all(|folder| mode(folder).is_none_or(|mode| mode & 0o001 != 0));
    (found & 0o004 != 0 && can_be_reached).then(|| {
        format!(
            "{} holds a secret, and everybody on this machine can read it (mode {found:04o}): chmod 600 it, or in \
             Kubernetes set defaultMode: 0400 for its volume",
            file.display()
        )
    })
}

/// Elsewhere there are no such modes.
#[cfg(not(unix))]
pub(super) fn readable_by_all(_: &Path) -> Option<String> {
    None
}

/// A warning, if what is sent to this place without encryption leaves the machine.
pub(super) fn unencrypted(url: &Url, what: &str) -> Option<String> {
    (!is_loopback(url)).then(|| {
        format!(
            "allow_plaintext: {what} to {}://{} unencrypted, for everybody on the way to read and to change",
            url.scheme(),
            url.host_str().unwrap_or_default()
        )
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // The URL of a scheme that is none of the web's has all hosts as names.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|address: std::net::Ipv4Addr| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_on_the_machine_is_not_warned_of() {
        for (url, is_warned_of) in [
            ("http://localhost:8008", false),
            ("http://127.0.0.2", false),
            ("ldap://127.0.0.1:389", false),
            ("ldap://[::1]", false),
            ("http://matrix.svc", true),
            ("ldap://10.0.0.1", true),
            ("http://localhost.example.com", true),
            ("http://127.0.0.1.example.com", true),
        ] {
            assert_eq!(unencrypted(&Url::parse(url).unwrap(), "x").is_some(), is_warned_of, "{url}");
        }
    }
}
