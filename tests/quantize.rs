//! Vector quantisation: the nearest entry, its gradients, and codebooks that are moving averages. What goes wrong with such
//! codebooks elsewhere (a start at size 0, smoothing that is written back, losses that grow with the batch) is tested here.

mod common;
#[path = "common/run.rs"]
mod run;

use common::{Rng, layout, param, total};
use elbo::config::{Codebook, Start, Update};
use elbo::exec::{self, Choice, Executor, PlanId};
use elbo::graph::{Graph, Tensor, grad};
use elbo::kernels::StepRow;
use elbo::nn::quantize::{Quantized, embed, quantize, rounds};
use elbo::nn::{Mode, Scalars, Scope, categorical_nll, categorical_nll_at};
use elbo::plan::{Options, compile};
use elbo::values::HostBuf;
use run::devices;

fn open(device: &Choice) -> Box<dyn Executor> {
    exec::open(device).unwrap_or_else(|e| panic!("{device}: {e} (ELBO_GPU_TESTS=skip leaves it out)"))
}

fn book(entries: usize, dimensions: usize, books: usize) -> Codebook {
    Codebook { entries, dimensions, books, ..Codebook::default() }
}

fn reals(v: &[f32]) -> Vec<f64> {
    v.iter().map(|&v| f64::from(v)).collect()
}

/// What a device holds of a number.
fn as_f32(v: f64) -> f64 {
    f64::from(v as f32)
}

/// z on a grid of eighths, and a book whose second half repeats the first.
fn doubled(n: usize, c: &Codebook) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new("doubled", n);
    let d = c.dimensions / c.books;
    let z = (0..n * c.dimensions).map(|_| (rng.real(-2.0, 2.0) * 8.0).round() / 8.0).collect();
    let half: Vec<f64> = (0..c.books * c.entries / 2 * d).map(|_| (rng.real(-2.0, 2.0) * 8.0).round() / 8.0).collect();
    let twice = half.chunks(c.entries / 2 * d).flat_map(|one| [one, one].concat()).collect();
    (z, twice)
}

#[test]
fn the_nearest_entry_is_found_and_of_equal_ones_the_first() {
    for (n, k, d, books) in [(65, 34, 7, 1), (64, 256, 16, 1), (30, 20, 15, 3), (1, 2, 1, 1)] {
        let c = book(k, d, books);
        let (z, entries) = doubled(n, &c);
        for device in devices() {
            let g = Graph::new();
            let q = quantize(&Scope::root(&g, Mode::Evaluate), g.input("z", &[n, d]).with_batch_axis(0), &c);
            let inputs = [("z", common::host(&z)), ("state/codebook", common::host(&entries))];
            let out = exec::run(&mut *open(&device), &g, &inputs, &[q.index, q.entries]).unwrap();
            let (index, found) = (reals(out[0].f32()), reals(out[1].f32()));
            let w = d / books;
            for i in 0..n * books {
                let (row, b) = (&z[i * w..][..w], i % books);
                let distance = |j: usize| -> f64 {
                    entries[(b * k + j) * w..][..w].iter().zip(row).map(|(e, z)| (e - z).powi(2)).sum()
                };
                let best = (0..k).map(distance).fold(f64::INFINITY, f64::min);
                let chosen = index[i] as usize;
                assert!(
                    index[i].fract() == 0.0 && chosen < k / 2,
                    "{device}, {i}: {} of {k}, twice the same",
                    index[i]
                );
                // Numbers of the grid: products and sums are exact, and so is the choice.
                assert_eq!(distance(chosen), best, "{device}, row {i}");
                assert_eq!(found[i * w..][..w], entries[(b * k + chosen) * w..][..w], "{device}, row {i}");
            }
        }
    }
}

