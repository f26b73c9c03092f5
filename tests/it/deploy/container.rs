//! The last stage of `k8s/Containerfile`, without a container engine: its root folder, and the program in it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::installed::on_path;
use crate::support::recorder::Recorder;

const PROGRAM: &str = env!("CARGO_BIN_EXE_inviter");

fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s/rootfs");
    let done = Command::new(script).arg(PROGRAM).arg(root.path()).status().unwrap();
    assert!(done.success());
    root
}

/// Runs the image's program in its root folder, as the image's user.
fn run(root: &Path, arguments: &[&str]) -> Output {
    Command::new(on_path("chroot"))
        .env_clear()
        .arg("--userspec=65532:65532")
        .arg(root)
        .arg("/usr/bin/inviter")
        .args(arguments)
        .output()
        .expect("chroot starts; it needs root")
}

fn files(folder: &Path, found: &mut BTreeSet<String>, root: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found, root);
        } else {
            found.insert(entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned());
        }
    }
}

#[test]
fn the_image_holds_the_program_its_libraries_and_nothing_that_could_be_started() {
    let root = root();
    let mut found = BTreeSet::new();
    files(root.path(), &mut found, root.path());
    let (libraries, others): (BTreeSet<_>, BTreeSet<_>) = found.into_iter().partition(|file| file.contains(".so"));
    let expected =
        ["etc/group", "etc/nsswitch.conf", "etc/passwd", "etc/ssl/certs/ca-certificates.crt", "usr/bin/inviter"];
    assert_eq!(others, expected.map(str::to_owned).into());
    let names: BTreeSet<&str> = libraries.iter().map(|file| file.rsplit('/').next().unwrap()).collect();
    // The C library and the compiler's: whatever else appears here would be one more thing to keep up to date.
    let known = ["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libgcc_s.so.1", "libm.so.6"];
    // With Kerberos, which the image is built without.
    let kerberos = |name: &str| cfg!(feature = "gssapi") && !name.contains("ssl");
    assert!(names.iter().all(|name| known.contains(name) || kerberos(name)), "{names:?}");
    assert!(fs::metadata(root.path().join("usr/bin/inviter")).unwrap().mtime() == 0, "the same source, the same times");
}

#[test]
fn the_program_runs_in_the_image_as_a_user_who_is_nobody() {
    let root = root();
    let output = run(root.path(), &["--version"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), concat!("inviter ", env!("CARGO_PKG_VERSION"), "\n"));
    let etc = root.path().join("etc/inviter");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("rooms.toml"), "[[rooms]]\nalias = \"#a:example.com\"\nmembers = [\"alice\"]\n").unwrap();
    let config = "[matrix]\nhomeserver = \"https://a\"\n[[idp]]\nname = \"a\"\nmxid_homeserver = \"example.com\"\n\
                  type = \"file\"\npath = \"rooms.toml\"\n";
    fs::write(etc.join("inviter.toml"), config).unwrap();
    let output = run(root.path(), &["-c", "/etc/inviter/inviter.toml", "idp"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("@alice:example.com"), "{output:?}");
}

#[tokio::test]
async fn names_and_public_authorities_are_known_in_the_image() {
    let root = root();
    let recorder = Recorder::start_tls("http://localhost:1").await;
    let etc = root.path().join("etc/inviter");
    fs::create_dir(&etc).unwrap();
    // The kubelet and the container engines bring these two files.
    fs::write(root.path().join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    fs::write(root.path().join("etc/resolv.conf"), "").unwrap();
    let config = format!(
        "[matrix]\nhomeserver = {:?}\naccess_token = \"a\"\n[[idp]]\nname = \"a\"\n\
        mxid_homeserver = \"example.com\"\ntype = \"file\"\npath = \"rooms.toml\"\n",
        recorder.url()
    );
    fs::write(etc.join("inviter.toml"), config).unwrap();
    let path = root.path().to_owned();
    let output = tokio::task::spawn_blocking(move || run(&path, &["-c", "/etc/inviter/inviter.toml", "joined"])).await;
    let said = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
    // The connection is made and the certificate held against those that the image brings, which do not know it.
    assert!(said.contains("UnknownIssuer"), "{said}");
}
