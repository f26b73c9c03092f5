//! Asking Graph: single pages, many first pages in one request, and the pages that follow.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::error::{EntraProblem, Refused};
use super::http;
use super::pace::Pace;
use super::sign_in::Tokens;
use crate::config::EntraIdp;
use crate::printable::line;

/// How many parts a batch has at most (<https://learn.microsoft.com/graph/json-batching>).
pub(super) const PARTS: usize = 20;

/// How often a request is made that fails for no reason of its own.
const ATTEMPTS: u32 = 4;

/// The longest answer that is read, in bytes: a batch of 20 parts with 999 people each is a tenth of that.
const LONGEST: usize = 64 << 20;

/// A page of a collection.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Page {
    value: Vec<Map<String, Value>>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// The pages of a collection that were read, and why there are no more of them, if that is not their end.
#[derive(Debug, Default)]
pub(super) struct Collection {
    pub(super) objects: Vec<Map<String, Value>>,
    pub(super) gap: Option<EntraProblem>,
}

impl Collection {
    /// A collection of which nothing could be read.
    pub(super) fn unread(gap: EntraProblem) -> Self {
        Self { objects: Vec::new(), gap: Some(gap) }
    }
}

/// A connection to Graph.
pub(super) struct Graph<'a> {
    client: Client,
    base: Url,
    tokens: Tokens<'a>,
    pace: Pace,
}

#[derive(Deserialize)]
struct BatchAnswer {
    responses: Vec<Part>,
}

/// The answer to one part of a batch.
#[derive(Deserialize)]
struct Part {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
}

impl<'a> Graph<'a> {
    /// Prepares to ask; nothing is asked yet.
    pub(super) fn new(idp: &'a EntraIdp) -> Result<Self, EntraProblem> {
        Ok(Self {
            client: http::client(idp, false)?,
            base: idp.graph.clone(),
            tokens: Tokens::new(idp)?,
            pace: Pace::new(idp.rate_limit_patience),
        })
    }

    /// Reads a whole collection by its path, without the version.
    pub(super) async fn collection(&self, path: &str) -> Result<Collection, EntraProblem> {
        let first = self.page(&self.url(path)).await?;
        self.rest(first).await
    }