#[test]
fn entries_stand_in_forward_and_let_the_gradient_through() {
    let c = Codebook { update: Update::Gradient, dead: 0.0, start: Start::Uniform, ..book(5, 4, 1) };
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Train);
    let z = param(&g, "z.0", &[6, 4]).with_batch_axis(0);
    let q = quantize(&net, z, &c);
    let w = g.input("w", &[6, 4]);
    let st = q.straight_through(Mode::Train);
    let through = grad(total(st * w), &[z])[0];
    let e = g.tensor((0..g.nodes().len()).find(|&id| g.nodes()[id].shape.dims() == [1, 5, 4]).unwrap());
    let pulled = grad(q.commitment(), &[z])[0];
    let moved = grad(q.codebook_loss(), &[e])[0];
    let mut rng = Rng::new("through", 1);
    let [z_values, w_values, e_values] = [24, 24, 20].map(|n| rng.between(n, -1.0, 1.0));
    let inputs =
        [("z.0", common::host(&z_values)), ("w", common::host(&w_values)), ("codebook", common::host(&e_values))];
    let outputs = [st, q.entries, through, pulled, moved, q.index, q.commitment(), q.codebook_loss()];
    let out = exec::run(&mut *open(&Choice::Reference), &g, &inputs, &outputs).unwrap();
    let [st, entries, through, pulled, moved, index, commitment, loss] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(|i| reals(out[i].f32()));
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} and {b}");
    for i in 0..24 {
        near(st[i], entries[i]);
        near(through[i], w_values[i]);
        // The mean over six examples of ‖z − e‖².
        near(pulled[i], 2.0 * (z_values[i] - entries[i]) / 6.0);
    }
    for j in 0..20 {
        let mine = (0..6).filter(|&r| index[r] as usize == j / 4);
        near(moved[j], mine.map(|r| 2.0 * (e_values[j] - z_values[4 * r + j % 4]) / 6.0).sum());
    }
    let squares: f64 = (0..24).map(|i| (z_values[i] - entries[i]).powi(2)).sum();
    near(commitment[0], squares / 6.0);
    near(loss[0], squares / 6.0);
}

/// A codebook on a device, and the plans that move it: rounds before the first step, then steps.
struct Running {
    exec: Box<dyn Executor>,
    begin: (PlanId, Scalars),
    step: PlanId,
    round: u32,
    at: u32,
}

impl Running {
    fn new(device: &Choice, c: &Codebook, dims: &[usize]) -> Self {
        let mut exec = open(device);
        let mut made = |f: &dyn for<'g> Fn(&Scope<'g>, &Quantized<'g>)| {
            let g = Graph::new();
            let net = Scope::root(&g, Mode::Train);
            let q = quantize(&net, g.input("z", dims).with_batch_axis(0), c);
            f(&net, &q);
            let out = g.pack("out/perplexity", &[q.perplexity()], vec![0], 1);
            let plan = compile("step", &g, &[out], &layout(&g), Options::default()).unwrap();
            for s in plan.stores.iter().filter(|s| !s.scratch) {
                // The second plan finds what the first one made.
                if exec.read(&s.path).is_err() {
                    exec.create(&s.path, s.dtype, s.len).unwrap();
                }
            }
            let id = exec.load(&plan).unwrap();
            (id, net.scalars())
        };
        let (step, _) = made(&|net, q| q.update(net, c));
        let begin = made(&|net, q| q.begin(net, c));
        Self { exec, begin, step, round: 0, at: 0 }
    }
    fn feed(&mut self, z: &[f64]) {
        self.exec.write("in/z", 0, &common::host(z)).unwrap();
    }
    fn begin(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let mut row = StepRow::new(self.round, 0, 0, 5);
            self.begin.1.fill(&mut row, self.round.into());
            let ticket = self.exec.submit(self.begin.0, &[row]).unwrap();
            self.exec.fetch(ticket).unwrap();
            self.round += 1;
        }
    }
    fn steps(&mut self, n: u32) {
        for _ in 0..n {
            let ticket = self.exec.submit(self.step, &[StepRow::new(self.at, 0, 0, 5)]).unwrap();
            self.exec.fetch(ticket).unwrap();
            self.at += 1;
        }
    }
    fn state(&mut self, name: &str) -> Vec<f64> {
        reals(self.exec.read(&format!("state/{name}")).unwrap().f32())
    }
    /// Sets the entries, and sizes and sums to those of an even use by n vectors.
    fn set(&mut self, entries: &[f64], k: usize, n: f64) {
        let even = n / k as f64;
        let sums: Vec<f64> = entries.iter().map(|e| e * even).collect();
        for (name, values) in [("codebook", entries), ("sum", &sums), ("size", &vec![even; k])] {
            self.exec.write(&format!("state/{name}"), 0, &common::host(values)).unwrap();
        }
    }
    fn perplexity(&mut self) -> f64 {
        f64::from(self.exec.read("out/perplexity").unwrap().f32()[0])
    }
}

