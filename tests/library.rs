//! The library's door: a graph run once on every executor, and what it refuses.

use elbo::exec::{Choice, open, run, run_seeded};
use elbo::graph::{Axes, Count, Distribution, Graph, Init, ParamLayout, grad};
use elbo::plan::{Options, compile};
use elbo::values::{DType, HostBuf, Shape};

fn devices() -> Vec<Choice> {
    if std::env::var("ELBO_GPU_TESTS").as_deref() == Ok("skip") {
        println!("ELBO_GPU_TESTS=skip: not run on gpu");
        return vec![Choice::Reference, Choice::Cpu];
    }
    vec![Choice::Reference, Choice::Cpu, Choice::Gpu]
}

#[test]
fn values_and_gradients_agree_on_every_executor() {
    let g = Graph::new();
    let x = g.input("x", &[3, 4]);
    let w = g.param("encoder.weight", Shape::new(&[4, 5]), Init::Uniform { bound: 0.5 });
    let y = x.matmul(w).sigmoid().sum(Axes::All);
    let d = grad(y, &[x, w]);
    let numbers: Vec<f32> = (0..12).map(|i| i as f32 / 4.0 - 1.5).collect();
    let mut results = Vec::new();
    for choice in devices() {
        let mut e = open(&choice).unwrap();
        let inputs = [("x", numbers.clone().into())];
        let out = run(&mut *e, &g, &inputs, &[y, d[0], d[1]]).unwrap();
        assert_eq!(out.iter().map(|o| o.len()).collect::<Vec<_>>(), [1, 12, 20], "{choice}");
        results.push(out);
    }
    for other in &results[1..] {
        for (a, b) in results[0].iter().zip(other) {
            assert!(a.f32().iter().zip(b.f32()).all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + a.abs())), "{a:?} {b:?}");
        }
    }
}

#[test]
fn an_input_that_is_missing_or_of_another_length_is_refused_by_name() {
    let g = Graph::new();
    let y = g.input("x", &[2]).exp();
    let mut e = open(&Choice::Cpu).unwrap();
    let text = run(&mut *e, &g, &[], &[y]).unwrap_err().to_string();
    assert_eq!(text, "the graph's input `x` was not given");
    let text = run(&mut *e, &g, &[("x", vec![1.0f32].into())], &[y]).unwrap_err().to_string();
    assert_eq!(text, "the input `x` has 1 elements, the graph's has 2");
}

fn one(value: f32) -> HostBuf {
    vec![value].into()
}

/// A run on an executor that ran other graphs is the run on a new one: other parameters of the same and of a larger
/// bucket, and an input of the same name and another shape.
#[test]
fn each_run_stands_for_itself() {
    for choice in devices() {
        let mut used = open(&choice).unwrap();
        for (path, k, n) in [("net.a", 3, 4), ("net.b", 3, 4), ("net.b", 9, 40), ("net.a", 2, 3)] {
            let g = Graph::new();
            let w = g.param(path, Shape::new(&[k, n]), Init::Uniform { bound: 1.0 });
            let x = g.input("x", &[2, k]);
            let y = x.matmul(w);
            let inputs = [("x", (0..2 * k).map(|i| i as f32 / 4.0).collect::<Vec<_>>().into())];
            let [again, new] =
                [run(&mut *used, &g, &inputs, &[y, w]), run(&mut *open(&choice).unwrap(), &g, &inputs, &[y, w])]
                    .map(|out| out.unwrap());
            assert_eq!(again, new, "{choice}, {path} [{k}, {n}]");
            assert_eq!(again[1].f32(), g.params()[0].initial(0), "{choice}, {path} [{k}, {n}]");
        }
    }
}

#[test]
fn a_state_begins_as_zeros_or_as_it_was_given() {
    let g = Graph::new();
    let count = g.declare("count", Shape::new(&[1]), DType::F32);
    let next = g.read(count) + 1.0;
    g.assign(count, next);
    for choice in devices() {
        let mut e = open(&choice).unwrap();
        for (given, want) in [(None, 1.0), (Some(5.0), 6.0), (None, 1.0)] {
            let inputs: Vec<_> = given.map(|v| ("count", one(v))).into_iter().collect();
            assert_eq!(run(&mut *e, &g, &inputs, &[next]).unwrap(), [one(want)], "{choice}");
        }
    }
}

