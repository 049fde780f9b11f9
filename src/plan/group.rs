//! Grouping: elementwise nodes of one extent, and a sum over what they make, become one pass of the kernel `map`; what makes
//! the metrics of them becomes one of `scalars`; and the order in which everything runs. Nothing is computed twice for it.

use super::rewrite::Ir;
use crate::graph::Op;
use crate::kernels::map::{Fun, INPUTS, INSTRUCTIONS, Instruction, OUTPUTS, Program, RUN};
use crate::kernels::{binary, scalars, unary};
use crate::values::Shape;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};

/// What is lowered at once.
pub(super) enum Unit {
    /// One node, by a kernel of its own.
    Node(usize),
    /// Elementwise nodes, and a sum of one of them, by `map`.
    Map(Group, Assembled),
    /// The metrics and the scalars between them, by `scalars`.
    Scalars(Tally, TallyProgram),
}

/// Nodes that one dispatch of `map` computes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Group {
    /// Elementwise nodes of one extent, in order.
    pub members: Vec<usize>,
    /// A sum over trailing axes of a member, and the length of the runs in which it is formed.
    pub sum: Option<(usize, usize)>,
}

/// What one dispatch of `scalars` computes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    /// Elementwise nodes of one element, and sums to one, in order.
    pub members: Vec<usize>,
    /// The pack of all metrics.
    pub pack: usize,
}

/// A group as a program.
pub(super) struct Assembled {
    /// The program.
    pub program: Program,
    /// For each input the node that must be in memory.
    pub inputs: Vec<usize>,
    /// For each output its node.
    pub outputs: Vec<usize>,
}

/// The live nodes of `ir`, reshapes left out (they are other names of their arguments), in an order in which each comes
/// after what it reads; grouped if `group` says so. `metrics` is their pack.
pub(super) fn schedule(ir: &Ir, metrics: Option<usize>, group: bool) -> Vec<Unit> {
    let mut g = Grouping::new(ir);
    if group {
        if let Some(pack) = metrics {
            g.tally(pack);
        }
        g.join_producers();
        g.join_neighbours();
        g.join_sums();
        g.join_siblings();
    }
    g.order()
}

/// The node of whose value `id` is another name.
pub(super) fn source(ir: &Ir, mut id: usize) -> usize {
    while ir.nodes[id].op == Op::Reshape {
        id = ir.nodes[id].args[0];
    }
    id
}

/// For each node the live nodes that read its value, through reshapes; `None` for what is needed outside.
pub(super) fn readers(ir: &Ir) -> Vec<Vec<Option<usize>>> {
    let live = ir.live();
    let mut readers = vec![Vec::new(); ir.nodes.len()];
    let mut add = |from: usize, by: Option<usize>| {
        let all: &mut Vec<Option<usize>> = &mut readers[source(ir, from)];
        if !all.contains(&by) {
            all.push(by);
        }
    };
    for (id, n) in ir.nodes.iter().enumerate().filter(|(id, n)| live[*id] && n.op != Op::Reshape) {
        n.args.iter().for_each(|&a| add(a, Some(id)));
    }
    ir.roots.iter().for_each(|&r| add(r, None));
    readers
}

fn elementwise(op: &Op) -> bool {
    matches!(op, Op::Unary(..) | Op::Binary(_) | Op::Bce | Op::BceGrad(_) | Op::GaussianKl | Op::Reparam)
}

struct Grouping<'a> {
    ir: &'a Ir,
    live: Vec<bool>,
    readers: Vec<Vec<Option<usize>>>,
    /// For each node its group; every live elementwise node has one, but for those of the tally.
    group: Vec<Option<usize>>,
    groups: Vec<Group>,
    tally: Option<Tally>,
}

impl<'a> Grouping<'a> {
    fn new(ir: &'a Ir) -> Self {
        let live = ir.live();
        let mut group = vec![None; ir.nodes.len()];
        let mut groups = Vec::new();
        for id in (0..ir.nodes.len()).filter(|&id| live[id] && elementwise(&ir.nodes[id].op)) {
            group[id] = Some(groups.len());
            groups.push(Group { members: vec![id], sum: None });
        }
        Self { ir, live, readers: readers(ir), group, groups, tally: None }
    }

