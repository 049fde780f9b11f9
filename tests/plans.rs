//! Plans of random graphs: sound, equal however they were compiled, and equal on every executor; every fusion rule;
//! plans that were tampered with.

mod common;

use common::{Evaluated, Rng, host, layout, load, pack, param, total};
use elbo::exec::gpu::{Context, Gpu, adapters};
use elbo::exec::{Cpu, Executor, Reference};
use elbo::graph::{Axes, Binarise, Count, Distribution, Effect, Graph, Jumps, Tensor, Window, grad, partial};
use elbo::kernels::matmul_vec4::Act;
use elbo::kernels::{REGISTRY, StepRow, words};
use elbo::plan::{Buffer, Options, Plan, View, compile, validate};
use elbo::values::{DType, HostBuf, Shape};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

const GRAPHS: usize = 240;
const STEPS: usize = 2;

// ---------------------------------------------------------------------------------------------- random graphs

struct Random<'g> {
    g: &'g Graph,
    rng: Rng,
    pool: Vec<Tensor<'g>>,
    leaves: usize,
    params: Vec<Tensor<'g>>,
    /// Whether some values are detached. Differences see through it, gradients do not.
    detach: bool,
}

impl<'g> Random<'g> {
    fn dims(&mut self) -> Vec<usize> {
        (0..1 + self.rng.below(3)).map(|_| self.rng.pick(&[1, 2, 3, 4, 5, 8])).collect()
    }

