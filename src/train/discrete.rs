//! What a session does with discrete codes: its levels, their entries and how these are used, indices and their pictures.

use super::Session;
use super::programs;
use super::session::Task;
use crate::config::{Model, Pixel};
use crate::models::{self, Level};
use crate::nn::state_path;
use crate::values::{Error, Result};

impl Session {
    /// The levels of the code of an example; none where it is real.
    pub fn levels(&self) -> Vec<Level> {
        models::of(&self.config.model).levels(self.train_feed.shape.features)
    }

    /// Of each level of a discrete code, over a whole split: the perplexity of the use of its entries, the mean over its
    /// books; and the entries that are used, of all its books.
    pub(super) fn usage(&mut self, split: &str) -> Result<Vec<(String, f64)>> {
        let levels = self.levels();
        if levels.is_empty() {
            return Ok(Vec::new());
        }
        let mut counts: Vec<Vec<u64>> = levels.iter().map(|l| vec![0; l.books * l.entries]).collect();
        let mut indices = self.all_indices(split)?.into_iter();
        for _ in 0..self.examples(split)? {
            for (level, counts) in levels.iter().zip(&mut counts) {
                for (place, i) in indices.by_ref().take(level.codes()).enumerate() {
                    counts[place % level.books * level.entries + i as usize] += 1;
                }
            }
        }
        let of_level = |(l, counts): (&Level, &Vec<u64>)| {
            let perplexity = counts.chunks(l.entries).map(perplexity).sum::<f64>() / l.books as f64;
            let used = counts.iter().filter(|&&c| c > 0).count();
            [(l.label("perplexity"), perplexity), (l.label("codes used"), used as f64)]
        };
        Ok(levels.iter().zip(&counts).flat_map(of_level).collect())
    }

    /// Of each level of a discrete code whose entries are moving averages: those that one of the last `steps` steps used.
    pub fn recently_used(&mut self, steps: u64) -> Result<Vec<(String, f64)>> {
        let mut used = Vec::new();
        for level in self.levels() {
            let path = state_path(&format!("{}.age", level.scope));
            if self.state().any(|s| s.path == path) {
                let ages = self.exec.read(&path)?;
                let count = ages.f32().iter().filter(|&&age| f64::from(age) < steps as f64).count();
                used.push((level.label("codes used"), count as f64));
            }
        }
        Ok(used)
    }

    /// The entries of a level's codebook: books·entries·d numbers, \[books, entries, d\].
    pub fn codebook(&mut self, level: &Level) -> Result<Vec<f32>> {
        let path = format!("{}.codebook", level.scope);
        let Some(index) = self.layout.find(&path) else {
            return Ok(self.exec.read(&state_path(&path))?.f32().to_vec());
        };
        let place = self.layout.places[index];
        let bucket = self.exec.read(&self.layout.path(place.bucket))?;
        Ok(bucket.f32()[place.offset..][..self.layout.params[index].shape.len()].to_vec())
    }

    /// Whether p(x | z) of a model of discrete codes is a density, and no probability of a byte.
    pub fn gaussian_pixels(&self) -> bool {
        match &self.config.model {
            Model::VqVae(c) => c.pixel == Pixel::Gaussian,
            Model::VqVae2(c) => c.net.pixel == Pixel::Gaussian,
            _ => false,
        }
    }

    /// The discrete codes of the examples `from .. from + n` of a held-out split, as many an example as its levels have.
    pub fn indices(&mut self, split: &str, from: usize, n: usize) -> Result<Vec<u32>> {
        if self.levels().is_empty() {
            return Err(Error::usage("the codes of this model are real numbers, and no indices"));
        }
        let n = self.once_on(Task::Indices, split, from, n)?;
        let codes = n * self.levels().iter().map(Level::codes).sum::<usize>();
        Ok(self.output("indices", codes)?.into_iter().map(|i| i as u32).collect())
    }

    /// The discrete codes of every example of a held-out split, as many an example as its levels have.
    pub fn all_indices(&mut self, split: &str) -> Result<Vec<u32>> {
        let (n, batch) = (self.examples(split)?, self.config.train.batch);
        let mut codes = Vec::new();
        for from in (0..n).step_by(batch) {
            codes.extend(self.indices(split, from, batch)?);
        }
        Ok(codes)
    }

    /// The pictures of discrete codes, as many an example as its levels have.
    pub fn decode_indices(&mut self, indices: &[u32]) -> Result<Vec<f32>> {
        let levels = self.levels();
        // Position by position, the number of entries that its code may name.
        let most: Vec<u32> = levels.iter().flat_map(|l| vec![l.entries as u32; l.codes()]).collect();
        if most.is_empty() || !indices.len().is_multiple_of(most.len()) {
            let (got, codes) = (indices.len(), most.len());
            return Err(Error::usage(format!(
                "{got} codes are no whole examples of this model, which has {codes} each"
            )));
        }
        if let Some((i, k)) = indices.iter().zip(most.iter().cycle()).find(|(i, k)| i >= k) {
            return Err(Error::usage(format!("the code {i} is not in its book: codes are below {k}")));
        }
        let (n, reals) = (indices.len() / most.len(), indices.iter().map(|&i| i as f32).collect::<Vec<f32>>());
        self.decoded(Task::DecodeIndices, programs::indices_path(n), n, &reals, programs::decode_indices)
    }
}

/// e^H of counts, H = −Σ p ln p.
fn perplexity(counts: &[u64]) -> f64 {
    let all = counts.iter().sum::<u64>() as f64;
    let terms = counts.iter().filter(|&&c| c > 0).map(|&c| c as f64 / all);
    (-terms.map(|p| p * p.ln()).sum::<f64>()).exp()
}
