//! The VAE whose answer is known: a linear decoder x = Wz + m + σε and a linear encoder of full covariance. Its evidence
//! lower bound, alternately optimised in the encoder φ and in the decoder θ, rises to the log-likelihood of probabilistic
//! principal component analysis (Tipping & Bishop 1999), which an eigendecomposition gives. Every step is computed by a
//! graph, on `reference`: the exact posterior by Cholesky factors, the decoder's by gradients and a Newton step.

mod common;

use common::{Evaluated, Rng, param};
use elbo::graph::{Axes, BATCH, FEATURES, Graph, Tensor, grad};
use elbo::nn::{Gaussian, Mode, Scope};
use elbo::plan::Options;
use elbo::values::Shape;
use nalgebra::{DMatrix, SymmetricEigen};
use std::f64::consts::{PI, TAU};

/// A power of 2: its inverse, which a graph holds at f32, is exact.
const N: usize = 256;
const D: usize = 8;
const K: usize = 3;
/// Monte-Carlo samples of each z.
const DRAWS: usize = 200;
const ROUNDS: usize = 400;
const LAST: Axes = Axes::Numbered(1, 2);

/// N examples of a decoder with three directions of different lengths, and noise.
fn examples() -> Vec<f64> {
    let mut rng = Rng::new("ppca", 0);
    let mut normal = || (-2.0 * rng.unit().ln()).sqrt() * (2.0 * PI * rng.unit()).cos();
    let w: Vec<f64> = (0..D * K).map(|i| normal() * [1.5, 1.0, 0.6][i % K]).collect();
    let m: Vec<f64> = (0..D).map(|_| normal()).collect();
    let mut x = Vec::new();
    for _ in 0..N {
        let z: Vec<f64> = (0..K).map(|_| normal()).collect();
        x.extend((0..D).map(|i| m[i] + (0..K).map(|k| w[i * K + k] * z[k]).sum::<f64>() + 0.4 * normal()));
    }
    x
}

/// The largest mean log-likelihood: with σ² the mean of the D − K smallest eigenvalues λ of the covariance of x,
/// −½(D ln 2π + Σ_{i ≤ K} ln λᵢ + (D − K) ln σ² + D).
fn closed_form(x: &[f64]) -> f64 {
    let x = DMatrix::from_row_slice(N, D, x);
    let mean = x.row_mean();
    let centred = DMatrix::from_fn(N, D, |i, j| x[(i, j)] - mean[j]);
    let mut roots: Vec<f64> =
        SymmetricEigen::new(centred.tr_mul(&centred) / N as f64).eigenvalues.iter().copied().collect();
    roots.sort_by(|a, b| b.total_cmp(a));
    let variance = roots[K..].iter().sum::<f64>() / (D - K) as f64;
    let kept: f64 = roots[..K].iter().map(|r| r.ln()).sum();
    -0.5 * (D as f64 * (TAU.ln() + 1.0) + kept + (D - K) as f64 * variance.ln())
}

/// θ = (\[W m\], ln σ²) and φ = (V, c, the packed triangle), and what follows from them for the examples x.
struct Model<'g> {
    g: &'g Graph,
    x: Tensor<'g>,
    theta: Tensor<'g>,
    log_var: Tensor<'g>,
    phi: [Tensor<'g>; 3],
}

impl<'g> Model<'g> {
    fn new(g: &'g Graph) -> Self {
        let phi = [param(g, "phi.v", &[K, D]), param(g, "phi.c", &[K]), param(g, "phi.packed", &[K * (K + 1) / 2])];
        let x = param(g, "data.x", &[N, D]).with_batch_axis(0);
        Self { g, x, theta: param(g, "theta.w", &[D, K + 1]), log_var: param(g, "theta.lv", &[]), phi }
    }

    /// W and m of \[W m\].
    fn split(&self, theta: Tensor<'g>) -> (Tensor<'g>, Tensor<'g>) {
        (theta.slice(&[0, 0], &[D, K]), theta.slice(&[0, K], &[D, 1]).reshape(&[D]))
    }