    /// A new leaf: mostly a parameter of one of two groups.
    fn leaf(&mut self, dims: &[usize]) -> Tensor<'g> {
        self.leaves += 1;
        let (g, shape, name) = (self.g, Shape::new(dims), self.leaves);
        match self.rng.below(12) {
            0 => self.fixed(shape),
            1 if dims.len() >= 2 => {
                let of = [Distribution::Uniform, Distribution::Normal][usize::from(self.rng.below(2) == 0)];
                g.random("noise", shape, of, false)
            }
            2 => g.constant(self.rng.pick(&[0.5, -0.25, 1.0]), shape),
            3 => g.scalar("b").broadcast(shape),
            4 if !dims.is_empty() => self.picture(shape),
            n => {
                let p = param(g, &format!("{}.{name}", ["a", "b"][n % 2]), dims);
                self.params.push(p);
                p
            }
        }
    }

    /// A state.
    fn fixed(&mut self, shape: Shape) -> Tensor<'g> {
        self.leaves += 1;
        self.g.read(self.g.declare(&format!("state/{}", self.leaves), shape, DType::F32))
    }

    /// A batch of a set of as many examples, or streamed.
    fn picture(&mut self, shape: Shape) -> Tensor<'g> {
        let (g, name) = (self.g, self.leaves);
        let flat = |kind: &str, n: usize| g.declare(&format!("{kind}/{name}"), Shape::new(&[n]), DType::U32);
        let (data, order) = (flat("data", shape.len().div_ceil(4)), flat("order", shape[0]));
        let binarise = self.rng.pick(&[Binarise::None, Binarise::Dynamic, Binarise::Static]);
        let [by_example, streamed] = [0, 1].map(|_| self.rng.below(2) == 0);
        g.batch(data, order, shape, binarise, "train", by_example, streamed)
    }

    fn any(&mut self) -> Tensor<'g> {
        // The newest more often, so that graphs are deep.
        let n = self.pool.len();
        let i = if self.rng.below(2) == 0 { n - 1 - self.rng.below(n.min(3)) } else { self.rng.below(n) };
        self.pool[i]
    }

    /// Numbers stay of the order of 1, factors are powers of two: so fused scales are exact.
    fn unary(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        match self.rng.below(17) {
            0 => t.tanh().exp(),
            // Not 1 + t²: at f32 its ln is 0 where t is small, and on the other side of a step.
            1 => (t.square() + 2.0).ln(),
            2 => (t.tanh().square() + 0.5).sqrt(),
            3 => (t.square() + 1.0).recip(),
            4 => t.abs(),
            5 => t * t.sign(),
            6 => t * t.step(),
            7 => t.sigmoid(),
            8 => t.tanh(),
            9 => t.relu(),
            10 => t.softplus(),
            11 => t.tanh().square(),
            12 => t.affine(-0.5, 0.25),
            13 => t.clamp(-0.5, 0.75),
            14 => t.tanh() * t.inside(-0.75, 1.0),
            // Chosen by a leaf: of numbers that are rounded, executors may choose otherwise.
            15 if t.shape().rank() > 0 => {
                let dims = t.shape().dims().to_vec();
                let k = match self.rng.below(3) {
                    0 => Count::Scheduled(self.g.scalar_index("b")),
                    _ => Count::Fixed(self.rng.below(t.shape().last() + 1)),
                };
                t * self.leaf(&dims).top_k(k)
            }
            _ if self.detach => (t.detach() * 0.5).tanh() * t,
            _ => (t * 0.5).tanh() * t,
        }
    }

    /// The same shape with some axes of extent 1, or without the first ones.
    fn smaller(&mut self, s: Shape) -> Vec<usize> {
        let dims: Vec<usize> = s.dims().iter().map(|&d| if self.rng.below(3) == 0 { 1 } else { d }).collect();
        dims[self.rng.below(dims.len() + 1)..].to_vec()
    }

    fn binary(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        let o = if self.rng.below(3) == 0 { self.any() } else { t };
        let same = o.shape() == t.shape() && o.id() != t.id();
        let small = self.smaller(t.shape());
        let o = if same { o } else { self.leaf(&small) };
        let (a, b) = if self.rng.below(2) == 0 { (t, o) } else { (o, t) };
        match self.rng.below(10) {
            0 => a + b,
            1 => a - b,
            2 => a.tanh() * b.tanh(),
            3 => a / (b.square() + 1.0),
            4 => a.maximum(b),
            5 => a.minimum(b),
            6 => a.greater(b) * a,
            // Forms that the gradient table leaves, of a factor that needs no gradient itself: else it is read twice,
            // and nothing fuses.
            7 => (self.fixed(t.shape()).sigmoid() - t) * 0.25,
            8 => self.fixed(t.shape()) * (1.0 - t.sigmoid().square()),
            _ => a.sigmoid() * b,
        }
    }

    fn axes(&mut self, t: Tensor<'g>) -> Axes {
        let r = t.shape().rank();
        let a = self.rng.below(r);
        Axes::Numbered(a, a + 1 + self.rng.below(r - a))
    }

    fn reduce(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        if t.shape().rank() == 0 {
            return t.tanh();
        }
        let axes = self.axes(t);
        let sum = t.sum(axes);
        let terms = t.len() / sum.len();
        match self.rng.below(4) {
            0 => t.logsumexp(axes),
            1 if self.detach => t.max(axes).detach() + sum * 0.125,
            _ if terms.is_power_of_two() => t.mean(axes) * 0.5,
            _ => sum * 0.125,
        }
    }

    fn matmul(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        let s = t.shape();
        let t = if s.rank() < 2 || s.rank() > 3 { t.reshape(&[s.len() / s.last(), s.last()]) } else { t };
        let (s, ta, tb) = (t.shape(), self.rng.below(3) == 0, self.rng.below(2) == 0);
        let r = s.rank();
        let (k, n) = (if ta { s[r - 2] } else { s[r - 1] }, self.rng.pick(&[1, 3, 4, 8]));
        let mut dims = s.dims()[..r - 2].to_vec();
        dims.extend(if tb { [n, k] } else { [k, n] });
        let w = self.leaf(&dims);
        let y = t.matmul_as(w, ta, tb);
        let y = if self.rng.below(3) > 0 { y + self.leaf(&[n]) } else { y };
        match self.rng.below(5) {
            0 => y * 0.25,
            1 => y.relu(),
            2 => y.sigmoid(),
            3 => y.tanh(),
            _ => y.softplus(),
        }
    }

    fn moved(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        let s = t.shape();
        let r = s.rank();
        let d = s.dims().to_vec();
        match self.rng.below(10) {
            6 | 7 if r > 0 => self.patches(t),
            8 | 9 if r > 0 => self.indexed(t),
            0 => t.reshape(&[s.len()]),
            1 if r > 0 && r < 5 => t.reshape(&[&[1], &d[..]].concat()),
            2 if r > 1 => {
                let shift = 1 + self.rng.below(r - 1);
                t.permute(&(0..r).map(|i| (i + shift) % r).collect::<Vec<_>>())
            }
            3 if r > 0 => {
                let start: Vec<usize> = d.iter().map(|&d| self.rng.below(d)).collect();
                let dims: Vec<usize> = d.iter().zip(&start).map(|(d, s)| 1 + self.rng.below(d - s)).collect();
                t.slice(&start, &dims)
            }
            4 if r > 0 => {
                let start: Vec<usize> = d.iter().map(|_| self.rng.below(2)).collect();
                let dims: Vec<usize> = d.iter().zip(&start).map(|(d, s)| d + s + self.rng.below(2)).collect();
                t.pad(&start, &dims)
            }
            _ if r > 0 => {
                let mut dims = d;
                let axis = self.rng.below(r);
                dims[axis] = 1 + self.rng.below(2);
                let o = self.leaf(&dims);
                t.concat(o, axis)
            }
            _ => t.reshape(&[1]),
        }
    }

    /// Patches of an image, or images of what could be patches.
    fn patches(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        let (rows, depth) = (t.len() / t.shape().last(), t.shape().last());
        let height = [4, 3, 2, 1].into_iter().find(|h| rows.is_multiple_of(*h)).expect("1 divides");
        let grid = [height, rows / height];
        let kernel = [0, 1].map(|_| 1 + self.rng.below(2));
        let stride = [0, 1].map(|_| 1 + self.rng.below(2));
        let before = kernel.map(|k| self.rng.below(k));
        let x = t.reshape(&[1, grid[0], grid[1], depth]);
        let other = [0, 1].map(|axis| grid[axis].div_ceil(stride[axis]));
        if depth.is_multiple_of(kernel[0] * kernel[1]) && self.rng.below(2) == 0 {
            let image = [0, 1].map(|axis| (grid[axis] - 1) * stride[axis] + 1);
            return x.fold(Window { image, patches: grid, kernel, stride, before }) * 0.5;
        }
        x.unfold(Window { image: grid, patches: other, kernel, stride, before })
    }

    /// Rows by their index, or the rows of each index added up. An index is drawn, or chosen by a leaf: of numbers that are
    /// rounded, executors may choose otherwise.
    fn indexed(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        let (rows, d, k) = (t.len() / t.shape().last(), t.shape().last(), self.rng.pick(&[1, 3, 5]));
        let x = t.reshape(&[rows, d]);
        if self.rng.below(2) == 0 {
            return x.gather(self.g.random("index", Shape::new(&[1, k]), Distribution::Below(rows), false));
        }
        let index = self.leaf(&[rows, k]).argmax();
        x.segment_sum(index, Shape::new(&[k, d])) * 0.25
    }

    fn probabilistic(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        let dims = t.shape().dims().to_vec();
        let o = self.leaf(&dims);
        match self.rng.below(5) {
            0 => t.bce(o.sigmoid()),
            1 => t.bce(self.g.constant(0.25, t.shape())),
            2 => t.tanh().gaussian_kl(o.tanh()),
            3 if !dims.is_empty() => {
                let act = [Act::None, Act::Relu, Act::Sigmoid, Act::Tanh][self.rng.below(4)];
                let units = t.shape().last();
                let r = self.leaf(&[units]).square();
                t.tanh().reshape(&[t.len() / units, units]).jacobian_penalty(r, act)
            }
            _ if (1..4).contains(&dims.len()) => {
                let shape = Shape::new(&[&[2], &dims[..]].concat());
                t.reparameterise(o.tanh(), self.g.random("eps", shape, Distribution::Normal, false))
            }
            _ => t.tanh().gaussian_kl(o),
        }
    }

    /// What is solved and factored is an identity plus less, so that numbers stay of the order of 1.
    fn triangular(&mut self, t: Tensor<'g>) -> Tensor<'g> {
        let (s, d) = (t.shape(), self.rng.pick(&[1, 2, 3, 4]));
        if !s.len().is_multiple_of(d) {
            return t.sigmoid();
        }
        let matrices = match self.rng.below(2) {
            0 if (s.len() / d).is_multiple_of(d) => vec![s.len() / d / d, d, d],
            _ => vec![d, s.len() / d],
        };
        let (b, square) = (t.reshape(&matrices), [&matrices[..matrices.len() - 2], &[d, d]].concat());
        let ones = self.g.constant(1.0, Shape::new(&square));
        let identity = ones.triangle(1.0) - ones.triangle(0.0);
        match self.rng.below(4) {
            0 if b.shape().dims() == square => b.triangle(self.rng.pick(&[0.5, 0.0, 1.0])),
            0 | 1 => (identity + b.tanh().matrix_product(b.tanh(), false, true) * 0.125).cholesky(),
            n => (self.leaf(&square).tanh() * 0.25 + identity).triangular_solve(b, n == 2),
        }
    }

    /// A loss of a net of one hidden layer and its slopes, which nothing differentiates again: so its backward pass fuses
    /// as that of a model does.
    fn net(&mut self) -> Vec<Tensor<'g>> {
        let g = self.g;
        let [batch, inputs] = [0, 1].map(|_| self.rng.pick(&[3, 4, 8, 20]));
        let [hidden, outputs] = [0, 1].map(|_| self.rng.pick(&[1, 4, 7, 8, 24]));
        let x = self.fixed(Shape::new(&[batch, inputs])).tanh();
        let [w, v] = [("d.w", [hidden, inputs]), ("d.v", [outputs, hidden])].map(|(name, d)| param(g, name, &d));
        let [b, c] = [("d.b", hidden), ("d.c", outputs)].map(|(name, n)| param(g, name, &[n]));
        let h = x.matmul_as(w, false, true) + b;
        let h = match self.rng.below(3) {
            0 => h.relu(),
            1 => h.sigmoid(),
            _ => h.tanh(),
        };
        let loss = total((h.matmul_as(v, false, true) + c).softplus()) * 0.125;
        [vec![loss], grad(loss, &[w, b, v, c])].concat()
    }

    /// The same of an LSTM over frames that move, or that are reals, at two times of each; and what another one, of which
    /// there is no slope, makes.
    fn of_sequences(&mut self) -> Vec<Tensor<'g>> {
        let g = self.g;
        let [batch, time] = [self.rng.pick(&[1, 3, 5]), self.rng.pick(&[2, 3])];
        let (width, units) = (self.rng.pick(&[1, 2, 4]), self.rng.pick(&[1, 3, 4]));
        let features = 2 * width;
        let frames = if self.rng.below(2) == 0 {
            let still = self.picture(Shape::new(&[batch, features]));
            g.moving(still, Shape::new(&[batch, time, 2, width]))
        } else {
            let store = |kind: &str, n: usize| g.declare(&format!("{kind}/s"), Shape::new(&[n]), DType::U32);
            let (data, order) = (store("reals", batch * time * features), store("order", batch));
            let shape = Shape::new(&[batch, time * features]);
            g.batch(data, order, shape, Binarise::Real, "train", false, false)
        };
        let x = frames.reshape(&[batch * time, features]);
        let (w, r) = (param(g, "d.in", &[4 * units, features]), param(g, "d.r", &[units, 4 * units]));
        let h = x.matmul_as(w, false, true).reshape(&[batch, time, 4 * units]).lstm(r);
        let jumps =
            Jumps { time, near: [1, 1], far: [0, 0], far_share: 1 << 22, grow: 0, stream: 0, by_example: false };
        let times = g.jumps("times", 2, batch, jumps).slice(&[0, 0, 1], &[2, batch, 1]).reshape(&[2, batch]);
        let loss = total(h.at_time(times)) * 0.125 + total(times.sinusoids(2)) * total(r);
        let plain = self.fixed(Shape::new(&[batch, time, 4 * units])).lstm(r);
        [vec![loss, plain], grad(loss, &[w, r])].concat()
    }

    fn grow(&mut self) {
        let t = self.any();
        let new = if t.len() > 400 {
            self.reduce(t)
        } else {
            match self.rng.below(13) {
                12 => self.triangular(t),
                0..3 => self.unary(t),
                3..6 => self.binary(t),
                6..8 => self.matmul(t),
                8 => self.reduce(t),
                9 | 10 => self.moved(t),
                _ => self.probabilistic(t),
            }
        };
        self.pool.push(new);
    }
}

