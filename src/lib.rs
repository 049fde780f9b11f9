//! elbo trains the autoencoder family on any GPU that wgpu reaches: hand-written WGSL kernels, one static compute
//! graph, no framework. ARCHITECTURE.md is the way in; each module uses only the floors below it.
//!
//! A graph, its gradient, and a device, from Rust:
//!
//! ```
//! use elbo::exec::{Choice, open, run};
//! use elbo::graph::{Axes, Graph, grad};
//!
//! # fn main() -> elbo::values::Result<()> {
//! let g = Graph::new();
//! let (x, w) = (g.input("x", &[2, 3]), g.input("w", &[3, 1]));
//! let loss = x.matmul(w).tanh().square().sum(Axes::All);
//! let dw = grad(loss, &[w])[0];
//!
//! let mut device = open(&Choice::Cpu)?; // or Choice::Gpu, Choice::Reference
//! let inputs = [("x", vec![1.0, 2.0, 3.0, 0.5, 0.0, -1.0].into()), ("w", vec![0.1, -0.2, 0.3].into())];
//! let out = run(&mut *device, &g, &inputs, &[loss, dw])?;
//! assert!((out[0].f32()[0] - 0.348_407_4).abs() < 1e-6, "{out:?}");
//! # Ok(())
//! # }
//! ```

pub mod bench;
pub mod check;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod data;
pub mod eval;
pub mod exec;
pub mod graph;
pub mod kernels;
pub mod models;
pub mod nn;
pub mod plan;
pub mod report;
pub mod train;
pub mod values;
