//! dW = dYᵀ·X: \[m, n\] and db = Σ_k dY_k: \[m\], the gradients of a dense layer's weight and bias, at one go. Twin of
//! shaders/weight_grad.wgsl; dY: \[k, m\], X: \[k, n\], m and n divisible by 4.
//!
//! There is one output, dW ‖ zeros ‖ db, since both gradients lie in one bucket, and a buffer can be bound once where it
//! is written. For the same reason the whole call is one item.

use super::matmul_vec4::{Form, TILE, fits, twin, workgroup};
use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/weight_grad.wgsl.
    WeightGradParams {
        /// Rows of dW, columns of dY.
        m: u32,
        /// Columns of dW and of X.
        n: u32,
        /// Rows of dY and of X: the batch.
        k: u32,
        /// Where db begins, in vec4; at least m·n/4. Between dW and db stand zeros.
        s: u32,
    }
}

impl WeightGradParams {
    /// The same product for the kernels of matmul.
    pub fn product(&self) -> super::matmul_vec4::MatmulParams {
        super::matmul_vec4::MatmulParams { m: self.m, n: self.n, k: self.k, batch: 1 }
    }
}

/// See the module.
pub struct WeightGrad;

impl Twin for WeightGrad {
    const NAME: &'static str = "weight_grad";
    const WGSL: &'static str = include_str!("../../shaders/weight_grad.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WGX", "WGY"];
    type Params = WeightGradParams;

    fn work(c: &Consts, p: &WeightGradParams) -> Work {
        let [m, n, k, s, x, y] = [p.m, p.n, p.k, p.s, c[0], c[1]].map(u64::from);
        let (rows, columns) = (u64::from(TILE.0), u64::from(TILE.1));
        // Each invocation sums its share of a group's rows, four at a time; the gap is filled by the first group.
        let sums = (rows / 4).div_ceil(x);
        Work {
            items: 1,
            chunk: 1,
            strides: [4 * p.s as usize + p.m as usize; MAX_OUTS],
            workgroups: m.div_ceil(rows * y) * n.div_ceil(columns * x),
            loop_bound: k.div_ceil(4) + sums * (k + 1) + (s - m * n / 4).div_ceil(x * y),
            flops: 2 * m * n * k + m * k,
        }
    }

    fn reads(_: &Consts, p: &WeightGradParams) -> Vec<usize> {
        let [m, n, k] = [p.m, p.n, p.k].map(|x| x as usize);
        vec![k * m, k * n]
    }

    fn describe(_: &Consts, _: &WeightGradParams) -> String {
        "tn, sum".into()
    }

    fn run<R: Real>(
        _: &Consts,
        p: &WeightGradParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        if items.is_empty() {
            return;
        }
        let m = p.m as usize;
        let (y, db) = outs[0].f().split_at_mut(4 * p.s as usize);
        let (dw, gap) = y.split_at_mut(m * p.n as usize);
        twin(&Form::product(true, false).consts(), &p.product(), ins, &mut [Out::F(dw)], 0..m);
        gap.fill(R::zero());
        column_sums(ins[0].f(), &mut db[..m]);
    }

    fn cases() -> Vec<Case> {
        const REAL: Values = Values::Straddling { extreme: 30.0 };
        // Ones, a tile and one vec4 more and less of each extent, tails of k, and gaps of none to more than a group.
        let shapes = [
            (4, 4, 1, 0),
            (16, 20, 8, 12),
            (12, 16, 7, 3),
            (20, 24, 50, 1),
            (68, 164, 33, 9),
            (64, 156, 13, 0),
            (20, 100, 25, 15),
            (100, 196, 32, 4),
            (132, 20, 18, 16),
        ];
        let mut cases = Vec::new();
        for (turn, shape) in shapes.into_iter().enumerate() {
            cases.push(case(shape, [(8, 1), (1, 8)][turn % 2], REAL));
            cases.push(case(shape, [(1, 8), (8, 1)][turn % 2], Values::Integers));
        }
        // Long sums.
        cases.push(case((4, 4, 20_001, 12), (8, 1), Values::Integers));
        cases.push(case((272, 332, 12, 2), (8, 1), Values::Integers).again());
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case((4, 20 * (65_535 + 3), 1, 1), (1, 1), Values::Integers));
        cases
    }

    fn timed() -> Vec<Case> {
        // Of a VAE's step, 784-400-(20)-400-784 with batch 128.
        let shapes = [[784, 400], [400, 784], [400, 20], [20, 400]];
        let of = |[m, n]: [usize; 2]| case((m, n, 128, 0), workgroup(TILE, m, n), Values::Integers);
        shapes.map(of).into()
    }
}

/// dW of m × n over a batch of k, with so many vec4 between dW and db.
fn case((m, n, k, gap): (usize, usize, usize, usize), (x, y): (u32, u32), kind: Values) -> Case {
    assert!(fits(m, n, k, true, false), "{m}x{n}x{k} is not for this kernel");
    let salt = (m * 31 + n * 17 + k) as u32;
    let ins = vec![values(kind, k * m, salt).into(), values(kind, k * n, salt + 1).into()];
    let s = m * n / 4 + gap;
    let p = WeightGradParams { m: m as u32, n: n as u32, k: k as u32, s: s as u32 };
    let exact = kind == Values::Integers;
    let name = format!("{m}x{n}x{k} gap {gap} wg {x}x{y}{}", if exact { " integers" } else { "" });
    let case = Case::new(name, &[x, y], p, ins, &[4 * s + m]);
    if exact { case.exact() } else { case }
}

/// y_i = Σ_k x_ki, from k = 0 on; x: \[k, m\], y: \[m\].
pub fn column_sums<R: Real>(x: &[R], y: &mut [R]) {
    let m = y.len();
    y.fill(R::zero());
    for row in x.chunks_exact(m) {
        for (y, &x) in y.iter_mut().zip(row) {
            *y = y.add_term(x);
        }
    }
    for y in y {
        *y = y.close_sum(x.len() / m);
    }
}

/// The override values for dW of m × n.
pub fn consts(m: usize, n: usize) -> Vec<u32> {
    let (x, y) = workgroup(TILE, m, n);
    vec![x, y]
}
