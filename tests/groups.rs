//! Grouping: what becomes one pass of `map` or `scalars`, what must not, and that nothing else changes.

mod common;

use common::{BOTH, kernels_of, layout, pack, param, total};
use elbo::graph::{Axes, Graph, Tensor, grad};
use elbo::kernels::map::{INPUTS, INSTRUCTIONS};
use elbo::plan::{Options, compile};

type Build = for<'g> fn(&'g Graph) -> Vec<Tensor<'g>>;

/// The kernels of the grouped plan and of the ungrouped one, `name what`; their values agree.
fn kernels(build: Build) -> [Vec<String>; 2] {
    kernels_of([BOTH[0], Options { group: false, ..BOTH[0] }], "groups", build)
}

fn count(kernels: &[String], name: &str) -> usize {
    kernels.iter().filter(|k| k.split(' ').next() == Some(name)).count()
}

fn x(g: &Graph) -> Tensor<'_> {
    param(g, "x", &[6, 5])
}
fn w(g: &Graph) -> Tensor<'_> {
    param(g, "w", &[5, 5])
}

#[test]
fn a_chain_is_one_pass() {
    let [grouped, apart] = kernels(|g| vec![((x(g).exp() + param(g, "b", &[5])) * 0.5).tanh().square().matmul(w(g))]);
    assert_eq!((count(&grouped, "map"), grouped.len()), (1, 2), "{grouped:?}");
    assert_eq!(apart.len(), 6, "{apart:?}");
}

#[test]
fn what_others_read_too_is_a_second_output() {
    let [grouped, _] = kernels(|g| {
        let e = x(g).exp();
        vec![e.matmul(w(g)), (e * x(g)).square().matmul(w(g))]
    });
    assert_eq!((count(&grouped, "map"), count(&grouped, "unary"), grouped.len()), (1, 0, 3), "{grouped:?}");
}

#[test]
fn a_sum_is_formed_with_its_terms() {
    // All columns of a row at once; all elements in parts that another pass adds up.
    let [rows, _] = kernels(|g| vec![param(g, "r", &[64, 12]).exp().sum(Axes::Numbered(1, 2))]);
    assert_eq!(rows, ["map exp Σ12"]);
    let [all, _] = kernels(|g| vec![total(param(g, "r", &[64, 784]).square())]);
    assert_eq!(all, ["map square Σ98", "reduce sum [1,512,1]→1"]);
    // Terms that something else reads are written as well.
    let [both, _] = kernels(|g| {
        let e = param(g, "r", &[64, 12]).exp();
        vec![e.sum(Axes::Numbered(1, 2)), e.matmul(param(g, "w", &[12, 4]))]
    });
    assert_eq!((both[0].as_str(), both.len()), ("map exp Σ12", 2), "{both:?}");
    // Not over other axes, nor where the terms do not divide.
    for build in
        [(|g| vec![x(g).exp().sum(Axes::Numbered(0, 1))]) as Build, |g| vec![total(param(g, "p", &[1031]).exp())]]
    {
        let [grouped, _] = kernels(build);
        assert_eq!((count(&grouped, "map"), count(&grouped, "reduce")), (0, 1), "{grouped:?}");
    }
}

#[test]
fn passes_over_the_same_input_are_one() {
    let [grouped, _] = kernels(|g| vec![x(g).exp().square().matmul(w(g)), x(g).tanh().sigmoid().matmul(w(g))]);
    assert_eq!((count(&grouped, "map"), grouped.len()), (1, 3), "{grouped:?}");
}

#[test]
fn no_group_waits_for_itself() {
    // The product needs e, and what is made of both is elementwise: one pass cannot stand on both sides.
    let [grouped, _] = kernels(|g| {
        let e = x(g).exp();
        let s = (e * 2.0).tanh();
        vec![(s * e.matmul(w(g))).sigmoid()]
    });
    assert_eq!(grouped, ["unary exp", "matmul_scalar nn", "map affine…4"]);
    // Likewise through a sum: the softmax reads its own normaliser.
    let [grouped, _] = kernels(|g| {
        let e = param(g, "r", &[64, 12]).exp();
        vec![e / e.sum(Axes::Numbered(1, 2)).reshape(&[64, 1])]
    });
    assert_eq!((count(&grouped, "map"), count(&grouped, "binary")), (1, 1), "{grouped:?}");
}

#[test]
fn a_pass_has_room_for_so_much() {
    // One input more than there is room for.
    let [grouped, _] = kernels(|g| {
        let of = |i: usize| param(g, ["a", "b", "c", "d", "e", "f"][i], &[6, 5]);
        vec![(0..INPUTS + 1).map(of).reduce(|a, b| (a + b).tanh()).unwrap()]
    });
    assert_eq!(grouped.len(), 2, "{grouped:?}");
    // One function more.
    let [grouped, _] = kernels(|g| vec![(0..INSTRUCTIONS + 1).fold(x(g), |t, _| t.tanh())]);
    assert_eq!(grouped.len(), 2, "{grouped:?}");
    // One output more: what others read is not all written by one pass.
    let [grouped, _] = kernels(|g| {
        let t = [x(g).exp(), x(g).tanh(), x(g).sigmoid()];
        t.map(|t| t.matmul(w(g))).into()
    });
    assert_eq!(grouped.len(), 5, "{grouped:?}");
}

/// Metrics and the arithmetic between them are one dispatch, whose results others read where they stand.
#[test]
fn metrics_are_one_dispatch() {
    let g = Graph::new();
    let [a, b] = ["a", "b"].map(|name| total(param(&g, name, &[64, 12]).square()) * (1.0 / 64.0));
    let loss = a + g.scalar("beta") * b;
    g.log(&[("loss".into(), loss), ("a".into(), a), ("b".into(), b)]);
    let (packed, _) = pack(&g, "out/all", &[loss.exp()]);
    let plan = compile("metrics", &g, &[packed], &layout(&g), BOTH[0]).unwrap();
    let names: Vec<&str> = plan.dispatches.iter().map(|d| d.kernel.name()).collect();
    assert_eq!(names, ["map", "map", "scalars", "unary", "log_row"]);
}

/// What a gradient adds of elementwise work is grouped as well.
#[test]
fn a_backward_pass_is_grouped() {
    let [grouped, apart] = kernels(|g| {
        let loss = total((x(g).matmul(w(g)).tanh().exp() + x(g).sigmoid()).square());
        grad(loss, &[x(g), w(g)])
    });
    assert!(grouped.len() + 5 <= apart.len(), "{grouped:?}, apart {apart:?}");
}
