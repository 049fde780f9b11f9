//! Codes drawn from a prior, position by position: cᵢ ~ p(cᵢ | c₁ … cᵢ₋₁), by one plan that is replayed once a position. The
//! position is a scalar of the step, and the codes are state, so that nothing is fetched on the way.

use super::programs::Program;
use super::{Session, batches};
use crate::config::{Config, Prior, Schedule};
use crate::graph::{Distribution, Graph, ParamLayout};
use crate::kernels::StepRow;
use crate::models;
use crate::nn::{Mode, Scope};
use crate::plan::{LOG_ROWS, Options, compile};
use crate::values::{DType, Error, Philox, Result, Shape, stream};

/// Maps at a time, at most.
const ROWS: usize = 64;

/// The Store path of the codes of `n` maps that are being drawn, \[n, codes\], whole numbers.
fn codes_path(n: usize) -> String {
    format!("draw/codes/{n}")
}

/// The Store path of 0, 1, 2, …, one a code.
const PLACES: &str = "draw/places";

/// One position of `n` maps: the largest of aₖ/T + gₖ, a the logits and g Gumbel noise, which is a draw of the softmax of a/T
/// (Gumbel 1954).
fn position(c: &Config, prior: &Prior, n: usize, temperature: f64, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let (codes, k) = (prior.example(), prior.map[3]);
    let state = graph.declare(&codes_path(n), Shape::new(&[n, codes]), DType::F32);
    let places = graph.read(graph.declare(PLACES, Shape::new(&[codes]), DType::F32));
    let known = graph.read(state).with_batch_axis(0);
    let last = prior.codes() as u64;
    let count = Schedule::Linear { from: 0.0, to: last as f64, steps: last, start: 0 };
    let place = net.scalar("place", &count);
    let logits = prior.next(&net, known.reshape(&[n, codes, 1]).with_batch_axis(0), place);
    // Of the moment, which is the position: in evaluation time stands still.
    let path = format!("draw.{}", prior.level);
    let uniform = graph.random(&path, Shape::new(&[1, n, k]), Distribution::Uniform, false).reshape(&[n, k]);
    let gumbel = -(-uniform.ln()).ln();
    let drawn = (logits * (1.0 / temperature) + gumbel).argmax();
    // 1 at the place, where there is a 0 so far; the others are whole numbers away.
    let away = places - (place + prior.known() as f64);
    let there = (1.0 - away.square()).relu();
    graph.assign(state, known + there * drawn.reshape(&[n, 1]));
    let plan = compile(&c.recipe, &graph, &[], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

impl Session {
    /// The settings of its prior over codes, or that it is none.
    pub fn autoregressive(&self) -> Result<Prior> {
        let prior = models::of(&self.config.model).autoregressive().cloned();
        prior.ok_or_else(|| Error::usage(format!("{} is no prior over codes", self.config.model.kind())))
    }

    /// `n` maps of codes, each after what is known of it, as many codes as the levels above have: an example's codes, the known
    /// ones first. Noise belongs to the map, whatever `n`; a `temperature` below 1 prefers what is likely. `done` is told how many
    /// positions are drawn, of `n` maps each.
    pub fn draw_codes(
        &mut self,
        n: usize,
        known: &[u32],
        temperature: f64,
        mut done: impl FnMut(usize, usize),
    ) -> Result<Vec<u32>> {
        let prior = self.autoregressive()?;
        let (codes, first, own) = (prior.example(), prior.known(), prior.codes());
        assert_eq!(known.len(), n * first, "codes that are known of {n} maps");
        self.exec.create(PLACES, DType::F32, codes)?;
        self.exec.write(PLACES, 0, &(0..codes).map(|i| i as f32).collect::<Vec<f32>>().into())?;
        let all = own * n.div_ceil(ROWS);
        let seeds = Philox::new(self.config.train.seed, stream("draw.codes", 0), 0);
        let mut drawn = Vec::with_capacity(n * codes);
        for (rows, firsts) in batches(n, ROWS) {
            let path = codes_path(rows);
            self.exec.create(&path, DType::F32, rows * codes)?;
            let p = position(&self.config, &prior, rows, temperature, &self.layout)?;
            let id = self.load(&p.plan)?;
            for from in firsts {
                let mut begin = vec![0f32; rows * codes];
                for (i, map) in begin.chunks_mut(codes).enumerate() {
                    let of = &known[(from + i) * first..][..first];
                    map.iter_mut().zip(of).for_each(|(c, &k)| *c = k as f32);
                }
                self.exec.write(&path, 0, &begin.into())?;
                let seed = seeds.seed((from / ROWS) as u32);
                for place in (0..own).step_by(LOG_ROWS) {
                    let row = |i: usize| {
                        let mut row = StepRow::new((place + i) as u32, i as u32, from as u32, seed);
                        p.scalars.fill(&mut row, (place + i) as u64);
                        row
                    };
                    let rows: Vec<StepRow> = (0..LOG_ROWS.min(own - place)).map(row).collect();
                    let ticket = self.exec.submit(id, &rows)?;
                    self.exec.fetch(ticket)?;
                    done(from / ROWS * own + place + rows.len(), all);
                }
                drawn.extend(self.exec.read(&path)?.f32().iter().map(|&c| c as u32));
            }
        }
        Ok(drawn)
    }
}
