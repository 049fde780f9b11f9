//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]), y: \[m, n\], four columns at a time. Twin of
//! shaders/matmul_vec4.wgsl.
//!
//! Here stands too what both matmul kernels share: forms, activations, the twin, how work divides, and the cases.
//! op(A): \[m, k\], stored \[k, m\] with `TA`; op(B): \[k, n\], stored \[n, k\] with `TB`; bias: \[n\]; c and h: \[m, n\],
//! where slope′ is written in h = slope(·), so that dy·act′ of a layer is the product that makes dy. Tensors are dense and
//! row-major. Without `BIAS`, `ADD` or `SLOPE` their input is any buffer (by convention `a` again) and is not read.

use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work, binary, params, values};
use crate::values::Real;
use std::ops::Range;

/// What is applied to every sum, NaN kept; the discriminant is the override `ACT`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Act {
    /// x
    None,
    /// max(x, 0)
    Relu,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// tanh x
    Tanh,
}

impl Act {
    /// Every activation, by its override value.
    pub const ALL: [Act; 4] = [Act::None, Act::Relu, Act::Sigmoid, Act::Tanh];

    /// act(x).
    #[inline(always)]
    pub fn apply<R: Real>(self, x: R) -> R {
        match self {
            Act::None => x,
            Act::Relu => x.at_least(R::zero()),
            Act::Sigmoid => x.sigmoid(),
            Act::Tanh => x.tanh(),
        }
    }

    /// act′ in terms of h = act(x).
    #[inline(always)]
    pub fn slope<R: Real>(self, h: R) -> R {
        match self {
            Act::None => R::one(),
            Act::Relu => R::indicator(h > R::zero()),
            Act::Sigmoid => h * (R::one() - h),
            Act::Tanh => R::one() - h * h,
        }
    }

    /// dy·act′ in terms of h = act(x), as the kernel `binary` computes it.
    #[inline(always)]
    pub fn pull<R: Real>(self, dy: R, h: R) -> R {
        match self {
            Act::None => dy,
            Act::Relu => binary::Op::ReluGrad.apply(dy, h),
            Act::Sigmoid => binary::Op::SigmoidGrad.apply(dy, h),
            Act::Tanh => binary::Op::TanhGrad.apply(dy, h),
        }
    }
}

params! {
    /// Uniform of both matmul kernels.
    MatmulParams {
        /// Rows of y and of op(A).
        m: u32,
        /// Columns of y and of op(B).
        n: u32,
        /// Columns of op(A), rows of op(B): the length of the sums.
        k: u32,
        /// Independent products, one behind the other in every operand but the bias.
        batch: u32,
    }
}

/// Overrides of a form without its workgroup.
pub const FORM: usize = 6;

/// The overrides of both matmul kernels, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// A is stored \[k, m\].
    pub ta: bool,
    /// B is stored \[n, k\].
    pub tb: bool,
    /// There is a bias.
    pub bias: bool,
    /// What is applied to the sums.
    pub act: Act,
    /// There is a c.
    pub add: bool,
    /// By whose slope at h the result is multiplied; of [`Act::None`] it is 1, and there is no h.
    pub slope: Act,
    /// Invocations of a workgroup along n and along m.
    pub wg: (u32, u32),
}

impl Form {
    /// The names of the overrides, in order.
    pub const OVERRIDES: &'static [&'static str] = &["TA", "TB", "BIAS", "ACT", "ADD", "SLOPE", "WGX", "WGY"];

    /// op(A)·op(B) and nothing else, by workgroups of one invocation.
    pub const fn product(ta: bool, tb: bool) -> Self {
        Self { ta, tb, bias: false, act: Act::None, add: false, slope: Act::None, wg: (1, 1) }
    }

    /// The form that override values mean.
    pub fn of(c: &Consts) -> Self {
        let [act, slope] = [c[3], c[5]].map(|a| Act::ALL[a as usize]);
        // A kernel of one workgroup has no overrides of it.
        let [x, y] = [6, 7].map(|i| c.get(i).copied().unwrap_or(16));
        Self { ta: c[0] != 0, tb: c[1] != 0, bias: c[2] != 0, act, add: c[4] != 0, slope, wg: (x, y) }
    }

    /// The override values of this form.
    pub fn consts(&self) -> [u32; 8] {
        let [ta, tb, bias, add] = [self.ta, self.tb, self.bias, self.add].map(u32::from);
        [ta, tb, bias, self.act as u32, add, self.slope as u32, self.wg.0, self.wg.1]
    }

    /// "nn", "nt", "tn" or "tt", then "+bias", "+add", the activation, and the slope as "·relu′", if any.
    pub fn describe(&self) -> String {
        let letter = |t: bool| if t { 't' } else { 'n' };
        let mut s = format!("{}{}", letter(self.ta), letter(self.tb));
        if self.bias {
            s += "+bias";
        }
        if self.add {
            s += "+add";
        }
        if self.act != Act::None {
            s += &format!("+{:?}", self.act).to_lowercase();
        }
        if self.slope != Act::None {
            s += &format!("·{:?}′", self.slope).to_lowercase();
        }
        s
    }
}

