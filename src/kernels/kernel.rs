//! What a kernel is to the rest of elbo: [`Kernel`], object-safe, and [`Twin`], which a kernel's file implements.

use super::half::unpack;
use super::wgsl::ENABLE_SUBGROUPS;
use crate::values::{Bound, DType, HostBuf, Real};
use std::marker::PhantomData;
use std::ops::Range;

/// One uniform field of a kernel's `Params`: its name in the WGSL struct and its type. All fields are 4 bytes.
pub type Field = (&'static str, DType);

/// The values of a kernel's overrides and of its `Params`, in the order in which the .wgsl declares them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Call {
    /// One value an override, in the order of [`Kernel::overrides`].
    pub consts: Vec<u32>,
    /// One word a field of `Params`, f32 as bits.
    pub params: Vec<u32>,
}

/// What changes from step to step: one row of the step table, `Step` in `shaders/lib/step.wgsl`, 256 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepRow {
    /// The number of the step, the time of its random draws; [`StepRow::EVALUATION`] in evaluation.
    pub step: u32,
    /// The row of the metrics table that the step writes.
    pub row: u32,
    /// The position, in the epoch's order, of the first example of the batch.
    pub first: u32,
    /// Reserved, 0.
    pub reserved: u32,
    /// The seed of the run, low and high word.
    pub seed: [u32; 2],
    /// Reserved, 0.
    pub reserved2: [u32; 2],
    /// The scheduled scalars (learning rate, bias corrections, β, …), by index.
    pub scalars: [f32; StepRow::SCALARS],
}

impl StepRow {
    /// How many scheduled scalars a plan may have.
    pub const SCALARS: usize = 56;
    /// The step number of draws that belong to an example and not to a moment.
    pub const EVALUATION: u32 = u32::MAX;

    /// A row with all scalars 0.
    pub fn new(step: u32, row: u32, first: u32, seed: u64) -> Self {
        let seed = [seed as u32, (seed >> 32) as u32];
        Self { step, row, first, reserved: 0, seed, reserved2: [0; 2], scalars: [0.0; Self::SCALARS] }
    }

    /// The seed as one number.
    pub fn seed(&self) -> u64 {
        u64::from(self.seed[0]) | u64::from(self.seed[1]) << 32
    }
}

/// An input of a twin.
#[derive(Clone, Copy)]
pub enum In<'a, R> {
    /// Reals.
    F(&'a [R]),
    /// Integers.
    U(&'a [u32]),
}

impl<'a, R> In<'a, R> {
    /// The reals.
    #[track_caller]
    pub fn f(&self) -> &'a [R] {
        match self {
            Self::F(v) => v,
            Self::U(_) => panic!("an input of u32 was read as reals"),
        }
    }
    /// What stands as binary16, as reals; none of reals.
    pub fn unpacked(&self) -> Option<Vec<R>>
    where
        R: Real,
    {
        match self {
            Self::F(_) => None,
            Self::U(words) => Some(unpack(words)),
        }
    }
    /// The integers.
    #[track_caller]
    pub fn u(&self) -> &'a [u32] {
        match self {
            Self::U(v) => v,
            Self::F(_) => panic!("an input of reals was read as u32"),
        }
    }
}

/// An output of a twin: the part of the buffer that belongs to the items it was called for.
pub enum Out<'a, R> {
    /// Reals.
    F(&'a mut [R]),
    /// Integers.
    U(&'a mut [u32]),
}

impl<R> Out<'_, R> {
    /// The reals.
    #[track_caller]
    pub fn f(&mut self) -> &mut [R] {
        match self {
            Self::F(v) => v,
            Self::U(_) => panic!("an output of u32 was written as reals"),
        }
    }
    /// The integers.
    #[track_caller]
    pub fn u(&mut self) -> &mut [u32] {
        match self {
            Self::U(v) => v,
            Self::F(_) => panic!("an output of reals was written as u32"),
        }
    }
}

/// How the work of one call divides, on a CPU and on a GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Independent items (rows, columns, elements): the twin may be called for any sub-range of them.
    pub items: usize,
    /// How many items the cpu executor gives to one task: a function of the call alone, so that bits do not depend on
    /// the number of threads.
    pub chunk: usize,
    /// For each output, how many consecutive elements belong to one item.
    pub strides: [usize; MAX_OUTS],
    /// Workgroups on a GPU, before folding into two dimensions.
    pub workgroups: u64,
    /// The most loop iterations of one invocation, all loops together.
    pub loop_bound: u64,
    /// Floating-point operations of the whole call (an exp, a division count as one).
    pub flops: u64,
}

/// The most outputs that a kernel has.
pub const MAX_OUTS: usize = 3;

impl Work {
    /// `n` independent elements, one an invocation, one output element each.
    pub fn elementwise(n: usize, workgroup: u32, flops_each: u64) -> Self {
        Self {
            items: n,
            chunk: 16 * 1024,
            strides: [1; MAX_OUTS],
            workgroups: (n as u64).div_ceil(u64::from(workgroup)),
            loop_bound: 0,
            flops: n as u64 * flops_each,
        }
    }
}

