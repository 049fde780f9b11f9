//! What a device can do at best: fused multiply-adds a second, and bytes a second.

use super::record::{Kind, Record, column};
use super::{Spread, dispatch};
use crate::exec::{Executor, ceiling};
use crate::kernels::fma::{count, counted};
use crate::kernels::unary::{Op, UnaryParams};
use crate::kernels::{Case, kernel};
use crate::values::{Error, Result};

/// `elbo bench ceilings`.
pub static KIND: Kind = Kind {
    name: "ceilings",
    key: &["device", "adapter", "what", "case"],
    time: "us",
    columns: &[
        column("ceiling", "what", 10, 0),
        column("case", "case", 34, 0),
        column("µs", "us", 10, 1),
        column("fastest", "us_min", 10, 1),
        column("GFLOP/s", "gflops", 9, 1),
        column("GB/s", "gbytes", 8, 2),
    ],
};

/// The most that a device was seen to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// Billions of floating-point operations a second; a fused multiply-add is two.
    pub gflops: f64,
    /// Billions of bytes a second, read and written, of a copy through memory.
    pub memory: f64,
    /// The same of a copy of [`SMALL`] elements, which caches hold.
    pub cache: f64,
}

impl Ceilings {
    /// The share of the nearer ceiling that a call reached which reads and writes so many bytes, in %, and which one it is.
    pub fn share(&self, gflops: f64, gbytes: f64, bytes: u64) -> (f64, &'static str) {
        let (most, name) = if bytes > 8 * SMALL as u64 { (self.memory, "memory") } else { (self.cache, "cache") };
        let (fma, copy) = (100.0 * gflops / self.gflops, 100.0 * gbytes / most);
        if fma > copy { (fma, "fma") } else { (copy, name) }
    }
}

/// Elements of a copy that caches hold.
pub const SMALL: usize = 1 << 20;

/// Elements of a copy that they do not hold, and that every adapter binds.
fn large(e: &dyn Executor) -> usize {
    if e.info().device == "reference" { SMALL } else { 1 << 24 }
}

/// Measures them, and hands each line to `each`. Rates are those of the fastest run. What was computed is held to what is
/// known of it, and a device that errs is a failure.
///
/// On `cpu` it is all cores, in registers, and a copy in memory. Elsewhere it is the kernel `fma`; and of `unary` with
/// α = 1, β = 0, an element an invocation, and of `fma` without a round, four elements an invocation, the faster. (The
/// kernel `copy` computes where each element comes from, and is slower than either.)
pub fn bench_ceilings(e: &mut dyn Executor, each: &mut dyn FnMut(Record) -> Result<()>) -> Result<Ceilings> {
    let mut best = Ceilings { gflops: 0.0, memory: 0.0, cache: 0.0 };
    let info = e.info().clone();
    let mut take = |what: &str, case: String, s: Spread, flops: u64, bytes: u64| {
        let (gflops, gbytes) = (flops as f64 / s.min * 1e-9, bytes as f64 / s.min * 1e-9);
        best.gflops = best.gflops.max(gflops);
        // No cache is slower than the memory behind it.
        best.cache = best.cache.max(gbytes);
        if what == "memory" {
            best.memory = best.memory.max(gbytes);
        }
        let record = Record::new(&KIND, &info).with("what", what).with("case", case).spread(s.times(1e6));
        each(record.with("gflops", gflops).with("gbytes", gbytes))
    };
    let sizes = [("memory", large(e)), ("cache", SMALL)];
    if info.device == "cpu" {
        let (s, flops) = cpu_fma()?;
        take("fma", format!("in registers, {} threads", rayon::current_num_threads()), s, flops, 0)?;
        for (what, n) in sizes {
            take(what, format!("copy [{n}]"), cpu_copy(n)?, 0, 8 * n as u64)?;
        }
        return Ok(best);
    }
    let (case, s) = arithmetic(e)?;
    take("fma", case.name.clone(), s, kernel("fma").work(&case.call).flops, 0)?;
    for (what, n) in sizes {
        for (name, case) in copies(n) {
            let s = dispatch::time(e, kernel(name), &case)?;
            let want = |x: f32| if name == "fma" { counted(x, 0) } else { x };
            verify(e, &case, want)?;
            take(what, case.name.clone(), s, 0, dispatch::bytes(kernel(name), &case))?;
        }
    }
    Ok(best)
}

