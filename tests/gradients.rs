//! Every gradient rule, first and second order, against central differences at f64 on the reference executor.
//!
//! The loss is Σ c⊙y with random c, so that nothing cancels by symmetry; y also stands in for f(x) in y² + y, so that
//! a term is shared. The second loss is Σ v⊙∂loss/∂x + Σ q⊙x: the last term gives every x a path where f is linear.

mod common;

use common::{BOTH, Evaluated, Rng, panic_text, param, total};
use elbo::config::Activation;
use elbo::graph::{
    Axes, BATCH, Binarise, Count, Distribution, Draw, FEATURES, Gradient, Graph, Jumps, Op, Picture, SAMPLES, Tensor,
    Window, grad, partial,
};
use elbo::kernels::matmul_vec4::Act;
use elbo::kernels::{binary, unary};
use elbo::nn::{self, DiagonalGaussian, Gaussian, Mode, Scope};
use elbo::plan::Options;
use elbo::values::{DType, Shape};
use std::collections::BTreeSet;

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-7;
/// Of a large input, this many elements are perturbed.
const POINTS: usize = 40;

type Build = Box<dyn for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Tensor<'g>>;

struct Case {
    name: String,
    inputs: Vec<(Vec<usize>, Vec<f64>)>,
    build: Build,
    /// It has a first derivative alone.
    once: bool,
}

fn size(dims: &[usize]) -> usize {
    dims.iter().product()
}

/// A case whose inputs are away from 0.
fn case(
    name: impl Into<String>,
    shapes: &[&[usize]],
    build: impl for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Tensor<'g> + 'static,
) -> Case {
    let name = name.into();
    let mut rng = Rng::new(&name, shapes.len());
    let inputs = shapes.iter().map(|s| (s.to_vec(), rng.away(size(s)))).collect();
    Case { name, inputs, build: Box::new(build), once: false }
}

impl Case {
    fn once(self) -> Self {
        Self { once: true, ..self }
    }
    fn input(mut self, i: usize, values: &[f64]) -> Self {
        let n = self.inputs[i].1.len();
        self.inputs[i].1 = values.iter().cycle().take(n).copied().collect();
        self
    }
    fn between(mut self, i: usize, low: f64, high: f64) -> Self {
        let n = self.inputs[i].1.len();
        self.inputs[i].1 = Rng::new(&self.name, 99 + i).between(n, low, high);
        self
    }
}

fn near(what: &str, got: f64, expected: f64, tolerance: f64) {
    assert!(expected.is_finite(), "{what}: the difference quotient is {expected}");
    let bound = tolerance * (1.0 + expected.abs());
    assert!((got - expected).abs() <= bound, "{what}: {got}, by differences {expected}");
}

/// `columns` = losses, then the gradient of the first in each input, then of the second, …: all against differences.
fn differences(what: &str, e: &mut Evaluated, inputs: &[(String, Vec<f64>)], losses: usize, tolerance: f64) {
    for (path, v) in inputs {
        e.set(path, 0, v);
    }
    let at = e.run();
    let mut largest = 0.0f64;
    for (i, (path, v)) in inputs.iter().enumerate() {
        for j in (0..v.len()).step_by(v.len().div_ceil(POINTS)) {
            let mut side = |h: f64| {
                e.set(path, j, &[v[j] + h]);
                let r = e.run();
                (0..losses).map(|l| r[l][0]).collect::<Vec<_>>()
            };
            let (up, down) = (side(STEP), side(-STEP));
            e.set(path, j, &[v[j]]);
            for l in 0..losses {
                let slope = (up[l] - down[l]) / (2.0 * STEP);
                let got = at[losses + l * inputs.len() + i][j];
                largest = largest.max(got.abs());
                near(&format!("{what}: order {}, {path}[{j}]", l + 1), got, slope, tolerance);
            }
        }
    }
    assert!(largest > 1e-3, "{what}: every gradient is about 0, so nothing is tested");
}

fn check(c: &Case, shared: bool, options: Options) {
    let g = Graph::new();
    let mut rng = Rng::new(&c.name, 1);
    let xs: Vec<_> = c.inputs.iter().enumerate().map(|(i, (dims, _))| param(&g, &format!("p.{i}"), dims)).collect();
    let y = (c.build)(&g, &xs);
    let y = if shared { y * y + y } else { y };
    // Weights of the losses: parameters too, so that they are no constants that folding sees.
    let mut weights = Vec::new();
    let mut weight = |name: String, t: Tensor<'_>| {
        let w = param(&g, &name, t.shape().dims());
        weights.push((name, rng.away(t.len())));
        w
    };
    let first = total(weight("c.0".into(), y) * y);
    let d = grad(first, &xs);
    let inputs: Vec<_> = c.inputs.iter().enumerate().map(|(i, (_, v))| (format!("p.{i}"), v.clone())).collect();
    let what = format!("{} shared={shared} {options:?}", c.name);
    if c.once {
        let mut e = Evaluated::new(&g, &[&[first][..], &d].concat(), options);
        weights.iter().for_each(|(path, v)| e.set(path, 0, v));
        return differences(&what, &mut e, &inputs, 1, TOLERANCE);
    }
    let mut second = g.constant(0.0, Shape::SCALAR);
    for (i, (&x, &dx)) in xs.iter().zip(&d).enumerate() {
        assert_eq!(dx.shape(), x.shape(), "{}: the gradient of input {i}", c.name);
        second = second + total(weight(format!("v.{i}"), dx) * dx) + total(weight(format!("q.{i}"), x) * x);
    }
    let dd = grad(second, &xs);
    let parts: Vec<_> = [first, second].into_iter().chain(d).chain(dd).collect();
    let mut e = Evaluated::new(&g, &parts, options);
    for (path, v) in &weights {
        e.set(path, 0, v);
    }
    differences(&what, &mut e, &inputs, 2, TOLERANCE);
}

