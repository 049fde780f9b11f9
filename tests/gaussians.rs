//! General Gaussians against NumPy and SciPy (tests/fixtures/gaussians.json, made by scripts/gaussian-fixtures.py), their
//! special cases, their samples, and the divergence of categorical variables.

mod common;

use common::{Evaluated, Rng, panic_text, param, total};
use elbo::exec::{Choice, open};
use elbo::graph::{Graph, SAMPLES, Tensor, grad};
use elbo::nn::{DiagonalGaussian, Gaussian, LOG_VAR_MAX, LOG_VAR_MIN, Mode, Scope, categorical_kl};
use elbo::plan::Options;
use nalgebra::DMatrix;
use std::f64::consts::TAU;

/// f64, but for the constants of a formula, which a graph holds at f32: ½d ln 2π, of log-densities and entropies.
const ROUNDED: f64 = 1e-7;

// ---------------------------------------------------------------------------------------------------- fixtures

#[derive(serde::Deserialize)]
struct Fixtures {
    unit: f64,
    pairs: Vec<Pair>,
}

#[derive(serde::Deserialize)]
struct Pair {
    means: [Vec<f64>; 2],
    covariances: [Vec<f64>; 2],
    conditions: [f64; 2],
    kl: [f64; 2],
    kl_standard: [f64; 2],
    entropies: [f64; 2],
    point: Vec<f64>,
    log_probs: [f64; 2],
}

/// Means and points in units; covariances as whole matrices, with NaN above the diagonal: nothing reads it.
fn pairs() -> Vec<Pair> {
    let Fixtures { unit, mut pairs } = serde_json::from_str(include_str!("fixtures/gaussians.json")).unwrap();
    for p in &mut pairs {
        let d = p.point.len();
        p.means.iter_mut().chain([&mut p.point]).flatten().for_each(|v| *v /= unit);
        for c in &mut p.covariances {
            let lower = std::mem::take(c);
            *c = (0..d * d)
                .map(|i| if i % d > i / d { f64::NAN } else { lower[i / d * (i / d + 1) / 2 + i % d] / unit })
                .collect();
        }
    }
    assert_eq!(pairs.iter().map(|p| p.point.len()).collect::<Vec<_>>(), [1, 2, 7, 32]);
    pairs
}

/// What is known of a pair, in the order of [`Pair::known`]; inputs by [`Pair::inputs`].
fn outputs<'g>(d: usize, input: impl Fn(&str, &[usize]) -> Tensor<'g>) -> Vec<Tensor<'g>> {
    let one = |i: usize| Gaussian::from_covariance(input(&format!("m.{i}"), &[d]), input(&format!("s.{i}"), &[d, d]));
    let (p, q, x) = (one(0), one(1), input("x.0", &[d]));
    let both = [p, q];
    let mut out = vec![p.kl(&q), q.kl(&p)];
    out.extend(both.map(|g| g.kl_standard()));
    out.extend(both.map(|g| g.entropy()));
    out.extend(both.map(|g| g.log_prob(x)));
    out
}

impl Pair {
    fn inputs(&self) -> Vec<(&'static str, &[f64])> {
        let [m, n] = &self.means;
        let [s, t] = &self.covariances;
        vec![("m.0", m), ("m.1", n), ("s.0", s), ("s.1", t), ("x.0", &self.point)]
    }
    fn known(&self) -> Vec<f64> {
        [self.kl, self.kl_standard, self.entropies, self.log_probs].concat()
    }
}

#[test]
fn gaussians_agree_with_numpy_and_scipy_on_reference() {
    for pair in pairs() {
        let d = pair.point.len();
        let g = Graph::new();
        let out = outputs(d, |name, dims| param(&g, name, dims));
        let mut e = Evaluated::new(&g, &out, Options::default());
        pair.inputs().iter().for_each(|(name, v)| e.set(name, 0, v));
        for (i, (got, want)) in e.run().concat().into_iter().zip(pair.known()).enumerate() {
            let allowed = 1e-10 * want.abs() + if i < 4 { 0.0 } else { ROUNDED * 0.5 * d as f64 * (1.0 + TAU.ln()) };
            assert!((got - want).abs() <= allowed, "d={d}, output {i}: {got}, not {want}");
        }
        assert!((pair.kl[0] - pair.kl[1]).abs() > 0.1, "d={d}: both orders agree, which tests nothing");
    }
}

