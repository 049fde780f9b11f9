//! Effects: optimizers against the same update written in ops, steps that are skipped, state read as it was.

mod common;

use common::{Rng, layout, load, param, total};
use elbo::config::{Adam, Optimizer, Schedule, Sgd};
use elbo::exec::{Cpu, Executor, Reference};
use elbo::graph::{Graph, StateId, Tensor, grad};
use elbo::kernels::StepRow;
use elbo::nn::{Mode, Scope, optim};
use elbo::plan::{Options, Plan, compile};
use elbo::values::{DType, HostBuf, Shape};

const STEPS: u64 = 5;
const N: usize = 128;

fn ramp() -> Schedule {
    Schedule::Linear { from: 0.0625, to: 0.25, steps: 4, start: 0 }
}

fn optimizers() -> [Optimizer; 2] {
    // Decays whose complement is exact in f32, as the constants of ops are.
    let adam = Adam { learning_rate: ramp(), beta1: 0.875, beta2: 0.96875, epsilon: 1.0 / 1024.0, clip: 0.0 };
    [Optimizer::Adam(adam), Optimizer::Sgd(Sgd { learning_rate: ramp(), momentum: 0.75, clip: 0.0 })]
}

/// A loss of weights w\[128\] with data in another parameter.
fn loss<'g>(g: &'g Graph, w: Tensor<'g>) -> Tensor<'g> {
    total((w * param(g, "data.x", &[N])).tanh().square() + w.square() * 0.25)
}

/// The plan of a step by the optimizer's own effect, or composed of ops and assignments to the same states.
fn step(o: &Optimizer, own: bool) -> (Plan, elbo::nn::Scalars) {
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Train);
    let w = param(&g, "w.0", &[N]);
    let l = loss(&g, w);
    let d = grad(l, &[w])[0];
    let layout = layout(&g);
    if own {
        let only = elbo::graph::ParamLayout::new(vec![layout.params[0].clone()], 1 << 20).unwrap();
        optim::update(&net, o, &only, &[d]);
    } else {
        let net = &net / "optimizer";
        let flat = |path: &str| -> StateId { g.declare(path, Shape::new(&[N]), DType::F32) };
        let scalar = |index: usize, name: &str| {
            let t = g.scalar(&format!("optimizer.{name}"));
            assert_eq!(g.scalar_index(&format!("optimizer.{name}")), index);
            t
        };
        let rate = scalar(net.scalar_index("learning_rate", o.learning_rate()), "learning_rate");
        let states: Vec<StateId> = optim::state_paths(o, "w").iter().map(|p| flat(p)).collect();
        let weights = flat("params/w");
        match o {
            Optimizer::Adam(a) => {
                let c1 = scalar(net.correction_index("c1", a.beta1), "c1");
                let c2 = scalar(net.correction_index("c2", a.beta2), "c2");
                let m = g.read(states[0]) * a.beta1 + d * (1.0 - a.beta1);
                let v = g.read(states[1]) * a.beta2 + d.square() * (1.0 - a.beta2);
                g.assign(weights, w - rate * (m * c1) / ((v * c2).sqrt() + a.epsilon));
                g.assign(states[0], m);
                g.assign(states[1], v);
            }
            Optimizer::Sgd(s) => {
                let u = g.read(states[0]) * s.momentum + d;
                g.assign(weights, w - rate * u);
                g.assign(states[0], u);
            }
        }
    }
    (compile("step", &g, &[], &layout, Options::default()).unwrap(), net.scalars())
}

