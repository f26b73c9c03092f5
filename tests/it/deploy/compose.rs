//! `examples/compose.yaml`, and the configuration beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Parser as _;
use inviter::cli::{Cli, Command as Task};
use serde_json::Value;

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn compose_starts_a_run_with_an_end_that_removes_nobody() {
    let text = text("examples/compose.yaml");
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let service = &file["services"]["inviter"];
    let cli = Cli::try_parse_from(["inviter"].into_iter().chain(strings(&service["command"]))).unwrap();
    let Task::Sync(args) = &cli.command else { panic!("{cli:?}") };
    assert!(args.deadline.is_some() && !args.kick && !args.dry_run);
    // What the comment at the top starts instead.
    let starts: Vec<&str> = text.lines().filter_map(|line| line.split_once(" run --rm ")).map(|(_, it)| it).collect();
    assert_eq!(starts, ["inviter", "inviter sync --dry-run"]);
    assert!(matches!(Cli::try_parse_from(starts[1].split(' ')).unwrap().command, Task::Sync(_)));
}

#[test]
fn compose_mounts_the_configuration_and_the_secrets_that_it_names() {
    let file: Value = serde_saphyr::from_str(&text("examples/compose.yaml")).unwrap();
    let service = &file["services"]["inviter"];
    let targets = |key: &str| -> BTreeSet<String> {
        let mounts = service[key].as_array().unwrap();
        for mount in mounts {
            assert!(
                file[key][mount["source"].as_str().unwrap()]["file"].is_string(),
                "{mount} is none of {}",
                file[key]
            );
        }
        mounts.iter().map(|mount| mount["target"].as_str().unwrap().to_owned()).collect()
    };
    // The program looks for its configuration in its working folder.
    let folder = service["working_dir"].as_str().unwrap();
    let name = Cli::try_parse_from(["inviter", "sync"]).unwrap().config;
    assert_eq!(targets("configs"), [format!("{folder}/{}", name.display())].into());
    let config = file["configs"]["inviter"]["file"].as_str().unwrap();
    let config: toml::Value = toml::from_str(&text(&format!("examples/{config}"))).unwrap();
    let wanted = [
        config["matrix"]["access_token_file"].as_str().unwrap().to_owned(),
        config["idp"][0]["bind_password_file"].as_str().unwrap().to_owned(),
    ];
    assert_eq!(targets("secrets"), wanted.into());
}

#[test]
fn compose_gives_the_run_no_more_than_the_image_asks_for() {
    let file: Value = serde_saphyr::from_str(&text("examples/compose.yaml")).unwrap();
    let service = &file["services"]["inviter"];
    let image = text("k8s/Containerfile");
    let user = image.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert_eq!((&service["user"], &service["read_only"]), (&user.into(), &true.into()));
    assert_eq!(strings(&service["cap_drop"]), ["ALL"]);
    assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"]);
    let build = &service["build"];
    assert_eq!((&build["context"], &build["dockerfile"]), (&"..".into(), &"k8s/Containerfile".into()));
    assert!(image.contains("FROM scratch") && image.contains("ENTRYPOINT [\"/usr/bin/inviter\"]"));
}
