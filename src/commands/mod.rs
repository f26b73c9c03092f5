//! The commands besides `sync`: what reads, what prints, and in which order.

pub(crate) mod by_hand;
pub(crate) mod check;
pub(crate) mod init;
pub(crate) mod lists;
pub(crate) mod metrics;
pub(crate) mod shell;
