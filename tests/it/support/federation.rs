//! Two real homeservers that talk to each other.

use std::{sync::OnceLock, thread};

use super::{
    synapse::{Options, Synapse},
    watchdog::free_port,
};

impl Synapse {
    /// Two servers that federate over loopback, with the rate limits lifted; the tests of this process share them.
    ///
    /// Their names have ports (`localhost:12345`), so users, aliases and, before room version 12, room IDs have too.
    pub fn federating_pair() -> &'static [Self; 2] {
        static PAIR: OnceLock<[Synapse; 2]> = OnceLock::new();
        PAIR.get_or_init(|| {
            thread::scope(|scope| {
                [(); 2].map(|()| scope.spawn(Self::federating)).map(|server| server.join().expect("the server starts"))
            })
        })
    }

    /// One more server, of one's own, that federates with those.
    pub fn federating() -> Self {
        let port = free_port();
        let server_name = format!("localhost:{port}");
        Self::start(Options { server_name, federation: Some(port), ..Options::default() })
    }
}