/// How many outputs come of [`Random::net`] and of [`Random::of_sequences`].
const OF_NET: usize = 9;

/// A random graph; its outputs are a loss, its gradient, a function of that, and the gradient of that, and a small net's.
fn random_graph(g: &Graph, seed: usize) -> Vec<Tensor<'_>> {
    random_graph_with(g, seed, true)
}

/// The same, of which nothing is detached where `detach` is false.
fn random_graph_with(g: &Graph, seed: usize, detach: bool) -> Vec<Tensor<'_>> {
    let mut r = Random { g, rng: Rng::new("graph", seed), pool: vec![], leaves: 0, params: vec![], detach };
    let dims = r.dims();
    let first = param(g, "a.0", &dims);
    r.params.push(first);
    r.pool.push(first);
    for _ in 0..4 + r.rng.below(10) {
        r.grow();
    }
    let weigh = |r: &mut Random<'_>, i: usize, t: Tensor<'_>| match r.rng.below(3) {
        0 => 0.25,
        1 => -0.5,
        _ => 1.0 + 0.0 * (i + t.len()) as f64,
    };
    let mut loss = g.constant(0.0, Shape::SCALAR);
    let last = r.pool.len() - 1;
    for (i, at) in [last, r.rng.below(last + 1)].into_iter().enumerate() {
        let t = r.pool[at];
        let c = if r.rng.below(3) == 0 {
            g.constant(0.5, t.shape())
        } else {
            param(g, &format!("c.{i}"), t.shape().dims())
        };
        let scale = weigh(&mut r, i, t);
        loss = loss + total(c * t) * scale;
    }
    // A linear term gives every parameter a path, here and in the second order.
    let params = r.params.clone();
    let linear = |kind: &str| {
        let mut sum = g.constant(0.0, Shape::SCALAR);
        for (i, &p) in params.iter().enumerate() {
            sum = sum + total(param(g, &format!("{kind}.{i}"), p.shape().dims()) * p);
        }
        sum
    };
    let mut loss = loss + linear("q");
    if seed.is_multiple_of(3) {
        // Its own slopes, as if they were given.
        let slopes: Vec<_> = params.iter().copied().zip(partial(loss, &params)).collect();
        loss = loss.with_gradient(&slopes);
    }
    let d = grad(loss, &params);
    let mut second = linear("r");
    for (i, dp) in d.iter().enumerate() {
        second = second + total(param(g, &format!("v.{i}"), dp.shape().dims()) * *dp);
    }
    let dd = grad(second, &params);
    if seed.is_multiple_of(2) {
        // Two states exchanged, a third that follows a gradient.
        let state = |name: &str, t: Tensor<'_>| g.declare(name, t.shape(), DType::F32);
        let (a, b, c) = (state("new/a", d[0]), state("new/b", d[0]), state("new/c", d[0]));
        g.assign(a, g.read(b));
        g.assign(b, g.read(a));
        g.assign(c, g.read(c) * 0.5 + d[0]);
        g.guard(loss);
    }
    // Metrics with effects and without; effects without metrics.
    if seed.is_multiple_of(2) && !seed.is_multiple_of(8) || seed % 8 == 1 {
        g.log(&[("loss".into(), loss), ("second".into(), second)]);
    }
    [loss, second].into_iter().chain(d).chain(dd).chain(r.net()).chain(r.of_sequences()).collect()
}

