//! Memory by liveness: temporaries share whole buffers as slots, since wgpu tracks usage by whole buffer.

use super::{Buffer, Dispatch, Slot, View};
use crate::values::DType;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A temporary before it has a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Temp {
    pub dtype: DType,
    pub len: usize,
}

/// Assigns slots to temporaries (which stand in views as `Buffer::Slot(temp)`) and rewrites the views. Returns the
/// slots and the most bytes alive at once. Without `reuse` every temporary has a slot of its own.
pub(super) fn assign(dispatches: &mut [Dispatch], temps: &[Temp], reuse: bool) -> (Vec<Slot>, u64) {
    // The dispatch that writes each temporary, and the last that touches it.
    let mut life = vec![(usize::MAX, 0); temps.len()];
    for (at, d) in dispatches.iter().enumerate() {
        for v in d.ins.iter().chain(&d.outs) {
            if let Buffer::Slot(t) = v.buffer {
                life[t] = (life[t].0.min(at), life[t].1.max(at));
            }
        }
    }
    let live_bytes = most_alive(&life, temps, dispatches.len());
    let mut slots: Vec<Slot> = Vec::new();
    // For each slot, the lives of its values: last dispatch by first.
    let mut taken: Vec<BTreeMap<usize, usize>> = Vec::new();
    let mut slot_of = vec![usize::MAX; temps.len()];
    // The longest first: a slot is as long as its first value, and no short value that lives long keeps long ones out.
    let mut order: Vec<usize> = (0..temps.len()).filter(|&t| life[t].0 != usize::MAX).collect();
    order.sort_by_key(|&t| (Reverse(temps[t].len), life[t].0, t));
    for t in order {
        let (Temp { dtype, len }, (born, dies)) = (temps[t], life[t]);
        // A slot is free again only after the dispatch that reads it: one buffer is never read and written at once.
        let free = |s: &usize| taken[*s].range(..=dies).next_back().is_none_or(|(_, &last)| last < born);
        let fitting = (0..slots.len()).filter(|&s| reuse && slots[s].dtype == dtype).filter(free);
        let slot = fitting.min_by_key(|&s| slots[s].len).unwrap_or_else(|| {
            slots.push(Slot { dtype, len });
            taken.push(BTreeMap::new());
            slots.len() - 1
        });
        taken[slot].insert(born, dies);
        slot_of[t] = slot;
    }
    let place = |v: &mut View| {
        if let Buffer::Slot(t) = v.buffer {
            v.buffer = Buffer::Slot(slot_of[t]);
        }
    };
    for d in dispatches {
        d.ins.iter_mut().chain(&mut d.outs).for_each(place);
    }
    (slots, live_bytes)
}

/// The most bytes that are alive at one dispatch, of temporaries that live from one to another.
fn most_alive(life: &[(usize, usize)], temps: &[Temp], dispatches: usize) -> u64 {
    let (mut born, mut dead) = (vec![0u64; dispatches + 1], vec![0u64; dispatches + 1]);
    for (&(first, last), temp) in life.iter().zip(temps).filter(|((first, _), _)| *first != usize::MAX) {
        born[first] += 4 * temp.len as u64;
        dead[last + 1] += 4 * temp.len as u64;
    }
    let mut alive = 0;
    let at = |(born, dead): (&u64, &u64)| {
        alive = alive + born - dead;
        alive
    };
    born.iter().zip(&dead).map(at).max().unwrap_or(0)
}
