//! x with L x = b, or with Lᵀ x = b, column by column; only the lower triangle of L is read. Twin of
//! shaders/triangular_solve.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

/// Which system; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// L x = b
    Lower,
    /// Lᵀ x = b
    Transposed,
}

impl Op {
    /// Both, by override value.
    pub const ALL: [Op; 2] = [Op::Lower, Op::Transposed];
}

params! {
    /// Uniform of shaders/triangular_solve.wgsl.
    TriangularSolveParams {
        /// Columns of all right-hand sides.
        n: u32,
        /// Rows of a matrix.
        d: u32,
        /// Columns of a right-hand side.
        m: u32,
    }
}

/// The most rows of a matrix: an invocation passes over half of its square.
pub const MAX_ROWS: usize = 128;

/// See the module.
pub struct TriangularSolve;

impl Twin for TriangularSolve {
    const NAME: &'static str = "triangular_solve";
    const WGSL: &'static str = include_str!("../../shaders/triangular_solve.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = TriangularSolveParams;

    fn work(c: &Consts, p: &TriangularSolveParams) -> Work {
        let (n, d) = (u64::from(p.n), u64::from(p.d));
        Work {
            items: (p.n / p.m.max(1)) as usize,
            chunk: (16 * 1024 / (p.d * p.m).max(1) as usize).max(1),
            strides: [(p.d * p.m) as usize; MAX_OUTS],
            workgroups: n.div_ceil(u64::from(c[1])),
            loop_bound: d * (d + 1) / 2,
            flops: n * d * d,
        }
    }

    fn reads(_: &Consts, p: &TriangularSolveParams) -> Vec<usize> {
        vec![(p.n / p.m.max(1) * p.d * p.d) as usize, (p.n * p.d) as usize]
    }

    fn describe(c: &Consts, p: &TriangularSolveParams) -> String {
        let t = if Op::ALL[c[0] as usize] == Op::Transposed { "ᵀ" } else { "" };
        format!("L{t} {}² ×{}", p.d, p.m)
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &TriangularSolveParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (d, m, transposed) = (p.d as usize, p.m as usize, Op::ALL[c[0] as usize] == Op::Transposed);
        let row = |t: usize| if transposed { d - 1 - t } else { t };
        let entry = |r: usize, k: usize| if transposed { k * d + r } else { r * d + k };
        let (l, b) = (ins[0].f().chunks(d * d), ins[1].f().chunks(d * m));
        let systems = l.zip(b).skip(items.start);
        // All columns of a row at once: neighbours in memory.
        let mut known = vec![R::zero(); m];
        for (x, (l, b)) in outs[0].f().chunks_mut(d * m).zip(systems) {
            for t in 0..d {
                let r = row(t);
                known.fill(R::zero());
                for k in (0..t).map(row) {
                    let coefficient = l[entry(r, k)];
                    for (s, &x) in known.iter_mut().zip(&x[k * m..]) {
                        *s = s.add_term(coefficient * x);
                    }
                }
                let pivot = l[entry(r, r)];
                for ((x, &b), s) in x[r * m..][..m].iter_mut().zip(&b[r * m..]).zip(&known) {
                    *x = (b - s.close_sum(t)) / pivot;
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, op: Op, l: Vec<f32>, b: Vec<f32>, d: usize, m: usize, wg: u32| {
            let q = l.len() / (d * d);
            let p = TriangularSolveParams { n: (q * m) as u32, d: d as u32, m: m as u32 };
            let name = format!("{what} [{q},{d},{d}] [{q},{d},{m}] {op:?}").to_lowercase();
            Case::new(name, &[op as u32, wg], p, vec![l.into(), b.into()], &[q * d * m])
        };
        // Far from singular: else errors grow from row to row, and the bounds with them. NaN stands above the diagonal.
        let matrices = |q: usize, d: usize| {
            let mut l = values(Values::Straddling { extreme: 2.0 }, q * d * d, (q + d) as u32);
            for (i, v) in l.iter_mut().enumerate() {
                let (row, col) = (i / d % d, i % d);
                *v = match col.cmp(&row) {
                    std::cmp::Ordering::Less => *v * 0.5 / d as f32,
                    std::cmp::Ordering::Equal => (1.0 + v.abs()) * [1.0, -0.5, 3.0][row % 3],
                    std::cmp::Ordering::Greater => f32::NAN,
                };
            }
            l
        };
        let mut cases = Vec::new();
        let shapes =
            [(1, 1, 1), (65, 1, 1), (3, 2, 1), (1, 2, 63), (1, 3, 64), (1, 5, 65), (7, 3, 5), (5, 31, 13), (1, 97, 2)];
        for (q, d, m) in shapes.into_iter().chain([(2, MAX_ROWS, 3), (3, 31, 137)]) {
            for op in Op::ALL {
                let b = values(Values::Straddling { extreme: 1000.0 }, q * d * m, (q + d + m) as u32);
                let mixed = case("mixed", op, matrices(q, d), b, d, m, 64);
                cases.push(if m == 137 { mixed.again() } else { mixed });
            }
        }
        // Whole numbers, made backwards from whole solutions: a diagonal of ±1, zeros above. In a large L the rows of each
        // third stand on those of the earlier thirds alone: else its inverse grows from row to row.
        let whole = |q: usize, d: usize, m: usize, op: Op, wg: u32| {
            let entries = values(Values::Integers, q * d * d, (q + d) as u32);
            let l: Vec<f32> = (0..q * d * d)
                .map(|i| match (i / d % d, i % d) {
                    (row, col) if row == col => [1.0, -1.0][row % 2],
                    (row, col) if col < row && (d < 9 || 3 * col / d < 3 * row / d) => entries[i],
                    _ => 0.0,
                })
                .collect();
            let x = values(Values::Integers, q * d * m, (d + m) as u32);
            let b = (0..q * d * m)
                .map(|i| {
                    let (q, r, c) = (i / (d * m), i / m % d, i % m);
                    let at = |k: usize| if op == Op::Transposed { k * d + r } else { r * d + k };
                    (0..d).map(|k| l[q * d * d + at(k)] * x[(q * d + k) * m + c]).sum()
                })
                .collect();
            case("integers", op, l, b, d, m, wg).exact()
        };
        for (q, d, m) in [(1, 1, 1), (3, 4, 5), (2, 33, 9), (1, MAX_ROWS, 2)] {
            cases.extend(Op::ALL.map(|op| whole(q, d, m, op, 64)));
        }
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(whole(21_847, 2, 3, Op::Lower, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let (q, d, m) = (128, 20, 20);
        let mut l = values(Values::Unit, q * d * d, 1);
        l.iter_mut().enumerate().for_each(|(i, v)| *v = if i / d % d == i % d { 1.0 + *v } else { *v / d as f32 });
        let b = values(Values::Unit, q * d * m, 2);
        let case = |op: Op| {
            let p = TriangularSolveParams { n: (q * m) as u32, d: d as u32, m: m as u32 };
            let ins = vec![l.clone().into(), b.clone().into()];
            Case::new(
                format!("{op:?} [{q},{d},{d}] [{q},{d},{m}]").to_lowercase(),
                &[op as u32, 64],
                p,
                ins,
                &[q * d * m],
            )
        };
        Op::ALL.map(case).into()
    }
}
