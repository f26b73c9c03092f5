//! Searches that are complete or an error.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use ldap3::asn1::{PL, StructureTag, parse_tag};
use ldap3::controls::{Control, ManageDsaIt, PagedResults, RawControl};
use ldap3::{Ldap, LdapError, LdapResult, Scope, ldap_escape};
use tokio::time::timeout;

use super::connect::Session;
use super::entry::Entry;
use super::error::{Answer, LdapFailure, NO_SUCH_OBJECT, Problem, Step};
use super::layout::{PAGED_RESULTS, ROOT_ATTRIBUTES, Root};

/// More than this is taken for a server that sends the same page for ever.
const MOST_ENTRIES: usize = 5_000_000;
const MOST_EMPTY_PAGES: usize = 1_000;

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The entries, sorted: servers answer in any order.
    pub(super) entries: BTreeSet<Entry>,
    /// How many continuation references came (RFC 4511, section 4.5.3). They are not followed.
    pub(super) references: usize,
}

/// What came of the lookup of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// The entry.
    Found(Box<Entry>),
    /// There is none.
    NoSuchObject,
    /// It cannot be told, and why.
    Unclear(String),
}

#[derive(Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    references: usize,
    pub(super) result: Option<LdapResult>,
}

/// A search of a subtree.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    /// What it is for.
    pub(super) step: Step,
    pub(super) base: &'a str,
    pub(super) filter: &'a str,
    pub(super) attributes: &'a [String],
    pub(super) page_size: i32,
    /// Whether entries are wanted as they are stored, without what the server works out (RFC 3296, section 3).
    pub(super) stored: bool,
}

impl Session {
    /// Searches page by page (RFC 2696). Each page has the time of one operation.
    pub(super) async fn search(&self, ask: &Ask<'_>) -> Result<Found, LdapFailure> {
        Ok(self.search_up_to(ask, usize::MAX).await?.unwrap_or_default())
    }

    /// Likewise, and gives up with `None` before a further page when more entries than that have come.
    pub(super) async fn search_up_to(&self, ask: &Ask<'_>, most: usize) -> Result<Option<Found>, LdapFailure> {
        let Ask { step, base, filter, attributes, page_size, stored } = ask;
        let mut found = Found::default();
        let mut read = 0;
        let mut empty_pages = 0;
        let (mut cookie, mut is_paged) = (Vec::new(), false);
        let problem = loop {
            let mut ldap = self.ldap.clone();
            let mut controls: Vec<RawControl> = Vec::new();
            if self.pages {
                controls.push(PagedResults { size: *page_size, cookie }.into());
            }
            if *stored {
                controls.push(ManageDsaIt.into());
            }
            if !controls.is_empty() {
                ldap.with_controls(controls);
            }
            let page = match self.page(ldap, base, Scope::Subtree, filter, attributes, read).await {
                Ok(page) => page,
                Err(problem) => break problem,
            };
            let result = match page.result {
                Some(result) if result.rc == 0 => result,
                other => break self.unsuccessful(step, other),
            };
            read += page.entries.len();
            empty_pages = if page.entries.is_empty() { empty_pages + 1 } else { 0 };
            let mut entries = page.entries;
            let cut = entries.iter_mut().filter(|entry| attributes.iter().any(|attribute| entry.is_cut(attribute)));
            for entry in cut {
                if let Err(problem) = self.complete(entry, attributes).await {
                    return Err(LdapFailure { step: Step::Ranges(entry.dn.clone()), problem });
                }
            }
            found.entries.extend(entries);
            found.references += page.references;
            cookie = match next_cookie(&result.ctrls) {
                Ok(None) if is_paged => break Problem::Malformed("a further page without its control".into()),
                Ok(next) => {
                    is_paged = next.is_some();
                    next.unwrap_or_default()
                }
                Err(what) => break Problem::Malformed(what.into()),
            };
            if cookie.is_empty() {
                tracing::debug!(%base, %filter, entries = read, references = found.references, "searched");
                return Ok(Some(found));
            }
            if read > most {
                tracing::debug!(%base, %filter, entries = read, "searched no further");
                return Ok(None);
            }
            if read > MOST_ENTRIES || empty_pages > MOST_EMPTY_PAGES {
                break Problem::Malformed("pages without end".into());
            }
        };
        Err(LdapFailure { step: step.clone(), problem })
    }