/// The register tile of a kernel: (rows, columns) of y that an invocation computes.
pub type Tile = (u32, u32);

/// Of this kernel: 16 rows, and 5 vec4, `WGX` apart.
pub const TILE: Tile = (16, 20);

/// Whether the vec4 kernel can do the product: all extents along which it reads and writes are divisible by 4, and not
/// both operands are transposed. (In TN k is not such an extent.)
pub fn fits(m: usize, n: usize, k: usize, ta: bool, tb: bool) -> bool {
    let four = |x: usize| x.is_multiple_of(4);
    four(n) && if ta { !tb && four(m) } else { four(k) }
}

/// The workgroup (WGX, WGY) for y of m × n on devices like llvmpipe, which run 8 invocations at once: of the ways in
/// which 8 can stand, the one that leaves the fewest idle at the edges; of equals, the widest. Larger groups are no
/// faster there and divide worse over the cores.
pub fn workgroup((rows, columns): Tile, m: usize, n: usize) -> (u32, u32) {
    let groups = |&(x, y): &(u32, u32)| m.div_ceil((rows * y) as usize) * n.div_ceil((columns * x) as usize);
    [(8, 1), (4, 2), (2, 4), (1, 8)].into_iter().min_by_key(groups).unwrap_or((8, 1))
}

/// How a product divides, in both kernels: an item is a row of y.
pub fn work((rows, columns): Tile, c: &Consts, p: &MatmulParams) -> Work {
    let (wgx, wgy) = Form::of(c).wg;
    let [m, n, k, batch] = [p.m, p.n, p.k, p.batch].map(u64::from);
    Work {
        items: (batch * m) as usize,
        chunk: 64,
        strides: [n as usize; super::MAX_OUTS],
        workgroups: batch * m.div_ceil(u64::from(rows * wgy)) * n.div_ceil(u64::from(columns * wgx)),
        loop_bound: k.div_ceil(4) + u64::from(rows * columns),
        flops: 2 * m * n * k * batch,
    }
}

/// What both kernels read: A, B, and of bias, c and h what there is.
pub fn reads(c: &Consts, p: &MatmulParams) -> Vec<usize> {
    let [m, n, k, batch] = [p.m, p.n, p.k, p.batch].map(|x| x as usize);
    let (form, y) = (Form::of(c), batch * m * n);
    let given = |is: bool, n: usize| if is { n } else { 0 };
    vec![batch * m * k, batch * k * n, given(form.bias, n), given(form.add, y), given(form.slope != Act::None, y)]
}

/// The twin of both kernels. A sum runs over k from 0, whatever the form.
pub fn twin<R: Real>(c: &Consts, p: &MatmulParams, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
    let form = Form::of(c);
    let [m, n, k] = [p.m, p.n, p.k].map(|x| x as usize);
    for (row, y) in items.zip(outs[0].f().chunks_exact_mut(n)) {
        let (z, i) = (row / m, row % m);
        let a = &ins[0].f()[z * m * k..][..m * k];
        let b = &ins[1].f()[z * k * n..][..k * n];
        let at = |q: usize| if form.ta { a[q * m + i] } else { a[i * k + q] };
        if form.tb {
            for (y, b) in y.iter_mut().zip(b.chunks_exact(k)) {
                *y = b.iter().enumerate().fold(R::zero(), |s, (q, &b)| s.add_term(at(q) * b)).close_sum(k);
            }
        } else {
            y.fill(R::zero());
            for (q, b) in b.chunks_exact(n).enumerate() {
                let a = at(q);
                for (y, &b) in y.iter_mut().zip(b) {
                    *y = y.add_term(a * b);
                }
            }
            for y in &mut *y {
                *y = y.close_sum(k);
            }
        }
        if form.bias {
            for (y, &b) in y.iter_mut().zip(ins[2].f()) {
                *y += b;
            }
        }
        if form.add {
            for (y, &c) in y.iter_mut().zip(&ins[3].f()[row * n..]) {
                *y += c;
            }
        }
        for y in &mut *y {
            *y = form.act.apply(*y);
        }
        if form.slope != Act::None {
            for (y, &h) in y.iter_mut().zip(&ins[4].f()[row * n..]) {
                *y = form.slope.pull(*y, h);
            }
        }
    }
}

