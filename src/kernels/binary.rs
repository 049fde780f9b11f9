//! y = f(a, b), element by element, operands repeated as the call says; y: \[n\]. Twin of shaders/binary.wgsl.

use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

/// The functions of the family; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a b
    Mul,
    /// a / b
    Div,
    /// The larger, NaN kept
    Max,
    /// The smaller, NaN kept
    Min,
    /// 1 where a > b, else 0
    Gt,
    /// a where b > 0, else 0: the gradient of relu, b its input or output
    ReluGrad,
    /// a b (1 − b): the gradient of sigmoid, b its output
    SigmoidGrad,
    /// a (1 − b²): the gradient of tanh, b its output
    TanhGrad,
}

impl Op {
    /// Every function, by its override value.
    pub const ALL: [Op; 10] =
        [Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Max, Op::Min, Op::Gt, Op::ReluGrad, Op::SigmoidGrad, Op::TanhGrad];

    /// f(a, b).
    #[inline(always)]
    pub fn apply<R: Real>(self, a: R, b: R) -> R {
        match self {
            Op::Add => a + b,
            Op::Sub => a - b,
            Op::Mul => a * b,
            Op::Div => a / b,
            // Neither comparison holds where one is NaN: the sum keeps it.
            Op::Max => [a + b, b.at_least(a), a.at_least(b)][usize::from(b > a) + 2 * usize::from(a >= b)],
            Op::Min => [a + b, b.at_most(a), a.at_most(b)][usize::from(b < a) + 2 * usize::from(a <= b)],
            Op::Gt => R::indicator(a > b),
            Op::ReluGrad => {
                if b > R::zero() {
                    a
                } else {
                    R::zero()
                }
            }
            Op::SigmoidGrad => a * (b * (R::one() - b)),
            Op::TanhGrad => a * (R::one() - b * b),
        }
    }
}

params! {
    /// Uniform of shaders/binary.wgsl: element i of y reads element (i / div) % mod of an operand.
    BinaryParams {
        /// Elements of y.
        n: u32,
        /// How often in a row each element of a is used.
        a_div: u32,
        /// Elements of a.
        a_mod: u32,
        /// How often in a row each element of b is used.
        b_div: u32,
        /// Elements of b.
        b_mod: u32,
    }
}

/// A part of an operand along which y is one plain loop.
#[derive(Clone, Copy)]
enum Run<'a, R> {
    Same(R),
    Slice(&'a [R]),
}

/// An operand and how it is repeated.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a, R> {
    x: &'a [R],
    div: usize,
    modulus: usize,
}

impl<'a, R: Real> Operand<'a, R> {
    pub fn new(x: &'a [R], div: u32, modulus: u32) -> Self {
        Self { x, div: div as usize, modulus: modulus as usize }
    }

    /// The part from element `i` of y on, at most `n` long, and its length.
    #[inline(always)]
    fn run(&self, i: usize, n: usize) -> (Run<'a, R>, usize) {
        let at = (i / self.div) % self.modulus;
        if self.modulus == 1 {
            (Run::Same(self.x[0]), n)
        } else if self.div == 1 {
            let n = n.min(self.modulus - at);
            (Run::Slice(&self.x[at..at + n]), n)
        } else {
            (Run::Same(self.x[at]), n.min(self.div - i % self.div))
        }
    }
}

impl<R: Real> Operand<'_, R> {
    /// The elements that `y` from element `first` on reads.
    #[inline(always)]
    pub fn fill(&self, first: usize, y: &mut [R]) {
        let mut at = 0;
        while at < y.len() {
            let (run, n) = self.run(first + at, y.len() - at);
            match run {
                Run::Same(x) => y[at..at + n].fill(x),
                Run::Slice(x) => y[at..at + n].copy_from_slice(x),
            }
            at += n;
        }
    }
}

#[inline(always)]
fn loops<R: Real>(f: impl Fn(R, R) -> R, a: Operand<R>, b: Operand<R>, y: &mut [R], first: usize) {
    let mut at = 0;
    while at < y.len() {
        let (_, n) = a.run(first + at, y.len() - at);
        let (vb, n) = b.run(first + at, n);
        let (va, _) = a.run(first + at, n);
        let part = &mut y[at..at + n];
        match (va, vb) {
            (Run::Slice(a), Run::Slice(b)) => {
                for ((y, &a), &b) in part.iter_mut().zip(a).zip(b) {
                    *y = f(a, b);
                }
            }
            (Run::Slice(a), Run::Same(b)) => part.iter_mut().zip(a).for_each(|(y, &a)| *y = f(a, b)),
            (Run::Same(a), Run::Slice(b)) => part.iter_mut().zip(b).for_each(|(y, &b)| *y = f(a, b)),
            (Run::Same(a), Run::Same(b)) => part.fill(f(a, b)),
        }
        at += n;
    }
}

/// See the module.
pub struct Binary;

impl Twin for Binary {
    const NAME: &'static str = "binary";
    const WGSL: &'static str = include_str!("../../shaders/binary.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = BinaryParams;

    fn work(c: &Consts, p: &BinaryParams) -> Work {
        Work::elementwise(p.n as usize, c[1], 1)
    }