fn unary_case(f: unary::Op) -> Case {
    use unary::Op as U;
    let name = format!("{f:?}");
    let s: &[&[usize]] = &[&[3, 5]];
    match f {
        U::Exp => case(name, s, |_, x| x[0].exp()),
        U::Ln => case(name, s, |_, x| x[0].ln()).between(0, 0.3, 2.0),
        U::Sqrt => case(name, s, |_, x| x[0].sqrt()).between(0, 0.3, 2.0),
        U::Recip => case(name, s, |_, x| x[0].recip()).between(0, -2.0, -0.4),
        U::Abs => case(name, s, |_, x| x[0].abs()),
        // These have the derivative 0: they are factors that must be kept, and not differentiated.
        U::Sign => case(name, s, |_, x| x[0].exp() * x[0].sign()),
        U::Step => case(name, s, |_, x| x[0].exp() * x[0].step()),
        U::Inside => case(name, s, |_, x| x[0].exp() * x[0].inside(-0.75, 0.5)),
        U::Sigmoid => case(name, s, |_, x| x[0].sigmoid()),
        U::Tanh => case(name, s, |_, x| x[0].tanh()),
        U::Relu => case(name, s, |_, x| x[0].relu()),
        U::Softplus => case(name, s, |_, x| x[0].softplus()),
        U::Square => case(name, s, |_, x| x[0].square()),
        U::Affine => case(name, s, |_, x| x[0].affine(-1.25, 0.375)),
        U::Clamp => {
            let values = [-3.0, -0.76, -0.74, -0.2, 0.0, 0.3, 0.49, 0.51, 2.0];
            case(name, s, |_, x| x[0].clamp(-0.75, 0.5)).input(0, &values)
        }
    }
}

/// Pairs of shapes that broadcast: equal, scalar, trailing, leading, middle, both at once, size 1, the highest rank.
const PAIRS: &[(&[usize], &[usize])] = &[
    (&[3, 4], &[3, 4]),
    (&[3, 4], &[]),
    (&[3, 4], &[4]),
    (&[3, 4], &[3, 1]),
    (&[2, 3, 4], &[2, 1, 4]),
    (&[2, 3, 4], &[3, 1]),
    (&[4], &[2, 3, 1]),
    (&[1, 4], &[3, 1]),
    (&[1, 1], &[1]),
    (&[], &[1, 2, 1]),
    (&[2, 1, 2, 1, 2], &[3, 1, 2, 1]),
];

fn binary_cases(f: binary::Op) -> Vec<Case> {
    use binary::Op as B;
    let mut cases = Vec::new();
    for &(a, b) in PAIRS {
        for (s, t) in if a == b { vec![(a, b)] } else { vec![(a, b), (b, a)] } {
            let (name, s) = (format!("{f:?} {s:?} {t:?}"), &[s, t][..]);
            cases.push(match f {
                B::Add => case(name, s, |_, x| x[0] + x[1]),
                B::Sub => case(name, s, |_, x| x[0] - x[1]),
                B::Mul => case(name, s, |_, x| x[0] * x[1]),
                B::Div => case(name, s, |_, x| x[0] / x[1]).between(1, 0.5, 2.0),
                B::Max => case(name, s, |_, x| x[0].maximum(x[1])),
                B::Min => case(name, s, |_, x| x[0].minimum(x[1])),
                B::Gt => case(name, s, |_, x| x[0].greater(x[1]) * x[0] * x[1]),
                B::ReluGrad | B::SigmoidGrad | B::TanhGrad => {
                    assert_eq!(Op::Binary(f).gradient(), Gradient::Refused, "{f:?} is made after differentiation");
                    return vec![];
                }
            });
        }
    }
    cases
}

