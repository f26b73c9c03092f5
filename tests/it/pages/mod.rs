//! Plans and lists for merge requests and for a browser, and the picture of a plan in the README.

mod browser;
mod hostile;
mod looks;
mod printed;
mod terminal;

use inviter::list::{Document, List, ManagedList};

use crate::planner::world::{World, user};

/// The list of the managed rooms of a world.
fn managed(world: &World) -> Document {
    let servers = [user("x").server_name().to_owned()].into();
    Document::new(List::Managed(ManagedList::of(&world.desired, &world.actual, &world.plan(), &servers)))
}
