//! The verdict over what an executor left behind. A NaN fails every comparison here.

use super::observe::{Observed, guarded_input, guarded_output};
use super::proof::{Proof, Want};
use crate::values::{DType, Error, HostBuf};
use std::fmt;

/// The judgement of one case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The kernel.
    pub kernel: &'static str,
    /// The case.
    pub case: String,
    /// Its override values, `OP=3 WG=64`.
    pub overrides: String,
    /// Elements that were compared.
    pub elements: usize,
    /// The largest error as a fraction of what is allowed; 0 where all is exact, infinite where nothing was allowed.
    pub worst: f64,
    /// What is wrong.
    pub fault: Option<Fault>,
}

/// Why a case is rejected.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// An element is off by more than is allowed (or is not finite where the oracle is).
    Value {
        /// Which output.
        output: usize,
        /// The first wrong element.
        index: usize,
        /// What the executor gave.
        got: f64,
        /// What the oracle gives.
        want: f64,
        /// What was allowed.
        allowed: f64,
        /// How many elements of this output are wrong.
        wrong: usize,
        /// Of how many.
        of: usize,
    },
    /// An output has another length or type.
    Shape {
        /// Which output.
        output: usize,
    },
    /// A word behind an output was written.
    Guard {
        /// Which output.
        output: usize,
        /// Which element of its buffer.
        index: usize,
        /// The length that belongs to the kernel.
        len: usize,
    },
    /// An input was changed.
    Input {
        /// Which input.
        input: usize,
        /// Which element.
        index: usize,
    },
    /// A second run gave other bits.
    Repeat {
        /// Which output.
        output: usize,
        /// The first element that differs.
        index: usize,
    },
    /// The executor refused or failed: nothing was computed.
    Device(String),
    /// The device was lost: nothing else can be computed until it is opened again.
    Lost(String),
    /// The device hangs.
    Hung(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { output, index, got, want, allowed, wrong, of } => {
                write!(f, "output {output} at {index} is {got:?}, not {want:?}")?;
                if *allowed > 0.0 {
                    write!(f, " within {allowed:.1e}")?;
                }
                write!(f, "; {wrong} of {of} are wrong")
            }
            Self::Shape { output } => write!(f, "output {output} has another length or type"),
            Self::Guard { output, index, len } => {
                write!(f, "output {output} was written at {index}, behind its {len} elements")
            }
            Self::Input { input, index } => write!(f, "input {input} was changed at {index}"),
            Self::Repeat { output, index } => write!(f, "a second run gave other bits in output {output} at {index}"),
            Self::Device(what) | Self::Lost(what) | Self::Hung(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} ({}): ", self.kernel, self.case, self.overrides)?;
        match &self.fault {
            Some(fault) => fault.fmt(f),
            None => write!(f, "ok, worst {:.2} of what is allowed", self.worst),
        }
    }
}

impl Outcome {
    fn new(proof: &Proof) -> Self {
        let (kernel, case) = (proof.kernel, &proof.case);
        let overrides = kernel.overrides().iter().zip(&case.call.consts).map(|(name, value)| format!("{name}={value}"));
        let overrides = overrides.collect::<Vec<_>>().join(" ");
        Self { kernel: kernel.name(), case: case.name.clone(), overrides, elements: 0, worst: 0.0, fault: None }
    }

    /// A case that did not run.
    pub fn failed(proof: &Proof, why: Error) -> Self {
        let fault = match why {
            Error::Lost(what) => Fault::Lost(what),
            Error::Hung(what) => Fault::Hung(what),
            Error::Usage(what) | Error::Failure(what) => Fault::Device(what),
        };
        Self { fault: Some(fault), ..Self::new(proof) }
    }
}

