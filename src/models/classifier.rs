//! Supervised fine-tuning of an encoder: Stacked Denoising Autoencoders, Vincent et al. 2010; a logistic layer on
//! the code, and all layers trained together.
//!
//! min −ln p(y | x),  p(y = k | x) = exp aₖ / Σⱼ exp aⱼ,  a = W f(x) + b

use super::{Autoencoder, Loss};
use crate::graph::{BATCH, Count, FEATURES, Tensor};
use crate::nn::{Mode, Scope, categorical_nll, linear};

/// The loss of a softmax on the code of x: \[batch, features\], under the labels y: \[batch, classes\], one 1 a row. The
/// error is the share, in %, of examples whose largest aₖ is of another class; at a tie the first counts.
pub fn classifier<'g>(model: &dyn Autoencoder, net: &Scope<'g>, x: Tensor<'g>, y: Tensor<'g>) -> Loss<'g> {
    let a = linear(&(net / "classifier"), model.encode(net, x), y.shape().last());
    let nats = categorical_nll(y, a).mean(BATCH);
    let hit = (a.top_k(Count::Fixed(1)) * y).sum(FEATURES).mean(BATCH);
    let error = hit.affine(-100.0, 100.0);
    // Beside the loss the error, beside the error the loss.
    let terms = match net.mode() {
        Mode::Train => vec![("error", error)],
        Mode::Evaluate => vec![("cross-entropy", nats)],
    };
    Loss { total: nats, reported: error, headline: "error", unit: "%", terms }
}
