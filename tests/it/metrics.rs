//! What a run amounted to, for Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use inviter::metrics::{Run, to_file};
use inviter::report::{Outcome, Report, Status};

use crate::planner::world::{World, alias};
use crate::support::installed::on_path;
use crate::support::inviter::{Inviter, Victim};
use crate::support::recorder::Action;
use crate::sync::scene::Scene;

fn monitoring(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring").join(name)
}

fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new(on_path("promtool"))
        .args(arguments)
        .current_dir(monitoring(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}: {}\n{input}", String::from_utf8_lossy(&said));
}

/// The value of a series, which must be there.
fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series}\n{text}")).parse().unwrap()
}

#[test]
fn a_run_in_numbers() {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.want("ops", "carol");
    world.unwant("ops", "bob");
    world.want_room("dev");
    world.want_at("dev", "alice", None);
    world.want_room("#far:elsewhere.org");
    let plan = world.plan();
    let ops = plan.rooms.iter().find(|room| room.alias == alias("ops")).unwrap();
    let report = Report { rooms: [(alias("ops"), vec![Outcome::Applied; ops.changes.len()])].into() };
    let run = Run {
        ended: 1_800_000_000.5,
        took: Duration::from_millis(2250),
        status: Status::Incomplete,
        shard: None,
        requests: 42,
        plan: Some(&plan),
        report: Some(&report),
    };
    let text = run.text().unwrap();
    insta::assert_snapshot!(text);
    promtool(&["check", "metrics"], &text);
    let sharded = Run { shard: Some(3), ..run }.text().unwrap();
    assert_eq!(value(&sharded, "inviter_changes{kind=\"invite\",outcome=\"applied\",shard=\"3\"}"), 1);
    promtool(&["check", "metrics"], &sharded);
    let failed = Run { plan: None, report: None, status: Status::Error, ..run }.text().unwrap();
    assert_eq!(failed.lines().filter(|line| !line.starts_with('#')).count(), 4, "{failed}");
}

