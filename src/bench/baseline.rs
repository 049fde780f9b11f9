//! Two runs of a benchmark, one beside the other: what moved beyond the noise.

use super::record::{Kind, Record};
use crate::values::{Error, Result};
use serde_json::{Map, Value};
use std::path::Path;

/// What is smaller than this has not moved, whatever the quartiles say: two runs of one program differ as much.
const LEAST: f64 = 0.02;

/// An earlier `--json` output.
pub struct Baseline {
    lines: Vec<Map<String, Value>>,
}

impl Baseline {
    /// Reads the lines of a benchmark from a file; lines of other benchmarks are passed over.
    pub fn read(path: &Path, kind: &Kind) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::usage(format!("cannot read the baseline {}: {e}", path.display())))?;
        let mut lines = Vec::new();
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let refuse = |why: String| {
                let (path, name) = (path.display(), kind.name);
                Error::usage(format!(
                    "the baseline {path} is no output of `elbo bench {name} --json`: line {} {why}",
                    i + 1
                ))
            };
            let object: Map<String, Value> =
                serde_json::from_str(line).map_err(|_| refuse("is no JSON object".into()))?;
            match object.get("bench").and_then(Value::as_str) {
                None => return Err(refuse("has no `bench`".into())),
                Some(name) if name != kind.name => continue,
                Some(_) => {}
            }
            if let Some(field) = kind.key.iter().find(|k| !object.contains_key(**k)) {
                return Err(refuse(format!("has no `{field}`")));
            }
            for name in times(kind) {
                if !object.get(&name).and_then(Value::as_f64).is_some_and(|v| v >= 0.0) {
                    return Err(refuse(format!("has no time `{name}`")));
                }
            }
            lines.push(object);
        }
        if lines.is_empty() {
            let (path, name) = (path.display(), kind.name);
            return Err(Error::usage(format!("the baseline {path} holds no line of `elbo bench {name} --json`")));
        }
        Ok(Self { lines })
    }

    /// The line with two more values: `ratio`, its time over the baseline's, and `moved`: `slower` or `faster` where the
    /// quartiles of the two are apart and the medians differ by more than 2 %, else `same`; `new` where the baseline
    /// has no such line.
    pub fn compare(&self, record: Record) -> Record {
        let kind = record.kind;
        let same = |l: &&Map<String, Value>| kind.key.iter().all(|k| l.get(*k) == Some(record.get(k)));
        let [now, q1, q3] = times(kind).map(|name| record.get(&name).as_f64().unwrap_or(f64::NAN));
        let Some(before) = self.lines.iter().rev().find(same) else {
            return record.with("ratio", Value::Null).with("moved", "new");
        };
        let [was, was_q1, was_q3] = times(kind).map(|name| before[&name].as_f64().unwrap_or(f64::NAN));
        let ratio = now / was;
        let moved = if q1 > was_q3 && ratio > 1.0 + LEAST {
            "slower"
        } else if q3 < was_q1 && ratio < 1.0 - LEAST {
            "faster"
        } else {
            "same"
        };
        record.with("ratio", ratio).with("moved", moved)
    }
}

/// The median and the quartiles of what a benchmark measures.
fn times(kind: &Kind) -> [String; 3] {
    [kind.time.to_string(), format!("{}_q1", kind.time), format!("{}_q3", kind.time)]
}
