//! F8: words → config. Every failure is one sentence on stderr; exit code 2 for wrong usage, 1 for failure.

mod bench;
mod check;
mod common;
mod data;
mod decode;
mod devices;
mod encode;
mod eval;
mod eval_sequences;
mod findings;
mod finetune;
mod metrics;
mod pictures;
mod plan;
mod prior;
mod recipes;
mod rollout;
mod train;
mod trained;

use crate::values::{Result, note};
use clap::{Parser, Subcommand};

/// Trains the autoencoder family on any GPU that wgpu reaches: no Python, no CUDA, no framework.
#[derive(Parser)]
#[command(name = "elbo", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a recipe, evaluate it on the test set, and leave a run folder
    Train(train::Args),
    /// Fine-tune a run's encoder as a classifier, on labels, and leave a run folder
    Finetune(finetune::Args),
    /// Train priors over the codes of a VQ-VAE's run, inside its folder, for `elbo sample` to draw from
    Prior(prior::Args),
    /// Evaluate a run: its test numbers, beside a baseline
    Eval(eval::Args),
    /// Score codes whose factors of variation are known: MIG, SAP, DCI, FactorVAE, β-VAE, modularity
    Metrics(metrics::Args),
    /// Draw pictures from a run's prior
    Sample(pictures::Sample),
    /// Draw test examples above what a run makes of them
    Reconstruct(pictures::Reconstruct),
    /// Draw the straight line between the codes of test examples
    Interpolate(pictures::Interpolate),
    /// Draw what each dimension of the code changes, as a grid or as a GIF
    Traverse(pictures::Traverse),
    /// Write a run's pictures and its report.html anew
    Report(pictures::Report),
    /// Draw what a model of sequences expects after what it was given
    Rollout(rollout::Args),
    /// Write the codes of a split as .npy or .csv
    Encode(encode::Args),
    /// Draw the pictures of discrete codes
    Decode(decode::Args),
    /// Say what a data set is, or write its images as .png or .npy
    Data(data::Args),
    /// List the recipes
    Recipes(recipes::Args),
    /// List the adapters of this machine, with their limits
    Devices(devices::Args),
    /// Print what one training step of a recipe runs: kernels, memory, work
    Plan(plan::Args),
    /// Hold every kernel to its oracle on a device, and report what the device's arithmetic does
    Check(check::Args),
    /// Measure, headless
    Bench(bench::Args),
}

/// Runs the program; returns the process's exit code.
pub fn main() -> u8 {
    let cli = Cli::parse();
    crate::train::interrupt::keep_file_limits_apart();
    let done = |r: Result<()>| r.map(|()| 0);
    let result: Result<u8> = match cli.command {
        Command::Train(a) => train::run(a),
        Command::Finetune(a) => finetune::run(a),
        Command::Prior(a) => prior::run(a),
        Command::Eval(a) => done(eval::run(a)),
        Command::Metrics(a) => done(metrics::run(a)),
        Command::Sample(a) => done(pictures::sample(a)),
        Command::Reconstruct(a) => done(pictures::reconstruct(a)),
        Command::Interpolate(a) => done(pictures::interpolate(a)),
        Command::Traverse(a) => done(pictures::traverse(a)),
        Command::Report(a) => done(pictures::report(a)),
        Command::Rollout(a) => done(rollout::run(a)),
        Command::Encode(a) => done(encode::run(a)),
        Command::Decode(a) => done(decode::run(a)),
        Command::Data(a) => done(data::run(a)),
        Command::Recipes(a) => done(recipes::run(a)),
        Command::Devices(a) => done(devices::run(a)),
        Command::Plan(a) => done(plan::run(a)),
        Command::Bench(a) => done(bench::run(a)),
        Command::Check(a) => done(check::run(a)),
    };
    match result {
        Ok(code) => code,
        Err(e) => {
            note(format_args!("elbo: {e}"));
            e.exit_code()
        }
    }
}
