//! The contractive penalty ‖∂h/∂x‖²_F: the closed form, row by row and by random signs are one number, whose gradient is
//! the slope, on every executor; training with each; the settings that are refused.

mod common;
#[path = "common/run.rs"]
mod run;

use common::{BOTH, Evaluated, Rng, param, total};
use elbo::config::{self, Activation, Config};
use elbo::exec::{self, Choice};
use elbo::graph::{Axes, Graph, Tensor, grad, vjp};
use elbo::nn::{Clock, Layer, Mode, Scope, dense, jacobian};
use elbo::plan::Options;
use elbo::train::phases::{Part, Phase};
use elbo::train::{SetShape, programs};
use elbo::values::HostBuf;
use run::{fast_devices, session, settings, steps};

const BATCH: usize = 4;
const PIXELS: usize = 7;
const ALL: [Activation; 5] =
    [Activation::Sigmoid, Activation::Tanh, Activation::Softplus, Activation::Relu, Activation::Linear];

fn encoder<'g>(net: &Scope<'g>, x: Tensor<'g>, widths: &[usize], f: Activation) -> Vec<Layer<'g>> {
    let mut made: Vec<Layer<'g>> = Vec::new();
    for (i, &width) in widths.iter().enumerate() {
        made.push(dense(&(net / "encoder" / i), made.last().map_or(x, |l| l.after), width, f));
    }
    made
}

/// What `build` makes of an encoder of a batch of random images and random weights, on the reference.
fn evaluated(
    widths: &[usize],
    f: Activation,
    options: Options,
    build: impl for<'g> Fn(&Scope<'g>, Tensor<'g>, &[Layer<'g>]) -> Vec<Tensor<'g>>,
) -> (Evaluated, Vec<(String, Vec<f64>)>) {
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Train);
    let x = param(&g, "x.0", &[BATCH, PIXELS]).with_batch_axis(0);
    let layers = encoder(&net, x, widths, f);
    let parts = build(&net, x, &layers);
    let mut e = Evaluated::new(&g, &parts, options);
    let mut rng = Rng::new("contractive", widths.len());
    let values: Vec<_> = g.params().iter().map(|p| (p.path.clone(), rng.away(p.shape.len()))).collect();
    values.iter().for_each(|(path, v)| e.set(path, 0, v));
    (e, values)
}

#[track_caller]
fn same(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(largest > 1e-3, "{what}: all about 0, so nothing is tested: {want:?}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * w.abs().max(0.01 * largest), "{what}, {i}: {g}, expected {w}");
    }
}

#[test]
fn the_closed_form_is_the_exact_norm_of_one_layer_in_blocks_of_any_size() {
    for f in ALL {
        for options in BOTH {
            let (mut e, _) = evaluated(&[5], f, options, |_, _, layers| {
                let rows = [1, 2, 5, 64].map(|block| jacobian::exact(layers, block));
                [&[jacobian::closed_form(&layers[0])], &rows[..]].concat()
            });
            let got = e.run();
            got[1..].iter().for_each(|rows| same(&format!("{f:?}"), rows, &got[0], 1e-12));
        }
    }
}

/// By the definition: the slopes of every unit in every pixel, by differences of h alone.
#[test]
fn the_exact_norm_of_a_deep_encoder_is_that_of_its_slopes() {
    const STEP: f64 = 1e-5;
    for f in ALL {
        let (mut e, values) =
            evaluated(&[6, 5, 4], f, BOTH[0], |_, _, layers| vec![jacobian::exact(layers, 3), layers[2].after]);
        let norms = e.run()[0].clone();
        let x = &values.iter().find(|(path, _)| path == "x.0").unwrap().1;
        let mut want = [0.0; BATCH];
        for j in 0..x.len() {
            let mut side = |h: f64| {
                e.set("x.0", j, &[x[j] + h]);
                e.run()[1].clone()
            };
            let (up, down) = (side(STEP), side(-STEP));
            e.set("x.0", j, &[x[j]]);
            let slopes = up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * STEP));
            want[j / PIXELS] += slopes.map(|s| s * s).sum::<f64>();
        }
        same(&format!("{f:?}"), &norms, &want, 1e-6);
    }
}

