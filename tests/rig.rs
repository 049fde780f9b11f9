//! Every kernel, every case, on every executor, and the rig itself on what it must reject. See tests/README.md.

use elbo::check::{Fault, Observed, Outcome, Proof, check, judge, observe, self_test};
use elbo::exec::gpu::{Context, Gpu};
use elbo::exec::{Choice, Cpu, Executor, FAST, Reference, adapter};
use elbo::kernels::{
    Before, Call, Case, Consts, Field, Handle, In, Kernel, MAX_OUTS, Out, REGISTRY, StepRow, Twin, Values, Work,
    kernel, params, values,
};
use elbo::values::{Bound, DType, HostBuf, Real};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Instant;

/// Every case with its oracle, computed once for all executors.
static PROOFS: LazyLock<Vec<Proof>> = LazyLock::new(|| REGISTRY.iter().flat_map(|&k| Proof::all(k)).collect());

/// The adapter of this machine. None is a failure, unless `ELBO_GPU_TESTS=skip` says that it is known.
fn gpu(default_limits: bool) -> Option<Gpu> {
    if std::env::var("ELBO_GPU_TESTS").as_deref() == Ok("skip") {
        eprintln!("ELBO_GPU_TESTS=skip: a test that needs a GPU was NOT run");
        return None;
    }
    let a = adapter(&Choice::Gpu).unwrap_or_else(|e| {
        panic!("{e}. The GPU tests need an adapter; ELBO_GPU_TESTS=skip leaves them out, and says so.")
    });
    Some(Gpu::new(Context::open(&a.expect("an adapter"), default_limits).expect("a device")))
}

/// Runs every proof, prints a line a kernel, and fails with every fault.
fn every_kernel(e: &mut dyn Executor) {
    let start = Instant::now();
    let mut rows: BTreeMap<&str, (usize, f64, f64)> = BTreeMap::new();
    let mut faults = Vec::new();
    for proof in &*PROOFS {
        if proof.kernel.needs_subgroups() && !e.has_subgroups() {
            println!("{}: not for {}, which has no subgroups", proof.kernel.name(), e.info().adapter);
            continue;
        }
        let begun = Instant::now();
        let outcome = check(e, proof);
        let row = rows.entry(outcome.kernel).or_default();
        *row = (row.0 + 1, row.1.max(outcome.worst), row.2 + begun.elapsed().as_secs_f64());
        assert!(outcome.elements > 0 || outcome.fault.is_some(), "{outcome}: nothing was compared");
        if outcome.fault.is_some() {
            faults.push(outcome.to_string());
        }
    }
    let info = e.info();
    let seconds = start.elapsed().as_secs_f64();
    println!("{}, {} {}: {} cases, {seconds:.1} s", info.device, info.adapter, info.driver, PROOFS.len());
    for (kernel, (cases, worst, seconds)) in rows {
        println!("  {kernel:<16}{cases:>5} cases  worst {worst:.3}  {seconds:>5.1} s");
    }
    assert!(faults.is_empty(), "{} cases are wrong:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_kernel_on_cpu() {
    every_kernel(&mut Cpu::cpu());
}

#[test]
fn every_kernel_by_its_twin() {
    let second: Vec<&str> = FAST.iter().map(|(name, _)| *name).collect();
    println!("kernels with a second body: {}", second.join(", "));
    assert!(second.iter().all(|name| REGISTRY.iter().any(|k| k.name() == *name)));
    every_kernel(&mut Cpu::twins());
}

#[test]
fn every_kernel_on_reference() {
    every_kernel(&mut Reference::reference());
}

#[test]
fn every_kernel_on_gpu() {
    if let Some(mut gpu) = gpu(false) {
        every_kernel(&mut gpu);
    }
}

/// With no more than WebGPU promises everywhere.
#[test]
fn every_kernel_on_default_limits() {
    if let Some(mut gpu) = gpu(true) {
        every_kernel(&mut gpu);
    }
}

/// Findings are no verdicts, but each question must have an answer.
#[test]
fn the_self_test_of_an_adapter_answers() {
    let Some(gpu) = gpu(false) else { return };
    let found = self_test(gpu.context()).expect("a self-test");
    found.iter().for_each(|f| println!("  {:<13}{}", f.name, f.text));
    let names: Vec<&str> = found.iter().map(|f| f.name).collect();
    let asked = ["exp", "log", "tanh", "sin", "cos", "NaN bits", "fma", "a b + c", "subnormals", "loop budget"];
    assert_eq!(names[..asked.len()], asked);
    // The probes did run: exp is not off by more than its result.
    assert!(found[0].value["worst_of_allowed"].as_f64().is_some_and(|w| w < 1000.0), "{:?}", found[0]);
}

// --- The rig on what it must reject -----------------------------------------------------------------------------------

/// A kernel of the registry with another text.
struct Broken {
    name: &'static str,
    of: &'static dyn Kernel,
    wgsl: &'static str,
}

impl Broken {
    /// `of` with one piece of its text replaced.
    fn leak(name: &'static str, of: &'static dyn Kernel, piece: &str, by: &str) -> &'static dyn Kernel {
        assert_eq!(of.wgsl().matches(piece).count(), 1, "{} has changed: {piece}", of.name());
        Box::leak(Box::new(Self { name, of, wgsl: of.wgsl().replace(piece, by).leak() }))
    }
}

