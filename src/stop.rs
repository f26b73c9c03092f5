//! When a run is to end before it is through: at its deadline, or when a signal asks for it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Why a run ends before it is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its time is over.
    Deadline(Duration),
    /// A signal asked for it.
    Signal(&'static str),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(time) => write!(f, "the deadline of {} is over", humantime::format_duration(*time)),
            Self::Signal(name) => write!(f, "{name} was received"),
        }
    }
}

/// Tells all parts of a run when to begin nothing more. Clones are of the same run.
#[derive(Debug, Clone)]
pub struct Stop {
    deadline: Option<(Instant, Duration)>,
    received: Arc<watch::Sender<Received>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Received {
    first: Option<&'static str>,
    again: bool,
}

impl Default for Stop {
    /// A run without a deadline, which nobody asks to end.
    fn default() -> Self {
        Self { deadline: None, received: Arc::new(watch::Sender::new(Received::default())) }
    }
}

impl Stop {
    /// A run that begins now and may take so long.
    #[must_use]
    pub fn after(deadline: Option<Duration>) -> Self {
        // A time that the clock cannot hold never comes.
        let deadline = deadline.and_then(|time| Some((Instant::now().checked_add(time)?, time)));
        Self { deadline, ..Self::default() }
    }

    /// Stops the run at SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// When the system does not let signals be received.
    #[cfg(unix)]
    pub fn at_signals(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = self.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                stop.receive(name);
            }
        });
        Ok(())
    }

    /// Stops the run at Ctrl-C from now on.
    ///
    /// # Errors
    /// None here.
    #[cfg(not(unix))]
    pub fn at_signals(&self) -> io::Result<()> {
        let stop = self.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                stop.receive("Ctrl-C");
            }
        });
        Ok(())
    }

    fn receive(&self, name: &'static str) {
        self.received.send_modify(|received| {
            received.again |= received.first.is_some();
            received.first.get_or_insert(name);
        });
    }

    /// Why the run is to end now, if it is.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        let signal = self.received.borrow().first.map(Why::Signal);
        signal.or_else(|| self.deadline.filter(|(at, _)| *at <= Instant::now()).map(|(_, time)| Why::Deadline(time)))
    }

    /// Whether the deadline comes before a moment.
    #[must_use]
    pub fn is_before(&self, moment: Instant) -> bool {
        self.deadline.is_some_and(|(at, _)| at < moment)
    }

    /// Waits until the run is to end.
    pub async fn reached(&self) -> Why {
        let mut received = self.received.subscribe();
        let deadline = async {
            match self.deadline {
                Some((at, time)) => {
                    sleep_until(at).await;
                    Why::Deadline(time)
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender is in `self`, so that there is always one.
            Ok(received) = received.wait_for(|received| received.first.is_some()) => {
                Why::Signal(received.first.unwrap_or_default())
            }
            why = deadline => why,
        }
    }

    /// Waits for a second signal, which wants the end at once.
    pub async fn insisted(&self) {
        if self.received.subscribe().wait_for(|received| received.again).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What a future comes to, unless the run is to end before.
    ///
    /// # Errors
    /// Why the run is to end. The future is dropped then.
    pub async fn or<F: Future>(&self, future: F) -> Result<F::Output, Why> {
        tokio::select! {
            biased;
            why = self.reached() => Err(why),
            output = future => Ok(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_without_deadline_and_signal_goes_on() {
        let stop = Stop::default();
        assert_eq!((stop.why(), stop.or(async { 1 }).await), (None, Ok(1)));
        assert!(!stop.is_before(Instant::now() + Duration::from_hours(1)));
        assert_eq!(Stop::after(Some(Duration::MAX)).why(), None);
    }

    #[tokio::test]
    async fn the_deadline_ends_what_waits() {
        let stop = Stop::after(Some(Duration::from_millis(20)));
        assert!(stop.is_before(Instant::now() + Duration::from_secs(1)));
        let why = stop.or(std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(why.to_string(), "the deadline of 20ms is over");
        assert_eq!(stop.why(), Some(why));
        assert_eq!(stop.or(async { 1 }).await, Err(why), "nothing is begun afterwards");
    }

    #[tokio::test]
    async fn the_first_signal_ends_it_and_the_second_insists() {
        let stop = Stop::default();
        stop.clone().receive("SIGTERM");
        assert_eq!(stop.reached().await, Why::Signal("SIGTERM"));
        assert!(tokio::time::timeout(Duration::from_millis(20), stop.insisted()).await.is_err());
        stop.receive("SIGINT");
        stop.insisted().await;
        assert_eq!(stop.why(), Some(Why::Signal("SIGTERM")));
    }
}
