//! Attributes that come in ranges (MS-ADTS, section 3.1.1.3.1.3.3).
//!
//! Active Directory hands out 1,500 values of an attribute, as `member;range=0-1499`, and the rest when it is asked
//! for it. The last range ends with `*`. What changes in between shifts the values: each range begins with the value
//! that ended the one before, and if it is another by then, all of it is read again.

use std::collections::BTreeSet;

use ldap3::Scope;

use super::connect::Session;
use super::entry::{Entry, Range};
use super::error::Problem;

/// How often a list that changes is read.
const ATTEMPTS: usize = 3;

impl Session {
    /// Reads what is missing of an entry's attributes. An attribute that cannot be completed stays cut.
    pub(super) async fn complete(&self, entry: &mut Entry, attributes: &[String]) -> Result<(), Problem> {
        for attribute in attributes {
            let Some(first) = entry.range(attribute) else { continue };
            let mut first = Some(first);
            for _ in 0..ATTEMPTS {
                let start = match first.take() {
                    Some(first) => Some(first),
                    None => self.range(&entry.dn, attribute, 0).await?,
                };
                let Some(start) = start else { continue };
                if let Some(values) = self.rest(&entry.dn, attribute, start).await? {
                    tracing::debug!(dn = %entry.dn, %attribute, values = values.len(), "read in ranges");
                    entry.fill(attribute, values);
                    break;
                }
            }
        }
        Ok(())
    }

    /// All values, if they did not change meanwhile.
    async fn rest(&self, dn: &str, attribute: &str, start: Range) -> Result<Option<BTreeSet<Vec<u8>>>, Problem> {
        if start.first != 0 {
            return Ok(None);
        }
        let mut last = start.last;
        let mut values: BTreeSet<Vec<u8>> = start.values.into_iter().collect();
        while let Some(end) = last {
            let Some(next) = self.range(dn, attribute, end).await? else { return Ok(None) };
            let known = next.values.iter().filter(|value| values.contains(*value)).count();
            let proceeds = next.last.is_none_or(|next| next > end);
            if next.first != end || known != 1 || !proceeds {
                return Ok(None);
            }
            values.extend(next.values);
            last = next.last;
        }
        Ok(Some(values))
    }

    async fn range(&self, dn: &str, attribute: &str, from: usize) -> Result<Option<Range>, Problem> {
        let wanted = [format!("{attribute};range={from}-*")];
        let page = self.page(self.ldap.clone(), dn, Scope::Base, "(objectClass=*)", &wanted, 0).await?;
        if page.result.is_none_or(|result| result.rc != 0) {
            return Ok(None);
        }
        let mut entries = page.entries;
        Ok(entries.pop().and_then(|entry| entry.range(attribute)))
    }
}
