//! y\[j·stride\] = a program over scalars, each of them the sum of a short vector: the last step of a loss and of the
//! metrics, with the arithmetic between them, in one dispatch. Twin of shaders/scalars.wgsl; its instructions are those of
//! [`map`](super::map).

use super::map::{Fun, Instruction, decode, encode, instruction, step, summary};
use super::{Before, Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, binary, params, unary, values};
use crate::values::{HostBuf, Real};
use std::ops::Range;

/// Inputs of a program: registers 0 … 4.
pub const INPUTS: usize = 5;
/// Instructions of a program: registers 5 … 16.
pub const INSTRUCTIONS: usize = 12;
/// Outputs of a program.
pub const OUTPUTS: usize = 8;
/// Where the override `LANES` stands: how many invocations share the sums, 1 in a plan.
pub const LANES: usize = 2 + OUTPUTS + INSTRUCTIONS;
/// The most elements of an input.
pub const TERMS: usize = 4096;

/// What one dispatch computes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Program {
    /// For each input how many of its elements are summed, and the factor of the sum.
    pub inputs: Vec<(u32, f32)>,
    /// Instruction k writes register 5 + k.
    pub instructions: Vec<Instruction>,
    /// The registers that are written.
    pub outputs: Vec<u8>,
}

impl Program {
    /// The override values and the parameters; neighbouring outputs lie `stride` apart.
    pub fn call(&self, stride: usize) -> (Vec<u32>, Vec<u32>) {
        let mut consts = vec![self.inputs.len() as u32, self.outputs.len() as u32];
        consts.extend((0..OUTPUTS).map(|j| self.outputs.get(j).map_or(0, |&r| r.into())));
        let mut words = vec![stride as u32];
        for j in 0..INPUTS {
            let (terms, scale) = self.inputs.get(j).copied().unwrap_or((1, 1.0));
            words.extend([terms, scale.to_bits()]);
        }
        encode(&self.instructions, INSTRUCTIONS, &mut consts, &mut words);
        consts.push(1);
        (consts, words)
    }

    fn of(c: &Consts, p: &ScalarsParams) -> Self {
        let words: &[u32] = bytemuck::cast_slice(bytemuck::bytes_of(p));
        let (inputs, numbers) = words[1..].split_at(2 * INPUTS);
        let inputs = inputs.chunks_exact(2).take(c[0] as usize).map(|d| (d[0], f32::from_bits(d[1]))).collect();
        let instructions = decode(&c[2 + OUTPUTS..], numbers);
        let outputs = c[2..].iter().take(c[1] as usize).map(|&r| r as u8).collect();
        Self { inputs, instructions, outputs }
    }
}

params! {
    /// Uniform of shaders/scalars.wgsl.
    ScalarsParams {
        /// The distance of neighbouring outputs.
        stride: u32,
        /// Elements of input 0 that are summed.
        n0: u32,
        /// Factor of their sum.
        scale0: f32,
        /// Elements of input 1 that are summed.
        n1: u32,
        /// Factor of their sum.
        scale1: f32,
        /// Elements of input 2 that are summed.
        n2: u32,
        /// Factor of their sum.
        scale2: f32,
        /// Elements of input 3 that are summed.
        n3: u32,
        /// Factor of their sum.
        scale3: f32,
        /// Elements of input 4 that are summed.
        n4: u32,
        /// Factor of their sum.
        scale4: f32,
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
    }
}

/// See the module.
pub struct Scalars;

impl Twin for Scalars {
    const NAME: &'static str = "scalars";
    const WGSL: &'static str = include_str!("../../shaders/scalars.wgsl");
    const OVERRIDES: &'static [&'static str] = &[
        "INS", "OUTS", "O0", "O1", "O2", "O3", "O4", "O5", "O6", "O7", "I0", "I1", "I2", "I3", "I4", "I5", "I6", "I7",
        "I8", "I9", "I10", "I11", "LANES",
    ];
    type Params = ScalarsParams;

    fn work(c: &Consts, p: &ScalarsParams) -> Work {
        let program = Program::of(c, p);
        let terms: u64 = program.inputs.iter().map(|&(n, _)| u64::from(n)).sum();
        let lanes = c[LANES];
        let loops = |n: u32| u64::from(n.div_ceil(lanes) + lanes.ilog2());
        let len = (program.outputs.len().max(1) - 1) * p.stride as usize + 1;
        Work {
            items: 1,
            chunk: 1,
            strides: [len; MAX_OUTS],
            workgroups: 1,
            loop_bound: program.inputs.iter().map(|&(n, _)| loops(n)).sum(),
            flops: terms + program.instructions.len() as u64,
        }
    }

    fn reads(c: &Consts, p: &ScalarsParams) -> Vec<usize> {
        let program = Program::of(c, p);
        (0..INPUTS).map(|j| program.inputs.get(j).map_or(0, |&(n, _)| n as usize)).collect()
    }

    fn describe(c: &Consts, p: &ScalarsParams) -> String {
        let program = Program::of(c, p);
        let (inputs, outputs) = (program.inputs.len(), program.outputs.len());
        format!("{inputs}→{outputs} {}", summary(&program.instructions)).trim_end().into()
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &ScalarsParams, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], _: Range<usize>) {
        let program = Program::of(c, p);
        let mut r = [R::zero(); INPUTS + INSTRUCTIONS];
        for (r, (&(n, scale), x)) in r.iter_mut().zip(program.inputs.iter().zip(ins)) {
            *r = R::of(scale.into()) * R::sum(&x.f()[..n as usize]);
        }
        for (k, i) in program.instructions.iter().enumerate() {
            let (u, v) = (r[usize::from(i.left)], r[usize::from(i.right)]);
            step(i, s, &[u], &[v], &mut r[INPUTS + k..][..1]);
        }
        for (j, &register) in program.outputs.iter().enumerate() {
            outs[0].f()[j * p.stride as usize] = r[usize::from(register)];
        }
    }

    fn cases() -> Vec<Case> {
        let mut cases = each_function();
        cases.extend(programs());
        cases
    }
}

