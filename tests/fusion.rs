//! Fusion: what each rule makes of a graph, fewer dispatches with the same values, and that it leaves alone what it must.

mod common;

use common::{kernels_of, param, total};
use elbo::graph::{Axes, Graph, Tensor, grad};
use elbo::plan::{Options, fusion_rules};

const RULES: Options = Options { fuse: true, group: false, reuse: true, mixed: false };
const UNFUSED: Options = Options { fuse: false, group: false, reuse: true, mixed: false };

type Parts = for<'g> fn(&'g Graph) -> Vec<Tensor<'g>>;

struct Fusion {
    rule: &'static str,
    /// What the rule replaces.
    fires: Parts,
    /// The kernel that stands there, `name describe`, or what is gone, with `-` in front.
    kernel: &'static str,
    /// How many dispatches fewer.
    saved: usize,
    /// The same, where it must not: something else reads what would vanish, or the form is not quite the one.
    spares: &'static [Parts],
}

fn x(g: &Graph) -> Tensor<'_> {
    param(g, "x.0", &[6, 5])
}
fn w(g: &Graph) -> Tensor<'_> {
    param(g, "w.0", &[5, 7])
}
fn b(g: &Graph) -> Tensor<'_> {
    param(g, "w.1", &[7])
}
/// Of the shape of x·w.
fn c(g: &Graph) -> Tensor<'_> {
    param(g, "w.3", &[6, 7])
}
fn y(g: &Graph) -> Tensor<'_> {
    param(g, "y.0", &[6, 5])
}

