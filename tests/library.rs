//! The library's door: a graph run once on every executor, and what it refuses.

use elbo::exec::{Choice, open, run};
use elbo::graph::{Axes, Graph, Init, grad};
use elbo::values::Shape;

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