/// x/4 + 2I: triangular systems that are far from singular, and matrices that are positive definite.
fn heavier(x: Tensor<'_>) -> Tensor<'_> {
    let ones = x.like(2.0);
    x * 0.25 + (ones.triangle(1.0) - ones.triangle(0.0))
}

fn structure_cases() -> Vec<Case> {
    let mut c = vec![
        case("broadcast new axes", &[&[3]], |_, x| x[0].broadcast(Shape::new(&[2, 4, 3])).exp()),
        case("broadcast size-1 axes", &[&[2, 1, 3, 1]], |_, x| x[0].broadcast(Shape::new(&[2, 4, 3, 2]))),
        case("broadcast runs of axes", &[&[1, 1, 3, 1, 1]], |_, x| x[0].broadcast(Shape::new(&[2, 2, 3, 2, 2]))),
        case("broadcast a scalar", &[&[]], |_, x| x[0].broadcast(Shape::new(&[2, 3]))),
        case("reshape", &[&[2, 6]], |_, x| x[0].reshape(&[3, 4]).sigmoid() * x[0].reshape(&[3, 4])),
        case("reshape to a scalar", &[&[1, 1]], |_, x| x[0].reshape(&[]).tanh()),
        case("permute of rank 5", &[&[2, 1, 3, 2, 2]], |_, x| x[0].permute(&[3, 0, 4, 2, 1])),
        case("transpose, batched", &[&[2, 3, 4]], |_, x| x[0].transpose()),
        case("slice", &[&[4, 5]], |_, x| x[0].slice(&[1, 2], &[2, 3])),
        case("slice of rank 3, overlapping", &[&[3, 4, 2]], |_, x| {
            x[0].slice(&[0, 1, 0], &[2, 3, 2]) * x[0].slice(&[1, 0, 0], &[2, 3, 2])
        }),
        case("pad", &[&[2, 3]], |_, x| x[0].pad(&[1, 0], &[4, 5]).exp()),
        case("pad of rank 3", &[&[2, 1, 2]], |_, x| x[0].pad(&[0, 2, 1], &[3, 4, 3])),
        case("concat a tensor with itself", &[&[2, 3]], |_, x| x[0].concat(x[0].square(), 0)),
        case("sum of size-1 axes", &[&[1, 3, 1]], |_, x| x[0].sum(Axes::Numbered(0, 1)).sum(Axes::Numbered(1, 2))),
        case("sum in several passes", &[&[2, 4100]], |_, x| x[0].square().sum(Axes::Numbered(1, 2))),
        case("named axes", &[&[2, 3, 4]], |_, x| {
            let x = x[0].with_batch_axis(1);
            x.square().sum(FEATURES).mean(SAMPLES).mean(BATCH)
        }),
        case("bce, grey x", &[&[3, 4], &[3, 4]], |_, x| x[0].bce(x[1])).between(1, 0.05, 0.95),
        case("bce, x repeated over samples", &[&[2, 3, 4], &[3, 4]], |_, x| x[0].bce(x[1])).between(1, 0.0, 1.0),
        case("bce, large logits", &[&[4], &[4]], |_, x| x[0].bce(x[1])).input(0, &[-9.0, 9.0, -3.5, 4.0]),
        case("bce, one weight", &[&[3, 4]], |g, x| {
            let grey = g.constant(0.25, Shape::new(&[3, 4]));
            total(x[0].bce(grey)) * 0.125
        }),
        case("gaussian_kl", &[&[3, 4], &[3, 4]], |_, x| x[0].gaussian_kl(x[1])),
        case("reparameterise S=1", &[&[3, 2], &[3, 2], &[1, 3, 2]], |_, x| x[0].reparameterise(x[1], x[2])),
        case("reparameterise S=3", &[&[3, 2], &[3, 2], &[3, 3, 2]], |_, x| x[0].reparameterise(x[1], x[2])),
        case("reparameterise, same shape", &[&[4], &[4], &[4]], |_, x| x[0].reparameterise(x[1], x[2])),
        case("general Gaussians by their covariances", &[&[2, 3], &[2, 3, 3], &[3], &[3, 3]], |_, x| {
            let p = Gaussian::from_covariance(x[0], heavier(x[1]));
            let q = Gaussian::from_covariance(x[2], heavier(x[3]));
            p.kl(&q) + q.log_prob(x[0].reshape(&[2, 3])) + p.kl_standard() * p.entropy()
        }),
        case(
            "a general Gaussian by its numbers, and its noise",
            &[&[2, 4], &[2, 10], &[3, 2, 4], &[2, 4, 4]],
            |_, x| {
                let p = Gaussian::from_packed(x[0].with_batch_axis(0), x[1]);
                let q = Gaussian::from_scale_tril(x[0].tanh(), heavier(x[3]));
                let z = p.sample(x[2]);
                ((p.log_prob(z.tanh()) - q.log_prob(z)).mean(SAMPLES) + p.kl(&q) + p.kl_standard()) * 0.125
            },
        ),
        case("the divergence of categorical variables", &[&[3, 4], &[3, 4]], |_, x| nn::categorical_kl(x[0], x[1])),
        case("a Gaussian with its noise and its limits", &[&[4, 2], &[4, 2]], |g, x| {
            let q = DiagonalGaussian::new(x[0].with_batch_axis(0), x[1].with_batch_axis(0));
            let z = q.sample(&Scope::root(g, Mode::Train), 3);
            z.square().sum(FEATURES).mean(SAMPLES).mean(BATCH) + q.kl_standard().sum(FEATURES).mean(BATCH)
        })
        .input(1, &[-31.0, -1.0, 0.5, -35.0, 0.25, 1.0, -2.0]),
        case("what stops: scalars, states, constants, noise", &[&[2, 3]], |g, x| {
            let state = g.read(g.declare("state", Shape::new(&[3]), DType::F32));
            let noise = g.random("noise", Shape::new(&[2, 3]), Distribution::Uniform, false);
            (x[0] * g.scalar("a") + state).exp() * noise * x[0] - x[0].square() * g.constant(0.5, Shape::new(&[3]))
        }),
        case("the largest of each row, chosen without a gradient", &[&[4, 7]], |_, x| {
            x[0].exp() * x[0].top_k(Count::Fixed(3))
        }),
        case("a value with its slopes, one by an inner tensor", &[&[3, 4], &[2, 4]], |_, x| {
            let h = x[0].tanh();
            let y = total(h.matmul_as(x[1], false, true).square() + x[1].exp().sum(Axes::All));
            let slopes: Vec<_> = [h, x[1]].into_iter().zip(partial(y, &[h, x[1]])).collect();
            y.with_gradient(&slopes)
        }),
        case("detached where it does not matter", &[&[2, 3]], |_, x| x[0].square() + x[0].sign().detach() * x[0]),
        case("one parameter, read twice", &[&[3]], |g, x| x[0].sigmoid() * param(g, "p.0", &[3])),
        case("two layers and a residue", &[&[3, 4], &[5, 4], &[5], &[4, 5]], |_, x| {
            let h = (x[0].matmul_as(x[1], false, true) + x[2]).tanh();
            h.matmul_as(x[3], false, true).sigmoid() * x[0] + x[0]
        }),
        case("softmax cross entropy", &[&[3, 4], &[3, 4]], |_, x| {
            x[0].logsumexp(Axes::Numbered(1, 2)) - (x[0] * x[1]).sum(Axes::Numbered(1, 2))
        }),
    ];
    for s in [0.0, 0.5, -1.25] {
        c.push(case(format!("triangle {s}"), &[&[2, 3, 3]], move |_, x| x[0].triangle(s).exp()));
    }
    for (what, image, kernel, stride, before, patches) in [
        ("same extent", [3, 4], [3, 3], [1, 1], [1, 1], [3, 4]),
        ("half the extent", [5, 4], [4, 4], [2, 2], [1, 1], [2, 2]),
        ("uneven", [4, 3], [2, 1], [1, 2], [2, 0], [4, 2]),
    ] {
        let window = Window { image, patches, kernel, stride, before };
        let x = [2, image[0], image[1], 2];
        let u = [2, patches[0], patches[1], 2 * kernel[0] * kernel[1]];
        c.push(case(format!("unfold, {what}"), &[&x], move |_, x| x[0].unfold(window)));
        c.push(case(format!("fold, {what}"), &[&u], move |_, x| x[0].fold(window)));
    }
    let convolution: &[&[usize]] = &[&[1, 4, 3, 2], &[3, 3, 3, 2], &[2, 2, 2, 3]];
    c.push(case("a convolution and a transposed one", convolution, |_, x| {
        let same = Window::padded([4, 3], [3; 2], 1, 1).unwrap();
        let twice = Window { image: [8, 6], patches: [4, 3], kernel: [2; 2], stride: [2; 2], before: [0; 2] };
        nn::convolve_transposed(nn::convolve(x[0], x[1], same).tanh(), x[2], twice)
    }));
    c.push(case("triangle of rank 2", &[&[4, 4]], |_, x| x[0].triangle(1.0) * x[0]));
    c.push(case("diagonals there and back", &[&[2, 3, 3], &[4]], |_, x| {
        x[0].diagonal().exp().diagonal_matrix() * x[0] + total(x[1].diagonal_matrix().diagonal().square())
    }));
    c.push(case("products of stacked matrices", &[&[2, 2, 3, 4], &[2, 2, 5, 4]], |_, x| {
        x[0].matrix_product(x[1], false, true).tanh()
    }));
    for transposed in [false, true] {
        for (l, b) in
            [(&[1, 1][..], &[1, 3][..]), (&[4, 4], &[4, 1]), (&[2, 3, 3], &[2, 3, 2]), (&[2, 1, 2, 2], &[2, 1, 2, 3])]
        {
            let name = format!("triangular_solve {l:?} {b:?} transposed={transposed}");
            c.push(case(name, &[l, b], move |_, x| heavier(x[0]).triangular_solve(x[1], transposed)));
        }
        c.push(case(
            format!("triangular_solve, its own right side, transposed={transposed}"),
            &[&[3, 3]],
            move |_, x| heavier(x[0]).triangular_solve(x[0], transposed),
        ));
    }
    for dims in [&[1, 1][..], &[4, 4], &[2, 3, 3], &[2, 1, 2, 2]] {
        c.push(case(format!("cholesky {dims:?}"), &[dims], |_, x| heavier(x[0]).cholesky()));
    }
    for act in Act::ALL {
        // The sum is a path to h where the penalty is none.
        c.push(case(format!("jacobian_penalty {act:?}"), &[&[3, 4], &[4]], move |_, x| {
            x[0].jacobian_penalty(x[1], act) + x[0].sum(Axes::Numbered(1, 2))
        }));
    }
    // Every code is used by several rows, but for one that none uses; the index is that of the largest, as in a codebook.
    fn index(x: Tensor<'_>, k: usize) -> Tensor<'_> {
        x.argmax() * ((k - 2) as f64 / 3.0)
    }
    c.push(case("argmax", &[&[3, 4]], |_, x| x[0].exp() * x[0].argmax().reshape(&[3, 1])));
    c.push(case("gather", &[&[5, 3], &[7, 4]], |_, x| x[0].gather(index(x[1], 5)) * x[1].sum(Axes::All)));
    c.push(case("gather of books", &[&[2, 5, 3], &[7, 2, 4]], |_, x| {
        x[0].gather(index(x[1], 5)).exp() * x[1].sum(Axes::All)
    }));
    c.push(case("segment_sum", &[&[7, 4]], |_, x| x[0].segment_sum(index(x[0], 5), Shape::new(&[5, 4]))));
    c.push(case("segment_sum of books", &[&[7, 2, 4]], |_, x| {
        x[0].segment_sum(index(x[0], 5), Shape::new(&[2, 5, 4])).square()
    }));
    for [n, time, units] in [[1, 1, 1], [2, 1, 3], [3, 4, 2], [5, 3, 5]] {
        let (a, w) = ([n, time, 4 * units], [units, 4 * units]);
        // The square is a path to W where there is no step after the first.
        c.push(
            case(format!("lstm [{n},{time},{units}]"), &[&a, &w], |_, x| {
                let (h, late) = (x[0].lstm(x[1]), x[0].shape()[1] - 1);
                let last = h.slice(&[0, late, 0], &[h.shape()[0], 1, h.shape()[2]]);
                total(h.square()) + total(last) + total(x[1].square())
            })
            .once(),
        );
    }
    c.push(case("times of a sequence, one twice", &[&[3, 4, 2]], |g, x| {
        let jumps =
            Jumps { time: 4, near: [1, 2], far: [3, 3], far_share: 1 << 22, grow: 0, stream: 0, by_example: false };
        let t = g.jumps("t", 5, 3, jumps).slice(&[0, 0, 0], &[5, 3, 1]).reshape(&[5, 3]);
        x[0].at_time(t).exp() * (total(t.sinusoids(2)) * 0.125 + 2.0)
    }));
    c.push(case("places in time, some of several, some of none", &[&[5, 3, 2]], |g, x| {
        let jumps =
            Jumps { time: 4, near: [1, 2], far: [3, 3], far_share: 1 << 22, grow: 0, stream: 0, by_example: false };
        let t = g.jumps("t", 5, 3, jumps).slice(&[0, 0, 1], &[5, 3, 1]).reshape(&[5, 3]);
        x[0].placed(t, 4).exp() + total(x[0])
    }));
    for perm in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        c.push(case(format!("permute {perm:?}"), &[&[2, 3, 4]], move |_, x| x[0].permute(&perm).exp()));
    }
    for axis in 0..3 {
        let mut other = [2, 3, 2];
        other[axis] += 1;
        c.push(case(format!("concat along {axis}"), &[&[2, 3, 2], &other], move |_, x| x[0].concat(x[1], axis)));
    }
    for (a, b) in [(0, 3), (0, 1), (1, 2), (2, 3), (0, 2), (1, 3)] {
        let axes = Axes::Numbered(a, b);
        c.push(case(format!("sum {a}..{b}"), &[&[2, 3, 4]], move |_, x| x[0].sum(axes)));
        c.push(case(format!("mean {a}..{b}"), &[&[2, 3, 4]], move |_, x| x[0].mean(axes)));
        c.push(case(format!("logsumexp {a}..{b}"), &[&[2, 3, 4]], move |_, x| x[0].logsumexp(axes)));
        c.push(case(format!("logmeanexp {a}..{b}"), &[&[2, 3, 4]], move |_, x| (x[0] * 9.0).logmeanexp(axes)));
    }
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
        for (batch, m, k, n) in [(None, 3, 4, 2), (None, 1, 5, 1), (None, 4, 1, 4), (None, 8, 4, 8), (Some(2), 3, 2, 4)]
        {
            let dims = |t: bool, r: usize, c: usize| -> Vec<usize> {
                batch.into_iter().chain(if t { [c, r] } else { [r, c] }).collect()
            };
            let (a, b) = (dims(ta, m, k), dims(tb, k, n));
            let name = format!("matmul {a:?} {b:?} ta={ta} tb={tb}");
            c.push(case(name.clone(), &[&a, &b], move |_, x| x[0].matmul_as(x[1], ta, tb)));
            if ta != tb && m == n {
                c.push(case(name + " with itself", &[&a], move |_, x| x[0].matmul_as(x[0], ta, tb)));
            }
        }
    }
    c
}

