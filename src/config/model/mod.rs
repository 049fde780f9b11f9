//! The settings of the models: one variant of [`Model`], and one file here, a paper.

mod ae;
mod beta_vae;
mod codebook;
mod contractive;
mod conv;
mod dae;
mod dense;
mod k_sparse;
mod prior;
mod sparse;
mod td_vae;
mod vae;
mod variational;
mod vq_vae;

pub use ae::Ae;
pub use beta_vae::{BetaVae, Control};
pub use codebook::{Codebook, Start, Update};
pub use contractive::{Contractive, JacobianPenalty};
pub use conv::Convolution;
pub use dae::{Corruption, Dae};
pub use dense::{Dense, Loss};
pub use k_sparse::KSparse;
pub use prior::Prior;
pub use sparse::{Average, Sparse};
pub use td_vae::TdVae;
pub use vae::{Objective, Vae};
pub use variational::{Covariance, Likelihood, Variational};
pub use vq_vae::{Pixel, VqVae, VqVae2};

use super::settings::{at_least_one, at_most};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which model is trained: `[model]`, told apart by `kind`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Model {
    /// Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov 2006.
    Ae(Ae),
    /// Stacked Denoising Autoencoders, Vincent et al. 2010.
    Dae(Dae),
    /// Sparse autoencoder, Ng 2011.
    Sparse(Sparse),
    /// k-Sparse Autoencoders, Makhzani & Frey 2013.
    KSparse(KSparse),
    /// Contractive Auto-Encoders, Rifai et al. 2011.
    Contractive(Contractive),
    /// Auto-Encoding Variational Bayes, Kingma & Welling 2013.
    Vae(Vae),
    /// β-VAE, Higgins et al. 2017; Burgess et al. 2018.
    BetaVae(BetaVae),
    /// Neural Discrete Representation Learning, van den Oord et al. 2017.
    VqVae(VqVae),
    /// Generating Diverse High-Fidelity Images with VQ-VAE-2, Razavi et al. 2019.
    #[serde(rename = "vq-vae-2")]
    VqVae2(VqVae2),
    /// Temporal Difference VAE, Gregor et al. 2019.
    TdVae(TdVae),
    /// Conditional Image Generation with PixelCNN Decoders, van den Oord et al. 2016, of codes.
    Prior(Prior),
}

impl Model {
    /// What `model.kind` may be.
    pub const KINDS: &[&str] =
        &["ae", "dae", "sparse", "k-sparse", "contractive", "vae", "beta-vae", "vq-vae", "vq-vae-2", "td-vae", "prior"];

    /// Its `model.kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ae(_) => "ae",
            Self::Dae(_) => "dae",
            Self::Sparse(_) => "sparse",
            Self::KSparse(_) => "k-sparse",
            Self::Contractive(_) => "contractive",
            Self::Vae(_) => "vae",
            Self::BetaVae(_) => "beta-vae",
            Self::VqVae(_) => "vq-vae",
            Self::VqVae2(_) => "vq-vae-2",
            Self::TdVae(_) => "td-vae",
            Self::Prior(_) => "prior",
        }
    }

    /// The convolutions before its dense layers.
    pub fn conv(&self) -> &[Convolution] {
        match self {
            Self::Ae(c) => &c.net.conv,
            Self::Dae(c) => &c.net.conv,
            Self::Vae(c) => &c.net.conv,
            Self::BetaVae(c) => &c.net.conv,
            _ => &[],
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Self::Ae(ae) => ae.validate(),
            Self::Dae(dae) => dae.validate(),
            Self::Sparse(sparse) => sparse.validate(),
            Self::KSparse(k_sparse) => k_sparse.validate(),
            Self::Contractive(c) => c.validate(),
            Self::Vae(vae) => vae.validate(),
            Self::BetaVae(c) => c.validate(),
            Self::VqVae(c) => c.validate(),
            Self::VqVae2(c) => c.net.validate(),
            Self::TdVae(c) => c.validate(),
            Self::Prior(c) => c.validate(),
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::Vae(Vae::default())
    }
}

/// The most units of a layer.
const WIDEST: usize = 1 << 20;

/// Refuses a code or a hidden layer of no units, or of too many.
pub(super) fn widths(hidden: &[usize], latent: usize) -> Result<()> {
    if hidden.contains(&0) {
        return Err(Error::usage(format!("model.hidden has a layer of 0 units: {hidden:?}")));
    }
    hidden.iter().try_for_each(|&w| at_most("model.hidden", w, WIDEST))?;
    at_least_one("model.latent", latent as u64)?;
    at_most("model.latent", latent, WIDEST)
}

/// The function after a hidden layer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// ln(1 + eˣ).
    Softplus,
    /// x.
    Linear,
}