    /// The entry with a name, if it can be read and matches a filter.
    pub(super) async fn matching(
        &self,
        dn: &str,
        filter: &str,
        attributes: &[String],
    ) -> Result<Option<Entry>, LdapFailure> {
        let failed = |problem| LdapFailure { step: Step::Lookup, problem };
        let page = self.page(self.ldap.clone(), dn, Scope::Base, filter, attributes, 0).await.map_err(failed)?;
        match page.result {
            Some(result) if result.rc == 0 || result.rc == NO_SUCH_OBJECT => Ok(page.entries.into_iter().next()),
            other => Err(failed(self.unsuccessful(&Step::Lookup, other))),
        }
    }

    /// The attribute by whose value entries can be found by their names: one with which the entry at the base is
    /// found. `entryDN` is that of RFC 5020, `distinguishedName` of Active Directory; others have none.
    pub(super) async fn naming_attribute(&self, base: &str) -> Result<Option<&'static str>, LdapFailure> {
        for attribute in ["entryDN", "distinguishedName"] {
            let filter = format!("({attribute}={})", ldap_escape(base));
            let page = self.page(self.ldap.clone(), base, Scope::Base, &filter, &["1.1".to_owned()], 0).await;
            let page = self.told(page).map_err(|problem| LdapFailure { step: Step::Lookup, problem })?;
            if page.entries.len() == 1 {
                return Ok(Some(attribute));
            }
        }
        Ok(None)
    }

    /// Looks up the entry with a name.
    pub(super) async fn lookup(&self, dn: &str, attributes: &[String]) -> Result<Lookup, LdapFailure> {
        let failed = |problem| LdapFailure { step: Step::Lookup, problem };
        let ldap = self.ldap.clone();
        let page = self.page(ldap, dn, Scope::Base, "(objectClass=*)", attributes, 0).await.map_err(failed)?;
        let mut entries = page.entries;
        match page.result {
            Some(result) if result.rc == 0 => Ok(match (entries.pop(), entries.is_empty()) {
                (Some(mut entry), true) => {
                    self.complete(&mut entry, attributes).await.map_err(failed)?;
                    Lookup::Found(Box::new(entry))
                }
                _ => Lookup::Unclear("it may not be read".into()),
            }),
            Some(result) if result.rc == NO_SUCH_OBJECT => Ok(Lookup::NoSuchObject),
            Some(result) => {
                let answer = Answer { code: result.rc, text: result.text, advice: String::new() };
                Ok(Lookup::Unclear(answer.to_string()))
            }
            None => Err(failed(self.unsuccessful(&Step::Lookup, None))),
        }
    }

    /// What the server says of itself. One that tells nothing, or nothing to this account, is none the worse for it.
    pub(super) async fn root(&self) -> Result<Root, LdapFailure> {
        let attributes = ROOT_ATTRIBUTES.map(String::from);
        let page = self.page(self.ldap.clone(), "", Scope::Base, "(objectClass=*)", &attributes, 0).await;
        let page = self.told(page).map_err(|problem| LdapFailure { step: Step::Root, problem })?;
        Ok(page.entries.first().map(Root::of).unwrap_or_default())
    }

    /// Whether the schema has an object class (RFC 4512, section 4.1.1).
    pub(super) async fn knows_class(&self, subschema: &str, class: &str) -> Result<bool, LdapFailure> {
        let attributes = ["objectClasses".to_owned()];
        let page = self.page(self.ldap.clone(), subschema, Scope::Base, "(objectClass=*)", &attributes, 0).await;
        let page = self.told(page).map_err(|problem| LdapFailure { step: Step::Root, problem })?;
        let name = format!("'{}'", class.to_lowercase());
        Ok(page.entries.iter().any(|schema| schema.texts("objectClasses").any(|it| it.to_lowercase().contains(&name))))
    }

    /// What a server told of itself. One that is busy may be another than it seems.
    fn told(&self, page: Result<Page, Problem>) -> Result<Page, Problem> {
        let mut page = page?;
        match page.result.take_if(|result| matches!(result.rc, 3 | 51 | 52)) {
            None => Ok(page),
            busy => Err(self.unsuccessful(&Step::Root, busy)),
        }
    }

    /// Sends one search and reads its whole answer.
    pub(super) async fn page(
        &self,
        mut ldap: Ldap,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[String],
        before: usize,
    ) -> Result<Page, Problem> {
        let count = AtomicUsize::new(before);
        let reading = async {
            let mut page = Page::default();
            let mut malformed = None;
            let mut stream = ldap.streaming_search(base, scope, filter, attributes).await?;
            while let Some(item) = stream.next().await? {
                if item.is_ref() {
                    page.references += 1;
                } else if !item.is_intermediate() {
                    match Entry::decode(item.0) {
                        Ok(entry) => page.entries.push(entry),
                        Err(what) => malformed = Some(what),
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            page.result = Some(stream.finish().await);
            Ok::<_, LdapError>(match malformed {
                None => Ok(page),
                Some(what) => Err(Problem::Malformed(what.into())),
            })
        };
        match timeout(self.operation_timeout, reading).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => Err(self.problem(error).await),
            Err(_) => Err(Problem::OperationTimeout {
                after: self.operation_timeout,
                entries: Some(count.load(Ordering::Relaxed)),
            }),
        }
    }

    fn unsuccessful(&self, step: &Step, result: Option<LdapResult>) -> Problem {
        match result {
            Some(result) => Problem::Answer(Answer::at(step, self.anonymous, result.rc, result.text)),
            None => Problem::Malformed("a search without a result".into()),
        }
    }
}

/// The cookie of the next page; empty after the last. `None` from a server that knows no pages.
fn next_cookie(controls: &[Control]) -> Result<Option<Vec<u8>>, &'static str> {
    const ODD: &str = "a malformed page control";
    let Some(Control(_, control)) = controls.iter().find(|Control(_, control)| control.ctype == PAGED_RESULTS) else {
        return Ok(None);
    };
    let (_, value) = parse_tag(control.val.as_deref().unwrap_or_default()).map_err(|_| ODD)?;
    let PL::C(parts) = value.payload else { return Err(ODD) };
    match parts.into_iter().nth(1) {
        Some(StructureTag { payload: PL::P(cookie), .. }) => Ok(Some(cookie)),
        _ => Err(ODD),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn control(value: Option<Vec<u8>>) -> [Control; 1] {
        [Control(None, RawControl { ctype: PAGED_RESULTS.into(), crit: false, val: value })]
    }

    #[test]
    fn the_cookie_of_the_next_page_is_read() {
        let RawControl { val, .. } = PagedResults { size: 7, cookie: b"next".to_vec() }.into();
        assert_eq!(next_cookie(&control(val)), Ok(Some(b"next".to_vec())));
        assert_eq!(next_cookie(&[]), Ok(None));
    }

    #[test]
    fn a_malformed_page_control_is_an_error() {
        assert!(next_cookie(&control(None)).is_err());
        assert!(next_cookie(&control(Some(b"\x30\x03\x02\x01\x00".to_vec()))).is_err());
        assert!(next_cookie(&control(Some(b"\x30\x7f".to_vec()))).is_err());
    }

    #[test]
    fn fuzz_a_page_control_is_an_error_or_the_cookie_in_it() {
        let start = proptest::sample::select(vec![
            vec![],
            vec![0x30, 7, 2, 1],
            vec![0x30, 0x84, 0xff],
            vec![0x30, 8, 2, 1, 0, 4],
        ]);
        let value =
            (start, proptest::collection::vec(any::<u8>(), 0..40)).prop_map(|(start, rest)| [start, rest].concat());
        crate::fuzz::try_all(&value, |value| {
            if let Ok(Some(cookie)) = next_cookie(&control(Some(value.clone()))) {
                assert!(cookie.is_empty() || value.windows(cookie.len()).any(|part| part == cookie), "{value:?}");
            }
        });
    }
}
