//! What a step leaves behind: the finite gate, the row of the metrics, and the effects that it lets through.

use super::super::{Buffer, LOG_ROWS, Log, MAX_LOOP, View};
use super::{Lowering, WG, range};
use crate::graph::{ALIGN, Effect};
use crate::kernels::{self as k, Params};
use crate::values::DType;

impl Lowering<'_> {
    /// Of a plan without effects: the metrics go to their row of the table.
    pub(super) fn log(&mut self, log: &Log, packed: usize) {
        let (x, columns, table) = (self.here(packed), log.names.len(), self.table(log));
        let p = k::log_row::LogRowParams { k: columns as u32, stride: ALIGN as u32, rows: LOG_ROWS as u32 };
        self.emit("log_row", vec![WG], p.words(), vec![x], vec![table], "log");
    }

    pub(super) fn effects(
        &mut self,
        effects: &[Effect],
        values: &[usize],
        guarded: &[usize],
        log: Option<(&Log, usize)>,
    ) {
        // What an earlier effect overwrites is copied while it still has its value.
        let mut sources: Vec<View> = Vec::new();
        for &v in values {
            let view = self.here(v);
            let state = matches!(view.buffer, Buffer::Store(s) if !self.stores[s].scratch);
            sources.push(if state { self.duplicate(view) } else { view });
        }
        let flag = self.gate(effects, &sources, guarded, log);
        for (effect, value) in effects.iter().zip(sources) {
            self.effect(effect, value, flag);
        }
    }

    fn duplicate(&mut self, from: View) -> View {
        let to = self.temp(DType::F32, from.len);
        let p = k::copy::CopyParams::new(&[from.len], &[1], 0, &[0], &[from.len]);
        self.emit("copy", vec![WG], p.words(), vec![from], vec![to], "effects");
        to
    }

    /// Counts what is not finite among the values and the guarded nodes; returns the flag that gates every effect. The
    /// metrics go to their row of the table on the way.
    fn gate(&mut self, effects: &[Effect], sources: &[View], guarded: &[usize], log: Option<(&Log, usize)>) -> View {
        // Without metrics a table of the flag alone, which nobody fetches, and one number that stands for no column.
        let (x, columns, table) = match log {
            Some((log, packed)) => (self.here(packed), log.names.len() - 1, self.table(log)),
            None => {
                let one = self.temp(DType::F32, 1);
                self.fill(k::fill::Op::Const, 0.0, 0, one, "guard");
                (one, 0, self.temp(DType::F32, LOG_ROWS))
            }
        };
        let (mut checked, mut checked_columns): (Vec<(View, bool)>, u32) = (Vec::new(), 0);
        for &g in guarded {
            let v = self.here(g);
            let column = v.offset / ALIGN;
            let metric = columns > 0 && v.buffer == x.buffer && column < columns.min(k::gate::CHECKED);
            match metric {
                true => checked_columns |= 1 << column,
                false => checked.push((v, false)),
            }
        }
        for (e, v) in effects.iter().zip(sources) {
            // Adam squares the gradient: its square must be finite too.
            checked.push((*v, matches!(e, Effect::Adam { .. })));
        }
        checked.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            kept.1 |= same && later.1;
            same
        });
        // Some 2,048 parts of a large tensor, but no run of fewer than 1,024 elements or of more than the loop bound.
        let run = |len: usize| len.div_ceil(2048).clamp(1024, MAX_LOOP as usize);
        let parts = |len: usize| len.div_ceil(run(len));
        let n: usize = checked.iter().map(|(x, _)| parts(x.len).next_multiple_of(ALIGN)).sum();
        // Named by its parts: plans that divide it otherwise share the Store, and what none of its own parts writes is 0.
        let names: Vec<String> = checked.iter().map(|(x, _)| parts(x.len).to_string()).collect();
        let counts = self.scratch(&format!("guard/counts/{}", names.join("-")), DType::U32, n);
        let mut at = 0;
        for (x, squares) in checked {
            let out = range(counts, at, parts(x.len), DType::U32);
            let p = k::finite::FiniteParams { n: x.len as u32, run: run(x.len) as u32, squares: squares.into() };
            self.emit("finite", vec![WG, 1], p.words(), vec![x], vec![out], "guard");
            at += parts(x.len).next_multiple_of(ALIGN);
        }
        let flag = self.temp(DType::U32, 1);
        let skipped = self.persistent("guard/skipped", DType::U32, 1);
        let p = k::gate::GateParams {
            n: n as u32,
            k: columns as u32,
            stride: ALIGN as u32,
            rows: LOG_ROWS as u32,
            checked: checked_columns,
        };
        let (ins, outs) =
            (vec![range(counts, 0, n, DType::U32), x], vec![flag, range(skipped, 0, 1, DType::U32), table]);
        self.emit("gate", vec![1], p.words(), ins, outs, "guard");
        flag
    }

    fn table(&mut self, log: &Log) -> View {
        let len = LOG_ROWS * log.names.len();
        let table = self.scratch(&log.path, DType::F32, len);
        range(table, 0, len, DType::F32)
    }

    fn effect(&mut self, effect: &Effect, value: View, flag: View) {
        let state = |l: &mut Self, s: usize| {
            let d = &l.graph.states()[s];
            let len = d.shape.len();
            let store = l.persistent(&d.path, d.dtype, len);
            range(store, 0, len, d.dtype)
        };
        match effect {
            Effect::Assign { state: s, .. } => {
                let out = state(self, *s);
                let p = k::assign::AssignParams { n: value.len as u32 };
                self.emit("assign", vec![WG], p.words(), vec![value, flag], vec![out], "effects");
            }
            Effect::Adam { wmv, beta1, beta2, epsilon, scalars, .. } => {
                assert!(value.len.is_multiple_of(4), "adam takes four elements an invocation: buckets are padded");
                let outs: Vec<View> = wmv.iter().map(|&s| state(self, s)).collect();
                let p = k::adam::AdamParams {
                    n: value.len as u32,
                    beta1: *beta1,
                    beta2: *beta2,
                    eps: *epsilon,
                    lr: scalars[0] as u32,
                    c1: scalars[1] as u32,
                    c2: scalars[2] as u32,
                };
                self.emit("adam", vec![WG], p.words(), vec![value, flag], outs, "optimizer");
            }
            Effect::Sgd { wu, momentum, rate, .. } => {
                let outs: Vec<View> = wu.iter().map(|&s| state(self, s)).collect();
                let p = k::sgd::SgdParams { n: value.len as u32, momentum: *momentum, lr: *rate as u32 };
                self.emit("sgd", vec![WG], p.words(), vec![value, flag], outs, "optimizer");
            }
        }
    }
}
