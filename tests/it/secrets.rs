//! Secrets stay where they are.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use inviter::config::Config;
use serde_json::json;

use crate::support::graph::Graph;
use crate::support::inviter::{Inviter, Outcome};
use crate::support::recorder::Action;
use crate::sync::scene::Scene;

const FILE_IDP: &str = "[[idp]]\nname = \"a\"\ntype = \"file\"\nmxid_homeserver = \"a\"\npath = \"a.toml\"\n";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn warnings(folder: &Path, matrix: &str, idp: &str) -> BTreeSet<String> {
    let text = format!("[matrix]\n{matrix}\n{idp}");
    let config = folder.join("inviter.toml");
    fs::write(&config, &text).unwrap();
    Config::load(&config, &[]).unwrap_or_else(|error| panic!("{error}")).warnings
}

#[test]
fn a_file_with_a_secret_that_everybody_can_read_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    set_mode(folder.path(), 0o755);
    let by_file = "homeserver = \"https://a\"\naccess_token_file = \"link\"";
    let inline = "homeserver = \"https://a\"\naccess_token = \"a\"";
    fs::write(path("token"), "canary\n").unwrap();
    fs::write(path("inviter.toml"), "").unwrap();
    symlink("token", path("link")).unwrap();
    let told = |name: &str, mode: &str| {
        let text = format!(
            "{} holds a secret, and everybody on this machine can read it (mode {mode}): chmod 600 it, or in Kubernetes set \
             defaultMode: 0400 for its volume",
            path(name).display()
        );
        BTreeSet::from([text])
    };
    for (mode, expected) in [(0o600, [].into()), (0o640, [].into()), (0o440, [].into()), (0o644, told("link", "0644"))]
    {
        set_mode(&path("token"), mode);
        assert_eq!(warnings(folder.path(), by_file, FILE_IDP), expected, "{mode:o}");
    }
    // The configuration itself counts where it holds a secret.
    set_mode(&path("token"), 0o600);
    set_mode(&path("inviter.toml"), 0o644);
    assert_eq!(warnings(folder.path(), inline, FILE_IDP), told("inviter.toml", "0644"));
    assert_eq!(warnings(folder.path(), by_file, FILE_IDP), [].into());
    set_mode(&path("inviter.toml"), 0o600);
    assert_eq!(warnings(folder.path(), inline, FILE_IDP), [].into());
    // Keys of certificates count as well.
    fs::write(path("key.pem"), "").unwrap();
    set_mode(&path("key.pem"), 0o644);
    let ldap = "[[idp]]\nname = \"a\"\ntype = \"ldap\"\nmxid_homeserver = \"a\"\nurl = \"ldaps://a\"\ngroup_base = \"a=a\"\n\
                user_base = \"a=a\"\nclient_certificate_file = \"c.pem\"\nclient_key_file = \"key.pem\"\n";
    assert_eq!(warnings(folder.path(), inline, ldap), told("key.pem", "0644"));
    // Nobody else can get at what is in a closed folder.
    set_mode(folder.path(), 0o700);
    assert_eq!(warnings(folder.path(), inline, ldap), [].into());
}

#[test]
fn what_travels_unencrypted_is_refused_or_warned_of_in_each_run() {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o700);
    let ldap = "[[idp]]\nname = \"a\"\ntype = \"ldap\"\nmxid_homeserver = \"a\"\nurl = \"ldap://10.0.0.1\"\nallow_plaintext = true\n\
                group_base = \"a=a\"\nuser_base = \"a=a\"\n";
    let matrix = "homeserver = \"http://matrix.svc\"\nallow_plaintext = true\naccess_token = \"a\"";
    let expected = [
        "allow_plaintext: passwords and answers go to ldap://10.0.0.1 unencrypted, for everybody on the way to read and to change",
        "allow_plaintext: the access token goes to http://matrix.svc unencrypted, for everybody on the way to read and to change",
    ];
    assert_eq!(warnings(folder.path(), matrix, ldap), expected.map(str::to_owned).into());
    for text in [
        format!("[matrix]\n{}\n{FILE_IDP}", matrix.replace("allow_plaintext = true\n", "")),
        format!("[matrix]\n{matrix}\n{}", ldap.replace("allow_plaintext = true\n", "")),
    ] {
        let error = Config::parse(Path::new("inviter.toml"), &text).unwrap_err().to_string();
        assert!(error.contains("travels unencrypted"), "{error}");
    }
}

