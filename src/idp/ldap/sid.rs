//! Security identifiers of Active Directory.

/// The `objectSid` of somebody's primary group: that of the domain is the same as their own, and `primaryGroupID` is
/// what follows it (MS-DTYP, section 2.4.2.2; MS-SAMR, section 3.1.1.8.3). `None` if either is none.
pub(super) fn primary_group(own: &[u8], primary_group_id: &str) -> Option<Vec<u8>> {
    let relative: u32 = primary_group_id.trim().parse().ok()?;
    let domain = own.len().checked_sub(4).filter(|_| is_sid(own))?;
    let mut sid = own.get(..domain)?.to_vec();
    sid.extend(relative.to_le_bytes());
    Some(sid)
}

/// Whether this is an identifier (MS-DTYP, section 2.4.2.2).
pub(super) fn is_sid(bytes: &[u8]) -> bool {
    matches!(bytes, [1, count, ..] if *count > 0 && bytes.len() == 8 + 4 * usize::from(*count))
}

/// What follows the identifier of the domain in that of a group: what `primaryGroupID` would say.
pub(super) fn relative(sid: &[u8]) -> Option<u32> {
    sid.last_chunk().map(|last| u32::from_le_bytes(*last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fuzz_what_is_a_sid_keeps_its_length_and_its_domain() {
        let bytes = (0..6_u8, proptest::collection::vec(any::<u8>(), 0..32))
            .prop_map(|(count, rest)| [vec![1, count], rest].concat());
        crate::fuzz::try_all(&(bytes, crate::fuzz::nasty()), |(own, text)| {
            let _ = primary_group(&own, &text);
            if let Some(group) = primary_group(&own, "513") {
                assert_eq!((group.len(), &group[..own.len() - 4]), (own.len(), &own[..own.len() - 4]));
                assert_eq!(own.len(), 8 + 4 * usize::from(own[1]));
            }
        });
    }

    #[test]
    fn a_group_is_asked_for_by_the_end_of_its_identifier() {
        assert_eq!(relative(&[1, 1, 0, 0, 0, 0, 0, 5, 1, 2, 0, 0]), Some(513));
        assert_eq!(relative(&[]), None);
    }

    #[test]
    fn the_primary_group_is_in_the_domain_of_its_member() {
        let own = [&[1, 2, 0, 0, 0, 0, 0, 5][..], &[21, 0, 0, 0], &[0x50, 4, 0, 0]].concat();
        let group = [&[1, 2, 0, 0, 0, 0, 0, 5][..], &[21, 0, 0, 0], &[1, 2, 0, 0]].concat();
        assert_eq!(primary_group(&own, "513"), Some(group));
        assert_eq!(primary_group(&own, "many"), None);
        assert_eq!(primary_group(&own[..11], "513"), None);
        assert_eq!(primary_group(&[], "513"), None);
    }
}
