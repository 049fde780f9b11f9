//! β-VAE, Higgins et al. 2017, eq. 4; Understanding disentangling in β-VAE, Burgess et al. 2018, eq. 8.
//!
//! weight: recon + β·KL.  capacity: recon + γ·|KL − C(t)|, KL the mean over the batch and C a schedule over steps.
//! limit: min recon subject to KL ≤ δ, by the Lagrangian recon + β·(KL − δ) and dual ascent on ln β. Under the conditions
//! of Karush, Kuhn and Tucker β ≥ 0, KL ≤ δ and β·(KL − δ) = 0: either KL = δ, or the constraint is slack and β falls to
//! its lower bound, which stands for the 0 that e^s never reaches.
//! recon = E_q(z|x)\[−ln p(x|z)\], KL = KL(q(z|x) ‖ N(0, I)), the network that of the VAE.

use super::variational::Terms;
use super::{Autoencoder, Loss, Posterior};
use crate::config::{BetaVae, Control};
use crate::graph::Tensor;
use crate::nn::{Mode, Scope, state_path};
use crate::values::Result;

/// The state s = ln β of the limit.
const LOG_BETA: &str = "log_beta";

impl Autoencoder for BetaVae {
    /// Evaluation reports recon + KL, whatever is minimised. `beta` is the multiplier of the step, `capacity` is C.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let Terms { recon, kl, .. } = self.net.terms(net, x);
        let mut terms = vec![("recon", recon), ("kl", kl)];
        let total = match (net.mode(), self.control) {
            (Mode::Evaluate, _) => recon + kl,
            (Mode::Train, Control::Weight) => recon + net.scalar("beta", &self.beta) * kl,
            (Mode::Train, Control::Limit) => {
                let beta = self.multiplier(net, kl);
                terms.push(("beta", beta));
                recon + beta * (kl - self.delta)
            }
            (Mode::Train, Control::Capacity) => {
                let capacity = net.scalar("capacity", &self.capacity);
                terms.push(("capacity", capacity));
                // Inside is the mean over the batch: examples may differ in their KL.
                recon + self.gamma * (kl - capacity).abs()
            }
        };
        Loss { total, reported: recon + kl, headline: "-ELBO", unit: "nats", terms }
    }

    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        self.net.encode(net, x)
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        self.net.decode(net, z, features)
    }

    fn prior<'g>(&self, net: &Scope<'g>, n: usize) -> Option<Tensor<'g>> {
        Some(self.net.prior(net, n))
    }

    /// Where a limit was not met, or did not bind.
    fn verdict(
        &self,
        state: &mut dyn FnMut(&str) -> Result<f64>,
        mean: &dyn Fn(&str) -> f64,
    ) -> Result<Option<String>> {
        if self.control != Control::Limit {
            return Ok(None);
        }
        let (s, kl, delta, [least, most]) = (state(&state_path(LOG_BETA))?, mean("kl"), self.delta, self.bounds);
        // The clamp gives the bounds as the f32 that they are there.
        let [lowest, highest] = self.bounds.map(|b| f64::from(b.ln() as f32));
        Ok(if s >= highest && kl > delta {
            Some(format!(
                "model.delta = {delta} is out of reach: β ended at its upper bound {most} with a KL of {kl:.2} nats; \
                 raise model.delta or the upper one of model.bounds, or train longer"
            ))
        } else if s <= lowest && kl < delta {
            Some(format!(
                "model.delta = {delta} does not bind: β ended at its lower bound {least} with a KL of {kl:.2} nats; \
                 lower model.delta, or train longer"
            ))
        } else {
            None
        })
    }

    fn posterior<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Option<Posterior<'g>> {
        Some(self.net.posterior(&(net / "encoder"), x))
    }

    fn log_weights<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, samples: usize) -> Option<Tensor<'g>> {
        Some(self.net.with_samples(samples).terms(net, x).log_weights)
    }

    fn latent(&self) -> usize {
        self.net.latent
    }

    fn hidden(&self) -> &[usize] {
        &self.net.hidden
    }
}

impl BetaVae {
    /// β = e^s, through which no gradient passes; at the end of the step
    /// s ← clamp(s + rate·(KL − δ)/δ, ln β_min, ln β_max). It begins as s = 0.
    fn multiplier<'g>(&self, net: &Scope<'g>, kl: Tensor<'g>) -> Tensor<'g> {
        let state = net.state(LOG_BETA, &[]);
        let s = net.graph().read(state);
        let [lowest, highest] = self.bounds.map(f64::ln);
        net.graph().assign(state, (s + kl.affine(self.rate / self.delta, -self.rate)).clamp(lowest, highest));
        s.exp()
    }
}
