//! The planner, without any server: rules one by one, properties over generated worlds, and how a plan reads.

mod naming;
mod properties;
mod renderings;
mod rooms;
mod rules;
mod size;
mod world;
