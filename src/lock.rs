//! A lock file that keeps two runs from overlapping.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, sleep};

/// How often it is looked whether the other run has ended.
const POLL: Duration = Duration::from_millis(200);

/// The lock of a run. The system takes it away when the run ends, however it ends; the file stays, since taking it away
/// could leave two runs with a lock each.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Takes the lock of a file, which is made if it is missing. Waits for another run to end, at most so long; `None` if
/// the other still has the lock then.
///
/// # Errors
/// When the file cannot be opened for writing, or its file system has no locks.
pub(crate) async fn take(path: &Path, wait: Duration) -> anyhow::Result<Option<Lock>> {
    let shown = path.display();
    let file = OpenOptions::new().create(true).append(true).open(path).with_context(|| {
        format!("the lock file {shown} cannot be opened: nothing was changed; name one that this account may write")
    })?;
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Lock { _file: file })),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| {
                    format!("the lock file {shown} cannot be locked: nothing was changed; name one on a local disk")
                });
            }
            Err(TryLockError::WouldBlock) => {}
        }
        let left = wait.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        sleep(POLL.min(left)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_lock_is_held_by_one_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = take(&path, Duration::ZERO).await.unwrap().unwrap();
        assert!(take(&path, Duration::ZERO).await.unwrap().is_none());
        let (second, ()) = tokio::join!(take(&path, Duration::from_mins(1)), async { drop(first) });
        assert!(second.unwrap().is_some());
        assert!(path.exists());
    }

    #[tokio::test]
    async fn what_is_in_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "named by mistake").unwrap();
        take(&path, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "named by mistake");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_an_error_that_names_it() {
        let error = take(Path::new("/no such folder/lock"), Duration::ZERO).await.unwrap_err();
        assert!(format!("{error:#}").starts_with("the lock file /no such folder/lock cannot be opened"), "{error:#}");
    }
}
