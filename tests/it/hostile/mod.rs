//! Directories and rooms that mean harm, and people who prepare things for `inviter`.

mod output;
mod power;
mod rooms;
mod state;