    fn len(&self, id: usize) -> usize {
        self.ir.nodes[id].shape.len()
    }

    /// The group of an elementwise node of `len` elements.
    fn joinable(&self, id: usize, len: usize) -> Option<usize> {
        self.group[id].filter(|_| elementwise(&self.ir.nodes[id].op) && self.len(id) == len)
    }

    /// All scalars behind the metrics, as long as nothing but metrics and such scalars is between.
    fn tally(&mut self, pack: usize) {
        let ir = self.ir;
        let mut members: Vec<usize> = Vec::new();
        let mut todo: Vec<usize> = ir.nodes[pack].args.iter().map(|&a| source(ir, a)).collect();
        while let Some(id) = todo.pop() {
            let n = &ir.nodes[id];
            // Terms that `map` makes it adds up too: what is left of them is an input.
            let short = |a: &usize| self.group[source(ir, *a)].is_none() && ir.nodes[*a].shape.len() <= scalars::TERMS;
            let fit = n.shape.len() == 1
                && (elementwise(&n.op) || matches!(n.op, Op::Sum { .. }) && n.args.iter().all(short));
            // Other readers find it among the metrics.
            let metric = ir.nodes[pack].args.iter().any(|&a| source(ir, a) == id);
            let inner = || self.readers[id].iter().all(|r| r.is_some_and(|r| r == pack || members.contains(&r)));
            if fit && !members.contains(&id) && (metric || inner()) {
                members.push(id);
                if elementwise(&n.op) {
                    todo.extend(n.args.iter().map(|&a| source(ir, a)));
                }
            }
        }
        members.sort_unstable();
        let tally = Tally { members, pack };
        let inside: HashSet<usize> = tally.members.iter().copied().chain([pack]).collect();
        if tally_program(ir, &tally).is_none() || !self.sound(&inside) {
            return;
        }
        for &id in &tally.members {
            self.group[id] = None;
        }
        self.tally = Some(tally);
    }

    /// What only one group reads joins it.
    fn join_producers(&mut self) {
        for id in (0..self.ir.nodes.len()).rev() {
            let Some(own) = self.group[id] else { continue };
            let theirs: Option<Vec<usize>> =
                self.readers[id].iter().map(|r| self.joinable((*r)?, self.len(id))).collect();
            if let Some(theirs) = theirs
                && let Some(&first) = theirs.first()
                && theirs.iter().all(|&g| g == first)
            {
                self.join(own, first);
            }
        }
    }

    /// What a group makes and another reads: one pass makes both.
    fn join_neighbours(&mut self) {
        for id in 0..self.ir.nodes.len() {
            if self.group[id].is_none() {
                continue;
            }
            for reader in self.readers[id].clone().into_iter().flatten() {
                if let (Some(own), Some(other)) = (self.group[id], self.joinable(reader, self.len(id))) {
                    self.join(own, other);
                }
            }
        }
    }

    /// A sum over the last axes is formed by the pass that makes its terms.
    fn join_sums(&mut self) {
        for id in 0..self.ir.nodes.len() {
            let n = &self.ir.nodes[id];
            let Op::Sum { first, count, .. } = n.op else { continue };
            let from = self.ir.nodes[n.args[0]].shape;
            let term = source(self.ir, n.args[0]);
            let (true, true, Some(own)) = (self.live[id], first + count == from.rank(), self.group[term]) else {
                continue;
            };
            let Some(run) = run(from.len() / n.shape.len(), n.shape.len()) else { continue };
            let joined = Group { sum: Some((id, run)), ..self.groups[own].clone() };
            if self.groups[own].sum.is_none()
                && assemble(self.ir, &self.readers, &joined).is_some()
                && self.sound(&joined.nodes())
            {
                self.groups[own] = joined;
                self.group[id] = Some(own);
            }
        }
    }

    /// Groups that read the same tensor read it once.
    fn join_siblings(&mut self) {
        for id in 0..self.ir.nodes.len() {
            let mut seen: Vec<usize> = Vec::new();
            for reader in self.readers[id].clone().into_iter().flatten() {
                let Some(own) = self.joinable(reader, self.len(id)).filter(|own| !seen.contains(own)) else { continue };
                // The joined group goes by the number of the one that was seen.
                if !seen.iter().any(|&other| self.join(own, other)) {
                    seen.push(own);
                }
            }
        }
    }

