//! Servers that fail in every way at every request, between the real program and real servers.

mod bounds;
mod directory;
mod kinds;
mod reads;
mod tenant;
mod world;
mod writes;
