//! The planner, without any server: rules one by one, properties over generated worlds, and how a plan reads.

mod guard;
mod naming;
mod orphans;
mod properties;
pub mod renderings;
mod rooms;
mod rules;
mod size;
pub mod world;
