//! A run whose device is lost under it: opened again, it goes on from its last checkpoint.

use super::{Outcome, RunOptions, Session, Start, run};
use crate::values::{Error, Result, note};
use std::thread::sleep;
use std::time::Duration;

/// How often one run opens a device again; then it ends, and what was saved stays.
pub const MAX_LOSSES: u32 = 3;

/// [`run`] of a session that `make` makes, at first and again each time that the device is lost ([`Error::Lost`]), up to
/// [`MAX_LOSSES`] times. What comes of it is what an undisturbed run leaves, bit for bit: a run goes on from its last
/// checkpoint as one that was killed. Returns the session that came to the end.
pub fn run_recovering(
    mut make: impl FnMut() -> Result<Session>,
    shape: [usize; 3],
    o: &RunOptions,
) -> Result<(Session, Outcome)> {
    let mut options = o.clone();
    let mut losses = 0;
    loop {
        let mut begun = false;
        let attempt = make().and_then(|mut session| {
            begun = true;
            let outcome = run(&mut session, shape, &options)?;
            Ok((session, outcome))
        });
        let Err(Error::Lost(what)) = attempt else { return attempt };
        losses += 1;
        if losses > MAX_LOSSES {
            return Err(Error::failure(format!(
                "{what}, as {MAX_LOSSES} times before in this run; its checkpoints are whole, --resume goes on from the last"
            )));
        }
        note(format_args!("{what}; opening it again to go on from the last checkpoint ({losses} of {MAX_LOSSES})"));
        // A driver that resets itself needs a moment.
        sleep(Duration::from_secs(u64::from(losses - 1)));
        // Not where no step was begun: the folder may still hold another run, which this one is to replace.
        if begun {
            options.start = Start::Resume;
        }
    }
}
