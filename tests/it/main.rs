//! Everything that is tested from outside, and against real servers; `tests/setup` installs them.

mod config;
mod file_idp;
mod ldap;
mod planner;
mod servers;
mod support;
mod sync;
mod walls;