/// One case: inputs of `kind` for a form and a shape.
pub fn case(form: Form, (m, n, k, batch): (usize, usize, usize, usize), kind: Values) -> Case {
    let salt = (m * 31 + n * 17 + k) as u32;
    let a = values(kind, batch * m * k, salt);
    let b = values(kind, batch * k * n, salt + 1);
    let other = |is: bool, kind: Values, n: usize, salt: u32| if is { values(kind, n, salt) } else { a.clone() };
    let bias = other(form.bias, kind, n, salt + 2);
    let c = other(form.add, kind, batch * m * n, salt + 3);
    // The slope of relu jumps at 0.
    let jumping = match kind {
        Values::Straddling { extreme } if form.slope == Act::Relu => Values::Jumping { extreme },
        _ => kind,
    };
    let h = other(form.slope != Act::None, jumping, batch * m * n, salt + 4);
    let p = MatmulParams { m: m as u32, n: n as u32, k: k as u32, batch: batch as u32 };
    let exact = if kind == Values::Integers { " integers" } else { "" };
    let name = format!("{} {batch}x{m}x{n}x{k} wg {:?}{exact}", form.describe(), form.wg);
    let ins = [a, b, bias, c, h].map(Into::into).into();
    let case = Case::new(name, &form.consts(), p, ins, &[batch * m * n]);
    let exact = |act: Act| matches!(act, Act::None | Act::Relu);
    if kind == Values::Integers && exact(form.act) && exact(form.slope) { case.exact() } else { case }
}

/// See the module.
pub struct MatmulVec4;

impl Twin for MatmulVec4 {
    const NAME: &'static str = "matmul_vec4";
    const WGSL: &'static str = include_str!("../../shaders/matmul_vec4.wgsl");
    const OVERRIDES: &'static [&'static str] = Form::OVERRIDES;
    type Params = MatmulParams;

    fn work(c: &Consts, p: &MatmulParams) -> Work {
        work(TILE, c, p)
    }

    fn reads(c: &Consts, p: &MatmulParams) -> Vec<usize> {
        self::reads(c, p)
    }

    fn describe(c: &Consts, _: &MatmulParams) -> String {
        Form::of(c).describe()
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &MatmulParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        twin(c, p, ins, outs, items);
    }

    fn cases() -> Vec<Case> {
        cases(fits)
    }

    fn timed() -> Vec<Case> {
        const NN: (bool, bool) = (false, false);
        const NT: (bool, bool) = (false, true);
        const TN: (bool, bool) = (true, false);
        let products = [
            (NN, [512, 512, 512]),
            (NN, [1024, 1024, 1024]),
            (NT, [1024, 1024, 1024]),
            (TN, [1024, 1024, 1024]),
            // Those of a VAE's step, 784-400-(20)-400-784 with batch 128. Forward: y = x Wᵀ.
            (NT, [128, 400, 784]),
            (NT, [128, 784, 400]),
            (NT, [128, 20, 400]),
            (NT, [128, 400, 20]),
            // dx = dy W.
            (NN, [128, 400, 784]),
            (NN, [128, 400, 20]),
            (NN, [128, 20, 400]),
            // dW = dyᵀ x.
            (TN, [784, 400, 128]),
            (TN, [400, 784, 128]),
            (TN, [400, 20, 128]),
            (TN, [20, 400, 128]),
        ];
        products.map(|(form, shape)| product(TILE, form, shape)).into()
    }
}

