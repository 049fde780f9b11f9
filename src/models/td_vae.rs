//! Temporal Difference Variational Auto-Encoder, Gregor et al. 2019, eq. 6 and appendix: for two times t1 < t2,
//!
//! −ELBO = KL(q(z1 | z2, b1, b2) ‖ p_B(z1 | b1)) + E\[ln p_B(z2 | b2) − ln p_T(z2 | z1) − ln p(x2 | z2)\],
//! z2 ~ p_B(z2 | b2), z1 ~ q(z1 | z2, b1, b2)
//!
//! b_t is the state of an LSTM at t. z is of layers; the upper one is sampled first, the one below is given it, and every
//! density is the product over layers. The KL is analytic in each layer, of which the lower one has both q and p_B given
//! the upper z1 of q. Gradients pass through both samples, and through p_B at t2, which is what z2 is drawn from and a
//! density at it.

use super::{Autoencoder, Loss};
use crate::config::{Activation, Likelihood, TdVae};
use crate::graph::{BATCH, FEATURES, Jumps, LATENTS, SAMPLES, Tensor};
use crate::nn::{DiagonalGaussian, Mode, Scope, bernoulli_nll, gated_gaussian, gaussian_nll, linear, lstm, mlp};

/// z of each layer, the lowest first, and the distributions that they are of.
struct Ladder<'g> {
    z: Vec<Tensor<'g>>,
    p: Vec<DiagonalGaussian<'g>>,
}

/// Two times of each sequence: \[samples, batch\] each.
#[derive(Clone, Copy, Debug)]
pub struct Times<'g> {
    /// t1.
    pub first: Tensor<'g>,
    /// t2.
    pub second: Tensor<'g>,
}

/// The terms of −ELBO: nats, means over draws and batch.
#[derive(Clone, Copy, Debug)]
pub struct TdTerms<'g> {
    /// −ln p(x2 | z2)
    pub recon: Tensor<'g>,
    /// KL(q(z1 | z2, b1, b2) ‖ p_B(z1 | b1))
    pub kl: Tensor<'g>,
    /// ln p_B(z2 | b2)
    pub belief: Tensor<'g>,
    /// −ln p_T(z2 | z1)
    pub transition: Tensor<'g>,
}

impl<'g> TdTerms<'g> {
    /// −ELBO.
    pub fn total(&self) -> Tensor<'g> {
        self.recon + self.kl + (self.belief + self.transition)
    }
}