/// Vectors about three corners of a square, and entries at all four.
fn corners() -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new("corners", 0);
    let at = [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]];
    let z = (0..96).flat_map(|i| at[i % 3].map(|v| as_f32(v + rng.real(-0.25, 0.25)))).collect();
    (z, vec![-1.0, -1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
}

/// Where sizes begin at 0, an entry without vectors is 99,000 times as far away after one step; where it is divided by a
/// size that has fallen to the smoothing's, it shrinks to nothing after 1,500.
#[test]
fn an_entry_without_vectors_stays_where_it_is() {
    let c = Codebook { dead: 0.0, ..book(4, 2, 1) };
    let (z, entries) = corners();
    for device in [Choice::Reference, Choice::Cpu] {
        let mut r = Running::new(&device, &c, &[96, 2]);
        r.feed(&z);
        r.set(&entries, 4, 96.0);
        for steps in [1, 99, 900, 1000] {
            r.steps(steps);
            let e = r.state("codebook");
            let off = (e[6] - 1.0).abs().max((e[7] - 1.0).abs());
            assert!(off < 2e-3, "{device}: after {} steps the unused entry is at {:?}", r.at, &e[6..]);
            assert!((e[0] + 1.0).abs() < 0.2, "{device}: {e:?}");
        }
        assert_eq!(r.state("age"), [0.0, 0.0, 0.0, 2000.0], "{device}");
    }
}

#[test]
fn entries_are_means_and_the_smoothing_is_not_written_back() {
    let c = Codebook { dead: 0.0, ..book(4, 2, 1) };
    let (z, entries) = corners();
    let mut r = Running::new(&Choice::Reference, &c, &[96, 2]);
    r.feed(&z);
    r.set(&entries, 4, 96.0);
    r.steps(3);
    let (e, size, sum) = (r.state("codebook"), r.state("size"), r.state("sum"));
    // Three steps of N ← 0.99 N + 0.01 n from 24, of 32, 32, 32 and 0 vectors: f32 holds them to 7 digits.
    let keep = 0.99f64.powi(3);
    for (j, n) in [32.0, 32.0, 32.0, 0.0].into_iter().enumerate() {
        let want = 24.0 * keep + n * (1.0 - keep);
        assert!((size[j] - want).abs() < 1e-5, "{size:?}, and {want} at {j}");
        let of = |axis: usize| z.chunks(2).skip(j).step_by(3).take(32).map(|v| v[axis]).sum::<f64>();
        for axis in 0..2 {
            let sums = if j < 3 { of(axis) } else { 0.0 };
            let want = entries[2 * j + axis] * 24.0 * keep + sums * (1.0 - keep);
            assert!((sum[2 * j + axis] - want).abs() < 1e-4, "{sum:?}");
            let smoothed = (size[j] + 1e-5) / (96.0 + 4e-5) * 96.0;
            assert!((e[2 * j + axis] - want / smoothed).abs() < 1e-5, "{e:?}");
        }
    }
    assert!((r.perplexity() - 3.0).abs() < 1e-4, "three of four, evenly: {}", r.perplexity());
}

/// Twice the batch, each example twice: the losses and the entries are the same, sizes are doubled.
#[test]
fn the_size_of_the_batch_changes_neither_losses_nor_entries() {
    let c = Codebook { dead: 0.0, ..book(4, 2, 1) };
    let (z, entries) = corners();
    let twice = [z.clone(), z.clone()].concat();
    let of = |z: &[f64], examples: usize| {
        let mut r = Running::new(&Choice::Reference, &c, &[examples, 8, 2]);
        r.feed(z);
        r.set(&entries, 4, (8 * examples) as f64);
        r.steps(2);
        let g = Graph::new();
        let q = quantize(&Scope::root(&g, Mode::Train), g.input("z", &[examples, 8, 2]).with_batch_axis(0), &c);
        let inputs = [("z", common::host(z)), ("state/codebook", common::host(&entries))];
        let losses = [q.commitment(), q.codebook_loss()];
        let out = exec::run(&mut *open(&Choice::Reference), &g, &inputs, &losses).unwrap();
        let losses: Vec<f64> = out.iter().flat_map(|v: &HostBuf| reals(v.f32())).collect();
        (r.state("codebook"), r.state("size"), losses)
    };
    let ((e, size, losses), (e2, size2, losses2)) = (of(&z, 12), of(&twice, 24));
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5 * b.abs().max(1.0));
    assert!(close(&e, &e2) && close(&losses, &losses2) && losses[0] > 0.01, "{losses:?}, {losses2:?}");
    assert!(close(&size.iter().map(|n| 2.0 * n).collect::<Vec<_>>(), &size2), "{size:?}, {size2:?}");
}

#[test]
fn a_dead_entry_becomes_a_vector_of_the_batch_the_same_on_every_device() {
    for books in [1, 2] {
        let c = Codebook { dead: 0.5, decay: 0.4, ..book(4, 2 * books, books) };
        let (z, entries) = corners();
        let all: Vec<Vec<f64>> = devices()
            .iter()
            .map(|device| {
                let mut r = Running::new(device, &c, &[96 / books, 2 * books]);
                r.feed(&z);
                let n = (96 / books) as f64;
                r.set(&vec![entries.clone(); books].concat(), 4, n);
                let sizes = vec![n / 4.0; 4 * books];
                r.exec.write("state/size", 0, &common::host(&sizes)).unwrap();
                r.steps(1);
                let (e, size, sum) = (r.state("codebook"), r.state("size"), r.state("sum"));
                for b in 0..books {
                    let dead = &e[8 * b + 6..][..2];
                    let from = z.chunks(2).skip(b).step_by(books).any(|v| v == dead);
                    assert!(from, "{device}: {dead:?} is no vector of book {b}");
                    assert_eq!(size[4 * b + 3], n / 4.0, "{device}");
                    assert!((sum[8 * b + 6] - dead[0] * n / 4.0).abs() < 1e-5, "{device}");
                    assert!(
                        (e[8 * b] + 1.0).abs() < 0.3 && size[4 * b] != n / 4.0,
                        "{device}: a live one was replaced"
                    );
                }
                e
            })
            .collect();
        for e in &all[1..] {
            assert_eq!(all[0][6..8], e[6..8], "another vector was chosen");
            assert!(all[0].iter().zip(e).all(|(a, b)| (a - b).abs() < 1e-5), "{all:?}");
        }
    }
}