const FUSIONS: &[Fusion] = &[
    Fusion {
        rule: "nested sums",
        fires: |g| vec![x(g).exp().sum(Axes::Numbered(1, 2)).sum(Axes::Numbered(0, 1))],
        kernel: "reduce sum [1,30,1]",
        saved: 1,
        spares: &[
            |g| {
                let inner = x(g).exp().sum(Axes::Numbered(1, 2));
                vec![inner.sum(Axes::Numbered(0, 1)), inner]
            },
            |g| {
                let inner = x(g).exp().sum(Axes::Numbered(1, 2)).reshape(&[2, 3]);
                vec![inner.sum(Axes::Numbered(0, 1)), inner]
            },
        ],
    },
    Fusion {
        rule: "nested sums",
        fires: |g| vec![x(g).exp().sum(Axes::Numbered(1, 2)).reshape(&[2, 3]).sum(Axes::Numbered(0, 2))],
        kernel: "reduce sum [1,30,1]",
        saved: 1,
        spares: &[|g| vec![x(g).exp().sum(Axes::Numbered(1, 2)).reshape(&[2, 3]).sum(Axes::Numbered(0, 1))]],
    },
    Fusion {
        rule: "nested sums",
        fires: |g| vec![param(g, "x.3", &[2, 3, 4, 5]).exp().mean(Axes::Numbered(2, 3)).sum(Axes::Numbered(1, 2))],
        kernel: "reduce sum [2,12,5]",
        saved: 1,
        spares: &[|g| vec![param(g, "x.3", &[2, 3, 4, 5]).exp().sum(Axes::Numbered(2, 3)).sum(Axes::Numbered(0, 1))]],
    },
    Fusion {
        rule: "scaled sum",
        fires: |g| vec![x(g).exp().sum(Axes::Numbered(1, 2)) * 0.5],
        kernel: "-unary affine",
        saved: 1,
        spares: &[
            |g| {
                let s = x(g).exp().sum(Axes::Numbered(1, 2));
                vec![s * 0.5, s]
            },
            |g| vec![x(g).exp().sum(Axes::Numbered(1, 2)) * 0.5 + 1.0],
            |g| vec![x(g).max(Axes::Numbered(1, 2)) * 0.5],
        ],
    },
    Fusion {
        rule: "bias",
        fires: |g| vec![x(g).matmul(w(g)) + b(g)],
        kernel: "+bias",
        saved: 1,
        spares: &[
            |g| {
                let p = x(g).matmul(w(g));
                vec![p + b(g), p]
            },
            // One number a row, one number, and a full matrix are no bias.
            |g| vec![x(g).matmul(w(g)) + param(g, "w.2", &[6, 1])],
            |g| vec![x(g).matmul(w(g)) + param(g, "w.2", &[])],
            |g| vec![x(g).matmul(w(g)) + param(g, "w.2", &[6, 7])],
            |g| vec![x(g).matmul(w(g)) - b(g)],
            |g| vec![param(g, "x.0", &[2, 3, 5]).matmul(param(g, "w.0", &[2, 5, 7])) + b(g)],
        ],
    },
    Fusion {
        rule: "addend",
        fires: |g| vec![x(g).matmul(w(g)) + c(g)],
        kernel: "nn+add",
        saved: 1,
        spares: &[
            |g| {
                let p = x(g).matmul(w(g));
                vec![p + c(g), p]
            },
            |g| vec![x(g).matmul(w(g)) - c(g)],
            |g| vec![x(g).matmul(w(g)).relu() + c(g)],
            |g| {
                let p = x(g).matmul(w(g));
                vec![p + p]
            },
            // What is repeated is folded into the addition.
            |g| vec![x(g).matmul(w(g)) + param(g, "w.2", &[6, 1])],
            |g| vec![x(g).matmul(w(g)).reshape(&[2, 3, 7]) + param(g, "w.2", &[2, 3, 7])],
        ],
    },
    // Of two products one takes up the other; the addend may come after the product, and a bias before it.
    Fusion {
        rule: "addend",
        fires: |g| vec![x(g).matmul(w(g)) + y(g).matmul(w(g).exp())],
        kernel: "nn+add",
        saved: 1,
        spares: &[],
    },
    Fusion {
        rule: "addend",
        fires: |g| {
            let p = x(g).matmul(w(g)) + b(g);
            vec![(c(g).exp() + p).tanh()]
        },
        kernel: "nn+bias+add+tanh",
        saved: 3,
        spares: &[|g| {
            let p = x(g).matmul(w(g)) + b(g) + c(g);
            vec![p.tanh(), p]
        }],
    },
    Fusion {
        rule: "addend",
        fires: |g| {
            let p = param(g, "x.0", &[2, 3, 5]).matmul(param(g, "w.0", &[2, 5, 7]));
            vec![p + param(g, "w.1", &[2, 3, 7])]
        },
        kernel: "nn+add",
        saved: 1,
        spares: &[],
    },
    Fusion {
        rule: "slope",
        fires: |g| vec![x(g).matmul(w(g)) * c(g).step()],
        kernel: "nn·relu′",
        saved: 2,
        spares: &[
            |g| {
                let p = x(g).matmul(w(g));
                vec![p * c(g).step(), p]
            },
            |g| vec![c(g) * x(g).matmul(w(g)).step()],
            |g| vec![x(g).matmul(w(g)) * param(g, "w.2", &[6, 1]).step()],
        ],
    },
    Fusion {
        rule: "slope",
        fires: |g| vec![(x(g).matmul(w(g)) + c(g).exp()) * (c(g) * (1.0 - c(g)))],
        kernel: "nn+add·sigmoid′",
        saved: 4,
        spares: &[],
    },
    Fusion {
        rule: "slope",
        fires: |g| {
            let h = param(g, "w.1", &[2, 3, 7]);
            let p = param(g, "x.0", &[2, 3, 5]).matmul(param(g, "w.0", &[2, 5, 7])).tanh();
            vec![p * (1.0 - h.square())]
        },
        kernel: "nn+tanh·tanh′",
        saved: 4,
        spares: &[],
    },
    Fusion {
        rule: "activation",
        fires: |g| vec![x(g).matmul(w(g)).relu()],
        kernel: "+relu",
        saved: 1,
        spares: &[
            |g| {
                let p = x(g).matmul(w(g));
                vec![p.relu(), p]
            },
            |g| vec![x(g).relu()],
            |g| vec![x(g).matmul(w(g)).permute(&[1, 0]).relu()],
        ],
    },
    Fusion {
        rule: "activation",
        fires: |g| vec![(x(g).matmul(w(g)) + b(g)).sigmoid()],
        kernel: "+bias+sigmoid",
        saved: 2,
        spares: &[|g| {
            let p = x(g).matmul(w(g)) + b(g);
            vec![p.sigmoid(), p]
        }],
    },
    Fusion {
        rule: "activation",
        fires: |g| vec![param(g, "x.0", &[2, 3, 5]).matmul(param(g, "w.0", &[2, 5, 7])).tanh()],
        kernel: "+tanh",
        saved: 1,
        spares: &[|g| vec![x(g).matmul(w(g)).sigmoid().tanh()]],
    },
    Fusion {
        rule: "activation gradient",
        fires: |g| vec![x(g) * y(g).step()],
        kernel: "binary relugrad",
        saved: 1,
        spares: &[|g| {
            let s = y(g).step();
            vec![x(g) * s, s]
        }],
    },
    Fusion {
        rule: "activation gradient",
        fires: |g| vec![x(g) * (y(g) * (1.0 - y(g)))],
        kernel: "binary sigmoidgrad",
        saved: 2,
        spares: &[
            |g| {
                let p = y(g) * (1.0 - y(g));
                vec![x(g) * p, p]
            },
            |g| {
                let m = 1.0 - y(g);
                vec![x(g) * (y(g) * m), m]
            },
            |g| vec![x(g) * (y(g) * (1.0 - x(g)))],
            |g| vec![x(g) * (y(g) * (1.5 - y(g)))],
        ],
    },
    Fusion {
        rule: "activation gradient",
        fires: |g| vec![x(g) * (1.0 - y(g).square())],
        kernel: "binary tanhgrad",
        saved: 2,
        spares: &[
            |g| {
                let m = 1.0 - y(g).square();
                vec![x(g) * m, m]
            },
            |g| {
                let s = y(g).square();
                vec![x(g) * (1.0 - s), s]
            },
            |g| vec![x(g) * (1.0 - y(g).abs())],
        ],
    },
    Fusion {
        rule: "bce gradient",
        fires: |g| vec![(x(g).sigmoid() - y(g)) * 0.25],
        kernel: "bce grad",
        saved: 2,
        spares: &[
            |g| {
                let s = x(g).sigmoid();
                vec![(s - y(g)) * 0.25, s]
            },
            |g| {
                let d = x(g).sigmoid() - y(g);
                vec![d * 0.25, d]
            },
            |g| vec![(x(g).sigmoid() - param(g, "y.1", &[5])) * 0.25],
            |g| vec![(x(g).tanh() - y(g)) * 0.25],
            |g| vec![(x(g).sigmoid() - y(g)).affine(0.25, 1.0)],
        ],
    },
];

