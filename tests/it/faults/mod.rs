//! Servers that fail at any message or answer without end, between the real program and real servers.

mod bounds;
mod directory;
