//! How stages tell of their progress without knowing who looks.

/// Somebody who looks on. All methods may be called from several tasks.
pub trait Watch: Send + Sync {
    /// A stage of so many steps begins.
    fn begin(&self, stage: &'static str, steps: usize);
    /// One step is done.
    fn step(&self);
    /// The stage is over.
    fn end(&self);
}

/// Nobody looks.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn begin(&self, _stage: &'static str, _steps: usize) {}
    fn step(&self) {}
    fn end(&self) {}
}
