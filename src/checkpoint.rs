//! F7: checkpoints: safetensors, `path → tensor`, with optimizer state, step and config; a function of model, config,
//! seed and step alone. Written to a temporary sibling, fsynced, renamed.

use crate::config::Precision;
use crate::nn::optim;
use crate::train::Session;
use crate::values::{Error, HostBuf, Result};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::json;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The key of the metadata, which holds sorted JSON.
const META: &str = "elbo";

/// Writes `checkpoints/step-N.safetensors` and the name of it to `checkpoints/latest`.
pub fn save(session: &mut Session, step: u64, run: &Path) -> Result<PathBuf> {
    let dir = run.join("checkpoints");
    let name = format!("step-{step}.safetensors");
    let bytes = bytes(session, step)?;
    write_whole(&dir, &name, &bytes)?;
    write_whole(&dir, "latest", format!("{name}\n").as_bytes())?;
    Ok(dir.join(name))
}

/// The bytes of a checkpoint.
fn bytes(session: &mut Session, step: u64) -> Result<Vec<u8>> {
    let layout = session.layout.clone();
    let half_precision = session.config.checkpoint.dtype == Precision::F16;
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (i, bucket) in layout.buckets.iter().enumerate() {
        let weights = layout.path(i);
        let state = optim::state_paths(&session.config.optimizer, &bucket.name);
        for path in [weights.clone()].iter().chain(&state) {
            let flat = session.exec.read(path)?;
            let prefix = if *path == weights { "" } else { path.split('/').next().unwrap_or_default() };
            for (p, place) in layout.params.iter().zip(&layout.places).filter(|(_, place)| place.bucket == i) {
                let values = &flat.f32()[place.offset..][..p.shape.len()];
                let name = if prefix.is_empty() { p.path.clone() } else { format!("{prefix}.{}", p.path) };
                let dims = p.shape.dims().to_vec();
                // Optimizer state keeps its precision: it is what makes a continuation exact.
                if half_precision && prefix.is_empty() {
                    let half: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
                    tensors.push((name, Dtype::F16, dims, bytemuck::cast_slice(&half).to_vec()));
                } else {
                    tensors.push((name, Dtype::F32, dims, bytemuck::cast_slice(values).to_vec()));
                }
            }
        }
    }
    let config: toml::Table = session.config.to_toml().parse().map_err(|e| Error::failure(format!("config: {e}")))?;
    let skipped = session.exec.read("guard/skipped")?.u32()[0];
    let meta = json!({ "config": config, "format": 1, "skipped": skipped, "step": step });
    let views: Vec<(&str, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, dtype, dims, data)| TensorView::new(*dtype, dims.clone(), data).map(|v| (name.as_str(), v)))
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| Error::failure(format!("checkpoint: {e}")))?;
    serialize(views, Some(HashMap::from([(META.to_string(), meta.to_string())])))
        .map_err(|e| Error::failure(format!("checkpoint: {e}")))
}

/// Puts a checkpoint's weights, as f32, into a session of the same model. (Optimizer state is left as it is.)
pub fn load_weights(session: &mut Session, path: &Path) -> Result<()> {
    let bytes = fs::read(path).map_err(|e| Error::io("cannot read", path, &e))?;
    let bad = |what: &dyn std::fmt::Display| Error::failure(format!("the checkpoint {}: {what}", path.display()));
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(&e))?;
    let layout = session.layout.clone();
    let mut writes = Vec::new();
    for (p, place) in layout.params.iter().zip(&layout.places) {
        let t = file.tensor(&p.path).map_err(|e| bad(&e))?;
        if t.shape() != p.shape.dims() {
            return Err(bad(&format!("{} is {:?}, the model's is {:?}", p.path, t.shape(), p.shape.dims())));
        }
        let values: Vec<f32> = match t.dtype() {
            Dtype::F32 => bytemuck::pod_collect_to_vec(t.data()),
            Dtype::F16 => {
                let half: Vec<f16> = bytemuck::pod_collect_to_vec(t.data());
                half.iter().map(|v| v.to_f32()).collect()
            }
            other => return Err(bad(&format!("{} is stored as {other:?}, not F32 or F16", p.path))),
        };
        writes.push((layout.path(place.bucket), place.offset, values));
    }
    for (path, offset, values) in writes {
        session.exec.write(&path, offset, &HostBuf::F32(values))?;
    }
    Ok(())
}

/// Writes a file whole or not at all.
fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (path, temporary) = (dir.join(name), dir.join(format!("{name}.tmp")));
    let attempt = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        // The rename is durable once the folder is.
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    };
    attempt().map_err(|e| {
        let _ = fs::remove_file(&temporary);
        Error::io("cannot write", &path, &e)
    })
}
