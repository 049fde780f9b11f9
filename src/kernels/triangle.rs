//! y_ij = x_ij below the diagonal, s·x_ii on it, 0 above. Twin of shaders/triangle.wgsl.

use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/triangle.wgsl.
    TriangleParams {
        /// Elements of all matrices.
        n: u32,
        /// Rows, and columns, of a matrix.
        d: u32,
        /// s
        scale: f32,
    }
}

/// See the module.
pub struct Triangle;

impl Twin for Triangle {
    const NAME: &'static str = "triangle";
    const WGSL: &'static str = include_str!("../../shaders/triangle.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = TriangleParams;

    fn work(c: &Consts, p: &TriangleParams) -> Work {
        Work::elementwise(p.n as usize, c[0], 1)
    }

    fn reads(_: &Consts, p: &TriangleParams) -> Vec<usize> {
        vec![p.n as usize]
    }

    fn describe(_: &Consts, p: &TriangleParams) -> String {
        format!("{}² diagonal·{}", p.d, p.scale)
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        p: &TriangleParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (x, d, scale) = (&ins[0].f()[items.clone()], p.d as usize, R::of(p.scale.into()));
        for ((y, &x), i) in outs[0].f().iter_mut().zip(x).zip(items) {
            let (row, col) = (i / d % d, i % d);
            *y = if col < row {
                x
            } else if col == row {
                scale * x
            } else {
                R::zero()
            };
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, x: Vec<f32>, d: usize, scale: f32, wg: u32| {
            let p = TriangleParams { n: x.len() as u32, d: d as u32, scale };
            let n = x.len();
            Case::new(format!("{what} [{},{d},{d}] s={scale}", n / (d * d)), &[wg], p, vec![x.into()], &[n])
        };
        let mixed = Values::Straddling { extreme: 1000.0 };
        let some = |kind, n: usize, d: usize| values(kind, n * d * d, (n + d) as u32);
        let mut cases = Vec::new();
        // Matrices smaller than a workgroup, as large, larger; one and several.
        for (n, d) in [(1, 1), (65, 1), (3, 2), (7, 3), (1, 8), (5, 8), (3, 31), (2, 97)] {
            let real = case("mixed", some(mixed, n, d), d, -1.25, 64);
            cases.push(if d == 97 { real.again() } else { real });
            cases.extend([0.0, 0.5, 1.0].map(|s| case("integers", some(Values::Integers, n, d), d, s, 64).exact()));
        }
        // What is above the diagonal is not looked at.
        let mut above = some(Values::Integers, 2, 9);
        for (i, v) in above.iter_mut().enumerate() {
            if i % 9 > i / 9 % 9 {
                *v = [f32::NAN, f32::INFINITY][i % 2];
            }
        }
        cases.push(case("no numbers above", above, 9, 0.5, 64).exact());
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case("folded grid", some(Values::Integers, 7283, 3), 3, 0.5, 1).exact());
        cases
    }

    fn timed() -> Vec<Case> {
        let (n, d) = (128, 20);
        let p = TriangleParams { n: (n * d * d) as u32, d: d as u32, scale: 0.5 };
        let x = values(Values::Unit, n * d * d, 1);
        vec![Case::new(format!("[{n},{d},{d}]"), &[64], p, vec![x.into()], &[n * d * d])]
    }
}