    /// Makes one group of two, where that can be done.
    fn join(&mut self, a: usize, b: usize) -> bool {
        if a == b || self.groups[a].sum.is_some() && self.groups[b].sum.is_some() {
            return false;
        }
        let mut members = [&self.groups[a].members[..], &self.groups[b].members[..]].concat();
        members.sort_unstable();
        let joined = Group { members, sum: self.groups[a].sum.or(self.groups[b].sum) };
        if assemble(self.ir, &self.readers, &joined).is_none() || !self.sound(&joined.nodes()) {
            return false;
        }
        for &id in joined.members.iter().chain(joined.sum.iter().map(|(id, _)| id)) {
            self.group[id] = Some(b);
        }
        self.groups[a] = Group::default();
        self.groups[b] = joined;
        true
    }

    /// The nodes of the unit of a node.
    fn unit(&self, id: usize) -> HashSet<usize> {
        match (self.group[id], &self.tally) {
            (Some(g), _) => self.groups[g].nodes(),
            (None, Some(t)) if t.holds(id) => t.members.iter().copied().chain([t.pack]).collect(),
            _ => HashSet::from([id]),
        }
    }

    /// Whether nothing that a unit of these nodes makes is needed, through others, by the unit itself.
    fn sound(&self, inside: &HashSet<usize>) -> bool {
        let mut seen = inside.clone();
        let mut todo: Vec<usize> = inside.iter().copied().collect();
        while let Some(id) = todo.pop() {
            for &reader in self.readers[id].iter().flatten() {
                if inside.contains(&reader) {
                    if !inside.contains(&id) {
                        return false;
                    }
                } else if !seen.contains(&reader) {
                    let unit = self.unit(reader);
                    todo.extend(&unit);
                    seen.extend(unit);
                }
            }
        }
        true
    }

    /// The units, each after what it reads; otherwise in the order of their last nodes.
    fn order(self) -> Vec<Unit> {
        let ir = self.ir;
        // The node by which a unit is known: its last.
        let live: Vec<usize> =
            (0..ir.nodes.len()).filter(|&id| self.live[id] && ir.nodes[id].op != Op::Reshape).collect();
        let mut key: Vec<usize> = (0..ir.nodes.len()).collect();
        for &id in &live {
            key[id] = self.unit(id).into_iter().max().unwrap_or(id);
        }
        let mut waits: BTreeMap<usize, HashSet<usize>> = BTreeMap::new();
        let mut feeds: BTreeMap<usize, HashSet<usize>> = BTreeMap::new();
        for id in live {
            let to = key[id];
            let waits = waits.entry(to).or_default();
            for from in ir.nodes[id].args.iter().map(|&a| key[source(ir, a)]).filter(|&from| from != to) {
                waits.insert(from);
                feeds.entry(from).or_default().insert(to);
            }
        }
        let first = waits.iter().filter(|(_, w)| w.is_empty()).map(|(&k, _)| Reverse(k));
        let mut ready: BinaryHeap<Reverse<usize>> = first.collect();
        let total = waits.len();
        let mut units = Vec::with_capacity(total);
        while let Some(Reverse(at)) = ready.pop() {
            units.push(match (self.group[at].map(|g| &self.groups[g]), &self.tally) {
                (Some(g), _) if g.members.len() > 1 || g.sum.is_some() => {
                    let a = assemble(ir, &self.readers, g).expect("a group was assembled when it was formed");
                    Unit::Map(g.clone(), a)
                }
                (None, Some(t)) if t.holds(at) => {
                    let p = tally_program(ir, t).expect("a tally was assembled when it was formed");
                    Unit::Scalars(t.clone(), p)
                }
                _ => Unit::Node(at),
            });
            for &to in feeds.get(&at).into_iter().flatten() {
                let left = waits.get_mut(&to).expect("every unit waits for something or nothing");
                left.remove(&at);
                if left.is_empty() {
                    ready.push(Reverse(to));
                }
            }
        }
        assert_eq!(units.len(), total, "units wait for each other");
        units
    }
}

