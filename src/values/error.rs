//! The two ways in which elbo fails a user: the request was wrong (exit code 2), or the work could not be done (1).

use std::io::Write as _;
use std::path::Path;

/// What every fallible function of the crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// One clear sentence for the user: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command, a setting or a value is wrong; exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The work failed: a file, the device, memory; exit code 1.
    #[error("{0}")]
    Failure(String),
    /// The device went away under the work, which may be done on it again once it is opened anew; exit code 1.
    #[error("{0}")]
    Lost(String),
    /// The device did not come to an end with its work in time, and may never; exit code 1.
    #[error("{0}; smaller steps (train.batch) may, or another --device")]
    Hung(String),
}

impl Error {
    /// A wrong request.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Work that could not be done.
    pub fn failure(text: impl Into<String>) -> Self {
        Self::Failure(text.into())
    }

    /// A failed operation on a file, with its path and the system's reason.
    pub fn io(what: &str, path: &Path, e: &std::io::Error) -> Self {
        Self::Failure(format!("{what} {}: {e}", path.display()))
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failure(_) | Self::Lost(_) | Self::Hung(_) => 1,
        }
    }
}

/// A line for the user, on stderr. One that cannot be written (the disk under a log file is full) ends no work.
pub fn note(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
