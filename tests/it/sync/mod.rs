//! The main job, end to end: the real program between a real directory and a real homeserver.

mod costs;
mod errors;
mod kills;
mod life;
mod orphans;
mod output;
mod rails;
mod rooms;
pub mod scene;
