//! Denoising autoencoders: what each corruption does to a batch, where it is and where it is not, and what is learned.

#[path = "common/run.rs"]
mod run;

use elbo::config::{Corruption, Dae, Dense, Model};
use elbo::exec::{self, Choice, Executor};
use elbo::graph::{Count, Graph, Tensor};
use elbo::models;
use elbo::nn::corruption::{Corrupted, gaussian, masking, masking_bernoulli, salt_and_pepper};
use elbo::nn::{Mode, Scope};
use elbo::plan::{Options, compile};
use elbo::train::programs;
use elbo::values::{HostBuf, Philox, Shape, stream};
use run::{devices, losses, refusal, session, settings, steps, ten_losses_agree};

const N: usize = 200;
const D: usize = 41;
/// A network small enough for the reference.
const SMALL: &[&str] = &["model.latent=48", "train.batch=64"];

type How = for<'g> fn(&Scope<'g>, Tensor<'g>, f64) -> Corrupted<'g>;

/// Grey pixels, none of which is 0 or 1.
fn grey(n: usize) -> Vec<f32> {
    let rng = Philox::new(1, stream("grey", 0), 0);
    (0..n as u64).map(|i| (0.1 + 0.8 * rng.unit(i)) as f32).collect()
}

/// x̃ and the mask, row by row, of a batch of grey pixels.
fn corrupted(e: &mut dyn Executor, how: How, level: f64) -> [Vec<Vec<f32>>; 2] {
    let g = Graph::new();
    let x = g.input("x", &[N, D]).with_batch_axis(0);
    let c = how(&(Scope::root(&g, Mode::Train) / "corruption"), x, level);
    for t in [c.x, c.mask] {
        assert_eq!((t.shape(), t.batch_axis()), (Shape::new(&[N, D]), Some(0)));
    }
    let out = exec::run(e, &g, &[("x", grey(N * D).into())], &[c.x, c.mask]).unwrap();
    [0, 1].map(|i| out[i].f32().chunks(D).map(<[f32]>::to_vec).collect())
}

/// How far a count of n trials of probability p may be off: five standard deviations.
fn spread(n: usize, p: f64) -> f64 {
    5.0 * (n as f64 * p * (1.0 - p)).sqrt()
}

fn ones(row: &[f32]) -> usize {
    assert!(row.iter().all(|&m| m == 0.0 || m == 1.0), "a mask is 0 or 1: {row:?}");
    row.iter().filter(|&&m| m == 1.0).count()
}

#[test]
fn masking_takes_exactly_its_fraction_of_each_example_and_all_dimensions_alike() {
    let x = grey(N * D);
    let mut first = None;
    for device in devices() {
        let mut e = exec::open(&device).unwrap();
        for (level, k) in [(0.25, 10), (0.0, 0), (1.0, D), (0.5, 21), (0.001, 1)] {
            let [noisy, mask] = corrupted(&mut *e, masking, level);
            for (r, (noisy, mask)) in noisy.iter().zip(&mask).enumerate() {
                assert_eq!(ones(mask), k, "{device}, level {level}, row {r}");
                for (j, (&y, &m)) in noisy.iter().zip(mask).enumerate() {
                    assert_eq!(y, if m == 1.0 { 0.0 } else { x[r * D + j] }, "{device}, {r}, {j}");
                }
            }
        }
        let [_, mask] = corrupted(&mut *e, masking, 0.25);
        assert_eq!(mask, corrupted(&mut *e, masking, 0.25)[1], "{device}: the same again");
        let p = 10.0 / D as f64;
        for j in 0..D {
            let hits = mask.iter().filter(|row| row[j] == 1.0).count() as f64;
            assert!((hits - N as f64 * p).abs() < spread(N, p), "{device}: dimension {j} is masked {hits} times");
        }
        assert!(mask.windows(2).all(|w| w[0] != w[1]), "{device}: neighbours are masked alike");
        assert_eq!(first.get_or_insert(mask.clone()), &mask, "{device}: the mask of every device");
    }
}

