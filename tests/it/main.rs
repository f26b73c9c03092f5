//! Tests against real servers; `tests/setup` installs them.

mod file_idp;
mod ldap;
mod servers;
mod support;
