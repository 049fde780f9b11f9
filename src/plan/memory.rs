//! Memory by liveness: temporaries share whole buffers as slots, since wgpu tracks usage by whole buffer.

use super::{Buffer, Dispatch, Slot, View};
use crate::values::DType;

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
    let mut slots: Vec<Slot> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut slot_of = vec![usize::MAX; temps.len()];
    let (mut alive, mut peak) = (0u64, 0u64);
    for at in 0..dispatches.len() {
        let born: Vec<usize> = (0..temps.len()).filter(|&t| life[t].0 == at).collect();
        for t in born {
            let Temp { dtype, len } = temps[t];
            // The smallest free slot that holds it; else the largest free one grows; else a new one.
            let fitting = free.iter().copied().filter(|&s| slots[s].dtype == dtype);
            let best = fitting.clone().filter(|&s| slots[s].len >= len).min_by_key(|&s| slots[s].len);
            let chosen = best.or_else(|| fitting.max_by_key(|&s| slots[s].len)).filter(|_| reuse);
            let slot = chosen.unwrap_or_else(|| {
                slots.push(Slot { dtype, len });
                slots.len() - 1
            });
            free.retain(|&s| s != slot);
            slots[slot].len = slots[slot].len.max(len);
            slot_of[t] = slot;
            alive += 4 * len as u64;
        }
        peak = peak.max(alive);
        // A slot is free again only after the dispatch that reads it: one buffer is never read and written at once.
        for t in (0..temps.len()).filter(|&t| life[t].1 == at && life[t].0 != usize::MAX) {
            free.push(slot_of[t]);
            alive -= 4 * temps[t].len as u64;
        }
    }
    let place = |v: &mut View| {
        if let Buffer::Slot(t) = v.buffer {
            v.buffer = Buffer::Slot(slot_of[t]);
        }
    };
    for d in dispatches {
        d.ins.iter_mut().chain(&mut d.outs).for_each(place);
    }
    (slots, peak)
}