#[test]
fn bernoulli_masking_takes_each_dimension_on_its_own() {
    let x = grey(N * D);
    for device in devices() {
        let mut e = exec::open(&device).unwrap();
        let [noisy, mask] = corrupted(&mut *e, masking_bernoulli, 0.3);
        let counts: Vec<usize> = mask.iter().map(|row| ones(row)).collect();
        let all = counts.iter().sum::<usize>() as f64;
        assert!((all - 0.3 * (N * D) as f64).abs() < spread(N * D, 0.3), "{device}: {all}");
        let mean = all / N as f64;
        let variance = counts.iter().map(|&c| (c as f64 - mean).powi(2)).sum::<f64>() / N as f64;
        let want = D as f64 * 0.3 * 0.7;
        assert!((0.6 * want..1.5 * want).contains(&variance), "{device}: the variance of a count is {variance}");
        let both = noisy.concat().into_iter().zip(mask.concat()).zip(x.clone());
        both.for_each(|((y, m), x)| assert_eq!(y, if m == 1.0 { 0.0 } else { x }));
        assert_eq!(corrupted(&mut *e, masking_bernoulli, 0.0)[0].concat(), x, "{device}: level 0");
        assert!(corrupted(&mut *e, masking_bernoulli, 1.0)[0].concat().iter().all(|&y| y == 0.0), "{device}: level 1");
    }
}

#[test]
fn gaussian_noise_has_its_deviation_and_touches_everything() {
    let x = grey(N * D);
    for device in devices() {
        let mut e = exec::open(&device).unwrap();
        let [noisy, mask] = corrupted(&mut *e, gaussian, 0.5);
        assert!(mask.concat().iter().all(|&m| m == 1.0), "{device}");
        let noise: Vec<f64> = noisy.concat().iter().zip(&x).map(|(y, x)| f64::from(y - x) / 0.5).collect();
        let moment = |k: i32| noise.iter().map(|v| v.powi(k)).sum::<f64>() / noise.len() as f64;
        for (k, want) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
            // Five standard deviations of the fourth moment; the others need less.
            assert!(
                (moment(k) - want).abs() < 5.0 * (96.0 / noise.len() as f64).sqrt(),
                "{device}: {k}: {}",
                moment(k)
            );
        }
        assert_eq!(corrupted(&mut *e, gaussian, 0.0)[0].concat(), x, "{device}: level 0");
    }
}

#[test]
fn salt_and_pepper_are_alike() {
    let x = grey(N * D);
    for device in devices() {
        let mut e = exec::open(&device).unwrap();
        let [noisy, mask] = corrupted(&mut *e, salt_and_pepper, 0.4);
        let (mut salt, mut pepper) = (0, 0);
        for ((y, m), x) in noisy.concat().into_iter().zip(mask.concat()).zip(&x) {
            match (m, y) {
                (0.0, y) => assert_eq!(y, *x, "{device}: a clean pixel"),
                (1.0, 1.0) => salt += 1,
                (1.0, 0.0) => pepper += 1,
                other => panic!("{device}: {other:?}"),
            }
        }
        for (what, count) in [("salt", salt), ("pepper", pepper)] {
            let off = (f64::from(count) - 0.2 * (N * D) as f64).abs();
            assert!(off < spread(N * D, 0.2), "{device}: {count} grains of {what}");
        }
        assert_eq!(corrupted(&mut *e, salt_and_pepper, 0.0)[0].concat(), x, "{device}: level 0");
    }
}

#[test]
fn corruption_is_on_in_training_and_nowhere_else() {
    for how in ["masking", "masking-bernoulli", "gaussian", "salt-and-pepper"] {
        let with = |level: &str| {
            let how = format!("model.corruption={how}");
            settings("dae", &[SMALL, &[&how, level]].concat())
        };
        let [clean, noisy] = [with("model.level=0"), with("model.level=0.5")];
        let [mut a, mut b] = [&clean, &noisy].map(|c| session(&Choice::Cpu, c));
        assert_eq!(a.evaluate("test").unwrap(), b.evaluate("test").unwrap(), "{how}: evaluation");
        assert_eq!(a.encode("test", 0, 9).unwrap(), b.encode("test", 0, 9).unwrap(), "{how}: codes");
        let [pictures, others] = [&mut a, &mut b].map(|s| s.reconstruct("test", 0, 9).unwrap().pictures);
        assert_eq!(pictures, others, "{how}: reconstructions");
        let [first, second] = [&mut a, &mut b].map(|s| steps(s, 2));
        assert!(first[0] != second[0] && first[1] != second[1], "{how}: training");
        // Nothing random is even drawn; in training it is.
        let set = programs::SetShape {
            split: "test",
            examples: 512,
            features: 784,
            sequence: None,
            resident: true,
            drawn: false,
        };
        let kernels = |plan: &elbo::plan::Plan| plan.dispatches.iter().map(|d| d.kernel.name()).collect::<Vec<_>>();
        let held_out = kernels(&programs::evaluate(&noisy, &set, 64, &b.layout).unwrap().plan);
        assert!(!held_out.contains(&"random") && kernels(&b.train.plan).contains(&"random"), "{how}: {held_out:?}");
        // The noise of a step is its own.
        let still = settings("dae", &[SMALL, &["optimizer.learning_rate={values=[0,1e-3],at=[0,99]}"]].concat());
        let mut s = session(&Choice::Cpu, &still);
        s.begin_epoch(0).unwrap();
        let mut one = |step| {
            let ticket = s.submit(step, 1).unwrap();
            s.exec.fetch(ticket).unwrap()[0][0]
        };
        let (here, again, later) = (one(0), one(0), one(8));
        assert!(here == again && here != later, "{how}: {here} {again} {later}: the same batch at steps 0 and 8");
    }
}

