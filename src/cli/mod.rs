//! F8: words → config. Every failure is one sentence on stderr; exit code 2 for wrong usage, 1 for failure.

mod bench;
mod check;
mod common;
mod devices;
mod plan;
mod recipes;
mod train;

use crate::values::Result;
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
    let result: Result<()> = match cli.command {
        Command::Train(a) => train::run(a),
        Command::Recipes(a) => recipes::run(a),
        Command::Devices(a) => devices::run(a),
        Command::Plan(a) => plan::run(a),
        Command::Check(a) => check::run(a),
        Command::Bench(a) => bench::run(a),
    };
    match result {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("elbo: {e}");
            e.exit_code()
        }
    }
}
