//! y\[i\] = a program of elementwise functions over up to five inputs, in one pass; and Σ of a register over each run of
//! consecutive elements. Twin of shaders/map.wgsl.
//!
//! The planner makes programs of what stands between two products: a chain that would be ten dispatches is one.

use super::binary::Operand;
use super::{Before, Case, Consts, In, Out, StepRow, Twin, Values, Work, bce, binary, params, unary, values};
use crate::values::{DType, HostBuf, Real};
use std::ops::Range;

/// Inputs of a program: registers 0 … 4.
pub const INPUTS: usize = 5;
/// Instructions of a program: registers 5 … 20.
pub const INSTRUCTIONS: usize = 16;
/// Outputs of a program that are written element by element.
pub const OUTPUTS: usize = 2;
/// The longest run that is summed.
pub const RUN: usize = 1024;
const REGISTERS: usize = INPUTS + INSTRUCTIONS;
/// Elements of which all registers are held at once.
const BLOCK: usize = 256;

/// What an instruction computes; the numbers of their codes are those of shaders/map.wgsl.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fun {
    /// f of the left register, with the two numbers.
    Unary(unary::Op),
    /// f of both registers.
    Binary(binary::Op),
    /// Binary cross-entropy of the left register (a logit) and the right one.
    Bce,
    /// The step's scalar of that index.
    Scalar(u8),
    /// The first number.
    Constant,
}

/// One instruction: f, the registers that it reads, and the two numbers that some functions take.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Instruction {
    /// f
    pub fun: Fun,
    /// The left operand, and the only one of a unary function.
    pub left: u8,
    /// The right operand.
    pub right: u8,
    /// α
    pub alpha: f32,
    /// β
    pub beta: f32,
}

impl Instruction {
    fn code(&self) -> u32 {
        let (op, left) = match self.fun {
            Fun::Unary(f) => (f as u32, self.left),
            Fun::Binary(f) => (15 + f as u32, self.left),
            Fun::Bce => (25, self.left),
            Fun::Scalar(index) => (26, index),
            Fun::Constant => (27, 0),
        };
        op | u32::from(left) << 8 | u32::from(self.right) << 16
    }

    fn of(code: u32, alpha: f32, beta: f32) -> Option<Self> {
        let (op, left, right) = (code as u8, (code >> 8) as u8, (code >> 16) as u8);
        let fun = match op {
            0..15 => Fun::Unary(unary::Op::ALL[usize::from(op)]),
            15..25 => Fun::Binary(binary::Op::ALL[usize::from(op) - 15]),
            25 => Fun::Bce,
            26 => Fun::Scalar(left),
            27 => Fun::Constant,
            _ => return None,
        };
        let left = if op == 26 { 0 } else { left };
        Some(Self { fun, left, right, alpha, beta })
    }

    fn name(&self) -> String {
        match self.fun {
            Fun::Unary(f) => format!("{f:?}"),
            Fun::Binary(f) => format!("{f:?}"),
            Fun::Bce => "bce".into(),
            Fun::Scalar(_) => "scalar".into(),
            Fun::Constant => "constant".into(),
        }
        .to_lowercase()
    }
}

/// The code of no instruction: the program ends before it.
const NOTHING: u32 = 255;

/// Appends instructions as codes and numbers, with room for so many.
pub(super) fn encode(instructions: &[Instruction], room: usize, codes: &mut Vec<u32>, numbers: &mut Vec<u32>) {
    for k in 0..room {
        let i = instructions.get(k);
        codes.push(i.map_or(NOTHING, Instruction::code));
        numbers.extend(i.map_or([0; 2], |i| [i.alpha.to_bits(), i.beta.to_bits()]));
    }
}

/// The instructions of codes and numbers.
pub(super) fn decode(codes: &[u32], numbers: &[u32]) -> Vec<Instruction> {
    let one = |(&code, n): (&u32, &[u32])| Instruction::of(code, f32::from_bits(n[0]), f32::from_bits(n[1]));
    codes.iter().zip(numbers.chunks_exact(2)).map_while(one).collect()
}

