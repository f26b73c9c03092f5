//! The manifests under `k8s/`, as Kubernetes would take them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use inviter::cli::Cli;
use inviter::config::Config;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Namespace, PodSpec, Secret, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::installed::kubectl;

const OVERLAYS: [&str; 3] = ["ldap", "entra", "sharded"];
const SECRETS: [&str; 2] = ["matrix-token", "directory-password"];

/// A copy of `k8s/` with the secrets that are never in the repository.
fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s");
    let done = Command::new("cp").arg("-r").arg(&source).arg(folder.path()).status().unwrap();
    assert!(done.success());
    let secrets = folder.path().join("k8s/overlays/ldap/secrets");
    for name in SECRETS {
        fs::write(secrets.join(name), "a-secret\n").unwrap();
    }
    folder
}

/// What `kubectl kustomize` makes of an overlay.
fn build(overlay: &str) -> Vec<Value> {
    let folder = copy();
    let output = Command::new(kubectl())
        .arg("kustomize")
        .arg(folder.path().join("k8s/overlays").join(overlay))
        .output()
        .expect("kubectl starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{overlay}: {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// Reads an object as its type, and refuses what the type does not know.
fn typed<T: DeserializeOwned + Serialize>(object: &Value) -> T {
    let read: T = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object:#}"));
    let known = serde_json::to_value(&read).unwrap();
    assert_eq!(&known, object, "Kubernetes does not know a field of this");
    read
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

fn only<T: DeserializeOwned + Serialize>(objects: &[Value], name: &str) -> T {
    let found: Vec<&Value> = objects.iter().filter(|object| kind(object) == name).collect();
    let [object] = found[..] else { panic!("{} of {name}", found.len()) };
    typed(object)
}

fn pod(job: &CronJob) -> PodSpec {
    job.spec.clone().unwrap().job_template.spec.unwrap().template.spec.unwrap()
}

fn container(job: &CronJob) -> Container {
    let containers = pod(job).containers;
    let [container] = &containers[..] else { panic!("{} containers", containers.len()) };
    container.clone()
}

#[test]
fn every_object_is_one_that_kubernetes_knows_field_by_field() {
    for overlay in OVERLAYS {
        let objects = build(overlay);
        for object in &objects {
            match kind(object) {
                "Namespace" => drop(typed::<Namespace>(object)),
                "ServiceAccount" => drop(typed::<ServiceAccount>(object)),
                "ConfigMap" => drop(typed::<ConfigMap>(object)),
                "Secret" => drop(typed::<Secret>(object)),
                "CronJob" => drop(typed::<CronJob>(object)),
                "NetworkPolicy" => drop(typed::<NetworkPolicy>(object)),
                // No type of Kubernetes itself.
                "ExternalSecret" => assert_eq!(object["apiVersion"], "external-secrets.io/v1"),
                other => panic!("{overlay}: {other}"),
            }
        }
        let kinds: BTreeSet<&str> = objects.iter().map(kind).collect();
        assert!(kinds.is_superset(&["CronJob", "ConfigMap", "NetworkPolicy", "ServiceAccount"].into()), "{kinds:?}");
    }
}

#[test]
#[should_panic(expected = "does not know a field")]
fn a_field_that_kubernetes_does_not_know_is_noticed() {
    let mut account = build("ldap").into_iter().find(|object| kind(object) == "ServiceAccount").unwrap();
    account["automountServiceAcountToken"] = false.into();
    typed::<ServiceAccount>(&account);
}

#[test]
fn every_command_line_is_one_that_inviter_takes() {
    for overlay in OVERLAYS {
        let container = container(&only(&build(overlay), "CronJob"));
        let completion = container.env.iter().flatten().map(|variable| format!("$({})", variable.name));
        // What the kubelet puts in their place: the number of the pod.
        let args = container.args.unwrap().join("\n");
        let args = completion.fold(args, |args, variable| args.replace(&variable, "0"));
        let cli = Cli::try_parse_from(["inviter"].into_iter().chain(args.lines())).unwrap();
        assert_eq!(cli.config, Path::new("/etc/inviter/inviter.toml"), "{overlay}");
        assert!(container.command.is_none(), "{overlay}: the image says which program it is");
    }
}

#[test]
fn every_configuration_is_read_and_its_files_are_mounted() {
    for overlay in OVERLAYS {
        let objects = build(overlay);
        let config: ConfigMap = only(&objects, "ConfigMap");
        let text = &config.data.unwrap()["inviter.toml"];
        let pod = pod(&only(&objects, "CronJob"));
        let mounted: BTreeSet<String> = if overlay == "entra" {
            let secret = objects.iter().find(|object| kind(object) == "ExternalSecret").unwrap();
            assert_eq!(secret["spec"]["target"]["name"], "inviter");
            let data = secret["spec"]["data"].as_array().unwrap();
            data.iter().map(|entry| entry["secretKey"].as_str().unwrap().to_owned()).collect()
        } else {
            let secret: Secret = only(&objects, "Secret");
            let volume = pod.volumes.as_ref().unwrap().iter().find_map(|volume| volume.secret.clone()).unwrap();
            assert_eq!(volume.secret_name, secret.metadata.name, "{overlay}");
            secret.data.unwrap().into_keys().collect()
        };
        let folder = tempfile::tempdir().unwrap();
        let mut wanted = BTreeSet::new();
        let mut local = text.clone();
        for line in text.lines().filter(|line| line.contains("/run/secrets/inviter/")) {
            let name = line.rsplit('/').next().unwrap().trim_end_matches('"');
            fs::write(folder.path().join(name), "a-secret").unwrap();
            wanted.insert(name.to_owned());
            let here = folder.path().to_str().unwrap();
            local = local.replace("/run/secrets/inviter", here);
        }
        assert_eq!(mounted, wanted, "{overlay}: the secrets that are there, and those that the configuration names");
        Config::parse(Path::new("inviter.toml"), &local).unwrap_or_else(|error| panic!("{overlay}: {error}"));
    }
}

#[test]
fn every_pod_has_as_little_power_as_it_can_have() {
    for overlay in OVERLAYS {
        let objects = build(overlay);
        let job: CronJob = only(&objects, "CronJob");
        let spec = job.spec.clone().unwrap();
        assert_eq!(spec.concurrency_policy.as_deref(), Some("Forbid"));
        assert!(spec.starting_deadline_seconds.is_some() && spec.failed_jobs_history_limit.is_some());
        let run = spec.job_template.spec.unwrap();
        assert!(run.active_deadline_seconds.is_some() && run.ttl_seconds_after_finished.is_some());
        let (pod, container) = (pod(&job), container(&job));
        assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.service_account_name.as_deref(), Some("inviter"));
        let context = pod.security_context.unwrap();
        assert_eq!((context.run_as_non_root, context.run_as_user), (Some(true), Some(65532)));
        assert_eq!(context.seccomp_profile.unwrap().type_, "RuntimeDefault");
        let context = container.security_context.unwrap();
        assert_eq!(context.allow_privilege_escalation, Some(false));
        assert_eq!(context.read_only_root_filesystem, Some(true));
        assert_eq!(context.capabilities.unwrap().drop.unwrap(), ["ALL"]);
        let resources = container.resources.unwrap();
        assert!(resources.requests.unwrap().contains_key("memory") && resources.limits.unwrap().contains_key("memory"));
        assert!(container.volume_mounts.unwrap().iter().all(|mount| mount.read_only == Some(true)));
        let secret = pod.volumes.unwrap().into_iter().find_map(|volume| volume.secret).unwrap();
        assert_eq!(secret.default_mode, Some(0o440));
        let policy: NetworkPolicy = only(&objects, "NetworkPolicy");
        assert_eq!(policy.spec.unwrap().policy_types.unwrap(), ["Ingress", "Egress"]);
        let namespace: Namespace = only(&objects, "Namespace");
        assert_eq!(namespace.metadata.labels.unwrap()["pod-security.kubernetes.io/enforce"], "restricted");
    }
}

#[test]
fn a_pod_is_given_longer_than_the_run_gives_itself() {
    for overlay in OVERLAYS {
        let job: CronJob = only(&build(overlay), "CronJob");
        let args = container(&job).args.unwrap();
        let own = args.iter().find_map(|arg| arg.strip_prefix("--deadline=")).expect("a run has a deadline");
        let own = humantime::parse_duration(own).unwrap().as_secs();
        let limit = job.spec.unwrap().job_template.spec.unwrap().active_deadline_seconds.unwrap();
        assert!(u64::try_from(limit).unwrap() > own + 60, "{overlay}: {limit} s for a run of {own} s");
    }
}

#[test]
fn the_shards_are_as_many_as_the_pods() {
    let job: CronJob = only(&build("sharded"), "CronJob");
    let args = container(&job).args.unwrap();
    let run = job.spec.unwrap().job_template.spec.unwrap();
    assert_eq!(run.completion_mode.as_deref(), Some("Indexed"));
    assert_eq!(run.completions, run.parallelism);
    let shard = args.iter().find_map(|arg| arg.strip_prefix("--shard=")).expect("each pod has a shard");
    assert_eq!(shard, format!("$(SHARD)/{}", run.completions.unwrap()));
    // With a limit for each shard there must be none for all: the first failure would end the others.
    assert_eq!((run.backoff_limit, run.backoff_limit_per_index), (None, Some(0)));
    assert_eq!(run.max_failed_indexes, run.completions);
}

#[test]
fn workload_identity_is_asked_for_where_there_is_no_secret() {
    let objects = build("entra");
    let job: CronJob = only(&objects, "CronJob");
    let template = job.spec.unwrap().job_template.spec.unwrap().template.metadata.unwrap();
    assert_eq!(template.labels.unwrap()["azure.workload.identity/use"], "true");
    let account: ServiceAccount = only(&objects, "ServiceAccount");
    assert!(account.metadata.annotations.unwrap().contains_key("azure.workload.identity/client-id"));
}

#[test]
fn a_missing_secret_is_told_by_name() {
    let folder = copy();
    fs::remove_file(folder.path().join("k8s/overlays/ldap/secrets/matrix-token")).unwrap();
    let overlay = folder.path().join("k8s/overlays/ldap");
    let output = Command::new(kubectl()).arg("kustomize").arg(overlay).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("secrets/matrix-token"));
}

#[test]
fn the_commands_of_the_readme_make_an_overlay_of_ones_own() {
    let folder = copy();
    let etc = tempfile::tempdir().unwrap();
    for name in SECRETS {
        fs::write(etc.path().join(name), "mine").unwrap();
    }
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let lines = readme.lines().skip_while(|line| !line.contains("cp -r k8s/overlays/ldap"));
    let block: Vec<&str> = lines.take_while(|line| !line.is_empty()).map(str::trim).collect();
    let (last, before) = block.split_last().expect("the README tells how");
    assert_eq!(*last, "kubectl apply -k k8s/overlays/mine");
    let script = before
        .join("\n")
        .replace("/etc/inviter", etc.path().to_str().unwrap())
        .replace("kubectl", kubectl().to_str().unwrap());
    let output = Command::new("sh").args(["-ec", &script]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let secret: Secret = only(&serde_saphyr::from_multiple::<Value>(&text).unwrap(), "Secret");
    assert_eq!(secret.data.unwrap()["matrix-token"].0, b"mine");
}