/// The workgroup of a copy, as large as every adapter has it: on software adapters a workgroup costs more than its memory.
const WIDE: u32 = 256;

/// Kernels that read n numbers and write as many.
fn copies(n: usize) -> [(&'static str, Case); 2] {
    let wide = count(n / 4, 0, WIDE);
    let same = UnaryParams { n: n as u32, alpha: 1.0, beta: 0.0 };
    let (x, outs) = (wide.ins.clone(), [n]);
    [
        ("unary", Case::new(format!("unary affine [{n}]"), &[Op::Affine as u32, WIDE], same, x, &outs)),
        ("fma", Case { name: format!("fma {}", wide.name), ..wide }),
    ]
}

/// The kernel `fma` at the first size that keeps the device busy for 2 ms: small ones do not fill a large GPU.
fn arithmetic(e: &mut dyn Executor) -> Result<(Case, Spread)> {
    let sizes = [(1 << 10, 4), (1 << 13, 16), (1 << 15, 64), (1 << 18, 64), (1 << 20, 512)];
    let mut last = None;
    for (n, k) in sizes {
        let case = count(n, k, 64);
        let s = dispatch::time(e, kernel("fma"), &case)?;
        verify(e, &case, |x| counted(x, k))?;
        let enough = s.min > 0.002;
        last = Some((case, s));
        if enough {
            break;
        }
    }
    last.ok_or_else(|| Error::failure("bench: no size of `fma` was timed"))
}

/// Holds every element of the output to what is known of it.
fn verify(e: &mut dyn Executor, case: &Case, want: impl Fn(f32) -> f32) -> Result<()> {
    let got = e.read("out0")?;
    let (x, y) = (case.ins[0].f32(), got.f32());
    match x.iter().zip(y).position(|(&x, &y)| y != want(x) || y.is_nan()) {
        None => Ok(()),
        Some(i) => Err(Error::failure(format!(
            "{} computes wrong values, and is not measured: {} at {i} is {}, not {}",
            e.info().adapter,
            case.name,
            y[i],
            want(x[i])
        ))),
    }
}

/// Samples on the host: short ones, of which the best finds all cores free, on a busy machine too.
const SAMPLES: usize = 60;

/// Seconds and operations of a run of multiply-adds on all cores, of some 1 or 2 ms.
fn cpu_fma() -> Result<(Spread, u64)> {
    let mut rounds = 1 << 14;
    loop {
        // The fastest of some: one of them may have had to wait for a core.
        let some: Vec<f64> = (0..5).map(|_| Ok(ceiling::fma(rounds)?.1)).collect::<Result<_>>()?;
        if Spread::of(some).min > 0.001 || rounds >= ceiling::MAX_ROUNDS {
            break;
        }
        rounds *= 2;
    }
    let runs: Vec<(u64, f64)> = (0..SAMPLES).map(|_| ceiling::fma(rounds)).collect::<Result<_>>()?;
    Ok((Spread::of(runs.iter().map(|r| r.1).collect()), runs[0].0))
}

fn cpu_copy(n: usize) -> Result<Spread> {
    let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let mut y = vec![0.0; n];
    // The first touches the pages.
    ceiling::copy(&x, &mut y);
    let seconds = (0..SAMPLES).map(|_| ceiling::copy(&x, &mut y)).collect();
    if x != y {
        return Err(Error::failure("the cpu's copy is not what was copied"));
    }
    Ok(Spread::of(seconds))
}