/// The names of a few instructions, or the first and how many there are.
pub(super) fn summary(instructions: &[Instruction]) -> String {
    let names: Vec<String> = instructions.iter().map(Instruction::name).collect();
    if names.len() > 3 { format!("{}…{}", names[0], names.len()) } else { names.join("·") }
}

/// What one dispatch computes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Program {
    /// For each input the (div, mod) by which its index follows the result's.
    pub inputs: Vec<(u32, u32)>,
    /// Instruction k writes register 5 + k.
    pub instructions: Vec<Instruction>,
    /// The registers that are written.
    pub outputs: Vec<u8>,
    /// The register that is summed, if any.
    pub sum: Option<u8>,
}

impl Program {
    /// The override values and the parameters over `n` elements in runs of `run`, which divides n; sums are scaled.
    pub fn call(&self, n: usize, run: usize, scale: f32, wg: u32) -> (Vec<u32>, Vec<u32>) {
        let register = |i: usize| self.outputs.get(i).map_or(0, |&r| r.into());
        let full = self.inputs.iter().enumerate().map(|(j, &repeat)| u32::from(repeat == (1, n as u32)) << j).sum();
        let mut consts = vec![self.inputs.len() as u32, full, self.outputs.len() as u32, register(0), register(1)];
        consts.extend([self.sum.is_some().into(), self.sum.map_or(0, u32::from)]);
        let mut words = vec![n as u32, run as u32, scale.to_bits()];
        for j in 0..INPUTS {
            let (div, modulus) = self.inputs.get(j).copied().unwrap_or((1, 1));
            words.extend([div, modulus]);
        }
        encode(&self.instructions, INSTRUCTIONS, &mut consts, &mut words);
        consts.extend([wg, 1]);
        (consts, words)
    }

    fn of(c: &Consts, p: &MapParams) -> Self {
        let words: &[u32] = bytemuck::cast_slice(bytemuck::bytes_of(p));
        let (divs, numbers) = words[3..].split_at(2 * INPUTS);
        let inputs = divs.chunks_exact(2).take(c[0] as usize).map(|d| (d[0], d[1])).collect();
        let instructions = decode(&c[7..7 + INSTRUCTIONS], numbers);
        let outputs = c[3..5].iter().take(c[2] as usize).map(|&r| r as u8).collect();
        Self { inputs, instructions, outputs, sum: (c[5] != 0).then_some(c[6] as u8) }
    }
}

/// Where the override `WG` stands.
const WG: usize = 7 + INSTRUCTIONS;
/// Where the override `LANES` stands: how many invocations share a run, 1 in a plan.
pub const LANES: usize = WG + 1;

params! {
    /// Uniform of shaders/map.wgsl: element i reads element (i / d) % m of an input.
    MapParams {
        /// Elements.
        n: u32,
        /// Elements of a run, whose sums are formed; divides n.
        run: u32,
        /// Factor of the sums.
        scale: f32,
        /// How often in a row each element of input 0 is used.
        d0: u32,
        /// Elements of input 0.
        m0: u32,
        /// How often in a row each element of input 1 is used.
        d1: u32,
        /// Elements of input 1.
        m1: u32,
        /// How often in a row each element of input 2 is used.
        d2: u32,
        /// Elements of input 2.
        m2: u32,
        /// How often in a row each element of input 3 is used.
        d3: u32,
        /// Elements of input 3.
        m3: u32,
        /// How often in a row each element of input 4 is used.
        d4: u32,
        /// Elements of input 4.
        m4: u32,
        /// First number of instruction 0.
        a0: f32,
        /// Second number of instruction 0.
        b0: f32,
        /// First number of instruction 1.
        a1: f32,
        /// Second number of instruction 1.
        b1: f32,
        /// First number of instruction 2.
        a2: f32,
        /// Second number of instruction 2.
        b2: f32,
        /// First number of instruction 3.
        a3: f32,
        /// Second number of instruction 3.
        b3: f32,
        /// First number of instruction 4.
        a4: f32,
        /// Second number of instruction 4.
        b4: f32,
        /// First number of instruction 5.
        a5: f32,
        /// Second number of instruction 5.
        b5: f32,
        /// First number of instruction 6.
        a6: f32,
        /// Second number of instruction 6.
        b6: f32,
        /// First number of instruction 7.
        a7: f32,
        /// Second number of instruction 7.
        b7: f32,
        /// First number of instruction 8.
        a8: f32,
        /// Second number of instruction 8.
        b8: f32,
        /// First number of instruction 9.
        a9: f32,
        /// Second number of instruction 9.
        b9: f32,
        /// First number of instruction 10.
        a10: f32,
        /// Second number of instruction 10.
        b10: f32,
        /// First number of instruction 11.
        a11: f32,
        /// Second number of instruction 11.
        b11: f32,
        /// First number of instruction 12.
        a12: f32,
        /// Second number of instruction 12.
        b12: f32,
        /// First number of instruction 13.
        a13: f32,
        /// Second number of instruction 13.
        b13: f32,
        /// First number of instruction 14.
        a14: f32,
        /// Second number of instruction 14.
        b14: f32,
        /// First number of instruction 15.
        a15: f32,
        /// Second number of instruction 15.
        b15: f32,
    }
}

