//! F7: checkpoints: safetensors, `path → tensor`, with optimizer state, step and config. A function of model, config,
//! seed and step alone; what a bit-exact continuation needs, and no more.

mod folder;
mod format;

pub use folder::{clean, latest, save, write_whole, write_whole_at};
pub use format::{Progress, Saved, read};

use crate::config::{self, Config};
use crate::train::Session;
use crate::values::{DType, Error, HostBuf, Result};
use std::borrow::Cow;
use std::path::Path;

/// The settings that may change when a run goes on: how long it does.
pub const FREE: [&str; 2] = ["train.epochs", "train.steps"];

/// The one setting of a model that training does not use: how many units evaluation keeps.
pub const UNTRAINED: &str = "model.alpha";

/// A tensor of a checkpoint: its name, its shape, and its values.
pub type Named = (String, Vec<usize>, HostBuf);

/// One tensor of a checkpoint and where it lies in the Store: the whole of `path`, or `len` elements from `offset` on.
struct Place {
    name: String,
    dims: Vec<usize>,
    dtype: DType,
    path: String,
    offset: usize,
    weight: bool,
    /// The order of its axes in a file, where that is another; `dims` are those of the Store.
    axes: Option<[usize; 4]>,
}

impl Place {
    /// Its extents in a file.
    fn filed(&self) -> Vec<usize> {
        self.axes.map_or_else(|| self.dims.clone(), |axes| axes.iter().map(|&a| self.dims[a]).collect())
    }
}

/// What a session's training step keeps from step to step: weights by name (`encoder.0.weight`), optimizer state by the
/// name of its weight (`adam.m.encoder.0.weight`), anything else by its Store path.
fn places(session: &Session) -> Vec<Place> {
    let layout = &session.layout;
    let mut all = Vec::new();
    for store in session.state() {
        let (path, dtype) = (store.path.clone(), store.dtype);
        let (kind, bucket) = path.split_once('/').unwrap_or((&path, ""));
        match layout.buckets.iter().position(|b| b.name == bucket && dtype == DType::F32) {
            Some(bucket) => {
                for (p, place) in layout.params.iter().zip(&layout.places).filter(|(_, p)| p.bucket == bucket) {
                    let weight = kind == "params";
                    let name = if weight { p.path.clone() } else { format!("{kind}.{}", p.path) };
                    let (dims, path) = (p.shape.dims().to_vec(), path.clone());
                    all.push(Place { name, dims, dtype, path, offset: place.offset, weight, axes: p.axes });
                }
            }
            None => {
                let (name, dims) = (path.clone(), vec![store.len]);
                all.push(Place { name, dims, dtype, path, offset: 0, weight: false, axes: None })
            }
        }
    }
    all
}

/// The tensors of a session, as they go into a checkpoint.
fn collect(session: &mut Session) -> Result<Vec<Named>> {
    let mut tensors = Vec::new();
    let mut whole = (String::new(), HostBuf::U32(Vec::new()));
    for p in places(session) {
        // The tensors of a bucket follow each other: it is read once.
        if whole.0 != p.path {
            whole = (p.path.clone(), session.exec.read(&p.path)?);
        }
        let range = p.offset..p.offset + p.dims.iter().product::<usize>();
        let values = match &whole.1 {
            HostBuf::F32(v) => HostBuf::F32(match p.axes {
                Some(axes) => permuted(&v[range], &p.dims, axes),
                None => v[range].to_vec(),
            }),
            HostBuf::U32(v) => HostBuf::U32(v[range].to_vec()),
        };
        tensors.push((p.name.clone(), p.filed(), values));
    }
    Ok(tensors)
}

/// Numbers of these extents with their axes in another order: axis i of the result is `axes[i]`.
fn permuted(values: &[f32], dims: &[usize], axes: [usize; 4]) -> Vec<f32> {
    let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
    let [a, b, c, d] = axes.map(|axis| (0..dims[axis]).map(move |i| i * stride(axis)));
    let mut out = Vec::with_capacity(values.len());
    for i in a {
        for j in b.clone() {
            for k in c.clone() {
                out.extend(d.clone().map(|l| values[i + j + k + l]));
            }
        }
    }
    out
}

