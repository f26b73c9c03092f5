//! Signing in, in each way, and what is told when it fails.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use azure_core::base64::encode_url_safe;
use inviter::config::Config;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};
use serde_json::json;

use super::{ROOM, fetch, fetch_idp, idp, members, root};
use crate::support::graph::{Answer, CLIENT_ID, Graph, SECRET, TENANT};
use crate::support::inviter::{Inviter, Outcome};

fn one_room() -> (Graph, String) {
    let graph = Graph::start();
    let group = {
        let mut world = graph.world();
        let alice = world.user("alice");
        world.group(ROOM, &[&alice], &[])
    };
    let root_id = root(&graph, &[&group]);
    (graph, root_id)
}

/// The program without a homeserver: that it complains about that alone says that the identity provider was read.
fn program(graph: &Graph, root_id: &str, credential: &str) -> Inviter {
    let section = graph.section_without_credential(root_id);
    let section = if credential.contains("azure_cli") {
        section.replace(&format!("client_id = {CLIENT_ID:?}\n"), "")
    } else {
        section
    };
    Inviter::new(&format!(
        "[matrix]\nhomeserver = \"http://127.0.0.1:1\"\nallow_plaintext = true\naccess_token = \"x\"\n[[idp]]\n\
         name = \"azure\"\nmxid_homeserver = \"example.com\"\n{section}{credential}"
    ))
}

async fn read(inviter: &Inviter) -> Outcome {
    inviter.run(&["-vvv", "sync", "--dry-run"]).await.status(1)
}

#[test]
fn a_wrong_secret_is_told_with_what_to_do() {
    let (graph, root_id) = one_room();
    let section = graph.section(&root_id).replace(SECRET, "not-the-secret");
    let told = fetch_idp(&idp(&section, "")).unwrap_err();
    assert!(
        told.starts_with(&format!(
            "identity provider azure: cannot sign in at {} to the tenant {TENANT} with client_secret: \
             AADSTS7000215: Invalid client secret provided.",
            graph.url()
        )),
        "{told}"
    );
    assert!(told.contains("Give the secret's value (not its ID)"), "{told}");
    assert!(!told.contains("not-the-secret"), "{told}");
    assert_eq!((graph.requests(), graph.sign_ins()), (0, 1), "that is not tried again");
}

#[test]
fn an_unknown_application_or_tenant_is_told() {
    let (graph, root_id) = one_room();
    let section = graph.section(&root_id);
    for (from, key) in [(CLIENT_ID, "Check client_id and tenant_id"), (TENANT, "Check tenant_id")] {
        let other = section.replace(from, "00000000-0000-0000-0000-000000000000");
        let told = fetch_idp(&idp(&other, "")).unwrap_err();
        assert!(told.contains(key), "{told}");
    }
}

#[test]
fn a_failure_that_passes_does_not_keep_from_signing_in() {
    let (graph, root_id) = one_room();
    let html = Answer { status: 502, headers: Vec::new(), body: "<html>Bad gateway</html>".into() };
    let busy = Answer::json(503, &json!({ "error": "temporarily_unavailable" }));
    graph.refuse_sign_ins(vec![html.clone(), busy]);
    assert_eq!(members(&fetch(&graph, &root_id, "").unwrap(), ROOM).unwrap(), ["alice"]);
    graph.clear();
    graph.refuse_sign_ins(vec![html; 9]);
    let told = fetch(&graph, &root_id, "").unwrap_err();
    assert!(told.contains("cannot sign in at"), "{told}");
    assert_eq!(graph.sign_ins(), 3);
}

#[test]
fn a_service_that_does_not_answer_is_told() {
    let (graph, root_id) = one_room();
    let url = graph.url();
    let away = |key: &str| {
        graph.section(&root_id).replace(&format!("{key} = {url:?}"), &format!("{key} = \"https://localhost:1\""))
    };
    let told = fetch_idp(&idp(&away("authority_url"), "timeout = \"20s\"\n")).unwrap_err();
    assert!(told.contains("cannot sign in at https://localhost:1") && told.contains("Check authority_url"), "{told}");
    // The token is for a Graph elsewhere, so it is got from where any scope will do.
    graph.refuse_sign_ins(vec![Answer::json(
        200,
        &json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "x" }),
    )]);
    let told = fetch_idp(&idp(&away("graph_url"), "")).unwrap_err();
    assert!(told.contains("at https://localhost:1: no answer: ") && told.contains("Check graph_url"), "{told}");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_told() {
    let (graph, root_id) = one_room();
    let section = graph.section(&root_id);
    let without: Vec<&str> = section.lines().filter(|line| !line.starts_with("ca_file")).collect();
    let without = without.join("\n");
    let told = fetch_idp(&idp(&without, "")).unwrap_err();
    assert!(told.contains("give ca_file if a private authority signed the certificate"), "{told}");
}

