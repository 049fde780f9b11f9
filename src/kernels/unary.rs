//! y = f(x), element by element; x, y: \[n\]. Twin of shaders/unary.wgsl.

use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

/// The functions of the family; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// eˣ
    Exp,
    /// ln x
    Ln,
    /// √x
    Sqrt,
    /// 1 / x
    Recip,
    /// |x|
    Abs,
    /// −1, 0 or 1
    Sign,
    /// 1 where x > 0, else 0: the derivative of relu
    Step,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// tanh x
    Tanh,
    /// max(x, 0), NaN kept
    Relu,
    /// ln(1 + eˣ)
    Softplus,
    /// x²
    Square,
    /// α x + β
    Affine,
    /// x limited to [α, β], NaN kept
    Clamp,
    /// 1 where α ≤ x ≤ β, else 0: the derivative of clamp
    Inside,
}

impl Op {
    /// Every function, by its override value.
    pub const ALL: [Op; 15] = [
        Op::Exp,
        Op::Ln,
        Op::Sqrt,
        Op::Recip,
        Op::Abs,
        Op::Sign,
        Op::Step,
        Op::Sigmoid,
        Op::Tanh,
        Op::Relu,
        Op::Softplus,
        Op::Square,
        Op::Affine,
        Op::Clamp,
        Op::Inside,
    ];

    /// f(x), with the two numbers that `Affine`, `Clamp` and `Inside` take.
    #[inline(always)]
    pub fn apply<R: Real>(self, x: R, alpha: R, beta: R) -> R {
        match self {
            Op::Exp => x.exp(),
            Op::Ln => x.ln(),
            Op::Sqrt => x.sqrt(),
            Op::Recip => R::one() / x,
            Op::Abs => x.abs(),
            Op::Sign => R::indicator(x > R::zero()) - R::indicator(x < R::zero()),
            Op::Step => R::indicator(x > R::zero()),
            Op::Sigmoid => x.sigmoid(),
            Op::Tanh => x.tanh(),
            Op::Relu => x.at_least(R::zero()),
            Op::Softplus => x.softplus(),
            Op::Square => x * x,
            Op::Affine => alpha * x + beta,
            Op::Clamp => x.at_least(alpha).at_most(beta),
            Op::Inside => R::indicator(x >= alpha && x <= beta),
        }
    }
}

params! {
    /// Uniform of shaders/unary.wgsl.
    UnaryParams {
        /// Elements.
        n: u32,
        /// First number of `Affine` (factor), `Clamp` and `Inside` (lower end).
        alpha: f32,
        /// Second number: summand, upper end.
        beta: f32,
    }
}

/// See the module.
pub struct Unary;

impl Twin for Unary {
    const NAME: &'static str = "unary";
    const WGSL: &'static str = include_str!("../../shaders/unary.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = UnaryParams;

    fn work(c: &Consts, p: &UnaryParams) -> Work {
        Work::elementwise(p.n as usize, c[1], 4)
    }

    fn reads(_: &Consts, p: &UnaryParams) -> Vec<usize> {
        vec![p.n as usize]
    }

    fn describe(c: &Consts, _: &UnaryParams) -> String {
        format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase()
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &UnaryParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (x, y) = (&ins[0].f()[items], outs[0].f());
        let (alpha, beta) = (R::of(p.alpha.into()), R::of(p.beta.into()));
        // One loop a function: the match must not stand inside the loop, or nothing vectorises.
        macro_rules! loops {
            ($($op:ident),*) => {
                match Op::ALL[c[0] as usize] {
                    $(Op::$op => for (y, &x) in y.iter_mut().zip(x) { *y = Op::$op.apply(x, alpha, beta); },)*
                }
            };
        }
        loops!(Exp, Ln, Sqrt, Recip, Abs, Sign, Step, Sigmoid, Tanh, Relu, Softplus, Square, Affine, Clamp, Inside);
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for op in Op::ALL {
            let kind = match op {
                Op::Ln | Op::Sqrt => Values::Positive,
                // 1/x has no value at 0, eˣ none at 1000.
                Op::Recip => Values::Positive,
                Op::Exp => Values::Straddling { extreme: 60.0 },
                Op::Sign | Op::Step => Values::Jumping { extreme: 1000.0 },
                _ => Values::Straddling { extreme: 1000.0 },
            };
            for n in [1, 63, 64, 65, 997] {
                let p = UnaryParams { n: n as u32, alpha: -0.75, beta: 1.0 };
                let x = values(kind, n, op as u32);
                let name = format!("{op:?} n={n}").to_lowercase();
                let case = Case::new(name, &[op as u32, 64], p, vec![x.into()], &[n]);
                let marked = n == 997 && matches!(op, Op::Softplus | Op::Clamp);
                cases.push(if marked { case.again() } else { case });
            }
        }
        // Past where the compositions change their formula: in the tails, a 32nd apart.
        for op in [Op::Sigmoid, Op::Tanh, Op::Softplus] {
            let x: Vec<f32> = (0..997).map(|i| (i as f32 - 498.0) / 32.0).collect();
            let (name, p) = (format!("{op:?} tails").to_lowercase(), UnaryParams { n: 997, alpha: 0.0, beta: 0.0 });
            cases.push(Case::new(name, &[op as u32, 64], p, vec![x.into()], &[997]));
        }
        // Past the fold of the grid, at the smallest workgroup.
        let n = 65_535 + 3;
        let p = UnaryParams { n: n as u32, alpha: 2.0, beta: 1.0 };
        let x = values(Values::Integers, n, 99);
        cases.push(Case::new("affine, folded grid", &[Op::Affine as u32, 1], p, vec![x.into()], &[n]).exact());
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |op: Op| {
            let n = 1 << 20;
            let p = UnaryParams { n: n as u32, alpha: 0.5, beta: 0.25 };
            let x = values(Values::Unit, n, 1);
            Case::new(format!("{op:?} [{n}]").to_lowercase(), &[op as u32, 64], p, vec![x.into()], &[n])
        };
        [Op::Affine, Op::Exp, Op::Ln, Op::Sigmoid, Op::Tanh, Op::Softplus].map(case).into()
    }
}