    /// Reads the first pages of several collections; what is wrong with one of them is its own.
    pub(super) async fn first_pages(&self, paths: &[String]) -> Result<Vec<Result<Page, EntraProblem>>, EntraProblem> {
        let mut pages: Vec<Option<Result<Page, EntraProblem>>> = paths.iter().map(|_| None).collect();
        let mut pause = Duration::from_millis(500);
        let mut failures = 0;
        loop {
            let open: Vec<usize> =
                (0..paths.len()).filter(|index| pages.get(*index).is_some_and(Option::is_none)).collect();
            if open.is_empty() {
                break;
            }
            let mut hold: Option<(u16, Option<Duration>)> = None;
            let mut failed = false;
            for part in self.batch(paths, &open).await? {
                let Some(slot) =
                    part.id.parse().ok().filter(|at| open.contains(at)).and_then(|at: usize| pages.get_mut(at))
                else {
                    return Err(EntraProblem::Unintelligible(format!("a batch has no part {:?}", line(&part.id))));
                };
                match part.status {
                    429 | 503 if part.status == 429 || part.retry_after().is_some() => {
                        let asked = part.retry_after();
                        hold = Some((part.status, hold.map_or(asked, |(_, longest)| longest.max(asked))));
                    }
                    500.. if failures + 1 < ATTEMPTS => failed = true,
                    200 => *slot = Some(read_page(part.body)),
                    status => *slot = Some(Err(EntraProblem::Refused(refused(status, &part.body)))),
                }
            }
            if let Some((status, asked)) = hold {
                self.pace.hold(status, asked)?;
            } else if failed || open.iter().any(|index| pages.get(*index).is_some_and(Option::is_none)) {
                failures += 1;
                if failures >= ATTEMPTS {
                    return Err(EntraProblem::Unintelligible("a batch lacks answers to some of its parts".into()));
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Ok(pages.into_iter().flatten().collect())
    }

    /// Reads the pages that follow a first one. What keeps them from being read is the collection's gap, unless it
    /// would keep all others from being read as well.
    pub(super) async fn rest(&self, first: Page) -> Result<Collection, EntraProblem> {
        let mut collection = Collection { objects: first.value, gap: None };
        let mut next = first.next;
        let mut seen = BTreeSet::new();
        while let Some(link) = next {
            let page = match self.own(&link) {
                Ok(_) if !seen.insert(link.clone()) => Err(EntraProblem::Endless(seen.len())),
                Ok(url) => self.page(&url).await,
                Err(problem) => Err(problem),
            };
            match page {
                Ok(page) => {
                    collection.objects.extend(page.value);
                    next = page.next;
                }
                Err(problem) if problem.is_of_one_group() => {
                    collection.gap = Some(problem);
                    break;
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(collection)
    }

    /// The address of a next page, which is followed as it was given, and with the token only to the same server.
    fn own(&self, link: &str) -> Result<Url, EntraProblem> {
        let url = Url::parse(link).map_err(|_| EntraProblem::Unintelligible("the next page has no address".into()))?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            Err(EntraProblem::Elsewhere(line(&url.origin().ascii_serialization())))
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}v1.0{path}", self.base)
    }

    async fn page(&self, url: &(impl AsRef<str> + ?Sized)) -> Result<Page, EntraProblem> {
        read_page(self.send(|| self.client.get(url.as_ref())).await?)
    }

    async fn batch(&self, paths: &[String], open: &[usize]) -> Result<Vec<Part>, EntraProblem> {
        let parts: Vec<Value> = open
            .iter()
            .filter_map(|index| Some(json!({ "id": index.to_string(), "method": "GET", "url": paths.get(*index)? })))
            .collect();
        let body = json!({ "requests": parts });
        let answer = self.send(|| self.client.post(self.url("/$batch")).json(&body)).await?;
        let answer: BatchAnswer =
            serde_json::from_value(answer).map_err(|error| EntraProblem::Unintelligible(line(&error.to_string())))?;
        Ok(answer.responses)
    }

    /// Sends a request, which only reads, until it is answered well or cannot be.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Value, EntraProblem> {
        let mut failures = 0;
        loop {
            self.pace.ready().await;
            let token = self.tokens.get().await?;
            let problem = match answer(request().bearer_auth(token)).await {
                Ok((200, _, body)) => {
                    self.pace.answered();
                    return serde_json::from_slice(&body)
                        .map_err(|error| EntraProblem::Unintelligible(line(&error.to_string())));
                }
                Ok((status @ (429 | 503), headers, _)) if status == 429 || headers.contains_key(RETRY_AFTER) => {
                    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                    self.pace.hold(status, asked.and_then(seconds))?;
                    continue;
                }
                Ok((status, headers, body)) => {
                    let body = serde_json::from_slice(&body).unwrap_or_default();
                    let mut refused = refused(status, &body);
                    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
                    refused.request_id = refused.request_id.or_else(|| header("request-id"));
                    EntraProblem::Refused(refused)
                }
                Err(problem) => problem,
            };
            failures += 1;
            let is_passing = match &problem {
                EntraProblem::Refused(refused) => refused.status >= 500,
                EntraProblem::TooLong(_) => false,
                _ => true,
            };
            if !is_passing || failures >= ATTEMPTS {
                return Err(problem);
            }
            tracing::debug!("{problem}: asking again");
            tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow(failures - 1)).await;
        }
    }
}

async fn answer(request: RequestBuilder) -> Result<(u16, HeaderMap, Vec<u8>), EntraProblem> {
    let lost = |error: reqwest::Error| EntraProblem::transport(&error);
    let mut response = request.send().await.map_err(lost)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(lost)? {
        if body.len() + part.len() > LONGEST {
            return Err(EntraProblem::TooLong(LONGEST >> 20));
        }
        body.extend_from_slice(&part);
    }
    Ok((status, headers, body))
}

impl Part {
    fn retry_after(&self) -> Option<Duration> {
        let (_, value) = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Retry-After"))?;
        value.as_str().and_then(seconds).or_else(|| value.as_u64().map(Duration::from_secs))
    }
}

/// The seconds of a Retry-After. Its other form, a date, is never sent by Graph, and counts as none.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

pub(super) fn read_page(body: Value) -> Result<Page, EntraProblem> {
    serde_json::from_value(body).map_err(|error| EntraProblem::Unintelligible(line(&error.to_string())))
}

pub(super) fn refused(status: u16, body: &Value) -> Refused {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let error = body.get("error").unwrap_or(&Value::Null);
    let field = |name| error.get(name).and_then(text);
    let inner = error.get("innerError").or_else(|| error.get("innererror"));
    Refused {
        status,
        code: field("code").unwrap_or_else(|| "without a word of Graph".into()),
        message: field("message").unwrap_or_default(),
        request_id: inner.and_then(|inner| inner.get("request-id")).and_then(text),
    }
}