impl Kernel for Broken {
    fn name(&self) -> &'static str {
        self.name
    }
    fn wgsl(&self) -> &'static str {
        self.wgsl
    }
    fn overrides(&self) -> &'static [&'static str] {
        self.of.overrides()
    }
    fn fields(&self) -> &'static [Field] {
        self.of.fields()
    }
    fn work(&self, call: &Call) -> Work {
        self.of.work(call)
    }
    fn updates(&self) -> &'static [usize] {
        self.of.updates()
    }
    fn reads(&self, call: &Call) -> Vec<usize> {
        self.of.reads(call)
    }
    fn reals(&self, call: &Call) -> u32 {
        self.of.reals(call)
    }
    fn describe(&self, call: &Call) -> String {
        self.of.describe(call)
    }
    fn cases(&self) -> Vec<Case> {
        self.of.cases()
    }
    fn run_f64(&self, c: &Call, s: &StepRow, ins: &[In<f64>], outs: &mut [Out<f64>], items: Range<usize>) {
        self.of.run_f64(c, s, ins, outs, items);
    }
    fn run_f32(&self, c: &Call, s: &StepRow, ins: &[In<f32>], outs: &mut [Out<f32>], items: Range<usize>) {
        self.of.run_f32(c, s, ins, outs, items);
    }
    fn run_bound(&self, c: &Call, s: &StepRow, ins: &[In<Bound>], outs: &mut [Out<Bound>], items: Range<usize>) {
        self.of.run_bound(c, s, ins, outs, items);
    }
}

/// The outcomes of the cases whose name holds `filter`.
fn outcomes(gpu: &mut Gpu, k: &'static dyn Kernel, filter: &str) -> Vec<Outcome> {
    let cases = k.cases().into_iter().filter(|c| c.name.contains(filter));
    let outcomes: Vec<Outcome> = cases.map(|c| check(gpu, &Proof::new(k, c))).collect();
    assert!(!outcomes.is_empty(), "{} has no case like {filter}", k.name());
    outcomes
}

#[test]
fn a_kernel_without_a_guard_is_rejected() {
    let Some(mut gpu) = gpu(false) else { return };
    let k = Broken::leak("unary_unguarded", kernel("unary"), "if i >= p.n { return; }", "");
    for o in outcomes(&mut gpu, k, "relu n=63") {
        assert!(matches!(o.fault, Some(Fault::Guard { index: 63, .. })), "{o}");
    }
    for o in outcomes(&mut gpu, k, "relu n=64") {
        assert!(o.fault.is_none(), "64 elements fill the workgroup: {o}");
    }
}

#[test]
fn an_assignment_in_place_of_a_sum_is_rejected() {
    let Some(mut gpu) = gpu(false) else { return };
    let k = Broken::leak("reduce_assigned", kernel("reduce"), "return s + v;", "return v;");
    for o in outcomes(&mut gpu, k, "sum integers [1,997,1]") {
        assert!(matches!(o.fault, Some(Fault::Value { .. })), "{o}");
    }
    let k = Broken::leak("gate_assigned", kernel("gate"), "skipped[0] = skipped[0] + shut;", "skipped[0] = shut;");
    for o in outcomes(&mut gpu, k, "all n=64") {
        assert!(matches!(o.fault, Some(Fault::Value { output: 1, .. })), "{o}");
    }
}

