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

mod check;
mod config;
mod deploy;
mod entra;
mod faults;
mod federation;
mod file_idp;
mod first_run;
mod fuzz;
mod hostile;
mod import;
mod init;
mod join;
mod ldap;
mod manual;
mod matrix;
mod merging;
mod metrics;
mod package;
mod pages;
mod planner;
mod readme;
mod schema;
mod secrets;
mod servers;
mod shards;
mod shell;
mod supply;
mod support;
mod sync;
mod telling;
mod walls;
