//! elbo trains the autoencoder family on any GPU that wgpu reaches: hand-written WGSL kernels, one static compute
//! graph, no framework. ARCHITECTURE.md is the way in; each module uses only the floors below it.

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
