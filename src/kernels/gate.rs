//! The step's verdict and its row of the metrics: flag = 1 if any of counts is not 0, or a checked column is infinite or
//! NaN, else 0;  skipped ← skipped + flag;  table\[row\] = (columns, flag). Twin of shaders/gate.wgsl.

use super::{Before, Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::{DType, Real};
use std::ops::Range;

params! {
    /// Uniform of shaders/gate.wgsl.
    GateParams {
        /// Counts, at most 4096.
        n: u32,
        /// Columns before that of the flag.
        k: u32,
        /// The distance of two columns in x.
        stride: u32,
        /// Rows of the table; a step whose row is not among them writes none.
        rows: u32,
        /// Bit j: column j must be finite.
        checked: u32,
    }
}

/// How many columns can be checked.
pub const CHECKED: usize = 32;

/// See the module.
pub struct Gate;

impl Twin for Gate {
    const NAME: &'static str = "gate";
    const WGSL: &'static str = include_str!("../../shaders/gate.wgsl");
    const OVERRIDES: &'static [&'static str] = &["LANES"];
    const UPDATES: &'static [usize] = &[1];
    type Params = GateParams;

    fn work(c: &Consts, p: &GateParams) -> Work {
        Work {
            items: 1,
            chunk: 1,
            // The row is known only at the step: of the table the one item has all.
            strides: [1, 1, p.rows as usize * (p.k as usize + 1)],
            workgroups: 1,
            loop_bound: u64::from(p.n.div_ceil(c[0])) + u64::from(p.k),
            flops: 0,
        }
    }

    fn reads(_: &Consts, p: &GateParams) -> Vec<usize> {
        vec![p.n as usize, (p.k as usize).saturating_sub(1) * p.stride as usize + usize::from(p.k > 0)]
    }

    fn describe(_: &Consts, p: &GateParams) -> String {
        format!("{} columns", p.k + 1)
    }

    #[inline(always)]
    fn run<R: Real>(_: &Consts, p: &GateParams, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], _: Range<usize>) {
        let k = p.k as usize;
        let columns = || ins[1].f().iter().step_by(p.stride as usize).take(k);
        let odd = columns().enumerate().any(|(j, x)| p.checked >> j & 1 == 1 && !x.finite());
        let flag = u32::from(odd || ins[0].u()[..p.n as usize].iter().any(|&c| c != 0));
        outs[0].u()[0] = flag;
        outs[1].u()[0] += flag;
        if s.row < p.rows {
            let row = &mut outs[2].f()[s.row as usize * (k + 1)..][..k + 1];
            row.iter_mut().zip(columns()).for_each(|(y, &x)| *y = x);
            row[k] = R::of(flag.into());
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, counts: Vec<u32>, [k, stride, rows, row]: [usize; 4], checked: u32| {
            let n = counts.len();
            let [k32, stride32, rows32] = [k, stride, rows].map(|v| v as u32);
            let p = GateParams { n: n as u32, k: k32, stride: stride32, rows: rows32, checked };
            let straddling = |n, salt| values(Values::Straddling { extreme: 1000.0 }, n, salt);
            let x = straddling((k.max(1) - 1) * stride + 1, 1);
            let (skipped, table) = (vec![41u32], straddling(rows * (k + 1), 2));
            let outs = vec![Before::Poison(DType::U32, 1), Before::Value(skipped.into()), Before::Value(table.into())];
            let name = format!("{what} n={n} k={k} row {row} of {rows}");
            let mut case = Case::new(name, &[1], p, vec![counts.into(), x.into()], &[]).outs(outs).exact();
            case.step.row = row as u32;
            case
        };
        let mut cases = Vec::new();
        for n in [1, 63, 64, 65, 997, 4096] {
            let mut last = vec![0; n];
            last[n - 1] = 2;
            for (what, counts) in [("none", vec![0; n]), ("last", last), ("all", vec![3; n])] {
                cases.push(case(what, counts, [3, 64, 5, 4], 1));
            }
        }
        cases.push(case("a sum that wraps", vec![1 << 31; 2], [1, 1, 1, 0], 1));
        // What invocations share.
        for mut c in cases.clone() {
            c.call.consts[0] = 64;
            c.name += " by 64";
            cases.push(c);
        }
        cases.push(case("no columns", vec![0; 2], [0, 1, 3, 1], 1));
        cases.push(case("no row", vec![2; 2], [2, 7, 3, 3], 1));
        // What is no number, in each column, checked and not.
        for (what, odd) in [("NaN", f32::NAN), ("inf", f32::INFINITY), ("-inf", f32::NEG_INFINITY)] {
            for j in [0, 1, 31] {
                for checked in [1 << j, !(1 << j)] {
                    let mut c = case(&format!("{what} {j} of {checked:x}"), vec![0; 3], [33, 2, 2, 1], checked);
                    let mut x = values(Values::Integers, 65, 3);
                    x[2 * j] = odd;
                    c.ins[1] = x.into();
                    cases.push(c);
                }
            }
        }
        cases
    }

    fn timed() -> Vec<Case> {
        // Of a VAE's step: the counts of its gradients and three metrics.
        let (n, k, stride, rows) = (640, 3, 64, 32);
        let outs = vec![
            Before::Poison(DType::U32, 1),
            Before::Value(vec![0u32].into()),
            Before::Value(vec![0f32; rows as usize * 4].into()),
        ];
        let p = GateParams { n, k, stride, rows, checked: 1 };
        let ins = vec![vec![0u32; n as usize].into(), values(Values::Unit, 129, 1).into()];
        vec![Case::new(format!("[{n}]"), &[1], p, ins, &[]).outs(outs).exact()]
    }
}