#[test]
fn gaussians_agree_with_numpy_and_scipy_on_every_device() {
    let devices = match std::env::var("ELBO_GPU_TESTS").as_deref() {
        Ok("skip") => vec![Choice::Reference, Choice::Cpu],
        _ => vec![Choice::Reference, Choice::Cpu, Choice::Gpu],
    };
    for choice in devices {
        let mut e = open(&choice).unwrap();
        let mut worst = 0.0f64;
        for pair in pairs() {
            let d = pair.point.len();
            let g = Graph::new();
            // One executor holds the inputs of all pairs.
            let out = outputs(d, |name, dims| g.input(&format!("{name}.{d}"), dims));
            let named: Vec<_> =
                pair.inputs().into_iter().map(|(name, v)| (format!("{name}.{d}"), common::host(v))).collect();
            let inputs: Vec<_> = named.iter().map(|(name, v)| (name.as_str(), v.clone())).collect();
            let got = elbo::exec::run(&mut *e, &g, &inputs, &out).unwrap();
            // WGSL grants each ln of a determinant 2⁻²¹; the factor of a matrix is that of one some ulps away, by which what
            // is divided by it is as far times its condition, in terms as large as the divergence and d.
            let condition = pair.conditions[0].max(pair.conditions[1]);
            for (i, (got, want)) in got.iter().zip(pair.known()).enumerate() {
                let got = f64::from(got.f32()[0]);
                let allowed = f64::from(f32::EPSILON) * (4.0 * d as f64 + (want.abs() + d as f64) * condition / 4.0);
                let off = (got - want).abs();
                worst = worst.max(off / allowed);
                assert!(off <= allowed, "{choice}, d={d}, output {i}: {got}, not {want}");
            }
        }
        println!("{choice}: worst {worst:.2} of what is allowed");
    }
}

/// ∂KL/∂μ₁ = Σ₂⁻¹(μ₁ − μ₂) = −∂KL/∂μ₂, ∂KL/∂Σ₁ = ½(Σ₂⁻¹ − Σ₁⁻¹), ∂KL/∂Σ₂ = ½(Σ₂⁻¹ − Σ₂⁻¹(Σ₁ + δδᵀ)Σ₂⁻¹).
#[test]
fn the_gradient_of_the_divergence_is_that_of_the_formula() {
    for pair in pairs() {
        let d = pair.point.len();
        let g = Graph::new();
        let [m, n] = ["m.0", "m.1"].map(|name| param(&g, name, &[d]));
        let [s, t] = ["s.0", "s.1"].map(|name| param(&g, name, &[d, d]));
        let kl = Gaussian::from_covariance(m, s).kl(&Gaussian::from_covariance(n, t));
        let mut e = Evaluated::new(&g, &grad(kl, &[m, n, s, t]), Options::default());
        pair.inputs().iter().take(4).for_each(|(name, v)| e.set(name, 0, v));
        let got = e.run();

        let whole = |c: &[f64]| DMatrix::from_fn(d, d, |i, j| c[i.max(j) * d + i.min(j)]);
        let [s, t] = [&pair.covariances[0], &pair.covariances[1]].map(|c| whole(c));
        let inverse = |c: &DMatrix<f64>| c.clone().try_inverse().unwrap();
        let delta = DMatrix::from_fn(d, 1, |i, _| pair.means[0][i] - pair.means[1][i]);
        let dm = inverse(&t) * &delta;
        let ds = (inverse(&t) - inverse(&s)) * 0.5;
        let dt = (inverse(&t) - inverse(&t) * (&s + &delta * delta.transpose()) * inverse(&t)) * 0.5;
        // The gradient lies in the triangle that is read: an element below the diagonal stands for two.
        let read = |c: &DMatrix<f64>, i: usize| match (i / d).cmp(&(i % d)) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => c[(i / d, i % d)],
            std::cmp::Ordering::Greater => 2.0 * c[(i / d, i % d)],
        };
        let of = |c: &DMatrix<f64>| (0..d * d).map(|i| read(c, i)).collect::<Vec<_>>();
        let want = [dm.as_slice().to_vec(), (-&dm).as_slice().to_vec(), of(&ds), of(&dt)];
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let scale = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 1e-10 * scale);
            assert!(near && got.len() == want.len(), "d={d}, gradient {i}: {got:?}, not {want:?}");
        }
    }
}

