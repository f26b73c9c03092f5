//! What the program prints of them.

use super::browser::seen;
use crate::support::inviter::Inviter;
use crate::sync::scene::{Scene, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_prints_its_plan_and_its_report_in_every_format() {
    let scene = Scene::new("printed").await;
    scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice*", "bob"])], "");
    let (alice, ops) = (scene.user("alice"), scene.alias("ops"));

    let dry = run(&inviter, &["--format", "html", "sync", "--dry-run"]).await.success().stdout;
    assert_eq!(seen(&dry, "h1"), ["What inviter would do"]);
    let text = run(&inviter, &["sync", "--dry-run"]).await.success().stdout;
    let (_, digest) = text.trim_end().split_once("Digest: ").unwrap();
    assert_eq!(seen(&dry, ".digest code"), [digest]);
    let markdown = run(&inviter, &["--format", "markdown", "sync", "--dry-run"]).await.success().stdout;
    assert!(markdown.ends_with(&format!("\n\nDigest: `{digest}`\n")), "{markdown}");

    // What was shown is done, and told in one page.
    let done = run(&inviter, &["--format", "html", "sync", "--expect", digest]).await.success().stdout;
    assert_eq!((seen(&done, "h1"), seen(&done, "h2")), (vec!["What inviter did".to_owned()], vec![ops.clone()]));
    assert_eq!(seen(&done, "td:last-child"), ["done", "done", "done"]);
    assert_eq!(seen(&done, ".summary")[1], "3 writes: 3 done.");
    let nothing = run(&inviter, &["--format", "markdown", "sync"]).await.success().stdout;
    assert_eq!(nothing, "## 1 room: nothing to do\n");

    scene.write_rooms(&inviter, &[("ops", &["alice*", "bob"]), ("dev", &["bob"])]);
    let done = run(&inviter, &["--format", "markdown", "sync"]).await.success().stdout;
    assert!(done.contains("\n## 2 writes: 2 done\n") && !done.contains("Digest"), "{done}");

    // The lists.
    let managed = run(&inviter, &["--format", "html", "managed"]).await.success().stdout;
    assert_eq!(seen(&managed, "h2"), [scene.alias("dev"), ops.clone()]);
    let row = [&alice, "moderator (50)", "invited", &format!("{ops} (people)")].map(str::to_owned);
    assert!(seen(&managed, "td").windows(4).any(|cells| cells == row), "{managed}");
    let idp = run(&inviter, &["--format", "html", "idp"]).await.success().stdout;
    assert_eq!(seen(&idp, "td")[3..6], [alice, "moderator (50)".into(), format!("{ops} (people)")]);
    let joined = run(&inviter, &["--format", "html", "joined"]).await.success().stdout;
    assert_eq!(seen(&joined, "h2"), [scene.alias("dev"), ops]);
    for list in ["managed", "idp", "joined"] {
        let text = run(&inviter, &[list]).await.success().stdout;
        let markdown = run(&inviter, &["--format", "markdown", list]).await.success().stdout;
        assert_eq!(markdown, format!("\n```text\n{text}```\n"));
    }
}

#[tokio::test]
async fn a_command_for_one_person_has_no_page_and_no_markdown() {
    let inviter = Inviter::new("");
    for format in ["html", "markdown"] {
        for command in ["unmanage", "invite-member", "kick-member", "invite-admin"] {
            let arguments = ["--format", format, command, "#a:example.com", "@a:example.com"];
            let refused = inviter.run(&arguments).await.status(64);
            assert!(refused.stdout.is_empty() && refused.stderr.contains("--format text or json"), "{refused}");
        }
    }
}