/// The cases of the kernels of products: whatever `can` do of the forms and shapes below.
pub fn cases(can: impl Fn(usize, usize, usize, bool, bool) -> bool) -> Vec<Case> {
    cases_of(can, 70_001)
}

/// The same with sums of `most` terms.
pub fn cases_of(can: impl Fn(usize, usize, usize, bool, bool) -> bool, most: usize) -> Vec<Case> {
    const FORMS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];
    const REAL: Values = Values::Straddling { extreme: 30.0 };
    // (m, n, k, batch): ones, primes, a tile and one (or one vec4) more and less of each extent, tails of k, the
    // products of a VAE at reduced size.
    let shapes = [
        (1, 1, 1, 3),
        (7, 13, 11, 1),
        (3, 5, 2, 3),
        (15, 19, 5, 1),
        (16, 20, 8, 1),
        (17, 21, 9, 3),
        (1, 4, 4, 1),
        (4, 4, 1, 3),
        (15, 36, 12, 1),
        (17, 44, 8, 3),
        (31, 76, 20, 1),
        (33, 84, 4, 3),
        (12, 16, 50, 1),
        (20, 24, 7, 3),
        (64, 156, 13, 1),
        (68, 164, 33, 1),
        (32, 100, 196, 1),
        (32, 196, 100, 1),
        (32, 20, 100, 1),
        (100, 196, 32, 1),
        (20, 100, 25, 1),
    ];
    // (bias, activation, c, slope, workgroup). The first four stay exact.
    let sets = [
        (true, Act::None, true, Act::None, (8, 1)),
        (false, Act::Relu, false, Act::None, (2, 4)),
        (false, Act::None, false, Act::Relu, (4, 2)),
        (true, Act::Relu, true, Act::None, (1, 4)),
        (true, Act::Sigmoid, false, Act::None, (1, 8)),
        (false, Act::Tanh, true, Act::Sigmoid, (5, 8)),
        (false, Act::Tanh, false, Act::Tanh, (1, 8)),
    ];
    // Each is a pipeline, and llvmpipe takes seconds to compile one: a form has two of them, an exact one and another.
    let of_form = [(2, 4), (0, 5), (3, 6), (1, 4)].map(|(exact, other)| [sets[exact], sets[other]]);
    let mut cases = Vec::new();
    for ((ta, tb), sets) in FORMS.into_iter().zip(of_form) {
        let form = |(bias, act, add, slope, wg)| Form { ta, tb, bias, act, add, slope, wg };
        let fitting = shapes.iter().filter(|&&(m, n, k, _)| can(m, n, k, ta, tb));
        for (turn, &shape) in fitting.enumerate() {
            cases.push(case(form(sets[turn % 2]), shape, REAL));
            cases.push(case(form(sets[0]), shape, Values::Integers));
        }
    }
    // Sums of more terms than the iterations that llvmpipe grants an invocation.
    for ((ta, tb), sets) in FORMS.into_iter().zip(of_form) {
        let k = if can(4, 4, most, ta, tb) { most } else { most + 3 };
        if can(4, 4, k, ta, tb) {
            let (bias, act, add, slope, wg) = sets[0];
            cases.push(case(Form { ta, tb, bias, act, add, slope, wg }, (4, 4, k, 1), Values::Integers));
        }
    }
    // Several workgroups along m and n of 16 × 16 invocations too, the last ones cut; of a pipeline that there is.
    let (bias, act, add, slope, wg) = of_form[1][0];
    cases.push(
        case(Form { ta: false, tb: true, bias, act, add, slope, wg }, (270, 332, 12, 1), Values::Integers).again(),
    );
    // Past the fold of the grid, at the smallest workgroup.
    let (act, slope) = (Act::Relu, Act::None);
    let form = Form { ta: true, tb: false, bias: false, act, add: false, slope, wg: (1, 1) };
    cases.push(case(form, (4, 4, 1, 65_535 + 3), Values::Integers));
    cases
}

/// A product to be timed, in the workgroup that plans give it.
pub fn product(tile: Tile, (ta, tb): (bool, bool), [m, n, k]: [usize; 3]) -> Case {
    let form = Form { wg: workgroup(tile, m, n), ..Form::product(ta, tb) };
    let case = case(form, (m, n, k, 1), Values::Unit);
    Case { name: format!("{} {m}x{n}x{k}", form.describe()), ..case }
}