impl Group {
    fn nodes(&self) -> HashSet<usize> {
        self.members.iter().copied().chain(self.sum.map(|(id, _)| id)).collect()
    }
}

impl Tally {
    fn holds(&self, id: usize) -> bool {
        id == self.pack || self.members.contains(&id)
    }
}

/// The runs in which a sum of `terms` terms each is formed for `outer` results: all at once where there are results
/// enough to share out, else a divisor of `terms`; None where none is fit.
fn run(terms: usize, outer: usize) -> Option<usize> {
    if terms <= RUN && (outer >= 64 || terms <= 16) {
        return Some(terms);
    }
    let most = (terms * outer / 512).clamp(16, RUN);
    let best = (1..=most).rev().find(|d| terms.is_multiple_of(*d)).unwrap_or(1);
    if best >= 8 { Some(best) } else { (terms <= RUN).then_some(terms) }
}

/// A group as a program; None where `map` has not the room for it.
fn assemble(ir: &Ir, readers: &[Vec<Option<usize>>], group: &Group) -> Option<Assembled> {
    let mut a = Assembler::new(ir, INSTRUCTIONS);
    let inside = |id: &Option<usize>| {
        id.is_some_and(|id| group.members.contains(&id) || group.sum.is_some_and(|(sum, _)| sum == id))
    };
    for &id in &group.members {
        a.node(id)?;
    }
    let sum = group.sum.map(|(id, _)| a.registers[&source(ir, ir.nodes[id].args[0])]);
    let outputs: Vec<usize> = group.members.iter().copied().filter(|&id| !readers[id].iter().all(inside)).collect();
    let program = Program {
        inputs: a.repeats,
        instructions: a.instructions,
        outputs: outputs.iter().map(|id| a.registers[id]).collect(),
        sum,
    };
    (outputs.len() <= OUTPUTS && !a.inputs.is_empty()).then_some(Assembled { program, inputs: a.inputs, outputs })
}

/// The metrics as a program.
pub(super) struct TallyProgram {
    /// For each input the node that is read, and the factor of its sum.
    pub inputs: Vec<(usize, f32)>,
    /// The instructions.
    pub instructions: Vec<Instruction>,
    /// The registers of the metrics.
    pub outputs: Vec<u8>,
}

/// The metrics as a program; None where `scalars` has not the room for it.
fn tally_program(ir: &Ir, t: &Tally) -> Option<TallyProgram> {
    let mut a = Assembler::new(ir, scalars::INSTRUCTIONS);
    let mut factors: BTreeMap<usize, f32> = BTreeMap::new();
    for &id in &t.members {
        let n = &ir.nodes[id];
        let Op::Sum { scale, .. } = n.op else {
            a.node(id)?;
            continue;
        };
        // One sum an input: its register is the sum's.
        a.inputs.push(source(ir, n.args[0]));
        a.repeats.push((0, 0));
        factors.insert(a.inputs.len() - 1, scale as f32);
        a.registers.insert(id, u8::try_from(a.inputs.len() - 1).ok().filter(|&r| usize::from(r) < scalars::INPUTS)?);
    }
    let outputs: Vec<u8> =
        ir.nodes[t.pack].args.iter().map(|&c| a.operand(c, ir.nodes[c].shape)).collect::<Option<_>>()?;
    let fits = (1..=scalars::OUTPUTS).contains(&outputs.len()) && !a.inputs.is_empty();
    let inputs = a.inputs.iter().enumerate().map(|(i, &id)| (id, factors.get(&i).copied().unwrap_or(1.0))).collect();
    fits.then_some(TallyProgram { inputs, instructions: a.instructions, outputs })
}

struct Assembler<'a> {
    ir: &'a Ir,
    /// Where the value of a node stands.
    registers: BTreeMap<usize, u8>,
    inputs: Vec<usize>,
    repeats: Vec<(u32, u32)>,
    instructions: Vec<Instruction>,
    /// The most instructions.
    room: usize,
}

impl<'a> Assembler<'a> {
    fn new(ir: &'a Ir, room: usize) -> Self {
        let (registers, inputs, repeats, instructions) = Default::default();
        Self { ir, registers, inputs, repeats, instructions, room }
    }

