//! What Graph answers (<https://learn.microsoft.com/graph/query-parameters>, <https://learn.microsoft.com/graph/json-batching>).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    Answer, Asked, Fault, Request, Shared, lock,
    world::{Entry, Kind, World, guid},
};

/// The pages that Graph makes if nobody asks for others, and the longest.
const PAGE: usize = 100;
const LONGEST: usize = 999;

/// The refusal of something, as an answer.
type Refused = Answer;

impl Shared {
    pub(super) fn answer(&self, request: &Request) -> Answer {
        if request.target.contains("/oauth2/") {
            return self.token(request);
        }
        if request.target.starts_with("/msi/token?") {
            return self.managed_identity(request);
        }
        lock(&self.state).requests += 1;
        let Some(path) = request.target.strip_prefix("/v1.0") else {
            return error(404, "ResourceNotFound", "Invalid version.");
        };
        let token = request.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if !token.is_some_and(|token| lock(&self.state).tokens.contains(token)) {
            return error(401, "InvalidAuthenticationToken", "Access token is empty or not valid.");
        }
        let eventual =
            request.headers.get("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual"));
        self.one(&request.method, path, false, || match (request.method.as_str(), path) {
            ("POST", "/$batch") => self.batch(&request.body),
            ("GET", _) => self.get(path, eventual),
            _ => error(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."),
        })
    }

    /// Answers, unless the test has something else in mind.
    fn one(&self, method: &str, path: &str, in_batch: bool, answer: impl FnOnce() -> Answer) -> Answer {
        let asked = Asked { method: method.to_owned(), path: path.to_owned(), in_batch };
        let index = {
            let mut state = lock(&self.state);
            state.asked.push(asked.clone());
            state.asked.len() - 1
        };
        let hook = Arc::clone(&lock(&self.hook));
        match hook(index, &asked) {
            None => answer(),
            Some(Fault::Answer(answer)) => answer,
            Some(Fault::Replace(from, to)) => {
                let mut answer = answer();
                answer.body = answer.body.replace(&from, &to);
                answer
            }
            Some(Fault::Drop) => Answer { status: 0, headers: Vec::new(), body: String::new() },
        }
    }

    fn batch(&self, body: &[u8]) -> Answer {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let parts = body["requests"].as_array().cloned().unwrap_or_default();
        if parts.is_empty() || parts.len() > 20 {
            return error(400, "BadRequest", "Number of batch request steps exceeds the maximum value of 20.");
        }
        let mut responses = Vec::new();
        for part in &parts {
            let (Some(method), Some(url)) = (part["method"].as_str(), part["url"].as_str()) else {
                return error(400, "BadRequest", "Invalid batch payload format.");
            };
            let eventual = part["headers"]["ConsistencyLevel"].as_str().is_some_and(|level| level == "eventual");
            let answer = self.one(method, url, true, || self.get(url, eventual));
            if answer.status == 0 {
                continue;
            }
            let mut headers: Map<String, Value> = Map::new();
            headers.insert("Content-Type".into(), json!("application/json"));
            headers.extend(answer.headers.iter().map(|(name, value)| (name.clone(), json!(value))));
            let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
            responses.push(json!({ "id": part["id"], "status": answer.status, "headers": headers, "body": body }));
        }
        // Answers come in any order.
        responses.reverse();
        Answer::json(200, &json!({ "responses": responses }))
    }

