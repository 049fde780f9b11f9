//! F7: checkpoints: safetensors, `path → tensor`, with optimizer state, step and config. A function of model, config,
//! seed and step alone; what a bit-exact continuation needs, and no more.

mod folder;
mod format;

pub use folder::{latest, save, write_whole};
pub use format::{Progress, Saved, read};

use crate::train::Session;
use crate::values::{DType, Error, HostBuf, Result};

/// A tensor of a checkpoint: its name, its shape, and its values.
pub type Named = (String, Vec<usize>, HostBuf);

/// What a session's training step keeps from step to step: weights by name (`encoder.0.weight`), optimizer state by the
/// name of its weight (`adam.m.encoder.0.weight`), anything else by its Store path.
fn collect(session: &mut Session) -> Result<Vec<Named>> {
    let layout = session.layout.clone();
    let mut tensors = Vec::new();
    for path in session.state_paths() {
        let whole = session.exec.read(&path)?;
        let (kind, bucket) = path.split_once('/').unwrap_or((&path, ""));
        match layout.buckets.iter().position(|b| b.name == bucket && whole.dtype() == DType::F32) {
            Some(bucket) => {
                for (p, place) in layout.params.iter().zip(&layout.places).filter(|(_, p)| p.bucket == bucket) {
                    let values = whole.f32()[place.offset..][..p.shape.len()].to_vec();
                    let name = if kind == "params" { p.path.clone() } else { format!("{kind}.{}", p.path) };
                    tensors.push((name, p.shape.dims().to_vec(), HostBuf::F32(values)));
                }
            }
            None => tensors.push((path, vec![whole.len()], whole)),
        }
    }
    Ok(tensors)
}

/// Puts a checkpoint's tensors into a session of the same model: weights, or (`all`) everything that it keeps.
pub fn restore(session: &mut Session, saved: &Saved, all: bool) -> Result<()> {
    let wanted = collect(session)?;
    let layout = session.layout.clone();
    let mut writes = Vec::new();
    for (name, dims, old) in wanted {
        let weight = layout.find(&name);
        if weight.is_none() && !all {
            continue;
        }
        let (shape, values) = saved.tensor(&name)?;
        if *shape != dims || values.dtype() != old.dtype() {
            return Err(saved.bad(&format!("{name} has the shape {shape:?}, the model's has {dims:?}")));
        }
        let (path, offset) = match layout.params.iter().position(|p| name.ends_with(&p.path)) {
            Some(i) => {
                let place = layout.places[i];
                let kind = name.strip_suffix(&format!(".{}", layout.params[i].path)).unwrap_or("params");
                (format!("{kind}/{}", layout.buckets[place.bucket].name), place.offset)
            }
            None => (name, 0),
        };
        writes.push((path, offset, values.clone()));
    }
    if all && let Some(extra) = saved.names().find(|n| !writes_cover(session, n)) {
        return Err(Error::failure(format!("the checkpoint {} holds {extra}, which this model has not", saved.path())));
    }
    for (path, offset, values) in writes {
        session.exec.write(&path, offset, &values)?;
    }
    Ok(())
}

fn writes_cover(session: &Session, name: &str) -> bool {
    session.state_paths().iter().any(|p| p == name) || session.layout.params.iter().any(|p| name.ends_with(&p.path))
}