#[test]
fn a_batch_of_gaussians_is_each_of_them_and_one_may_stand_for_a_batch() {
    let pair = &pairs()[2];
    let d = pair.point.len();
    let g = Graph::new();
    let [m, s] = [param(&g, "m.0", &[2, 1, d]), param(&g, "s.0", &[2, 1, d, d])];
    let both = Gaussian::from_covariance(m, s);
    let one = |i: usize| {
        let mean = m.slice(&[i, 0, 0], &[1, 1, d]).reshape(&[d]);
        Gaussian::from_covariance(mean, s.slice(&[i, 0, 0, 0], &[1, 1, d, d]).reshape(&[d, d]))
    };
    let points = param(&g, "x.0", &[3, 2, 1, d]);
    let x = points.slice(&[1, 0, 0, 0], &[1, 2, 1, d]).reshape(&[2, 1, d]);
    let parts = [
        both.kl(&one(0)),
        both.kl(&one(1)),
        one(0).kl(&both),
        both.kl_standard(),
        both.entropy(),
        both.covariance(),
        both.log_prob(x),
        both.log_prob(points),
        both.sample(x),
        both.sample(points),
    ];
    let mut e = Evaluated::new(&g, &parts, Options::default());
    e.set("m.0", 0, &pair.means.concat());
    e.set("s.0", 0, &pair.covariances.concat());
    let zs = Rng::new("points", 0).away(3 * 2 * d);
    e.set("x.0", 0, &zs);
    e.set("x.0", 2 * d, &[&pair.point[..], &pair.point].concat());
    let got = e.run();
    let close = |what: &str, got: &[f64], want: &[f64]| {
        assert_eq!(got.len(), want.len(), "{what}");
        let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 1e-6 * (1.0 + w.abs()));
        assert!(near, "{what}: {got:?}, not {want:?}");
    };
    close("KL(both ‖ first)", &got[0], &[0.0, pair.kl[1]]);
    close("KL(both ‖ second)", &got[1], &[pair.kl[0], 0.0]);
    close("KL(first ‖ both)", &got[2], &[0.0, pair.kl[0]]);
    close("KL(both ‖ standard)", &got[3], &pair.kl_standard);
    close("entropy", &got[4], &pair.entropies);
    let known = pair.covariances.concat();
    let mirrored: Vec<f64> = (0..2 * d * d)
        .map(|i| {
            let (q, r, c) = (i / (d * d), i / d % d, i % d);
            known[q * d * d + r.max(c) * d + r.min(c)]
        })
        .collect();
    close("covariance", &got[5], &mirrored);
    close("log_prob", &got[6], &pair.log_probs);
    close("log_prob of the second sample", &got[7][2..4], &pair.log_probs);
    close("the second sample", &got[9][2 * d..4 * d], &got[8]);
    // ln N(μ + Lε) = −½‖ε‖² − ½ ln det Σ − ½d ln 2π, of which the last two are known.
    let g2 = Graph::new();
    let q = Gaussian::from_covariance(param(&g2, "m.0", &[2, 1, d]), param(&g2, "s.0", &[2, 1, d, d]));
    let mut e = Evaluated::new(&g2, &[q.log_prob(param(&g2, "z.0", &[3, 2, 1, d]))], Options::default());
    e.set("m.0", 0, &pair.means.concat());
    e.set("s.0", 0, &pair.covariances.concat());
    e.set("z.0", 0, &got[9]);
    let noise = [&zs[..2 * d], &pair.point, &pair.point, &zs[4 * d..]].concat();
    let of =
        |(i, eps): (usize, &[f64])| 0.5 * (d as f64 - eps.iter().map(|v| v * v).sum::<f64>()) - pair.entropies[i % 2];
    close("log_prob of samples", &e.run()[0], &noise.chunks(d).enumerate().map(of).collect::<Vec<_>>());
}

