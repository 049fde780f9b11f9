//! Contractive Auto-Encoders: Explicit Invariance During Feature Extraction, Rifai et al. 2011, eq. 7.
//!
//! min L(x, g(f(x))) + λ ‖J_f(x)‖²_F,  J_f(x) = ∂f(x)/∂x

use super::Loss;
use super::dense::OverDense;
use crate::config::{Contractive, Dense, JacobianPenalty};
use crate::graph::{BATCH, Tensor};
use crate::nn::{Layer, Scope, jacobian};

impl OverDense for Contractive {
    fn net(&self) -> &Dense {
        &self.net
    }

    /// The squared error is reported whatever is minimised; `jacobian` is ‖J_f(x)‖²_F, before λ.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let layers = self.net.encoder_layers(net, x);
        let z = layers.last().expect("the code is always there").after;
        let r = self.net.reconstruction(x, self.net.logits(net, z, x.shape().last()));
        let penalty = self.penalty(&(net / "penalty"), &layers);
        let total = r.objective + net.scalar("weight", &self.weight) * penalty;
        let mut terms = r.terms;
        terms.push(("jacobian", penalty));
        Loss { total, reported: r.squared, headline: "squared error", unit: "an image", terms }
    }
}

impl Contractive {
    /// ‖J_f(x)‖²_F, its mean over the batch.
    fn penalty<'g>(&self, net: &Scope<'g>, layers: &[Layer<'g>]) -> Tensor<'g> {
        net.within(|| match self.penalty {
            JacobianPenalty::ClosedForm => jacobian::closed_form(&layers[0]).mean(BATCH),
            JacobianPenalty::Exact => jacobian::exact_mean(layers, self.block),
            JacobianPenalty::Hutchinson => jacobian::hutchinson(net, layers, self.samples).mean(BATCH),
        })
    }
}
