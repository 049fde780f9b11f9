//! What metrics.jsonl says of a run's way, as curves.

use crate::report::{Line, Panel};
use crate::values::{Error, Result};
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;

/// What a line holds beside its means.
const NOT_MEANS: [&str; 5] = ["kind", "step", "epoch", "layer", "examples_per_s"];

/// The means of the lines of training, and of validation beside them, each quantity a panel over the step; those that
/// are one quantity of several layers (`rho.1`, `rho.2`) share one. Nothing where there are no metrics.
pub fn panels(run: &Path) -> Result<Vec<Panel>> {
    let path = run.join("metrics.jsonl");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("cannot read", &path, &e)),
    };
    let mut panels: Vec<Panel> = Vec::new();
    for v in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let (Some(kind @ ("train" | "validation")), Some(step), Some(means)) =
            (v["kind"].as_str(), v["step"].as_f64(), v.as_object())
        else {
            continue;
        };
        // A layer's loss in pretraining is another quantity than the network's.
        let layer = v["layer"].as_u64().map_or(String::new(), |n| format!(" of layer {n}, pretraining"));
        for (name, value) in means.iter().filter(|(name, _)| !NOT_MEANS.contains(&name.as_str())) {
            let Some(value) = value.as_f64() else { continue };
            let (family, member) = name.split_once('.').unwrap_or((name, ""));
            let title = format!("{family}{layer}");
            let line = if member.is_empty() { kind.to_string() } else { format!("{name}, {kind}") };
            add(&mut panels, title, line, (step, value));
        }
    }
    // The loss first, then in the order of their names.
    panels.sort_by(|a, b| (a.title != "loss", &a.title).cmp(&(b.title != "loss", &b.title)));
    Ok(panels)
}

fn add(panels: &mut Vec<Panel>, title: String, line: String, point: (f64, f64)) {
    let at = panels.iter().position(|p| p.title == title).unwrap_or_else(|| {
        panels.push(Panel { title, lines: Vec::new() });
        panels.len() - 1
    });
    let lines = &mut panels[at].lines;
    match lines.iter_mut().find(|l| l.name == line) {
        Some(l) => l.points.push(point),
        None => lines.push(Line { name: line, points: vec![point] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_panels_and_layers_share_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(panels(dir.path()).unwrap(), []);
        let text = r#"{"kind":"start","step":0}
{"kind":"train","step":50,"epoch":1,"loss":3.5,"rho.1":0.1,"rho.2":0.2}
{"kind":"validation","step":60,"-ELBO":4.0,"rho.1":0.3}
{"kind":"train","step":100,"epoch":1,"loss":null,"rho.1":0.05"#;
        std::fs::write(dir.path().join("metrics.jsonl"), text).unwrap();
        let told: Vec<(String, Vec<(String, usize)>)> = (panels(dir.path()).unwrap().into_iter())
            .map(|p| (p.title, p.lines.into_iter().map(|l| (l.name, l.points.len())).collect()))
            .collect();
        let one = |name: &str| (name.to_string(), 1);
        let rho = vec![one("rho.1, train"), one("rho.2, train"), one("rho.1, validation")];
        assert_eq!(told[0], ("loss".into(), vec![one("train")]));
        assert!(
            told[1..].contains(&("rho".into(), rho)) && told[1..].contains(&("-ELBO".into(), vec![one("validation")]))
        );
    }
}
