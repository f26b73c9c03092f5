//! A tenant that fails in every way at each kind of request: nothing is written, and no group is ever smaller.

use std::net::{Ipv4Addr, TcpListener};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::graph::{Answer, Asked, Fault, Graph, SECRET, error};
use crate::support::inviter::Inviter;
use crate::sync::scene::{Scene, run};

/// How many kinds of requests there are, each at a double of its own.
const KINDS: [Kind; 5] = [Kind::Token, Kind::Root, Kind::Batch, Kind::Part, Kind::Page];

/// A request that reads a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// That for a token.
    Token,
    /// That for the root group.
    Root,
    /// That for the members of several rooms.
    Batch,
    /// A part of it.
    Part,
    /// That for a further page of members.
    Page,
}

impl Kind {
    fn is_of(self, asked: &Asked) -> bool {
        match self {
            Self::Token => false,
            Self::Root => !asked.in_batch && asked.path.contains("/members?"),
            Self::Batch => asked.path == "/$batch",
            Self::Part => asked.in_batch && asked.path.contains("transitiveMembers"),
            Self::Page => asked.path.contains("skiptoken"),
        }
    }

    /// How what is told begins, where nothing at all can be done.
    fn told(self) -> &'static str {
        match self {
            Self::Token => "identity provider azure: cannot sign in at https://localhost:",
            Self::Root => "identity provider azure: cannot read the members of the root group",
            _ => "identity provider azure: cannot read the groups of rooms",
        }
    }

    /// Whether what is wrong may be a matter of one group, of which then not all members are known.
    fn is_of_one_group(self) -> bool {
        matches!(self, Self::Part | Self::Page)
    }
}

