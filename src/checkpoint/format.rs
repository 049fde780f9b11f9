//! One checkpoint file: safetensors with one metadata key that holds sorted JSON, and a checksum over every byte.

use super::Named;
use crate::config::ElementType;
use crate::values::{Error, HostBuf, Result};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// The metadata key.
const META: &str = "elbo";
/// The version of what stands under it.
const FORMAT: u32 = 2;
/// As it stands in the header, with the quotes of JSON in JSON.
const CHECKSUM: &[u8] = br#"\"checksum\":\""#;
/// A checksum that is not yet computed.
const ZERO: &[u8] = b"00000000";
/// A header of more bytes is not ours.
const MAX_HEADER: u64 = 4 << 20;

/// Where the metrics stand between two of their lines, exactly: sums as the bits of f64.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Since the last line of the epoch.
    pub epoch: Vec<u64>,
    /// Since the last line of steps.
    pub line: Vec<u64>,
    /// Steps that were skipped, one after the other, up to now.
    pub skipped_in_a_row: u64,
}

/// Fields in the order of the alphabet, which makes the JSON sorted.
#[derive(Serialize, Deserialize)]
struct Meta {
    checksum: String,
    config: serde_json::Value,
    format: u32,
    progress: Progress,
    step: u64,
}

/// A checkpoint that was read, whole and unharmed.
pub struct Saved {
    path: PathBuf,
    /// Steps made.
    pub step: u64,
    /// The checksum of the file.
    checksum: u32,
    /// Where the metrics stood.
    pub progress: Progress,
    /// The settings of the run, as JSON.
    pub config: serde_json::Value,
    tensors: BTreeMap<String, (Vec<usize>, HostBuf)>,
}

impl Saved {
    /// `step-N-CHECKSUM`: what tells it from every other checkpoint, for what is made of it.
    pub fn label(&self) -> String {
        format!("step-{}-{:08x}", self.step, self.checksum)
    }

    /// The file, for messages.
    pub fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    pub(super) fn bad(&self, what: &str) -> Error {
        bad(&self.path, what)
    }

    /// The names of the tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor by name: shape and values.
    pub fn tensor(&self, name: &str) -> Result<&(Vec<usize>, HostBuf)> {
        self.tensors.get(name).ok_or_else(|| self.bad(&format!("it has no {name}: it is of another model")))
    }
}

fn bad(path: &Path, what: &str) -> Error {
    Error::failure(format!("the checkpoint {} cannot be used: {what}", path.display()))
}

/// The bytes of a checkpoint. Weights may be halved; what is not a weight keeps its precision.
pub(super) fn bytes(
    tensors: &[Named],
    is_weight: impl Fn(&str) -> bool,
    precision: ElementType,
    config: serde_json::Value,
    progress: &Progress,
    step: u64,
) -> Result<Vec<u8>> {
    let fail = |e: &dyn std::fmt::Display| Error::failure(format!("the checkpoint cannot be written: {e}"));
    let data: Vec<(Dtype, Vec<u8>)> = tensors
        .iter()
        .map(|(name, _, values)| match values {
            HostBuf::F32(v) if precision == ElementType::F16 && is_weight(name) => {
                let half: Vec<f16> = v.iter().map(|&x| f16::from_f32(x)).collect();
                (Dtype::F16, bytemuck::cast_slice(&half).to_vec())
            }
            HostBuf::F32(_) => (Dtype::F32, values.bytes().to_vec()),
            HostBuf::U32(_) => (Dtype::U32, values.bytes().to_vec()),
        })
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, dims, _), (dtype, data)) in tensors.iter().zip(&data) {
        views.push((name.as_str(), TensorView::new(*dtype, dims.clone(), data).map_err(|e| fail(&e))?));
    }
    let checksum = String::from_utf8_lossy(ZERO).into_owned();
    let meta = Meta { checksum, config, format: FORMAT, progress: progress.clone(), step };
    let meta = serde_json::to_string(&meta).map_err(|e| fail(&e))?;
    let mut bytes = serialize(views, Some(HashMap::from([(META.to_string(), meta)]))).map_err(|e| fail(&e))?;
    let at = checksum_at(&bytes).ok_or_else(|| fail(&"its checksum has no place"))?;
    let sum = crc32fast::hash(&bytes);
    bytes[at..at + ZERO.len()].copy_from_slice(format!("{sum:08x}").as_bytes());
    Ok(bytes)
}

/// Where the eight digits of the checksum stand.
fn checksum_at(bytes: &[u8]) -> Option<usize> {
    let header = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let end = 8 + usize::try_from(header.min(MAX_HEADER)).ok()?;
    let text = bytes.get(8..end.min(bytes.len()))?;
    let at = text.windows(CHECKSUM.len()).position(|w| w == CHECKSUM)?;
    let at = 8 + at + CHECKSUM.len();
    (at + ZERO.len() <= bytes.len()).then_some(at)
}

