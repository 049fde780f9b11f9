//! Products, and sums over axes, runs and indices: what is too long for one invocation is summed in passes.

use super::super::View;
use super::super::pair::Pair;
use super::{Lowering, RUN, Value, WG, books};
use crate::kernels::matmul_half;
use crate::kernels::matmul_vec4::{Act, Form};
use crate::kernels::{self as k, Params};
use crate::values::DType;

impl Lowering<'_> {
    pub(super) fn reduce(&mut self, id: usize, op: k::reduce::Op, first: usize, count: usize, scale: f32) {
        let arg = self.ir.nodes[id].args[0];
        let from = self.ir.nodes[arg].shape;
        let product = |dims: &[usize]| dims.iter().product::<usize>();
        let (before, rest) = from.dims().split_at(first);
        let extents = [product(before), product(&rest[..count]), product(&rest[count..])];
        let x = self.here(arg);
        self.sum_up(id, op, x, extents, scale);
    }

    /// Reduces x: \[outer, terms, inner\] to the value of a node.
    pub(super) fn sum_up(
        &mut self,
        id: usize,
        op: k::reduce::Op,
        mut x: View,
        extents: [usize; 3],
        scale: f32,
    ) -> View {
        let [outer, mut terms, inner] = extents;
        let scope = self.ir.nodes[id].scope.clone();
        loop {
            // One pass where a serial run is short enough, else about √terms partial results first.
            let run = if terms <= RUN { terms } else { terms.isqrt().next_multiple_of(64).min(RUN) };
            let chunks = terms.div_ceil(run);
            let last = chunks == 1;
            let p = k::reduce::ReduceParams {
                outer: outer as u32,
                k: terms as u32,
                inner: inner as u32,
                chunks: chunks as u32,
                run: run as u32,
                scale: if last { scale } else { 1.0 },
            };
            let y = if last { self.target(id) } else { self.temp(DType::F32, outer * chunks * inner) };
            self.emit("reduce", vec![op as u32, WG, 1], p.words(), vec![x], vec![y], &scope);
            if last {
                self.values[id] = Value::Here(y);
                return y;
            }
            (x, terms) = (y, chunks);
        }
    }

    /// Sums over runs of the rows, then over the runs.
    pub(super) fn segment_sum(&mut self, id: usize) {
        let n = self.ir.nodes[id].clone();
        let ([books, k, d], rows) = (books(n.shape), self.ir.nodes[n.args[1]].shape.len());
        let run = k::segment_sum::RUN.next_multiple_of(books).min(rows);
        let [rows, d, k, books, run] = [rows, d, k, books, run].map(|v| v as u32);
        let p = k::segment_sum::SegmentSumParams { n: rows, d, k, books, run };
        let (ins, runs) = (self.all(&n.args), p.runs());
        let out = if runs == 1 { self.target(id) } else { self.temp(DType::F32, runs * n.shape.len()) };
        self.emit("segment_sum", vec![WG, 1], p.words(), ins, vec![out], &n.scope);
        match runs {
            1 => self.values[id] = Value::Here(out),
            _ => _ = self.sum_up(id, k::reduce::Op::Sum, out, [1, runs, n.shape.len()], 1.0),
        }
    }

    /// A product, of which `form` says all but the workgroup.
    pub(super) fn matmul(&mut self, id: usize, form: Form) -> (&'static str, Vec<u32>, Vec<u32>, Vec<View>) {
        let (Form { ta, tb, .. }, args) = (form, &self.ir.nodes[id].args.clone());
        let (a, b) = (self.ir.nodes[args[0]].shape, self.ir.nodes[args[1]].shape);
        let r = a.rank();
        let (m, depth) = if ta { (a[r - 1], a[r - 2]) } else { (a[r - 2], a[r - 1]) };
        let n = if tb { b[r - 2] } else { b[r - 1] };
        let batch = if r == 3 { a[0] } else { 1 };
        let p = k::matmul_vec4::MatmulParams { m: m as u32, n: n as u32, k: depth as u32, batch: batch as u32 };
        let half = if self.halved[id] { matmul_half::Y } else { 0 };
        self.product(args, form, p, half)
    }

    /// The same of known extents, and with what its result is to be of.
    fn product(
        &mut self,
        args: &[usize],
        form: Form,
        p: k::matmul_vec4::MatmulParams,
        mut half: u32,
    ) -> (&'static str, Vec<u32>, Vec<u32>, Vec<View>) {
        let [m, n, depth] = [p.m, p.n, p.k].map(|v| v as usize);
        let (name, tile) = match k::matmul_vec4::fits(m, n, depth, form.ta, form.tb) {
            true => ("matmul_vec4", k::matmul_vec4::TILE),
            false => ("matmul_scalar", k::matmul_scalar::TILE),
        };
        let form = Form { wg: k::matmul_vec4::workgroup(tile, m, n), ..form };
        let mut given = self.all(args);
        given[1] = self.weight_copy(args[1]).unwrap_or(given[1]);
        let mut given = given.into_iter();
        let mut ins: Vec<View> = given.by_ref().take(2).collect();
        for is in [form.bias, form.add, form.slope != Act::None] {
            // A binding must be there even where the kernel does not read it.
            ins.push(if is { given.next().expect("an argument a part of the form") } else { ins[0] });
        }
        for (i, bit) in [(0, matmul_half::A), (1, matmul_half::B), (4, matmul_half::H)] {
            // Reals are f32, and in words stands binary16.
            if ins[i].dtype == DType::U32 && (i < 2 || form.slope != Act::None) {
                half |= bit;
            }
        }
        if half == 0 {
            return (name, form.consts().into(), p.words(), ins);
        }
        let side = k::matmul_tiled::side(p.m, p.n, p.k, p.batch);
        ("matmul_half", matmul_half::consts(&form, half, side), p.words(), ins)
    }

    /// Aᵀ·B as the sum of products over runs of their rows, which lie one behind the other in both.
    pub(super) fn product_in_runs(&mut self, id: usize, run: usize) {
        let n = self.ir.nodes[id].clone();
        let [rows, m, columns] = [self.ir.nodes[n.args[0]].shape[0], n.shape[0], n.shape[1]];
        let batch = rows / run;
        let p = [m, columns, run, batch].map(|v| v as u32);
        let p = k::matmul_vec4::MatmulParams { m: p[0], n: p[1], k: p[2], batch: p[3] };
        let (kernel, consts, params, ins) = self.product(&n.args, Form::product(true, false), p, 0);
        let out = self.temp(DType::F32, batch * m * columns);
        self.emit(kernel, consts, params, ins, vec![out], &n.scope);
        self.sum_up(id, k::reduce::Op::Sum, out, [1, batch, m * columns], 1.0);
    }

    /// dW and db, into the range of their bucket that spans both.
    pub(super) fn weight_grad(&mut self, Pair { product, sum }: Pair) {
        let n = self.ir.nodes[product].clone();
        let (dw, db) = (self.target(product), self.target(sum));
        let (rows, columns, batch) = (n.shape[0], n.shape[1], self.ir.nodes[n.args[0]].shape[0]);
        let [m, n_columns, k, s] = [rows, columns, batch, (db.offset - dw.offset) / 4].map(|v| v as u32);
        let p = k::weight_grad::WeightGradParams { m, n: n_columns, k, s };
        let both = View { len: db.offset + db.len - dw.offset, ..dw };
        let (consts, ins) = (k::weight_grad::consts(rows, columns), self.all(&n.args));
        self.emit("weight_grad", consts, p.words(), ins, vec![both], &n.scope);
        (self.values[product], self.values[sum]) = (Value::Here(dw), Value::Here(db));
    }
}
