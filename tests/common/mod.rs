//! What the tests of graphs, plans and effects share: random numbers, and graphs run by value.
#![allow(dead_code, reason = "each test uses its part")]

use elbo::exec::{Executor, PlanId, Reference};
use elbo::graph::{Graph, Init, ParamLayout, Tensor};
use elbo::kernels::StepRow;
use elbo::plan::{Options, Plan, compile};
use elbo::values::{HostBuf, Philox, Shape, stream};

/// Both plans of a graph: fused and not.
pub const BOTH: [Options; 2] = [
    Options { fuse: true, group: true, reuse: true, mixed: false },
    Options { fuse: false, group: false, reuse: true, mixed: false },
];

/// Random numbers, one after the other. All reals are exact in f32, so that f32 and f64 begin alike.
pub struct Rng {
    philox: Philox,
    at: u64,
}

impl Rng {
    pub fn new(name: &str, seed: usize) -> Self {
        Self { philox: Philox::new(seed as u64, stream(name, 0), 0), at: 0 }
    }
    pub fn unit(&mut self) -> f64 {
        self.at += 1;
        self.philox.unit(self.at - 1)
    }
    pub fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n - 1)
    }
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
    pub fn real(&mut self, low: f64, high: f64) -> f64 {
        f64::from((low + (high - low) * self.unit()) as f32)
    }
    /// Numbers of both signs whose magnitude lies between 0.15 and 1.5: away from the kink at 0.
    pub fn away(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.real(0.15, 1.5) * self.pick(&[-1.0, 1.0])).collect()
    }
    pub fn between(&mut self, n: usize, low: f64, high: f64) -> Vec<f64> {
        (0..n).map(|_| self.real(low, high)).collect()
    }
}

/// A parameter of any first value.
pub fn param<'g>(g: &'g Graph, path: &str, dims: &[usize]) -> Tensor<'g> {
    g.param(path, Shape::new(dims), Init::Uniform { bound: 1.0 })
}

/// The sum of everything.
pub fn total(t: Tensor<'_>) -> Tensor<'_> {
    t.sum(elbo::graph::Axes::All)
}

/// Packs tensors under a path; returns the pack and where each part begins.
pub fn pack<'g>(g: &'g Graph, path: &str, parts: &[Tensor<'g>]) -> (Tensor<'g>, Vec<usize>) {
    let mut places = Vec::new();
    let mut at = 0;
    for p in parts {
        places.push(at);
        at += p.len().next_multiple_of(64);
    }
    (g.pack(path, parts, places.clone(), at), places)
}

/// Every parameter of the graph, in buckets.
pub fn layout(g: &Graph) -> ParamLayout {
    ParamLayout::new(g.params(), 1 << 24).unwrap()
}

/// Makes what a plan needs of an executor, zeros, and loads it.
pub fn load(e: &mut dyn Executor, plan: &Plan) -> PlanId {
    for s in plan.stores.iter().filter(|s| !s.scratch) {
        e.create(&s.path, s.dtype, s.len).unwrap();
    }
    e.load(plan).unwrap()
}

/// Tensors of a graph on the reference executor, as functions of its parameters.
pub struct Evaluated {
    exec: Reference,
    plan: PlanId,
    layout: ParamLayout,
    sizes: Vec<(usize, usize)>,
    row: StepRow,
    pub dispatches: usize,
}

impl Evaluated {
    pub fn new<'g>(g: &'g Graph, parts: &[Tensor<'g>], options: Options) -> Self {
        let (packed, places) = pack(g, "out/all", parts);
        let layout = layout(g);
        let plan = compile("test", g, &[packed], &layout, options).unwrap();
        let mut exec = Reference::reference();
        let id = load(&mut exec, &plan);
        let sizes = places.into_iter().zip(parts.iter().map(|t| t.len())).collect();
        let mut row = StepRow::new(3, 0, 0, 7);
        row.scalars = std::array::from_fn(|i| 0.75 - 0.25 * i as f32);
        Self { exec, plan: id, layout, sizes, row, dispatches: plan.dispatches.len() }
    }
    pub fn set(&mut self, path: &str, offset: usize, data: &[f64]) {
        let i = self.layout.find(path).unwrap();
        let place = self.layout.places[i];
        let bucket = self.layout.path(place.bucket);
        // A parameter that no output depends on is in no plan.
        if self.exec.stored(&bucket).is_some() {
            self.exec.write_f64(&bucket, place.offset + offset, data).unwrap();
        }
    }
    pub fn set_state(&mut self, path: &str, data: &[f64]) {
        self.exec.write_f64(path, 0, data).unwrap();
    }
    pub fn run(&mut self) -> Vec<Vec<f64>> {
        self.exec.submit(self.plan, &[self.row]).unwrap();
        let all = self.exec.read_f64("out/all").unwrap();
        self.sizes.iter().map(|&(at, n)| all[at..at + n].to_vec()).collect()
    }
}

/// The dispatches of the plans of one graph under two options, `kernel what`. Both leave the same values.
pub fn kernels_of(
    options: [Options; 2],
    what: &str,
    build: for<'g> fn(&'g Graph) -> Vec<Tensor<'g>>,
) -> [Vec<String>; 2] {
    let values = options.map(|o| {
        let g = Graph::new();
        let parts = build(&g);
        let mut e = Evaluated::new(&g, &parts, o);
        for p in g.params() {
            e.set(&p.path, 0, &Rng::new(&p.path, 3).away(p.shape.len()));
        }
        e.run()
    });
    for (a, b) in values[0].iter().flatten().zip(values[1].iter().flatten()) {
        assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{what}: {a} and {b}");
    }
    assert!(values[1].iter().flatten().any(|v| v.abs() > 1e-3), "{what}: all about 0");
    options.map(|o| {
        let g = Graph::new();
        let (packed, _) = pack(&g, "out/all", &build(&g));
        let plan = compile("kernels", &g, &[packed], &layout(&g), o).unwrap();
        plan.dispatches.iter().map(|d| format!("{} {}", d.kernel.name(), d.kernel.describe(&d.call))).collect()
    })
}

/// What a panic said.
pub fn panic_text(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let e = std::panic::catch_unwind(f).expect_err("this should have panicked");
    let text = e.downcast_ref::<String>().cloned();
    text.or_else(|| e.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default()
}

/// f32 reals for a device.
pub fn host(v: &[f64]) -> HostBuf {
    v.iter().map(|&x| x as f32).collect::<Vec<_>>().into()
}
