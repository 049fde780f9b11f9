//! Mixed precision: what stands in memory as binary16, that a step is what rounding these makes of it, that it trains, and that
//! all executors agree.

mod common;
#[path = "common/run.rs"]
mod run;

use common::{Evaluated, Rng, param, total};
use elbo::graph::{Graph, Tensor, grad};
use elbo::kernels::half::{half_of, unpack};
use elbo::kernels::matmul_half;
use elbo::kernels::matmul_vec4::FORM;
use elbo::plan::{Options, Plan, validate};
use elbo::values::DType;
use run::{gpu_wanted, planned, settings, succeeds};
use std::path::Path;

const MIXED: Options = Options { fuse: true, group: true, reuse: true, mixed: true };

/// The step of a recipe on MNIST's pixels in this precision.
fn step(recipe: &str, precision: &str, batch: usize) -> Plan {
    let changes = [format!("train.precision={precision}"), format!("train.batch={batch}")];
    planned(&settings(recipe, &changes.each_ref().map(String::as_str))).unwrap()
}

#[test]
fn products_read_binary16_and_what_is_updated_is_f32() {
    let plan = step("vae", "mixed", 128);
    let products: Vec<_> = plan.dispatches.iter().filter(|d| d.kernel.name().starts_with("matmul")).collect();
    for d in &products {
        assert_eq!((d.kernel.name(), d.ins[1].dtype), ("matmul_half", DType::U32), "{}", d.scope);
    }
    let made: Vec<usize> = products.iter().filter(|d| d.outs[0].dtype == DType::U32).map(|d| d.outs[0].len).collect();
    assert_eq!(made, [128 * 400 / 2; 2], "the hidden layers, two numbers to a word");
}

/// What a call says of its words is what the plan binds, or the plan is refused.
#[test]
fn a_factor_of_the_other_size_is_refused() {
    let honest = step("vae", "mixed", 128);
    let products: Vec<usize> =
        (0..honest.dispatches.len()).filter(|&i| honest.dispatches[i].kernel.name() == "matmul_half").collect();
    for bit in [matmul_half::A, matmul_half::B, matmul_half::Y] {
        let mut plan = honest.clone();
        plan.dispatches[products[0]].call.consts[FORM] ^= bit;
        let e = validate(&plan).unwrap_err().to_string();
        assert!(e.contains("matmul_half") && e.contains("puts are ["), "{e}");
    }
    validate(&honest).unwrap();
}

#[test]
fn large_batches_take_less_memory_and_move_less() {
    for recipe in ["ae", "vae"] {
        let [m, p] = ["mixed", "f32"].map(|precision| step(recipe, precision, 4096));
        assert!(m.bytes_moved() < p.bytes_moved(), "{recipe}: {} and {}", m.bytes_moved(), p.bytes_moved());
        assert!(m.slot_bytes() < p.slot_bytes(), "{recipe}: {} and {}", m.slot_bytes(), p.slot_bytes());
    }
}

/// relu(x Wᵀ + b) Vᵀ, and the gradients of the sum of its squares.
fn two_layers(g: &Graph) -> Vec<Tensor<'_>> {
    let x = g.input("x", &[6, 10]);
    let [w, b, v] =
        [("net.w", &[8, 10][..]), ("net.b", &[8]), ("net.v", &[5, 8])].map(|(path, dims)| param(g, path, dims));
    let h = (x.matmul_as(w, false, true) + b).relu();
    let y = h.matmul_as(v, false, true);
    let loss = total(y.square());
    g.enter("backward");
    let grads = grad(loss, &[w, b, v]);
    [vec![y], grads].concat()
}

/// Rows times columns of another, in f64: a: [n, k], b: [m, k] → [n, m].
fn by_rows(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    a.chunks(k).flat_map(|a| b.chunks(k).map(|b| a.iter().zip(b).map(|(a, b)| a * b).sum())).collect()
}

fn transposed(a: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|j| a.iter().skip(j).step_by(columns).copied()).collect()
}

fn rounded(x: &[f64]) -> Vec<f64> {
    x.iter().map(|&x| unpack::<f64>(&[u32::from(half_of(x))])[0]).collect()
}

