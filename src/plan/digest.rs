//! What tells one plan from another: so that what is applied is what was reviewed.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::json;

use super::Plan;

/// Begins what is hashed; it changes when plans are written down for the hash in another way.
const VERSION: &str = "inviter plan 1";

/// SHA-256 over all that a plan would do: each room in which something changes, by alias and ID, and its changes in their
/// order with all that they hold. What is not done is not in it: what is withheld, warnings, problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// Not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the 64 hexadecimal digits that a dry run prints behind \"Digest:\"")]
pub struct NoDigest;

impl Plan {
    /// The digest of all that the plan would do.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // The JSON of the version and a list of all rooms; in pieces, since the whole is much larger than the plan.
        let mut hash = Context::new(&SHA256);
        hash.update(format!("[{},[", json!(VERSION)).as_bytes());
        for (at, room) in self.changing().enumerate() {
            let mut written = json!([room.alias, room.room_id, room.changes]);
            // A dependency may ask serde_json to keep objects in the order in which they were filled.
            written.sort_all_objects();
            hash.update(if at == 0 { b"" } else { b"," });
            hash.update(written.to_string().as_bytes());
        }
        hash.update(b"]]");
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.finish().as_ref());
        Digest(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(NoDigest))
            .collect::<Result<_, _>>()?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        if digits.len() == 64 { bytes.try_into().map(Self).map_err(|_| NoDigest) } else { Err(NoDigest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Plan::default().digest();
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string().to_uppercase().parse(), Ok(digest));
        let text = digest.to_string();
        for bad in ["", "3f", &text[1..], &format!("{text}0"), &text.replacen(&text[..1], "g", 1), &"ä".repeat(32)] {
            assert_eq!(bad.parse::<Digest>(), Err(NoDigest), "{bad}");
        }
    }

    #[test]
    fn it_is_sha_256() {
        // printf '["inviter plan 1",[]]' | sha256sum
        assert_eq!(
            Plan::default().digest().to_string(),
            "43a053e3f0da2ea2b4e83af7376a8077d84a5064d55702d98a9bc172000c62f4"
        );
    }
}
