//! Everything that is tested from outside, and against real servers; `tests/setup` installs them.

mod planner;
mod servers;
mod support;
