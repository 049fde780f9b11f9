//! [`Session`]: one model's weights on one device, and the programs that run over them.

use super::feed::Feed;
use super::labels;
use super::metrics::{Means, shown};
use super::phases::{self, Part, Phase};
use super::programs::{self, Program, SetShape, output_path};
use super::unigram;
use crate::config::{Config, Likelihood};
use crate::data::{Dataset, Images, Sequence, Split, Stored};
use crate::exec::{Executor, PlanId, Span, Ticket};
use crate::graph::{Graph, ParamLayout};
use crate::kernels::{StepRow, lstm};
use crate::models;
use crate::nn::{Mode, Scope, optim};
use crate::plan::{MAX_LOOP, Options, Plan, StoreRef};
use crate::values::{DType, Error, Result};
use std::collections::HashMap;
use std::rc::Rc;

/// Weights, optimizer state and data on a device.
pub struct Session {
    /// The device.
    pub exec: Box<dyn Executor>,
    /// What was asked for.
    pub config: Config,
    /// Where the parameters lie.
    pub layout: ParamLayout,
    /// The training step; where it has phases, that of the first.
    pub train: Program,
    /// The phases of training.
    phases: Vec<Phase>,
    /// The programs of the phases after the first.
    further: Vec<Program>,
    /// The loaded programs of the phases.
    train_ids: Vec<PlanId>,
    pub(super) train_feed: Feed,
    /// An epoch has begun.
    shuffled: bool,
    /// The labels of each split, where there is a classifier.
    labels: Vec<Feed>,
    /// Validation and test split; an empty one is not here.
    held_out: Vec<Feed>,
    /// Programs over held-out examples, by what they do, split and batch: loaded once.
    loaded: HashMap<(Task, &'static str, usize), (Rc<Program>, PlanId)>,
}

/// Refuses a plan with a tensor that one binding cannot hold, before anything is allocated.
fn fits(plan: &Plan, limit: usize) -> Result<()> {
    let stores = plan.stores.iter().map(|s| (s.path.as_str(), s.len));
    let tensors = plan.slots.iter().map(|s| ("a tensor of its plan", s.len)).chain(stores);
    match tensors.max_by_key(|(_, len)| *len) {
        Some((name, len)) if len > limit => Err(Error::failure(format!(
            "{name} would have {len} elements, more than the {limit} that one binding of this device holds: take a \
             smaller model, batch or number"
        ))),
        _ => Ok(()),
    }
}

/// Refuses a model of sequences over anything else, and the other way round.
fn sequences(c: &Config, data: &Dataset) -> Result<()> {
    let (kind, name) = (c.model.kind(), &data.name);
    if let Some(prior) = models::of(&c.model).autoregressive() {
        return match data.sequence {
            Some(Sequence { frames, stored: Stored::Reals }) if frames >= prior.example() => {
                [&data.train, &data.validation, &data.test]
                    .into_iter()
                    .try_for_each(|split| unigram::in_book(prior, split))
            }
            _ => Err(Error::usage(format!(
                "a prior learns the codes of a run, and `{name}` is a data set: `elbo prior RUN` makes them, and trains it"
            ))),
        };
    }
    match (models::of(&c.model).sequential(), data.sequence) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            Err(Error::usage(format!("`{name}` is a set of sequences, and {kind} learns single examples: td-vae does")))
        }
        (Some(_), None) => Err(Error::usage(format!(
            "{kind} learns sequences, and `{name}` is a set of single examples: moving-mnist and oscillator are sequences, \
             and so is a .npy of [examples, time, …]"
        ))),
        (Some(m), Some(s)) if m.longest() >= s.frames => Err(Error::usage(format!(
            "the sequences of `{name}` have {} frames, too few for a jump of {}: lower model.jumps or model.far_jumps",
            s.frames,
            m.longest()
        ))),
        (Some(m), Some(s)) if s.stored == Stored::Reals && m.likelihood == Likelihood::Bernoulli => {
            Err(Error::usage(format!("the numbers of `{name}` are any reals: set model.likelihood=gaussian")))
        }
        (Some(m), Some(s)) if lstm_loops(m.belief, s.frames) > MAX_LOOP => {
            // So much a frame, and a little beside.
            let each = lstm_loops(m.belief, 2) - lstm_loops(m.belief, 1);
            let most = s.frames as u64 - (lstm_loops(m.belief, s.frames) - MAX_LOOP).div_ceil(each);
            Err(Error::usage(format!(
                "the sequences of `{name}` have {} frames, more than the {most} that an LSTM of model.belief = {} goes through \
                 at once: cut them, or lower model.belief",
                s.frames, m.belief
            )))
        }
        _ => Ok(()),
    }
}