    fn identity(&self, d: usize) -> Tensor<'g> {
        self.g.constant(1.0, Shape::new(&[d])).diagonal_matrix()
    }

    /// q(z | x) = N(Vx + c, LLᵀ), one L for all x.
    fn posterior(&self) -> Gaussian<'g> {
        let [v, c, packed] = self.phi;
        let mean = self.x.matmul_as(v, false, true) + c;
        Gaussian::from_packed(mean, packed.broadcast(Shape::new(&[N, packed.len()])))
    }

    /// E_q ‖x − Wz − m‖² = ‖x − Wμ − m‖² + ‖WL‖², since z = μ + Lε: \[N\].
    fn residual(&self, q: &Gaussian<'g>, theta: Tensor<'g>) -> Tensor<'g> {
        let (w, m) = self.split(theta);
        let l = q.scale_tril.slice(&[0, 0, 0], &[1, K, K]).reshape(&[K, K]);
        let away = self.x - (q.mean.matmul_as(w, false, true) + m);
        away.square().sum(FEATURES) + w.matmul(l).square().sum(Axes::All)
    }

    /// −½(D ln 2πσ² + residual/σ²)
    fn log_likelihood(&self, residual: Tensor<'g>) -> Tensor<'g> {
        (residual * (-self.log_var).exp() + self.log_var * D as f64 + D as f64 * TAU.ln()) * -0.5
    }

    /// The evidence lower bound in closed form, averaged over the examples.
    fn elbo(&self) -> Tensor<'g> {
        let q = self.posterior();
        (self.log_likelihood(self.residual(&q, self.theta)) - q.kl_standard()).mean(BATCH)
    }

    /// The same by DRAWS samples of each z: ln p(x | z) + ln p(z) − ln q(z | x), averaged over the examples: \[DRAWS\].
    fn estimates(&self) -> Tensor<'g> {
        let q = self.posterior();
        let z = q.sample(Scope::root(self.g, Mode::Train).normal(&[DRAWS, N, K]));
        let prior = Gaussian::from_scale_tril(self.g.constant(0.0, Shape::new(&[K])), self.identity(K));
        let (w, m) = self.split(self.theta);
        let decoded = z.reshape(&[DRAWS * N, K]).matmul_as(w, false, true) + m;
        let away = (self.x - decoded.reshape(&[DRAWS, N, D])).square().sum(Axes::Numbered(2, 3));
        let prior = prior.log_prob(z.reshape(&[DRAWS * N, K])).reshape(&[DRAWS, N]);
        (self.log_likelihood(away) + prior - q.log_prob(z)).mean(LAST)
    }

    /// ln N(x; m, WWᵀ + σ²I), averaged over the examples: what the bound is at the exact posterior.
    fn evidence(&self) -> Tensor<'g> {
        let (w, m) = self.split(self.theta);
        let covariance = w.matmul_as(w, false, true) + self.identity(D) * self.log_var.exp();
        Gaussian::from_covariance(m, covariance).log_prob(self.x.reshape(&[N, D])).mean(Axes::All)
    }

    /// The exact posterior: with M = WᵀW + σ²I, V = M⁻¹Wᵀ, c = −Vm and Σ = σ²M⁻¹, as φ.
    fn best_encoder(&self) -> [Tensor<'g>; 3] {
        let (w, m) = self.split(self.theta);
        let variance = self.log_var.exp();
        let root = (w.matmul_as(w, true, false) + self.identity(K) * variance).cholesky();
        let solved = |b: Tensor<'g>| root.triangular_solve(root.triangular_solve(b, false), true);
        let v = solved(w.transpose());
        let c = -v.matmul(m.reshape(&[D, 1])).reshape(&[K]);
        let l = (solved(self.identity(K)) * variance).cholesky();
        // The order in which a triangle of 3 is packed: log-variances, then L₃₂, L₂₁, L₃₁.
        let entry = |i: usize, j: usize| l.slice(&[i, j], &[1, 1]).reshape(&[1]);
        let below = [(2, 1), (1, 0), (2, 0)].map(|(i, j)| entry(i, j));
        let packed = below.into_iter().fold(l.diagonal().ln() * 2.0, |all, one| all.concat(one, 0));
        [v, c, packed]
    }

    /// The best decoder for this encoder. In \[W m\] the bound is a quadratic of curvature −E z̃z̃ᵀ/σ², z̃ = (z, 1): one
    /// Newton step from its gradient is the maximum. Then σ² is the mean residual of a dimension.
    fn best_decoder(&self, elbo: Tensor<'g>) -> [Tensor<'g>; 2] {
        let q = self.posterior();
        let ones = self.g.constant(1.0, Shape::new(&[N, 1]));
        let z = q.mean.reshape(&[N, K]).concat(ones, 1);
        let covariance = q.covariance().slice(&[0, 0, 0], &[1, K, K]).reshape(&[K, K]);
        let moments = z.matmul_as(z, true, false) * (1.0 / N as f64) + covariance.pad(&[0, 0], &[K + 1, K + 1]);
        let root = moments.cholesky();
        let slope = grad(elbo, &[self.theta])[0].transpose() * self.log_var.exp();
        let step = root.triangular_solve(root.triangular_solve(slope, false), true);
        let theta = self.theta + step.transpose();
        [theta, (self.residual(&q, theta).mean(BATCH) * (1.0 / D as f64)).ln()]
    }
}