/// Against the same by hand, with W, V and what is between the layers rounded and nothing else.
#[test]
fn a_step_is_that_of_rounded_weights_and_activations() {
    let g = Graph::new();
    let parts = two_layers(&g);
    let names = ["net.w", "net.b", "net.v"];
    let x = Rng::new("x", 5).away(60);
    let [w, b, v] = [0, 1, 2].map(|i| Rng::new(names[i], 5).away([80, 8, 40][i]));
    let run = |options: Options| {
        let mut e = Evaluated::new(&g, &parts, options);
        e.set_state("in/x", &x);
        names.iter().zip([&w, &b, &v]).for_each(|(path, data)| e.set(path, 0, data));
        e.run()
    };
    let (w16, v16) = (rounded(&w), rounded(&v));
    let a: Vec<f64> = by_rows(&x, &w16, 10).iter().enumerate().map(|(i, a)| a + b[i % 8]).collect();
    let h = rounded(&a.iter().map(|a| a.max(0.0)).collect::<Vec<_>>());
    let y = by_rows(&h, &v16, 8);
    let dy: Vec<f64> = y.iter().map(|y| 2.0 * y).collect();
    let dv = by_rows(&transposed(&dy, 5), &transposed(&h, 8), 6);
    let dh = by_rows(&dy, &transposed(&v16, 8), 5);
    let da: Vec<f64> = dh.iter().zip(&h).map(|(d, &h)| if h > 0.0 { *d } else { 0.0 }).collect();
    let dw = by_rows(&transposed(&da, 8), &transposed(&x, 10), 6);
    let db: Vec<f64> = transposed(&da, 8).chunks(6).map(|row| row.iter().sum()).collect();
    let found = run(MIXED);
    for (what, found, by_hand) in
        [("y", &found[0], y), ("dW", &found[1], dw), ("db", &found[2], db), ("dV", &found[3], dv)]
    {
        let scale = by_hand.iter().fold(0f64, |m, v| m.max(v.abs()));
        for (f, h) in found.iter().zip(&by_hand) {
            assert!((f - h).abs() <= 1e-12 * scale, "{what}: {f}, by hand {h}");
        }
    }
    // It is another step than that of f32.
    let exact = run(Options::default());
    assert!((exact[0][0] / found[0][0] - 1.0).abs() > 1e-6, "nothing was rounded");
}

/// Ten losses of a recipe, in mixed precision or not.
fn losses(at: &Path, recipe: &str, device: &str, precision: &str, more: &str) -> Vec<f64> {
    let out = format!("{recipe}-{device}-{precision}");
    let settings = format!("--set data.limit=160 --set train.log_every=1 --set train.precision={precision}");
    succeeds(at, &format!("train {recipe} --device {device} --quiet --steps 10 {settings} {more} --out {out}"));
    run::logged_losses(&at.join(out))
}

/// Of every kind of model; what it rounds is far below what a step changes.
#[test]
fn every_model_trains_in_mixed_precision_and_devices_agree() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let compared = |recipe: &str| {
        let few = "--set train.batch=16 --set train.pretrain=0";
        let [plain, mixed] = ["f32", "mixed"].map(|precision| losses(at, recipe, "cpu", precision, few));
        assert!(mixed.len() == 10 && mixed[9] < mixed[0] && mixed != plain, "{recipe}: {mixed:?} and {plain:?}");
        let fell = (plain[0] - plain[9]).abs();
        for (m, p) in mixed.iter().zip(&plain) {
            assert!((m - p).abs() <= 0.02 * fell, "{recipe}: {m} mixed, {p} not, of losses that fell by {fell}");
        }
        if gpu_wanted() {
            let gpu = losses(at, recipe, "gpu", "mixed", few);
            for (g, c) in gpu.iter().zip(&mixed) {
                assert!((g - c).abs() <= 1e-3 * c.abs(), "{recipe}: {g} on gpu, {c} on cpu");
            }
        }
    };
    std::thread::scope(|scope| {
        for recipe in ["ae", "sparse", "contractive", "vae", "conv-ae", "vq-vae", "td-vae"] {
            scope.spawn(move || compared(recipe));
        }
    });
}