#[test]
fn a_token_that_graph_does_not_accept_is_told() {
    let (graph, root_id) = one_room();
    graph.refuse_sign_ins(vec![Answer::json(
        200,
        &json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "x" }),
    )]);
    let told = fetch(&graph, &root_id, "").unwrap_err();
    assert!(told.contains("401 InvalidAuthenticationToken") && told.contains("The token was not accepted"), "{told}");
}

#[test]
fn a_certificate_signs_in_by_an_assertion() {
    let (graph, root_id) = one_room();
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, key.serialize_pem() + certificate.pem().as_str()).unwrap();
        (path, key.der_bytes().to_vec(), encode_url_safe(digest(&SHA256, certificate.der())))
    };
    let (path, public_key, thumbprint) = make("app.pem");
    graph.trust_certificate(public_key, thumbprint);
    let section = graph.section_without_credential(&root_id);
    let with = |path: &Path| {
        let more = format!("credential = \"client_certificate\"\nclient_certificate_file = {path:?}\n");
        fetch_idp(&idp(&section, &more))
    };
    assert_eq!(members(&with(&path).unwrap(), ROOM).unwrap(), ["alice"]);
    let (stranger, ..) = make("stranger.pem");
    let told = with(&stranger).unwrap_err();
    assert!(
        told.contains("AADSTS700027") && told.contains("Upload this certificate to the app registration"),
        "{told}"
    );

    let useless = folder.path().join("useless.pem");
    let certificate = || std::fs::read_to_string(&path).unwrap();
    let elliptic = KeyPair::generate().unwrap().serialize_pem();
    let only = |label: &str| {
        let pem = certificate();
        let start = pem.find(&format!("-----BEGIN {label}")).unwrap();
        let end = pem[start..].find("-----END").unwrap() + start;
        let tail = pem[end..].find('\n').unwrap_or(pem.len() - end) + end;
        pem[start..tail].to_owned() + "\n"
    };
    for (content, reason) in [
        (String::new(), "there is no certificate in it"),
        (only("CERTIFICATE"), "there is no private key in it"),
        (only("PRIVATE KEY"), "there is no certificate in it"),
        (only("CERTIFICATE") + elliptic.as_str(), "its key is no RSA key"),
    ] {
        std::fs::write(&useless, content).unwrap();
        let told = with(&useless).unwrap_err();
        assert!(told.contains(reason) && told.contains("useless.pem"), "{told}");
    }
    assert!(with(&folder.path().join("absent.pem")).unwrap_err().contains("cannot be read: No such file"));
}

