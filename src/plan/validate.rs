//! The planner's proof, independent of how it planned: replays a plan on names of values instead of numbers.

use super::{Buffer, MAX_LOOP, Plan, View};
use crate::values::{Error, Result};
use std::collections::HashMap;

/// Checks that every read finds the value that it means, that no dispatch reads and writes one buffer, that every
/// range lies inside its buffer at a binding boundary, and that no kernel exceeds the loop bound.
pub fn validate(plan: &Plan) -> Result<()> {
    let mut holds: HashMap<usize, usize> = HashMap::new();
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
            if d.outs.iter().any(|o| o.buffer == v.buffer) {
                return fail(format!("reads and writes {:?}", v.buffer));
            }
        }
        for (i, v) in d.outs.iter().enumerate() {
            if d.outs[..i].iter().any(|o: &View| o.buffer == v.buffer) {
                return fail(format!("writes {:?} twice", v.buffer));
            }
            if let Buffer::Slot(s) = v.buffer {
                holds.insert(s, v.value);
            }
        }
        let bound = d.kernel.work(&d.call).loop_bound;
        if bound > MAX_LOOP {
            return fail(format!("{bound} loop iterations an invocation, above {MAX_LOOP}"));
        }
    }
    Ok(())
}