struct Compiled {
    plan: Plan,
    parts: Vec<(usize, usize)>,
}

fn compiled(seed: usize, options: Options) -> Compiled {
    let g = Graph::new();
    let parts = random_graph(&g, seed);
    let (packed, places) = pack(&g, "out/all", &parts);
    let mut plan = compile(&format!("graph {seed}"), &g, &[packed], &layout(&g), options).unwrap();
    // One executor runs many plans: each has paths of its own.
    plan.stores.iter_mut().for_each(|s| s.path = format!("{seed}/{}", s.path));
    plan.log.iter_mut().for_each(|l| l.path = format!("{seed}/{}", l.path));
    Compiled { plan, parts: places.into_iter().zip(parts.iter().map(|t| t.len())).collect() }
}

const PLAIN: Options = Options { fuse: true, group: true, reuse: true, mixed: false };
const NO_REUSE: Options = Options { fuse: true, group: true, reuse: false, mixed: false };
const RULES: Options = Options { fuse: true, group: false, reuse: true, mixed: false };
const UNFUSED: Options = Options { fuse: false, group: false, reuse: true, mixed: false };

/// Everything that a plan leaves: persistent buffers, the output, metrics.
type Left = BTreeMap<String, Vec<f64>>;

fn run<E: Executor>(e: &mut E, plan: &Plan, read: impl Fn(&mut E, &str) -> Vec<f64>) -> Left {
    let id = load(e, plan);
    for s in plan.stores.iter().filter(|s| !s.scratch && s.dtype == DType::F32) {
        let mut rng = Rng::new(&s.path, s.len);
        e.write(&s.path, 0, &host(&rng.between(s.len, -1.0, 1.0))).unwrap();
    }
    for s in plan.stores.iter().filter(|s| s.path.contains("/data/")) {
        e.write(&s.path, 0, &words(s.len, 1).into()).unwrap();
    }
    for s in plan.stores.iter().filter(|s| s.path.contains("/reals/")) {
        let reals = Rng::new(&s.path, s.len).between(s.len, -1.0, 1.0);
        let bits: Vec<u32> = reals.iter().map(|&x| (x as f32).to_bits()).collect();
        e.write(&s.path, 0, &bits.into()).unwrap();
    }
    for s in plan.stores.iter().filter(|s| s.path.contains("/order/")) {
        let order: Vec<u32> = words(s.len, 2).iter().map(|w| w % s.len as u32).collect();
        e.write(&s.path, 0, &order.into()).unwrap();
    }
    let rows: Vec<StepRow> = (0..STEPS)
        .map(|i| {
            let mut row = StepRow::new(i as u32, i as u32, 0, 11);
            row.scalars[..2].copy_from_slice(&[0.75, -0.5]);
            row
        })
        .collect();
    let ticket = e.submit(id, &rows).unwrap();
    let metrics = e.fetch(ticket).unwrap();
    let kept = plan.stores.iter().filter(|s| s.dtype == DType::F32 && (!s.scratch || s.path.ends_with("out/all")));
    let mut left: Left = kept.map(|s| (s.path.clone(), read(e, &s.path))).collect();
    left.insert("metrics".into(), metrics.iter().flatten().map(|&v| v.into()).collect());
    for s in plan.stores.iter().filter(|s| s.path.ends_with("guard/skipped")) {
        assert_eq!(e.read(&s.path).unwrap(), HostBuf::U32(vec![0]), "{}: steps were skipped", plan.name);
    }
    left
}

fn reference(plan: &Plan) -> Left {
    run(&mut Reference::reference(), plan, |e, path| e.read_f64(path).unwrap())
}

fn f32s<E: Executor>(e: &mut E, path: &str) -> Vec<f64> {
    e.read(path).unwrap().f32().iter().map(|&v| v.into()).collect()
}

