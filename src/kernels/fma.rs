//! y\[i\] = Σ_c v_c, v_c = x\[i\] + c, c < 8, 16 k times v_c ← a·v_c + b; x, y: \[n, 4\]. What a device's arithmetic can
//! do at best, and with k = 0 what its memory can: `elbo bench` holds everything else to it. No plan has it. Twin of
//! shaders/fma.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::{HostBuf, Real};
use std::ops::Range;

/// Chains of an element of x.
pub const CHAINS: usize = 8;
/// Multiply-adds of a chain in a round.
pub const LINKS: u32 = 16;

params! {
    /// Uniform of shaders/fma.wgsl.
    FmaParams {
        /// Rows of four.
        n: u32,
        /// Rounds.
        k: u32,
        /// Factor.
        a: f32,
        /// Addend.
        b: f32,
    }
}

/// n rows of integers, to each of which k rounds add 1 as often as they multiply: [`counted`] says exactly what comes of it,
/// and so how many rounds there were.
pub fn count(n: usize, k: u32, wg: u32) -> Case {
    let x: Vec<f32> = (0..4 * n).map(|i| (i % 251) as f32).collect();
    let p = FmaParams { n: n as u32, k, a: 1.0, b: 1.0 };
    Case::new(format!("[{n},4] ×{}", LINKS * k), &[wg], p, vec![HostBuf::F32(x)], &[4 * n]).exact()
}

/// What k rounds of [`count`] make of x: 8 x + 28 + 8·16 k, all of it exact at f32 up to a k of 100 000.
pub fn counted(x: f32, k: u32) -> f32 {
    let chains = CHAINS as f32;
    chains * x + chains * (chains - 1.0) / 2.0 + chains * (LINKS * k) as f32
}

/// See the module.
pub struct Fma;

impl Twin for Fma {
    const NAME: &'static str = "fma";
    const WGSL: &'static str = include_str!("../../shaders/fma.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = FmaParams;

    fn work(c: &Consts, p: &FmaParams) -> Work {
        Work {
            items: p.n as usize,
            chunk: 256,
            strides: [4; MAX_OUTS],
            workgroups: u64::from(p.n.div_ceil(c[0])),
            loop_bound: p.k.into(),
            flops: 2 * (4 * CHAINS) as u64 * u64::from(p.n) * u64::from(LINKS * p.k),
        }
    }

    fn reads(_: &Consts, p: &FmaParams) -> Vec<usize> {
        vec![4 * p.n as usize]
    }

    fn describe(_: &Consts, p: &FmaParams) -> String {
        format!("×{}", LINKS * p.k)
    }

    fn run<R: Real>(_: &Consts, p: &FmaParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (a, b) = (R::of(p.a.into()), R::of(p.b.into()));
        let x = &ins[0].f()[4 * items.start..4 * items.end];
        for (y, &x) in outs[0].f().iter_mut().zip(x) {
            let chain = |c: usize| (0..LINKS * p.k).fold(x + R::of(c as f64), |v, _| v * a + b);
            *y = (1..CHAINS).fold(chain(0), |s, c| s + chain(c));
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, kind: Values, [n, k]: [u32; 2], (a, b): (f32, f32), wg: u32| {
            let x = values(kind, 4 * n as usize, k);
            let p = FmaParams { n, k, a, b };
            Case::new(format!("{what} [{n},4] ×{k}"), &[wg], p, vec![x.into()], &[4 * n as usize])
        };
        let straddling = Values::Straddling { extreme: 1000.0 };
        let mut cases = Vec::new();
        for n in [1, 63, 64, 65, 997] {
            cases.push(case("chains", straddling, [n, 2], (0.75, 0.125), 64));
            // Whole numbers stay whole: v ← 2v − 3, ever further from 3.
            let grown = case("integers", Values::Integers, [n, 1], (2.0, -3.0), 64).exact();
            cases.push(if n == 997 { grown.again() } else { grown });
            cases.push(case("no round", Values::Integers, [n, 0], (2.0, -3.0), 64).exact());
        }
        cases.push(case("long", Values::Integers, [65, 257], (1.0, 1.0), 64).exact());
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case("folded grid", Values::Integers, [65_537, 1], (2.0, -3.0), 1).exact());
        cases
    }

    fn timed() -> Vec<Case> {
        vec![count(1 << 15, 4, 64), count(1 << 18, 0, 64)]
    }
}
