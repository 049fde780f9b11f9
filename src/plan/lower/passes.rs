//! Elementwise groups with their sums, and the metrics, as one dispatch each.

use super::super::View;
use super::super::group::{self, Assembled, Group, Tally, TallyProgram};
use super::{Lowering, Value, WG, range};
use crate::graph::{ALIGN, Op};
use crate::kernels as k;
use crate::values::DType;

/// The most parts of a sum that the pass over the metrics adds up.
const PARTS: usize = 2048;

impl Lowering<'_> {
    /// The metrics as one dispatch of `scalars`.
    pub(super) fn scalars(&mut self, t: &Tally, program: TallyProgram) {
        let TallyProgram { inputs, instructions, outputs } = program;
        let mut ins: Vec<View> = Vec::new();
        let mut terms: Vec<(u32, f32)> = Vec::new();
        for (id, scale) in inputs {
            // A few parts of a sum need no other pass; of many, one invocation would be long about it.
            let x = if let Value::Parts(x, parts) = self.values[id]
                && x.len == parts
                && parts <= PARTS
            {
                x
            } else {
                self.here(id)
            };
            terms.push((x.len as u32, scale));
            ins.push(x);
        }
        ins.resize(k::scalars::INPUTS, ins[0]);
        let n = self.ir.nodes[t.pack].clone();
        let Op::Pack { path, places } = &n.op else { unreachable!("a tally ends in a pack") };
        let store = self.scratch(path, DType::F32, n.shape.len());
        let out = range(store, 0, places[places.len() - 1] + 1, DType::F32);
        for (&arg, &place) in n.args.iter().zip(places) {
            let id = group::source(&self.ir, arg);
            if t.members.contains(&id) || matches!(self.values[id], Value::Parts(..)) {
                self.values[id] = Value::Here(range(store, place, 1, DType::F32));
            }
        }
        self.values[t.pack] = Value::Here(range(store, 0, n.shape.len(), DType::F32));
        let (consts, params) = k::scalars::Program { inputs: terms, instructions, outputs }.call(ALIGN);
        self.emit("scalars", consts, params, ins, vec![out], &n.scope);
    }

    /// Where a pack wants a value, unless the same dispatch has that buffer bound already.
    fn free_place(&self, id: usize, ins: &[View], outs: &[View]) -> Option<View> {
        self.wanted[id].filter(|to| ins.iter().chain(outs).all(|v| v.buffer != to.buffer))
    }

    /// A group as one dispatch of `map`.
    pub(super) fn map(&mut self, group: &Group, a: Assembled) {
        let first = &self.ir.nodes[group.members[0]];
        let (n, scope) = (first.shape.len(), first.scope.clone());
        let mut ins = self.all(&a.inputs);
        // A binding must be there even where the kernel does not read it, or write it.
        ins.resize(k::map::INPUTS, ins[0]);
        let mut outs: Vec<View> = Vec::new();
        for &id in &a.outputs {
            let place = self.free_place(id, &ins, &outs);
            let out = place.unwrap_or_else(|| self.temp(DType::F32, n));
            self.values[id] = Value::Here(out);
            outs.push(out);
        }
        while outs.len() < k::map::OUTPUTS {
            let unused = self.temp(DType::F32, 1);
            outs.push(unused);
        }
        let (mut run, mut scale) = (1, 1.0);
        match group.sum {
            Some((id, part)) => {
                let node = &self.ir.nodes[id];
                let Op::Sum { scale: factor, .. } = node.op else { unreachable!("a group sums by a sum") };
                let (results, parts) = (node.shape.len(), n / node.shape.len() / part);
                (run, scale) = (part, factor as f32);
                let place = self.free_place(id, &ins, &outs);
                let out = place.filter(|_| parts == 1).unwrap_or_else(|| self.temp(DType::F32, results * parts));
                self.values[id] = if parts == 1 { Value::Here(out) } else { Value::Parts(out, parts) };
                outs.push(out);
            }
            None => {
                let unused = self.temp(DType::F32, 1);
                outs.push(unused);
            }
        }
        let (consts, params) = a.program.call(n, run, scale, WG);
        self.emit("map", consts, params, ins, outs, &scope);
    }
}