/// Judges: every element against the oracle, the guard tails, the inputs, the second run. The first fault is kept.
pub fn judge(proof: &Proof, seen: &Observed) -> Outcome {
    let mut verdict = Outcome::new(proof);
    for (output, want) in proof.wants.iter().enumerate() {
        let fault = match (want, seen.outs.get(output)) {
            (Want::Reals { values, allowed }, Some(HostBuf::F32(got))) if got.len() > values.len() => {
                let got = got.iter().map(|&g| f64::from(g));
                let allowed = allowed.iter().copied();
                compare(&mut verdict, output, got.zip(values.iter().copied().zip(allowed)))
            }
            (Want::Words(words), Some(HostBuf::U32(got))) if got.len() > words.len() => {
                let got = got.iter().map(|&g| f64::from(g));
                compare(&mut verdict, output, got.zip(words.iter().map(|&w| (f64::from(w), 0.0))))
            }
            _ => Some(Fault::Shape { output }),
        };
        verdict.fault = verdict.fault.or(fault);
    }
    verdict.fault = verdict.fault.or_else(|| guards(proof, seen)).or_else(|| inputs(proof, seen)).or_else(|| {
        let pairs = seen.outs.iter().zip(&seen.again).enumerate();
        let mut faults = pairs.filter_map(|(output, (a, b))| Some(Fault::Repeat { output, index: differ(a, b, 0)? }));
        faults.next()
    });
    verdict
}

/// (got, (want, allowed)), one output's elements.
fn compare(verdict: &mut Outcome, output: usize, elements: impl Iterator<Item = (f64, (f64, f64))>) -> Option<Fault> {
    let (mut first, mut count) = (None, 0);
    let mut all = 0;
    for (index, (got, (want, allowed))) in elements.enumerate() {
        all += 1;
        let right = if got.is_finite() && want.is_finite() {
            let error = (got - want).abs();
            if error > 0.0 {
                verdict.worst = verdict.worst.max(error / allowed);
            }
            error <= allowed
        } else {
            got == want || got.is_nan() && want.is_nan()
        };
        if !right {
            count += 1;
            first.get_or_insert((index, got, want, allowed));
        }
    }
    verdict.elements += all;
    first.map(|(index, got, want, allowed)| Fault::Value { output, index, got, want, allowed, wrong: count, of: all })
}

fn guards(proof: &Proof, seen: &Observed) -> Option<Fault> {
    let outs = seen.outs.iter().zip(&proof.case.outs).enumerate();
    let mut faults = outs.filter_map(|(output, (got, before))| {
        let len = before.len();
        let index = differ(got, &guarded_output(before), len)?;
        Some(Fault::Guard { output, index, len })
    });
    faults.next()
}

fn inputs(proof: &Proof, seen: &Observed) -> Option<Fault> {
    if seen.ins.len() != proof.case.ins.len() {
        return Some(Fault::Input { input: seen.ins.len().min(proof.case.ins.len()), index: 0 });
    }
    let ins = seen.ins.iter().zip(&proof.case.ins).enumerate();
    let mut faults = ins.filter_map(|(input, (got, case))| {
        let want = guarded_input(case);
        // A signalling NaN comes back quiet from an executor that keeps its store at f64.
        let nan = |b: &HostBuf, i: usize| b.dtype() == DType::F32 && b.f32()[i].is_nan();
        let (a, b) = (words(got), words(&want));
        let index = if a.len() != b.len() {
            a.len().min(b.len())
        } else {
            (0..a.len()).find(|&i| a[i] != b[i] && !(nan(got, i) && nan(&want, i)))?
        };
        Some(Fault::Input { input, index })
    });
    faults.next()
}

/// The first word from `from` on in which two buffers differ.
fn differ(a: &HostBuf, b: &HostBuf, from: usize) -> Option<usize> {
    let (a, b) = (words(a), words(b));
    if a.len() != b.len() {
        return Some(a.len().min(b.len()));
    }
    (from..a.len()).find(|&i| a[i] != b[i])
}

/// The bits.
fn words(b: &HostBuf) -> &[u32] {
    bytemuck::cast_slice(b.bytes())
}