fn train<E: Executor>(e: &mut E, o: &Optimizer, own: bool, read: fn(&mut E, &str) -> Vec<f64>) -> Vec<Vec<f64>> {
    let (plan, scalars) = step(o, own);
    let id = load(e, &plan);
    for path in ["params/w", "params/data"] {
        let start = Rng::new(path, 0).away(N);
        e.write(path, 0, &common::host(&start)).unwrap();
    }
    let rows: Vec<StepRow> = (0..STEPS)
        .map(|t| {
            let mut row = StepRow::new(t as u32, t as u32, 0, 1);
            scalars.fill(&mut row, t);
            row
        })
        .collect();
    // Two submits: states outlive one.
    e.submit(id, &rows[..2]).unwrap();
    e.submit(id, &rows[2..]).unwrap();
    assert_eq!(e.read("guard/skipped").unwrap(), HostBuf::U32(vec![0]));
    let mut paths = vec!["params/w".to_string()];
    paths.extend(optim::state_paths(o, "w"));
    paths.iter().map(|p| read(e, p)).collect()
}

fn same(what: &str, a: &[Vec<f64>], b: &[Vec<f64>], tolerance: f64) {
    let start = Rng::new("params/w", 0).away(N);
    let moved = a[0].iter().zip(&start).filter(|(x, s)| (*x - *s).abs() > 0.05).count();
    assert!(moved > N / 2, "{what}: only {moved} of {N} weights moved");
    for (i, (x, y)) in a.iter().flatten().zip(b.iter().flatten()).enumerate() {
        assert!((x - y).abs() <= tolerance * (1.0 + y.abs()), "{what}[{i}]: {x} by the effect, {y} composed");
    }
}

#[test]
fn an_optimizer_is_the_update_that_ops_compose() {
    for o in optimizers() {
        let exact = |own| train(&mut Reference::reference(), &o, own, |e, p| e.read_f64(p).unwrap());
        let (a, b) = (exact(true), exact(false));
        same(&format!("{o:?} on reference"), &a, &b, 1e-12);
        let f32s = |e: &mut Cpu, p: &str| e.read(p).unwrap().f32().iter().map(|&v| v.into()).collect();
        let fast = |own| train(&mut Cpu::cpu(), &o, own, f32s);
        same(&format!("{o:?} on cpu"), &fast(true), &fast(false), 1e-6);
        same(&format!("{o:?}, cpu and reference"), &fast(true), &a, 1e-5);
    }
}

/// Everything that a plan keeps, as bits.
fn kept(e: &mut dyn Executor, plan: &Plan) -> Vec<(String, Vec<u8>)> {
    let stores = plan.stores.iter().filter(|s| !s.scratch && s.path != "guard/skipped");
    stores.map(|s| (s.path.clone(), e.read(&s.path).unwrap().bytes().to_vec())).collect()
}

fn skipped(e: &mut dyn Executor) -> u32 {
    e.read("guard/skipped").unwrap().u32()[0]
}

fn host_executors() -> [Box<dyn Executor>; 2] {
    [Box::new(Reference::reference()), Box::new(Cpu::cpu())]
}

#[test]
fn a_step_whose_gradient_is_not_finite_changes_nothing_and_is_counted() {
    for o in optimizers() {
        for mut e in host_executors() {
            let (plan, scalars) = step(&o, true);
            let id = load(&mut *e, &plan);
            let mut row = StepRow::new(1, 0, 0, 1);
            scalars.fill(&mut row, 1);
            let start: HostBuf = common::host(&Rng::new("start", 0).away(N));
            e.write("params/w", 0, &start).unwrap();
            e.write("params/data", 0, &start).unwrap();
            e.submit(id, &[row]).unwrap();
            let before = kept(&mut *e, &plan);
            assert_ne!(before[0].1, start.bytes(), "a sound step moves the weights");
            for (i, bad) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
                // Only the last weight is hit: every element is looked at. tanh(∞·w)² has the slope ∞·0.
                e.write("params/data", N - 1, &vec![bad].into()).unwrap();
                e.submit(id, &[row]).unwrap();
                assert_eq!(skipped(&mut *e), i as u32 + 1, "{o:?}, {bad}");
                let after = kept(&mut *e, &plan);
                for (b, a) in before.iter().zip(&after).filter(|(b, _)| b.0 != "params/data") {
                    assert_eq!(b, a, "{o:?}, {bad}: {} changed", b.0);
                }
            }
            // And then it goes on.
            e.write("params/data", 0, &start).unwrap();
            e.submit(id, &[row]).unwrap();
            assert_eq!(skipped(&mut *e), 3);
            assert_ne!(kept(&mut *e, &plan), before);
        }
    }
}

