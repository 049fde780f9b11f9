//! `elbo prior RUN`: priors over the codes of a run, which `elbo sample` draws from.

use super::common::{Changes, Common, Length, load_data};
use super::train::{Sitting, carry_out};
use super::trained::{Run, Trained};
use crate::checkpoint::{self, write_whole_at};
use crate::config::{Config, Model};
use crate::models::{self, Level};
use crate::report::npy;
use crate::train::Session;
use crate::train::progress::{Counter, thousands};
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
const OWN: [&str; 4] = ["model.level", "model.map", "model.above", "data.name"];

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
    let codes = extracted(&of)?;
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

/// `RUN/prior`; of several levels `RUN/prior-top` and so on.
fn folder(run: &Path, level: &Level) -> PathBuf {
    run.join(if level.name.is_empty() { "prior".into() } else { format!("prior-{}", level.name) })
}

/// The folder of the codes of a run's data at its newest checkpoint, which are extracted where they are not there.
fn extracted(run: &Run) -> Result<PathBuf> {
    let dir = codes_at(&run.run, checkpoint::latest(&run.run)?.map(|s| s.step))?;
    // The test split is written last.
    if dir.join("test.npy").is_file() {
        return Ok(dir);
    }
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("cannot make the folder", &dir, &e))?;
    let mut t = run.open_encoder()?;
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

/// `RUN/codes/step-N`, as an absolute path.
fn codes_at(run: &Path, step: Option<u64>) -> Result<PathBuf> {
    let step = step.ok_or_else(|| Error::failure(format!("{} has no checkpoint yet", run.display())))?;
    let absolute = std::path::absolute(run).map_err(|e| Error::io("cannot find", run, &e))?;
    Ok(absolute.join("codes").join(step_name(step)))
}

fn step_name(step: u64) -> String {
    format!("step-{step}")
}

/// Whether every level of a run has a prior, of the codes as they are.
pub fn exists(run: &Run, t: &Trained) -> bool {
    let levels = t.session.levels();
    let current = |level: &Level| {
        let c = Run { run: folder(&run.run, level), data: None, ..run.clone() }.config();
        c.is_ok_and(|c| {
            Path::new(&c.data.name).file_name().is_some_and(|name| name.to_string_lossy() == step_name(t.step))
        })
    };
    !levels.is_empty() && levels.iter().all(current)
}

/// The trained priors of a run, its coarsest level first; or why there are none.
pub fn open(run: &Run, t: &Trained) -> Result<Vec<Session>> {
    let codes = codes_at(&run.run, Some(t.step))?;
    let mut priors = Vec::new();
    for level in t.session.levels() {
        let dir = folder(&run.run, &level);
        if !dir.join("config.toml").is_file() {
            return Err(Error::usage(format!(
                "{0} has no prior over its codes yet: `elbo prior {0}` trains it",
                run.run.display()
            )));
        }
        // Beside the run, wherever it was when the prior was trained.
        let of = Run { run: dir, data: Some(codes.display().to_string()), ..run.clone() };
        let there = Run { data: None, ..of.clone() }.config()?.data.name;
        if Path::new(&there).file_name() != codes.file_name() {
            return Err(Error::usage(format!(
                "the prior in {} is of codes of another checkpoint than step {}: `elbo prior {} --force` trains it anew",
                of.run.display(),
                t.step,
                run.run.display()
            )));
        }
        priors.push(of.open_encoder()?.session);
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