#[test]
fn layers_pull_back_what_the_graph_does() {
    for f in ALL {
        let (mut e, _) = evaluated(&[6, 4], f, BOTH[0], |net, x, layers| {
            let v = net.signs(&[2, BATCH, 4]);
            let whole = jacobian::pull_back(layers, v);
            let each = [0, 1].map(|s| {
                let v = v.slice(&[s, 0, 0], &[1, BATCH, 4]).reshape(&[BATCH, 4]);
                vjp(&[layers[1].after], &[v], &[x])[0]
            });
            vec![whole, each[0], each[1], v]
        });
        let got = e.run();
        same(&format!("{f:?}"), &got[0], &[&got[1][..], &got[2][..]].concat(), 1e-12);
        assert!(got[3].iter().all(|v| v.abs() == 1.0) && got[3].iter().any(|&v| v != got[3][0]), "{:?}", got[3]);
    }
}

#[test]
fn vjp_adds_the_parts_of_several_outputs() {
    let g = Graph::new();
    let x = param(&g, "x.0", &[3]);
    let (a, b) = (x.square(), x.exp());
    let [v, w] = ["v.0", "w.0"].map(|p| param(&g, p, &[3]));
    let d = vjp(&[a, b, a], &[v, w, w], &[x, a]);
    let second = vjp(&[total(d[0])], &[g.constant(1.0, elbo::values::Shape::SCALAR)], &[x])[0];
    let mut e = Evaluated::new(&g, &[d[0], d[1], second], BOTH[0]);
    let at = |path: &str, e: &mut Evaluated| {
        let values = Rng::new(path, 1).away(3);
        e.set(path, 0, &values);
        values
    };
    let (x, v, w) = (at("x.0", &mut e), at("v.0", &mut e), at("w.0", &mut e));
    let got = e.run();
    for i in 0..3 {
        let want =
            [(v[i] + w[i]) * 2.0 * x[i] + w[i] * x[i].exp(), v[i] + w[i], (v[i] + w[i]) * 2.0 + w[i] * x[i].exp()];
        (0..3).for_each(|k| assert!((got[k][i] - want[k]).abs() < 1e-12, "{k}: {} {}", got[k][i], want[k]));
    }
}

#[test]
fn random_signs_estimate_the_exact_norm_without_bias() {
    const DRAWS: usize = 1000;
    for f in [Activation::Sigmoid, Activation::Tanh] {
        let (mut e, _) = evaluated(&[6, 5, 4], f, BOTH[0], |net, _, layers| {
            let estimate = jacobian::hutchinson(&(net / "penalty"), layers, DRAWS);
            // The same stream again: each draw by itself.
            let other = Scope::root(net.graph(), Mode::Train);
            let each = jacobian::pull_back(layers, (other / "each").signs(&[DRAWS, BATCH, 4])).square();
            vec![jacobian::exact(layers, 4), estimate, each.sum(Axes::Numbered(2, 3))]
        });
        let got = e.run();
        for n in 0..BATCH {
            let draws: Vec<f64> = (0..DRAWS).map(|s| got[2][s * BATCH + n]).collect();
            let mean = draws.iter().sum::<f64>() / DRAWS as f64;
            let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (DRAWS - 1) as f64;
            let error = (variance / DRAWS as f64).sqrt();
            let want = got[0][n];
            assert!(error > 1e-4 * want && error < 0.05 * want, "{f:?}: the test sees nothing: {error} of {want}");
            for (what, mean) in [("hutchinson", got[1][n]), ("each", mean)] {
                assert!((mean - want).abs() <= 4.0 * error, "{f:?}, {what}, {n}: {mean} ± {error}, exactly {want}");
            }
        }
    }
}