// ---------------------------------------------------------------------------------------------- special cases

#[test]
fn without_covariances_a_packed_gaussian_is_the_diagonal_one() {
    for (n, d) in [(1, 1), (5, 2), (3, 7), (4, 20)] {
        let g = Graph::new();
        let packed = d * (d + 1) / 2;
        let mean = param(&g, "m.0", &[n, d]).with_batch_axis(0);
        let numbers = param(&g, "p.0", &[n, packed]);
        let log_var = numbers.slice(&[0, 0], &[n, d]);
        let (full, diagonal) = (Gaussian::from_packed(mean, numbers), DiagonalGaussian::new(mean, log_var));
        let noise = param(&g, "e.0", &[3, n, d]);
        let standard =
            Gaussian::from_scale_tril(mean.like(0.0), full.scale_tril.like(1.0).diagonal().diagonal_matrix());
        let other_kl = total(diagonal.kl_standard());
        let parts = [
            full.sample(noise),
            diagonal.mean.reparameterise(diagonal.log_var, noise),
            total(full.kl_standard()),
            total(full.kl(&standard)),
            other_kl,
            grad(total(full.kl_standard()), &[numbers])[0].slice(&[0, 0], &[n, d]),
            grad(other_kl, &[numbers])[0].slice(&[0, 0], &[n, d]),
            total(full.half_log_det),
            total(diagonal.log_var) * 0.5,
        ];
        assert_eq!(full.sample(noise).batch_axis(), Some(1));
        assert_eq!(full.sample(noise).sum(SAMPLES).shape(), mean.shape());
        assert_eq!(full.kl_standard().batch_axis(), Some(0));
        assert_eq!(full.log_prob(noise).batch_axis(), Some(1));
        let mut e = Evaluated::new(&g, &parts, Options::default());
        let mut rng = Rng::new("diagonal", d);
        e.set("m.0", 0, &rng.away(n * d));
        e.set("e.0", 0, &rng.away(3 * n * d));
        for i in 0..n {
            let mut row = rng.between(d, -2.0, 2.0);
            // Beyond both limits.
            (row[0], row[d - 1]) = if i == 0 { (LOG_VAR_MIN - 1.0, LOG_VAR_MAX + 1.0) } else { (row[0], row[d - 1]) };
            row.resize(packed, 0.0);
            e.set("p.0", i * packed, &row);
        }
        let got = e.run();
        for (a, b) in [(0, 1), (2, 4), (3, 4), (5, 6), (7, 8)] {
            let scale = got[b].iter().fold(1.0f64, |m, v| m.max(v.abs()));
            let near = got[a].iter().zip(&got[b]).all(|(x, y)| (x - y).abs() <= 1e-12 * scale);
            assert!(near && got[a].len() == got[b].len(), "d={d}: {a} and {b}: {:?} and {:?}", got[a], got[b]);
        }
    }
}

/// The packing, as `from_packed` states it: where each number below the diagonal stands among the last e(e + 1)/2.
#[test]
fn every_packed_number_has_its_place() {
    for d in 1..=9 {
        let (n, packed) = (2, d * (d + 1) / 2);
        let g = Graph::new();
        let q = Gaussian::from_packed(param(&g, "m.0", &[n, d]), param(&g, "p.0", &[n, packed]));
        let mut e = Evaluated::new(&g, &[q.scale_tril], Options::default());
        let numbers: Vec<f64> = (0..n * packed).map(|i| (1 + i) as f64 / 64.0).collect();
        e.set("p.0", 0, &numbers);
        let got = e.run().remove(0);
        let rank = d - 1;
        let columns = rank.div_ceil(2);
        let even = usize::from(rank % 2 == 0);
        for (i, &got) in got.iter().enumerate() {
            let (b, r, c) = (i / (d * d), i / d % d, i % d);
            let row = &numbers[b * packed..][..packed];
            let want = match c.cmp(&r) {
                std::cmp::Ordering::Greater => 0.0,
                std::cmp::Ordering::Equal => (0.5 * row[r]).exp(),
                // Row r − 1, column c of the triangle below.
                _ if c < columns => row[d + (r - 1 + even) * columns + c],
                _ => row[d + (c - columns) * columns + (r - 1 - columns) + 1 - even],
            };
            assert!((got - want).abs() < 1e-12, "d={d}, L[{r}, {c}]: {got}, not {want}");
        }
    }
}

