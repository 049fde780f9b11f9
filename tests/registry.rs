//! The registry against the files, the .wgsl against the Rust, and each twin at f32 against itself at f64.

use elbo::check::{Buf, POISON, run_twin};
use elbo::kernels::half::unpack;
use elbo::kernels::wgsl::{Access, Interface, Source};
use elbo::kernels::{Before, Case, Kernel, REGISTRY};
use elbo::values::{Bound, HostBuf};
use std::collections::BTreeSet;
use std::path::Path;

/// The most loop iterations an invocation may have: half of what llvmpipe allows before it ends them in silence.
const MAX_LOOP: u64 = 32_768;
/// An odd number of items, so that chunks begin everywhere.
const CHUNK: usize = 5;

fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_string())
        .collect()
}

fn interface(k: &dyn Kernel) -> Interface {
    let source = Source::resolve(k.name(), k.wgsl()).unwrap_or_else(|e| panic!("{}: {e}", k.name()));
    source.reflect().unwrap_or_else(|e| panic!("{}: {e}", k.name()))
}

/// Every case of every kernel, with a name for messages.
fn each_case(mut f: impl FnMut(&dyn Kernel, &Case, &str)) {
    for &k in REGISTRY {
        for case in k.cases() {
            f(k, &case, &format!("{}, {}", k.name(), case.name));
        }
    }
}

#[test]
fn the_registry_names_the_files_and_only_these() {
    let names: BTreeSet<String> = REGISTRY.iter().map(|k| k.name().to_string()).collect();
    assert_eq!(names.len(), REGISTRY.len(), "two kernels share a name");
    assert_eq!(stems("shaders", "wgsl"), names);
    let machinery = ["mod", "kernel", "inputs", "outlines", "wgsl"].map(String::from).into();
    assert_eq!(&stems("src/kernels", "rs") - &machinery, names);
}

#[test]
fn the_wgsl_says_what_the_rust_says() {
    for &k in REGISTRY {
        let (name, i) = (k.name(), interface(k));
        assert_eq!(i.overrides, k.overrides(), "{name}: overrides");
        let fields: Vec<_> =
            k.fields().iter().zip(0..).map(|(&(field, dtype), at)| (field.to_string(), dtype, 4 * at)).collect();
        assert_eq!(i.fields, fields, "{name}: Params");
        assert!(i.storage.len() <= 8, "{name}: {} storage bindings", i.storage.len());
    }
}

#[test]
fn every_case_fits_the_interface() {
    let mut known: Option<(&str, Interface)> = None;
    each_case(|k, case, what| {
        if known.as_ref().is_none_or(|(name, _)| *name != k.name()) {
            known = Some((k.name(), interface(k)));
        }
        let (_, i) = known.as_ref().unwrap();
        let of = |access| i.types(access, k.reals(&case.call));
        assert_eq!(case.ins.iter().map(HostBuf::dtype).collect::<Vec<_>>(), of(Access::Read), "{what}: inputs");
        assert_eq!(case.outs.iter().map(Before::dtype).collect::<Vec<_>>(), of(Access::Write), "{what}: outputs");
        assert_eq!(case.call.consts.len(), i.overrides.len(), "{what}: overrides");
        assert_eq!(case.call.params.len(), i.fields.len(), "{what}: Params");
    });
}

#[test]
fn every_case_states_work_that_can_be_done() {
    each_case(|k, case, what| {
        let w = k.work(&case.call);
        assert!(w.loop_bound <= MAX_LOOP, "{what}: {} iterations", w.loop_bound);
        assert!(w.workgroups > 0 && w.items > 0 && w.chunk > 0, "{what}: {w:?}");
        for &i in k.updates() {
            assert!(
                matches!(case.outs[i], Before::Value(_)),
                "{what}: output {i} is updated, and holds nothing before"
            );
        }
        for (out, stride) in case.outs.iter().zip(w.strides) {
            assert!(out.len() >= w.items * stride, "{what}: an output of {} for {w:?}", out.len());
        }
        assert!(!k.describe(&case.call).contains('\n'), "{what}: a description of several lines");
    });
}

/// What a kernel says that it reads is enough for its twin, and not more than its cases give.
#[test]
fn every_kernel_says_what_it_reads() {
    for &k in REGISTRY {
        let name = k.name();
        let mut tight = vec![false; interface(k).inputs()];
        for case in k.cases() {
            let what = format!("{name}, {}", case.name);
            let reads = k.reads(&case.call);
            assert_eq!(reads.len(), tight.len(), "{what}: `Twin::reads` names an extent an input");
            for ((tight, input), &n) in tight.iter_mut().zip(&case.ins).zip(&reads) {
                assert!(n <= input.len(), "{what}: reads {n} of {}", input.len());
                *tight |= n == input.len();
            }
            // Where in the order a batch begins, and so which rows it reads, is the step's to say.
            if ["batch", "moving", "sprites"].contains(&name)
                || case.ins.iter().map(HostBuf::len).sum::<usize>() > 20_000
            {
                continue;
            }
            let mut cut = case.clone();
            for (input, n) in cut.ins.iter_mut().zip(reads) {
                match input {
                    HostBuf::F32(v) => v.truncate(n),
                    HostBuf::U32(v) => v.truncate(n),
                }
            }
            let run = |c: &Case| run_twin::<f64>(k, c, usize::MAX, |i, o, r| k.run_f64(&c.call, &c.step, i, o, r));
            for (got, whole) in run(&cut).iter().zip(&run(&case)) {
                let same = match (got, whole) {
                    (Buf::F(g), Buf::F(w)) => g.iter().zip(w).all(|(g, w)| g.to_bits() == w.to_bits()),
                    (Buf::U(g), Buf::U(w)) => g == w,
                    _ => false,
                };
                assert!(same, "{what}: another result from no more than it reads");
            }
        }
        assert!(tight.iter().all(|&t| t), "{name}: which inputs are read whole by some case: {tight:?}");
    }
}

