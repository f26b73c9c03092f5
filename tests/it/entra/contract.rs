//! The double answers as the published metadata of Graph (v1.0) and its documentation have it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::root;
use crate::support::graph::{Graph, Kind};

/// Names and types of the properties that are used, after the metadata: all but `id` and `groupTypes` may be null.
const PROPERTIES: [(&str, &[(&str, &str)]); 5] = [
    (
        "user",
        &[
            ("accountEnabled", "Boolean"),
            ("displayName", "String"),
            ("id", "String"),
            ("mail", "String"),
            ("mailNickname", "String"),
            ("onPremisesExtensionAttributes", "onPremisesExtensionAttributes"),
            ("onPremisesSamAccountName", "String"),
            ("userPrincipalName", "String"),
            ("userType", "String"),
        ],
    ),
    (
        "group",
        &[
            ("deletedDateTime", "DateTimeOffset"),
            ("displayName", "String"),
            ("groupTypes", "Collection(String)"),
            ("id", "String"),
            ("mail", "String"),
            ("mailEnabled", "Boolean"),
            ("mailNickname", "String"),
            ("onPremisesSyncEnabled", "Boolean"),
            ("securityEnabled", "Boolean"),
            ("visibility", "String"),
        ],
    ),
    ("servicePrincipal", &[("accountEnabled", "Boolean"), ("displayName", "String"), ("id", "String")]),
    ("device", &[("accountEnabled", "Boolean"), ("displayName", "String"), ("id", "String")]),
    ("orgContact", &[("displayName", "String"), ("id", "String"), ("mail", "String")]),
];

fn fits(value: &Value, kind: &str, name: &str) -> bool {
    match kind {
        _ if value.is_null() => !matches!(name, "id" | "groupTypes"),
        "Boolean" => value.is_boolean(),
        "Collection(String)" => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        "onPremisesExtensionAttributes" => value.as_object().is_some_and(|it| {
            it.iter()
                .all(|(key, value)| key.starts_with("extensionAttribute") && (value.is_null() || value.is_string()))
        }),
        _ => value.is_string(),
    }
}

/// A client of the double with a token.
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    fn new(graph: &Graph) -> Self {
        let ca = reqwest::Certificate::from_pem(&std::fs::read(graph.ca_file()).unwrap()).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap();
        Self { http, url: graph.url(), token: graph.issue_token() }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.get_with(path, "session").await
    }

    async fn get_with(&self, path: &str, consistency: &str) -> (u16, Value) {
        let url = if path.starts_with("https") { path.to_owned() } else { format!("{}/v1.0{path}", self.url) };
        let request = self.http.get(url).bearer_auth(&self.token).header("ConsistencyLevel", consistency);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn everything(graph: &Graph) -> String {
    let group = {
        let mut world = graph.world();
        let (alice, guest) = (world.user("alice"), world.guest("bob", "partner.com"));
        let others = [Kind::ServicePrincipal, Kind::Device, Kind::OrgContact].map(|kind| {
            let name = kind.name();
            world.other(kind, name)
        });
        let inner = world.group("inner", &[&alice], &[]);
        let mut members: Vec<&str> = others.iter().map(String::as_str).collect();
        members.extend([alice.as_str(), &guest, &inner]);
        world.group("all", &members, &[&alice])
    };
    root(graph, &[&group]);
    group
}

#[tokio::test]
async fn entries_have_the_names_and_types_of_the_metadata() {
    let graph = Graph::start();
    let group = everything(&graph);
    let client = Client::new(&graph);
    let types: BTreeMap<&str, &[(&str, &str)]> = PROPERTIES.into();
    let select = "id,displayName,accountEnabled,userPrincipalName,userType,mail,mailNickname,groupTypes,mailEnabled,\
                  onPremisesExtensionAttributes,onPremisesSamAccountName,onPremisesSyncEnabled,visibility,deletedDateTime";
    for path in ["members", "transitiveMembers", "owners"] {
        for query in [String::new(), format!("?$select={select}")] {
            let (status, body) = client.get(&format!("/groups/{group}/{path}{query}")).await;
            assert_eq!(status, 200, "{body}");
            assert!(body["@odata.context"].as_str().unwrap().ends_with("/v1.0/$metadata#directoryObjects"));
            assert!(!body["value"].as_array().unwrap().is_empty());
            for entry in body["value"].as_array().unwrap() {
                let kind = entry["@odata.type"].as_str().unwrap().strip_prefix("#microsoft.graph.").unwrap();
                for (name, value) in entry.as_object().unwrap().iter().filter(|(name, _)| !name.starts_with('@')) {
                    let known = types[kind].iter().find(|(known, _)| known == name);
                    let (_, of) = known.unwrap_or_else(|| panic!("{kind} has no {name}"));
                    assert!(fits(value, of, name), "{kind} {name}: {value}");
                }
                assert_eq!(
                    entry.get("accountEnabled").is_some(),
                    !query.is_empty() && kind == "user",
                    "it comes only when it is selected: {entry}"
                );
            }
        }
    }
}

#[tokio::test]
async fn pages_have_opaque_tokens_and_bounds() {
    let graph = Graph::start();
    let group = {
        let mut world = graph.world();
        let users: Vec<String> = (0..250).map(|n| world.user(&format!("u{n}"))).collect();
        world.group("all", &users.iter().map(String::as_str).collect::<Vec<_>>(), &[])
    };
    let client = Client::new(&graph);
    let (mut sizes, mut next) = (Vec::new(), format!("/groups/{group}/members?$select=id"));
    loop {
        let (_, body) = client.get(&next).await;
        sizes.push(body["value"].as_array().unwrap().len());
        let Some(link) = body["@odata.nextLink"].as_str() else { break };
        assert!(
            link.starts_with(&format!("{}/v1.0/groups/{group}/members?$select=id&$skiptoken=", graph.url())),
            "{link}"
        );
        next = link.to_owned();
    }
    assert_eq!(sizes, [100, 100, 50]);
    for top in ["0", "1000", "x"] {
        assert_eq!(client.get(&format!("/groups/{group}/members?$top={top}")).await.0, 400);
    }
    let (status, body) = client.get(&format!("/groups/{group}/members?$skiptoken=made-up")).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("Directory_ExpiredPageToken")));
}

