//! F2: the graph: what we mean. An append-only arena of nodes, `Copy` handles on them, shape rules and the gradient
//! table. No wgpu, no memory, no order of execution beyond "arguments come first".

mod arena;
mod axes;
mod grad;
mod indices;
mod matrices;
mod op;
mod params;
mod patches;
mod sequences;
mod tensor;

pub use arena::{Effect, Graph, LogTable, Node, SKIPPED, StateDecl, StateId};
pub use axes::{Axes, BATCH, FEATURES, LATENTS, SAMPLES};
pub use grad::{grad, partial, vjp};
pub use op::{Binarise, Count, Distribution, Draw, Gradient, Jumps, Op, Picture};
pub use params::{ALIGN, Bucket, Init, PLACE, ParamDecl, ParamLayout, Place};
pub use patches::Window;
pub use tensor::Tensor;
