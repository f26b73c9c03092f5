//! Progress on standard error: a bar while that is a terminal, a line now and then where it is a log, nothing with `--quiet`.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::info;

use crate::cli::{Cli, LogFormat};
use crate::watch::Watch;

/// Shows how far the stage under way is.
pub struct Bars {
    all: MultiProgress,
    show: Show,
    current: Mutex<Option<Stage>>,
}

/// In which way progress is shown.
enum Show {
    Nothing,
    Bars,
    /// Tells a line whenever so much time has passed.
    Lines(Duration, Arc<dyn Fn(String) + Send + Sync>),
}

/// The stage under way.
enum Stage {
    Bar(ProgressBar),
    Lines {
        done: Arc<AtomicUsize>,
        /// Ends the lines when it is dropped.
        _end: Sender<()>,
    },
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bars").finish_non_exhaustive()
    }
}

impl Bars {
    /// What the command line wants where standard error goes to.
    #[must_use]
    pub fn new(cli: &Cli) -> Self {
        if cli.quiet {
            Self::with(Show::Nothing)
        } else if io::stderr().is_terminal() && cli.log_format == LogFormat::Text {
            Self::with(Show::Bars)
        } else {
            Self::with(Show::Lines(cli.progress_interval, Arc::new(|line| info!("{line}"))))
        }
    }

    fn with(show: Show) -> Self {
        // The target draws twenty times a second at the most.
        let target = match show {
            Show::Bars => ProgressDrawTarget::stderr(),
            Show::Nothing | Show::Lines(..) => ProgressDrawTarget::hidden(),
        };
        Self { all: MultiProgress::with_draw_target(target), show, current: Mutex::new(None) }
    }

    /// A writer to standard error that the bars make way for.
    #[must_use]
    pub fn stderr(&self) -> Stderr {
        Stderr(self.all.clone())
    }

    fn with_current(&self, act: impl FnOnce(&mut Option<Stage>)) {
        // A poisoned lock means that another task panicked while it drew: nothing to protect from.
        act(&mut self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn bar(&self, stage: &'static str, steps: usize) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg:<16} {bar:32} {pos}/{len}  {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.all.add(ProgressBar::new(steps as u64).with_style(style).with_message(stage));
        bar.enable_steady_tick(Duration::from_secs(1));
        bar
    }
}

impl Watch for Bars {
    fn begin(&self, stage: &'static str, steps: usize) {
        let stage = match &self.show {
            Show::Nothing => return,
            Show::Bars => Stage::Bar(self.bar(stage, steps)),
            Show::Lines(interval, tell) => {
                let (done, (end, ended)) = (Arc::new(AtomicUsize::new(0)), channel());
                let (interval, tell, counted) = (*interval, tell.clone(), done.clone());
                let started = Instant::now();
                // A run that waits tells its lines as well, so that they cannot come from the steps.
                thread::spawn(move || {
                    while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                        tell(line(stage, counted.load(Ordering::Relaxed), steps, started.elapsed()));
                    }
                });
                Stage::Lines { done, _end: end }
            }
        };
        self.with_current(|current| *current = Some(stage));
    }

    fn step(&self) {
        self.with_current(|current| match current {
            Some(Stage::Bar(bar)) => bar.inc(1),
            Some(Stage::Lines { done, .. }) => {
                done.fetch_add(1, Ordering::Relaxed);
            }
            None => {}
        });
    }

    fn end(&self) {
        self.with_current(|current| {
            if let Some(Stage::Bar(bar)) = current.take() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        });
    }
}

/// How far a stage is: `reading rooms: 120 of 500, 12/s, 32s left`.
fn line(stage: &str, done: usize, steps: usize, elapsed: Duration) -> String {
    let mut line = format!("{stage}: {done} of {steps}");
    if done > 0 && !elapsed.is_zero() {
        let (done, steps) = (u32::try_from(done).unwrap_or(u32::MAX), u32::try_from(steps).unwrap_or(u32::MAX));
        let rate = f64::from(done) / elapsed.as_secs_f64();
        let left = (f64::from(steps.saturating_sub(done)) / rate).ceil();
        let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
        let _ = write!(line, ", {rate:.1}/s, {} left", humantime::format_duration(left));
    }
    line
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_how_fast_and_how_long_still() {
        let after = Duration::from_secs(10);
        assert_eq!(line("reading rooms", 120, 500, after), "reading rooms: 120 of 500, 12.0/s, 32s left");
        assert_eq!(line("reading rooms", 0, 500, after), "reading rooms: 0 of 500");
        assert_eq!(line("applying changes", 3, 3, after), "applying changes: 3 of 3, 0.3/s, 0s left");
        assert_eq!(line("applying changes", 1, 1000, after), "applying changes: 1 of 1000, 0.1/s, 2h 46m 30s left");
    }

    #[test]
    fn a_stage_tells_a_line_after_each_interval_until_it_ends() {
        let (sender, lines) = channel();
        let sender = Mutex::new(sender);
        let tell = move |line| drop(sender.lock().unwrap().send(line));
        let bars = Bars::with(Show::Lines(Duration::from_millis(20), Arc::new(tell)));
        bars.begin("reading rooms", 3);
        bars.step();
        let long = Duration::from_secs(20);
        for _ in 0..2 {
            let line = lines.recv_timeout(long).unwrap();
            assert!(line.starts_with("reading rooms: 1 of 3, "), "{line}");
        }
        bars.end();
        drop(bars);
        // The thread has ended, and its sender with it.
        while lines.recv_timeout(long).is_ok() {}
        assert_eq!(lines.recv_timeout(long), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_stage_that_ends_before_the_interval_tells_nothing() {
        let (sender, lines) = channel();
        let sender = Mutex::new(sender);
        let tell = move |line: String| drop(sender.lock().unwrap().send(line));
        let bars = Bars::with(Show::Lines(Duration::from_mins(10), Arc::new(tell)));
        bars.begin("reading rooms", 1);
        bars.step();
        bars.end();
        drop(bars);
        assert_eq!(lines.recv_timeout(Duration::from_secs(20)), Err(RecvTimeoutError::Disconnected));
    }
}
