//! table\[row, j\] = x\[j · stride\] for the step's row; the other rows stay. Twin of shaders/log_row.wgsl.

use super::{Before, Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/log_row.wgsl.
    LogRowParams {
        /// Rows of the table; a step whose row is not among them writes nothing.
        rows: u32,
        /// Columns.
        k: u32,
        /// The distance in x of two values that are logged.
        stride: u32,
    }
}

/// See the module.
pub struct LogRow;

impl Twin for LogRow {
    const NAME: &'static str = "log_row";
    const WGSL: &'static str = include_str!("../../shaders/log_row.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = LogRowParams;

    fn work(c: &Consts, p: &LogRowParams) -> Work {
        Work {
            items: 1,
            chunk: 1,
            // The row is known only at the step: the one item is the table.
            strides: [p.rows as usize * p.k as usize; MAX_OUTS],
            workgroups: u64::from(p.k).div_ceil(u64::from(c[0])),
            loop_bound: 0,
            flops: 0,
        }
    }

    fn reads(_: &Consts, p: &LogRowParams) -> Vec<usize> {
        vec![(p.k as usize).saturating_sub(1) * p.stride as usize + 1]
    }

    fn describe(_: &Consts, p: &LogRowParams) -> String {
        format!("{} columns", p.k)
    }

    #[inline(always)]
    fn run<R: Real>(_: &Consts, p: &LogRowParams, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], _: Range<usize>) {
        if s.row >= p.rows {
            return;
        }
        let (row, k) = (s.row as usize, p.k as usize);
        let x = ins[0].f().iter().step_by(p.stride as usize);
        outs[0].f()[row * k..(row + 1) * k].iter_mut().zip(x).for_each(|(y, &x)| *y = x);
    }

    fn cases() -> Vec<Case> {
        let case = |[rows, row, k, stride]: [usize; 4], wg: u32| {
            let straddling = |n, salt| values(Values::Straddling { extreme: 1000.0 }, n, salt);
            let p = LogRowParams { rows: rows as u32, k: k as u32, stride: stride as u32 };
            let x = straddling((k - 1) * stride + 1, 1);
            let table = Before::Value(straddling(rows * k, 2).into());
            let name = format!("row {row} of {rows}, k={k} stride={stride}");
            let mut case = Case::new(name, &[wg], p, vec![x.into()], &[]).outs(vec![table]).exact();
            case.step.row = row as u32;
            case
        };
        vec![
            case([1, 0, 1, 1], 64),
            case([7, 0, 5, 64], 64),
            case([7, 6, 5, 64], 64),
            case([7, 7, 5, 1], 64),
            case([3, 1, 63, 2], 64),
            case([3, 1, 64, 1], 64),
            case([3, 2, 65, 3], 64),
            case([3, 1, 997, 2], 64).again(),
            // Past the fold of the grid, at the smallest workgroup.
            case([2, 1, 65_535 + 2, 1], 1),
        ]
    }

    fn timed() -> Vec<Case> {
        let (rows, k, stride) = (32, 4, 64);
        let p = LogRowParams { rows, k, stride };
        let x = values(Values::Unit, ((k - 1) * stride + 1) as usize, 1);
        let table = Before::Value(values(Values::Unit, (rows * k) as usize, 2).into());
        vec![Case::new(format!("[{rows},{k}]"), &[64], p, vec![x.into()], &[]).outs(vec![table]).exact()]
    }
}
