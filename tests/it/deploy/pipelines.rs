//! The pipelines of GitHub and GitLab: their scripts run as they stand, against a real homeserver.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use clap::Parser as _;
use inviter::cli::Cli;
use serde_json::Value;

use crate::support::inviter::Inviter;
use crate::sync::scene::Scene;

const GITHUB: &str = include_str!("../../../examples/ci/github-actions.yml");
const GITLAB: &str = include_str!("../../../examples/ci/gitlab-ci.yml");

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// The script of a job of GitHub: its only step that runs something.
fn github(job: &str) -> String {
    let file = yaml(GITHUB);
    assert_eq!(file["defaults"]["run"]["shell"], "bash");
    let steps = file["jobs"][job]["steps"].as_array().unwrap().clone();
    let scripts: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    let [script] = scripts[..] else { panic!("{scripts:?}") };
    script.to_owned()
}

/// The script of a job of GitLab.
fn gitlab(job: &str) -> String {
    let lines = yaml(GITLAB)[job]["script"].as_array().unwrap().clone();
    lines.iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The words of each start of `inviter` in a script.
fn starts(script: &str) -> Vec<Vec<String>> {
    let digest = "0".repeat(64);
    let script = script.replace("\"$(cat plan.digest)\"", &digest).replace("\"$DIGEST\"", &digest);
    let parts = script.split(['\n', '|', '>', ';', '&']).map(str::trim);
    let starts = parts.filter(|part| part.starts_with("inviter "));
    starts.map(|part| part.split(' ').map(str::to_owned).collect()).collect()
}

#[test]
fn every_command_line_of_the_pipelines_is_one_that_inviter_takes() {
    for script in [github("plan"), github("apply"), gitlab("plan"), gitlab("apply")] {
        let starts = starts(&script);
        assert_eq!(starts.len(), 1, "{script}");
        for words in starts {
            let cli = Cli::try_parse_from(&words).and_then(Cli::with_a_format_that_fits);
            cli.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        }
    }
}

#[test]
fn the_pipelines_apply_only_on_the_main_branch_and_when_a_person_says_so() {
    let (github, gitlab) = (yaml(GITHUB), yaml(GITLAB));
    let apply = &github["jobs"]["apply"];
    assert_eq!(
        (&apply["needs"], &apply["environment"], &apply["if"]),
        (
            &"plan".into(),
            &"matrix".into(),
            &"github.ref == 'refs/heads/main' && needs.plan.outputs.digest != ''".into()
        )
    );
    // What the other job hands over, and what this one reads it from.
    assert_eq!(github["jobs"]["plan"]["outputs"]["digest"], "${{ steps.plan.outputs.digest }}");
    assert!(github["jobs"]["plan"]["steps"].as_array().unwrap().iter().any(|step| step["id"] == "plan"));
    let step = apply["steps"].as_array().unwrap().iter().find(|step| step["run"].is_string()).unwrap();
    assert_eq!(step["env"]["DIGEST"], "${{ needs.plan.outputs.digest }}");
    let apply = &gitlab["apply"];
    assert_eq!((&apply["needs"][0], &apply["rules"][0]["when"]), (&"plan".into(), &"manual".into()));
    assert_eq!(apply["rules"].as_array().unwrap().len(), 1);
    assert_eq!(gitlab["plan"]["artifacts"]["paths"], serde_json::json!(["plan.txt", "plan.digest"]));
}

/// Runs a script as a runner does, in the folder of the configuration.
async fn run(inviter: &Inviter, script: &str, variables: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_inviter")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    // As GitHub starts it; the runner of GitLab sets the same options but for norc.
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
    command.current_dir(inviter.folder()).env_clear().env("PATH", path).envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_of_github_applies_what_its_summary_showed_or_nothing() {
    let scene = Scene::new("github").await;
    scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice*"])], "");
    let (output, summary) = (inviter.file("output", ""), inviter.file("summary", ""));
    let files = [("GITHUB_OUTPUT", output.to_str().unwrap()), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let plan = async || {
        fs::write(&output, "").unwrap();
        succeeded(run(&inviter, &github("plan"), &files).await);
        let output = fs::read_to_string(&output).unwrap();
        output.strip_prefix("digest=").unwrap().trim_end().to_owned()
    };
    let digest = plan().await;
    assert!(digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()), "{digest}");
    let shown = fs::read_to_string(&summary).unwrap();
    assert!(shown.contains(&format!("+ invite {} as moderator (50)", scene.user("alice"))), "{shown}");

    // Something else than what was read.
    scene.write_rooms(&inviter, &[("ops", &["alice*", "bob"])]);
    scene.recorder.clear();
    let late = run(&inviter, &github("apply"), &[("DIGEST", &digest)]).await;
    assert_eq!((late.status.code(), scene.recorder.writes()), (Some(1), vec![]), "{late:?}");

    scene.write_rooms(&inviter, &[("ops", &["alice*"])]);
    let done = succeeded(run(&inviter, &github("apply"), &[("DIGEST", &digest)]).await);
    assert!(done.ends_with("2 writes: 2 done.\n"), "{done}");
    assert_eq!(scene.roster("ops").await, ["alice invite 50"]);
    // Then there is nothing to review, and the second job does not start.
    assert_eq!(plan().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_of_gitlab_applies_what_its_plan_showed_or_nothing() {
    let scene = Scene::new("gitlab").await;
    scene.people(&["alice", "bob"]).await;
    let inviter = scene.with_file(&[("ops", &["alice*"])], "");
    let shown = succeeded(run(&inviter, &gitlab("plan"), &[]).await);
    assert_eq!(fs::read_to_string(inviter.folder().join("plan.txt")).unwrap(), shown);
    assert!(shown.contains(&format!("+ invite {} as moderator (50)", scene.user("alice"))), "{shown}");

    scene.write_rooms(&inviter, &[("ops", &["alice*", "bob"])]);
    scene.recorder.clear();
    let late = run(&inviter, &gitlab("apply"), &[]).await;
    assert_eq!((late.status.code(), scene.recorder.writes()), (Some(1), vec![]), "{late:?}");

    scene.write_rooms(&inviter, &[("ops", &["alice*"])]);
    let done = succeeded(run(&inviter, &gitlab("apply"), &[]).await);
    assert!(done.ends_with("2 writes: 2 done.\n"), "{done}");
    assert_eq!(scene.roster("ops").await, ["alice invite 50"]);
    // A plan of nothing has no digest; pressing the button then does nothing.
    succeeded(run(&inviter, &gitlab("plan"), &[]).await);
    assert_eq!(succeeded(run(&inviter, &gitlab("apply"), &[]).await), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_cannot_be_made_ends_the_pipeline() {
    let scene = Scene::new("cipipe").await;
    let inviter = scene.with_file(&[("ops", &[])], "");
    inviter.file("rooms.toml", "[[rooms]]\nno = 1\n");
    let (output, summary) = (inviter.file("output", ""), inviter.file("summary", ""));
    let files = [("GITHUB_OUTPUT", output.to_str().unwrap()), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    for script in [github("plan"), gitlab("plan")] {
        assert!(!run(&inviter, &script, &files).await.status.success(), "{script}");
    }
    assert_eq!(fs::read_to_string(&output).unwrap(), "");
}