/// Each kind of fault; `elsewhere` is an address that must never be asked.
fn faults(elsewhere: &str) -> Vec<(&'static str, Answer)> {
    let page = "<html><h1>Bad gateway</h1></html>";
    let answer = |status, body: &str| Answer { status, headers: Vec::new(), body: body.to_owned() };
    let refused = |status, code: &str| error(status, code, "No.");
    let limited = || refused(429, "TooManyRequests");
    vec![
        ("closed", answer(0, "")),
        ("empty", answer(200, "")),
        ("half JSON", answer(200, "{\"value\":[{\"id\"")),
        ("a page with status 200", answer(200, page)),
        ("an array", answer(200, "[]")),
        ("null", answer(200, "null")),
        ("nothing in it", answer(200, "{}")),
        (
            "wrong types",
            answer(200, r#"{"value":{},"responses":7,"access_token":[],"expires_in":"x","token_type":null}"#),
        ),
        ("301", answer(301, "").with("Location", elsewhere)),
        ("302", answer(302, "").with("Location", elsewhere)),
        ("307", answer(307, "").with("Location", elsewhere)),
        ("400", refused(400, "Request_BadRequest")),
        ("401", refused(401, "InvalidAuthenticationToken")),
        ("403", refused(403, "Authorization_RequestDenied")),
        ("404", refused(404, "Request_ResourceNotFound")),
        ("429", limited()),
        ("429, wait 1e18 s", limited().with("Retry-After", "1000000000000000000")),
        ("429, wait 1e30 s", limited().with("Retry-After", "1e30")),
        ("429, wait -5 s", limited().with("Retry-After", "-5")),
        ("500", refused(500, "generalException")),
        ("502", answer(502, page)),
        ("503", answer(503, "")),
        ("503, wait", answer(503, "").with("Retry-After", "3600")),
    ]
}

/// A tenant with one room of two people, who come on two pages.
struct Tenant {
    graph: Graph,
    alice: Value,
    bob: Value,
    inviter: Inviter,
}

impl Tenant {
    fn new(scene: &Scene) -> Self {
        let graph = Graph::start();
        let (root, alice, bob) = {
            let mut world = graph.world();
            let ids = ["alice", "bob"].map(|name| world.user(&scene.uid(name)));
            let people = ids.clone().map(|id| {
                let mut person = world.entry(&id).properties.clone();
                person.insert("@odata.type".into(), json!("#microsoft.graph.user"));
                Value::Object(person)
            });
            let ops = world.group(&format!("MTRX {}", scene.alias("ops")), &[&ids[0], &ids[1]], &[]);
            let [alice, bob] = people;
            (world.group("Chat rooms", &[&ops], &[]), alice, bob)
        };
        let inviter = Inviter::new(&format!(
            "{}[[idp]]\nname = \"azure\"\nmxid_homeserver = {:?}\nrate_limit_patience = \"1s\"\n{}[policy]\nmax_kicks = 9\n",
            scene.matrix_section(),
            scene.synapse.server_name(),
            graph.section(&root)
        ));
        let tenant = Self { graph, alice, bob, inviter };
        tenant.set(Kind::Token, None);
        tenant
    }

    /// Answers one kind of request like this, and the others well.
    fn set(&self, kind: Kind, answer: Option<Answer>) {
        let link = format!("{}/v1.0/groups/x/transitiveMembers?$skiptoken=2", self.graph.url());
        let first = Answer::json(200, &json!({ "value": [self.alice], "@odata.nextLink": link }));
        let second = Answer::json(200, &json!({ "value": [self.bob] }));
        let fault = answer.clone();
        self.graph.on_asked(move |_, asked| match &fault {
            Some(answer) if kind.is_of(asked) => {
                Some(if answer.status == 0 { Fault::Drop } else { Fault::Answer(answer.clone()) })
            }
            _ if Kind::Page.is_of(asked) => Some(Fault::Answer(second.clone())),
            _ if Kind::Part.is_of(asked) => Some(Fault::Answer(first.clone())),
            _ => None,
        });
        let signing_in = answer.filter(|_| kind == Kind::Token);
        self.graph.refuse_sign_ins(signing_in.map(|answer| vec![answer; 9]).unwrap_or_default());
    }
}

async fn walk(scene: &Scene, kind: Kind, elsewhere: &str) -> usize {
    let tenant = Tenant::new(scene);
    let faults = faults(elsewhere);
    for (name, answer) in &faults {
        tenant.set(kind, Some(answer.clone()));
        let outcome = run(&tenant.inviter, &["sync", "--kick"]).await;
        let what = format!("{name} at {kind:?}\n{outcome}");
        if kind.is_of_one_group() && outcome.status == 0 {
            assert!(outcome.stdout.contains("not all members are known, so nobody is removed: azure:"), "{what}");
        } else {
            assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{what}");
            assert!(outcome.stderr.contains(kind.told()), "{what}");
        }
        assert_eq!(scene.recorder.writes(), [], "{what}");
        assert!(!outcome.stderr.contains("panicked") && !what.contains(SECRET), "{what}");
    }
    faults.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_a_request_to_a_tenant_removes_nobody() {
    let scene = Scene::new("fgraph").await;
    scene.people(&["alice", "bob", "mallory"]).await;
    let tenant = Tenant::new(&scene);
    run(&tenant.inviter, &["sync"]).await.success();
    let room = scene.room("ops").await;
    scene.me.invite(&room, &scene.user("mallory")).await;
    scene.recorder.clear();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}/", listener.local_addr().unwrap());

    let walks = KINDS.map(|kind| walk(&scene, kind, &elsewhere));
    let tried: usize = join_all(walks).await.iter().sum();
    assert!(listener.accept().is_err(), "a redirect was followed");

    run(&tenant.inviter, &["sync", "--kick"]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice invite 0", "bob invite 0"], "only who is in no group is removed");
    println!("{tried} faults at {} kinds of requests to Graph: {tried} converged, 0 lost", KINDS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_tenant_that_does_not_end_is_not_read_to_its_end() {
    let scene = Scene::new("fgraphlong").await;
    let tenant = Tenant::new(&scene);
    let long = |mebibytes: usize| Answer { status: 200, headers: Vec::new(), body: " ".repeat((mebibytes << 20) + 1) };
    for (kind, longest, asked) in [(Kind::Token, 1, 0), (Kind::Root, 64, 1), (Kind::Batch, 64, 2), (Kind::Page, 64, 3)]
    {
        tenant.graph.clear();
        tenant.set(kind, Some(long(longest)));
        let outcome = run(&tenant.inviter, &["sync"]).await.status(1);
        assert!(outcome.stderr.contains(kind.told()), "{kind:?}: {outcome}");
        let told = format!("the answer is longer than {longest} MiB, and was not read");
        assert!(outcome.stderr.contains(&told), "{kind:?}: {outcome}");
        assert_eq!(
            (tenant.graph.sign_ins(), tenant.graph.requests()),
            (1, asked),
            "{kind:?}: it is not asked for again"
        );
    }
    assert_eq!(scene.recorder.writes(), []);
}