/// What the executors, the rig, the benchmarks and the plan's printer know of a kernel.
pub trait Kernel: Send + Sync {
    /// The stem of its .wgsl file.
    fn name(&self) -> &'static str;
    /// The text of its .wgsl file, imports unresolved.
    fn wgsl(&self) -> &'static str;
    /// Whether its invocations speak to each other in subgroups, which not every adapter can.
    fn needs_subgroups(&self) -> bool {
        self.wgsl().lines().any(|line| line.trim() == ENABLE_SUBGROUPS)
    }
    /// Its overrides, in the order of declaration.
    fn overrides(&self) -> &'static [&'static str];
    /// The fields of its `Params`, in order.
    fn fields(&self) -> &'static [Field];
    /// How the work of `call` divides.
    fn work(&self, call: &Call) -> Work;
    /// For each input, how many elements a call reads at least, from the first on.
    fn reads(&self, call: &Call) -> Vec<usize>;
    /// Of the bindings that its .wgsl declares as words, in its order, those that hold reals in this call, a bit each: words are
    /// how one text reads numbers of both sizes.
    fn reals(&self, call: &Call) -> u32;
    /// The outputs whose earlier value a call reads.
    fn updates(&self) -> &'static [usize];
    /// What a call does, in a few letters for tables: "relu", "nt+bias+relu".
    fn describe(&self, call: &Call) -> String;
    /// The cases that prove it.
    fn cases(&self) -> Vec<Case>;
    /// The cases that it is timed by.
    fn timed(&self) -> Vec<Case> {
        Vec::new()
    }
    /// The twin at f64: the oracle.
    fn run_f64(&self, c: &Call, s: &StepRow, ins: &[In<f64>], outs: &mut [Out<f64>], items: Range<usize>);
    /// The twin at f32: what the cpu executor runs.
    fn run_f32(&self, c: &Call, s: &StepRow, ins: &[In<f32>], outs: &mut [Out<f32>], items: Range<usize>);
    /// The twin as error analysis: what an f32 device is held to.
    fn run_bound(&self, c: &Call, s: &StepRow, ins: &[In<Bound>], outs: &mut [Out<Bound>], items: Range<usize>);
}

/// What a kernel's file implements; every [`Twin`] is a [`Kernel`].
pub trait Twin: Send + Sync + 'static {
    /// See [`Kernel::name`].
    const NAME: &'static str;
    /// See [`Kernel::wgsl`].
    const WGSL: &'static str;
    /// See [`Kernel::overrides`].
    const OVERRIDES: &'static [&'static str];
    /// See [`Kernel::updates`].
    const UPDATES: &'static [usize] = &[];
    /// Its `Params`, made by [`params!`](crate::kernels::params).
    type Params: Params;

    /// See [`Kernel::work`].
    fn work(c: &Consts, p: &Self::Params) -> Work;
    /// See [`Kernel::reads`]: as many as there are inputs. `tests/registry.rs` asks it of every kernel, and holds it to
    /// the twin.
    fn reads(_: &Consts, _: &Self::Params) -> Vec<usize> {
        Vec::new()
    }
    /// See [`Kernel::reals`].
    fn reals(_: &Consts) -> u32 {
        0
    }
    /// See [`Kernel::describe`].
    fn describe(c: &Consts, p: &Self::Params) -> String;
    /// See [`Kernel::cases`].
    fn cases() -> Vec<Case>;
    /// See [`Kernel::timed`]: shapes that recipes have, or large enough for a device to show what it can do; by default the
    /// case with the most elements whose workgroup is not one invocation. A device is as fast on any numbers.
    fn timed() -> Vec<Case> {
        let alone = |c: &Case| {
            ["WG", "WGX"].iter().any(|wg| Self::OVERRIDES.iter().zip(&c.call.consts).any(|(o, v)| o == wg && *v == 1))
        };
        let size =
            |c: &Case| c.ins.iter().map(HostBuf::len).sum::<usize>() + c.outs.iter().map(Before::len).sum::<usize>();
        Self::cases().into_iter().filter(|c| !alone(c)).max_by_key(size).into_iter().collect()
    }
    /// The same computation as the .wgsl, for the items of a range, as plain loops. `outs[k]` begins at the first
    /// element of the first item. An output that is `read_write` in place holds its earlier value.
    fn run<R: Real>(c: &Consts, p: &Self::Params, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>);
}

/// The override values of a call, in the order of [`Twin::OVERRIDES`].
pub type Consts = [u32];

/// A kernel's `Params` as plain data.
pub trait Params: bytemuck::Pod {
    /// Names and types, in order.
    const FIELDS: &'static [Field];

    /// The words of the uniform.
    fn words(&self) -> Vec<u32> {
        bytemuck::cast_slice(bytemuck::bytes_of(self)).to_vec()
    }
}

/// A zero-sized handle on a [`Twin`], to stand in the registry.
pub struct Handle<T>(pub std::marker::PhantomData<T>);

/// A twin at f32, compiled for every vector unit of which the host may have one, with the same bits: Rust neither
/// contracts nor reorders what is written.
struct OnThisCpu<'a, 'b, T>(
    &'a Call,
    &'a StepRow,
    &'a [In<'a, f32>],
    &'a mut [Out<'b, f32>],
    Range<usize>,
    PhantomData<T>,
);