fn cpu(plan: &Plan) -> Left {
    run(&mut Cpu::cpu(), plan, f32s)
}

fn bits(left: &Left) -> BTreeMap<&String, Vec<u64>> {
    left.iter().map(|(k, v)| (k, v.iter().map(|x| x.to_bits()).collect())).collect()
}

/// Compares what two runs left; each part of the output, relative to the largest element of that part.
fn close(what: &str, c: &Compiled, got: &Left, truth: &Left, tolerance: f64) {
    assert_eq!(got.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>(), "{what}");
    for (path, t) in truth {
        let whole = [(0, t.len())];
        let parts = if path.ends_with("out/all") { &c.parts[..] } else { &whole[..] };
        for (i, &(at, n)) in parts.iter().enumerate() {
            let (g, t) = (&got[path][at..at + n], &t[at..at + n]);
            let scale = t.iter().fold(1.0f64, |m, v| m.max(v.abs()));
            assert!(scale.is_finite(), "{what}: {path}, part {i} is {t:?}");
            for (j, (g, t)) in g.iter().zip(t).enumerate() {
                let near = (g - t).abs() <= tolerance * scale;
                assert!(near, "{what}: {path}, part {i}[{j}]: {g}, not {t} (scale {scale})");
            }
        }
    }
}

// ------------------------------------------------------------------------------------------- a second proof

/// What each range of a buffer means: the hash of the computation that wrote it.
type Meaning = Vec<(usize, usize, u64)>;

fn hash(x: &impl Hash) -> u64 {
    let mut h = DefaultHasher::new();
    x.hash(&mut h);
    h.finish()
}

/// Runs a plan on meanings in place of numbers, by buffers and ranges alone (it does not look at `View::value`).
/// Returns what every persistent or packed buffer means in the end.
fn prove(plan: &Plan) -> Result<BTreeMap<String, Meaning>, String> {
    let mut memory: BTreeMap<usize, Meaning> = BTreeMap::new();
    let stores = plan.stores.len();
    let key = |b: Buffer| match b {
        Buffer::Store(s) => s,
        Buffer::Slot(s) => stores + s,
    };
    for (at, d) in plan.dispatches.iter().enumerate() {
        let what = format!("dispatch {at}, {} {}", d.kernel.name(), d.kernel.describe(&d.call));
        let extent = |v: &View| match v.buffer {
            Buffer::Store(s) => (plan.stores[s].len, plan.stores[s].dtype),
            Buffer::Slot(s) => (plan.slots[s].len, plan.slots[s].dtype),
        };
        let all: Vec<&View> = d.ins.iter().chain(&d.outs).collect();
        if all
            .iter()
            .any(|v| v.len == 0 || v.offset % 64 != 0 || v.offset + v.len > extent(v).0 || v.dtype != extent(v).1)
        {
            return Err(format!("{what}: a view outside of its buffer"));
        }
        if d.outs.iter().any(|o| all.iter().filter(|v| v.buffer == o.buffer).count() > 1) {
            return Err(format!("{what}: one buffer twice, once written"));
        }
        if d.kernel.work(&d.call).loop_bound > 32_768 {
            return Err(format!("{what}: a loop too long"));
        }
        let overlapping = |m: &Meaning, v: &View| -> Meaning {
            m.iter().filter(|(o, n, _)| *o < v.offset + v.len && v.offset < o + n).copied().collect()
        };
        let mut means = Vec::new();
        for v in &d.ins {
            let found = memory.get(&key(v.buffer)).map(|m| overlapping(m, v)).unwrap_or_default();
            let scratch = match v.buffer {
                Buffer::Slot(_) => {
                    if found.len() != 1 || (found[0].0, found[0].1) != (v.offset, v.len) {
                        return Err(format!("{what}: reads {v:?} where there is {found:?}"));
                    }
                    true
                }
                Buffer::Store(s) => plan.stores[s].scratch,
            };
            if found.is_empty() == scratch {
                return Err(format!("{what}: reads {v:?} {}", if scratch { "too early" } else { "too late" }));
            }
            let initial = (key(v.buffer), v.offset, v.len);
            means.push(if found.is_empty() { hash(&initial) } else { hash(&(v.offset, v.len, found)) });
        }
        for (i, v) in d.outs.iter().enumerate() {
            let m = memory.entry(key(v.buffer)).or_default();
            match v.buffer {
                Buffer::Slot(_) => m.clear(),
                Buffer::Store(_) if !overlapping(m, v).is_empty() => return Err(format!("{what}: writes {v:?} again")),
                Buffer::Store(_) => {}
            }
            m.push((v.offset, v.len, hash(&(d.kernel.name(), &d.call.consts, &d.call.params, &means, i))));
        }
    }
    memory.retain(|&k, _| k < stores);
    Ok(memory.into_iter().map(|(k, m)| (plan.stores[k].path.clone(), m)).collect())
}

// --------------------------------------------------------------------------------------------- the properties

#[test]
fn plans_of_random_graphs_are_sound_and_mean_the_same_with_and_without_reuse() {
    let (mut shared, mut fused) = (0, 0);
    for seed in 0..GRAPHS {
        let [plain, apart, rules, unfused] = [PLAIN, NO_REUSE, RULES, UNFUSED].map(|o| compiled(seed, o).plan);
        for p in [&plain, &apart, &rules, &unfused] {
            validate(p).unwrap();
            assert!(p.live_bytes <= p.slot_bytes(), "graph {seed}: {} alive in {}", p.live_bytes, p.slot_bytes());
        }
        let [a, b] = [&plain, &apart].map(|p| prove(p).unwrap_or_else(|e| panic!("graph {seed}: {e}")));
        assert_eq!(a, b, "graph {seed}");
        prove(&unfused).unwrap_or_else(|e| panic!("graph {seed}, unfused: {e}"));
        assert!(plain.slot_bytes() <= apart.slot_bytes(), "graph {seed}: reuse costs memory");
        shared += usize::from(plain.slots.len() < apart.slots.len());
        fused += usize::from(plain.dispatches.len() < unfused.dispatches.len());
    }
    assert!(shared > GRAPHS * 9 / 10 && fused > GRAPHS / 3, "{shared} share slots, {fused} have fused kernels");
}

