//! `elbo bench`.

use super::common::{Changes, Common, load_data, show};
use crate::bench::bench_train;
use crate::values::{Error, Result};
use clap::Subcommand;
use std::num::NonZeroUsize;

/// Arguments of `elbo bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The step time of a recipe: median and minimum, examples/s, and time by kernel
    Train(Train),
}

#[derive(clap::Args)]
struct Train {
    /// The recipe
    #[arg(long, default_value = "vae")]
    recipe: String,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    changes: Changes,
    /// Steps to time
    #[arg(long, default_value = "100", value_name = "N")]
    timed_steps: NonZeroUsize,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(a: Args) -> Result<()> {
    let What::Train(t) = a.what;
    if t.timed_steps.get() > 1_000_000 {
        return Err(Error::usage(format!("--timed-steps must be at most 1000000, not {}", t.timed_steps)));
    }
    let config = t.changes.resolve(&t.recipe)?;
    let result = bench_train(t.common.open()?, &config, load_data(&config)?, t.timed_steps.get())?;
    if t.json {
        let text = serde_json::to_string(&result).map_err(|e| Error::failure(format!("bench: {e}")))?;
        show(&format!("{text}\n"))
    } else {
        show(&result.text())
    }
}