#[tokio::test]
async fn a_pod_signs_in_by_the_token_of_its_service_account() {
    let (graph, root_id) = one_room();
    let inviter = program(&graph, &root_id, "credential = \"workload_identity\"\n");
    let told = read(&inviter).await.stderr;
    assert!(told.contains("no token file specified") && told.contains("azure.workload.identity/use"), "{told}");
    let token = inviter.file("token", "the-token-of-the-pod");
    let told = read(&inviter.env("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap())).await.stderr;
    assert!(told.contains("azure: 1 groups, 1 accounts") && !told.contains("the-token-of-the-pod"), "{told}");
}

#[tokio::test]
async fn a_managed_identity_signs_in() {
    let (graph, root_id) = one_room();
    let inviter = program(&graph, &root_id, "credential = \"managed_identity\"\n")
        .env("IDENTITY_ENDPOINT", &format!("{}/msi/token", graph.url()))
        .env("IDENTITY_HEADER", "the-header");
    let told = read(&inviter).await.stderr;
    assert!(told.contains("azure: 1 groups, 1 accounts"), "{told}");
    assert!(!told.contains("eyJ0"), "{told}");
}

#[tokio::test]
async fn a_person_signs_in_by_the_azure_cli() {
    let (graph, root_id) = one_room();
    let inviter = program(&graph, &root_id, "credential = \"azure_cli\"\n");
    let bin = inviter.folder().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let inviter = inviter.env("PATH", &path);
    let told = read(&inviter).await.stderr;
    assert!(told.contains("az login"), "{told}");
    let answer = json!({ "accessToken": graph.issue_token(), "expires_on": 4_102_444_800_u64, "tokenType": "Bearer" });
    let script = bin.join("az");
    std::fs::write(&script, format!("#!/bin/sh\necho \"$@\" >>{}/calls\necho '{answer}'\n", bin.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let told = read(&inviter).await.stderr;
    assert!(told.contains("azure: 1 groups, 1 accounts") && !told.contains("eyJ0"), "{told}");
    let calls = std::fs::read_to_string(bin.join("calls")).unwrap();
    assert_eq!(
        calls,
        format!("account get-access-token -o json --scope {}/.default --tenant {TENANT}\n", graph.url()),
        "once, for all requests"
    );
}

#[tokio::test]
async fn neither_secret_nor_token_is_logged() {
    let (graph, root_id) = one_room();
    let inviter = program(&graph, &root_id, &format!("client_secret = {SECRET:?}\n"));
    let outcome = read(&inviter).await;
    assert!(outcome.stderr.contains("azure: 1 groups, 1 accounts"), "{outcome}");
    assert!(!outcome.stderr.contains("eyJ0") && !outcome.stderr.contains(SECRET), "{outcome}");
}

#[test]
fn each_mistake_in_the_configuration_is_told() {
    let good = format!(
        "[matrix]\nhomeserver = \"https://m\"\naccess_token = \"x\"\n[[idp]]\nname = \"azure\"\ntype = \"entra\"\n\
         mxid_homeserver = \"example.com\"\ntenant_id = {TENANT:?}\nclient_id = {CLIENT_ID:?}\n\
         client_secret = \"hush\"\nroot_group_id = {TENANT:?}\n"
    );
    let parse = |text: &str| Config::parse(Path::new("inviter.toml"), text).map_err(|error| error.to_string());
    parse(&good).unwrap();
    let secret = "client_secret = \"hush\"";
    for (from, to, told) in [
        (
            secret,
            "",
            "inviter.toml:4:1: idp[0].client_secret: the secret is missing: give client_secret_file, or another",
        ),
        (
            secret,
            "client_secret_env = \"INVITER_TEST_UNSET\"",
            "idp[0].client_secret_env: the environment variable INVITER",
        ),
        (secret, "credential = \"password\"", "unknown variant `password`"),
        (secret, "credential = \"client_certificate\"", "the PEM file with certificate and key is missing"),
        (secret, "credential = \"azure_cli\"", "idp[0].client_id: the Azure CLI signs in as itself"),
        ("client_secret =", "credential = \"managed_identity\"\nclient_secret =", "a secret is used only with"),
        (secret, "client_secret = \"a\"\nclient_certificate_file = \"b\"", "a certificate is used only with"),
        (
            secret,
            "client_secret = \"a\"\nauthority_url = \"http://localhost\"",
            "idp[0].authority_url: expected a URL with https://",
        ),
        (
            secret,
            "client_secret = \"a\"\ngraph_url = \"https://localhost/v1.0\"",
            "idp[0].graph_url: only https://, host and port",
        ),
        (
            secret,
            "client_secret = \"a\"\ncloud = \"germany\"",
            "unknown variant `germany`, expected one of `public`, `us_government`, `china`",
        ),
        (
            secret,
            "client_secret = \"a\"\nusername_property = \"nick\"",
            "expected userPrincipalName, mail, mailNickname",
        ),
        (secret, "client_secret = \"a\"\nusername_property = \"extensionAttribute16\"", "not \"extensionAttribute16\""),
        (secret, "client_secret = \"a\"\nowners_groups = { \"#a:b\" = \"../users\" }", "#a:b: expected an ID like"),
        (secret, "client_secret = \"a\"\nguests = \"map\"", "needs a homeserver for each domain"),
        (secret, "client_secret = \"a\"\nguest_homeservers = { \"a.com\" = \"b.com\" }", "only with guests = \"map\""),
        (
            secret,
            "client_secret = \"a\"\nguests = \"map\"\nguest_homeservers = { \"a.com\" = \"example.com\" }",
            "a.com: example.com is the homeserver of the own people, whose names guests could take",
        ),
        (&format!("root_group_id = {TENANT:?}"), "root_group_id = \"Chat\"", "expected an ID like 00000000-"),
        (&format!("tenant_id = {TENANT:?}"), "tenant_id = \"../x\"", "expected the tenant's ID, or one of its domains"),
        (&format!("client_id = {CLIENT_ID:?}"), "", "the ID of the application (app registration) is missing"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        let error = parse(&text).map(|_| ()).unwrap_err();
        assert!(error.contains(told), "{to}: {error}");
        assert!(!error.contains("hush"), "{error}");
    }
    for cloud in ["us_government", "china"] {
        let config = parse(&good.replace(secret, &format!("{secret}\ncloud = {cloud:?}"))).unwrap();
        let inviter::config::IdpKind::Entra(entra) = &config.idps[0].kind else { panic!("{config:?}") };
        assert!(!entra.graph.as_str().contains("graph.microsoft.com") && !entra.authority.as_str().contains(".com"));
    }
}