#[test]
fn random_graphs_cover_the_ops() {
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..GRAPHS {
        let g = Graph::new();
        let mut live: BTreeSet<usize> = random_graph(&g, seed).iter().map(|t| t.id()).collect();
        let nodes = g.nodes();
        for (id, node) in nodes.iter().enumerate().rev() {
            if live.contains(&id) {
                live.extend(&node.args);
                *used.entry(node.op.name()).or_default() += 1;
            }
        }
    }
    let ops = "param state const scalar random exp ln sqrt recip abs sign step sigmoid tanh relu softplus square affine \
               clamp inside add sub mul div max min gt broadcast reshape permute slice pad sum matmul bce gaussiankl \
               reparam detach topk jacobianpenalty batch triangle triangularsolve cholesky withgradient unfold \
               fold argmax gather segmentsum lstm lstmtape lstmgrad attime placed jumps moving";
    for op in ops.split_whitespace() {
        assert!(used.get(op).is_some_and(|&n| n >= 5), "{op} occurs {:?} times", used.get(op));
    }
}

#[test]
fn reuse_changes_no_bit() {
    for seed in 0..GRAPHS {
        let [a, b] = [PLAIN, NO_REUSE].map(|o| compiled(seed, o).plan);
        assert_eq!(bits(&reference(&a)), bits(&reference(&b)), "graph {seed} on reference");
        assert_eq!(bits(&cpu(&a)), bits(&cpu(&b)), "graph {seed} on cpu");
    }
}

#[test]
fn fusion_changes_nothing_that_f64_sees() {
    for seed in 0..GRAPHS {
        let [a, b, c] = [PLAIN, RULES, UNFUSED].map(|o| compiled(seed, o));
        let [x, mut y, mut z] = [&a, &b, &c].map(|c| reference(&c.plan));
        // Metrics come as f32: the last bit of f64 may decide one of f32.
        let _ = [&mut y, &mut z].map(|m| m.insert("metrics".into(), x["metrics"].clone()));
        close(&format!("graph {seed}, fused and not"), &a, &x, &z, 1e-12);
        close(&format!("graph {seed}, grouped and not"), &a, &x, &y, 1e-12);
    }
}

#[test]
fn the_cpu_agrees_with_the_reference() {
    for seed in 0..GRAPHS {
        let c = compiled(seed, PLAIN);
        close(&format!("graph {seed}, cpu"), &c, &cpu(&c.plan), &reference(&c.plan), 1e-4);
    }
}

/// How many random graphs are differenced; the longest steps of the difference; what is allowed, of the terms' size.
const DIFFERENCED: usize = 40;
const STEP: f64 = 1e-5;
const ALLOWED: f64 = 1e-6;

/// Slopes of the loss and of the second loss along a random direction of what they are differentiated by, against
/// central differences. Left out is only what jumps between the points: where a step of half the length says otherwise.
#[test]
fn gradients_of_random_graphs_agree_with_differences() {
    let (mut jumps, mut compared) = (Vec::new(), 0);
    for seed in 0..DIFFERENCED {
        let g = Graph::new();
        let parts = random_graph_with(&g, seed, false);
        let n = (parts.len() - 2 - OF_NET) / 2;
        let mut e = Evaluated::new(&g, &parts, PLAIN);
        let begin = |p: &elbo::graph::ParamDecl| Rng::new(&p.path, seed).between(p.shape.len(), -1.0, 1.0);
        for p in g.params() {
            e.set(&p.path, 0, &begin(&p));
        }
        let by: Vec<_> = g.params().into_iter().filter(|p| ["a", "b"].contains(&p.group())).collect();
        assert_eq!(by.len(), n, "graph {seed}: the parameters of its gradient");
        let away =
            |p: &elbo::graph::ParamDecl| Rng::new(&format!("v/{}", p.path), seed).between(p.shape.len(), -1.0, 1.0);
        let here = e.run();
        let terms = |first: usize| -> Vec<f64> {
            let products =
                by.iter().zip(&here[first..]).map(|(p, d)| away(p).iter().zip(d).map(|(v, d)| v * d).collect());
            products.collect::<Vec<Vec<f64>>>().concat()
        };
        let orders = [terms(2), terms(2 + n)];
        let mut at = |t: f64| {
            for p in &by {
                let moved: Vec<f64> = begin(p).iter().zip(away(p)).map(|(x, v)| x + t * v).collect();
                e.set(&p.path, 0, &moved);
            }
            let y = e.run();
            [y[0][0], y[1][0]]
        };
        let [whole, half] = [STEP, STEP / 2.0].map(|h| {
            let (above, below) = (at(h), at(-h));
            [0, 1].map(|i| (above[i] - below[i]) / (2.0 * h))
        });
        for (i, terms) in orders.iter().enumerate() {
            let allowed = ALLOWED * (1.0 + here[i][0].abs() + terms.iter().map(|t| t.abs()).sum::<f64>());
            // NaN is no jump.
            if (whole[i] - half[i]).abs() > allowed {
                jumps.push((seed, 1 + i, whole[i], half[i]));
                continue;
            }
            compared += 1;
            // The error of a central difference is that of its step squared.
            let (slope, want) = (terms.iter().sum::<f64>(), (4.0 * half[i] - whole[i]) / 3.0);
            assert!((slope - want).abs() <= allowed, "graph {seed}, order {}: {slope}, differences {want}", 1 + i);
        }
    }
    println!("{compared} slopes of {DIFFERENCED} graphs compared; jumps: {jumps:?}");
    assert!(jumps.len() <= 2, "(graph, order, differences) that jump: {jumps:?}");
}

