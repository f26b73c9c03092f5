//! Tests against real servers; `tests/setup` installs them.

mod ldap;
mod servers;
mod support;