#[test]
fn a_loop_that_ends_one_early_is_rejected() {
    let Some(mut gpu) = gpu(false) else { return };
    let k = Broken::leak("reduce_short", kernel("reduce"), "k < last;", "k + 1u < last;");
    for o in outcomes(&mut gpu, k, "sum integers [1,70001,1] run=4096") {
        // One lost element in 4,096 is below any tolerance for reals; integers show it.
        assert!(matches!(o.fault, Some(Fault::Value { .. })), "{o}");
    }
}

/// What is wrong at one size of a workgroup alone, where all else is right.
#[test]
fn a_fault_at_another_workgroup_is_rejected() {
    let Some(mut gpu) = gpu(false) else { return };
    let tie = "before += select(0u, 1u, tie);";
    let all_ones = format!("{tie} if WG == 32u {{ mask[row + i] = 1.0; }}");
    for (name, piece, by, wrong) in
        [("top_k", tie, &*all_ones, 32), ("reduce", "k < last;", "k < last && WG != 256u;", 256)]
    {
        let k = Broken::leak(if wrong == 32 { "top_k_at_32" } else { "reduce_at_256" }, kernel(name), piece, by);
        let again: Vec<Proof> =
            Proof::all(k).into_iter().filter(|p| p.case.name.contains("at a workgroup of")).collect();
        assert!(again.len() >= 4, "{name}: {} cases at other workgroups", again.len());
        for proof in again {
            let o = check(&mut gpu, &proof);
            let here = proof.case.name.ends_with(&format!("of {wrong}"));
            assert_eq!(matches!(o.fault, Some(Fault::Value { .. })), here, "{o}");
            assert_eq!(o.fault.is_some(), here, "{o}");
        }
    }
}

#[test]
fn a_changed_input_is_rejected() {
    let Some(mut gpu) = gpu(false) else { return };
    let proof = proof("unary", "affine, folded grid");
    let mut seen = observe(&mut gpu, &proof).unwrap();
    let HostBuf::F32(x) = &mut seen.ins[0] else { panic!("reals") };
    x[5] += 1.0;
    assert_eq!(judge(&proof, &seen).fault, Some(Fault::Input { input: 0, index: 5 }));
}

params! {
    /// Uniform of the tree below.
    TreeParams {
        /// Sums.
        rows: u32,
        /// Terms of a sum.
        k: u32,
    }
}

/// y_r = Σ_k x[r, k] by a tree in workgroup memory: the form whose barriers matter. elbo itself has none yet.
struct Tree;

impl Twin for Tree {
    const NAME: &'static str = "tree";
    const WGSL: &'static str = "
override WG: u32 = 256u;
struct Params { rows: u32, k: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;
var<workgroup> part: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) l: u32) {
  var s = 0.0;
  // Uneven on purpose: the upper half takes long, so that without the barrier its parts are not there yet.
  let step = select(1u, WG, l < WG / 2u);
  for (var i = l; i < p.k; i += step) {
    if i % WG == l { s += x[w.x * p.k + i]; }
  }
  part[l] = s;
  workgroupBarrier(); // parts written before they are joined
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if l < half { part[l] += part[l + half]; }
    workgroupBarrier(); // one level written before the next is read
  }
  if l == 0u { y[w.x] = part[0]; }
}
";
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = TreeParams;

    fn work(_: &Consts, p: &TreeParams) -> Work {
        Work {
            items: p.rows as usize,
            chunk: 1,
            strides: [1; MAX_OUTS],
            workgroups: p.rows.into(),
            loop_bound: u64::from(p.k) + 8,
            flops: u64::from(p.rows) * u64::from(p.k),
        }
    }

    fn describe(_: &Consts, _: &TreeParams) -> String {
        String::new()
    }

    fn run<R: Real>(_: &Consts, p: &TreeParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        for (r, y) in items.zip(outs[0].f()) {
            *y = R::sum(&ins[0].f()[r * p.k as usize..][..p.k as usize]);
        }
    }

    fn cases() -> Vec<Case> {
        let p = TreeParams { rows: 50, k: 1000 };
        let x = values(Values::Integers, 50 * 1000, 1);
        vec![Case::new("integers", &[256], p, vec![x.into()], &[50]).exact()]
    }
}

static TREE: &dyn Kernel = &Handle::<Tree>(PhantomData);