fn all_cases() -> Vec<Case> {
    let unary = unary::Op::ALL.into_iter().map(unary_case);
    unary.chain(binary::Op::ALL.into_iter().flat_map(binary_cases)).chain(structure_cases()).collect()
}

#[test]
fn unary_rules_are_the_slopes() {
    for f in unary::Op::ALL {
        let c = unary_case(f);
        for options in BOTH {
            [false, true].iter().for_each(|&shared| check(&c, shared, options));
        }
    }
}

#[test]
fn binary_rules_are_the_slopes_however_operands_are_repeated() {
    for c in binary::Op::ALL.into_iter().flat_map(binary_cases) {
        for options in BOTH {
            [false, true].iter().for_each(|&shared| check(&c, shared, options));
        }
    }
}

#[test]
fn the_other_rules_are_the_slopes() {
    for c in structure_cases() {
        for options in BOTH {
            [false, true].iter().for_each(|&shared| check(&c, shared, options));
        }
    }
}

/// One op of every variant (and every function of the two families). A new variant does not compile here until it has
/// a number, and then fails the test below until it has an example and a case.
fn examples() -> Vec<Op> {
    const VARIANTS: usize = 43;
    let number = |op: &Op| match op {
        Op::Param(_) => 0,
        Op::State(_) => 1,
        Op::Const(_) => 2,
        Op::Scalar(_) => 3,
        Op::Random(_) => 4,
        Op::Batch(_) => 5,
        Op::Unary(..) => 6,
        Op::Binary(_) => 7,
        Op::Broadcast => 8,
        Op::Reshape => 9,
        Op::Permute(_) => 10,
        Op::Slice(_) => 11,
        Op::Pad(_) => 12,
        Op::Sum { .. } => 13,
        Op::Max { .. } => 14,
        Op::Matmul { .. } => 15,
        Op::Bce => 16,
        Op::GaussianKl => 17,
        Op::Reparam => 18,
        Op::Detach => 19,
        Op::Pack { .. } => 20,
        Op::Linear { .. } => 21,
        Op::BceGrad(_) => 22,
        Op::TopK(_) => 23,
        Op::JacobianPenalty(_) => 24,
        Op::Triangle(_) => 25,
        Op::TriangularSolve { .. } => 26,
        Op::Cholesky => 27,
        Op::WithGradient => 28,
        Op::ArgMax => 29,
        Op::Gather => 30,
        Op::SegmentSum => 31,
        Op::Unfold(_) => 32,
        Op::Fold(_) => 33,
        Op::Lstm => 34,
        Op::LstmTape => 35,
        Op::LstmGrad => 36,
        Op::AtTime => 37,
        Op::Placed => 38,
        Op::Jumps(_) => 39,
        Op::Moving(_) => 40,
        Op::Sprites => 41,
        Op::Sinusoids(_) => 42,
    };
    let window = Window { image: [1; 2], patches: [1; 2], kernel: [1; 2], stride: [1; 2], before: [0; 2] };
    let mut ops = vec![
        Op::Param(0),
        Op::State(0),
        Op::Const(0.0),
        Op::Scalar(0),
        Op::Random(Draw { of: Distribution::Normal, stream: 0, by_example: false }),
        Op::Batch(Picture { binarise: Binarise::None, stream: 0, by_example: false, streamed: false }),
        Op::Sprites,
        Op::Broadcast,
        Op::Reshape,
        Op::Permute(vec![]),
        Op::Slice(vec![]),
        Op::Pad(vec![]),
        Op::Sum { first: 0, count: 0, scale: 1.0 },
        Op::Max { first: 0, count: 0 },
        Op::Matmul { ta: false, tb: false },
        Op::Bce,
        Op::GaussianKl,
        Op::Reparam,
        Op::Detach,
        Op::Pack { path: String::new(), places: vec![] },
        Op::Linear { ta: false, tb: false, bias: false, act: Act::None, add: false, slope: Act::None },
        Op::BceGrad(1.0),
        Op::TopK(Count::Fixed(1)),
        Op::JacobianPenalty(Act::None),
        Op::Triangle(0.5),
        Op::TriangularSolve { transposed: false },
        Op::Cholesky,
        Op::WithGradient,
        Op::ArgMax,
        Op::Gather,
        Op::SegmentSum,
        Op::Unfold(window),
        Op::Fold(window),
        Op::Lstm,
        Op::LstmTape,
        Op::LstmGrad,
        Op::AtTime,
        Op::Placed,
        Op::Sinusoids(1),
        Op::Moving(Picture { binarise: Binarise::None, stream: 0, by_example: false, streamed: false }),
        Op::Jumps(Jumps { time: 2, near: [1, 1], far: [1, 1], far_share: 0, grow: 0, stream: 0, by_example: false }),
    ];
    ops.extend(unary::Op::ALL.map(|f| Op::Unary(f, 0.0, 0.0)));
    ops.extend(binary::Op::ALL.map(Op::Binary));
    let seen: BTreeSet<usize> = ops.iter().map(number).collect();
    assert_eq!(seen, (0..VARIANTS).collect(), "a variant of Op has no example");
    ops
}