// ------------------------------------------------------------------------------------------ what KL must be

#[test]
fn the_divergence_is_never_negative_and_zero_between_equals() {
    let (mut least, mut most_equal) = (f64::INFINITY, 0.0f64);
    for d in [1, 2, 3, 7, 16, 33] {
        let (n, packed) = (60, d * (d + 1) / 2);
        let g = Graph::new();
        let of = |i: usize| {
            Gaussian::from_packed(param(&g, &format!("m.{i}"), &[n, d]), param(&g, &format!("p.{i}"), &[n, packed]))
        };
        let (p, q) = (of(0), of(1));
        let again = Gaussian::from_covariance(p.mean, p.covariance());
        let parts = [p.kl(&q), q.kl(&p), p.kl_standard(), p.kl(&p), p.kl(&again), again.kl(&p)];
        let mut e = Evaluated::new(&g, &parts, Options::default());
        let mut rng = Rng::new("never negative", d);
        for i in 0..2 {
            e.set(&format!("m.{i}"), 0, &rng.away(n * d));
            let numbers = rng.between(n * packed, -1.0, 1.0);
            // Some pairs are neighbours: the divergence is nearly 0.
            let scale = |k: usize| if (k / packed).is_multiple_of(3) { 1e-6 } else { 1.0 / (d as f64).sqrt() };
            let numbers: Vec<f64> = numbers.iter().enumerate().map(|(k, v)| v * scale(k)).collect();
            e.set(&format!("p.{i}"), 0, &numbers);
        }
        let got = e.run();
        got.iter().flatten().for_each(|&v| least = if v >= least { least } else { v });
        got[3..].iter().flatten().for_each(|v| most_equal = most_equal.max(v.abs()));
    }
    assert!(least >= -1e-12, "{least}");
    assert!(most_equal <= 1e-12, "{most_equal}");
}

#[test]
fn a_monte_carlo_estimate_agrees_with_the_closed_form() {
    const DRAWS: usize = 4000;
    for (pair, d) in pairs().iter().zip([1, 2, 7]) {
        let g = Graph::new();
        let of = |i: usize| {
            Gaussian::from_covariance(param(&g, &format!("m.{i}"), &[1, d]), param(&g, &format!("s.{i}"), &[1, d, d]))
        };
        let (p, q) = (of(0), of(1));
        let z = p.sample(Scope::root(&g, Mode::Train).normal(&[DRAWS, 1, d]));
        let mut e = Evaluated::new(&g, &[p.log_prob(z) - q.log_prob(z), -p.log_prob(z)], Options::default());
        for i in 0..2 {
            e.set(&format!("m.{i}"), 0, &pair.means[i]);
            e.set(&format!("s.{i}"), 0, &pair.covariances[i]);
        }
        for (draws, want) in e.run().iter().zip([pair.kl[0], pair.entropies[0]]) {
            let (mean, error) = mean_and_error(draws);
            assert!((mean - want).abs() <= 4.0 * error, "d={d}: {mean} ± {error}, and not {want}");
            assert!(error < 0.05 * want, "d={d}: ± {error} says little of {want}");
        }
    }
}