#[test]
fn k_means_spreads_the_entries_over_the_first_batch() {
    // Nine clusters, nine entries.
    let mut rng = Rng::new("clusters", 0);
    let z: Vec<f64> = (0..540)
        .flat_map(|i| [(i % 3) as f64, (i / 3 % 3) as f64].map(|v| as_f32(4.0 * v + rng.real(-0.5, 0.5))))
        .collect();
    let c = book(9, 2, 1);
    assert_eq!(rounds(&c), 11);
    for device in devices() {
        let mut r = Running::new(&device, &c, &[540, 2]);
        r.feed(&z);
        let mut seen = Vec::new();
        for round in 0..rounds(&c) {
            r.begin(1);
            let e = r.state("codebook");
            let nearest = |v: &[f64]| {
                let distance = |j: usize| (e[2 * j] - v[0]).powi(2) + (e[2 * j + 1] - v[1]).powi(2);
                (0..9).map(|j| (distance(j), j)).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
            };
            let distortion = z.chunks(2).map(|v| nearest(v).0).sum::<f64>() / 540.0;
            if round == 0 {
                assert!(e.chunks(2).all(|e| z.chunks(2).any(|v| v == e)), "{device}: entries are vectors of the batch");
            }
            seen.push(distortion);
        }
        assert!(seen[10] < 0.75 * seen[0] && seen[10] > 0.01, "{device}: {seen:?}");
        let (e, size, sum) = (r.state("codebook"), r.state("size"), r.state("sum"));
        assert_eq!(size, [60.0; 9], "{device}: sizes begin even");
        assert!(e.iter().zip(&sum).all(|(e, m)| (m - 60.0 * e).abs() < 1e-3), "{device}: {e:?}, {sum:?}");
    }
    let c = Codebook { start: Start::Uniform, ..c };
    assert_eq!(rounds(&c), 1);
    let mut r = Running::new(&Choice::Cpu, &c, &[540, 2]);
    r.begin(1);
    let e = r.state("codebook");
    assert!(e.iter().all(|v| v.abs() <= 1.0 / 9.0) && e.iter().any(|v| v.abs() > 0.05), "{e:?}");
}

#[test]
fn an_index_is_embedded_as_quantisation_does() {
    let c = book(6, 4, 2);
    let (z, entries) = doubled(12, &c);
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Evaluate);
    let q = quantize(&net, g.input("z", &[2, 6, 4]).with_batch_axis(0), &c);
    let again = embed(&net, q.index.reshape(&[2, 6, 2]), &c);
    let inputs = [("z", common::host(&z)), ("state/codebook", common::host(&entries))];
    let out = exec::run(&mut *open(&Choice::Cpu), &g, &inputs, &[q.entries, again]).unwrap();
    assert_eq!(out[0].f32(), out[1].f32());
}

#[test]
fn the_likelihood_of_a_class_by_its_number_is_that_by_its_indicator() {
    let g = Graph::new();
    let logits = g.input("a", &[7, 5]);
    let [by_number, by_indicator]: [Tensor<'_>; 2] = [
        categorical_nll_at(g.input("k", &[7]), logits),
        categorical_nll(g.input("y", &[7, 5]).with_batch_axis(0), logits.with_batch_axis(0)),
    ];
    let k: Vec<f64> = (0..7).map(|i| (i * 3 % 5) as f64).collect();
    let y: Vec<f64> = (0..35).map(|i| f64::from(u8::from(k[i / 5] as usize == i % 5))).collect();
    let a = Rng::new("logits", 0).between(35, -200.0, 200.0);
    let inputs = [("a", common::host(&a)), ("k", common::host(&k)), ("y", common::host(&y))];
    let out = exec::run(&mut *open(&Choice::Cpu), &g, &inputs, &[by_number, by_indicator]).unwrap();
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
    assert!(out[0].f32().iter().zip(out[1].f32()).all(near), "{out:?}");
    assert!(out[1].f32().iter().any(|v| *v > 10.0), "{out:?}");
}