    /// The instructions of a node: those that its own kernel executes, in their order.
    fn node(&mut self, id: usize) -> Option<()> {
        use binary::Op as B;
        use unary::Op as U;
        let n = &self.ir.nodes[id];
        let x: Vec<u8> = n.args.iter().map(|&a| self.operand(a, n.shape)).collect::<Option<_>>()?;
        let register = match &n.op {
            Op::Unary(f, alpha, beta) => self.unary(*f, x[0], *alpha, *beta)?,
            Op::Binary(f) => self.binary(*f, x[0], x[1])?,
            Op::Bce => self.push(Fun::Bce, x[0], x[1], 0.0, 0.0)?,
            Op::BceGrad(scale) => {
                let s = self.unary(U::Sigmoid, x[0], 0.0, 0.0)?;
                let d = self.binary(B::Sub, s, x[1])?;
                self.unary(U::Affine, d, *scale, 0.0)?
            }
            Op::GaussianKl => {
                let square = self.unary(U::Square, x[0], 0.0, 0.0)?;
                let variance = self.unary(U::Exp, x[1], 0.0, 0.0)?;
                let sum = self.binary(B::Add, square, variance)?;
                let less = self.binary(B::Sub, sum, x[1])?;
                self.unary(U::Affine, less, 0.5, -0.5)?
            }
            Op::Reparam => {
                let half = self.unary(U::Affine, x[1], 0.5, 0.0)?;
                let deviation = self.unary(U::Exp, half, 0.0, 0.0)?;
                let noise = self.binary(B::Mul, deviation, x[2])?;
                self.binary(B::Add, x[0], noise)?
            }
            op => unreachable!("{} is not elementwise", op.name()),
        };
        self.registers.insert(id, register);
        Some(())
    }

    /// The register of an argument of a node of shape `to`.
    fn operand(&mut self, arg: usize, to: Shape) -> Option<u8> {
        let from = source(self.ir, arg);
        if let Some(&r) = self.registers.get(&from).filter(|_| self.ir.nodes[from].shape.len() == to.len()) {
            return Some(r);
        }
        let n = &self.ir.nodes[arg];
        let inner = |op: &Op| *op == Op::Broadcast;
        let small = if inner(&n.op) { n.args[0] } else { arg };
        match self.ir.nodes[source(self.ir, small)].op {
            Op::Const(c) => return self.push(Fun::Constant, 0, 0, c as f32, 0.0),
            Op::Scalar(index) => return self.push(Fun::Scalar(index as u8), 0, 0, 0.0, 0.0),
            _ => {}
        }
        // Μ and ln σ² of several samples are shared by the trailing axes, not by a broadcast.
        let len = n.shape.len();
        let whole = (from, (1, len as u32));
        let (id, repeat) = match super::lower::div_mod(self.ir.nodes[small].shape, to) {
            Some(repeat) if inner(&n.op) => (source(self.ir, small), repeat),
            _ => whole,
        };
        let known = self.inputs.iter().zip(&self.repeats).position(|(&i, &r)| i == id && r == repeat);
        let at = known.unwrap_or(self.inputs.len());
        if known.is_none() {
            self.inputs.push(id);
            self.repeats.push(repeat);
        }
        (at < INPUTS).then_some(at as u8)
    }

    fn unary(&mut self, f: unary::Op, x: u8, alpha: f32, beta: f32) -> Option<u8> {
        self.push(Fun::Unary(f), x, 0, alpha, beta)
    }

    fn binary(&mut self, f: binary::Op, x: u8, y: u8) -> Option<u8> {
        self.push(Fun::Binary(f), x, y, 0.0, 0.0)
    }

    fn push(&mut self, fun: Fun, left: u8, right: u8, alpha: f32, beta: f32) -> Option<u8> {
        let i = Instruction { fun, left, right, alpha, beta };
        let all = &mut self.instructions;
        let at = all.iter().position(|known| *known == i).unwrap_or_else(|| {
            all.push(i);
            all.len() - 1
        });
        (at < self.room).then_some((INPUTS + at) as u8)
    }
}
