//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]), y: \[m, n\], any sizes, all four forms, where A, B, h and
//! y may each stand in memory as binary16, two to a word (see [`half`](super::half)); sums are formed in f32. Twin of
//! shaders/matmul_half.wgsl; shapes and forms are those of [`matmul_vec4`](super::matmul_vec4), tiles those of
//! [`matmul_tiled`](super::matmul_tiled).

use super::half::pack;
use super::matmul_tiled::{MatmulTiled, SIDES};
use super::matmul_vec4::{Act, FORM, Form, MatmulParams, reads, twin};
use super::{Before, Case, Consts, In, Out, StepRow, Twin, Values, Work};
use crate::values::{DType, HostBuf, Real};
use std::ops::Range;

/// Bits of the override `HALF`: A is binary16.
pub const A: u32 = 1;
/// B is.
pub const B: u32 = 2;
/// h is.
pub const H: u32 = 4;
/// y is; its rows then have an even number of columns.
pub const Y: u32 = 8;
/// By input, its bit.
const OF: [u32; 5] = [A, B, 0, 0, H];

/// The override values of a form, of which `half` is binary16, in tiles of this side.
pub fn consts(form: &Form, half: u32, side: u32) -> Vec<u32> {
    [&form.consts()[..FORM], &[half, side]].concat()
}

/// See the module.
pub struct MatmulHalf;

