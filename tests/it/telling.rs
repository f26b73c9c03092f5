//! What is told on standard error besides errors: progress, and logs as text or JSON.

use std::time::Duration;

use serde_json::Value;

use crate::support::inviter::Inviter;
use crate::support::recorder::Action;
use crate::support::terminal::on_terminal;
use crate::sync::scene::Scene;

const ROOMS: &[(&str, &[&str])] = &[("ops", &["alice*", "bob"]), ("dev", &["alice"])];

/// A homeserver that takes some time for each request.
async fn slow(prefix: &str) -> (Scene, Inviter) {
    let scene = Scene::new(prefix).await;
    let inviter = scene.with_file(ROOMS, "");
    scene.recorder.on_request(|_, _| Action::Delay(Duration::from_millis(150)));
    (scene, inviter)
}

/// The lines of a log in JSON, each of which must be one.
fn lines(stderr: &str) -> Vec<Value> {
    let parsed = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = stderr.lines().map(parsed).collect();
    for line in &lines {
        let time = line["timestamp"].as_str().unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok(), "{line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(line["message"].is_string(), "{line}");
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_log_progress_is_a_line_now_and_then_and_quiet_is_quiet() {
    let (_scene, inviter) = slow("logline").await;
    let every = ["--progress-interval", "40ms", "sync", "--dry-run"];
    let told = inviter.run(&every).await.success().stderr;
    assert!(told.lines().count() > 1, "{told}");
    for line in told.lines() {
        assert!(line.trim_start().starts_with("INFO reading rooms: ") && line.contains(" of 2"), "{told}");
    }
    let told = inviter.run(&[&["--log-format", "json"][..], &every].concat()).await.success().stderr;
    assert!(lines(&told).iter().all(|line| line["message"].as_str().unwrap().starts_with("reading rooms: ")), "{told}");
    assert!(!told.is_empty());
    assert_eq!(inviter.run(&[&["-q"][..], &every].concat()).await.success().stderr, "");
    // A short run tells nothing: the interval is ten seconds.
    assert_eq!(inviter.run(&["sync", "--dry-run"]).await.success().stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_progress_is_a_bar_with_rate_and_remaining_time() {
    let (_scene, inviter) = slow("logbar").await;
    let run = |options: &str| {
        let command = format!("{} {options} sync --dry-run >plan", env!("CARGO_BIN_EXE_inviter"));
        let (status, screen) = on_terminal(inviter.folder(), &command, &[]);
        assert_eq!(status, 0, "{screen}");
        screen
    };
    let (screen, silent) = tokio::task::block_in_place(|| (run(""), run("--quiet")));
    let drawn = screen.contains("reading rooms") && screen.contains("/s, ") && screen.contains(" left");
    assert!(drawn && screen.contains("/2"), "{screen:?}");
    assert_eq!(silent, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_log_in_json_is_json_and_holds_no_secret() {
    let scene = Scene::new("logjson").await;
    let inviter = scene.with_file(ROOMS, "");
    let config = std::fs::read_to_string(inviter.folder().join("inviter.toml")).unwrap();
    // What could steer a terminal is escaped, and still says the same.
    inviter.file("inviter.toml", &config.replace("name = \"people\"", "name = \"pe\u{202e}ople\""));
    let outcome = inviter.run(&["-vv", "--log-format", "json", "sync"]).await.success();
    let log = lines(&outcome.stderr);
    assert!(log.len() > 5, "{}", outcome.stderr);
    assert!(log.iter().any(|line| line["message"].as_str().unwrap().contains("pe\u{202e}ople")), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains('\u{202e}') && !outcome.stderr.contains('\u{1b}'));
    assert!(!outcome.stderr.contains(&scene.me.access_token));
    // In text it looks as ever.
    let text = inviter.run(&["-v", "sync"]).await.success().stderr;
    assert!(text.contains(" INFO pe\\u{202e}ople: "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_that_ends_a_run_is_a_line_of_json_too() {
    let inviter = Inviter::new("[matrix]\nhomeserver = \"https://a\u{202e}b\"\n");
    let text = inviter.run(&["sync"]).await.status(1).stderr;
    let json = inviter.run(&["--log-format", "json", "sync"]).await.status(1).stderr;
    let [line] = &lines(&json)[..] else { panic!("{json}") };
    assert_eq!(line["level"], "ERROR");
    assert!(text.starts_with("error: ") && !json.contains('\u{202e}'));
    assert_eq!(format!("error: {}\n", inviter::printable::harmless(line["message"].as_str().unwrap())), text);
    let quiet = inviter.run(&["-q", "--log-format", "json", "sync"]).await.status(1).stderr;
    assert_eq!(lines(&quiet).len(), 1, "{quiet}");
}
