//! `elbo prior RUN`: priors over the codes of a run, which `elbo sample` draws from.

use super::common::{Changes, Common, Length, load_data};
use super::train::{Sitting, carry_out};
use super::trained::{Run, Trained};
use crate::checkpoint::write_whole_at;
use crate::config::{self, Config, Model};
use crate::models::{self, Level};
use crate::report::npy;
use crate::train::progress::{Counter, thousands};
use crate::train::{CODES, Session, prior_folder};
use crate::values::{Error, Result, note};
use std::path::{Path, PathBuf};

/// Arguments of `elbo prior`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a run of a VQ-VAE, as `elbo train` left it
    run: PathBuf,
    /// One level alone: top or bottom [default: each, one after the other]
    #[arg(long, value_name = "NAME")]
    level: Option<String>,
    #[command(flatten)]
    common: Common,
    /// The seed of every random number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Any setting of the recipe `prior`, as in `--set model.channels=64`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    length: Length,
    #[command(flatten)]
    sitting: Sitting,
}

/// What `elbo prior` itself puts into a prior's settings.
const OWN: [&str; 6] = ["recipe", "model.kind", "model.level", "model.map", "model.above", "data.name"];

pub fn run(a: Args) -> Result<u8> {
    if let Some(key) =
        OWN.iter().find(|key| a.set.iter().any(|s| s.split('=').next().is_some_and(|k| k.trim() == **key)))
    {
        return Err(Error::usage(format!("{key} follows from the run whose codes they are: `elbo prior` sets it")));
    }
    let of = Run { run: a.run.clone(), common: a.common.clone(), data: None, seed: None, set: vec![] };
    let config = of.config()?;
    discrete(&config, &a.run)?;
    let data = load_data(&config)?;
    let levels = models::of(&config.model).levels(data.shape.iter().product());
    if let Some(name) = a.level.as_ref().filter(|name| !levels.iter().any(|l| l.name == name.as_str())) {
        let names: Vec<&str> = levels.iter().map(|l| l.name).filter(|n| !n.is_empty()).collect();
        return Err(Error::usage(match names.is_empty() {
            true => format!("{} has one level of codes: leave --level out", a.run.display()),
            false => format!("{} has no level `{name}`: its levels are {}", a.run.display(), names.join(" and ")),
        }));
    }
    let wanted = (0..levels.len()).filter(|&i| a.level.as_ref().is_none_or(|name| levels[i].name == name.as_str()));
    let settings: Vec<(Config, PathBuf)> =
        wanted.map(|i| Ok((prior(&a, &levels, i)?, folder(&a.run, &levels[i])))).collect::<Result<_>>()?;
    // Refused before anything is encoded, or trained.
    if let Some((_, out)) = settings.iter().find(|(_, out)| out.exists() && a.sitting.is_new()) {
        return Err(Error::usage(format!(
            "there is a prior in {} already: --resume goes on with it, --force trains it anew",
            out.display()
        )));
    }
    let label = of.saved()?.label();
    if a.sitting.goes_on() {
        settings.iter().filter(|(_, out)| out.exists()).try_for_each(|(_, out)| current(&a.run, out, &label))?;
    }
    let codes = extracted(&of, &label)?;
    for (mut config, out) in settings {
        config.data.name = codes.display().to_string();
        let code = carry_out(&config, None, &a.common, &a.sitting.at(&out), out)?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

/// Refuses a run without discrete codes.
fn discrete(c: &Config, run: &Path) -> Result<()> {
    match c.model {
        Model::VqVae(_) | Model::VqVae2(_) => Ok(()),
        _ => Err(Error::usage(format!(
            "{} is a {}: a prior is of discrete codes, which vq-vae and vq-vae-2 have",
            run.display(),
            c.model.kind()
        ))),
    }
}

/// The settings of the prior of a level: those above it are known.
fn prior(a: &Args, levels: &[Level], i: usize) -> Result<Config> {
    // The coarse level has few positions, and says what lies far apart in a picture.
    let attention = (levels.len() > 1 && i == 0).then(|| "model.attention=true".to_string());
    let set = attention.into_iter().chain(a.set.iter().cloned()).collect();
    let mut config = Changes { data: None, seed: a.seed, set }.resolve("prior")?;
    a.length.apply(&mut config)?;
    let extents = |l: &Level| [l.height, l.width, l.books, l.entries];
    if let Model::Prior(p) = &mut config.model {
        (p.level, p.map) = (levels[i].name.into(), extents(&levels[i]));
        p.above = levels[..i].last().map_or_else(Vec::new, |above| extents(above).to_vec());
    }
    config.validate()?;
    Ok(config)
}

/// The folder of the prior of a level.
fn folder(run: &Path, level: &Level) -> PathBuf {
    run.join(prior_folder(level.name))
}

/// Refuses a prior of codes that another checkpoint made.
fn current(run: &Path, prior: &Path, label: &str) -> Result<()> {
    if is_of(prior, label) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the prior in {} is of the codes of another checkpoint than {label}, the newest of {1}: `elbo prior {1} --force` trains \
         it anew",
        prior.display(),
        run.display()
    )))
}