#[test]
fn scalars_and_parameters_are_given_by_name() {
    let g = Graph::new();
    let w = g.param("net.w", Shape::new(&[5]), Init::Zeros);
    let kept = w * w.top_k(Count::Scheduled(g.scalar_index("k")));
    let y = kept * g.scalar("a");
    for choice in devices() {
        let mut e = open(&choice).unwrap();
        let weights = vec![1.0f32, 5.0, 2.0, 4.0, 3.0];
        for (k, a, want) in [(2.0, 0.5, [0.0, 2.5, 0.0, 2.0, 0.0]), (3.0, -1.0, [0.0, -5.0, 0.0, -4.0, -3.0])] {
            let inputs = [("a", one(a)), ("net.w", weights.clone().into()), ("k", one(k))];
            let out = run(&mut *e, &g, &inputs, &[y]).unwrap();
            let got: Vec<f32> = out[0].f32().iter().map(|v| v + 0.0).collect();
            assert_eq!(got, want, "{choice}");
        }
    }
}

#[test]
fn draws_and_first_values_follow_the_seed() {
    let g = Graph::new();
    let w = g.param("net.w", Shape::new(&[4]), Init::Uniform { bound: 1.0 });
    let noise = g.random("noise", Shape::new(&[1, 2, 8]), Distribution::Uniform, false);
    let mut all = Vec::new();
    for choice in devices() {
        let mut e = open(&choice).unwrap();
        let [zero, seven, again] = [0, 7, 7].map(|seed| run_seeded(&mut *e, &g, seed, &[], &[noise, w]).unwrap());
        assert_eq!(seven, again, "{choice}");
        assert!(zero[0] != seven[0] && zero[1] != seven[1], "{choice}: the seed changes nothing");
        assert_eq!(run(&mut *e, &g, &[], &[noise, w]).unwrap(), zero, "{choice}: `run` is under seed 0");
        assert_eq!(seven[1].f32(), g.params()[0].initial(7), "{choice}");
        all.push(seven);
    }
    assert!(all.iter().all(|one| *one == all[0]), "a uniform draw is the same on every executor");
}

#[test]
fn what_does_not_fit_the_graph_is_refused_by_name() {
    let (g, other) = (Graph::new(), Graph::new());
    let y = g.input("x", &[2]) * g.scalar("a");
    let (foreign, _) = (other.input("x", &[2]), other.input("z", &[2]).exp().exp().exp());
    let mut e = open(&Choice::Cpu).unwrap();
    let x = || ("x", vec![1.0f32, 2.0].into());
    let a = || ("a", one(3.0));
    let mut refused = |inputs: &[(&str, HostBuf)]| {
        let e = run(&mut *e, &g, inputs, &[y]).unwrap_err();
        assert_eq!(e.exit_code(), 2, "{e}");
        e.to_string()
    };
    assert_eq!(refused(&[x()]), "the graph's scalar `a` was not given");
    assert_eq!(refused(&[a()]), "the graph's input `x` was not given");
    assert_eq!(refused(&[x(), a(), ("b", one(1.0))]), "the graph has no `b`; it has `x`, `a`");
    assert_eq!(refused(&[x(), a(), x()]), "the input `x` was given twice");
    assert_eq!(refused(&[x(), ("a", vec![1.0f32, 2.0].into())]), "the scalar `a` has 2 elements, the graph's has 1");
    assert_eq!(refused(&[a(), ("x", vec![1u32, 2].into())]), "the input `x` is given as U32, the graph's is F32");
    let last = other.tensor(other.nodes().len() - 1);
    for t in [foreign, last] {
        let text = run(&mut *e, &g, &[x(), a()], &[y, t]).unwrap_err().to_string();
        assert_eq!(text, "output 1 is a tensor of another graph than the one that is run");
    }
    assert_eq!(run(&mut *e, &g, &[x(), a()], &[y]).unwrap()[0].f32(), [3.0, 6.0]);
    // One name for two things is refused where it is given.
    g.scalar("x");
    let text = run(&mut *e, &g, &[x(), a()], &[y]).unwrap_err().to_string();
    assert_eq!(text, "`x` names both the input and the scalar of the graph; rename one of them");
}

#[test]
fn a_plan_over_a_store_of_another_length_is_refused() {
    let g = Graph::new();
    let w = g.param("net.w", Shape::new(&[5]), Init::Zeros);
    let packed = g.pack("out", &[w.exp()], vec![0], 5);
    for choice in devices() {
        let mut e = open(&choice).unwrap();
        let layout = ParamLayout::new(g.params(), e.info().binding_elements).unwrap();
        let plan = compile("plan", &g, &[packed], &layout, Options::default()).unwrap();
        e.create("params/net", DType::F32, 256).unwrap();
        let text = e.load(&plan).unwrap_err().to_string();
        assert_eq!(text, "the store's `params/net` is of 256 F32, the plan's of 128 F32", "{choice}");
    }
}