#[tokio::test]
async fn a_cast_needs_eventual_consistency() {
    let graph = Graph::start();
    let group = everything(&graph);
    let client = Client::new(&graph);
    let cast = format!("/groups/{group}/transitiveMembers/microsoft.graph.user?$count=true");
    assert_eq!(client.get(&cast).await.1["error"]["code"], "Request_UnsupportedQuery");
    let (_, body) = client.get_with(&cast, "eventual").await;
    assert_eq!(body["value"].as_array().unwrap().len(), 2, "{body}");
}

#[tokio::test]
async fn errors_have_the_shape_of_graph() {
    let graph = Graph::start();
    let group = everything(&graph);
    let mut client = Client::new(&graph);
    let nobody = "00000000-0000-0000-0000-000000000000";
    let (status, body) = client.get(&format!("/groups/{nobody}/members")).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("Request_ResourceNotFound")));
    assert!(body["error"]["message"].is_string() && body["error"]["innerError"]["request-id"].is_string(), "{body}");
    graph.world().may_read_users = false;
    let (_, body) = client.get(&format!("/groups/{group}/owners?$select=id,userPrincipalName")).await;
    assert_eq!(body["value"][0]["userPrincipalName"], Value::Null, "limited information: {body}");
    graph.world().may_read_groups = false;
    let (status, body) = client.get(&format!("/groups/{group}")).await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("Authorization_RequestDenied")));
    client.token = "made-up".into();
    let (status, body) = client.get(&format!("/groups/{group}")).await;
    assert_eq!((status, &body["error"]["code"]), (401, &json!("InvalidAuthenticationToken")));
}

#[tokio::test]
async fn a_batch_has_at_most_twenty_parts_which_are_answered_in_any_order() {
    let graph = Graph::start();
    let group = everything(&graph);
    let client = Client::new(&graph);
    let ask = async |parts: usize| {
        let part = |id| json!({ "id": format!("{id}"), "method": "GET", "url": format!("/groups/{group}/owners") });
        let body = json!({ "requests": (0..parts).map(part).collect::<Vec<_>>() });
        let url = format!("{}/v1.0/$batch", graph.url());
        let answer = client.http.post(url).bearer_auth(&client.token).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, body) = ask(20).await;
    assert_eq!((status, body["responses"].as_array().unwrap().len()), (200, 20));
    let part = &body["responses"][0];
    assert_eq!((&part["id"], &part["status"]), (&json!("19"), &json!(200)));
    assert!(part["body"]["value"].is_array() && part["headers"]["Content-Type"].is_string());
    assert_eq!(ask(21).await.0, 400);
}
