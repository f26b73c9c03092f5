//! Answers that are longer than anything honest.

use std::process::Command;
use std::time::Duration;

use crate::support::graph::Graph;
use crate::support::inviter::Inviter;
use crate::support::odd::Odd;
use crate::support::recorder::{Action, Recorder};
use crate::sync::scene::Scene;

/// A body that no machine of a test should hold.
const GIB: u64 = 1 << 30;
/// What a run may hold beside an answer, in MiB: a debug build takes some 60.
const BESIDE: u64 = 100;

/// Runs the program, and returns how much memory it held at most, in MiB, with its outcome.
fn peak(inviter: &Inviter) -> (u64, i32, String) {
    // The shell waits for the program alone, so that the resources of its children are those of the program.
    let script = r#""$@" -c inviter.toml sync 2>err >out; echo "status $?"; cat err out; tail -1 peak"#;
    todo!()
}