/// Reads a checkpoint and checks every byte of it.
pub fn read(path: &Path) -> Result<Saved> {
    let mut bytes = fs::read(path).map_err(|e| Error::io("cannot read the checkpoint", path, &e))?;
    let bad = |what: &str| bad(path, what);
    let at = checksum_at(&bytes).ok_or_else(|| bad("it is not a checkpoint of elbo, or its beginning is damaged"))?;
    let written = bytes[at..at + ZERO.len()].to_vec();
    bytes[at..at + ZERO.len()].copy_from_slice(ZERO);
    let checksum = crc32fast::hash(&bytes);
    if format!("{checksum:08x}").as_bytes() != written {
        return Err(bad(&format!("its checksum does not fit its {} bytes: it is damaged or cut short", bytes.len())));
    }
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(&e.to_string()))?;
    let meta = header.metadata().as_ref().and_then(|m| m.get(META)).ok_or_else(|| bad("it has no metadata"))?;
    let meta: Meta = serde_json::from_str(meta).map_err(|e| bad(&format!("its metadata: {e}")))?;
    if meta.format != FORMAT {
        return Err(bad(&format!("it is of format {}, this elbo reads {FORMAT}", meta.format)));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(&e.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, t) in file.tensors() {
        let values = match t.dtype() {
            Dtype::F32 => HostBuf::F32(bytemuck::pod_collect_to_vec(t.data())),
            Dtype::U32 => HostBuf::U32(bytemuck::pod_collect_to_vec(t.data())),
            Dtype::F16 => {
                let half: Vec<f16> = bytemuck::pod_collect_to_vec(t.data());
                HostBuf::F32(half.iter().map(|v| v.to_f32()).collect())
            }
            other => return Err(bad(&format!("{name} is stored as {other:?}"))),
        };
        if let HostBuf::F32(v) = &values
            && v.iter().any(|v| !v.is_finite())
        {
            return Err(bad(&format!("{name} is not finite")));
        }
        tensors.insert(name, (t.shape().to_vec(), values));
    }
    let (step, progress, config) = (meta.step, meta.progress, meta.config);
    Ok(Saved { path: path.into(), step, checksum, progress, config, tensors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(dir: &Path) -> (PathBuf, Vec<u8>) {
        let tensors = vec![
            ("encoder.0.weight".to_string(), vec![2, 3], HostBuf::F32(vec![1.0, -2.0, 0.5, 0.25, 3.0, 1e-3])),
            ("guard/skipped".to_string(), vec![1], HostBuf::U32(vec![4])),
        ];
        let progress = Progress { epoch: vec![1, 2], line: vec![3], skipped_in_a_row: 0 };
        let config = serde_json::json!({ "model": { "kind": "vae" } });
        let bytes = bytes(&tensors, |n| n.starts_with("encoder"), ElementType::F32, config, &progress, 7).unwrap();
        let path = dir.join("step-7.safetensors");
        fs::write(&path, &bytes).unwrap();
        (path, bytes)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = sample(dir.path());
        let s = read(&path).unwrap();
        assert_eq!((s.step, s.progress.epoch.as_slice()), (7, &[1u64, 2][..]));
        assert_eq!(s.tensor("encoder.0.weight").unwrap().1.f32()[5], 1e-3);
        assert_eq!(s.tensor("guard/skipped").unwrap().1.u32(), [4]);
        assert!(s.tensor("decoder.0.weight").err().unwrap().to_string().contains("another model"));
    }

    #[test]
    fn a_bit_flipped_anywhere_or_a_byte_missing_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, good) = sample(dir.path());
        for i in 0..good.len() {
            let mut bytes = good.clone();
            bytes[i] ^= 1 << (i % 8);
            fs::write(&path, &bytes).unwrap();
            assert!(read(&path).is_err(), "a flipped bit in byte {i} of {} passes", good.len());
        }
        for n in [0, 7, 8, 100, good.len() - 1] {
            fs::write(&path, &good[..n]).unwrap();
            let text = read(&path).err().unwrap().to_string();
            assert!(text.contains("step-7.safetensors"), "{text}");
        }
    }

    #[test]
    fn halved_weights_come_back_rounded_and_state_whole() {
        let values = HostBuf::F32(vec![0.1, 1000.5]);
        let tensors = [("w".to_string(), vec![2], values.clone()), ("adam.m.w".to_string(), vec![2], values.clone())];
        let config = serde_json::json!({});
        let bytes = bytes(&tensors, |n| n == "w", ElementType::F16, config, &Progress::default(), 1).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        fs::write(&path, bytes).unwrap();
        let s = read(&path).unwrap();
        assert_eq!(s.tensor("adam.m.w").unwrap().1, values);
        let w = s.tensor("w").unwrap().1.f32()[0];
        assert!(w != 0.1 && (w - 0.1).abs() < 1e-4, "{w}");
    }
}