/// Whether the prior in a folder is of the codes that a checkpoint made.
fn is_of(prior: &Path, label: &str) -> bool {
    let config =
        config::load(&prior.join("config.toml").display().to_string()).and_then(|table| config::resolve(&table));
    config.is_ok_and(|c| Path::new(&c.data.name).file_name().is_some_and(|name| name == label))
}

/// `RUN/codes/step-N-CHECKSUM`, the codes of a run's data at its newest checkpoint, as an absolute path; what of them is not
/// there is extracted.
fn extracted(run: &Run, label: &str) -> Result<PathBuf> {
    let absolute = std::path::absolute(&run.run).map_err(|e| Error::io("cannot find", &run.run, &e))?;
    let dir = absolute.join(CODES).join(label);
    let there = |split: &str| dir.join(format!("{split}.npy")).is_file();
    let validation = run.plain().config()?.data.validation > 0;
    if there("train") && there("test") && (there("validation") || !validation) {
        return Ok(dir);
    }
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("cannot make the folder", &dir, &e))?;
    // Of its own data, whatever else the command is about.
    let mut t = run.plain().open_encoder()?;
    for split in ["train", "validation", "test"] {
        if let Ok(n) = t.session.examples(split) {
            note(format_args!("encoding the {} {split} examples …", thousands(n as u64)));
            let codes: Vec<u16> = t.session.all_indices(split)?.into_iter().map(|c| c as u16).collect();
            let path = dir.join(format!("{split}.npy"));
            write_whole_at(&path, &npy(&codes, &[n, codes.len() / n], &path)?)?;
        }
    }
    Ok(dir)
}

/// Whether a run has a prior.
pub fn exists(run: &Run, t: &Trained) -> bool {
    t.session.levels().iter().any(|level| folder(&run.run, level).join("config.toml").is_file())
}

/// The trained priors of a run, its coarsest level first; or why there are none. A note says where one was not trained to its
/// end.
pub fn open(run: &Run, t: &Trained) -> Result<Vec<Session>> {
    let here = run.run.display();
    let folders: Vec<PathBuf> = t.session.levels().iter().map(|level| folder(&run.run, level)).collect();
    for dir in &folders {
        if !dir.join("config.toml").is_file() {
            return Err(Error::usage(format!(
                "there is no prior in {} yet: `elbo prior {here}` trains it",
                dir.display()
            )));
        }
        current(&run.run, dir, &t.checkpoint)?;
    }
    let codes = extracted(run, &t.checkpoint)?;
    let mut priors = Vec::new();
    for dir in folders {
        let of = Run { run: dir, data: Some(codes.display().to_string()), seed: run.seed, ..run.plain() };
        let Trained { session, step, .. } = of.open_encoder()?;
        let train = &session.config.train;
        let all = if train.steps > 0 { train.steps } else { train.epochs * session.steps_per_epoch() };
        if step < all {
            note(format_args!(
                "note: the prior in {} stopped at step {step} of {all}; `elbo prior {here} --resume` goes on with it",
                of.run.display()
            ));
        }
        priors.push(session);
    }
    Ok(priors)
}

/// `n` pictures: codes from the priors of a run, level by level, decoded.
pub fn sample(run: &Run, t: &mut Trained, n: usize, temperature: f64) -> Result<Vec<f32>> {
    let mut known = Vec::new();
    for mut prior in open(run, t)? {
        let what = prior.autoregressive()?;
        let bar = Counter::new(&format!("drawing codes {what}"));
        known = prior.draw_codes(n, &known, temperature, |done, all| bar.at(done, all))?;
        bar.finish();
    }
    t.session.decode_indices(&known)
}