    fn get(&self, path: &str, eventual: bool) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        self.read(path, &query, eventual).unwrap_or_else(|refused| refused)
    }

    fn read(&self, path: &str, query: &BTreeMap<String, String>, eventual: bool) -> Result<Answer, Refused> {
        let world = lock(&self.world);
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let base = format!("https://localhost:{}/v1.0", lock(&self.state).port);
        let missing = |id: &str| {
            error(
                404,
                "Request_ResourceNotFound",
                &format!(
                    "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
                ),
            )
        };
        match steps.as_slice() {
            [kind @ ("groups" | "users"), id] => {
                let wanted = if *kind == "groups" { Kind::Group } else { Kind::User };
                allowed(&world, &wanted)?;
                let entry = world.entries.get(*id).filter(|entry| entry.kind == wanted).ok_or_else(|| missing(id))?;
                let mut body = shown(&world, entry, query.get("$select"));
                body.remove("@odata.type");
                body.insert("@odata.context".into(), json!(format!("{base}/$metadata#{kind}/$entity")));
                Ok(Answer::json(200, &Value::Object(body)))
            }
            ["groups", id, relation, cast @ ..] => {
                allowed(&world, &Kind::Group)?;
                let cast = match cast {
                    [] => None,
                    [cast] if !eventual || query.get("$count").map(String::as_str) != Some("true") => {
                        return Err(error(
                            400,
                            "Request_UnsupportedQuery",
                            &format!("The query on {cast} needs ConsistencyLevel: eventual and $count=true."),
                        ));
                    }
                    [cast] => Some(*cast),
                    _ => return Err(missing(path)),
                };
                let mut entries = world.related(id, relation).ok_or_else(|| missing(id))?;
                entries
                    .retain(|entry| cast.is_none_or(|cast| cast == format!("microsoft.graph.{}", entry.kind.name())));
                self.page(&world, &entries, path, query, &base)
            }
            _ => Err(error(400, "BadRequest", &format!("Resource not found for the segment '{}'.", steps[0]))),
        }
    }

    fn page(
        &self,
        world: &World,
        entries: &[&Entry],
        path: &str,
        query: &BTreeMap<String, String>,
        base: &str,
    ) -> Result<Answer, Refused> {
        let top = match query.get("$top").map(|top| top.parse::<usize>()) {
            None => PAGE,
            Some(Ok(top @ 1..=LONGEST)) => top,
            Some(_) => {
                return Err(error(
                    400,
                    "Request_BadRequest",
                    "Invalid page size specified. Must be between 1 and 999 inclusive.",
                ));
            }
        };
        let from = match query.get("$skiptoken") {
            None => 0,
            Some(token) => match lock(&self.state).skip_tokens.get(token) {
                Some((of, from)) if of == path => *from,
                _ => {
                    return Err(error(
                        400,
                        "Directory_ExpiredPageToken",
                        "The specified page token value has expired.",
                    ));
                }
            },
        };
        let until = (from + top).min(entries.len());
        let value: Vec<Value> =
            entries[from..until].iter().map(|entry| Value::Object(shown(world, entry, query.get("$select")))).collect();
        let mut body = json!({ "@odata.context": format!("{base}/$metadata#directoryObjects"), "value": value });
        if until < entries.len() {
            let token = format!("RFNwdAIAAQ{}", guid(&format!("{path}{until}")).replace('-', ""));
            let rest = query.iter().filter(|(name, _)| *name != "$skiptoken");
            let rest: Vec<String> = rest.map(|(name, value)| format!("{name}={value}&")).collect();
            body["@odata.nextLink"] = json!(format!("{base}{path}?{}$skiptoken={token}", rest.concat()));
            lock(&self.state).skip_tokens.insert(token, (path.to_owned(), until));
        }
        Ok(Answer::json(200, &body))
    }
}

/// An entry with the properties that were asked for, or null where the application may not read them.
fn shown(world: &World, entry: &Entry, select: Option<&String>) -> Map<String, Value> {
    let names: Vec<&str> = select.map_or(entry.kind.defaults().to_vec(), |select| select.split(',').collect());
    let is_withheld = entry.kind == Kind::User && !world.may_read_users;
    let mut shown = Map::new();
    shown.insert("@odata.type".into(), json!(format!("#microsoft.graph.{}", entry.kind.name())));
    for name in names {
        match entry.properties.get(name) {
            Some(value) if name == "id" || !is_withheld => shown.insert(name.to_owned(), value.clone()),
            Some(_) => shown.insert(name.to_owned(), Value::Null),
            None => None,
        };
    }
    shown
}

fn allowed(world: &World, kind: &Kind) -> Result<(), Refused> {
    let may = if *kind == Kind::User { world.may_read_users } else { world.may_read_groups };
    if may {
        Ok(())
    } else {
        Err(error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."))
    }
}

/// An error as Graph shapes it (<https://learn.microsoft.com/graph/errors>).
pub fn error(status: u16, code: &str, message: &str) -> Answer {
    let id = guid(message);
    Answer::json(
        status,
        &json!({ "error": { "code": code, "message": message, "innerError": {
            "date": "2026-01-01T00:00:00", "request-id": id, "client-request-id": id,
        } } }),
    )
}