impl Twin for MatmulHalf {
    const NAME: &'static str = "matmul_half";
    const WGSL: &'static str = include_str!("../../shaders/matmul_half.wgsl");
    const OVERRIDES: &'static [&'static str] = &["TA", "TB", "BIAS", "ACT", "ADD", "SLOPE", "HALF", "SIDE"];
    type Params = MatmulParams;

    fn reals(c: &Consts) -> u32 {
        let (form, half) = (Form::of(&c[..FORM]), |bit: u32| c[FORM] & bit != 0);
        // A, B, bias, c, h, y; what is not read is A again.
        let unread = half(A);
        let words = [
            half(A),
            half(B),
            unread && !form.bias,
            unread && !form.add,
            if form.slope == Act::None { unread } else { half(H) },
            half(Y),
        ];
        words.iter().enumerate().map(|(i, words)| u32::from(!words) << i).sum()
    }

    fn work(c: &Consts, p: &MatmulParams) -> Work {
        let tiled = MatmulTiled::work(&[&c[..FORM], &c[FORM + 1..]].concat(), p);
        Work { strides: tiled.strides.map(|n| if c[FORM] & Y != 0 { n / 2 } else { n }), ..tiled }
    }

    fn reads(c: &Consts, p: &MatmulParams) -> Vec<usize> {
        let words = |(n, bit): (usize, u32)| if c[FORM] & bit != 0 { n.div_ceil(2) } else { n };
        reads(&c[..FORM], p).into_iter().zip(OF).map(words).collect()
    }

    fn describe(c: &Consts, _: &MatmulParams) -> String {
        let named = [(A, 'a'), (B, 'b'), (H, 'h'), (Y, 'y')];
        let half: String = named.iter().filter(|(bit, _)| c[FORM] & bit != 0).map(|(_, name)| name).collect();
        format!("{} f16 {half}", Form::of(&c[..FORM]).describe())
    }

    fn run<R: Real>(
        c: &Consts,
        p: &MatmulParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let reals: Vec<Option<Vec<R>>> = ins.iter().map(In::unpacked).collect();
        let all: Vec<In<R>> =
            ins.iter().zip(&reals).map(|(&given, made)| made.as_ref().map_or(given, |made| In::F(made))).collect();
        match &mut outs[0] {
            Out::F(y) => twin(&c[..FORM], p, &all, &mut [Out::F(y)], items),
            Out::U(words) => {
                let mut y = vec![R::zero(); items.len() * p.n as usize];
                twin(&c[..FORM], p, &all, &mut [Out::F(&mut y)], items);
                pack(&y, words);
            }
        }
    }

    fn cases() -> Vec<Case> {
        const FORMS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];
        // What is binary16 in turn, with every side and both kinds of epilogue; a row of an odd number of columns lies across words.
        let sets = [
            (B, true, Act::None, false, Act::None),
            (A | B, true, Act::Relu, true, Act::None),
            (B | H, false, Act::None, false, Act::Relu),
            (A | B | H | Y, false, Act::Relu, false, Act::Relu),
            (B | Y, true, Act::Relu, false, Act::None),
            (A, false, Act::Tanh, false, Act::None),
            (B | H, false, Act::None, true, Act::Sigmoid),
        ];
        let shapes: [(usize, usize, usize, usize); 6] =
            [(1, 1, 1, 3), (7, 13, 11, 3), (17, 22, 9, 1), (33, 84, 70, 2), (68, 164, 33, 1), (31, 7, 300, 1)];
        let exact = |act: Act| matches!(act, Act::None | Act::Relu);
        let mut cases = Vec::new();
        for (turn, (half, bias, act, add, slope)) in sets.into_iter().enumerate() {
            let (ta, tb) = FORMS[turn % 4];
            let form = Form { ta, tb, bias, act, add, slope, wg: (1, 1) };
            let of = |shape, kind| case(&form, half, SIDES[turn % 4], shape, kind);
            for (at, &(m, n, k, batch)) in shapes.iter().enumerate() {
                let shape = (m, if half & Y != 0 { n.next_multiple_of(2) } else { n }, k, batch);
                let sure = exact(act) && exact(slope);
                if sure {
                    cases.push(of(shape, Values::Integers));
                }
                // Words are compared to the bit: only sums that are exact round alike in any order.
                if half & Y == 0 && (!sure || at % 2 == 1) {
                    cases.push(of(shape, Values::Straddling { extreme: 30.0 }));
                }
            }
        }
        // Sums of what is positive go beyond 2,048, from where on binary16 lacks odd numbers.
        let form = Form { wg: (1, 1), ..Form::product(false, true) };
        let mut large = case(&form, A | B | Y, 8, (20, 24, 1_201, 1), Values::Integers);
        for input in &mut large.ins {
            *input = HostBuf::U32(input.u32().iter().map(|both| both & 0x7fff_7fff).collect());
        }
        cases.push(large);
        // What overflowed, or is none, is found again; one term a sum, and no zeros.
        let mut odd = case(&form, A, 8, (6, 4, 1, 1), Values::Integers);
        let mut words = vec![0; 3];
        pack(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 65504.0, -6.1035156e-5, 0.5], &mut words);
        odd.ins[0] = HostBuf::U32(words);
        odd.ins[1] = vec![1.0; 4].into();
        for unread in 2..5 {
            odd.ins[unread] = odd.ins[0].clone();
        }
        odd.name += ", infinite";
        cases.push(odd);
        cases
    }

    fn timed() -> Vec<Case> {
        const NT: (bool, bool) = (false, true);
        const NN: (bool, bool) = (false, false);
        const TN: (bool, bool) = (true, false);
        let shapes = [
            (NT, B, (1024, 1024, 1024)),
            // Of a VAE's step with batch 128: forward, the gradient of an input and of a weight.
            (NT, B | Y, (128, 400, 784)),
            (NN, B | H, (128, 400, 784)),
            (TN, B, (784, 400, 128)),
        ];
        let one = |((ta, tb), half, (m, n, k)): ((bool, bool), u32, (usize, usize, usize))| {
            let slope = if half & H != 0 { Act::Relu } else { Act::None };
            let form = Form { slope, wg: (1, 1), ..Form::product(ta, tb) };
            let side = super::matmul_tiled::side(m as u32, n as u32, k as u32, 1);
            case(&form, half, side, (m, n, k, 1), Values::Integers)
        };
        shapes.map(one).into()
    }
}

/// A case of the other kernels with binary16 in the place of some of its f32.
fn case(form: &Form, half: u32, side: u32, shape: (usize, usize, usize, usize), kind: Values) -> Case {
    let mut case = super::matmul_vec4::case(*form, shape, kind);
    for (input, bit) in case.ins.iter_mut().zip(OF) {
        if half & bit != 0 {
            let mut words = vec![0; input.len().div_ceil(2)];
            pack(input.f32(), &mut words);
            *input = HostBuf::U32(words);
        }
    }
    for (i, is) in [(2, form.bias), (3, form.add), (4, form.slope != Act::None)] {
        if !is {
            case.ins[i] = case.ins[0].clone();
        }
    }
    let (m, n, k, batch) = shape;
    let exact = if case.exact { " integers" } else { "" };
    if half & Y != 0 {
        case.outs = vec![Before::Poison(DType::U32, batch * m * n / 2)];
    }
    case.call.consts = consts(form, half, side);
    let what = MatmulHalf::describe(&case.call.consts, &MatmulParams { m: 0, n: 0, k: 0, batch: 0 });
    case.name = format!("{what} {batch}x{m}x{n}x{k} side {side}{exact}");
    case
}
