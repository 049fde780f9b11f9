//! What is measured of a trained model beyond its loss, example by example: ln p(x) by importance sampling, q(z | x), the
//! norm of the encoder's Jacobian, and the codes of a whole split.

use super::programs::{self, Program, SetShape};
use super::session::Session;
use crate::config::{Activation, Config};
use crate::graph::{Graph, ParamLayout};
use crate::kernels::StepRow;
use crate::models;
use crate::nn::{Mode, Scope};
use crate::values::{Error, Philox, Result, Shape, stream};

/// Examples at a time.
const ROWS: usize = 64;
/// Elements of the widest tensor of a block of importance samples, at most.
const BLOCK: usize = 1 << 22;

/// q(z | x) = N(mean, diag e^log_var) of each example of a split, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Posteriors {
    /// Dimensions of z.
    pub latent: usize,
    /// n·latent numbers.
    pub means: Vec<f32>,
    /// n·latent numbers.
    pub log_vars: Vec<f32>,
}

/// A program over `n` examples of a split, or None where the model has no such thing.
pub(super) trait Build: Fn(&Config, &SetShape, usize, &ParamLayout) -> Result<Option<Program>> {}

impl<F: Fn(&Config, &SetShape, usize, &ParamLayout) -> Result<Option<Program>>> Build for F {}

impl Session {
    /// ln p̂(x) of every example of a held-out split, nats, with p̂(x) = 1/k Σₛ wₛ, w = p(x|z) p(z)/q(z|x), z ~ q(z|x)
    /// (Burda et al. 2016): a lower bound in expectation, which rises to ln p(x) with k. None where the model has no densities.
    ///
    /// The samples are made in blocks, whose logarithms of sums are added at f64, so that memory does not grow with k. The
    /// example is what evaluation sees, the same for all its samples; block j draws under a seed of its own. A block is a
    /// function of the model's and the data's shape alone, and noise belongs to the example: neither the device nor
    /// `train.batch` changes a draw. `done` is told how many examples are done.
    pub fn log_likelihood(&mut self, split: &str, k: usize, mut done: impl FnMut(usize)) -> Result<Option<Vec<f64>>> {
        self.decoder()?;
        let shape = self.held_out(split)?.shape.clone();
        let model = models::of(&self.config.model);
        // The widest tensor of one sample, an example: that of convolutions is wider than any layer.
        let rows = ROWS.min(shape.examples);
        let Some(one) = programs::log_weights(&self.config, &shape, rows, 1, &self.layout)? else { return Ok(None) };
        let widest = one.plan.slots.iter().map(|s| s.len.div_ceil(rows)).max().unwrap_or(1);
        // Ids of elements are of 32 bits: of all examples, samples and dimensions of a block.
        let ids = (u32::MAX as usize) / (shape.examples * model.latent()).max(1);
        let block = (BLOCK / (ROWS * widest)).min(ids).clamp(1, k);
        let seeds = Philox::new(self.config.train.seed, stream("evaluate.log_likelihood", 0), 0);
        let mut all = Vec::with_capacity(shape.examples);
        for (n, firsts) in batches(shape.examples, ROWS) {
            let inputs = programs::inputs(&self.config, &shape, n, &self.layout)?;
            self.with_feed(split, |feed, exec| feed.prepare(exec, n))?;
            let inputs = (self.load(&inputs.plan)?, inputs);
            let mut blocks = Vec::new();
            for samples in [block, k % block] {
                if samples == 0 {
                    continue;
                }
                let p = programs::log_weights(&self.config, &shape, n, samples, &self.layout)?;
                let Some(p) = p else { return Ok(None) };
                blocks.push((self.load(&p.plan)?, p, if samples == block { k / block } else { 1 }));
            }
            for first in firsts {
                self.with_feed(split, |feed, exec| feed.upload(exec, first, n))?;
                self.once(&inputs.1, inputs.0, first)?;
                let mut sums = vec![f64::NEG_INFINITY; n];
                let plans = blocks.iter().flat_map(|(id, p, count)| std::iter::repeat_n((id, p), *count));
                for (j, (id, p)) in (0..).zip(plans) {
                    let mut row = StepRow::new(StepRow::EVALUATION, 0, first as u32, seeds.seed(j));
                    p.scalars.fill(&mut row, 0);
                    let ticket = self.exec.submit(*id, &[row])?;
                    self.exec.fetch(ticket)?;
                    let block = self.output("log_weights", n)?;
                    sums.iter_mut().zip(block).for_each(|(sum, b)| *sum = log_add(*sum, f64::from(b)));
                }
                if let Some(i) = sums.iter().position(|s| !s.is_finite()) {
                    return Err(Error::failure(format!(
                        "the importance weights of {split} example {} are not finite: the model has diverged",
                        first + i
                    )));
                }
                all.extend(sums.iter().map(|s| s - (k as f64).ln()));
                done(all.len());
            }
        }
        Ok(Some(all))
    }