/// See the module.
pub struct Map;

impl Twin for Map {
    const NAME: &'static str = "map";
    const WGSL: &'static str = include_str!("../../shaders/map.wgsl");
    const OVERRIDES: &'static [&'static str] = &[
        "INS", "FULL", "OUTS", "Y0", "Y1", "SUMS", "S", "I0", "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9",
        "I10", "I11", "I12", "I13", "I14", "I15", "WG", "LANES",
    ];
    type Params = MapParams;

    fn work(c: &Consts, p: &MapParams) -> Work {
        let (items, run) = ((p.n / p.run.max(1)) as usize, p.run as usize);
        let used = |yes: bool, stride: usize| if yes { stride } else { 0 };
        let instructions = c[7..7 + INSTRUCTIONS].iter().take_while(|&&i| i != NOTHING).count();
        Work {
            items,
            chunk: (8 * 1024 / run.max(1)).max(1),
            strides: [used(c[2] > 0, run), used(c[2] > 1, run), used(c[5] != 0, 1)],
            workgroups: (items as u64).div_ceil(u64::from(c[WG] / c[LANES])),
            loop_bound: u64::from(p.run.div_ceil(c[LANES]) + c[LANES].ilog2()),
            flops: u64::from(p.n) * instructions as u64,
        }
    }

    fn reads(c: &Consts, p: &MapParams) -> Vec<usize> {
        let program = Program::of(c, p);
        let last = |&(div, modulus): &(u32, u32)| (p.n.saturating_sub(1) / div.max(1) + 1).min(modulus) as usize;
        (0..INPUTS).map(|j| program.inputs.get(j).map_or(0, last)).collect()
    }

    fn describe(c: &Consts, p: &MapParams) -> String {
        let program = Program::of(c, p);
        let mut s = summary(&program.instructions);
        if program.sum.is_some() {
            s += &format!(" Σ{}", p.run);
        }
        s
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &MapParams, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let program = Program::of(c, p);
        let (run, scale) = (p.run as usize, R::of(p.scale.into()));
        let [y0, y1, sums] = outs else { panic!("map has three outputs") };
        let (mut y, sums) = ([y0.f(), y1.f()], sums.f());
        let inputs = program.inputs.iter().zip(ins).map(|(&(d, m), x)| Operand::new(x.f(), d, m));
        let inputs: Vec<Operand<'_, R>> = inputs.collect();
        let mut r = [[R::zero(); BLOCK]; REGISTERS];
        let mut terms = [R::zero(); RUN];
        let (first, last) = (items.start * run, items.end * run);
        let mut at = first;
        while at < last {
            // A block holds whole runs, or a part of one.
            let most = if run <= BLOCK { BLOCK / run * run } else { BLOCK.min(run - at % run) };
            let n = most.min(last - at);
            for (input, r) in inputs.iter().zip(&mut r) {
                input.fill(at, &mut r[..n]);
            }
            for (k, i) in program.instructions.iter().enumerate() {
                let (done, rest) = r.split_at_mut(INPUTS + k);
                step(i, s, &done[usize::from(i.left)][..n], &done[usize::from(i.right)][..n], &mut rest[0][..n]);
            }
            for (y, &register) in y.iter_mut().zip(&program.outputs) {
                y[at - first..][..n].copy_from_slice(&r[usize::from(register)][..n]);
            }
            if let Some(register) = program.sum {
                let block = &r[usize::from(register)][..n];
                let sums = &mut sums[(at - first) / run..];
                if run <= BLOCK {
                    block.chunks_exact(run).zip(sums).for_each(|(part, sum)| *sum = scale * R::sum(part));
                } else {
                    terms[at % run..][..n].copy_from_slice(block);
                    if (at + n).is_multiple_of(run) {
                        sums[0] = scale * R::sum(&terms[..run]);
                    }
                }
            }
            at += n;
        }
    }

    fn cases() -> Vec<Case> {
        let mut cases = each_function();
        cases.extend(programs());
        cases
    }

    fn timed() -> Vec<Case> {
        // Of a VAE's step: binary cross-entropy, its gradient and its sum; and a chain over its code.
        let loss = Program {
            inputs: vec![(1, 128 * 784); 2],
            instructions: vec![
                instruction(Fun::Bce, 0, 1, [0.0; 2]),
                instruction(Fun::Unary(unary::Op::Sigmoid), 0, 0, [0.0; 2]),
                instruction(Fun::Binary(binary::Op::Sub), 6, 1, [0.0; 2]),
                instruction(Fun::Unary(unary::Op::Affine), 7, 0, [1.0 / 128.0, 0.0]),
            ],
            outputs: vec![8],
            sum: Some(5),
        };
        let code = Program {
            inputs: vec![(1, 128 * 20); 3],
            instructions: vec![
                instruction(Fun::Unary(unary::Op::Affine), 1, 0, [0.5, 0.0]),
                instruction(Fun::Unary(unary::Op::Exp), 5, 0, [0.0; 2]),
                instruction(Fun::Binary(binary::Op::Mul), 6, 2, [0.0; 2]),
                instruction(Fun::Binary(binary::Op::Add), 0, 7, [0.0; 2]),
            ],
            outputs: vec![8],
            sum: None,
        };
        vec![
            case("loss and gradient [128,784]", &loss, 128 * 784, 196, &[Values::Unit], 64),
            case("code [128,20]", &code, 128 * 20, 1, &[Values::Unit], 64),
        ]
    }
}

