//! `elbo plan RECIPE`: the training step as a table. Needs no device and no data.

use super::common::Changes;
use crate::plan::Options;
use crate::train::{SetShape, programs};
use crate::values::Result;

/// Arguments of `elbo plan`.
#[derive(clap::Args)]
pub struct Args {
    /// A recipe by name, or a .toml file
    recipe: String,
    #[command(flatten)]
    changes: Changes,
    /// Without fusion, for comparison
    #[arg(long)]
    unfused: bool,
    /// Examples of the data set that the table assumes
    #[arg(long, default_value_t = 60_000, value_name = "N")]
    examples: usize,
    /// Numbers an example that the table assumes
    #[arg(long, default_value_t = 784, value_name = "N")]
    features: usize,
}

pub fn run(a: Args) -> Result<()> {
    let config = a.changes.resolve(&a.recipe)?;
    let set = SetShape { split: "train", examples: a.examples, features: a.features, resident: config.data.resident };
    // WebGPU's promise of 128 MiB a binding, so that the table is the same everywhere.
    let layout = programs::layout(&config, a.features, 1 << 25)?;
    let options = Options { fuse: !a.unfused, ..Options::default() };
    print!("{}", programs::train(&config, &set, &layout, options)?.plan.table());
    Ok(())
}