fn gpu() -> Option<Gpu> {
    if std::env::var("ELBO_GPU_TESTS").is_ok_and(|v| v == "skip") {
        eprintln!("ELBO_GPU_TESTS=skip: no plan ran on a GPU");
        return None;
    }
    let all = adapters();
    let adapter = all.first().expect("no adapter; install a Vulkan driver (llvmpipe), or set ELBO_GPU_TESTS=skip");
    Some(Gpu::new(Context::open(adapter, false).unwrap()))
}

/// A kernel and, for each of its overrides but those of the workgroup and of what it shares, a value.
type Kind = (&'static str, &'static str, u32);

fn kinds(overrides: &[&'static str], kernel: &'static str, consts: &[u32]) -> Vec<Kind> {
    // Of an instruction the function counts, not what it reads; of outputs that there are some, not which register. The
    // instructions of `scalars` are those of `map`.
    let value = |(o, v): (&&'static str, &u32)| match *o {
        o if o.starts_with("WG") || o == "LANES" => None,
        _ if kernel == "scalars" => None,
        o if kernel == "map" && o.starts_with('I') && o != "INS" => Some((kernel, "I", v & 255)),
        "FULL" | "Y0" | "Y1" | "S" => None,
        o => Some((kernel, o, *v)),
    };
    overrides.iter().zip(consts).filter_map(value).chain([(kernel, "", 0)]).collect()
}

/// What each random graph dispatches, fused or not.
fn dispatched() -> Vec<BTreeSet<Kind>> {
    let of = |plan: Plan| {
        plan.dispatches.into_iter().flat_map(|d| kinds(d.kernel.overrides(), d.kernel.name(), &d.call.consts))
    };
    (0..GRAPHS)
        .map(|seed| [PLAIN, RULES, UNFUSED].into_iter().flat_map(|o| of(compiled(seed, o).plan)).collect())
        .collect()
}

/// Every kernel in every way in which its cases run it, but for the optimizers' (effects.rs), that of the benchmarks alone, that
/// of sprites, whose pictures are larger than these graphs (sprites.rs has it in training steps, on every executor), those of
/// mixed precision (mixed.rs), and the products that an executor runs in another's place (choice.rs).
#[test]
fn random_graphs_dispatch_every_kernel_in_every_way() {
    let all: BTreeSet<Kind> = dispatched().into_iter().flatten().collect();
    let mut missing = BTreeSet::new();
    for k in REGISTRY.iter().filter(|k| {
        ![
            "adam",
            "sgd",
            "fma",
            "half",
            "matmul_half",
            "sprites",
            "matmul_tiled",
            "weight_grad_tiled",
            "matmul_subgroup",
            "weight_grad_subgroup",
        ]
        .contains(&k.name())
    }) {
        for case in k.cases() {
            missing.extend(
                kinds(k.overrides(), k.name(), &case.call.consts).into_iter().filter(|kind| !all.contains(kind)),
            );
        }
    }
    assert!(missing.is_empty(), "no random graph dispatches {missing:?}");
}

/// Few graphs, for a software adapter spends seconds on the pipelines of one: always the one that adds the most, until
/// whatever any graph dispatches is dispatched.
fn on_gpu() -> Vec<usize> {
    let all = dispatched();
    let mut left: BTreeSet<Kind> = all.iter().flatten().copied().collect();
    let mut chosen = Vec::new();
    while !left.is_empty() {
        let adds = |seed: &usize| (all[*seed].intersection(&left).count(), usize::MAX - seed);
        let best = (0..GRAPHS).max_by_key(adds).unwrap();
        left.retain(|kind| !all[best].contains(kind));
        chosen.push(best);
    }
    chosen
}

#[test]
fn the_gpu_agrees_with_the_reference() {
    let Some(mut gpu) = gpu() else { return };
    let chosen = on_gpu();
    println!("{} graphs on the GPU: {chosen:?}", chosen.len());
    for seed in chosen {
        let [plain, apart, rules, unfused] = [PLAIN, NO_REUSE, RULES, UNFUSED].map(|o| compiled(seed, o));
        let truth = reference(&plain.plan);
        let left = run(&mut gpu, &plain.plan, f32s);
        close(&format!("graph {seed}, gpu"), &plain, &left, &truth, 1e-4);
        // What a plan left is where the next one begins.
        gpu.clear();
        assert_eq!(bits(&left), bits(&run(&mut gpu, &apart.plan, f32s)), "graph {seed}, gpu, without reuse");
        gpu.clear();
        for (what, c) in [("ungrouped", &rules), ("unfused", &unfused)] {
            close(&format!("graph {seed}, gpu, {what}"), c, &run(&mut gpu, &c.plan, f32s), &truth, 1e-4);
            gpu.clear();
        }
    }
}

// ------------------------------------------------------------------------------------------------ tampering

/// A training step of a small net, and one state that follows itself.
fn honest() -> Plan {
    let g = Graph::new();
    let (x, w, b) = (param(&g, "x.0", &[6, 5]), param(&g, "w.0", &[5, 7]), param(&g, "w.1", &[7]));
    let h = (x.matmul(w) + b).relu();
    let loss = total((h.exp() * h + h.softplus()).square()) * 0.5;
    let d = grad(loss, &[w, b]);
    let layout = layout(&g);
    let bucket = layout.buckets.iter().position(|b| b.name == "w").unwrap();
    let grads: Vec<Tensor<'_>> =
        layout.params.iter().map(|p| ["w.0", "w.1"].iter().position(|n| *n == p.path).map_or(loss, |i| d[i])).collect();
    let packed = g.pack_bucket(&layout, bucket, &grads);
    let flat = Shape::new(&[layout.buckets[bucket].len]);
    let [weights, momentum] = ["params/w", "sgd.u/w"].map(|p| g.declare(p, flat, DType::F32).index());
    g.effect(Effect::Sgd { wu: [weights, momentum], grad: packed.id(), momentum: 0.5, rate: g.scalar_index("rate") });
    let mean = g.declare("mean", Shape::SCALAR, DType::F32);
    g.assign(mean, g.read(mean) * 0.5 + loss);
    g.log(&[("loss".into(), loss)]);
    compile("honest", &g, &[], &layout, PLAIN).unwrap()
}

fn writer(p: &Plan, slot: usize, before: usize) -> usize {
    (0..before).rev().find(|&i| p.dispatches[i].outs.iter().any(|o| o.buffer == Buffer::Slot(slot))).unwrap()
}

/// (dispatch, input, slot) of a read of a slot, the n-th.
fn slot_read(p: &Plan, n: usize) -> (usize, usize, usize) {
    let reads =
        p.dispatches.iter().enumerate().flat_map(|(i, d)| d.ins.iter().enumerate().map(move |(j, v)| (i, j, v)));
    let slots = reads.filter_map(|(i, j, v)| if let Buffer::Slot(s) = v.buffer { Some((i, j, s)) } else { None });
    slots.clone().nth(n).unwrap_or_else(|| panic!("{} reads of slots", slots.count()))
}

fn at(p: &Plan, kernel: &str) -> usize {
    p.dispatches.iter().position(|d| d.kernel.name() == kernel).unwrap()
}

#[test]
fn a_plan_that_was_tampered_with_is_rejected() {
    let honest = honest();
    validate(&honest).unwrap();
    let meaning = prove(&honest);
    meaning.as_ref().unwrap();
    let reads = honest.dispatches.iter().flat_map(|d| &d.ins).filter(|v| matches!(v.buffer, Buffer::Slot(_))).count();
    assert!(reads >= 6, "{reads} reads of slots");
    let rejected = |what: &str, tamper: &dyn Fn(&mut Plan)| {
        let mut p = honest.clone();
        tamper(&mut p);
        let seen = validate(&p).is_err();
        assert!(seen, "{what}: the planner's proof accepts it");
        // Where another value of the same extent lies in the slot, the result means something else.
        assert!(prove(&p) != meaning, "{what}: the test's proof accepts it");
    };
    for n in 0..reads {
        rejected(&format!("read {n} before its write"), &|p| {
            let (i, _, s) = slot_read(p, n);
            let from = writer(p, s, i);
            p.dispatches.swap(i, from);
        });
        rejected(&format!("write of read {n} left out"), &|p| {
            let (i, _, s) = slot_read(p, n);
            let from = writer(p, s, i);
            p.dispatches.remove(from);
        });
        rejected(&format!("slot of read {n} too short"), &|p| {
            let (i, j, s) = slot_read(p, n);
            p.slots[s].len = p.dispatches[i].ins[j].len - 1;
        });
        rejected(&format!("read {n} is the output too"), &|p| {
            let (i, j, _) = slot_read(p, n);
            let v = p.dispatches[i].ins[j];
            p.dispatches[i].outs[0] = v;
        });
        rejected(&format!("read {n} unaligned"), &|p| {
            let (i, j, s) = slot_read(p, n);
            p.slots[s].len += 64;
            p.dispatches[i].ins[j].offset = 1;
        });
        rejected(&format!("read {n} of another type"), &|p| {
            let (i, j, _) = slot_read(p, n);
            let v = &mut p.dispatches[i].ins[j];
            v.dtype = if v.dtype == DType::F32 { DType::U32 } else { DType::F32 };
        });
        rejected(&format!("read {n} empty"), &|p| {
            let (i, j, _) = slot_read(p, n);
            p.dispatches[i].ins[j].len = 0;
        });
    }
    // A live value overwritten: what is written between a write and its read goes to the same slot.
    let mut aliased = 0;
    for n in 0..reads {
        let (i, _, s) = slot_read(&honest, n);
        let from = writer(&honest, s, i);
        for k in from + 1..i {
            let (v, dtype) = (honest.dispatches[k].outs[0], honest.slots[s].dtype);
            if v.dtype != dtype || honest.dispatches[k].ins.iter().any(|v| v.buffer == Buffer::Slot(s)) {
                continue;
            }
            aliased += 1;
            rejected(&format!("dispatch {k} overwrites what {i} reads"), &|p| {
                p.slots[s].len = p.slots[s].len.max(v.len);
                let out = &mut p.dispatches[k].outs[0];
                (out.buffer, out.offset) = (Buffer::Slot(s), 0);
            });
        }
    }
    assert!(aliased > 3, "{aliased} aliases were tried");
    rejected("beyond the end of a store", &|p| {
        let i = at(p, "matmul_scalar");
        let Buffer::Store(s) = p.dispatches[i].ins[0].buffer else { panic!("x is a store") };
        p.dispatches[i].ins[0].len = p.stores[s].len + 1;
    });
    rejected("weights read after they changed", &|p| {
        let i = at(p, "matmul_scalar");
        let d = p.dispatches.remove(i);
        let mut late = d.clone();
        late.outs[0] = View { buffer: Buffer::Slot(p.slots.len()), value: 1 << 40, ..d.outs[0] };
        p.slots.push(elbo::plan::Slot { dtype: DType::F32, len: d.outs[0].len });
        p.dispatches.insert(i, d);
        p.dispatches.push(late);
    });
    rejected("a gradient written twice", &|p| {
        let sgd = &p.dispatches[at(p, "sgd")];
        let grads = sgd.ins[0].buffer;
        let i = p.dispatches.iter().position(|d| d.outs[0].buffer == grads).unwrap();
        let again = p.dispatches[i].clone();
        p.dispatches.insert(i + 1, again);
    });
    rejected("counts read before they are made", &|p| {
        let (i, j) = (at(p, "finite"), at(p, "gate"));
        let gate = p.dispatches.remove(j);
        p.dispatches.insert(i, gate);
    });
    rejected("one buffer for two outputs", &|p| {
        let i = at(p, "sgd");
        p.dispatches[i].outs[1] = p.dispatches[i].outs[0];
    });
    rejected("a loop that a device would cut", &|p| {
        let i = at(p, "reduce");
        // The run of reduce is its fifth parameter, the terms its second.
        p.dispatches[i].call.params[1] = 40_000;
        p.dispatches[i].call.params[4] = 40_000;
    });
}