#[test]
fn a_guarded_loss_that_is_not_finite_skips_the_step() {
    for mut e in host_executors() {
        let g = Graph::new();
        let w = param(&g, "w.0", &[3]);
        let count = g.declare("count", Shape::SCALAR, DType::F32);
        // The guarded value has no part in what is assigned.
        g.guard(w.sum(elbo::graph::Axes::All).ln());
        g.assign(count, g.read(count) + 1.0);
        let plan = compile("guard", &g, &[], &layout(&g), Options::default()).unwrap();
        let id = load(&mut *e, &plan);
        let row = StepRow::new(0, 0, 0, 0);
        for (sum, expected) in [(1.0f32, (1.0, 0)), (-1.0, (1.0, 1)), (0.0, (1.0, 2)), (2.0, (2.0, 2))] {
            e.write("params/w", 0, &vec![sum, 0.0, 0.0].into()).unwrap();
            e.submit(id, &[row]).unwrap();
            assert_eq!((e.read("count").unwrap().f32()[0], skipped(&mut *e)), expected, "after {sum}");
        }
    }
}

/// Adam squares the gradient: one whose square overflows is refused, also where the gradient was guarded before.
#[test]
fn a_gradient_whose_square_overflows_is_not_finite_to_adam() {
    for guarded in [false, true] {
        let o = &optimizers()[0];
        let g = Graph::new();
        let net = Scope::root(&g, Mode::Train);
        let w = param(&g, "w.0", &[N]);
        let d = grad(total(w * param(&g, "data.x", &[N])), &[w]);
        let all = layout(&g);
        let only = elbo::graph::ParamLayout::new(vec![all.params[0].clone()], 1 << 20).unwrap();
        if guarded {
            g.guard(g.pack_bucket(&only, 0, &d));
        }
        optim::update(&net, o, &only, &d);
        let plan = compile("squares", &g, &[], &all, Options::default()).unwrap();
        let mut e = Cpu::cpu();
        let id = load(&mut e, &plan);
        e.write("params/data", 3, &vec![1e30f32].into()).unwrap();
        let mut row = StepRow::new(0, 0, 0, 0);
        net.scalars().fill(&mut row, 0);
        e.submit(id, &[row]).unwrap();
        assert_eq!(skipped(&mut e), 1, "guarded: {guarded}");
        assert_eq!(e.read("adam.v/w").unwrap(), HostBuf::zeros(DType::F32, N));
    }
}

/// Each assignment sees the states as they were when the step began, whatever the order.
#[test]
fn assignments_read_the_state_at_the_start_of_the_step() {
    for mut e in host_executors() {
        let g = Graph::new();
        let [a, b, c] = ["a", "b", "c"].map(|p| g.declare(p, Shape::new(&[2]), DType::F32));
        g.assign(a, g.read(b));
        g.assign(b, g.read(a));
        g.assign(c, g.read(c) * 2.0 + g.read(a));
        let plan = compile("swap", &g, &[], &layout(&g), Options::default()).unwrap();
        let id = load(&mut *e, &plan);
        e.write("a", 0, &vec![1.0f32, 2.0].into()).unwrap();
        e.write("b", 0, &vec![-3.0f32, 5.0].into()).unwrap();
        let states = |e: &mut dyn Executor| ["a", "b", "c"].map(|p| e.read(p).unwrap().f32().to_vec());
        e.submit(id, &[StepRow::new(0, 0, 0, 0)]).unwrap();
        assert_eq!(states(&mut *e), [[-3.0, 5.0], [1.0, 2.0], [1.0, 2.0]]);
        e.submit(id, &[StepRow::new(1, 0, 0, 0), StepRow::new(2, 1, 0, 0)]).unwrap();
        assert_eq!(states(&mut *e), [[-3.0, 5.0], [1.0, 2.0], [-1.0, 20.0]]);
    }
}
