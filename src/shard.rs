//! Which run takes care of a room, when several share the rooms among themselves.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};

/// The largest number of shards: far beyond what helps a homeserver.
const MOST: u32 = 1000;

/// One of several runs that share the rooms: `0/4` is the first of four.
///
/// The room goes to the shard that weighs most for it (rendezvous hashing, Thaler and Ravishankar 1998). So each room is
/// in one shard, and of `N` shards a further one takes over about one room in `N + 1`, and no other room moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// Why a text names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected I/N: the number of this shard, counted from 0, and how many there are (at most {MOST}), like 0/4 to 3/4 for \
     four"
)]
pub struct NoShard;

impl Shard {
    /// Whether this shard takes care of something: of a room by its alias, or by its ID where no group names it.
    #[must_use]
    pub fn holds(self, key: &str) -> bool {
        (0..self.count).max_by_key(|index| weight(*index, key)) == Some(self.index)
    }

    /// The number of this shard, counted from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// This shard's share of a number that all shards together may reach: rounded up, so that no shard is left without.
    #[must_use]
    pub fn share(self, whole: u64) -> u64 {
        whole.div_ceil(u64::from(self.count))
    }
}

/// How much a shard weighs for something. Fixed for all time: runs of different versions may share the rooms.
fn weight(index: u32, key: &str) -> [u8; 32] {
    let mut text = index.to_be_bytes().to_vec();
    text.extend(key.as_bytes());
    let mut weight = [0; 32];
    weight.copy_from_slice(digest(&SHA256, &text).as_ref());
    weight
}

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let (index, count) = text.split_once('/').ok_or(NoShard)?;
        let number = |digits: &str| {
            let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_plain { digits.parse::<u32>().map_err(|_| NoShard) } else { Err(NoShard) }
        };
        let (index, count) = (number(index)?, number(count)?);
        if index < count && count <= MOST { Ok(Self { index, count }) } else { Err(NoShard) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}
