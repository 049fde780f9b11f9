//! SIGINT and SIGTERM: the first asks the loop to finish its step and save, a second one ends the process at once.

use crate::values::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Listens from now on; once is enough.
pub fn listen() -> Result<()> {
    static LISTENING: AtomicBool = AtomicBool::new(false);
    if LISTENING.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let armed = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the shutdown unarmed, arms it, and is noted.
        flag::register_conditional_shutdown(signal, 128 + signal, armed.clone())
            .and_then(|_| flag::register(signal, armed.clone()))
            .and_then(|_| flag::register_usize(signal, SIGNAL.clone(), signal as usize))
            .map_err(|e| Error::failure(format!("signals cannot be listened to: {e}")))?;
    }
    Ok(())
}

/// A file that grows past the limit of the process is then an error of the write, as on a full disk, and not its end.
pub fn keep_file_limits_apart() {
    // Noted and not looked at. Where it cannot be had, the system's own way stays.
    #[cfg(unix)]
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// The signal that came, if one did.
pub fn received() -> Option<u8> {
    match SIGNAL.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal as u8),
    }
}