/// A small denoising autoencoder.
fn dae(corruption: Corruption, emphasis: [f64; 2]) -> Dae {
    let net = Dense { hidden: vec![], latent: 7, ..Dense::default() };
    Dae { net, corruption, level: 0.5, emphasis }
}

#[test]
fn the_loss_is_that_of_the_clean_input_by_emphasis() {
    for how in [Corruption::Masking, Corruption::SaltAndPepper] {
        for device in devices() {
            let mut e = exec::open(&device).unwrap();
            let mut run = |g: &Graph, out: &[Tensor<'_>]| -> Vec<HostBuf> {
                exec::run(&mut *e, g, &[("x", grey(N * D).into())], out).unwrap()
            };
            // What the network makes of the noisy input: the draw is that of its scope, so it is the same in each graph.
            let g = Graph::new();
            let net = Scope::root(&g, Mode::Train);
            let x = g.input("x", &[N, D]).with_batch_axis(0);
            let function: How = if how == Corruption::Masking { masking } else { salt_and_pepper };
            let c = function(&(&net / "corruption"), x, 0.5);
            let d = dae(how, [1.0, 1.0]).net;
            let made = run(&g, &[d.decode(&net, d.encode(&net, c.x), D), c.mask]);
            let by_hand = |emphasis: [f64; 2]| {
                let terms = made[0].f32().iter().zip(made[1].f32()).zip(grey(N * D));
                let weigh = |m: f32| if m == 1.0 { emphasis[0] } else { emphasis[1] };
                terms.map(|((y, m), x)| weigh(*m) * f64::from(y - x).powi(2)).sum::<f64>() / N as f64
            };
            for emphasis in [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [2.0, 0.25]] {
                let g = Graph::new();
                let x = g.input("x", &[N, D]).with_batch_axis(0);
                let model = Model::Dae(dae(how, emphasis));
                let loss = models::of(&model).loss(&Scope::root(&g, Mode::Train), x);
                let got = run(&g, &[loss.total, loss.reported]);
                let (total, reported) = (f64::from(got[0].f32()[0]), f64::from(got[1].f32()[0]));
                let (want, plain) = (by_hand(emphasis), by_hand([1.0, 1.0]));
                assert!((total - want).abs() < 1e-4 * want, "{device}, {how:?} {emphasis:?}: {total}, not {want}");
                assert!((reported - plain).abs() < 1e-4 * plain, "{device}: {reported}, not {plain}");
            }
        }
    }
}

#[test]
fn ten_losses_agree_on_every_device() {
    ten_losses_agree("dae", SMALL);
    ten_losses_agree("dae", &[SMALL, &["model.corruption=masking-bernoulli", "model.emphasis=[1,0]"]].concat());
    ten_losses_agree("dae", &[SMALL, &["model.corruption=gaussian", "model.loss=mse", "model.level=0.4"]].concat());
    ten_losses_agree("dae", &[SMALL, &["model.corruption=salt-and-pepper", "model.hidden=[64]"]].concat());
}