impl TdVae {
    /// The terms for x \[batch, time, features\] at these times, with the noise of z2 and of z1, layer by layer, the lowest
    /// first: \[samples, batch, latent\] each.
    pub fn terms<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, t: Times<'g>, noise: [&[Tensor<'g>]; 2]) -> TdTerms<'g> {
        let b = self.beliefs(net, x);
        let (b1, b2) = (b.at_time(t.first), b.at_time(t.second));
        let elapsed = t.second - t.first;
        let two = self.sampled(&(net / "belief"), b2, noise[0]);
        let z2 = joined(&two.z);
        let given = self.told(concat(concat(b1, b2), z2), elapsed);
        let one = self.sampled(&(net / "smoothing"), given, noise[1]);
        let prior = self.given(&(net / "belief"), b1, &one.z);
        let next = self.given(&(net / "transition"), self.told(joined(&one.z), elapsed), &two.z);
        let kl = one.p.iter().zip(&prior.p).map(|(q, p)| q.kl(p).sum(LATENTS)).reduce(|a, b| a + b);
        let belief = two.p.iter().zip(noise[0]).map(|(p, e)| p.at_noise(*e).1).reduce(|a, b| a + b);
        let density = next.p.iter().zip(&two.z).map(|(p, z)| p.log_prob(*z)).reduce(|a, b| a + b);
        let mean = |t: Option<Tensor<'g>>| t.expect("z has a layer").mean(SAMPLES).mean(BATCH);
        let nll = self.nll(x.at_time(t.second), self.observation(net, z2, x.shape().last())).sum(FEATURES);
        TdTerms { recon: mean(Some(nll)), kl: mean(kl), belief: mean(belief), transition: -mean(density) }
    }

    /// b of every time: \[batch, time, belief\].
    fn beliefs<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        let net = net / "encoder";
        lstm(&(&net / "lstm"), mlp(&(&net / "frame"), x, &self.frame, Activation::Relu), self.belief)
    }

    /// b at one time: \[batch, belief\].
    pub fn belief_at<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, time: usize) -> Tensor<'g> {
        let b = self.beliefs(net, x).slice(&[0, time, 0], &[x.shape()[0], 1, self.belief]);
        b.reshape(&[x.shape()[0], self.belief]).with_batch_axis(0)
    }

    /// The conditionals of the layers, the uppermost from what is given, each other one from that and the z above it;
    /// `z` says what z is.
    fn ladder<'g>(
        &self,
        net: &Scope<'g>,
        given: Tensor<'g>,
        z: impl Fn(usize, &DiagonalGaussian<'g>) -> Tensor<'g>,
    ) -> Ladder<'g> {
        let mut made = Ladder { z: vec![], p: vec![] };
        for layer in (0..self.layers).rev() {
            let known = made.z.last().map_or(given, |above| concat(given, *above));
            let p = gated_gaussian(&(net / layer), known, self.gated, self.latent);
            made.z.push(z(layer, &p));
            made.p.push(p);
        }
        made.z.reverse();
        made.p.reverse();
        made
    }

    /// z drawn with this noise.
    fn sampled<'g>(&self, net: &Scope<'g>, given: Tensor<'g>, noise: &[Tensor<'g>]) -> Ladder<'g> {
        self.ladder(net, given, |layer, p| p.at_noise(noise[layer]).0)
    }

    /// The conditionals where z is this.
    fn given<'g>(&self, net: &Scope<'g>, given: Tensor<'g>, z: &[Tensor<'g>]) -> Ladder<'g> {
        self.ladder(net, given, |layer, _| z[layer])
    }

    /// What is given, and t2 − t1 where it is told: by its place in some periods, or as a number in units of the longest usual
    /// jump (in those of the longest of all, the usual ones would hardly differ).
    fn told<'g>(&self, given: Tensor<'g>, elapsed: Tensor<'g>) -> Tensor<'g> {
        let (shape, unit) = (elapsed.shape(), 1.0 / self.jumps[1] as f64);
        match (self.elapsed, self.periods) {
            (false, _) => given,
            (true, 0) => concat(given, (elapsed * unit).reshape(&[shape[0], shape[1], 1])),
            (true, periods) => concat(given, elapsed.sinusoids(periods)),
        }
    }

    /// The parameters of p(x | z): logits, or means.
    fn observation<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let net = net / "decoder";
        linear(&(&net / "output"), mlp(&net, z, &self.decoder, Activation::Tanh), features)
    }

    fn nll<'g>(&self, x: Tensor<'g>, y: Tensor<'g>) -> Tensor<'g> {
        match self.likelihood {
            Likelihood::Bernoulli => bernoulli_nll(x, y),
            Likelihood::Gaussian => gaussian_nll(x, y, self.variance),
        }
    }

    /// Noise for the layers of z.
    fn noise<'g>(&self, net: &Scope<'g>, samples: usize, batch: usize) -> Vec<Tensor<'g>> {
        (0..self.layers).map(|layer| (net / layer).normal(&[samples, batch, self.latent])).collect()
    }

    /// `samples` pairs of times of each sequence, jumps in `near`, or with the probability `far` as far as the settings say.
    fn times<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, samples: usize, near: [usize; 2], far: f64) -> Times<'g> {
        let (batch, time) = (x.shape()[0], x.shape()[1]);
        let jumps = Jumps {
            time,
            near,
            far: if far > 0.0 { self.far_jumps } else { near },
            far_share: (far * f64::from(1 << 24)).round() as u32,
            grow: if near == self.jumps { self.grow } else { 0 },
            stream: 0,
            by_example: net.mode() == Mode::Evaluate,
        };
        let both = net.within(|| net.graph().jumps("times", samples, batch, jumps));
        let one = |k: usize| {
            let t = both.slice(&[0, 0, k], &[samples, batch, 1]).reshape(&[samples, batch]);
            t.with_batch_axis(1)
        };
        Times { first: one(0), second: one(1) }
    }

    /// −ln p(x2 | x up to t1) of a frame after a jump of so many steps from a time that is drawn, nats: −ln of the mean over
    /// `samples` draws of z1 ~ p_B and z2 ~ p_T of p(x2 | z2), which is above it on average.
    pub fn jump_nll<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, jump: usize, samples: usize) -> Tensor<'g> {
        let b = self.beliefs(net, x);
        let t = self.times(&(net / "jump"), x, 1, [jump, jump], 0.0);
        let (batch, features) = (x.shape()[0], x.shape()[2]);
        let repeated = |t: Tensor<'g>| {
            let last = t.shape().last();
            t.broadcast(crate::values::Shape::new(&[samples, batch, last])).with_batch_axis(1)
        };
        let scope = net / "jump";
        let one = self.sampled(
            &(net / "belief"),
            repeated(b.at_time(t.first)),
            &self.noise(&(&scope / "z1"), samples, batch),
        );
        let next = self.step(net, joined(&one.z), jump, &self.noise(&(&scope / "z2"), samples, batch));
        let y = self.observation(net, next, features);
        let x2 = repeated(x.at_time(t.second));
        let log_prob = -self.nll(x2, y).sum(FEATURES);
        -log_prob.logmeanexp(SAMPLES).mean(BATCH)
    }

    /// z after a jump from z, by p_T: \[samples, batch, layers·latent\].
    fn step<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, jump: usize, noise: &[Tensor<'g>]) -> Tensor<'g> {
        let shape = z.shape();
        let elapsed = z.graph().constant(jump as f64, crate::values::Shape::new(&[shape[0], shape[1]]));
        joined(&self.sampled(&(net / "transition"), self.told(z, elapsed.with_batch_axis(1)), noise).z)
    }

    /// What follows the first `given` frames of x: z ~ p_B(z | b), then z ← p_T for each of the jumps; the mean of p(x | z)
    /// at the last given frame and after each jump: \[batch, features\] each.
    pub fn rollout<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, given: usize, jumps: &[usize]) -> Vec<Tensor<'g>> {
        let (batch, features) = (x.shape()[0], x.shape()[2]);
        let b = self.belief_at(net, x, given - 1).reshape(&[1, batch, self.belief]).with_batch_axis(1);
        let scope = net / "rollout";
        let mut z = joined(&self.sampled(&(net / "belief"), b, &self.noise(&(&scope / "first"), 1, batch)).z);
        let mut frames = vec![self.decoded(net, z, features)];
        for (i, &jump) in jumps.iter().enumerate() {
            z = self.step(net, z, jump, &self.noise(&(&scope / i), 1, batch));
            frames.push(self.decoded(net, z, features));
        }
        frames.into_iter().map(|y| y.reshape(&[batch, features]).with_batch_axis(0)).collect()
    }

    /// E\[x | z\].
    fn decoded<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let y = self.observation(net, z, features);
        match self.likelihood {
            Likelihood::Bernoulli => y.sigmoid(),
            Likelihood::Gaussian => y,
        }
    }
}

