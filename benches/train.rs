//! `cargo bench`: the same code as `elbo bench`: the ceilings, and the step of the recipe `vae`, on the cpu, and on a GPU where
//! one is. What else `elbo bench` measures has options, and is asked for there.

use elbo::bench::{Format, Sheet, bench_ceilings, bench_train};
use elbo::config;
use elbo::data;
use elbo::exec::{Choice, open};

fn main() -> elbo::values::Result<()> {
    let config = config::resolve(&config::load("vae")?)?;
    for choice in [Choice::Cpu, Choice::Gpu] {
        let mut exec = match open(&choice) {
            Ok(exec) => exec,
            Err(e) => {
                eprintln!("{choice}: not measured: {e}");
                continue;
            }
        };
        let mut sheet = Sheet::new(Format::Text, None);
        bench_ceilings(&mut *exec, &mut |record| {
            print!("{}", sheet.line(record)?);
            Ok(())
        })?;
        exec.clear();
        let data = data::load(&config.data.name, &data::Options::WHOLE)?;
        println!("\n{}", bench_train(exec, &config, data, 100)?.text());
    }
    Ok(())
}
