//! Runs one case on an executor: a plan of one dispatch over buffers that are longer than the case.

use super::proof::Proof;
use super::twin::POISON;
use crate::exec::Executor;
use crate::kernels::{Before, Case, Kernel};
use crate::plan::{Buffer, Dispatch, Plan, StoreRef, View, validate};
use crate::values::{DType, HostBuf, Result};

/// Elements behind every buffer, at least.
pub const GUARD: usize = 64;
/// What stands behind an input: a NaN, which shows wherever it is used.
const BEHIND_INPUT: u32 = 0x7fc0_0bad;
/// What stands behind an output: finite as f32 (which no arithmetic on the NaN behind an input yields), by place.
const BEHIND_OUTPUT: u32 = 0x5ea1_0000;

/// What an executor left behind.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The inputs after the run, with their guard tails.
    pub ins: Vec<HostBuf>,
    /// The outputs, with their guard tails.
    pub outs: Vec<HostBuf>,
    /// The outputs of a second run from the same state.
    pub again: Vec<HostBuf>,
}

/// Runs the case twice from the same state. Everything that the executor has loaded is cleared.
pub fn observe(e: &mut dyn Executor, proof: &Proof) -> Result<Observed> {
    let plan = stage(e, proof.kernel, &proof.case)?;
    let before: Vec<HostBuf> = proof.case.outs.iter().map(guarded_output).collect();
    let id = e.load(&plan)?;
    let mut outs = Vec::new();
    for run in 0..2 {
        if run > 0 {
            for (i, b) in before.iter().enumerate() {
                e.write(&format!("out{i}"), 0, b)?;
            }
        }
        let ticket = e.submit(id, &[proof.case.step])?;
        e.fetch(ticket)?;
        outs.push((0..before.len()).map(|i| e.read(&format!("out{i}"))).collect::<Result<Vec<_>>>()?);
    }
    let ins = (0..proof.case.ins.len()).map(|i| e.read(&format!("in{i}"))).collect::<Result<_>>()?;
    let again = outs.pop().unwrap_or_default();
    Ok(Observed { ins, outs: outs.pop().unwrap_or_default(), again })
}

/// Puts the buffers of a case into an executor's Store, cleared, as `in0`, `in1`, …, `out0`, …, and makes the plan of its one
/// dispatch.
pub fn stage(e: &mut dyn Executor, kernel: &'static dyn Kernel, case: &Case) -> Result<Plan> {
    let ins: Vec<HostBuf> = case.ins.iter().map(guarded_input).collect();
    let before: Vec<HostBuf> = case.outs.iter().map(guarded_output).collect();
    e.clear();
    for (buffers, letter) in [(&ins, "in"), (&before, "out")] {
        for (i, b) in buffers.iter().enumerate() {
            let path = format!("{letter}{i}");
            e.create(&path, b.dtype(), b.len())?;
            e.write(&path, 0, b)?;
        }
    }
    // On a GPU the guard tail is inside the binding, so that the kernel could reach it. On the host a slice's length
    // says how much work there is, and the language itself keeps the twins inside.
    let whole = e.info().device == "gpu";
    let plan = one_dispatch(kernel, case, &ins, &before, whole);
    validate(&plan)?;
    Ok(plan)
}

fn one_dispatch(kernel: &'static dyn Kernel, case: &Case, ins: &[HostBuf], outs: &[HostBuf], whole: bool) -> Plan {
    let store = |(letter, i, b): (&str, usize, &HostBuf)| StoreRef {
        path: format!("{letter}{i}"),
        dtype: b.dtype(),
        len: b.len(),
        scratch: false,
    };
    let named = |letter, buffers: &'_ [HostBuf]| -> Vec<StoreRef> {
        buffers.iter().enumerate().map(|(i, b)| store((letter, i, b))).collect()
    };
    let view = |at: usize, b: &HostBuf, len: usize| View {
        buffer: Buffer::Store(at),
        offset: 0,
        len: if whole { b.len() } else { len },
        dtype: b.dtype(),
        value: at,
    };
    let dispatch = Dispatch {
        kernel,
        call: case.call.clone(),
        ins: ins.iter().zip(&case.ins).enumerate().map(|(i, (b, c))| view(i, b, c.len())).collect(),
        outs: outs.iter().zip(&case.outs).enumerate().map(|(i, (b, c))| view(ins.len() + i, b, c.len())).collect(),
        scope: String::new(),
    };
    Plan {
        name: kernel.name().into(),
        stores: [named("in", ins), named("out", outs)].concat(),
        slots: Vec::new(),
        dispatches: vec![dispatch],
        scalars: Vec::new(),
        log: None,
        live_bytes: 0,
    }
}

/// An input with its guard tail: how it is written and how it must be found.
pub(super) fn guarded_input(b: &HostBuf) -> HostBuf {
    extended(b, |_| BEHIND_INPUT)
}

/// An output with its guard tail, as it is before the run.
pub(super) fn guarded_output(before: &Before) -> HostBuf {
    let b = match before {
        Before::Value(v) => v.clone(),
        Before::Poison(DType::F32, n) => HostBuf::F32(vec![f32::NAN; *n]),
        Before::Poison(DType::U32, n) => HostBuf::U32(vec![POISON; *n]),
    };
    extended(&b, |i| BEHIND_OUTPUT + i as u32 % 0x1_0000)
}

/// A buffer with words behind it, to a multiple of 64 elements.
fn extended(b: &HostBuf, word: impl Fn(usize) -> u32) -> HostBuf {
    let tail = b.len()..b.len().next_multiple_of(64) + GUARD;
    match b {
        HostBuf::F32(v) => HostBuf::F32(v.iter().copied().chain(tail.map(|i| f32::from_bits(word(i)))).collect()),
        HostBuf::U32(v) => HostBuf::U32(v.iter().copied().chain(tail.map(word)).collect()),
    }
}
