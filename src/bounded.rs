//! Files that are read whole, up to a bound: a wrong path may lead to something without end.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};
use std::path::Path;

/// The largest file that is read, in bytes: no configuration, list of rooms or certificate that is meant is larger.
const LARGEST: u64 = 64 << 20;

/// Reads a file of at most 64 MiB.
///
/// # Errors
/// When it cannot be read, or is larger.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let why = format!("it is larger than {} MiB; is it the right file?", LARGEST >> 20);
        return Err(Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// The same for text in UTF-8.
///
/// # Errors
/// As [`read`], and when it is no such text.
pub(crate) fn read_to_string(path: &Path) -> Result<String, Error> {
    String::from_utf8(read(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is no valid UTF-8"))
}