/// Puts a checkpoint's tensors into a session of the same model: weights and the model's own state, or (`all`) everything that it keeps. Nothing
/// is written unless everything fits.
pub fn restore(session: &mut Session, saved: &Saved, all: bool) -> Result<()> {
    same_settings(&session.config, saved, all)?;
    let places = places(session);
    if all && let Some(extra) = saved.names().find(|n| !places.iter().any(|p| p.name == *n)) {
        return Err(saved.bad(&format!("it holds {extra}, which this model has not: it is of another model")));
    }
    restore_some(
        session,
        saved,
        places.into_iter().filter(|p| all || p.weight || p.path.starts_with("state/")).collect(),
    )
}

/// Where the settings are the same and a weight has another extent: what it is there and here. The session's data has examples
/// of another size than those of training.
pub fn misfit(session: &Session, saved: &Saved) -> Option<String> {
    same_settings(&session.config, saved, false).ok()?;
    places(session).into_iter().filter(|p| p.weight).find_map(|p| {
        let (there, _) = saved.tensor(&p.name).ok()?;
        let size = |dims: &[usize]| dims.iter().product::<usize>();
        let (name, here) = (&p.name, &p.dims);
        (size(there) != size(here)).then(|| format!("its {name} is {there:?}, and would have to be {here:?}"))
    })
}

/// Writes what is saved to these places, unless something does not fit.
fn restore_some(session: &mut Session, saved: &Saved, places: Vec<Place>) -> Result<()> {
    let mut writes = Vec::new();
    for p in places {
        let (shape, values) = saved.tensor(&p.name)?;
        let filed = p.filed();
        if *shape != filed || values.dtype() != p.dtype {
            let (there, here) = (values.dtype(), p.dtype);
            return Err(saved.bad(&format!(
                "its {} is {shape:?} of {there:?}, the model's is {filed:?} of {here:?}: it is of another model",
                p.name
            )));
        }
        let stored = match (p.axes, values) {
            (Some(axes), HostBuf::F32(v)) => {
                // Where each axis of the Store is in the file.
                let back = [0, 1, 2, 3].map(|a| axes.iter().position(|&x| x == a).expect("axes are an order"));
                Cow::Owned(HostBuf::F32(permuted(v, &filed, back)))
            }
            _ => Cow::Borrowed(values),
        };
        writes.push((p.path, p.offset, stored));
    }
    for (path, offset, values) in writes {
        session.exec.write(&path, offset, &values)?;
    }
    Ok(())
}

/// Puts the encoder of a run's newest whole checkpoint into a classifier of the same model.
pub fn begin(session: &mut Session, run: &Path) -> Result<()> {
    let saved = latest(run)?.ok_or_else(|| {
        Error::usage(format!("{} has no checkpoint whose encoder classifier.from could begin with", run.display()))
    })?;
    // What does not fit are the settings that were asked for, not the file.
    same_settings(&session.config, &saved, false).map_err(|e| Error::usage(e.to_string()))?;
    let encoder = |p: &Place| p.weight && !p.name.starts_with("classifier.");
    restore_some(session, &saved, places(session).into_iter().filter(encoder).collect())
}

/// The settings as they stand in a checkpoint: where a folder of data lies is no part of a run's identity.
fn without_paths(c: &Config) -> Config {
    let mut c = c.clone();
    if !crate::data::names().any(|name| name == c.data.name) {
        c.data.name = "folder".into();
    }
    c.classifier.from.clear();
    c
}

/// Refuses a checkpoint whose own settings are others: of the model, or (`all`) any that [`FREE`] does not name.
fn same_settings(c: &Config, saved: &Saved, all: bool) -> Result<()> {
    let table = toml::Table::try_from(&saved.config).map_err(|e| saved.bad(&format!("its settings: {e}")))?;
    let there = config::resolve(&table).map_err(|e| saved.bad(&format!("its settings: {e}")))?;
    let matters = |key: &str| if all { !FREE.contains(&key) } else { key.starts_with("model.") && key != UNTRAINED };
    match config::differences(&without_paths(c), &there).into_iter().find(|(key, _)| matters(key)) {
        Some((_, text)) => Err(saved.bad(&format!("it is of another run: {text}"))),
        None => Ok(()),
    }
}
