//! `elbo plan RECIPE`: the training step as a table. Needs no device and no data.

use super::common::{resolve, show};
use crate::config::Likelihood;
use crate::data::{self, Sequence, Stored};
use crate::kernels::sprites::PIXELS;
use crate::models;
use crate::nn::Clock;
use crate::plan::Options;
use crate::train::{SetShape, phases, programs};
use crate::values::{Error, Result};
use std::num::NonZeroUsize;

/// Arguments of `elbo plan`.
#[derive(clap::Args)]
pub struct Args {
    /// A recipe by name, or a .toml file
    recipe: String,
    /// Any setting of the recipe, as in `--set train.batch=512`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Without fusion, for comparison
    #[arg(long)]
    unfused: bool,
    /// Examples of the data set that the table assumes
    #[arg(long, default_value = "60000", value_name = "N")]
    examples: NonZeroUsize,
    /// Numbers an example that the table assumes [default: those of data.name; 784 of a folder or a file]
    #[arg(long, value_name = "N")]
    features: Option<NonZeroUsize>,
    /// Frames of a sequence that the table assumes, of a model of sequences [default: those of data.name, else 20]
    #[arg(long, value_name = "N")]
    frames: Option<NonZeroUsize>,
}

pub fn run(a: Args) -> Result<()> {
    let config = resolve(&a.recipe, &a.set)?;
    // The one set whose batches have a kernel, and features, of their own.
    let drawn = config.data.name == "sprites";
    let (shape, frames) = data::extent(&config.data.name).unwrap_or(([28, 28, 1], None));
    let (examples, features) = (a.examples.get(), a.features.map_or(shape.iter().product(), NonZeroUsize::get));
    if drawn && features != PIXELS {
        return Err(Error::usage(format!(
            "--features {features}: sprites have {PIXELS} pixels, which their kernel draws"
        )));
    }
    // WebGPU's promise of 128 MiB a binding, so that the table is the same everywhere.
    const BINDING: usize = 1 << 25;
    let sequence = models::of(&config.model).sequential().map(|m| {
        let frames = a.frames.map_or(frames.unwrap_or(20), NonZeroUsize::get).max(m.longest() + 1);
        let stored = if m.likelihood == Likelihood::Gaussian { Stored::Reals } else { Stored::Bytes };
        Sequence { frames, stored }
    });
    // A prior reads codes, one number after the other.
    let codes =
        models::of(&config.model).autoregressive().map(|p| Sequence { frames: p.example(), stored: Stored::Reals });
    let features = if codes.is_some() { 1 } else { features };
    let sequence = codes.or(sequence);
    let mut set = SetShape { split: "train", examples, features, sequence, resident: true, drawn };
    set.resident = drawn || config.data.resident && set.data_words(0) <= BINDING;
    let layout = programs::layout(&config, features, BINDING)?;
    let options = Options { fuse: !a.unfused, group: !a.unfused, ..Options::default() };
    let phases = phases::phases(&config, &layout, features, (examples / config.train.batch) as u64)?;
    for &phase in &phases {
        if phases.len() > 1 {
            let Clock { own, cycle, .. } = phase.clock;
            let until = if phase.end < u64::MAX { format!(" to {}", phase.end) } else { String::new() };
            let steps = if own == cycle { "every step".into() } else { format!("{own} of every {cycle} steps") };
            show(&format!("{}: {steps} from {}{until}\n\n", phase.part, phase.start))?;
        }
        show(&programs::train(&config, &set, &layout, options, phase)?.plan.table())?;
    }
    Ok(())
}
