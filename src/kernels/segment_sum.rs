//! y\[r, b, j, c\] = Σ x\[i, c\] over the i of the r-th run with i mod books = b and index\[i\] = j. Twin of
//! shaders/segment_sum.wgsl.

use super::gather::{indices, place};
use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/segment_sum.wgsl. n and run are multiples of books.
    SegmentSumParams {
        /// Rows, and indices.
        n: u32,
        /// Elements of a row.
        d: u32,
        /// Codes of a book, at least 1.
        k: u32,
        /// Books, which the indices go round.
        books: u32,
        /// Rows of a run; the last may be shorter.
        run: u32,
    }
}

impl SegmentSumParams {
    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.n.div_ceil(self.run) as usize
    }

    fn segments(&self) -> usize {
        self.runs() * self.books as usize * self.k as usize
    }
}

/// Columns of an invocation.
const COLUMNS: u32 = 16;

/// See the module.
pub struct SegmentSum;

impl Twin for SegmentSum {
    const NAME: &'static str = "segment_sum";
    const WGSL: &'static str = include_str!("../../shaders/segment_sum.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG", "LANES"];
    type Params = SegmentSumParams;

    fn work(c: &Consts, p: &SegmentSumParams) -> Work {
        let invocations = p.segments() as u64 * u64::from(p.d.div_ceil(COLUMNS));
        // A task scans the run of each of its books: whole books, as many as are some work.
        let books = (16 * 1024 / (p.k * p.d).max(1)).max(1);
        Work {
            items: p.segments(),
            chunk: (p.k * books) as usize,
            strides: [p.d as usize; MAX_OUTS],
            workgroups: invocations.div_ceil(u64::from(c[0] / c[1])),
            loop_bound: u64::from(p.run.min(p.n).div_ceil(p.books).div_ceil(c[1]) + c[1].ilog2() + COLUMNS),
            flops: u64::from(p.n) * u64::from(p.d),
        }
    }

    fn reads(_: &Consts, p: &SegmentSumParams) -> Vec<usize> {
        vec![(p.n * p.d) as usize, p.n as usize]
    }

    fn describe(_: &Consts, p: &SegmentSumParams) -> String {
        format!("[{},{}]→[{},{}] by {}", p.n, p.d, p.books * p.k, p.d, p.run)
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        p: &SegmentSumParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (x, index, y) = (ins[0].f(), ins[1].f(), outs[0].f());
        let [n, d, k, books, run] = [p.n, p.d, p.k, p.books, p.run].map(|v| v as usize);
        y.fill(R::zero());
        let mut terms = vec![0usize; items.len()];
        for book in items.start / k..items.end.div_ceil(k) {
            let first = book / books * run;
            for i in (first + book % books..n.min(first + run)).step_by(books) {
                let segment = book * k + place(index[i], p.k);
                if items.contains(&segment) {
                    let at = segment - items.start;
                    terms[at] += 1;
                    y[at * d..][..d].iter_mut().zip(&x[i * d..]).for_each(|(y, &v)| *y = y.add_term(v));
                }
            }
        }
        y.chunks_mut(d).zip(terms).for_each(|(y, n)| y.iter_mut().for_each(|y| *y = y.close_sum(n)));
    }

    fn cases() -> Vec<Case> {
        let case = |kind: Values, [n, d, k, books, run]: [u32; 5], wg: u32| {
            let p = SegmentSumParams { n, d, k, books, run };
            let x = values(kind, (n * d) as usize, k);
            let ins = vec![x.into(), indices(n as usize, k, d).into()];
            let name = format!("{kind:?} [{n},{d}]→[{books},{k}] run={run}").to_lowercase();
            let case = Case::new(name, &[wg, 1], p, ins, &[p.segments() * d as usize]);
            if kind == Values::Integers { case.exact() } else { case }
        };
        let straddling = Values::Straddling { extreme: 1000.0 };
        let mut cases = Vec::new();
        for shape in [
            [1, 1, 1, 1, 1],
            [63, 1, 7, 1, 63],
            [64, 15, 5, 1, 64],
            [65, 16, 64, 1, 100],
            [130, 17, 3, 1, 130],
            [97, 64, 2, 1, 97],
            // Several runs, the last one short.
            [100, 5, 4, 1, 33],
            // Several books, in several runs; one for each row.
            [66, 33, 5, 3, 66],
            [102, 6, 4, 3, 30],
            [61, 1, 256, 61, 61],
        ] {
            cases.push(case(Values::Integers, shape, 64));
            cases.push(case(straddling, shape, 64));
        }
        cases.push(case(Values::Integers, [500, 18, 77, 1, 100], 64).again());
        // More rows of one code than llvmpipe lets one invocation loop over, were they one run.
        cases.push(case(Values::Integers, [70_001, 1, 1, 1, 16_384], 64));
        cases.push(case(straddling, [70_001, 2, 3, 1, 16_384], 64));
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(Values::Integers, [20, 2, 65_538, 1, 20], 1));
        // What invocations share.
        for mut case in cases.iter().filter(|c| c.call.consts[0] == 64 && !c.again).cloned().collect::<Vec<_>>() {
            case.call.consts[1] = 16;
            case.name += " by 16";
            cases.push(case);
        }
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |[n, d, k]: [u32; 3]| {
            let p = SegmentSumParams { n, d, k, books: 1, run: RUN as u32 };
            let ins = vec![values(Values::Unit, (n * d) as usize, 1).into(), indices(n as usize, k, 1).into()];
            let outs = [p.segments() * d as usize];
            Case::new(format!("[{n},{d}]→[1,{k}]"), &[64, 1], p, ins, &outs)
        };
        vec![case([6272, 64, 256]), case([6272, 1, 256]), case([8192, 64, 4096])]
    }
}

/// The rows of a run: short enough to give a GPU work, long enough that the partial sums are few.
pub const RUN: usize = 2048;
