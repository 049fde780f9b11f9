//! `elbo plan RECIPE`: the training step as a table. Needs no device and no data.

use super::common::{Changes, show};
use crate::plan::Options;
use crate::train::{SetShape, programs};
use crate::values::Result;
use std::num::NonZeroUsize;

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
    #[arg(long, default_value = "60000", value_name = "N")]
    examples: NonZeroUsize,
    /// Numbers an example that the table assumes
    #[arg(long, default_value = "784", value_name = "N")]
    features: NonZeroUsize,
}

pub fn run(a: Args) -> Result<()> {
    let config = a.changes.resolve(&a.recipe)?;
    let (examples, features) = (a.examples.get(), a.features.get());
    let set = SetShape { split: "train", examples, features, resident: config.data.resident };
    // WebGPU's promise of 128 MiB a binding, so that the table is the same everywhere.
    let layout = programs::layout(&config, features, 1 << 25)?;
    let options = Options { fuse: !a.unfused, ..Options::default() };
    show(&programs::train(&config, &set, &layout, options)?.plan.table())
}
