//! placeholder
pub struct Policy;
pub struct Removals;
pub fn compute() {}