/// y = f(u, v). One loop a function: the match must not stand inside the loop, or nothing vectorises; and a plain one, for
/// an iterator's closure that is not inlined has not the vector unit of its caller.
#[inline(always)]
pub(super) fn step<R: Real>(i: &Instruction, s: &StepRow, u: &[R], v: &[R], y: &mut [R]) {
    let (alpha, beta, n) = (R::of(i.alpha.into()), R::of(i.beta.into()), y.len());
    let (u, v) = (&u[..n], &v[..n]);
    macro_rules! unary {
        ($f:expr, $($op:ident),*) => {
            match $f {
                $(unary::Op::$op => {
                    for i in 0..n {
                        y[i] = unary::Op::$op.apply(u[i], alpha, beta);
                    }
                })*
            }
        };
    }
    macro_rules! binary {
        ($f:expr, $($op:ident),*) => {
            match $f {
                $(binary::Op::$op => {
                    for i in 0..n {
                        y[i] = binary::Op::$op.apply(u[i], v[i]);
                    }
                })*
            }
        };
    }
    match i.fun {
        Fun::Unary(f) => {
            unary!(
                f, Exp, Ln, Sqrt, Recip, Abs, Sign, Step, Sigmoid, Tanh, Relu, Softplus, Square, Affine, Clamp, Inside
            )
        }
        Fun::Binary(f) => binary!(f, Add, Sub, Mul, Div, Max, Min, Gt, ReluGrad, SigmoidGrad, TanhGrad),
        Fun::Bce => {
            for i in 0..n {
                y[i] = bce::loss(u[i], v[i]);
            }
        }
        Fun::Scalar(index) => y.fill(R::of(s.scalars[usize::from(index)].into())),
        Fun::Constant => y.fill(alpha),
    }
}