impl<T: Twin> pulp::NullaryFnOnce for OnThisCpu<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        T::run(&self.0.consts, &typed(self.0), self.1, self.2, self.3, self.4);
    }
}

/// The parameters of a call.
fn typed<P: Params>(call: &Call) -> P {
    *bytemuck::from_bytes(bytemuck::cast_slice(&call.params))
}

impl<T: Twin> Kernel for Handle<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }
    fn wgsl(&self) -> &'static str {
        T::WGSL
    }
    fn overrides(&self) -> &'static [&'static str] {
        T::OVERRIDES
    }
    fn fields(&self) -> &'static [Field] {
        T::Params::FIELDS
    }
    fn work(&self, call: &Call) -> Work {
        T::work(&call.consts, &typed(call))
    }
    fn reads(&self, call: &Call) -> Vec<usize> {
        T::reads(&call.consts, &typed(call))
    }
    fn reals(&self, call: &Call) -> u32 {
        T::reals(&call.consts)
    }
    fn updates(&self) -> &'static [usize] {
        T::UPDATES
    }
    fn describe(&self, call: &Call) -> String {
        T::describe(&call.consts, &typed(call))
    }
    fn cases(&self) -> Vec<Case> {
        T::cases()
    }
    fn timed(&self) -> Vec<Case> {
        T::timed()
    }
    fn run_f64(&self, c: &Call, s: &StepRow, ins: &[In<f64>], outs: &mut [Out<f64>], items: Range<usize>) {
        T::run(&c.consts, &typed(c), s, ins, outs, items);
    }
    fn run_f32(&self, c: &Call, s: &StepRow, ins: &[In<f32>], outs: &mut [Out<f32>], items: Range<usize>) {
        pulp::Arch::new().dispatch(OnThisCpu::<T>(c, s, ins, outs, items, PhantomData));
    }
    fn run_bound(&self, c: &Call, s: &StepRow, ins: &[In<Bound>], outs: &mut [Out<Bound>], items: Range<usize>) {
        T::run(&c.consts, &typed(c), s, ins, outs, items);
    }
}

/// Declares a kernel's `Params`: a Pod struct and its [`Params`] impl, fields in the order of the WGSL struct.
#[macro_export]
macro_rules! params {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $t:ident),* $(,)? }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct $name { $($(#[$fdoc])* pub $field: $t),* }
        impl $crate::kernels::Params for $name {
            const FIELDS: &'static [$crate::kernels::Field] = &[$((stringify!($field), $crate::params!(@dtype $t))),*];
        }
    };
    (@dtype f32) => { $crate::values::DType::F32 };
    (@dtype u32) => { $crate::values::DType::U32 };
}
pub use params;

/// One proof of a kernel: a call, its inputs, and what its outputs hold before.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is awkward about it.
    pub name: String,
    /// Overrides and parameters.
    pub call: Call,
    /// The inputs, in binding order.
    pub ins: Vec<HostBuf>,
    /// The outputs, in binding order.
    pub outs: Vec<Before>,
    /// The step row (kernels without a step ignore it).
    pub step: StepRow,
    /// Compare without tolerance: every value and partial sum is exact in f32, in any order.
    pub exact: bool,
    /// The rig runs it again at other workgroups; see [`Case::again`].
    pub again: bool,
}

/// What an output holds before the dispatch.
#[derive(Clone, Debug)]
pub enum Before {
    /// Poison: the kernel must write all of these `n` elements and read none.
    Poison(DType, usize),
    /// A value that the kernel updates in place.
    Value(HostBuf),
}

impl Before {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Poison(_, n) => *n,
            Self::Value(v) => v.len(),
        }
    }
    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::Poison(t, _) => *t,
            Self::Value(v) => v.dtype(),
        }
    }
}

impl Case {
    /// A case with poisoned f32 outputs of the given lengths, and the step row of step 3, seed 7.
    pub fn new<P: Params>(
        name: impl Into<String>,
        consts: &[u32],
        params: P,
        ins: Vec<HostBuf>,
        outs: &[usize],
    ) -> Self {
        let mut step = StepRow::new(3, 0, 0, 7);
        for (i, s) in step.scalars.iter_mut().enumerate() {
            *s = 0.25 + i as f32 / 64.0;
        }
        Self {
            name: name.into(),
            call: Call { consts: consts.to_vec(), params: params.words() },
            ins,
            outs: outs.iter().map(|&n| Before::Poison(DType::F32, n)).collect(),
            step,
            exact: false,
            again: false,
        }
    }

    /// The same, compared exactly.
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// The same, run again at workgroups of other sizes. A kernel that has workgroups to choose marks a case for each way in
    /// which it works: one of several workgroups at any size, in which loops take several turns and whose results
    /// differ from place to place.
    pub fn again(mut self) -> Self {
        self.again = true;
        self
    }

    /// The same, with other outputs.
    pub fn outs(mut self, outs: Vec<Before>) -> Self {
        self.outs = outs;
        self
    }
}
