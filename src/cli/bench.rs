//! `elbo bench`.

use super::check::chosen;
use super::common::{Changes, Common, load_data, show};
use crate::bench::{
    BATCHES, Baseline, Format, Kind, Record, Sheet, WIDTHS, bench_ceilings, bench_kernels, bench_scale, bench_startup,
    bench_train, bench_tune, kinds,
};
use crate::checkpoint::write_whole_at;
use crate::config::Config;
use crate::data::Dataset;
use crate::exec;
use crate::exec::gpu::choice::{Choices, kept};
use crate::exec::gpu::has_subgroups;
use crate::train::Session;
use crate::values::{Error, Result, note};
use clap::Subcommand;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Arguments of `elbo bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// What the device can do at best: multiply-adds and bytes a second
    Ceilings(Ceilings),
    /// Every kernel over named shapes, verified, then timed: GFLOP/s, GB/s, and the share of the nearer ceiling
    Kernels(Kernels),
    /// The step time of recipes: median and minimum, examples/s, and time by kernel
    Train(Train),
    /// How the cost of a step grows with the batch (32 to 4096) and with the width (256 to 4096)
    Scale(Scale),
    /// Every way to compute what a recipe's step dispatches, timed; later runs on this adapter take the best
    Tune(Tune),
    /// From the start of the process to its first finished step, cold and warm caches
    Startup(Startup),
}

/// How the result is shown.
#[derive(clap::Args)]
struct Output {
    /// CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// An earlier --json output: the ratio of each time to its own there, and what moved beyond the noise
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

impl Output {
    fn format(&self) -> Format {
        match (self.csv, self.json) {
            (true, _) => Format::Csv,
            (_, true) => Format::Json,
            _ => Format::Text,
        }
    }

    /// Where lines go, as they come.
    fn sheet(&self, kind: &Kind) -> Result<impl FnMut(Record) -> Result<()>> {
        let baseline = self.baseline.as_ref().map(|path| Baseline::read(path, kind)).transpose()?;
        let mut sheet = Sheet::new(self.format(), baseline);
        Ok(move |record| show(&sheet.line(record)?))
    }
}

#[derive(clap::Args)]
struct Ceilings {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Kernels {
    #[command(flatten)]
    common: Common,
    /// Only this kernel
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Train {
    /// Recipes, as in vae,ae
    #[arg(long, default_value = "vae", value_delimiter = ',')]
    recipe: Vec<String>,
    /// Batch sizes, as in 128,1024 [default: the recipe's]
    #[arg(long, value_delimiter = ',', value_name = "N")]
    batch: Vec<NonZeroUsize>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    changes: Changes,
    /// Steps to time
    #[arg(long, default_value = "100", value_name = "N")]
    timed_steps: NonZeroUsize,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Scale {
    /// The recipe
    #[arg(long, default_value = "vae")]
    recipe: String,
    /// Batch sizes
    #[arg(long, value_delimiter = ',', value_name = "N", default_values_t = BATCHES)]
    batch: Vec<usize>,
    /// Widths of one hidden layer, at a batch of 128
    #[arg(long, value_delimiter = ',', value_name = "N", default_values_t = WIDTHS)]
    width: Vec<usize>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Tune {
    /// Recipes, as in vae,ae
    #[arg(long, default_value = "vae", value_delimiter = ',')]
    recipe: Vec<String>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Startup {
    /// The recipe
    #[arg(long, default_value = "vae")]
    recipe: String,
    #[command(flatten)]
    common: Common,
    /// Any setting of the recipe, as in `--set data.limit=512`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Runs of each kind
    #[arg(long, default_value = "5", value_name = "N")]
    runs: NonZeroUsize,
    #[command(flatten)]
    output: Output,
}

pub fn run(a: Args) -> Result<()> {
    match a.what {
        What::Ceilings(a) => {
            let mut each = a.output.sheet(&kinds::CEILINGS)?;
            bench_ceilings(&mut *exec::open_as_written(&a.common.choice()?)?, &mut each).map(|_| ())
        }
        What::Kernels(a) => {
            let kernels = chosen(a.only.as_deref())?;
            let mut each = a.output.sheet(&kinds::KERNELS)?;
            bench_kernels(&mut *exec::open_as_written(&a.common.choice()?)?, &kernels, &mut each)
        }
        What::Train(a) => train(&a),
        What::Scale(a) => scale(&a),
        What::Tune(a) => tune(&a),
        What::Startup(a) => startup(&a),
    }
}

fn train(a: &Train) -> Result<()> {
    if a.timed_steps.get() > 1_000_000 {
        return Err(Error::usage(format!("--timed-steps must be at most 1000000, not {}", a.timed_steps)));
    }
    let mut each = a.output.sheet(&kinds::TRAIN)?;
    // All of them, before the first is measured.
    let mut configs = Vec::new();
    for recipe in &a.recipe {
        let batches: Vec<Option<NonZeroUsize>> =
            if a.batch.is_empty() { vec![None] } else { a.batch.iter().copied().map(Some).collect() };
        for batch in batches {
            configs.push(a.changes.and(batch.map(|b| format!("train.batch={b}"))).resolve(recipe)?);
        }
    }
    let one = configs.len() == 1 && a.output.format() == Format::Text && a.output.baseline.is_none();
    for config in &configs {
        let result = bench_train(a.common.open()?, config, load_data(config)?, a.timed_steps.get())?;
        if one { show(&result.text())? } else { each(result.record())? }
    }
    Ok(())
}

fn scale(a: &Scale) -> Result<()> {
    let mut each = a.output.sheet(&kinds::SCALE)?;
    let make = |set: &[String]| a.changes.and(set.iter().cloned()).resolve(&a.recipe);
    let data: Dataset = load_data(&make(&[])?)?;
    bench_scale(a.common.open()?, &make, &data, (&a.batch, &a.width), &mut each)
}

fn tune(a: &Tune) -> Result<()> {
    let mut each = a.output.sheet(&kinds::TUNE)?;
    let choice = a.common.choice()?;
    let Some(adapter) = exec::adapter(&choice)? else {
        return Err(Error::usage(format!(
            "--device {choice} is no GPU here: only there is a choice between ways to compute a call"
        )));
    };
    let choices = Choices::of_class(&adapter.get_info(), has_subgroups(&adapter));
    let configs: Vec<Config> = a.recipe.iter().map(|recipe| a.changes.resolve(recipe)).collect::<Result<_>>()?;
    for config in configs {
        // A session of the run itself: its plan is what is tuned.
        let session = Session::new(exec::open_as_written(&choice)?, &config, load_data(&config)?, None)?;
        let plan = session.plan(0).clone();
        let info = session.exec.info().clone();
        drop(session);
        let found = bench_tune(&mut *exec::open_as_written(&choice)?, &choices, &plan, &mut each)?;
        let (path, text) = kept(&info.adapter, &info.driver, found)?;
        let dir = path.with_file_name("");
        std::fs::create_dir_all(&dir).map_err(|e| Error::io("cannot make the folder", &dir, &e))?;
        write_whole_at(&path, text.as_bytes())?;
        note(format_args!(
            "{} keeps the choices for this adapter; without it, they are those of its class",
            path.display()
        ));
    }
    Ok(())
}

fn startup(a: &Startup) -> Result<()> {
    let mut each = a.output.sheet(&kinds::STARTUP)?;
    let elbo = std::env::current_exe().map_err(|e| Error::failure(format!("this program is not found: {e}")))?;
    let mut arguments = vec!["--device".to_string(), a.common.device.clone()];
    if let Some(n) = a.common.threads {
        arguments.extend(["--threads".into(), n.to_string()]);
    }
    arguments.extend(a.set.iter().flat_map(|s| ["--set".to_string(), s.clone()]));
    bench_startup(&elbo, &a.recipe, &arguments, a.runs.get(), &mut each)
}