pub(super) fn instruction(fun: Fun, left: usize, right: usize, [alpha, beta]: [f32; 2]) -> Instruction {
    Instruction { fun, left: left as u8, right: right as u8, alpha, beta }
}

/// A case of `n` elements in runs of `run`: as many inputs of `kind` as the program has, as long as it reads.
fn case(what: &str, program: &Program, n: usize, run: usize, kinds: &[Values], wg: u32) -> Case {
    let (consts, words) = program.call(n, run, if kinds == [Values::Integers] { 2.0 } else { 0.375 }, wg);
    let p: MapParams = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&words));
    let lens = Map::reads(&consts, &p);
    let mut ins: Vec<HostBuf> = Vec::new();
    for (j, &len) in lens.iter().enumerate() {
        // An input that is not read is the first again.
        let x = if len > 0 { values(kinds[j % kinds.len()], len, 7 * j as u32 + 1).into() } else { ins[0].clone() };
        ins.push(x);
    }
    let whole =
        |yes: bool, n: usize| if yes { Before::Poison(DType::F32, n) } else { Before::Value(vec![7.5f32].into()) };
    let outs = program.outputs.len();
    let before = vec![whole(outs > 0, n), whole(outs > 1, n), whole(program.sum.is_some(), n / run)];
    Case::new(format!("{what} n={n} run={run}"), &consts, p, ins, &[]).outs(before)
}

/// Every function, of one input or two, alone.
fn each_function() -> Vec<Case> {
    let mut funs: Vec<Fun> = unary::Op::ALL.into_iter().map(Fun::Unary).collect();
    funs.extend(binary::Op::ALL.map(Fun::Binary));
    funs.extend([Fun::Bce, Fun::Scalar(0), Fun::Scalar(21), Fun::Scalar(55), Fun::Constant]);
    let straddling = Values::Straddling { extreme: 1000.0 };
    let one = |fun: Fun| {
        use binary::Op as B;
        use unary::Op as U;
        let kinds = match fun {
            Fun::Unary(U::Ln | U::Sqrt | U::Recip) => [Values::Positive; 2],
            Fun::Unary(U::Exp) => [Values::Straddling { extreme: 60.0 }; 2],
            Fun::Unary(U::Sign | U::Step) | Fun::Binary(B::Gt | B::ReluGrad) => {
                [Values::Jumping { extreme: 1000.0 }; 2]
            }
            Fun::Binary(B::Div) => [straddling, Values::Positive],
            Fun::Bce => [straddling, Values::Unit],
            _ => [straddling; 2],
        };
        let n = 65;
        let inputs = if matches!(fun, Fun::Unary(_)) { vec![(1, n)] } else { vec![(1, n); 2] };
        let right = inputs.len() - 1;
        let instructions = vec![instruction(fun, 0, right, [-0.75, 1.0])];
        let program = Program { inputs, instructions, outputs: vec![INPUTS as u8], sum: None };
        case(&format!("{fun:?}").to_lowercase(), &program, n as usize, 1, &kinds, 64)
    };
    funs.into_iter().map(one).collect()
}

