//! The main job, end to end: the real program between a real directory and a real homeserver.

mod blocked;
mod costs;
mod errors;
mod kills;
mod life;
mod limits;
mod orphans;
mod output;
mod overlap;
mod rails;
mod rooms;
pub mod scene;
mod time;