/// How often an invocation of the LSTM's kernel loops over sequences of so many frames.
fn lstm_loops(units: usize, frames: usize) -> u64 {
    lstm::loop_bound(&lstm::LstmParams { n: 1, time: frames as u32, units: units as u32 }, 64, 2)
}

/// The stores of some plans, each once.
fn stores<'p>(plans: impl Iterator<Item = &'p Plan>) -> Vec<&'p StoreRef> {
    let mut all: Vec<&StoreRef> = Vec::new();
    for s in plans.flat_map(|plan| &plan.stores) {
        if !all.iter().any(|known| known.path == s.path) {
            all.push(s);
        }
    }
    all
}

/// What training keeps in the Store from step to step: weights, optimizer state, counters, a model's own state.
fn kept<'p>(train: impl Iterator<Item = &'p Program>) -> impl Iterator<Item = &'p StoreRef> {
    let data = |path: &str| path.starts_with("data/") || path.starts_with("order/");
    stores(train.map(|p| &p.plan)).into_iter().filter(move |s| !s.scratch && !data(&s.path))
}

/// Everything that a run has on its device at once, from its plans: no device is asked.
fn bytes_needed(
    c: &Config,
    train: &[Program],
    layout: &ParamLayout,
    set: &SetShape,
    held_out: &[&SetShape],
) -> Result<u64> {
    let mut need: u64 = stores(train.iter().map(|p| &p.plan)).iter().map(|s| 4 * s.len as u64).sum();
    need += train.iter().map(|p| p.plan.slot_bytes()).sum::<u64>();
    let model = models::of(&c.model);
    let (begins, indexed) = (model.rounds() > 0, !c.classifier.wanted());
    if begins {
        need += programs::begin(c, set, layout)?.plan.slot_bytes();
    }
    for set in held_out {
        need += 4 * (set.data_words(c.train.batch) + set.examples) as u64;
        if c.classifier.wanted() {
            need += 4 * (set.labels(c.classifier.classes).data_words(c.train.batch) + set.examples) as u64;
        }
        let size = c.train.batch.min(set.examples);
        need += programs::evaluate(c, set, size, layout)?.plan.slot_bytes();
        if set.examples % size > 0 {
            need += programs::evaluate(c, set, set.examples % size, layout)?.plan.slot_bytes();
        }
        if indexed && !model.levels(set.features).is_empty() {
            need += programs::indices(c, set, size, layout)?.plan.slot_bytes();
        }
    }
    Ok(need)
}

/// What is done with held-out examples.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Task {
    Evaluate,
    Encode,
    Reconstruct,
    Indices,
    Decode,
    DecodeIndices,
}

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The unit of the number: `nats`.
    pub unit: &'static str,
    /// The means over all examples: the number, by its name (`-ELBO`), then its terms.
    pub means: Means,
}

impl Evaluation {
    /// `-ELBO 102.41 nats (recon 76.40, KL 26.01)`.
    pub fn sentence(&self) -> String {
        let shown = |(name, v): (&str, f64)| shown(if name == "kl" { "KL" } else { name }, v);
        let mut parts = self.means.values().map(shown);
        let head = format!("{} {}", parts.next().unwrap_or_default(), self.unit);
        let terms: Vec<String> = parts.collect();
        if terms.is_empty() { head } else { format!("{head} ({})", terms.join(", ")) }
    }
}

/// Codes and pictures of a batch.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// What was encoded, n·features.
    pub inputs: Vec<f32>,
    /// n·latent.
    pub codes: Vec<f32>,
    /// What the codes stand for, n·features.
    pub pictures: Vec<f32>,
}

impl Session {
    /// Puts a model with its first weights, and a data set, on a device; refused where it needs more than `max_memory`
    /// bytes, before anything is allocated.
    pub fn new(exec: Box<dyn Executor>, config: &Config, data: Dataset, max_memory: Option<u64>) -> Result<Self> {
        Self::made(exec, config, data, max_memory, true)
    }