    /// q(z | x) of every example of a held-out split; None where it is no Gaussian of diagonal covariance.
    pub fn posteriors(&mut self, split: &str) -> Result<Option<Posteriors>> {
        let latent = models::of(&self.config.model).latent();
        let found = self.each(split, programs::posteriors, &[("means", latent), ("log_vars", latent)])?;
        Ok(found.map(|found| {
            let [means, log_vars] = found.try_into().expect("two were asked for");
            Posteriors { latent, means, log_vars }
        }))
    }

    /// ‖J‖_F of the encoder at every example of a held-out split, J = ∂code/∂x; None where the code is wide and the encoder
    /// more than its layers.
    pub fn jacobian_norms(&mut self, split: &str) -> Result<Option<Vec<f64>>> {
        let found = self.each(split, programs::jacobians, &[("jacobians", 1)])?;
        Ok(found.map(|found| found[0].iter().map(|&square| f64::from(square).sqrt()).collect()))
    }

    /// What follows the code, where the encoder is a stack of dense layers.
    pub fn code_activation(&self, split: &str) -> Result<Option<Activation>> {
        let graph = Graph::new();
        let x = graph.constant(0.0, Shape::new(&[1, self.held_out(split)?.shape.features])).with_batch_axis(0);
        let layers = models::of(&self.config.model).encoder_layers(&Scope::root(&graph, Mode::Evaluate), x);
        Ok(layers.and_then(|layers| layers.last().map(|code| code.activation)))
    }

    /// The codes of every example of a held-out split, n·latent numbers.
    pub fn codes(&mut self, split: &str) -> Result<Vec<f32>> {
        let (n, batch) = (self.examples(split)?, self.config.train.batch);
        let mut codes = Vec::with_capacity(n * models::of(&self.config.model).latent());
        for from in (0..n).step_by(batch) {
            codes.extend(self.encode(split, from, batch)?);
        }
        Ok(codes)
    }

    /// What a program leaves under each name for every example of a held-out split, `width` numbers each.
    pub(super) fn each(
        &mut self,
        split: &str,
        build: impl Build,
        outputs: &[(&str, usize)],
    ) -> Result<Option<Vec<Vec<f32>>>> {
        let shape = self.held_out(split)?.shape.clone();
        let mut all = vec![Vec::new(); outputs.len()];
        for (n, firsts) in batches(shape.examples, ROWS) {
            let Some(p) = build(&self.config, &shape, n, &self.layout)? else { return Ok(None) };
            self.with_feed(split, |feed, exec| feed.prepare(exec, n))?;
            let id = self.load(&p.plan)?;
            for first in firsts {
                self.with_feed(split, |feed, exec| feed.upload(exec, first, n))?;
                self.once(&p, id, first)?;
                for (all, (what, width)) in all.iter_mut().zip(outputs) {
                    all.extend(self.output(what, n * width)?);
                }
            }
        }
        Ok(Some(all))
    }
}

/// (size, the first example of each batch of that size): `rows` at a time, and then the rest, so that every example counts
/// once.
pub fn batches(examples: usize, rows: usize) -> impl Iterator<Item = (usize, impl ExactSizeIterator<Item = usize>)> {
    let whole = examples / rows * rows;
    let sizes = [(rows, 0..whole), (examples - whole, whole..examples)];
    sizes.into_iter().filter(|(n, range)| *n > 0 && !range.is_empty()).map(|(n, range)| (n, range.step_by(n)))
}

/// ln(eᵃ + eᵇ).
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
