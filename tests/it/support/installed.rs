//! What `tests/setup` installs.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of what is not the system's.
pub fn folder() -> PathBuf {
    env::var_os("INVITER_TEST_SERVERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-servers"), PathBuf::from)
}

/// `kubectl`, of `tests/setup` or of the system.
pub fn kubectl() -> PathBuf {
    let own = folder().join("kubectl");
    if own.is_file() { own } else { on_path("kubectl") }
}

/// A program of the system.
pub fn on_path(name: &str) -> PathBuf {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run tests/setup"))
}
