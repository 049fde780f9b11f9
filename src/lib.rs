//! elbo trains the autoencoder family on any GPU that wgpu reaches: hand-written WGSL kernels, one static compute
//! graph, no framework. ARCHITECTURE.md is the way in; each module uses only the floors below it.

pub mod kernels;
pub mod values;
