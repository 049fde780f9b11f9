//! What each level of a discrete code carries: the error where its vectors are replaced by their mean over the split.

use super::Session;
use crate::values::Result;

/// A code of which one level's vectors, or none, are replaced by their mean.
pub struct Ablation {
    /// The level; `""`: none.
    pub level: &'static str,
    /// ‖x − x̂‖², the mean over the split.
    pub squared_error: f64,
    /// x̂ of the first examples.
    pub pictures: Vec<f32>,
}

/// The ablations of a model of several levels over a split, first the one of none, and its first `shown` examples; nothing
/// where there is one level.
pub fn ablations(session: &mut Session, split: &str, shown: usize) -> Result<Option<(Vec<f32>, Vec<Ablation>)>> {
    let levels = session.levels();
    if levels.len() < 2 {
        return Ok(None);
    }
    let (n, batch, width) = (session.examples(split)?, session.config.train.batch, session.code_len());
    let mut means = vec![0f64; width];
    for from in (0..n).step_by(batch) {
        let codes = session.encode(split, from, batch)?;
        codes.iter().enumerate().for_each(|(i, &v)| means[i % width] += f64::from(v) / n as f64);
    }
    // Of what an ablation replaces, the place in the code.
    let mut ranges = vec![("", 0..0)];
    for level in &levels {
        let first = ranges.last().map_or(0, |(_, last)| last.end);
        ranges.push((level.name, first..first + level.numbers()));
    }
    let new = |(level, _): &(&'static str, _)| Ablation { level, squared_error: 0.0, pictures: Vec::new() };
    let mut made: Vec<Ablation> = ranges.iter().map(new).collect();
    let mut inputs = Vec::new();
    for from in (0..n).step_by(batch) {
        let d = session.reconstruct(split, from, batch)?;
        let features = d.inputs.len() / (d.codes.len() / width);
        let few = shown.saturating_sub(from).saturating_mul(features).min(d.inputs.len());
        inputs.extend(&d.inputs[..few]);
        for (a, (_, range)) in made.iter_mut().zip(&ranges) {
            let mut codes = d.codes.clone();
            for code in codes.chunks_mut(width) {
                range.clone().for_each(|i| code[i] = means[i] as f32);
            }
            let pictures = session.decode(&codes)?;
            let squares = pictures.iter().zip(&d.inputs).map(|(y, x)| f64::from(y - x).powi(2));
            a.squared_error += squares.sum::<f64>() / n as f64;
            a.pictures.extend(&pictures[..few]);
        }
    }
    Ok(Some((inputs, made)))
}
