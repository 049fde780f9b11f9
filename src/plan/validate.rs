//! The planner's proof, independent of how it planned: replays a plan on names of values instead of numbers.

use super::{Buffer, Dispatch, MAX_LOOP, Plan, View};
use crate::kernels::wgsl::{Access, interface_of};
use crate::values::{DType, Error, Result};
use std::collections::{HashMap, HashSet};

/// Checks that no path stands for two stores, that a dispatch binds as many inputs and outputs, of such types and
/// lengths, as its kernel and its call ask for, that every read finds the value that it means, whole, that no dispatch reads and writes one buffer, that every
/// range lies inside its buffer at a binding boundary, and that no kernel exceeds the loop bound. Of persistent state
/// every read comes before the write: a step reads it as it was. Of scratch (packed gradients, counts) every range is
/// written once, and before it is read.
pub fn validate(plan: &Plan) -> Result<()> {
    let mut paths = HashSet::new();
    if let Some(twice) = plan.stores.iter().find(|s| !paths.insert(&s.path)) {
        return Err(Error::failure(format!("plan {}: two stores are `{}`", plan.name, twice.path)));
    }
    let mut holds: HashMap<usize, View> = HashMap::new();
    let (mut read, mut written): (Vec<View>, Vec<View>) = (vec![], vec![]);
    let among = |known: &[View], v: &View| known.iter().any(|k| overlap(k, v));
    for (at, d) in plan.dispatches.iter().enumerate() {
        let fail = |what: String| {
            Err(Error::failure(format!("plan {}: dispatch {at} ({}): {what}", plan.name, d.kernel.name())))
        };
        if let Some(what) = bindings(d)? {
            return fail(what);
        }
        for v in d.ins.iter().chain(&d.outs) {
            let known = match v.buffer {
                Buffer::Store(s) => plan.stores.get(s).map(|s| (s.len, s.dtype)),
                Buffer::Slot(s) => plan.slots.get(s).map(|s| (s.len, s.dtype)),
            };
            let Some((len, dtype)) = known else { return fail(format!("{v:?} is in no buffer of the plan")) };
            if v.offset + v.len > len || v.offset % 64 != 0 || v.len == 0 || v.dtype != dtype {
                return fail(format!("{v:?} does not lie in a buffer of {len} {dtype:?}"));
            }
        }
        for v in &d.ins {
            if let Buffer::Slot(s) = v.buffer
                && !holds.get(&s).is_some_and(|h| h.value == v.value && within(v, h))
            {
                return fail(format!("reads {v:?} from slot {s}, which holds {:?}", holds.get(&s)));
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
                    holds.insert(s, *v);
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

/// What is wrong with what a dispatch binds: numbers, types and lengths by the .wgsl and by the kernel's own account.
fn bindings(d: &Dispatch) -> Result<Option<String>> {
    let asks = interface_of(d.kernel)?;
    let (consts, params) = (d.call.consts.len(), d.call.params.len());
    if (consts, params) != (asks.overrides.len(), asks.fields.len()) {
        return Ok(Some(format!("{consts} overrides and {params} parameters are not what it takes")));
    }
    let work = d.kernel.work(&d.call);
    let written: Vec<usize> = work.strides.iter().map(|s| work.items * s).collect();
    for (what, views, access, least) in
        [("inputs", &d.ins, Access::Read, d.kernel.reads(&d.call)), ("outputs", &d.outs, Access::Write, written)]
    {
        let types = asks.types(access, d.kernel.reals(&d.call));
        let bound: Vec<DType> = views.iter().map(|v| v.dtype).collect();
        if types != bound {
            return Ok(Some(format!("its {what} are {bound:?}, not {types:?}")));
        }
        if let Some((v, least)) = views.iter().zip(least).find(|(v, least)| v.len < *least) {
            return Ok(Some(format!("of its {what} {v:?} is shorter than {least}")));
        }
    }
    Ok(None)
}

fn within(inner: &View, outer: &View) -> bool {
    outer.offset <= inner.offset && inner.offset + inner.len <= outer.offset + outer.len
}

fn overlap(a: &View, b: &View) -> bool {
    a.buffer == b.buffer && a.offset < b.offset + b.len && b.offset < a.offset + a.len
}