/// Compiles both ways; the values agree. Returns (dispatches, what they are) of the fused and the unfused plan.
fn both(build: Parts, what: &str) -> [Vec<String>; 2] {
    kernels_of([RULES, UNFUSED], what, build)
}

/// A rule fires where it may and only there.
fn holds(f: &Fusion) {
    let present = |kernels: &[String]| match f.kernel.strip_prefix('-') {
        Some(gone) => !kernels.iter().any(|k| k.contains(gone)),
        None => kernels.iter().any(|k| k.contains(f.kernel)),
    };
    let [fused, unfused] = both(f.fires, f.kernel);
    assert!(present(&fused) && !present(&unfused), "{}: {fused:?}, unfused {unfused:?}", f.rule);
    assert_eq!(unfused.len() - fused.len(), f.saved, "{}: {fused:?}, unfused {unfused:?}", f.rule);
    for (i, &spared) in f.spares.iter().enumerate() {
        let [fused, _] = both(spared, f.kernel);
        let form = f.kernel != "-unary affine" || fused.iter().any(|k| k.contains("reduce"));
        assert!(form && !present(&fused), "{}, {}, spared {i}: {fused:?}", f.rule, f.kernel);
    }
}

#[test]
fn every_fusion_rule_fires_where_it_may_and_only_there() {
    FUSIONS.iter().for_each(holds);
    for rule in fusion_rules() {
        assert!(FUSIONS.iter().any(|f| f.rule == rule), "the rule `{rule}` has no proof here");
    }
    for f in FUSIONS {
        assert!(fusion_rules().any(|r| r == f.rule), "there is no rule `{}`", f.rule);
    }
}