/// P = ‖J‖², averaged over the batch, and its gradient in every weight and bias.
fn penalty<'g>(how: &str, net: &Scope<'g>, layers: &[Layer<'g>]) -> Vec<Tensor<'g>> {
    let p = match how {
        "closed-form" => jacobian::closed_form(&layers[0]),
        "exact" => jacobian::exact(layers, 3),
        "exact-mean" => jacobian::exact_mean(layers, 3),
        "hutchinson" => jacobian::hutchinson(&(net / "penalty"), layers, 2),
        other => panic!("{other}"),
    };
    let p = p.mean(Axes::All);
    let graph = net.graph();
    let weights: Vec<_> = graph.params().into_iter().filter(|p| p.path.starts_with("encoder")).collect();
    let weights: Vec<_> = weights.iter().map(|p| graph.param(&p.path, p.shape, p.init)).collect();
    // The slope of a relu does not depend on biases: 0 is a path to them.
    let paths = weights.iter().map(|&w| total(w)).reduce(|a, b| a + b).unwrap() * 0.0;
    [vec![p], grad(p + paths, &weights)].concat()
}

#[test]
fn the_gradient_of_the_penalty_is_its_slope() {
    const STEP: f64 = 1e-5;
    let deep: [&[usize]; 2] = [&[6, 5], &[6, 5, 4]];
    let cases = [("closed-form", &[5][..]), ("exact-mean", &[5])]
        .into_iter()
        .chain(deep.iter().flat_map(|&w| [("exact", w), ("exact-mean", w), ("hutchinson", w)]));
    for (how, widths) in cases {
        for f in ALL {
            let (mut e, values) = evaluated(widths, f, BOTH[0], |net, _, layers| penalty(how, net, layers));
            let got = e.run();
            let encoder = values.iter().filter(|(path, _)| path.starts_with("encoder"));
            for (k, (path, v)) in encoder.enumerate() {
                let mut slopes = Vec::new();
                for (j, &at) in v.iter().enumerate() {
                    let mut side = |h: f64| {
                        e.set(path, j, &[at + h]);
                        e.run()[0][0]
                    };
                    slopes.push((side(STEP) - side(-STEP)) / (2.0 * STEP));
                    e.set(path, j, &[at]);
                }
                let what = format!("{how} {widths:?} {f:?} {path}");
                if path.ends_with("bias") && matches!(f, Activation::Relu | Activation::Linear) {
                    assert!(got[k + 1].iter().all(|&d| d == 0.0), "{what}: f″ = 0");
                    assert!(slopes.iter().all(|d| d.abs() < 1e-8), "{what}: {slopes:?}");
                } else {
                    same(&what, &got[k + 1], &slopes, 1e-5);
                }
            }
        }
    }
}

/// The value, the gradient, and a function of the gradient differentiated once more: whatever the blocks are, and as where
/// the gradient is made of the whole sum.
#[test]
fn blocks_of_any_size_have_the_gradient_of_the_whole() {
    for f in [Activation::Sigmoid, Activation::Tanh, Activation::Softplus] {
        for options in BOTH {
            let of = |block: Option<usize>| {
                let (mut e, _) = evaluated(&[6, 5, 9], f, options, |net, _, layers| {
                    let p = match block {
                        Some(block) => jacobian::exact_mean(layers, block),
                        None => jacobian::exact(layers, 9).mean(Axes::All),
                    };
                    let weights: Vec<_> = layers.iter().map(|layer| layer.weight).collect();
                    let biases = net.graph().params().into_iter().filter(|p| p.path.ends_with("bias")).take(2);
                    let biases: Vec<_> = biases.map(|p| net.graph().param(&p.path, p.shape, p.init)).collect();
                    let all = [weights, biases].concat();
                    let first = grad(p, &all);
                    let length = first.iter().map(|d| total((*d * 100.0).square())).reduce(|a, b| a + b).unwrap();
                    [vec![p], first, grad(length, &all)].concat()
                });
                e.run()
            };
            let whole = of(None);
            assert_eq!(whole.len(), 1 + 5 + 5);
            for block in [1, 2, 8, 9, 64] {
                for (k, (got, want)) in of(Some(block)).iter().zip(&whole).enumerate() {
                    same(&format!("{f:?} {options:?} block {block}, part {k}"), got, want, 1e-12);
                }
            }
        }
    }
}

/// What a plan of `model.penalty = "exact"` needs, and how many products it makes.
fn planned(block: usize, evaluation: bool) -> (u64, usize) {
    let shape = ["model.hidden=[96]", "model.latent=64", "train.batch=32", "model.tied=false"];
    let block = format!("model.block={block}");
    let c = settings("contractive", &[&shape[..], &["model.penalty=exact", &block]].concat());
    let set = SetShape { split: "train", examples: 512, features: 784, sequence: None, resident: true, drawn: false };
    let layout = programs::layout(&c, 784, 1 << 24).unwrap();
    let plan = if evaluation {
        programs::evaluate(&c, &set, 32, &layout).unwrap().plan
    } else {
        let whole = Phase { part: Part::Whole, start: 0, end: u64::MAX, clock: Clock::EVERY };
        programs::train(&c, &set, &layout, Options::default(), whole).unwrap().plan
    };
    let products = plan.dispatches.iter().filter(|d| d.kernel.name().starts_with("matmul")).count();
    let (needed, least) = (plan.slot_bytes(), plan.live_bytes);
    assert!(2 * needed <= 3 * least, "{needed} bytes of slots where {least} live at once");
    (needed, products)
}

#[test]
fn memory_shrinks_with_the_block_and_evaluation_makes_no_gradient() {
    let blocks = [64, 32, 16, 8];
    let peaks = blocks.map(|block| planned(block, false).0);
    let (rest, _) = planned(1, false);
    for (block, pair) in blocks.iter().zip(peaks.windows(2)) {
        let parts = [pair[0], pair[1]].map(|peak| (peak - rest) as f64);
        assert!(parts[1] < 0.6 * parts[0], "block {block} and half of it need {parts:?} bytes more than block 1");
    }
    // The network has 4 products, and a block one; its gradient has more.
    for block in blocks {
        let n = 64 / block;
        assert_eq!(planned(block, true).1, 4 + n, "evaluation in blocks of {block}");
        assert!(planned(block, false).1 > 4 + 2 * n, "training in blocks of {block}");
    }
}

/// One sigmoid layer: dP/da_j = 2 s_j²(1 − 2h_j) r_j, dP/dW_ji = dP/da_j x_i + 2 s_j² W_ji, dP/db_j = dP/da_j.
#[test]
fn the_gradient_of_one_sigmoid_layer_is_that_of_the_formula() {
    for options in BOTH {
        for how in ["closed-form", "exact", "exact-mean"] {
            let (mut e, values) =
                evaluated(&[5], Activation::Sigmoid, options, |net, _, layers| penalty(how, net, layers));
            let got = e.run();
            let of = |path: &str| &values.iter().find(|(p, _)| p.ends_with(path)).unwrap().1;
            let (x, w, b) = (of("x.0"), of("weight"), of("bias"));
            let (mut p, mut dw, mut db) = (0.0, vec![0.0; w.len()], vec![0.0; b.len()]);
            for n in 0..BATCH {
                let x = &x[n * PIXELS..][..PIXELS];
                for j in 0..b.len() {
                    let w = &w[j * PIXELS..][..PIXELS];
                    let a = b[j] + w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
                    let h = 1.0 / (1.0 + (-a).exp());
                    let (s, r) = (h * (1.0 - h), w.iter().map(|w| w * w).sum::<f64>());
                    let da = 2.0 * s * s * (1.0 - 2.0 * h) * r / BATCH as f64;
                    p += s * s * r / BATCH as f64;
                    db[j] += da;
                    for i in 0..PIXELS {
                        dw[j * PIXELS + i] += da * x[i] + 2.0 * s * s * w[i] / BATCH as f64;
                    }
                }
            }
            let names: Vec<_> = values.iter().filter(|(p, _)| p.starts_with("encoder")).map(|(p, _)| p).collect();
            assert!(names[0].ends_with("weight") && names[1].ends_with("bias"), "{names:?}");
            same(how, &got[0], &[p], 1e-12);
            same(how, &got[1], &dw, 1e-12);
            same(how, &got[2], &db, 1e-12);
        }
    }
}

#[test]
fn penalties_and_gradients_agree_on_every_executor() {
    let deep = ["exact", "exact-mean", "hutchinson"].map(|how| (how, &[16, 12, 9][..]));
    for (how, widths) in [("closed-form", &[20][..])].into_iter().chain(deep) {
        for f in [Activation::Sigmoid, Activation::Softplus, Activation::Relu] {
            let g = Graph::new();
            let net = Scope::root(&g, Mode::Train);
            let x = g.input("x", &[8, 30]).with_batch_axis(0);
            let parts = penalty(how, &net, &encoder(&net, x, widths, f));
            let inputs: HostBuf =
                Rng::new("images", 1).between(240, 0.0, 1.0).iter().map(|&v| v as f32).collect::<Vec<_>>().into();
            let on = |choice: &Choice| -> Vec<Vec<f64>> {
                let mut e = exec::open(choice).unwrap_or_else(|e| panic!("{choice}: {e}"));
                let out = exec::run(&mut *e, &g, &[("x", inputs.clone())], &parts).unwrap();
                out.iter().map(|o| o.f32().iter().map(|&v| v.into()).collect()).collect()
            };
            let want = on(&Choice::Reference);
            for choice in fast_devices() {
                for (k, (got, want)) in on(&choice).iter().zip(&want).enumerate() {
                    let largest = want.iter().fold(1e-6f64, |m, v| m.max(v.abs()));
                    for (g, w) in got.iter().zip(want) {
                        assert!((g - w).abs() <= 2e-5 * largest, "{choice}, {how} {f:?}, part {k}: {g}, expected {w}");
                    }
                }
            }
        }
    }
}

/// The metrics of the first ten steps on MNIST.
fn ten_steps(device: &Choice, c: &Config) -> Vec<Vec<f32>> {
    steps(&mut session(device, c), 10)
}

#[test]
fn ten_losses_agree_on_every_device_for_each_penalty() {
    let deep = ["model.hidden=[24,16]", "model.latent=12", "model.activation=softplus", "model.tied=false"];
    let small = ["train.batch=64", "model.weight=1.0"];
    let cases = [
        vec!["model.latent=48"],
        [&["model.penalty=exact", "model.block=5"][..], &deep].concat(),
        [&["model.penalty=hutchinson", "model.samples=2"][..], &deep].concat(),
        [&["model.penalty=hutchinson", "model.code=tanh", "model.loss=mse"][..], &deep].concat(),
    ];
    for case in cases {
        let c = settings("contractive", &[&small[..], &case].concat());
        let oracle = ten_steps(&Choice::Reference, &c);
        assert!(oracle[9][0] < oracle[0][0], "{case:?}: the loss falls: {oracle:?}");
        // The penalty is in the loss, with its weight 1, and is no trifle.
        for row in &oracle {
            let &[loss, .., jacobian, _] = &row[..] else { panic!("loss, …, jacobian, skipped: {row:?}") };
            let rest = if row.len() == 4 { row[1] } else { loss - jacobian };
            assert!((loss - rest - jacobian).abs() < 1e-3 * loss && jacobian > 1e-4, "{case:?}: {row:?}");
        }
        for device in fast_devices() {
            let got = ten_steps(&device, &c);
            for (g, w) in got.iter().zip(&oracle).flat_map(|(g, w)| g.iter().zip(w)) {
                assert!((g - w).abs() <= 1e-3 * w.abs(), "{device}, {case:?}: {g}, expected {w}");
            }
        }
    }
}

#[test]
fn the_penalty_contracts() {
    let small = ["model.latent=64", "train.batch=64", "optimizer.learning_rate=1e-2"];
    let last = |weight: &str| {
        ten_steps(&Choice::Cpu, &settings("contractive", &[&small[..], &[weight]].concat())).pop().unwrap()[2]
    };
    let (free, held) = (last("model.weight=0"), last("model.weight=100"));
    assert!(held < 0.5 * free, "‖J‖² is {held} with the weight, {free} without");
}

#[test]
fn what_no_penalty_can_use_is_refused_by_key() {
    let cases = [
        (
            "penalty = 'closed-form'\nhidden = [500, 250]",
            "model.penalty = \"closed-form\" is for an encoder of one layer, and model.hidden = [500, 250] makes it one \
             of 3: set model.penalty to exact or hutchinson, or model.hidden to []",
        ),
        ("weight = -1", "model.weight must be at least 0 at every step, not -1"),
        ("samples = 0", "model.samples must be at least 1, not 0"),
        ("block = 0", "model.block must be at least 1, not 0"),
        (
            "penalty = 'exact'\nlatent = 1000\nblock = 3",
            "model.block = 3 would cut the 1000 units of model.latent into 334 blocks, more than 256: raise it to 4 or \
             more, or set model.penalty to hutchinson",
        ),
        (
            "penalty = 'approximate'",
            "model.penalty cannot be \"approximate\": expected one of `closed-form`, `exact`, `hutchinson`",
        ),
    ];
    for (text, want) in cases {
        let table = format!("[model]\nkind = 'contractive'\n{text}").parse().unwrap();
        let e = config::resolve(&table).unwrap_err();
        assert_eq!((e.to_string().as_str(), e.exit_code()), (want, 2), "{text}");
    }
    for text in [
        "penalty = 'exact'\nhidden = [9]",
        "weight = {from = 0, to = 1, steps = 9}",
        "penalty = 'hutchinson'\nhidden = [9, 8]",
    ] {
        config::resolve(&format!("[model]\nkind = 'contractive'\n{text}").parse().unwrap()).unwrap();
    }
}
