//! What a run prints.

use serde_json::Value;

use super::scene::{Scene, run, summary};

#[tokio::test(flavor = "multi_thread")]
async fn the_output_is_the_same_bytes_across_runs_and_orders_of_the_input() {
    let scene = Scene::new("bytes").await;
    scene.people(&["alice", "bob", "carol", "dave"]).await;
    let forwards: &[(&str, &[&str])] =
        &[("a", &["alice*", "bob", "carol"]), ("b", &["bob", "dave*"]), ("c", &["carol"]), ("d", &["alice", "dave"])];
    let backwards: &[(&str, &[&str])] =
        &[("d", &["dave", "alice"]), ("c", &["carol"]), ("b", &["dave*", "bob"]), ("a", &["carol", "alice*", "bob"])];
    run(&scene.with_file(&forwards[1..3], ""), &["sync"]).await.success();
    for format in ["text", "json", "markdown", "html"] {
        let arguments = ["sync", "--dry-run", "--format", format];
        let first = run(&scene.with_file(forwards, ""), &arguments).await.success();
        for rooms in [forwards, backwards, forwards, backwards] {
            let again = run(&scene.with_file(rooms, ""), &arguments).await.success();
            assert_eq!(again.stdout, first.stdout);
        }
    }
    // Nor does the order in which a directory answers matter.
    let (one, other) = (scene.directory(&["alice", "bob"]), scene.directory(&["bob", "alice"]));
    for (slapd, members) in [(&one, ["alice", "bob"]), (&other, ["bob", "alice"])] {
        scene.add_group(slapd, &scene.group("e"), &members);
    }
    let mut outputs = Vec::new();
    for slapd in [&one, &other] {
        let stdout = run(&scene.with_directory(slapd, ""), &["sync", "--dry-run"]).await.success().stdout;
        // The two gave the group an ID each, which the digest tells apart.
        let (plan, _) = stdout.split_once("Digest: ").unwrap_or_else(|| panic!("{stdout}"));
        outputs.push(plan.to_owned());
    }
    assert_eq!(outputs[0], outputs[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_one_document_that_fits_the_schema_with_and_without_a_report() {
    let scene = Scene::new("json").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice*"])], "");
    let schema: Value = serde_json::from_str(include_str!("../../../examples/plan.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (arguments, dry) in
        [(&["--format", "json", "sync", "--dry-run"][..], true), (&["--format", "json", "sync"], false)]
    {
        let outcome = run(&inviter, arguments).await.success();
        let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert!(validator.is_valid(&document), "{document:#}");
        assert_eq!((&document["version"], &document["dry_run"]), (&Value::from(1), &Value::from(dry)));
        let first = &document["rooms"][0]["changes"][0];
        assert_eq!(first["action"], "create_room");
        assert_eq!(first["outcome"]["status"], if dry { Value::Null } else { "applied".into() });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_neither_colours_nor_a_progress_bar() {
    let scene = Scene::new("pipe").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    let outcome = run(&inviter, &["sync", "--dry-run"]).await.success();
    assert!(!outcome.stdout.contains('\u{1b}') && outcome.stderr.is_empty(), "{outcome}");
    let colored = run(&inviter, &["sync", "--dry-run", "--color", "always"]).await.success();
    assert!(colored.stdout.contains("\u{1b}["), "{colored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_output_however_verbose() {
    let scene = Scene::new("canary").await;
    scene.people(&["alice"]).await;
    let slapd = scene.directory(&["alice"]);
    scene.add_group(&slapd, &scene.group("ops"), &["alice"]);
    let secrets = [scene.me.access_token.as_str(), slapd.password()];
    let inviter = scene.with_directory(&slapd, "");
    let wrong = Inviter::new(
        &format!("{}{}", scene.matrix_section(), scene.directory_section(&slapd))
            .replace("dc=example,dc=com\"\nbind_password", "dc=example,dc=org\"\nbind_password"),
    );
    for outcome in [
        run(&inviter, &["-vvv", "sync", "--dry-run"]).await.success(),
        run(&inviter, &["-vvv", "sync"]).await.success(),
        run(&wrong, &["-vvv", "sync"]).await.status(1),
    ] {
        assert!(outcome.stderr.contains("DEBUG") || outcome.status == 1, "-vvv must tell something: {outcome}");
        for secret in secrets {
            assert!(!outcome.stdout.contains(secret) && !outcome.stderr.contains(secret), "{outcome}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_refuses_removals_and_lets_the_rest_happen() {
    let scene = Scene::new("guard").await;
    let people = scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    run(&inviter, &["sync"]).await.success();
    scene.accept("ops", &people, &["alice"]).await;
    scene.write_rooms(&inviter, &[("ops", &[]), ("dev", &["bob"])]);
    let dry = run(&inviter, &["sync", "--kick", "--dry-run"]).await.status(4);
    assert!(dry.stdout.contains("The guard refused to remove or demote anybody:"), "{dry}");
    let refused = run(&inviter, &["sync", "--kick"]).await.status(4);
    assert_eq!(summary(&refused), "2 writes: 2 done.");
    assert_eq!(scene.roster("ops").await, ["alice join 0"]);
    assert_eq!(scene.roster("dev").await, ["bob invite 0"]);
    run(&inviter, &["sync", "--kick", "--allow-kicks", "1"]).await.success();
    assert_eq!(scene.roster("ops").await, Vec::<String>::new());
}

use crate::support::inviter::Inviter;
