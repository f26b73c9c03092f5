//! Real servers, a recording proxy and the real program, for tests and examples.
//!
//! An example uses it with `#[path = "../tests/it/support/mod.rs"] mod support;`.
#![allow(dead_code, unused_imports, reason = "each host of this module uses only a part of it")]

pub mod account;
pub mod browser;
pub mod double;
pub mod ds389;
pub mod federation;
#[path = "../../../src/fuzz.rs"]
pub(crate) mod fuzz;
pub mod graph;
pub mod installed;
pub mod inviter;
pub mod odd;
pub mod recorder;
pub mod samba;
pub mod slapd;
pub mod synapse;
pub mod terminal;
pub mod tls;
pub mod tools;
pub mod watchdog;