#[test]
fn a_missing_barrier_is_rejected() {
    let Some(mut gpu) = gpu(false) else { return };
    for o in outcomes(&mut gpu, TREE, "") {
        assert!(o.fault.is_none(), "with its barriers the tree is right: {o}");
    }
    let k = Broken::leak("tree_racing", TREE, "workgroupBarrier(); // parts written", "// parts written");
    for o in outcomes(&mut gpu, k, "") {
        assert!(matches!(o.fault, Some(Fault::Value { .. } | Fault::Repeat { .. })), "{o}");
    }
}

// Doctored outputs: honest ones of the cpu executor, then falsified.

fn proof(name: &str, case: &str) -> Proof {
    let k = kernel(name);
    let mut cases = k.cases().into_iter().filter(|c| c.name.contains(case));
    Proof::new(k, cases.next().unwrap_or_else(|| panic!("{name} has no case like {case}")))
}

/// Falsifies the first output of three honest runs (the first `n` elements of `y`; `x` is the first input, as long as
/// `y`); each must be accepted before and rejected after.
fn rejected(doctor: impl Fn(&mut [f32], &[f32])) {
    for (name, case) in [("unary", "softplus n=997"), ("binary", "997"), ("reduce", "[1,64,65] run=64")] {
        let proof = proof(name, case);
        let honest = observe(&mut Cpu::cpu(), &proof).unwrap();
        let accepted = judge(&proof, &honest);
        assert!(accepted.fault.is_none(), "{accepted}");
        let n = proof.case.outs[0].len();
        let x: Vec<f32> = proof.case.ins[0].f32().iter().copied().cycle().take(n).collect();
        // Both runs alike, so that it is the values and not the repetition that give it away.
        let falsify = |outs: &[HostBuf]| {
            let mut y = outs[0].f32().to_vec();
            doctor(&mut y[..n], &x);
            vec![HostBuf::F32(y)]
        };
        let seen = Observed { ins: honest.ins, outs: falsify(&honest.outs), again: falsify(&honest.again) };
        let o = judge(&proof, &seen);
        assert!(matches!(o.fault, Some(Fault::Value { .. })), "{o}");
    }
}

#[test]
fn a_nan_is_rejected() {
    rejected(|y, _| y[17] = f32::NAN);
}

#[test]
fn outputs_shifted_by_one_are_rejected() {
    rejected(|y, _| y.rotate_right(1));
}

#[test]
fn a_swapped_pair_is_rejected() {
    rejected(|y, _| y.swap(20, 21));
}

#[test]
fn a_truncated_tail_is_rejected() {
    rejected(|y, _| *y.last_mut().unwrap() = f32::NAN);
    rejected(|y, _| *y.last_mut().unwrap() = 0.0);
}

#[test]
fn zeros_are_rejected() {
    rejected(|y, _| y.fill(0.0));
}

#[test]
fn a_wrong_sign_is_rejected() {
    rejected(|y, _| y.iter_mut().for_each(|y| *y = -*y));
}

#[test]
fn an_input_in_place_of_the_output_is_rejected() {
    rejected(|y, x| y.copy_from_slice(x));
}

#[test]
fn an_infinity_is_rejected() {
    rejected(|y, _| y[3] = f32::INFINITY);
}

/// Poison that nobody overwrote is rejected for every kernel that writes whole outputs.
#[test]
fn unwritten_outputs_are_rejected() {
    for proof in PROOFS.iter() {
        let mut seen = observe(&mut Cpu::cpu(), proof).unwrap();
        for (out, before) in seen.outs.iter_mut().zip(&proof.case.outs) {
            if let Before::Poison(dtype, n) = before {
                match (out, dtype) {
                    (HostBuf::F32(v), DType::F32) => v[n - 1] = f32::NAN,
                    (HostBuf::U32(v), DType::U32) => v[n - 1] = 0xDEAD_BEEF,
                    _ => panic!("types differ"),
                }
            }
        }
        let poisoned = proof.case.outs.iter().any(|b| matches!(b, Before::Poison(..)));
        assert_eq!(judge(proof, &seen).fault.is_some(), poisoned, "{}, {}", proof.kernel.name(), proof.case.name);
    }
}

#[test]
fn other_bits_in_a_second_run_are_rejected() {
    let proof = proof("unary", "softplus n=65");
    let mut seen = observe(&mut Cpu::cpu(), &proof).unwrap();
    let HostBuf::F32(y) = &mut seen.again[0] else { panic!("reals") };
    y[9] = f32::from_bits(y[9].to_bits() ^ 1);
    assert_eq!(judge(&proof, &seen).fault, Some(Fault::Repeat { output: 0, index: 9 }));
}