/// A case: as many inputs of `kind` as the program has, as long as it reads; between the outputs stands what stays.
fn case(what: &str, program: &Program, stride: usize, kinds: &[Values]) -> Case {
    let (consts, words) = program.call(stride);
    let p: ScalarsParams = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&words));
    let mut ins: Vec<HostBuf> = Vec::new();
    for (j, len) in Scalars::reads(&consts, &p).into_iter().enumerate() {
        // An input that is not read is the first again.
        ins.push(if len > 0 { values(kinds[j % kinds.len()], len, 9 * j as u32 + 5).into() } else { ins[0].clone() });
    }
    let len = (program.outputs.len() - 1) * stride + 1;
    let between: Vec<f32> = (0..len).map(|i| 0.5 + i as f32).collect();
    Case::new(format!("{what} stride={stride}"), &consts, p, ins, &[]).outs(vec![Before::Value(between.into())])
}

/// Every function, of one input or two, alone, of sums of a few terms.
fn each_function() -> Vec<Case> {
    let mut funs: Vec<Fun> = unary::Op::ALL.into_iter().map(Fun::Unary).collect();
    funs.extend(binary::Op::ALL.map(Fun::Binary));
    funs.extend([Fun::Bce, Fun::Scalar(0), Fun::Scalar(21), Fun::Scalar(55), Fun::Constant]);
    let one = |fun: Fun| {
        let instructions = vec![instruction(fun, 0, 1, [-0.75, 1.0])];
        let program = Program { inputs: vec![(3, 0.5), (2, 0.25)], instructions, outputs: vec![INPUTS as u8] };
        case(&format!("{fun:?}").to_lowercase(), &program, 1, &[Values::Positive])
    };
    funs.into_iter().map(one).collect()
}

/// Long programs, long inputs, all outputs.
fn programs() -> Vec<Case> {
    use binary::Op as B;
    let sums = |lens: &[u32]| lens.iter().zip(1..).map(|(&n, j)| (n, [1.0, -2.0][j % 2])).collect::<Vec<_>>();
    let chain = |k: usize| {
        let left = if k == 0 { 0 } else { INPUTS + k - 1 };
        instruction(Fun::Unary(unary::Op::Affine), left, 0, [[1.0, -1.0][k % 2], 3.0 * k as f32 - 20.0])
    };
    let mixed = |k: usize| match k {
        0..4 => instruction(Fun::Binary([B::Add, B::Sub][k % 2]), k + 1, k, [0.0; 2]),
        11 => instruction(Fun::Binary(B::Add), INPUTS + 9, INPUTS + 10, [0.0; 2]),
        _ => {
            let f = Fun::Binary([B::Sub, B::Max, B::Add][k % 3]);
            instruction(f, INPUTS + k - 4, INPUTS + k - 1 - k % 2, [0.0; 2])
        }
    };
    let mut cases = Vec::new();
    let integers = [Values::Integers];
    let program =
        Program { inputs: sums(&[7]), instructions: (0..INSTRUCTIONS).map(chain).collect(), outputs: vec![16, 9, 0] };
    cases.push(case("twelve affine", &program, 1, &integers).exact());
    for (lens, stride) in [([1, 1, 1, 1, 1], 1), ([512, 160, 1, 63, 65], 64), ([997, 4096, 3, 4, 2], 7)] {
        let outputs = vec![16, 4, 15, 14, 0, 12, 13, 11];
        let program = Program { inputs: sums(&lens), instructions: (0..INSTRUCTIONS).map(mixed).collect(), outputs };
        cases.push(case(&format!("five inputs of {lens:?}"), &program, stride, &integers).exact());
    }
    // Every number of outputs, for what one too many would write.
    for outs in 1..OUTPUTS {
        let outputs = [1, 0, 5, 6, 7, 8, 2][..outs].to_vec();
        let program = Program { inputs: sums(&[2, 3, 4, 1, 1]), instructions: (0..4).map(mixed).collect(), outputs };
        cases.push(case(&format!("{outs} outputs"), &program, 3, &integers).exact());
    }
    for n in [1, 2, 70, 4096] {
        let program = Program { inputs: vec![(n, 1.0 / 128.0)], instructions: vec![], outputs: vec![0] };
        cases.push(case(&format!("a sum of {n}"), &program, 1, &[Values::Straddling { extreme: 1000.0 }]));
    }
    // What invocations share: five inputs, around as many terms as there are of them, and of one input many.
    let shared: Vec<Case> =
        cases.iter().filter(|c| c.name.starts_with("five") || c.name.starts_with("a sum")).cloned().collect();
    for mut case in shared {
        case.call.consts[LANES] = 64;
        case.name += " by 64";
        cases.push(case);
    }
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
            instruction(Fun::Binary(binary::Op::Mul), 1, 5, [0.0; 2]),
        ];
        let program = Program { inputs: vec![(12, 0.5), (4, -1.0)], instructions, outputs: vec![6, 0] };
        let (consts, words) = program.call(64);
        assert_eq!(consts.len(), Scalars::OVERRIDES.len());
        assert_eq!(Program::of(&consts, &bytemuck::pod_read_unaligned(bytemuck::cast_slice(&words))), program);
    }
}