/// The clean error of what a session's network makes of corrupted images.
fn restored(s: &mut elbo::train::Session) -> f64 {
    let images = s.reconstruct("test", 0, 256).unwrap().inputs;
    let c = s.config.clone();
    let Model::Dae(d) = &c.model else { panic!("a dae") };
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Evaluate);
    let x = g.input("x", &[256, 784]).with_batch_axis(0);
    let noisy = masking(&(&net / "corruption"), x, 0.5).x;
    let y = d.net.decode(&net, d.net.encode(&net, noisy), 784);
    // A run clears its executor: the weights go to another by name.
    let mut inputs: Vec<(&str, HostBuf)> = vec![("x", images.clone().into())];
    for (p, place) in s.layout.params.iter().zip(&s.layout.places) {
        let bucket = s.exec.read(&s.layout.path(place.bucket)).unwrap();
        inputs.push((&p.path, bucket.f32()[place.offset..][..p.shape.len()].to_vec().into()));
    }
    let mut e = exec::open(&Choice::Cpu).unwrap();
    let out = exec::run(&mut *e, &g, &inputs, &[y]).unwrap();
    out[0].f32().iter().zip(&images).map(|(y, x)| f64::from(y - x).powi(2)).sum::<f64>() / 256.0
}

#[test]
fn what_was_masked_is_restored_better_than_by_a_plain_autoencoder() {
    let error = |level: &str| {
        let mut s = session(
            &Choice::Cpu,
            &settings("dae", &["model.latent=96", "train.batch=32", "optimizer.learning_rate=1e-2", level]),
        );
        let before = restored(&mut s);
        steps(&mut s, 1000);
        (before, restored(&mut s))
    };
    let ((before, denoising), (_, plain)) = (error("model.level=0.5"), error("model.level=0"));
    assert!(denoising < 0.5 * before, "{before} before training, {denoising} after");
    assert!(denoising < 0.92 * plain, "{denoising}, and {plain} without noise in training");
}

#[test]
fn settings_that_mean_nothing_are_refused_by_key() {
    let cases: &[(&[&str], &str)] = &[
        (&["model.level=1.5"], "model.level must be from 0 to 1, not 1.5"),
        (&["model.level=-0.1"], "model.level must be from 0 to 1, not -0.1"),
        (&["model.corruption=gaussian", "model.level=inf"], "model.level must be finite and at least 0, not inf"),
        (&["model.emphasis=[0,0]"], "model.emphasis must be two finite weights of at least 0, not both 0: [0.0, 0.0]"),
        (
            &["model.emphasis=[1,-1]"],
            "model.emphasis must be two finite weights of at least 0, not both 0: [1.0, -1.0]",
        ),
        (
            &["model.corruption=gaussian", "model.emphasis=[1,0]"],
            "model.emphasis cannot be [1.0, 0.0] where model.corruption is gaussian, which corrupts every dimension: \
             take two equal weights",
        ),
        (
            &["model.level=0", "model.emphasis=[1,0]"],
            "model.level cannot be 0 where model.emphasis is 0 on clean dimensions: no loss is left",
        ),
        (
            &["model.corruption=pepper"],
            "model.corruption cannot be \"pepper\": expected one of `masking`, `masking-bernoulli`, `gaussian`, \
             `salt-and-pepper`",
        ),
    ];
    for (changes, want) in cases {
        assert_eq!(refusal("dae", changes), *want);
    }
    assert!(refusal("dae", &["model.emphasis=[1]"]).starts_with("model.emphasis cannot be [1]: "));
    settings("dae", &["model.corruption=gaussian", "model.level=2", "model.emphasis=[2,2]"]);
}

#[test]
fn other_seeds_have_other_noise() {
    let first = |seed: &str| losses(&Choice::Cpu, &settings("dae", &[SMALL, &[seed]].concat()), 1)[0];
    assert!(first("train.seed=1") == first("train.seed=1") && first("train.seed=1") != first("train.seed=2"));
}

/// The widest row that settings allow can be launched; a wider one is refused by the plan, in a sentence.
#[test]
fn the_k_largest_of_the_widest_row_can_be_planned() {
    let planned = |d: usize| {
        let g = Graph::new();
        let mask = g.input("x", &[1, d]).top_k(Count::Fixed(5));
        let out = g.pack("out", &[mask], vec![0], d);
        compile("test", &g, &[out], &elbo::graph::ParamLayout::new(vec![], 1 << 27).unwrap(), Options::default())
    };
    assert!(planned(1 << 20).is_ok());
    assert!(planned(1 << 21).err().is_some_and(|e| e.to_string().contains("loop iterations")), "beyond the loop bound");
}
