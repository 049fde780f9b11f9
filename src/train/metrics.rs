//! Metrics: means over steps, and the lines of metrics.jsonl.

use crate::checkpoint::write_whole;
use crate::values::{Error, Result};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Weighted means of named columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Means {
    names: Vec<String>,
    sums: Vec<f64>,
    weight: f64,
}

impl Means {
    /// Empty means of these columns.
    pub fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), sums: vec![0.0; names.len()], weight: 0.0 }
    }

    /// Adds a row of `weight` examples.
    pub fn add(&mut self, row: &[f32], weight: f64) {
        self.sums.iter_mut().zip(row).for_each(|(s, &v)| *s += weight * f64::from(v));
        self.weight += weight;
    }

    /// Adds a column that is no mean: its value as it is.
    pub fn push(&mut self, name: &str, value: f64) {
        self.names.push(name.into());
        self.sums.push(value * self.weight);
    }

    /// Adds what other means of the same columns hold.
    pub fn merge(&mut self, o: &Self) {
        self.sums.iter_mut().zip(&o.sums).for_each(|(s, v)| *s += v);
        self.weight += o.weight;
    }

    /// The means, by name; nothing where no row was added.
    pub fn values(&self) -> impl Iterator<Item = (&str, f64)> {
        let n = if self.weight > 0.0 { self.names.len() } else { 0 };
        self.names[..n].iter().zip(&self.sums).map(|(name, s)| (name.as_str(), s / self.weight))
    }

    /// The mean of that name; NaN where there is none.
    pub fn value(&self, name: &str) -> f64 {
        self.values().find(|(n, _)| *n == name).map_or(f64::NAN, |(_, v)| v)
    }

    /// What was added so far, exactly: the bits of the sums, then of the weight.
    pub fn bits(&self) -> Vec<u64> {
        self.sums.iter().chain([&self.weight]).map(|v| v.to_bits()).collect()
    }

    /// Takes up where [`Means::bits`] left off.
    pub fn set_bits(&mut self, bits: &[u64]) {
        if bits.len() == self.sums.len() + 1 {
            let mut values = bits.iter().map(|&b| f64::from_bits(b));
            self.sums.iter_mut().zip(&mut values).for_each(|(s, v)| *s = v);
            self.weight = values.next().unwrap_or(0.0);
        }
    }

    /// How much was added.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        self.sums.fill(0.0);
        self.weight = 0.0;
    }
}

/// A metric as it is printed, with two decimals; the mean activations of `sparse`, which are small, with three; the error of
/// a pixel with five; a count of entries with none.
pub(super) fn shown(name: &str, value: f64) -> String {
    let decimals = match name {
        "MSE" => 5,
        _ if name.starts_with("rho.") => 3,
        _ if name.ends_with("codes used") => 0,
        _ => 2,
    };
    format!("{name} {value:.decimals$}")
}

/// metrics.jsonl of a run: one object a line.
pub struct Record {
    path: PathBuf,
    file: File,
}

impl Record {
    /// Begins the file, or goes on with it after `step`: dropped are lines of later steps, one that is not whole, and
    /// those that are written again (the test set's, and the start of a sitting of which nothing is left).
    pub fn open(folder: &Path, step: u64) -> Result<Self> {
        let path = folder.join("metrics.jsonl");
        let io = |e: std::io::Error| Error::io("cannot write", &path, &e);
        let old = match std::fs::read(&path) {
            Ok(bytes) if step > 0 => String::from_utf8_lossy(&bytes).into_owned(),
            // A run without its metrics can go on all the same.
            Err(e) if step > 0 && e.kind() != ErrorKind::NotFound => return Err(io(e)),
            _ => String::new(),
        };
        let keep = |line: &&str| {
            let Ok(v) = serde_json::from_str::<Value>(line) else { return false };
            let at = v["step"].as_u64().unwrap_or(u64::MAX);
            match v["kind"].as_str() {
                Some("test") => false,
                Some("start") => at < step,
                _ => at <= step,
            }
        };
        let kept: Vec<&str> = old.lines().filter(keep).collect();
        let text: String = kept.iter().map(|l| format!("{l}\n")).collect();
        write_whole(folder, "metrics.jsonl", text.as_bytes())?;
        let file = File::options().append(true).open(&path).map_err(io)?;
        Ok(Self { path, file })
    }

    /// The last value that a line of this kind has under a key, before `step`.
    pub fn last(folder: &Path, kind: &str, key: &str, step: u64) -> Option<Value> {
        let text = std::fs::read_to_string(folder.join("metrics.jsonl")).ok()?;
        let lines = text.lines().rev().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        lines
            .filter(|v| v["kind"] == kind && v["step"].as_u64().is_some_and(|s| s < step))
            .find_map(|v| v.get(key).cloned())
    }

    /// Writes a line: what kind, at which step, the means, and further fields.
    pub fn line(&mut self, kind: &str, step: u64, means: &Means, more: &[(&str, Value)]) -> Result<()> {
        let mut object = Map::new();
        object.insert("kind".into(), json!(kind));
        object.insert("step".into(), json!(step));
        object.extend(means.values().map(|(name, v)| (name.to_string(), json!(v))));
        object.extend(more.iter().map(|(name, v)| (name.to_string(), v.clone())));
        // In one piece: on a full disk, at most one line is not whole.
        let line = format!("{}\n", Value::Object(object));
        self.file.write_all(line.as_bytes()).map_err(|e| Error::io("cannot write", &self.path, &e))
    }

    /// Waits until every line is on disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("cannot write", &self.path, &e))
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn mean_activations_have_three_decimals_and_all_else_two() {
        assert_eq!(
            [shown("rho.2", 0.0506), shown("kl", 5.018), shown("k", 25.0)],
            ["rho.2 0.051", "kl 5.02", "k 25.00"]
        );
    }
}
