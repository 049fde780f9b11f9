//! Priors over codes: what a position may see, all that it should see, and that they learn what can be known.

mod common;

use common::{BOTH, Evaluated, Rng, param};
use elbo::config::Prior;
use elbo::graph::{Axes, Graph, Tensor, grad};
use elbo::models::Autoencoder;
use elbo::nn::{Mode, Scope};

const HEIGHT: usize = 3;
const WIDTH: usize = 4;
const POSITIONS: usize = HEIGHT * WIDTH;

fn priors() -> [Prior; 3] {
    let map = [HEIGHT, WIDTH, 1, 5];
    let plain = Prior { map, channels: 6, layers: 4, radius: 1, ..Prior::default() };
    [plain.clone(), Prior { radius: 2, layers: 2, ..plain.clone() }, Prior { attention: true, layers: 2, ..plain }]
}

/// A prior over the codes of a parameter, so that they can be set, all weights at random.
fn evaluated<'g>(g: &'g Graph, dims: &[usize], make: impl Fn(&Scope<'g>, Tensor<'g>) -> Vec<Tensor<'g>>) -> Evaluated {
    let net = Scope::root(g, Mode::Evaluate);
    let parts = make(&(&net / "prior"), param(g, "codes.0", dims).with_batch_axis(0));
    let mut e = Evaluated::new(g, &parts, BOTH[0]);
    for p in g.params() {
        e.set(&p.path, 0, &Rng::new(&p.path, 2).between(p.shape.len(), -0.5, 0.5));
    }
    e
}

/// A code changes nothing at its own position or before; and all that comes behind it, but for what is out of reach.
#[test]
fn a_position_sees_what_is_before_it_and_only_that() {
    for prior in priors() {
        let g = Graph::new();
        let mut e = evaluated(&g, &[1, HEIGHT, WIDTH], |net, codes| vec![prior.logits(net, codes, None)]);
        let codes: Vec<f64> = (0..POSITIONS).map(|i| (i * 7 % 5) as f64).collect();
        e.set("codes.0", 0, &codes);
        let before = e.run().remove(0);
        for (i, &code) in codes.iter().enumerate() {
            e.set("codes.0", i, &[(code + 2.0) % 5.0]);
            let after = e.run().remove(0);
            e.set("codes.0", i, &[code]);
            let moved = |j: usize| before[j * 5..][..5] != after[j * 5..][..5];
            let seen: Vec<usize> = (0..POSITIONS).filter(|&j| moved(j)).collect();
            assert!(seen.iter().all(|&j| j > i), "{prior:?}: code {i} is seen at {seen:?}");
            // The next position, if it is in the same row or attention has no rows, and the last see all.
            assert!(
                i + 1 == POSITIONS || seen.contains(&(POSITIONS - 1)),
                "{prior:?}: the last does not see {i}: {seen:?}"
            );
            if (i + 1) % WIDTH != 0 || prior.attention && i + 1 < POSITIONS {
                assert!(seen.contains(&(i + 1)), "{prior:?}: {} does not see its neighbour: {seen:?}", i + 1);
            }
        }
    }
}

/// Probabilities sum to 1: of all sequences of two codes over two positions.
#[test]
fn the_probabilities_of_all_maps_sum_to_one() {
    for attention in [false, true] {
        let prior = Prior { map: [1, 3, 1, 3], channels: 4, layers: 2, radius: 1, attention, ..Prior::default() };
        let g = Graph::new();
        let mut e = evaluated(&g, &[27, 1, 3], |net, codes| vec![prior.nll(net, codes, None)]);
        let all: Vec<f64> = (0..27).flat_map(|i| [i / 9, i / 3 % 3, i % 3].map(f64::from)).collect();
        e.set("codes.0", 0, &all);
        let nats = e.run().remove(0);
        let sum: f64 = nats.iter().map(|n| (-n).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12 && nats.iter().any(|n| (n - nats[0]).abs() > 1e-3), "{sum}: {nats:?}");
    }
}