    fn reads(_: &Consts, p: &BinaryParams) -> Vec<usize> {
        let last = |div: u32, modulus: u32| (p.n.saturating_sub(1) / div.max(1) + 1).min(modulus) as usize;
        vec![last(p.a_div, p.a_mod), last(p.b_div, p.b_mod)]
    }

    fn describe(c: &Consts, _: &BinaryParams) -> String {
        format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase()
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &BinaryParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let a = Operand::new(ins[0].f(), p.a_div, p.a_mod);
        let b = Operand::new(ins[1].f(), p.b_div, p.b_mod);
        let y = outs[0].f();
        // One loop a function: the match must not stand inside the loop, or nothing vectorises.
        macro_rules! each {
            ($($op:ident),*) => {
                match Op::ALL[c[0] as usize] {
                    $(Op::$op => loops(|a, b| Op::$op.apply(a, b), a, b, y, items.start),)*
                }
            };
        }
        each!(Add, Sub, Mul, Div, Max, Min, Gt, ReluGrad, SigmoidGrad, TanhGrad);
    }

    fn cases() -> Vec<Case> {
        let full = |n: usize| (1, n);
        let case = |op: Op, what: &str, kind: Values, n: usize, a: (usize, usize), b: (usize, usize), wg: u32| {
            // a / b has no value at b = 0.
            let divisor = if op == Op::Div { Values::Positive } else { kind };
            let (xa, mut xb) = (values(kind, a.1, op as u32), values(divisor, b.1, 50 + op as u32));
            // Ties, where a comparison may err.
            if a == b && op != Op::Div {
                xb.iter_mut().zip(&xa).step_by(5).for_each(|(b, &a)| *b = a);
            }
            let p = BinaryParams {
                n: n as u32,
                a_div: a.0 as u32,
                a_mod: a.1 as u32,
                b_div: b.0 as u32,
                b_mod: b.1 as u32,
            };
            let name = format!("{op:?} {what} n={n}").to_lowercase();
            Case::new(name, &[op as u32, wg], p, vec![xa.into(), xb.into()], &[n])
        };
        let mut cases = Vec::new();
        for op in Op::ALL {
            let straddling = match op {
                Op::Gt | Op::ReluGrad => Values::Jumping { extreme: 1000.0 },
                _ => Values::Straddling { extreme: 1000.0 },
            };
            for n in [1, 63, 64, 65, 997] {
                cases.push(case(op, "full", straddling, n, full(n), full(n), 64));
            }
            let rows = case(op, "rows + row", straddling, 35 * 29, full(35 * 29), (1, 29), 64);
            cases.push(if op == Op::Sub { rows.again() } else { rows });
            let column = case(op, "column + scalar", straddling, 35 * 29, (29, 35), (1, 1), 64);
            cases.push(if op == Op::Max { column.again() } else { column });
            cases.push(case(op, "scalar + middle", straddling, 7 * 5 * 11, (7, 1), (11, 5), 64));
            if op != Op::Div {
                cases.push(case(op, "integers, full", Values::Integers, 997, full(997), full(997), 64).exact());
                cases.push(case(op, "integers, row + column", Values::Integers, 391, (1, 17), (17, 23), 64).exact());
            }
        }
        // Every pair of what is no number with what is one.
        for op in [Op::Max, Op::Min] {
            let (x, k) = ([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -2.5, 0.0, 3.0], 6);
            let mut special = case(op, "special", Values::Integers, k * k, (k, k), (1, k), 64).exact();
            special.ins = vec![x.to_vec().into(), x.to_vec().into()];
            cases.push(special);
        }
        // Past the fold of the grid, at the smallest workgroup.
        let n = 65_535 + 6;
        cases.push(case(Op::Sub, "folded grid", Values::Integers, n, full(n), (3, n / 3), 1).exact());
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |op: Op, what: &str, n: usize, (b_div, b_mod): (usize, usize)| {
            let [a, b] = [(n, 1), (b_mod, 2)].map(|(n, salt)| values(Values::Unit, n, salt).into());
            let [b_div, b_mod, n32] = [b_div, b_mod, n].map(|x| x as u32);
            let p = BinaryParams { n: n32, a_div: 1, a_mod: n32, b_div, b_mod };
            Case::new(format!("{op:?} {what}").to_lowercase(), &[op as u32, 64], p, vec![a, b], &[n])
        };
        let n = 1 << 20;
        vec![
            case(Op::Add, "[1048576]", n, (1, n)),
            case(Op::Add, "[128,400] + [400]", 128 * 400, (1, 400)),
            case(Op::Mul, "[128,400] · [128,1]", 128 * 400, (400, 128)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_and_min_keep_a_nan_of_either_side() {
        for op in [Op::Max, Op::Min] {
            assert!(op.apply(f32::NAN, 1.0).is_nan() && op.apply(1.0, f32::NAN).is_nan());
        }
        assert_eq!([Op::Max.apply(1.0, 2.0), Op::Max.apply(2.0, 1.0), Op::Max.apply(2.0, 2.0)], [2.0; 3]);
        assert_eq!([Op::Min.apply(1.0, 2.0), Op::Min.apply(2.0, 1.0), Op::Min.apply(1.0, 1.0)], [1.0; 3]);
    }
}
