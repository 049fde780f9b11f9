//! `cargo bench`: the same code as `elbo bench train`, for the recipe `vae` on the cpu, and on a GPU where one is.

use elbo::bench::bench_train;
use elbo::config;
use elbo::data;
use elbo::exec::{Choice, open};

fn main() -> elbo::values::Result<()> {
    let config = config::resolve(&config::load("vae")?)?;
    for choice in [Choice::Cpu, Choice::Gpu] {
        let exec = match open(&choice) {
            Ok(exec) => exec,
            Err(e) => {
                eprintln!("{choice}: not measured: {e}");
                continue;
            }
        };
        let data = data::load(&config.data.name, &data::Options::default())?;
        println!("{}", bench_train(exec, &config, data, 100)?.text());
    }
    Ok(())
}