#[test]
fn there_is_no_key_that_turns_the_verification_of_certificates_off() {
    for key in ["insecure", "verify", "tls_verify", "verify_certificate", "danger_accept_invalid_certs", "skip_verify"]
    {
        for section in ["[matrix]\n", "[[idp]]\ntype = \"ldap\"\n", "[[idp]]\ntype = \"entra\"\n"] {
            let before = if section == "[matrix]\n" {
                ""
            } else {
                "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n"
            };
            let error =
                Config::parse(Path::new("inviter.toml"), &format!("{before}{section}{key} = true\n")).unwrap_err();
            assert!(error.to_string().contains(&format!("unknown field `{key}`")), "{error}");
        }
    }
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // That one verifies with rustls' own verifier, and tells more when it fails.
            if path.ends_with("idp/ldap/tls.rs") {
                assert_eq!(text.matches("Arc::new(verifier)").count(), 1);
                continue;
            }
            for word in ["danger_accept", "tls_danger", ".dangerous()", "set_no_tls_verify", "ServerCertVerifier"] {
                assert!(!text.contains(word), "{} has {word}", path.display());
            }
        }
    }
}

#[test]
fn no_option_takes_a_secret() {
    let commands =
        ["sync", "idp", "joined", "managed", "unmanage", "invite-member", "kick-member", "invite-admin", "import"];
    for command in commands {
        let help = Command::new(env!("CARGO_BIN_EXE_inviter")).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8_lossy(&help.stdout).to_lowercase();
        assert!(help.contains("--format"), "{help}");
        for option in help.split_whitespace().filter(|word| word.starts_with('-')) {
            assert!(!["token", "password", "secret", "key"].iter().any(|word| option.contains(word)), "{option}");
        }
    }
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let ldap =
        "[[idp]]\nname = \"a\"\ntype = \"ldap\"\nmxid_homeserver = \"a\"\ngroup_base = \"a=a\"\nuser_base = \"a=a\"\n";
    for url in [
        "https://user:canary@a",
        "https://canary@a",
        "https://user:canary@a b",
        "user:canary@a",
        "https://user:canary@",
    ] {
        for text in [
            format!("[matrix]\nhomeserver = {url:?}\naccess_token = \"a\"\n{FILE_IDP}"),
            format!(
                "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n{ldap}url = {:?}\n",
                url.replace("https", "ldaps")
            ),
            format!(
                "[matrix]\nhomeserver = \"https://a\"\naccess_token = \"a\"\n{ldap}url = [{:?}]\n",
                url.replace("https", "ldaps")
            ),
        ] {
            let error = Config::parse(Path::new("inviter.toml"), &text).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}

/// What was said in all, by every command in every format with all that is logged.
async fn all_output(inviter: &Inviter, alias: &str) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for command in [
        &["sync", "--dry-run", "--kick"][..],
        &["sync", "--kick"],
        &["idp"],
        &["joined"],
        &["managed"],
        &["unmanage", alias, "@guest:elsewhere.org", "--dry-run"],
        &["invite-admin", alias, "@guest:elsewhere.org", "--dry-run"],
        &["kick-member", alias, "@guest:elsewhere.org"],
    ] {
        for format in ["text", "json"] {
            outcomes.push(inviter.run(&[&["-vvv", "--format", format], command].concat()).await);
        }
    }
    outcomes
}

#[track_caller]
fn tells_none(outcomes: &[Outcome], canaries: &[&str]) {
    for outcome in outcomes {
        for canary in canaries {
            let is_told = outcome.stdout.contains(canary) || outcome.stderr.contains(canary);
            assert!(!is_told, "{canary} is told\n{outcome}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_whatever_happens() {
    let scene = Scene::new("untold").await;
    scene.people(&["alice"]).await;
    let slapd = scene.directory(&["alice"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice"]);
    let section = scene.directory_section(&slapd);
    let by_env =
        section.replace(&format!("bind_password = {:?}", slapd.password()), "bind_password_env = \"BIND_CANARY\"");
    let token = scene.me.access_token.clone();
    let config = format!("[matrix]\nhomeserver = {:?}\nallow_plaintext = true\n", scene.recorder.url());
    let alias = scene.alias("ops");
    let inviter = |idp: &str, token: &str, password: &str| {
        Inviter::new(&format!("{config}{idp}"))
            .env("INVITER_MATRIX__ACCESS_TOKEN", token)
            .env("BIND_CANARY", password)
            .env("UNRELATED", "canary-unrelated")
    };
    let canaries = [token.as_str(), slapd.password(), "canary-token", "canary-password", "canary-unrelated"];
    let answer =
        |status: u16, body: serde_json::Value| Action::Answer { status, headers: Vec::new(), body: body.to_string() };
    for action in [
        Action::Forward,
        answer(401, json!({ "errcode": "M_UNKNOWN_TOKEN", "error": "no" })),
        answer(502, json!("<html>")),
        Action::DropBefore,
    ] {
        // Alternately the first requests and the later ones.
        for part in ["whoami", "/state", "createRoom", "invite"] {
            let action = action.clone();
            scene.recorder.on_request(
                move |_, request| if request.path.contains(part) { action.clone() } else { Action::Forward },
            );
            let outcome = inviter(&by_env, &token, slapd.password()).run(&["-vvv", "sync", "--kick"]).await;
            tells_none(&[outcome], &canaries);
        }
    }
    scene.recorder.forward_all();
    tells_none(&all_output(&inviter(&by_env, &token, slapd.password()), &alias).await, &canaries);
    tells_none(&all_output(&inviter(&section, &token, ""), &alias).await, &canaries);
    let wrong = all_output(&inviter(&by_env, "canary-token", "canary-password"), &alias).await;
    assert!(wrong.iter().all(|outcome| outcome.status == 1), "{wrong:?}");
    tells_none(&wrong, &canaries);
    let sent = |text: &str| text.contains(slapd.password()) || text.contains("canary-password");
    assert!(!scene.recorder.requests().iter().any(|request| sent(&request.body) || sent(&request.path)));
    let debug = Config::parse(Path::new("inviter.toml"), &format!("{}{section}", scene.matrix_section())).unwrap();
    assert!(!canaries.iter().any(|canary| format!("{debug:#?}").contains(canary)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_an_app_is_told() {
    let graph = Graph::start();
    let root = crate::entra::root(&graph, &[]);
    let matrix = "[matrix]\nhomeserver = \"http://127.0.0.1:9\"\nallow_plaintext = true\naccess_token = \"canary-token\"\n\
                  [[idp]]\nname = \"azure\"\nmxid_homeserver = \"a\"\n";
    let sound = format!("{matrix}{}", graph.section(&root));
    let secret =
        sound.lines().find_map(|line| line.strip_prefix("client_secret = ")).unwrap().trim_matches('"').to_owned();
    for (text, status) in [(sound.clone(), 0), (sound.replace(&secret, "canary-secret"), 1)] {
        let inviter = Inviter::new(&text);
        let outcome = inviter.run(&["-vvv", "idp"]).await.status(status);
        tells_none(&[outcome], &[&secret, "canary-token", "canary-secret"]);
        let outcome = inviter.run(&["-vvv", "sync"]).await.status(1);
        tells_none(&[outcome], &[&secret, "canary-token", "canary-secret"]);
    }
}
