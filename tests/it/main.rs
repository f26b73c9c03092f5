//! Tests against real servers; `tests/setup` installs them.

mod servers;
mod support;