/// Long programs, repeated inputs, several outputs, sums.
fn programs() -> Vec<Case> {
    use binary::Op as B;
    let affine = Fun::Unary(unary::Op::Affine);
    let mut cases = Vec::new();
    // Each instruction reads the one before, with numbers of its own.
    let chain = |inputs: Vec<(u32, u32)>, outputs: Vec<u8>, sum: Option<u8>| {
        let one = |k: usize| {
            let numbers = [[1.0, -1.0][k % 2], 3.0 * k as f32 - 20.0];
            instruction(affine, if k == 0 { 0 } else { INPUTS + k - 1 }, 0, numbers)
        };
        Program { inputs, instructions: (0..INSTRUCTIONS).map(one).collect(), outputs, sum }
    };
    for n in [1, 63, 64, 65, 997] {
        let program = chain(vec![(1, n)], vec![20, 12], None);
        cases.push(case("sixteen affine", &program, n as usize, 1, &[Values::Integers], 64).exact());
    }
    // Five inputs, repeated in every way, each instruction of two others: all registers reach the end.
    let mixed = |rows: u32, columns: u32, outputs: Vec<u8>, sum: Option<u8>| {
        let n = rows * columns;
        let inputs = vec![(1, n), (1, columns), (columns, rows), (1, 1), (1, n)];
        let one = |k: usize| match k {
            0..4 => instruction(Fun::Binary([B::Add, B::Sub][k % 2]), k + 1, k, [0.0; 2]),
            15 => instruction(Fun::Binary(B::Add), 18, 19, [0.0; 2]),
            _ => instruction(
                Fun::Binary([B::Sub, B::Max, B::Add][k % 3]),
                INPUTS + k - 4,
                INPUTS + k - 1 - k % 2,
                [0.0; 2],
            ),
        };
        Program { inputs, instructions: (0..INSTRUCTIONS).map(one).collect(), outputs, sum }
    };
    let integers = [Values::Integers];
    cases.push(case("five inputs", &mixed(35, 29, vec![20], None), 35 * 29, 1, &integers, 64).exact());
    cases.push(case("five inputs, two outputs", &mixed(7, 11, vec![19, 20], None), 77, 1, &integers, 64).exact());
    for (rows, columns, run) in [(3, 7, 7), (13, 20, 20), (13, 20, 4), (5, 784, 196), (3, 600, 600), (2, 1024, 1024)] {
        let program = mixed(rows, columns, vec![20], Some(18));
        let n = (rows * columns) as usize;
        cases.push(case("output and sums", &program, n, run, &integers, 64).exact());
        let alone = mixed(rows, columns, vec![], Some(20));
        cases.push(case("sums alone", &alone, n, run, &[Values::Straddling { extreme: 1000.0 }], 64));
    }
    let all = mixed(300, 12, vec![17, 20], Some(16));
    cases.push(case("everything", &all, 3600, 4, &integers, 64).exact().again());
    // What invocations share: runs of fewer elements than there are of them, of more, and not of a whole round.
    for (turn, mut case) in
        cases.iter().filter(|c| c.name.contains("sums")).cloned().collect::<Vec<_>>().into_iter().enumerate()
    {
        case.call.consts[LANES] = [32, 64][turn / 2 % 2];
        case.name += &format!(" by {}", case.call.consts[LANES]);
        cases.push(case);
    }
    // Past the fold of the grid, at the smallest workgroup.
    let n = 65_535 + 3;
    let program = chain(vec![(1, n)], vec![20], None);
    cases.push(case("folded grid", &program, n as usize, 1, &integers, 1).exact());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call says is the program that it was made of.
    #[test]
    fn a_program_survives_its_call() {
        let instructions = vec![
            instruction(Fun::Scalar(55), 0, 0, [0.0; 2]),
            instruction(Fun::Binary(binary::Op::TanhGrad), 4, 5, [0.0; 2]),
            instruction(Fun::Unary(unary::Op::Inside), 6, 0, [-2.0, 0.5]),
            instruction(Fun::Bce, 7, 6, [0.0; 2]),
            instruction(Fun::Constant, 0, 0, [0.25, 0.0]),
        ];
        let program = Program { inputs: vec![(1, 12), (4, 3)], instructions, outputs: vec![8, 9], sum: Some(7) };
        let (consts, words) = program.call(12, 4, 0.5, 64);
        assert_eq!(consts.len(), Map::OVERRIDES.len());
        assert_eq!(Program::of(&consts, &bytemuck::pod_read_unaligned(bytemuck::cast_slice(&words))), program);
    }
}
