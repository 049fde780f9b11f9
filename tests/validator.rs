//! The planner's proof refuses a plan that was tampered with: what a dispatch binds, and aliases. Reads of what is not
//! there, or no more, are in plans.rs.

mod common;

use common::{layout, pack, param, total};
use elbo::graph::{Axes, Binarise, Count, Distribution, Graph};
use elbo::kernels::matmul_vec4::Act;
use elbo::plan::{Buffer, Options, Plan, StoreRef, compile, validate};
use elbo::values::{DType, Shape};

/// A plan of many kernels: products, sums, a choice, fused losses, copies, draws, a batch, and an effect.
fn honest() -> Plan {
    let g = Graph::new();
    let (x, w, b) = (param(&g, "x.0", &[6, 5]), param(&g, "w.0", &[5, 7]), param(&g, "w.1", &[7]));
    let h = (x.matmul(w) + b).relu();
    let data = g.declare("data", Shape::new(&[100]), DType::U32);
    let order = g.declare("order", Shape::new(&[20]), DType::U32);
    let pixels = g.batch(data, order, Shape::new(&[6, 7]), Binarise::None, "train", false, true);
    let eps = g.random("eps", Shape::new(&[2, 6, 7]), Distribution::Normal, false);
    let z = h.reparameterise(h.tanh(), eps);
    let kl = h.gaussian_kl(h.sigmoid());
    let chosen = h * h.top_k(Count::Fixed(2));
    let penalty = h.tanh().jacobian_penalty(b.square(), Act::Tanh);
    let loss =
        total(h.bce(pixels)) + total(z.square()) + total(kl) + total(chosen.permute(&[1, 0]).exp()) + total(penalty);
    let rows = h.max(Axes::Numbered(1, 2)) + g.scalar("a");
    let (packed, _) = pack(&g, "out/all", &[loss, rows]);
    let mean = g.declare("mean", Shape::SCALAR, DType::F32);
    g.assign(mean, g.read(mean) * 0.5 + loss);
    g.log(&[("loss".into(), loss)]);
    compile("honest", &g, &[packed], &layout(&g), Options::default()).unwrap()
}

/// Refused, in a sentence that holds `why`.
fn refused(honest: &Plan, what: &str, why: &str, tamper: impl FnOnce(&mut Plan)) {
    let mut p = honest.clone();
    tamper(&mut p);
    let e = validate(&p).expect_err(&format!("{what}: the planner's proof accepts it")).to_string();
    assert!(e.contains(why), "{what}: {e}");
}

/// Every view of every dispatch, as (dispatch, whether an input, which, kernel).
fn views(p: &Plan) -> Vec<(usize, bool, usize, &'static str)> {
    let of = |i: usize| {
        let d = &p.dispatches[i];
        let name = d.kernel.name();
        (0..d.ins.len()).map(move |j| (i, true, j, name)).chain((0..d.outs.len()).map(move |j| (i, false, j, name)))
    };
    (0..p.dispatches.len()).flat_map(of).collect()
}

#[test]
fn a_path_that_stands_twice_is_refused() {
    let honest = honest();
    validate(&honest).unwrap();
    let why = |path: &str| format!("two stores are `{path}`");
    for (i, s) in honest.stores.iter().enumerate() {
        // A dispatch that read or wrote the store by its first name now does so by its second.
        let touches = |p: &Plan| {
            p.dispatches.iter().rposition(|d| d.ins.iter().chain(&d.outs).any(|v| v.buffer == Buffer::Store(i)))
        };
        let at = touches(&honest).unwrap();
        for scratch in [false, true] {
            refused(&honest, &format!("`{}` twice", s.path), &why(&s.path), |p| {
                p.stores.push(StoreRef { scratch, ..s.clone() });
                let second = Buffer::Store(p.stores.len() - 1);
                let d = &mut p.dispatches[at];
                let all = d.ins.iter_mut().chain(&mut d.outs).filter(|v| v.buffer == Buffer::Store(i));
                all.for_each(|v| v.buffer = second);
            });
        }
    }
}

#[test]
fn a_read_of_more_than_was_written_is_refused() {
    let honest = honest();
    let slots: Vec<_> = views(&honest)
        .into_iter()
        .filter(|&(i, input, j, _)| input && matches!(honest.dispatches[i].ins[j].buffer, Buffer::Slot(_)))
        .collect();
    assert!(slots.len() > 10, "{} reads of slots", slots.len());
    for (i, _, j, name) in slots {
        refused(&honest, &format!("{name}, input {j}"), "which holds", |p| {
            let v = &mut p.dispatches[i].ins[j];
            v.len += 64;
            let Buffer::Slot(s) = v.buffer else { panic!("a slot") };
            p.slots[s].len = p.slots[s].len.max(v.offset + v.len);
        });
    }
}

#[test]
fn a_view_shorter_than_the_work_is_refused() {
    let honest = honest();
    let (mut ins, mut outs) = (0, 0);
    for (i, input, j, name) in views(&honest) {
        let d = &honest.dispatches[i];
        // Without a bias the third input of a product is not read, and what one element has cannot be cut.
        let need = if input { d.kernel.reads(&d.call)[j] } else { d.outs[j].len };
        if need < 2 {
            continue;
        }
        *if input { &mut ins } else { &mut outs } += 1;
        refused(&honest, &format!("{name}, view {j}, input: {input}"), &format!("is shorter than {need}"), |p| {
            let d = &mut p.dispatches[i];
            let v = if input { &mut d.ins[j] } else { &mut d.outs[j] };
            v.len = need - 1;
        });
    }
    assert!(ins > 25 && outs > 15, "{ins} inputs, {outs} outputs");
}

#[test]
fn bindings_that_are_no_kernels_are_refused() {
    let honest = honest();
    for (i, d) in honest.dispatches.iter().enumerate() {
        let name = d.kernel.name();
        for input in [true, false] {
            let what = if input { "its inputs are" } else { "its outputs are" };
            let count = if input { d.ins.len() } else { d.outs.len() };
            if count > 0 {
                refused(&honest, &format!("{name}, none"), what, |p| {
                    let d = &mut p.dispatches[i];
                    if input { d.ins.clear() } else { d.outs.clear() }
                });
                refused(&honest, &format!("{name}, one fewer"), what, |p| {
                    let d = &mut p.dispatches[i];
                    let _ = if input { d.ins.pop() } else { d.outs.pop() };
                });
            }
            refused(&honest, &format!("{name}, one more"), what, |p| {
                let d = &mut p.dispatches[i];
                let more = d.outs[0];
                if input { d.ins.push(more) } else { d.outs.push(more) }
            });
        }
        let why = "are not what it takes";
        refused(&honest, &format!("{name}, no parameters"), why, |p| p.dispatches[i].call.params.clear());
        refused(&honest, &format!("{name}, one override more"), why, |p| p.dispatches[i].call.consts.push(1));
    }
}

#[test]
fn a_buffer_that_the_plan_has_not_is_refused() {
    let honest = honest();
    for (i, input, j, name) in views(&honest) {
        for beyond in [Buffer::Store(honest.stores.len()), Buffer::Slot(honest.slots.len())] {
            refused(&honest, &format!("{name}, view {j}"), "is in no buffer of the plan", |p| {
                let d = &mut p.dispatches[i];
                let v = if input { &mut d.ins[j] } else { &mut d.outs[j] };
                v.buffer = beyond;
            });
        }
    }
}
