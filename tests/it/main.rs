//! Tests against real servers; `tests/setup` installs them.

mod matrix;
mod servers;
mod support;