#[test]
fn the_gradients_of_a_weight_and_its_bias_are_made_together_where_they_lie_so() {
    fn dy(g: &Graph) -> Tensor<'_> {
        param(g, "x.0", &[6, 8]).exp()
    }
    fn x(g: &Graph) -> Tensor<'_> {
        param(g, "y.0", &[6, 12])
    }
    const ROWS: Axes = Axes::Numbered(0, 1);
    holds(&Fusion {
        rule: "pair",
        fires: |g| {
            let (dy, x) = (dy(g), x(g));
            // The sum comes first, as it does in a backward pass.
            let db = dy.sum(ROWS);
            vec![x.tanh(), dy.matmul_as(x, true, false), db]
        },
        kernel: "weight_grad",
        saved: 1,
        spares: &[
            |g| vec![dy(g).sum(ROWS), dy(g).matmul_as(x(g), true, false)],
            |g| vec![dy(g).matmul_as(x(g), true, false), x(g).sum(ROWS)],
            |g| vec![dy(g).matmul_as(x(g), true, false), dy(g).mean(ROWS)],
            |g| vec![dy(g).matmul_as(x(g), true, false), dy(g).sum(Axes::Numbered(1, 2))],
            |g| vec![dy(g).matmul_as(x(g), true, false), x(g), dy(g).sum(ROWS)],
            |g| vec![dy(g).matmul_as(x(g).slice(&[0, 0], &[6, 11]), true, false), dy(g).sum(ROWS)],
            |g| {
                let (dy, x) = (dy(g), x(g));
                let dw = dy.matmul_as(x, true, false);
                vec![dw, dy.sum(ROWS), dw.square()]
            },
            |g| {
                let (dy, x) = (dy(g), x(g));
                let db = dy.sum(ROWS);
                vec![dy.matmul_as(x, true, false), db, db.square()]
            },
        ],
    });
    // Whichever of the two could be made first.
    holds(&Fusion {
        rule: "pair",
        fires: |g| {
            let dy = dy(g);
            let db = dy.sum(ROWS);
            vec![dy.matmul_as(x(g).tanh(), true, false), db]
        },
        kernel: "weight_grad",
        saved: 1,
        spares: &[],
    });
}

/// The forms that the gradient table leaves are the ones that the rules know.
#[test]
fn the_backward_pass_of_a_dense_net_is_fused() {
    let build: Parts = |g| {
        let h = (x(g).matmul(w(g)) + b(g)).relu();
        let h = h.matmul(param(g, "w.2", &[7, 4])).sigmoid();
        let h = h.matmul(param(g, "w.3", &[4, 4])).tanh();
        let logits = h.matmul(param(g, "w.4", &[4, 5])) + param(g, "w.5", &[5]);
        let loss = total(logits.bce(y(g))) * 0.125;
        let params: Vec<_> = [w(g), b(g), param(g, "w.2", &[7, 4]), param(g, "w.3", &[4, 4])].into();
        [vec![loss], grad(loss, &params)].concat()
    };
    let [fused, _] = both(build, "dense net");
    for kernel in ["+bias+relu", "+sigmoid", "+tanh", "·relu′", "·sigmoid′", "·tanh′", "bce grad"] {
        assert!(fused.iter().any(|k| k.contains(kernel)), "{kernel} is not in {fused:?}");
    }
}