/// Two tensors along their last axis.
fn concat<'g>(a: Tensor<'g>, b: Tensor<'g>) -> Tensor<'g> {
    a.concat(b, a.shape().rank() - 1)
}

/// The layers of z in one, the lowest first.
fn joined<'g>(z: &[Tensor<'g>]) -> Tensor<'g> {
    z.iter().copied().reduce(concat).expect("z has a layer")
}

impl Autoencoder for TdVae {
    /// x: \[batch, time, features\].
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let t = self.times(net, x, self.samples, self.jumps, self.far);
        let batch = x.shape()[0];
        let noise = ["z2", "z1"].map(|z| self.noise(&(net / "noise" / z), self.samples, batch));
        let terms = self.terms(net, x, t, [&noise[0], &noise[1]]);
        let TdTerms { recon, kl, belief, transition } = terms;
        let total = terms.total();
        let terms = vec![("recon", recon), ("kl", kl), ("belief", belief), ("transition", transition)];
        Loss { total, reported: total, headline: "-ELBO", unit: "nats", terms }
    }

    /// The means of p_B at the last frame, each layer's given the mean above: \[batch, layers·latent\].
    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        let b = self.belief_at(net, x, x.shape()[1] - 1);
        joined(&self.ladder(&(net / "belief"), b, |_, p| p.mean).z)
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        self.decoded(net, z, features)
    }

    fn latent(&self) -> usize {
        self.layers * self.latent
    }

    fn hidden(&self) -> &[usize] {
        &self.frame
    }

    fn sequential(&self) -> Option<&TdVae> {
        Some(self)
    }
}