fn mean_and_error(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn what_is_no_gaussian_is_refused_or_is_no_number() {
    let said = |f: for<'g> fn(&'g Graph)| panic_text(move || f(&Graph::new()));
    let text = said(|g| {
        Gaussian::from_covariance(param(g, "m", &[129]), param(g, "s", &[129, 129]));
    });
    assert_eq!(text, "cholesky of 129x129 in scope ``: the matrices have more than 128 rows");
    let text = said(|g| {
        Gaussian::from_scale_tril(param(g, "m", &[2, 3]), param(g, "s", &[3, 3]));
    });
    assert_eq!(text, "a Gaussian of mean 2x3 has a matrix of one axis more, and not 3x3");
    let text = said(|g| {
        Gaussian::from_packed(param(g, "m", &[2, 3]), param(g, "s", &[2, 5]));
    });
    assert_eq!(text, "a Gaussian of mean 2x3 takes 6 numbers of its triangle, and not 2x5");
    let text = said(|g| {
        Gaussian::from_packed(param(g, "m", &[2, 3]), param(g, "s", &[2, 6])).sample(param(g, "e", &[3]));
    });
    assert!(text.starts_with("noise of shape 3: a Gaussian of mean 2x3 takes that shape"), "{text}");
    let text = said(|g| {
        param(g, "a", &[2, 3]).cholesky();
    });
    assert!(text.contains("the last two axes are to be those of square matrices"), "{text}");
    let text = said(|g| {
        param(g, "a", &[2, 3, 3]).triangular_solve(param(g, "b", &[3, 1]), false);
    });
    assert!(text.contains("the second is to have the rows of the first, and its axes"), "{text}");

    let g = Graph::new();
    let q = Gaussian::from_covariance(param(&g, "m", &[2]), param(&g, "s", &[2, 2]));
    let mut e = Evaluated::new(&g, &[q.entropy(), q.kl_standard()], Options::default());
    e.set("s", 0, &[1.0, 2.0, 2.0, 1.0]);
    assert!(e.run().iter().flatten().all(|v| v.is_nan()), "a matrix that is not positive definite");
}

// ------------------------------------------------------------------------------------- categorical variables

#[test]
fn the_divergence_of_categorical_variables() {
    const N: usize = 40;
    const K: usize = 6;
    let g = Graph::new();
    let (a, b) = (param(&g, "a.0", &[N, K]), param(&g, "b.0", &[N, K]));
    let (there, back) = (categorical_kl(a, b), categorical_kl(b, a));
    let d = grad(total(there), &[a, b]);
    let parts = [there, back, categorical_kl(a, a + 3.0), categorical_kl(a * 800.0, b * 800.0), d[0], d[1]];
    let mut e = Evaluated::new(&g, &parts, Options::default());
    let mut rng = Rng::new("categorical", 0);
    let (x, y) = (rng.between(N * K, -3.0, 3.0), rng.between(N * K, -3.0, 3.0));
    e.set("a.0", 0, &x);
    e.set("b.0", 0, &y);
    let got = e.run();
    let softmax = |a: &[f64]| {
        let z: f64 = a.iter().map(|v| v.exp()).sum();
        a.iter().map(|v| v.exp() / z).collect::<Vec<_>>()
    };
    for i in 0..N {
        let (p, q) = (softmax(&x[i * K..][..K]), softmax(&y[i * K..][..K]));
        let kl = |p: &[f64], q: &[f64]| p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum::<f64>();
        assert!((got[0][i] - kl(&p, &q)).abs() < 1e-12 && (got[1][i] - kl(&q, &p)).abs() < 1e-12, "{i}");
        assert!((got[0][i] - got[1][i]).abs() > 1e-4, "{i}: both orders agree");
        for k in 0..K {
            // In q's logits q − p, in p's p(ln(p/q) − KL).
            let at = i * K + k;
            let dp = p[k] * ((p[k] / q[k]).ln() - got[0][i]);
            assert!((got[4][at] - dp).abs() < 1e-12 && (got[5][at] - (q[k] - p[k])).abs() < 1e-12, "{i} {k}");
        }
    }
    let never_negative = got[..4].iter().flatten().all(|v| *v >= -1e-12 && v.is_finite());
    assert!(never_negative, "{:?}", &got[..4]);
    assert!(got[2].iter().all(|v| v.abs() <= 1e-12), "the same variables by shifted logits: {:?}", got[2]);
}
