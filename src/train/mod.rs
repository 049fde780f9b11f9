//! F7: training and evaluation: graphs from models, the loop over steps, what a run leaves on disk.

pub mod ablation;
mod ancestral;
mod discrete;
mod feed;
mod history;
pub(crate) mod interrupt;
pub mod labels;
mod measure;
mod metrics;
pub mod phases;
pub mod pictures;
pub mod profile;
pub mod programs;
pub mod progress;
mod recover;
mod run;
mod sequences;
mod session;
mod unigram;

pub use measure::{Posteriors, batches};
pub use metrics::{Means, Record};
pub use programs::{Program, SetShape};
pub use progress::Progress;
pub use recover::{MAX_LOSSES, run_recovering};
pub use run::{CODES, Ending, Outcome, RunOptions, Start, prior_folder, run};
pub use session::{Decoded, Evaluation, Session};