#[test]
fn the_rules_are_ones_that_prometheus_takes_and_fire_when_they_should() {
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts_test.yml"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_tells_of_a_real_run_and_has_all_that_the_examples_name() {
    let scene = Scene::new("metrics").await;
    let inviter = scene.with_file(&[("ops", &["alice", "bob"])], "");
    inviter.run(&["sync", "--metrics-file", "inviter.prom"]).await.success();
    let file = inviter.folder().join("inviter.prom");
    let text = fs::read_to_string(&file).unwrap();
    promtool(&["check", "metrics"], &text);
    assert_eq!(value(&text, "inviter_last_run_status"), 0);
    assert_eq!(value(&text, "inviter_rooms{state=\"missing\"}"), 1);
    assert_eq!(value(&text, "inviter_changes{kind=\"create\",outcome=\"applied\"}"), 1);
    assert_eq!(value(&text, "inviter_orphans{state=\"orphaned\"}"), 0);
    assert_eq!(value(&text, "inviter_requests"), scene.recorder.requests().len() as u64);
    for name in ["alerts.yml", "dashboard.json"] {
        let example = fs::read_to_string(monitoring(name)).unwrap();
        let names: BTreeSet<&str> = example
            .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .filter(|word| word.starts_with("inviter_"))
            .collect();
        assert!(names.len() > 2, "{names:?}");
        for name in names {
            assert!(text.contains(&format!("# TYPE {name} gauge\n")), "{name}\n{text}");
        }
    }
    // The next run finds nothing to do, and one without people is refused.
    scene.write_rooms(&inviter, &[("ops", &[])]);
    inviter.run(&["sync", "--kick", "--metrics-file", "inviter.prom"]).await.status(4);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(value(&text, "inviter_last_run_status"), 4);
    assert!(value(&text, "inviter_withheld{reason=\"refused\"}") > 0, "{text}");
    assert_eq!(fs::read_dir(inviter.folder()).unwrap().count(), 3, "no temporary file is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_or_is_stopped_is_told_and_one_that_finds_the_lock_taken_is_not() {
    let scene = Scene::new("metricsend").await;
    let inviter = scene.with_file(&[("ops", &[]), ("dev", &[])], "");
    inviter.run(&["sync"]).await.success();
    scene.write_rooms(&inviter, &[("ops", &["alice", "bob"]), ("dev", &["alice"])]);
    let path = inviter.folder().join("inviter.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("[[idp]]", "concurrency = 1\n[[idp]]")).unwrap();
    let file = inviter.folder().join("inviter.prom");
    let arguments = ["sync", "--metrics-file", "inviter.prom", "--lock-file", "lock"];
    let status = || value(&fs::read_to_string(&file).unwrap(), "inviter_last_run_status");
    let victim = Victim::default();
    scene.recorder.at_write(0, Action::Signal(victim.clone(), "TERM", Duration::from_millis(1500)));
    inviter.spawn(&arguments, &victim).wait().await.status(3);
    assert_eq!(status(), 3);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(value(&text, "inviter_changes{kind=\"invite\",outcome=\"skipped\"}"), 2, "{text}");
    let lock = fs::File::create(inviter.folder().join("lock")).unwrap();
    lock.lock().unwrap();
    inviter.run(&arguments).await.status(75);
    assert_eq!(status(), 3);
    drop(lock);
    inviter.file("rooms.toml", "nonsense");
    inviter.run(&arguments).await.status(1);
    assert_eq!(status(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_is_told_and_the_run_ends_as_it_ends() {
    let scene = Scene::new("metricsbad").await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    let outcome = inviter.run(&["sync", "--metrics-file", "no/such/inviter.prom"]).await.success();
    assert!(outcome.stderr.starts_with("ERROR the metrics cannot be written to no/such/inviter.prom: "), "{outcome}");
}

#[test]
fn whoever_reads_the_file_sees_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inviter.prom");
    let texts = ["a\n".repeat(100_000), "b\n".repeat(100_000)];
    to_file(&path, &texts[0]).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..200 {
                to_file(&path, &texts[round % 2]).unwrap();
            }
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(texts.contains(&text), "{} bytes", text.len());
        }
    });
}

/// A Pushgateway for one request: its address, and what it was asked.
fn gateway(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut part = [0; 4096];
        loop {
            let read = socket.read(&mut part).unwrap();
            request.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let length = text
                .to_lowercase()
                .split_once("content-length: ")
                .and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            if read == 0 || body.is_some_and(|body| body >= length.unwrap_or(0)) {
                socket
                    .write_all(
                        format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes(),
                    )
                    .unwrap();
                return text;
            }
        }
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushgateway_gets_the_numbers_and_its_password_is_not_shown() {
    // It is told of failed runs as well, so that none of the homeserver is needed here.
    let config = "[matrix]\nhomeserver = \"https://localhost:1\"\naccess_token = \"a\"\n[[idp]]\nname = \"a\"\n\
                  mxid_homeserver = \"example.com\"\ntype = \"file\"\npath = \"rooms.toml\"\n";
    let inviter = Inviter::new(config);
    let (address, asked) = gateway("200 OK");
    let outcome = inviter
        .run(&["-vvv", "sync", "--pushgateway", &format!("http://canary:canary@{address}/push")])
        .await
        .status(1);
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("PUT /push/metrics/job/inviter HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("authorization: basic y2fuyxj5omnhbmfyeq=="), "{asked}");
    assert_eq!(value(&asked, "inviter_last_run_status"), 1);
    assert!(!outcome.stderr.contains("canary"), "{outcome}");

    let (address, asked) = gateway("503 Service Unavailable");
    let by_environment = Inviter::new(config).env("INVITER_PUSHGATEWAY", &format!("http://canary:canary@{address}"));
    let outcome = by_environment.run(&["sync", "--shard", "1/2"]).await.status(1);
    assert!(asked.join().unwrap().starts_with("PUT /metrics/job/inviter/shard/1 HTTP/1.1\r\n"));
    assert!(outcome.stderr.contains("ERROR the Pushgateway at 127.0.0.1 did not take the metrics: 503"), "{outcome}");
    assert!(!outcome.stderr.contains("canary"), "{outcome}");

    for bad in ["canary:canary@a", "ftp://canary@a", "http://canary:canary@a b"] {
        let outcome = inviter.run(&["sync", "--pushgateway", bad]).await.status(1);
        let told = "error: --pushgateway: expected a URL with https:// or http://; nothing was changed\n";
        assert_eq!((outcome.stderr.as_str(), outcome.stdout.as_str()), (told, ""));
    }
    let help = by_environment.run(&["help", "sync"]).await.success().stdout;
    assert!(help.contains("INVITER_PUSHGATEWAY") && !help.contains("canary"), "{help}");
}