#[test]
fn every_op_with_a_rule_has_a_case() {
    let mut used = BTreeSet::new();
    for c in all_cases() {
        let g = Graph::new();
        let xs: Vec<_> = c.inputs.iter().enumerate().map(|(i, (dims, _))| param(&g, &format!("p.{i}"), dims)).collect();
        (c.build)(&g, &xs);
        used.extend(g.nodes().iter().map(|n| n.op.name()));
    }
    for op in examples() {
        match op.gradient() {
            Gradient::Rule => assert!(used.contains(&op.name()), "{} has a rule and no case", op.name()),
            Gradient::Stops => {
                assert!(
                    used.contains(&op.name()) || matches!(op, Op::Batch(_) | Op::Moving(_) | Op::Sprites),
                    "{}",
                    op.name()
                )
            }
            Gradient::Refused => {}
        }
    }
    let refused: Vec<String> =
        examples().iter().filter(|o| o.gradient() == Gradient::Refused).map(|o| o.name()).collect();
    assert_eq!(
        refused,
        ["max", "pack", "linear", "bcegrad", "lstmtape", "lstmgrad", "relugrad", "sigmoidgrad", "tanhgrad"]
    );
}

#[test]
fn what_has_no_gradient_says_so_by_name() {
    let of = |f: for<'g> fn(&'g Graph, Tensor<'g>) -> Tensor<'g>| {
        panic_text(move || {
            let g = Graph::new();
            let x = param(&g, "net.weight", &[2, 3]);
            grad(total(f(&g, x)), &[x]);
        })
    };
    assert_eq!(of(|_, x| x.max(Axes::All)), "max has no gradient; detach it, or leave it to fusion");
    assert_eq!(of(|g, x| g.pack("p", &[x], vec![0], 6)), "pack has no gradient; detach it, or leave it to fusion");
    assert!(
        panic_text(|| {
            let g = Graph::new();
            let (a, w) = (param(&g, "a.0", &[1, 2, 4]), param(&g, "w.0", &[1, 4]));
            let slope = grad(total(a.lstm(w)), &[a])[0];
            grad(total(slope.square()), &[a]);
        })
        .contains("lstmgrad has no gradient")
    );
    assert_eq!(of(|_, x| x.detach().exp()), "net.weight has no path to the loss");
    assert_eq!(of(|_, x| x.sign() + x.step() + x.inside(0.0, 1.0)), "net.weight has no path to the loss");
    assert_eq!(of(|_, x| x.greater(x * 2.0)), "net.weight has no path to the loss");
    assert_eq!(of(|_, x| x.top_k(Count::Fixed(2))), "net.weight has no path to the loss");
    assert_eq!(of(|_, x| x.argmax()), "net.weight has no path to the loss");
    assert_eq!(of(|g, x| g.constant(1.0, Shape::new(&[4, 2])).gather(x)), "net.weight has no path to the loss");
    assert_eq!(of(|g, x| g.constant(1.0, x.shape())), "net.weight has no path to the loss");
    assert!(
        panic_text(|| {
            let g = Graph::new();
            let x = param(&g, "w.0", &[2, 3]);
            grad(x, &[x]);
        })
        .contains("a loss is a scalar")
    );
    // As training does: parameters are named after the loss was made.
    assert_eq!(
        panic_text(|| {
            let g = Graph::new();
            let loss = total(param(&g, "net.used", &[3]).exp());
            let all = [param(&g, "net.used", &[3]), param(&g, "net.forgotten", &[3])];
            grad(loss, &all);
        }),
        "net.forgotten has no path to the loss"
    );
    assert!(
        panic_text(|| {
            let g = Graph::new();
            let x = param(&g, "net.weight", &[3]);
            let other = x.exp();
            grad(total(x.square()), &[x, other]);
        })
        .contains("has no path to the loss")
    );
}