const PHI: [&str; 3] = ["phi.v", "phi.c", "phi.packed"];
const THETA: [&str; 2] = ["theta.w", "theta.lv"];

/// Sets what both graphs have in common at first.
fn begin(e: &mut Evaluated, x: &[f64]) {
    let mut rng = Rng::new("begin", 1);
    e.set("data.x", 0, x);
    e.set("theta.w", 0, &rng.between(D * (K + 1), -0.5, 0.5));
    e.set("theta.lv", 0, &[0.5]);
    e.set("phi.v", 0, &rng.between(K * D, -0.3, 0.3));
    e.set("phi.c", 0, &rng.between(K, -0.3, 0.3));
    e.set("phi.packed", 0, &rng.between(K * (K + 1) / 2, -0.4, 0.4));
}

#[test]
fn the_bound_rises_to_the_closed_form_of_probabilistic_pca() {
    let x = examples();
    let g = Graph::new();
    let model = Model::new(&g);
    let elbo = model.elbo();
    let mut parts = vec![elbo, model.evidence()];
    parts.extend(model.best_encoder());
    parts.extend(model.best_decoder(elbo));
    parts.extend(grad(elbo, &[&model.phi[..], &[model.theta, model.log_var]].concat()));
    let mut e = Evaluated::new(&g, &parts, Options::default());
    begin(&mut e, &x);

    let samples = Graph::new();
    let sampled = Model::new(&samples);
    let mut draws = Evaluated::new(&samples, &[sampled.estimates()], Options::default());
    begin(&mut draws, &x);

    let largest = |parts: &[Vec<f64>]| parts.iter().flatten().fold(0.0f64, |m, v| if *v <= m { m } else { v.abs() });
    let mut bounds = vec![e.run()[0][0]];
    let (mean, error) = mean_and_error(&draws.run()[0]);
    assert!((mean - bounds[0]).abs() <= 4.0 * error, "at first {mean} ± {error}, and not {}", bounds[0]);
    assert!(error < 0.01 * bounds[0].abs(), "at first ± {error} says little of {}", bounds[0]);
    let mut theta = Vec::new();
    for round in 0..ROUNDS {
        let at = e.run();
        assert!(at[1][0] >= at[0][0] - 1e-10, "round {round}: the bound {} is above {}", at[0][0], at[1][0]);
        PHI.iter().zip(&at[2..5]).for_each(|(path, v)| e.set(path, 0, v));
        let at = e.run();
        bounds.push(at[0][0]);
        assert!((at[0][0] - at[1][0]).abs() < 1e-9, "round {round}: at the posterior {}, not {}", at[0][0], at[1][0]);
        assert!(largest(&at[7..10]) < 1e-9, "round {round}: the slope in φ is {:?}", &at[7..10]);
        theta = at[5..7].to_vec();
        THETA.iter().zip(&theta).for_each(|(path, v)| e.set(path, 0, v));
        let at = e.run();
        bounds.push(at[0][0]);
        assert!(largest(&at[10..12]) < 1e-9, "round {round}: the slope in θ is {:?}", &at[10..12]);
    }
    for (i, w) in bounds.windows(2).enumerate() {
        assert!(w[1] >= w[0] - 1e-10, "half step {i}: the bound fell from {} to {}", w[0], w[1]);
    }
    let (end, best) = (bounds[bounds.len() - 1], closed_form(&x));
    println!("{} … {end}, closed form {best}", bounds[0]);
    assert!((best - end).abs() < 1e-3 && best - bounds[0] > 1.0, "{end}, and not {best}; {} at first", bounds[0]);

    // Where the posterior is exact, ln p(x, z) − ln q(z | x) is ln p(x) whatever z: no sample is off.
    let at = e.run();
    PHI.iter().zip(&at[2..5]).chain(THETA.iter().zip(&theta)).for_each(|(path, v)| draws.set(path, 0, v));
    let off = draws.run()[0].iter().fold(0.0f64, |m, v| m.max((v - at[1][0]).abs()));
    assert!(off < 1e-9, "at the exact posterior a sample is off by {off}");
}

fn mean_and_error(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}
