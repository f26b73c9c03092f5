//! Panics of the LDAP library over malformed answers.

use std::panic::{PanicHookInfo, set_hook, take_hook};

/// Has nothing printed for a panic inside the LDAP library. It panics over answers that are malformed; each of these
/// panics is caught and becomes an error that says so. All other panics are printed as before.
///
/// For programs: this is a setting of the whole process.
pub fn quieten_ldap_panics() {
    let others = take_hook();
    set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        let file = panic.location().map_or("", |place| place.file());
        if is_of_the_library(file) {
            tracing::debug!(%panic, "the LDAP library panics over an answer");
        } else {
            others(panic);
        }
    }));
}

/// Whether a source file is one of `ldap3` or of its `lber`, wherever their sources are kept.
fn is_of_the_library(file: &str) -> bool {
    file.split(['/', '\\']).any(|part| {
        let name = part.split_once('-').map_or(part, |(name, _)| name);
        matches!(name, "ldap3" | "lber")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_panics_of_the_library_are_its_own() {
        assert!(is_of_the_library("/home/x/.cargo/registry/src/mirror-1/ldap3-0.12.1/src/protocol.rs"));
        assert!(is_of_the_library("vendor/lber/src/parse.rs"));
        assert!(!is_of_the_library("src/idp/ldap/mod.rs"));
        assert!(!is_of_the_library("/rustc/1/library/core/src/option.rs"));
        assert!(!is_of_the_library(""));
    }
}
