//! The planner's proof, independent of how it planned: replays a plan on names of values instead of numbers.

use super::{Buffer, MAX_LOOP, Plan, View};
use crate::values::{Error, Result};
use std::collections::HashMap;

/// Checks that every read finds the value that it means, that no dispatch reads and writes one buffer, that every
/// range lies inside its buffer at a binding boundary, and that no kernel exceeds the loop bound. Of persistent state
/// every read comes before the write: a step reads it as it was. Of scratch (packed gradients, counts) every range is
/// written once, and before it is read.
pub fn validate(plan: &Plan) -> Result<()> {
    let mut holds: HashMap<usize, usize> = HashMap::new();
    let (mut read, mut written): (Vec<View>, Vec<View>) = (vec![], vec![]);
    let among = |known: &[View], v: &View| known.iter().any(|k| overlap(k, v));
    for (at, d) in plan.dispatches.iter().enumerate() {
        let fail = |what: String| {
            Err(Error::failure(format!("plan {}: dispatch {at} ({}): {what}", plan.name, d.kernel.name())))
        };
        for v in d.ins.iter().chain(&d.outs) {
            let (len, dtype) = match v.buffer {
                Buffer::Store(s) => (plan.stores[s].len, plan.stores[s].dtype),
                Buffer::Slot(s) => (plan.slots[s].len, plan.slots[s].dtype),
            };
            if v.offset + v.len > len || v.offset % 64 != 0 || v.len == 0 || v.dtype != dtype {
                return fail(format!("{v:?} does not lie in a buffer of {len} {dtype:?}"));
            }
        }
        for v in &d.ins {
            if let Buffer::Slot(s) = v.buffer
                && holds.get(&s) != Some(&v.value)
            {
                return fail(format!("reads value {} from slot {s}, which holds {:?}", v.value, holds.get(&s)));
            }
            if let Buffer::Store(s) = v.buffer
                && among(&written, v) != plan.stores[s].scratch
            {
                let when =
                    if plan.stores[s].scratch { "before anything wrote it" } else { "after the step changed it" };
                return fail(format!("reads `{}` {when}", plan.stores[s].path));
            }
            if d.outs.iter().any(|o| o.buffer == v.buffer) {
                return fail(format!("reads and writes {:?}", v.buffer));
            }
        }
        for (i, v) in d.outs.iter().enumerate() {
            if d.outs[..i].iter().any(|o: &View| o.buffer == v.buffer) {
                return fail(format!("writes {:?} twice", v.buffer));
            }
            match v.buffer {
                Buffer::Slot(s) => {
                    holds.insert(s, v.value);
                }
                Buffer::Store(s) => {
                    if among(&written, v) || plan.stores[s].scratch && among(&read, v) {
                        return fail(format!("writes `{}` where it was written or read before", plan.stores[s].path));
                    }
                }
            }
        }
        let stored = |views: &[View]| views.iter().filter(|v| matches!(v.buffer, Buffer::Store(_))).copied().collect();
        let (ins, outs): (Vec<View>, Vec<View>) = (stored(&d.ins), stored(&d.outs));
        read.extend(ins);
        written.extend(outs);
        let bound = d.kernel.work(&d.call).loop_bound;
        if bound > MAX_LOOP {
            return fail(format!("{bound} loop iterations an invocation, above {MAX_LOOP}"));
        }
    }
    Ok(())
}

fn overlap(a: &View, b: &View) -> bool {
    a.buffer == b.buffer && a.offset < b.offset + b.len && b.offset < a.offset + a.len
}