/// Adam on the nats of the maps, at f64.
fn fitted(prior: &Prior, maps: &[f64], dims: [usize; 3], condition: Option<&[f64]>, steps: i32) -> f64 {
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Train);
    let codes = param(&g, "codes.0", &dims).with_batch_axis(0);
    let known = condition.map(|c| param(&g, "condition.0", &[dims[0], 1, 1, c.len() / dims[0]]));
    let loss = prior.nll(&(&net / "prior"), codes, known).mean(Axes::All);
    let params: Vec<_> = g.params().into_iter().filter(|p| p.path.starts_with("prior")).collect();
    let weights: Vec<Tensor<'_>> = params.iter().map(|p| g.param(&p.path, p.shape, p.init)).collect();
    let d = grad(loss, &weights);
    let mut e = Evaluated::new(&g, &[&[loss][..], &d].concat(), BOTH[0]);
    e.set("codes.0", 0, maps);
    condition.iter().for_each(|c| e.set("condition.0", 0, c));
    let mut w: Vec<Vec<f64>> = params.iter().map(|p| Rng::new(&p.path, 3).between(p.shape.len(), -0.4, 0.4)).collect();
    let (mut m, mut v): (Vec<Vec<f64>>, Vec<Vec<f64>>) =
        (w.iter().map(|w| vec![0.0; w.len()]).collect(), w.iter().map(|w| vec![0.0; w.len()]).collect());
    let mut loss = f64::NAN;
    for t in 1..=steps {
        params.iter().zip(&w).for_each(|(p, w)| e.set(&p.path, 0, w));
        let out = e.run();
        loss = out[0][0];
        for (k, d) in out[1..].iter().enumerate() {
            for (i, d) in d.iter().enumerate() {
                m[k][i] = 0.9 * m[k][i] + 0.1 * d;
                v[k][i] = 0.99 * v[k][i] + 0.01 * d * d;
                let (a, b) = (m[k][i] / (1.0 - 0.9f64.powi(t)), v[k][i] / (1.0 - 0.99f64.powi(t)));
                w[k][i] -= 0.02 * a / (b.sqrt() + 1e-8);
            }
        }
    }
    loss
}

/// Three maps of a pattern, each with another first code, from which all others follow: ln 3 nats, and none where the map
/// is named.
#[test]
fn a_pattern_costs_what_cannot_be_known() {
    let maps: Vec<f64> = (0..3).flat_map(|b| (0..9).map(move |i| f64::from((b + i / 3 + 2 * (i % 3)) % 3))).collect();
    for attention in [false, true] {
        let prior =
            Prior { map: [3, 3, 1, 3], channels: 8, layers: 2, radius: 1, attention, dropout: 0.0, ..Prior::default() };
        let free = fitted(&prior, &maps, [3, 3, 3], None, 150);
        assert!(free > 3.0f64.ln() && free < 3.0f64.ln() + 0.05, "attention={attention}: {free} nats");
        let one_hot = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let named = fitted(&prior, &maps, [3, 3, 3], Some(&one_hot), 150);
        assert!(named > 0.0 && named < 0.05, "attention={attention}: {named} nats of a map that is named");
    }
}

/// An example's codes: those of the level above say something of the places below and beside them, and cost nothing themselves.
#[test]
fn the_level_above_is_known() {
    let prior =
        Prior { map: [4, 4, 1, 4], above: vec![2, 2, 1, 3], channels: 5, layers: 2, radius: 1, ..Prior::default() };
    let g = Graph::new();
    let mut e = evaluated(&g, &[1, 20, 1], |net, x| {
        let last = g.constant(15.0, elbo::values::Shape::SCALAR);
        vec![prior.next(net, x, last), prior.loss(net, x).total]
    });
    let codes: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 3)).collect();
    e.set("codes.0", 0, &codes);
    let before = e.run();
    e.set("codes.0", 3, &[(codes[3] + 1.0) % 3.0]);
    let told = e.run();
    assert!(told.iter().zip(&before).all(|(a, b)| a != b), "the place below the last code above sees it");
    e.set("codes.0", 3, &codes[3..4]);
    // The very last code is not seen at its own place, and is what is paid for.
    e.set("codes.0", 19, &[(codes[19] + 1.0) % 4.0]);
    let paid = e.run();
    assert_eq!(paid[0], before[0]);
    let k = codes[19] as usize;
    let (a, b) = (before[0][k], before[0][(k + 1) % 4]);
    assert!((paid[1][0] - before[1][0] - (a - b)).abs() < 1e-9, "{paid:?}, {before:?}");
}

/// Codes of two books are one sequence, book by book, each of a table of its own: all maps together are certain.
#[test]
fn books_of_a_position_follow_one_another() {
    let prior = Prior { map: [1, 2, 2, 2], channels: 4, layers: 2, radius: 1, ..Prior::default() };
    let g = Graph::new();
    let mut e = evaluated(&g, &[16, 1, 4], |net, codes| vec![prior.nll(net, codes, None)]);
    let all: Vec<f64> = (0..16).flat_map(|i| [i >> 3 & 1, i >> 2 & 1, i >> 1 & 1, i & 1].map(f64::from)).collect();
    e.set("codes.0", 0, &all);
    let sum: f64 = e.run()[0].iter().map(|n| (-n).exp()).sum();
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
}
