//! Progress on standard error: a bar while standard error is a terminal, nothing otherwise.

use std::io::{self, Write};
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::watch::Watch;

/// A bar for the stage under way.
#[derive(Debug)]
pub struct Bars {
    all: MultiProgress,
    current: Mutex<Option<ProgressBar>>,
}

impl Bars {
    /// Bars on standard error, or none at all.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        // The target hides itself where standard error is no terminal.
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { all: MultiProgress::with_draw_target(target), current: Mutex::new(None) }
    }

    /// A writer to standard error that the bars make way for.
    #[must_use]
    pub fn stderr(&self) -> Stderr {
        Stderr(self.all.clone())
    }

    fn with_current(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        // A poisoned lock means that another task panicked while it drew: nothing to protect from.
        act(&mut self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Watch for Bars {
    fn begin(&self, stage: &'static str, steps: usize) {
        let style = ProgressStyle::with_template("{msg:<16} {bar:32} {pos}/{len}  {elapsed}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.all.add(ProgressBar::new(steps as u64).with_style(style).with_message(stage));
        self.with_current(|current| *current = Some(bar));
    }

    fn step(&self) {
        self.with_current(|current| {
            if let Some(bar) = current {
                bar.inc(1);
            }
        });
    }

    fn end(&self) {
        self.with_current(|current| {
            if let Some(bar) = current.take() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        });
    }
}

/// Standard error, with the bars out of the way while it is written to.
#[derive(Debug, Clone)]
pub struct Stderr(MultiProgress);

impl Write for Stderr {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
