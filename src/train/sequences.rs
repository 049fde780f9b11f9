//! What a session does with sequences: their frames, rollouts, and what a frame after a jump costs.

use super::measure::batches;
use super::programs::{self, SetShape, output_path};
use super::{Means, Session};
use crate::config::{Config, TdVae};
use crate::graph::{ALIGN, ParamLayout};
use crate::models;
use crate::values::{Error, Result};

impl Session {
    /// The settings of its model of sequences, or why there is none.
    pub fn sequential(&self) -> Result<TdVae> {
        let model = models::of(&self.config.model).sequential().cloned();
        model.ok_or_else(|| {
            Error::usage(format!("{} is no model of sequences: td-vae is one", self.config.model.kind()))
        })
    }

    /// Frames of each sequence.
    pub fn sequence_length(&self) -> usize {
        self.train_feed.shape.frames()
    }

    /// The sequences `from .. from + n` of a held-out split, as a model sees them, n·frames·features numbers; and how many
    /// there were.
    pub fn frames(&mut self, split: &str, from: usize, n: usize) -> Result<(Vec<f32>, usize)> {
        let n = n.min(self.examples(split)? - from);
        let shape = self.held_out(split)?.shape.clone();
        let p = programs::frames(&self.config, &shape, n, &self.layout)?;
        self.once_of(&p, split, from, n)?;
        let len = n * shape.frames() * shape.features;
        Ok((self.exec.read(&output_path("frames", len))?.f32().to_vec(), n))
    }

    /// What the model expects of the sequences `from .. from + n` after their first `given` frames: the last of these as it
    /// sees it, then a frame after each of the jumps; one row of n·features numbers each.
    pub fn rollout(
        &mut self,
        split: &str,
        from: usize,
        n: usize,
        given: usize,
        jumps: &[usize],
    ) -> Result<Vec<Vec<f32>>> {
        self.decoder()?;
        let (model, n) = (self.sequential()?, n.min(self.examples(split)? - from));
        let shape = self.held_out(split)?.shape.clone();
        let p = programs::rollout(&self.config, &model, &shape, n, &self.layout, (given, jumps))?;
        self.once_of(&p, split, from, n)?;
        let each = n * shape.features;
        let place = each.next_multiple_of(ALIGN);
        let all = self.exec.read(&output_path("rollout", (1 + jumps.len()) * place))?;
        Ok(all.f32().chunks(place).map(|row| row[..each].to_vec()).collect())
    }

    /// The belief at a time of every sequence of a held-out split, n·units numbers.
    pub fn beliefs(&mut self, split: &str, time: usize) -> Result<Vec<f32>> {
        let model = self.sequential()?;
        let build = |c: &Config, set: &SetShape, n: usize, layout: &ParamLayout| {
            programs::belief(c, &model, set, n, layout, time).map(Some)
        };
        let found = self.each(split, build, &[("belief", model.belief)])?;
        Ok(found.map(|mut found| found.remove(0)).unwrap_or_default())
    }

    /// −ln p of a frame given what was before, after a jump of each of these lengths: means over the split, nats a frame.
    pub fn jump_nll(&mut self, split: &str, jumps: &[usize]) -> Result<Means> {
        self.decoder()?;
        let (model, shape) = (self.sequential()?, self.held_out(split)?.shape.clone());
        let size = self.config.train.batch.min(shape.examples);
        let names: Vec<String> = jumps.iter().map(|j| format!("jump {j}")).collect();
        let mut means = Means::new(&names);
        for (size, firsts) in batches(shape.examples, size) {
            let p = programs::jump_nll(&self.config, &model, &shape, size, &self.layout, jumps)?;
            self.with_feed(split, |feed, exec| feed.prepare(exec, size))?;
            let id = self.load(&p.plan)?;
            for from in firsts {
                let rows = self.loaded_on(&p, id, split, from, size)?;
                rows.iter().for_each(|r| means.add(r, size as f64));
            }
        }
        Ok(means)
    }
}
