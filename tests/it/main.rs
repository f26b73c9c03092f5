//! Everything that is tested from outside, and against real servers; `tests/setup` installs them.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unused_self,
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, and nothing uses a test from outside"
)]

mod config;
mod deploy;
mod entra;
mod faults;
mod federation;
mod file_idp;
mod fuzz;
mod hostile;
mod import;
mod ldap;
mod manual;
mod matrix;
mod pages;
mod planner;
mod readme;
mod secrets;
mod servers;
mod shell;
mod supply;
mod support;
mod sync;
mod walls;