/// What runs again at other workgroups can show a fault there.
#[test]
fn every_kernel_marks_cases_for_other_workgroups() {
    for &k in REGISTRY {
        let sizes: Vec<usize> = (0..k.overrides().len()).filter(|&i| k.overrides()[i].starts_with("WG")).collect();
        let marked: Vec<Case> = k.cases().into_iter().filter(|c| c.again).collect();
        assert_eq!(marked.is_empty(), sizes.is_empty(), "{}: cases marked `again` for its workgroups", k.name());
        for case in marked {
            let what = format!("{}, {}", k.name(), case.name);
            let mut large = case.call.clone();
            sizes.iter().for_each(|&i| large.consts[i] = if sizes.len() == 1 { 256 } else { 16 });
            assert!(k.work(&large).workgroups > 1, "{what}: one workgroup of 256");
            let oracle = run_twin::<f64>(k, &case, usize::MAX, |i, o, r| k.run_f64(&case.call, &case.step, i, o, r));
            for (out, before) in oracle.iter().zip(&case.outs) {
                let y: Vec<f64> = match out {
                    Buf::F(y) => y.clone(),
                    Buf::U(y) => y.iter().map(|&v| v.into()).collect(),
                };
                let changed = match before {
                    Before::Value(v) => v.f32().iter().zip(&y).any(|(&b, &y)| f64::from(b) != y),
                    Before::Poison(..) => true,
                };
                let flat = y.iter().all(|v| *v == y[0]) && k.name() != "fill";
                assert!(changed && !flat, "{what}: the result is the same everywhere, or what was there");
            }
        }
    }
}

#[test]
fn case_names_differ() {
    for &k in REGISTRY {
        let mut seen = BTreeSet::new();
        for case in k.cases() {
            assert!(seen.insert(case.name.clone()), "{}: two cases named {}", k.name(), case.name);
        }
    }
}

#[test]
fn each_twin_in_pieces_at_f32_agrees_with_itself_whole_at_f64() {
    each_case(|k, case, what| {
        let (call, step) = (&case.call, &case.step);
        // Only from what is no number may come what is none.
        let special = case.ins.iter().any(|b| match b {
            HostBuf::F32(x) => x.iter().any(|v| !v.is_finite()),
            // Its words are binary16, two each.
            HostBuf::U32(words) => k.name() == "matmul_half" && unpack::<f64>(words).iter().any(|v| !v.is_finite()),
        });
        let oracle = run_twin::<f64>(k, case, usize::MAX, |i, o, r| k.run_f64(call, step, i, o, r));
        let bound = run_twin::<Bound>(k, case, usize::MAX, |i, o, r| k.run_bound(call, step, i, o, r));
        let got = run_twin::<f32>(k, case, CHUNK, |i, o, r| k.run_f32(call, step, i, o, r));
        for (out, ((got, oracle), bound)) in got.iter().zip(&oracle).zip(&bound).enumerate() {
            match (got, oracle, bound) {
                (Buf::U(got), Buf::U(oracle), Buf::U(bound)) => {
                    let at = got.iter().zip(oracle).position(|(g, o)| g != o);
                    assert!(at.is_none() && got == bound, "{what}: output {out} differs at {at:?}");
                    assert!(!got.contains(&POISON), "{what}: output {out} is not written whole");
                }
                (Buf::F(got), Buf::F(oracle), Buf::F(bound)) => {
                    for (i, ((&g, &o), b)) in got.iter().zip(oracle).zip(bound).enumerate() {
                        if !o.is_finite() {
                            assert!(special, "{what}: output {out} of the oracle is {o} at {i}");
                            let same = f64::from(g) == o || g.is_nan() && o.is_nan();
                            assert!(same, "{what}: output {out} is {g}, not {o}, at {i}");
                            continue;
                        }
                        assert!(b.error.is_finite() && b.value == o, "{what}: output {out}: {b:?} for {o} at {i}");
                        let allowed = if case.exact { 0.0 } else { b.error };
                        let off = (f64::from(g) - o).abs();
                        // A NaN fails this too.
                        assert!(off <= allowed, "{what}: output {out} is {g}, not {o}, at {i}; {allowed:e} allowed");
                    }
                }
                _ => panic!("{what}: the executions disagree on the type of output {out}"),
            }
        }
    });
}
