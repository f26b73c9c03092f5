//! What starts `inviter` elsewhere than at a terminal, as far as it can be held here.

mod compose;
mod container;
mod k8s;
mod pipelines;
mod schedules;
