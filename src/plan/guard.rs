//! placeholder
pub struct Limits;
pub struct Refusal;
pub fn guard() {}