fn slope_of(f: impl for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Tensor<'g>, inputs: &[&[f64]]) -> Vec<Vec<f64>> {
    let g = Graph::new();
    let paths: Vec<String> = (0..inputs.len()).map(|i| format!("p.{i}")).collect();
    let xs: Vec<_> = paths.iter().zip(inputs).map(|(p, v)| param(&g, p, &[v.len()])).collect();
    let d = grad(total(f(&g, &xs)), &xs);
    let mut e = Evaluated::new(&g, &d, Options::default());
    for (p, v) in paths.iter().zip(inputs) {
        e.set(p, 0, v);
    }
    e.run()
}

/// What differences cannot see: where there is a kink, one side is chosen, and it is this one.
#[test]
fn at_a_kink_one_side_is_chosen() {
    let x: &[f64] = &[-1.0, -0.75, 0.0, 0.5, 0.75];
    assert_eq!(slope_of(|_, x| x[0].clamp(-0.75, 0.5), &[x]), [[0.0, 1.0, 1.0, 1.0, 0.0]]);
    assert_eq!(slope_of(|_, x| x[0].relu(), &[x]), [[0.0, 0.0, 0.0, 1.0, 1.0]]);
    assert_eq!(slope_of(|_, x| x[0].abs(), &[x]), [[-1.0, -1.0, 0.0, 1.0, 1.0]]);
    let (a, b): (&[f64], &[f64]) = (&[1.0, 2.0, 3.0], &[2.0, 2.0, 2.0]);
    assert_eq!(slope_of(|_, x| x[0].maximum(x[1]), &[a, b]), [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]);
    assert_eq!(slope_of(|_, x| x[0].minimum(x[1]), &[a, b]), [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
}

#[test]
fn detach_stops_and_only_there() {
    assert_eq!(slope_of(|_, x| x[0] * x[0].detach(), &[&[2.0, -3.0]]), [[2.0, -3.0]]);
    assert_eq!(slope_of(|_, x| (x[0] * 2.0).detach() * x[0] + x[0], &[&[2.0, -3.0]]), [[5.0, -5.0]]);
}

/// The slopes that are given, and none by the value's own way.
#[test]
fn given_slopes_are_believed() {
    let x: &[f64] = &[2.0, -3.0];
    assert_eq!(slope_of(|_, x| total(x[0].square()).with_gradient(&[(x[0], x[0] * 10.0)]), &[x]), [[20.0, -30.0]]);
    let twice = slope_of(|_, x| total(x[0]).with_gradient(&[(x[0], x[0].like(1.0)), (x[0], x[0])]) * 0.5, &[x]);
    assert_eq!(twice, [[1.5, -1.0]]);
    let refused = panic_text(|| {
        let g = Graph::new();
        let x = param(&g, "w.0", &[2, 3]);
        total(x).with_gradient(&[(x, x.sum(Axes::Numbered(0, 1)))]);
    });
    assert!(refused.contains("with_gradient of 2x3 and 3 ") && refused.contains("a slope has the shape"), "{refused}");
}

/// y = Σ hx, h = x²: ∂y/∂x is h by x alone, and 3x² in all.
#[test]
fn a_partial_slope_holds_the_other_variables() {
    let parts = |of: for<'g> fn(Tensor<'g>, &[Tensor<'g>]) -> Vec<Tensor<'g>>| {
        let g = Graph::new();
        let x = param(&g, "p.0", &[2]);
        let h = x.square();
        let mut e = Evaluated::new(&g, &of(total(h * x), &[h, x]), Options::default());
        e.set("p.0", 0, &[2.0, -3.0]);
        e.run()
    };
    assert_eq!(parts(partial), [[2.0, -3.0], [4.0, 9.0]]);
    assert_eq!(parts(grad), [[2.0, -3.0], [12.0, 27.0]]);
}

#[test]
fn a_gradient_in_an_inner_tensor_stops_there() {
    let g = Graph::new();
    let x = param(&g, "p.0", &[3]);
    let h = x.square();
    let loss = total(h.exp() + h);
    let d = grad(loss, &[h, x, loss]);
    let mut e = Evaluated::new(&g, &d, Options::default());
    let v = [0.5, -1.0, 0.25f64];
    e.set("p.0", 0, &v);
    let got = e.run();
    for i in 0..3 {
        let dh = (v[i] * v[i]).exp() + 1.0;
        near("dh", got[0][i], dh, 1e-12);
        near("dx", got[1][i], dh * 2.0 * v[i], 1e-12);
    }
    assert_eq!(got[2], [1.0]);
}

/// ‖∂h/∂x‖² of an encoder with two hidden layers, by a random cotangent: u = ∂(Σ v⊙h)/∂x, P = Σ u², dP/dW.
#[test]
fn the_contractive_penalty_of_a_deep_encoder_has_the_right_slope() {
    for f in [Activation::Relu, Activation::Sigmoid, Activation::Tanh, Activation::Softplus] {
        for options in BOTH {
            let g = Graph::new();
            let net = Scope::root(&g, Mode::Train);
            let x = param(&g, "x.0", &[3, 6]).with_batch_axis(0);
            let h = nn::mlp(&(&net / "net"), x, &[5, 4], f);
            let v = param(&g, "v.0", h.shape().dims());
            let u = grad(total(v * h), &[x])[0];
            let penalty = total(u.square());
            // A relu's slope does not depend on the bias but in steps: there the biases have no path.
            let kept = |p: &str| p.starts_with("net") && (f != Activation::Relu || p.ends_with("weight"));
            let declared: Vec<_> = g.params();
            let wrt: Vec<_> = declared.iter().filter(|p| kept(&p.path)).collect();
            let params: Vec<_> = wrt.iter().map(|p| g.param(&p.path, p.shape, p.init)).collect();
            let d = grad(penalty, &params);
            let mut e = Evaluated::new(&g, &[&[penalty][..], &d].concat(), options);
            let mut rng = Rng::new("contractive", 5);
            for p in &declared {
                e.set(&p.path, 0, &rng.away(p.shape.len()));
            }
            let inputs: Vec<_> = wrt.iter().map(|p| (p.path.clone(), rng.away(p.shape.len()))).collect();
            differences(&format!("contractive {f:?} {options:?}"), &mut e, &inputs, 1, 1e-6);
        }
    }
}
