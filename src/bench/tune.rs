//! For each dispatch of a plan whose device has a choice: every way to compute it, verified, then timed; the best is kept.

use super::record::{Kind, Record, column};
use super::{Spread, dispatch};
use crate::exec::Executor;
use crate::exec::gpu::choice::{Choices, Measured, Way};
use crate::kernels::{Before, Call, Case, Kernel, StepRow, Values, values};
use crate::plan::Plan;
use crate::values::{DType, HostBuf, Result};
use std::collections::HashSet;

/// `elbo bench tune`.
pub static KIND: Kind = Kind {
    name: "tune",
    key: &["device", "adapter", "kernel", "case"],
    time: "us",
    columns: &[
        column("kernel", "kernel", 14, 0),
        column("case", "case", 34, 0),
        column("µs untuned", "plain_us", 10, 1),
        column("best", "us", 9, 1),
        column("ratio", "gain", 6, 3),
        column("", "way", 30, 0),
    ],
};

/// A way is taken where it needs less than this share of the first one's time, twice over: less is noise.
const WORTH: f64 = 0.95;

/// Measures the ways to compute each call of `plan` that `choices` has, on an executor that computes calls as they are written.
/// The first is what an adapter takes for its class; another is kept only if it is clearly faster.
pub fn bench_tune(
    e: &mut dyn Executor,
    choices: &Choices,
    plan: &Plan,
    each: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<Vec<Measured>> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for d in &plan.dispatches {
        let all = choices.ways(d.kernel, &d.call);
        let reals = d.ins.iter().chain(&d.outs).all(|v| v.dtype == DType::F32);
        let key = (d.kernel.name(), d.call.consts.clone(), d.call.params.clone());
        if all.len() < 2 || !reals || !seen.insert(key) {
            continue;
        }
        let ins: Vec<usize> = d.ins.iter().map(|v| v.len).collect();
        let outs: Vec<usize> = d.outs.iter().map(|v| v.len).collect();
        let name = d.kernel.describe(&d.call);
        let case = |way: &Way| case(&name, way.kernel, &way.call, &ins, &outs);
        let time = |e: &mut dyn Executor, way: &Way| dispatch::time(e, way.kernel, &case(way));
        let mut best: Option<(&Way, Spread)> = None;
        for way in &all {
            dispatch::verify(e, way.kernel, &case(way))?;
            let s = time(e, way)?;
            if best.as_ref().is_none_or(|(_, b)| s.median < b.median) {
                best = Some((way, s));
            }
            // What is compiled stays; what was loaded for one case is not needed again.
            e.clear();
        }
        let (mut way, _) = best.expect("the call itself is a way");
        // Once more, side by side.
        let (plain, mut s) = (time(e, &all[0])?, time(e, way)?);
        e.clear();
        if s.median > WORTH * plain.median {
            (way, s) = (&all[0], plain);
        }
        let groups = way.kernel.overrides().iter().zip(&way.call.consts).filter(|(o, _)| o.starts_with("WG"));
        let sizes: Vec<String> = groups.map(|(_, v)| v.to_string()).collect();
        let words = format!("{} {}", way.kernel.name(), sizes.join("×"));
        let record = Record::new(&KIND, e.info()).with("kernel", d.kernel.name()).with("case", &name);
        let record = record.with("plain_us", plain.median * 1e6).with("gain", s.median / plain.median);
        let call = serde_json::json!({ "consts": d.call.consts, "params": d.call.params });
        each(record.with("call", call).with("ways", all.len()).spread(s.times(1e6)).with("way", words.trim()))?;
        found.push(Measured {
            kernel: d.kernel.name().into(),
            consts: d.call.consts.clone(),
            params: d.call.params.clone(),
            take: way.kernel.name().into(),
            with: way.call.consts.clone(),
            us: s.median * 1e6,
            plain_us: plain.median * 1e6,
        });
    }
    Ok(found)
}

/// A call on numbers of its own: a device is as fast on any.
fn case(name: &str, kernel: &dyn Kernel, call: &Call, ins: &[usize], outs: &[usize]) -> Case {
    let real = |n: usize, salt: usize| HostBuf::F32(values(Values::Unit, n, salt as u32));
    let before = |(i, &n): (usize, &usize)| match kernel.updates().contains(&i) {
        true => Before::Value(real(n, 100 + i)),
        false => Before::Poison(DType::F32, n),
    };
    Case {
        name: name.into(),
        call: call.clone(),
        ins: ins.iter().enumerate().map(|(i, &n)| real(n, i)).collect(),
        outs: outs.iter().enumerate().map(before).collect(),
        step: StepRow::new(3, 0, 0, 7),
        exact: false,
        again: false,
    }
}