    /// The same to encode with alone: it loads no training step, and of a classifier it asks for no labels. Whoever trains it
    /// panics; a classifier cannot be evaluated by it.
    pub fn encoder(exec: Box<dyn Executor>, config: &Config, data: Dataset) -> Result<Self> {
        Self::made(exec, config, data, None, false)
    }

    fn made(
        mut exec: Box<dyn Executor>,
        config: &Config,
        data: Dataset,
        max_memory: Option<u64>,
        trains: bool,
    ) -> Result<Self> {
        let batch = config.train.batch;
        if data.train.len() < batch {
            let (n, name) = (data.train.len(), &data.name);
            let text = format!("`{name}` has {n} training examples, fewer than the {batch} of train.batch");
            return Err(Error::usage(text));
        }
        sequences(config, &data)?;
        let (limit, sequence) = (exec.info().binding_elements, data.sequence);
        let features = data.shape.iter().product();
        let drawn = matches!(data.train.images, Images::Sprites(_));
        let layout = programs::layout(config, features, limit)?;
        let [height, width, _] = data.shape;
        let images = !config.model.conv().is_empty() || !models::of(&config.model).levels(features).is_empty();
        if images && height != width {
            return Err(Error::usage(format!(
                "convolutions take square images, and those of `{}` are {height} × {width}",
                data.name
            )));
        }
        let shape = |split: &'static str, examples: usize| {
            let mut shape = SetShape { split, examples, features, sequence, resident: true, drawn };
            shape.resident = drawn || config.data.resident && shape.data_words(0) <= limit;
            shape
        };
        let mut labels: Vec<(SetShape, Split)> = Vec::new();
        if let Some(classes) = Some(config.classifier.classes).filter(|n| *n > 0 && trains) {
            for (split, part, s) in [
                ("train", "training", &data.train),
                ("validation", "validation", &data.validation),
                ("test", "test", &data.test),
            ] {
                // Streamed where the images are: one kind of step.
                let set = shape(split, s.len()).labels(classes);
                if !s.is_empty() {
                    labels.push((set, labels::one_hot(s, &data.name, part, classes)?));
                }
            }
        }
        let splits = [("train", data.train), ("validation", data.validation), ("test", data.test)];
        let splits = splits.map(|(name, split)| (shape(name, split.len()), split));
        let phases = phases::phases(config, &layout, features, (splits[0].0.examples / batch) as u64)?;
        let step = |&phase: &Phase| programs::train(config, &splits[0].0, &layout, Options::default(), phase);
        let mut train: Vec<Program> = phases.iter().map(step).collect::<Result<_>>()?;
        train.iter().try_for_each(|p| fits(&p.plan, limit))?;
        if let Some(max) = max_memory {
            let held_out: Vec<&SetShape> = splits[1..].iter().map(|s| &s.0).filter(|s| s.examples > 0).collect();
            let need = bytes_needed(config, &train, &layout, &splits[0].0, &held_out)?;
            if need > max {
                return Err(Error::failure(format!(
                    "the run needs {need} bytes on the device, --max-memory allows {max}; a smaller train.batch, a \
                     smaller model or data.resident=false needs less"
                )));
            }
        }
        for (i, b) in layout.buckets.iter().enumerate() {
            exec.create(&layout.path(i), DType::F32, b.len)?;
            exec.write(&layout.path(i), 0, &layout.initial(i, config.train.seed))?;
            for path in optim::state_paths(&config.optimizer, &b.name) {
                exec.create(&path, DType::F32, b.len)?;
            }
        }
        // What the model itself keeps from step to step, and the count of skipped steps: zeros at first.
        for s in kept(train.iter()) {
            exec.create(&s.path, s.dtype, s.len)?;
        }
        let mut feeds = Vec::new();
        for (shape, split) in splits {
            if !split.is_empty() {
                feeds.push(Feed::new(&mut *exec, shape, split)?);
            }
        }
        let train_feed = feeds.remove(0);
        train_feed.prepare(&mut *exec, batch)?;
        let labels = labels.into_iter().map(|(shape, split)| Feed::new(&mut *exec, shape, split));
        let labels: Vec<Feed> = labels.collect::<Result<_>>()?;
        labels.iter().filter(|f| f.is_of("train")).try_for_each(|f| f.prepare(&mut *exec, batch))?;
        // One that does not train has the programs all the same: they say what a checkpoint holds.
        let loaded = train.iter().filter(|_| trains).map(|p| exec.load(&p.plan));
        let train_ids = loaded.collect::<Result<_>>()?;
        let further = train.split_off(1);
        let train = train.remove(0);
        let (config, held_out, loaded) = (config.clone(), feeds, HashMap::new());
        Ok(Self {
            exec,
            config,
            layout,
            train,
            phases,
            further,
            train_ids,
            train_feed,
            shuffled: false,
            labels,
            held_out,
            loaded,
        })
    }

    /// What a checkpoint holds: all that the training step keeps in the Store from step to step.
    pub fn state(&self) -> impl Iterator<Item = &StoreRef> {
        kept([&self.train].into_iter().chain(&self.further))
    }

    /// The phase that a step belongs to, by its place.
    pub fn phase(&self, step: u64) -> usize {
        self.phases.iter().position(|p| p.has(step)).expect("each step belongs to a phase")
    }

    /// The stage of a step, of a run that is pretrained in layers: (first step, the step after its last, layer). The last
    /// one, of the whole network, has no layer, and no end but the run's.
    pub fn stage(&self, step: u64) -> (u64, u64, Option<usize>) {
        let phase = &self.phases[self.phase(step)];
        let layer = if let Part::Layer(layer) = phase.part { Some(layer) } else { None };
        (phase.start, phase.end, layer)
    }

    /// The columns of the metrics of a step.
    pub fn columns(&self, step: u64) -> Vec<String> {
        self.program_of(self.phase(step)).plan.log.as_ref().map(|l| l.names.clone()).unwrap_or_default()
    }

    fn program_of(&self, phase: usize) -> &Program {
        if phase == 0 { &self.train } else { &self.further[phase - 1] }
    }

    /// Layers that are trained one after the other.
    pub fn layers(&self) -> usize {
        self.phases.iter().filter(|p| matches!(p.part, Part::Layer(_))).count()
    }

    /// Steps of pretraining, before those that the settings count.
    pub fn pretraining(&self) -> u64 {
        self.phases.last().map_or(0, |p| p.start)
    }

    /// The first step after `step` of another phase: a submit ends there.
    pub fn phase_end(&self, step: u64) -> u64 {
        self.phases[self.phase(step)].end(step)
    }

    /// Steps of an epoch: full batches only.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.train_feed.shape.examples / self.config.train.batch) as u64
    }

    /// Writes the order of an epoch.
    pub fn begin_epoch(&mut self, epoch: u64) -> Result<()> {
        let seed = self.config.train.seed;
        self.shuffled = true;
        self.train_feed.shuffle(&mut *self.exec, seed, epoch)?;
        let of_train = self.labels.iter_mut().find(|f| f.is_of("train"));
        of_train.map_or(Ok(()), |f| f.shuffle(&mut *self.exec, seed, epoch))
    }

    /// Submits the steps `from .. from + count` of the run, all of one epoch and one phase.
    pub fn submit(&mut self, from: u64, count: usize) -> Result<Ticket> {
        let (phase, rows) = self.prepare(from, count)?;
        self.exec.submit(self.train_ids[phase], &rows)
    }

    /// Before the steps `from .. from + count`: their phase, and their rows.
    fn prepare(&mut self, from: u64, count: usize) -> Result<(usize, Vec<StepRow>)> {
        let batch = self.config.train.batch;
        let per_epoch = self.steps_per_epoch();
        let phase = self.phase(from);
        assert!(from + count as u64 <= self.phases[phase].end(from), "a submit of two phases");
        assert!(phase < self.train_ids.len(), "a session that encodes does not train");
        let start = self.phases[phase].start;
        if from == start && from > 0 {
            self.forget_moments()?;
        }
        if from == 0 {
            self.begin()?;
        }
        let scalars = &self.program_of(phase).scalars;
        let row = |i: usize| {
            let step = from + i as u64;
            let first = (step % per_epoch) as usize * batch;
            let mut row = StepRow::new(step as u32, i as u32, first as u32, self.config.train.seed);
            scalars.fill(&mut row, step - start);
            row
        };
        let rows: Vec<StepRow> = (0..count).map(row).collect();
        self.upload_train(rows[0].first as usize)?;
        Ok((phase, rows))
    }

    /// Before the first step a model puts its own state where it begins, in rounds on the first batch.
    pub fn begin(&mut self) -> Result<()> {
        let rounds = if self.config.classifier.wanted() { 0 } else { models::of(&self.config.model).rounds() };
        if rounds == 0 {
            return Ok(());
        }
        let p = programs::begin(&self.config, &self.train_feed.shape, &self.layout)?;
        let id = self.load(&p.plan)?;
        self.upload_train(0)?;
        for round in 0..rounds {
            let mut row = StepRow::new(round as u32, 0, 0, self.config.train.seed);
            p.scalars.fill(&mut row, round);
            let ticket = self.exec.submit(id, &[row])?;
            self.exec.fetch(ticket)?;
        }
        Ok(())
    }

    /// A stage begins with moments of 0: what another stage updated, and this one does not, then stays as it is, bit for bit.
    fn forget_moments(&mut self) -> Result<()> {
        for b in &self.layout.buckets {
            for path in optim::state_paths(&self.config.optimizer, &b.name) {
                self.exec.write(&path, 0, &vec![0f32; b.len].into())?;
            }
        }
        Ok(())
    }

    /// Before a submit whose first batch begins at position `first`.
    fn upload_train(&mut self, first: usize) -> Result<()> {
        let feeds = [&self.train_feed].into_iter().chain(self.labels.iter().filter(|f| f.is_of("train")));
        feeds.into_iter().try_for_each(|f| f.upload(&mut *self.exec, first, self.config.train.batch))
    }

    /// The most steps of one submit.
    pub fn group_limit(&self) -> usize {
        self.train_feed.group_limit()
    }

    /// Makes step `step` of the run as a submit of it alone does, with the same bits, and times every dispatch on its own:
    /// the times, and the metrics of the step.
    pub fn profile(&mut self, step: u64) -> Result<(Vec<Span>, Vec<f32>)> {
        let (phase, rows) = self.prepare(step, 1)?;
        let spans = self.exec.profile(self.train_ids[phase], &rows[0])?;
        let log = self.program_of(phase).plan.log.as_ref().map(|l| (l.path.clone(), l.names.len()));
        let metrics = match log {
            Some((path, columns)) => self.exec.read(&path)?.f32()[..columns].to_vec(),
            None => Vec::new(),
        };
        Ok((spans, metrics))
    }

    /// The plan of a training step.
    pub fn plan(&self, step: u64) -> &Plan {
        &self.program_of(self.phase(step)).plan
    }

    /// A split that is gone through in its own order: a held-out one, or the training set before the first epoch.
    pub(super) fn held_out(&self, split: &str) -> Result<&Feed> {
        assert!(split != "train" || !self.shuffled, "the training set has the order of an epoch");
        let found = self.held_out.iter().chain([&self.train_feed]).find(|f| f.shape.split == split);
        found.ok_or_else(|| Error::usage(format!("this data set has no {split} examples")))
    }

    /// Whether there are validation examples.
    pub fn has_validation(&self) -> bool {
        self.held_out("validation").is_ok()
    }

    /// Evaluates every example of `test` or `validation` once; two evaluations of the same weights agree.
    pub fn evaluate(&mut self, split: &str) -> Result<Evaluation> {
        let n = self.held_out(split)?.shape.examples;
        let size = self.config.train.batch.min(n);
        let mut e = self.evaluate_batches(split, 0, n / size, size)?;
        if n % size > 0 {
            // The remainder has a plan of its own, so that every example counts once.
            let rest = self.evaluate_batches(split, n / size * size, 1, n % size)?;
            e.means.merge(&rest.means);
        }
        if !self.config.classifier.wanted() {
            for (name, value) in self.usage(split)? {
                e.means.push(&name, value);
            }
        }
        if let Some(bits) = self.unigram(split)? {
            e.means.push("unigram", bits);
        }
        Ok(e)
    }

    /// The program of a task for batches of `n` of a split, loaded at its first use.
    fn program(&mut self, task: Task, split: &str, n: usize) -> Result<(Rc<Program>, PlanId)> {
        if task != Task::Evaluate {
            self.not_a_prior()?;
        }
        let shape = self.held_out(split)?.shape.clone();
        let key = (task, shape.split, n);
        if let Some(known) = self.loaded.get(&key) {
            return Ok(known.clone());
        }
        let build = match task {
            Task::Evaluate => programs::evaluate,
            Task::Encode => programs::encode,
            Task::Reconstruct => programs::reconstruct,
            Task::Indices => programs::indices,
            Task::Decode | Task::DecodeIndices => unreachable!("a decoder reads no split"),
        };
        let p = build(&self.config, &shape, n, &self.layout)?;
        self.with_feed(split, |feed, exec| feed.prepare(exec, n))?;
        let id = self.load(&p.plan)?;
        let made = (Rc::new(p), id);
        self.loaded.insert(key, made.clone());
        Ok(made)
    }

    /// The i-th row of a submit that is no training: its noise belongs to the examples from `first` on.
    pub(super) fn timeless_row(&self, p: &Program, i: usize, first: usize) -> StepRow {
        let mut row = StepRow::new(StepRow::EVALUATION, i as u32, first as u32, self.config.train.seed);
        p.scalars.fill(&mut row, 0);
        row
    }

    fn evaluate_batches(&mut self, split: &str, first: usize, count: usize, size: usize) -> Result<Evaluation> {
        let (p, id) = self.program(Task::Evaluate, split, size)?;
        let names = p.plan.log.as_ref().map(|l| l.names.clone()).unwrap_or_default();
        let mut e = Evaluation { unit: p.unit, means: Means::new(&names) };
        let limit = self.held_out(split)?.group_limit();
        let mut done = 0;
        while done < count {
            let group = limit.min(count - done);
            let at = first + done * size;
            let rows: Vec<StepRow> = (0..group).map(|i| self.timeless_row(&p, i, at + i * size)).collect();
            self.with_feed(split, |feed, exec| feed.upload(exec, at, size))?;
            let ticket = self.exec.submit(id, &rows)?;
            self.exec.fetch(ticket)?.iter().for_each(|r| e.means.add(r, size as f64));
            done += group;
        }
        Ok(e)
    }

    /// For a held-out split and, where there are any, its labels.
    pub(super) fn with_feed(&mut self, split: &str, f: impl Fn(&Feed, &mut dyn Executor) -> Result<()>) -> Result<()> {
        self.held_out(split)?;
        // Not through `held_out`, which would borrow the executor too.
        let mine = self.held_out.iter().chain([&self.train_feed]).chain(&self.labels).filter(|f| f.is_of(split));
        mine.into_iter().try_for_each(|feed| f(feed, &mut *self.exec))
    }

    /// Whether there is a decoder; else why there is no picture.
    pub(super) fn decoder(&self) -> Result<()> {
        self.not_a_prior()?;
        match self.config.classifier.classes {
            0 => Ok(()),
            n => Err(Error::usage(format!("this run is a classifier of {n} classes: it has no decoder to draw with"))),
        }
    }

    /// Refuses a prior where a model with an encoder is wanted.
    pub fn not_a_prior(&self) -> Result<()> {
        match models::of(&self.config.model).autoregressive() {
            None => Ok(()),
            Some(_) => Err(Error::usage(
                "this run is a prior over the codes of another, and has neither encoder nor decoder: name the run that it is in",
            )),
        }
    }

    /// Numbers of the code of an example.
    pub fn code_len(&self) -> usize {
        models::of(&self.config.model).code_len(self.train_feed.shape.features)
    }

    /// How many examples a held-out split has.
    pub fn examples(&self, split: &str) -> Result<usize> {
        Ok(self.held_out(split)?.shape.examples)
    }

    /// The labels of a held-out split; none where its data set has none.
    pub fn labels_of(&self, split: &str) -> &[u8] {
        self.held_out.iter().find(|f| f.is_of(split)).map_or(&[], Feed::labels)
    }

    /// Runs a task once on the examples `from .. from + n` of a held-out split; returns how many there were.
    pub(super) fn once_on(&mut self, task: Task, split: &str, from: usize, n: usize) -> Result<usize> {
        let n = n.min(self.examples(split)? - from);
        let (p, id) = self.program(task, split, n)?;
        self.with_feed(split, |feed, exec| feed.upload(exec, from, n))?;
        self.once(&p, id, from)?;
        Ok(n)
    }

    /// What the last program left under a name.
    pub(super) fn output(&mut self, what: &str, elements: usize) -> Result<Vec<f32>> {
        Ok(self.exec.read(&output_path(what, elements))?.f32().to_vec())
    }

    /// The codes of the examples `from .. from + n` of a held-out split, n·latent numbers.
    pub fn encode(&mut self, split: &str, from: usize, n: usize) -> Result<Vec<f32>> {
        let n = self.once_on(Task::Encode, split, from, n)?;
        self.output("codes", n * self.code_len())
    }

    /// The examples `from .. from + n` of a held-out split, their codes and their reconstructions.
    pub fn reconstruct(&mut self, split: &str, from: usize, n: usize) -> Result<Decoded> {
        self.decoder()?;
        let n = self.once_on(Task::Reconstruct, split, from, n)?;
        let (latent, features) = (self.code_len(), self.train_feed.shape.features);
        let (inputs, codes) = (self.output("inputs", n * features)?, self.output("codes", n * latent)?);
        Ok(Decoded { inputs, codes, pictures: self.output("pictures", n * features)? })
    }

    /// The pictures of codes, n·code_len numbers.
    pub fn decode(&mut self, codes: &[f32]) -> Result<Vec<f32>> {
        let n = codes.len() / self.code_len();
        self.decoded(Task::Decode, programs::codes_path(n), n, codes, programs::decode)
    }

    /// Writes what a decoder of `n` codes reads, and runs it.
    pub(super) fn decoded(
        &mut self,
        task: Task,
        path: String,
        n: usize,
        codes: &[f32],
        build: fn(&Config, usize, usize, &ParamLayout) -> Result<Program>,
    ) -> Result<Vec<f32>> {
        self.decoder()?;
        let features = self.train_feed.shape.features;
        let key = (task, "", n);
        if !self.loaded.contains_key(&key) {
            self.exec.create(&path, DType::F32, codes.len())?;
            let p = build(&self.config, n, features, &self.layout)?;
            let id = self.load(&p.plan)?;
            self.loaded.insert(key, (Rc::new(p), id));
        }
        self.exec.write(&path, 0, &codes.to_vec().into())?;
        let (p, id) = self.loaded[&key].clone();
        self.once(&p, id, 0)?;
        self.output("pictures", n * features)
    }

    /// What the model has to say of a run beyond its numbers; nothing of a classifier.
    pub fn verdict(&mut self, test: &Evaluation) -> Result<Option<String>> {
        // It has the model's encoder, and none of its state.
        if self.config.classifier.wanted() {
            return Ok(None);
        }
        let exec = &mut self.exec;
        let mut state = |path: &str| exec.read(path).map(|values| f64::from(values.f32()[0]));
        let mean = |name: &str| test.means.value(name);
        models::of(&self.config.model).verdict(&mut state, &mean)
    }

    /// Whether the model has a prior over its codes.
    pub fn has_prior(&self) -> bool {
        let graph = Graph::new();
        models::of(&self.config.model).prior(&Scope::root(&graph, Mode::Evaluate), 1).is_some()
    }

    /// `n` pictures from the prior, n·features numbers; None where the model has no prior.
    pub fn sample(&mut self, n: usize) -> Result<Option<Vec<f32>>> {
        self.decoder()?;
        let features = self.train_feed.shape.features;
        let Some(p) = programs::sample(&self.config, n, features, &self.layout)? else { return Ok(None) };
        let id = self.load(&p.plan)?;
        self.once(&p, id, 0)?;
        self.output("pictures", n * features).map(Some)
    }

    /// Loads a plan whose every tensor one binding holds.
    pub(super) fn load(&mut self, plan: &Plan) -> Result<PlanId> {
        fits(plan, self.exec.info().binding_elements)?;
        self.exec.load(plan)
    }

    /// Runs a program, loaded for this, once on the examples `from .. from + n` of a held-out split: its metrics.
    pub(super) fn once_of(&mut self, p: &Program, split: &str, from: usize, n: usize) -> Result<Vec<Vec<f32>>> {
        self.with_feed(split, |feed, exec| feed.prepare(exec, n))?;
        let id = self.load(&p.plan)?;
        self.loaded_on(p, id, split, from, n)
    }

    /// The same of a program that is loaded, and whose feed is prepared for `n`.
    pub(super) fn loaded_on(
        &mut self,
        p: &Program,
        id: PlanId,
        split: &str,
        from: usize,
        n: usize,
    ) -> Result<Vec<Vec<f32>>> {
        self.with_feed(split, |feed, exec| feed.upload(exec, from, n))?;
        let ticket = self.exec.submit(id, &[self.timeless_row(p, 0, from)])?;
        self.exec.fetch(ticket)
    }

    pub(super) fn once(&mut self, p: &Program, id: PlanId, first: usize) -> Result<()> {
        let ticket = self.exec.submit(id, &[self.timeless_row(p, 0, first)])?;
        self.exec.fetch(ticket).map(|_| ())
    }
}
