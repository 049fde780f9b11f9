//! The ops that are one kernel for speed are the formulas that they stand for: value and gradients agree with the same
//! written in plain ops, at f64, and with numbers known from elsewhere.

mod common;

use common::{BOTH, Evaluated, Rng, param, total};
use elbo::graph::{Graph, Tensor, grad};
use elbo::values::Shape;

/// The op and its composition, of the same inputs.
type Pair = for<'g> fn(&'g Graph, &[Tensor<'g>]) -> [Tensor<'g>; 2];

/// Holds an op to its composition: value, and the gradient of Σ c⊙y by every input. Inputs lie between −3 and 3, those
/// listed as `unit` between 0.05 and 0.95.
fn agree(name: &str, shapes: &[&[usize]], unit: &[usize], pair: Pair) {
    for options in BOTH {
        let g = Graph::new();
        let inputs: Vec<_> = shapes.iter().enumerate().map(|(i, s)| param(&g, &format!("x.{i}"), s)).collect();
        let [op, plain] = pair(&g, &inputs);
        assert_eq!(op.shape(), plain.shape(), "{name}");
        let c = param(&g, "c.0", op.shape().dims());
        let [d, e] = [op, plain].map(|y| grad(total(c * y), &inputs));
        let mut run = Evaluated::new(&g, &[vec![op], d, vec![plain], e].concat(), options);
        for (i, x) in inputs.iter().enumerate() {
            let (low, high) = if unit.contains(&i) { (0.05, 0.95) } else { (-3.0, 3.0) };
            run.set(&format!("x.{i}"), 0, &Rng::new(name, i).between(x.len(), low, high));
        }
        run.set("c.0", 0, &Rng::new(name, 99).away(c.len()));
        let parts = run.run();
        let (ops, plains) = parts.split_at(1 + inputs.len());
        for (i, (a, b)) in ops.iter().zip(plains).enumerate() {
            let what = if i == 0 { "value".into() } else { format!("gradient by input {}", i - 1) };
            assert!(a.iter().any(|v| v.abs() > 0.1), "{name}, {what}: all about 0");
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{name}, {what}: {a}, composed {b}");
            }
        }
    }
}

/// The value of an op at inputs of one element.
fn at(inputs: &[f64], op: impl for<'g> Fn(&[Tensor<'g>]) -> Tensor<'g>) -> f64 {
    let g = Graph::new();
    let tensors: Vec<_> = (0..inputs.len()).map(|i| param(&g, &format!("x.{i}"), &[1, 1])).collect();
    let mut run = Evaluated::new(&g, &[op(&tensors)], BOTH[0]);
    inputs.iter().enumerate().for_each(|(i, &v)| run.set(&format!("x.{i}"), 0, &[v]));
    run.run()[0][0]
}

fn near(got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-12, "{got}, not {want}");
}

#[test]
fn gaussian_kl_is_its_formula() {
    agree("gaussian_kl", &[&[4, 7], &[4, 7]], &[], |_, x| {
        let (mu, lv) = (x[0], x[1]);
        [mu.gaussian_kl(lv), (mu.square() + lv.exp() - lv - 1.0) * 0.5]
    });
    near(at(&[0.0, 0.0], |x| x[0].gaussian_kl(x[1])), 0.0);
    near(at(&[1.0, 0.0], |x| x[0].gaussian_kl(x[1])), 0.5);
    // σ² = 4: (4 − ln 4 − 1) / 2.
    near(at(&[0.0, 4f64.ln()], |x| x[0].gaussian_kl(x[1])), 1.5 - 2f64.ln());
}

#[test]
fn bce_is_its_formula() {
    agree("bce", &[&[5, 6], &[5, 6]], &[1], |_, x| {
        let (p, x1) = (x[0].sigmoid(), x[1]);
        [x[0].bce(x1), -(x1 * p.ln()) - (1.0 - x1) * (1.0 - p).ln()]
    });
    let bce = |a: f64, x: f64| at(&[a, x], |x| x[0].bce(x[1]));
    near(bce(0.0, 1.0), 2f64.ln());
    near(bce(3f64.ln(), 1.0), (4f64 / 3.0).ln());
    near(bce(3f64.ln(), 0.0), 4f64.ln());
}

#[test]
fn reparameterise_is_its_formula() {
    agree("reparameterise", &[&[4, 5], &[4, 5], &[3, 4, 5]], &[], |_, x| {
        let (mu, lv, eps) = (x[0], x[1], x[2]);
        let shape = Shape::new(&[3, 4, 5]);
        [mu.reparameterise(lv, eps), mu.broadcast(shape) + (lv * 0.5).exp().broadcast(shape) * eps]
    });
    // A deviation of 3.
    near(at(&[0.5, 9f64.ln(), -2.0], |x| x[0].reparameterise(x[1], x[2])), -5.5);
}
