//! Entries as the server sent them.

use std::collections::{BTreeMap, BTreeSet};

use crate::dn::hexadecimal;

use ldap3::asn1::{PL, StructureTag};

/// An entry of a search result. Attribute descriptions are in lower case: servers answer with their own spelling,
/// or with that of the request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) dn: String,
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

/// A part of the values of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: usize,
    /// `None` if it is the last part.
    pub(super) last: Option<usize>,
    pub(super) values: Vec<Vec<u8>>,
}

impl Entry {
    /// Reads a `SearchResultEntry` (RFC 4511, section 4.5.2), or says what is wrong with it.
    pub(super) fn decode(tag: StructureTag) -> Result<Self, &'static str> {
        let mut parts = constructed(tag).ok_or("an entry is no sequence")?.into_iter();
        let dn = text(parts.next()).ok_or("the DN of an entry is no UTF-8 text")?;
        let mut attributes = BTreeMap::<_, Vec<_>>::new();
        for attribute in parts.next().and_then(constructed).ok_or("the attributes of an entry are no sequence")? {
            let mut parts = constructed(attribute).ok_or("an attribute is no sequence")?.into_iter();
            let name = text(parts.next()).ok_or("the name of an attribute is no text")?;
            let values = parts.next().and_then(constructed).ok_or("the values of an attribute are no set")?;
            let values = values.into_iter().map(primitive).collect::<Option<Vec<_>>>();
            let values = values.ok_or("the value of an attribute is no octet string")?;
            attributes.entry(name.to_ascii_lowercase()).or_default().extend(values);
        }
        // The order of values is the server's whim (RFC 4511, section 4.1.7).
        for values in attributes.values_mut() {
            values.sort();
        }
        Ok(Self { dn, attributes })
    }

    /// The values of an attribute, sorted; none if it has none or may not be read.
    pub(super) fn values(&self, attribute: &str) -> &[Vec<u8>] {
        self.attributes.get(&attribute.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// Like [`Entry::values`], without those that are no text.
    pub(super) fn texts(&self, attribute: &str) -> impl Iterator<Item = &str> {
        self.values(attribute).iter().filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Whether an attribute came in part only: Active Directory hands out long ones in ranges, `member;range=0-1499`.
    pub(super) fn is_cut(&self, attribute: &str) -> bool {
        let prefix = range_of(attribute);
        self.attributes.keys().any(|name| name.starts_with(&prefix))
    }

    /// Whether values came under an attribute with an option that is no range: of another language, say (RFC 4512,
    /// section 2.5.2). They are values of the attribute as well.
    pub(super) fn has_options(&self, attribute: &str) -> bool {
        let (prefix, range) = (format!("{};", attribute.to_ascii_lowercase()), range_of(attribute));
        self.attributes
            .iter()
            .any(|(name, values)| name.starts_with(&prefix) && !name.starts_with(&range) && !values.is_empty())
    }

    /// The range of an attribute that came; `None` if it did not come in ranges, or in one that makes no sense.
    pub(super) fn range(&self, attribute: &str) -> Option<Range> {
        let prefix = range_of(attribute);
        let mut ranges =
            self.attributes.iter().filter_map(|(name, values)| Some((name.strip_prefix(&prefix)?, values)));
        let (bounds, values) = ranges.next()?;
        let (first, last) = bounds.split_once('-')?;
        let last = if last == "*" { None } else { Some(last.parse().ok()?) };
        let range = Range { first: first.parse().ok()?, last, values: values.clone() };
        // More than one range is none that can be made sense of; neither is one that holds another number of values.
        let sound = range.last.is_none_or(|last| {
            last.checked_sub(range.first).is_some_and(|steps| steps.checked_add(1) == Some(range.values.len()))
        });
        (ranges.next().is_none() && sound).then_some(range)
    }

    /// Puts all the values into the place of a range.
    pub(super) fn fill(&mut self, attribute: &str, values: BTreeSet<Vec<u8>>) {
        let prefix = range_of(attribute);
        self.attributes.retain(|name, _| !name.starts_with(&prefix));
        self.attributes.insert(attribute.to_ascii_lowercase(), values.into_iter().collect());
    }

    /// The immutable ID, from the first of the attributes that has a value.
    pub(super) fn id(&self, attributes: &[String]) -> Option<String> {
        attributes.iter().find_map(|attribute| {
            let value = self.values(attribute).first().filter(|value| !value.is_empty())?;
            Some(match <[u8; 16]>::try_from(value.as_slice()) {
                Ok(guid) if attribute.eq_ignore_ascii_case("objectGUID") => guid_text(guid),
                _ => match std::str::from_utf8(value) {
                    Ok(text) if !text.contains(char::is_control) => text.to_owned(),
                    _ => hexadecimal(value),
                },
            })
        })
    }

    #[cfg(test)]
    pub(super) fn new(dn: &str, attributes: &[(&str, &[&str])]) -> Self {
        let attributes = attributes.iter().map(|(name, values)| {
            let mut values: Vec<_> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
            values.sort();
            (name.to_ascii_lowercase(), values)
        });
        Self { dn: dn.into(), attributes: attributes.collect() }
    }
}

fn range_of(attribute: &str) -> String {
    format!("{};range=", attribute.to_ascii_lowercase())
}

/// The text of an `objectGUID`: its first three fields are little-endian (MS-DTYP, section 2.3.4).
fn guid_text(guid: [u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::with_capacity(36);
    for (at, from) in ORDER.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&hexadecimal(guid.get(from..=from).unwrap_or_default()));
    }
    text
}

fn constructed(tag: StructureTag) -> Option<Vec<StructureTag>> {
    if let PL::C(parts) = tag.payload { Some(parts) } else { None }
}

fn primitive(tag: StructureTag) -> Option<Vec<u8>> {
    if let PL::P(bytes) = tag.payload { Some(bytes) } else { None }
}

fn text(tag: Option<StructureTag>) -> Option<String> {
    String::from_utf8(primitive(tag?)?).ok()
}

#[cfg(test)]
mod tests {
    use ldap3::asn1::TagClass;
    use proptest::prelude::*;

    use super::*;

    fn primitive(bytes: &[u8]) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(bytes.to_vec()) }
    }

    fn sequence(parts: Vec<StructureTag>) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 16, payload: PL::C(parts) }
    }

    #[test]
    fn attributes_are_found_in_any_case_and_values_are_sorted() {
        let values = sequence(vec![primitive(b"b"), primitive(b"\xff"), primitive(b"a")]);
        let tag = sequence(vec![primitive(b"cn=x"), sequence(vec![sequence(vec![primitive(b"MemberUid"), values])])]);
        let entry = Entry::decode(tag).unwrap();
        assert_eq!(entry.values("memberUID"), [b"a".to_vec(), b"b".to_vec(), b"\xff".to_vec()]);
        assert_eq!(entry.texts("memberuid").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(entry.values("member"), [] as [Vec<u8>; 0]);
    }

    #[test]
    fn a_malformed_entry_is_an_error() {
        for tag in [
            primitive(b""),
            sequence(vec![]),
            sequence(vec![primitive(b"\xff"), sequence(vec![])]),
            sequence(vec![primitive(b"cn=x")]),
            sequence(vec![primitive(b"cn=x"), sequence(vec![primitive(b"cn")])]),
            sequence(vec![primitive(b"cn=x"), sequence(vec![sequence(vec![primitive(b"cn"), primitive(b"x")])])]),
        ] {
            assert!(Entry::decode(tag.clone()).is_err(), "{tag:?}");
        }
    }

    #[test]
    fn a_range_is_noticed() {
        let entry = Entry::new("cn=x", &[("member;Range=0-1499", &["cn=a"])]);
        assert!(entry.is_cut("Member"));
        assert!(!entry.is_cut("uniqueMember"));
    }

    #[test]
    fn a_range_that_makes_no_sense_is_none() {
        let range = |name: &str, values: &[&str]| Entry::new("cn=x", &[(name, values)]).range("member");
        assert_eq!(range("member;range=0-1", &["a", "b"]).map(|range| (range.first, range.last)), Some((0, Some(1))));
        assert_eq!(range("member;range=7-*", &["a"]).map(|range| (range.first, range.last)), Some((7, None)));
        for name in ["member;range=0-2", "member;range=2-1", "member;range=-1", "member;range=0", "member;range=0-x"] {
            assert_eq!(range(name, &["a", "b"]), None, "{name}");
        }
    }

    #[test]
    fn the_first_id_attribute_with_a_value_counts() {
        let entry = Entry::new("cn=x", &[("entryUUID", &[]), ("nsUniqueId", &["1-2"]), ("ipaUniqueID", &["3"])]);
        assert_eq!(entry.id(&["entryuuid".into(), "nsuniqueid".into(), "ipaUniqueID".into()]), Some("1-2".into()));
        assert_eq!(entry.id(&["objectGUID".into()]), None);
    }

    #[test]
    fn an_object_guid_is_written_as_active_directory_writes_it() {
        let guid = b"\x33\x22\x11\x00\x55\x44\x77\x66\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
        let attributes = BTreeMap::from([("objectguid".to_owned(), vec![guid.to_vec()])]);
        let entry = Entry { dn: String::new(), attributes };
        assert_eq!(entry.id(&["objectGUID".into()]).unwrap(), "00112233-4455-6677-0809-0a0b0c0d0e0f");
    }

    fn tags() -> impl Strategy<Value = StructureTag> {
        let leaf = proptest::collection::vec(any::<u8>(), 0..5).prop_map(|bytes| super::tests::primitive(&bytes));
        leaf.prop_recursive(5, 40, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(sequence))
    }

    #[test]
    fn fuzz_decoding_never_panics() {
        crate::fuzz::try_all(&tags(), |tag| _ = Entry::decode(tag));
    }

    #[test]
    fn fuzz_a_range_is_one_that_holds_as_many_values_as_it_says() {
        let bounds = proptest::sample::select(vec![
            "0",
            "1",
            "2",
            "3",
            "4",
            "*",
            "",
            "-1",
            "+1",
            "1499",
            "18446744073709551615",
            "x",
        ]);
        let name =
            (proptest::sample::select(vec!["member", "MEMBER", "member;binary", "memberOf"]), bounds.clone(), bounds)
                .prop_map(|(name, first, last)| format!("{name};range={first}-{last}"));
        let attribute = (name, proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..5));
        crate::fuzz::try_all(&proptest::collection::vec(attribute, 0..4), |attributes| {
            let attributes = attributes.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values)).collect();
            let mut entry = Entry { dn: "cn=a".into(), attributes };
            let Some(range) = entry.range("member") else { return };
            assert!(entry.is_cut("member"));
            assert!(range.last.is_none_or(|last| last - range.first + 1 == range.values.len()), "{range:?}");
            entry.fill("member", range.values.into_iter().collect());
            assert!(!entry.is_cut("member"));
        });
    }
}
