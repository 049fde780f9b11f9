//! How far each code stands for one factor of variation: six scores of codes whose factors are known, as `disentanglement_lib`
//! (Locatello et al. 2019) computes them. All are between 0 and 1, and higher where codes and factors agree.

mod beta_vae;
mod dci;
mod factor_vae;
mod information;
mod population;
mod sap;

pub use dci::Dci;
pub use factor_vae::FactorVae;
pub use population::{Grid, MAX_VALUES, Population, Table};

use population::Draws;

/// How much is drawn for the scores; by default as `disentanglement_lib` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Points, votes or examples that a classifier learns from.
    pub train: usize,
    /// Those that it is judged by.
    pub test: usize,
    /// Pairs of a point of the β-VAE score, examples of a vote of the FactorVAE score.
    pub batch: usize,
    /// Of every draw.
    pub seed: u64,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { train: 10_000, test: 5_000, batch: 64, seed: 0 }
    }
}

/// The six scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Higgins et al. 2017: the accuracy of a linear classifier that is to tell which factor two examples share.
    pub beta_vae: f64,
    /// Kim & Mnih 2018: the accuracy of a vote on which factor a batch shares.
    pub factor_vae: FactorVae,
    /// Chen et al. 2018, the mutual information gap.
    pub mig: f64,
    /// Kumar et al. 2018, the separated attribute predictability.
    pub sap: f64,
    /// Eastwood & Williams 2018.
    pub dci: Dci,
    /// Ridgeway & Mozer 2018.
    pub modularity: f64,
    /// Different examples that SAP and DCI learned from; MIG and modularity are of them.
    pub train: usize,
    /// Different examples that SAP and DCI were judged by.
    pub test: usize,
}

/// Scores a population of at least two codes and two factors, none of which has one value alone. `done` is told the name of
/// each score before it is computed.
pub fn score(population: &impl Population, protocol: &Protocol, mut done: impl FnMut(&str)) -> Scores {
    let p = protocol;
    let (train, test) = population.divide(p.train, p.test, Draws::new(p.seed, "eval.sample"));
    let (train, test) = (Sample::of(population, &train), Sample::of(population, &test));
    done("MIG");
    let information = information::Information::of(&train);
    done("SAP");
    let sap = sap::score(&train, &test);
    done("DCI");
    let dci = Dci::of(&train, &test);
    done("the β-VAE score");
    let beta_vae = beta_vae::score(population, p);
    done("the FactorVAE score");
    let factor_vae = FactorVae::of(population, &train, p);
    let (mig, modularity) = (information.mig(), information.modularity());
    Scores { beta_vae, factor_vae, mig, sap, dci, modularity, train: train.len(), test: test.len() }
}

/// The codes and factors of some examples.
struct Sample {
    /// n·latent numbers.
    codes: Vec<f32>,
    latent: usize,
    /// By factor, of each example.
    factors: Vec<Vec<u32>>,
}

impl Sample {
    fn of(population: &impl Population, ids: &[u32]) -> Self {
        let codes = ids.iter().flat_map(|&id| population.code(id)).copied().collect();
        let of_factor = |k| ids.iter().map(|&id| population.factor(id, k)).collect();
        Self { codes, latent: population.latent(), factors: (0..population.factors()).map(of_factor).collect() }
    }

    fn len(&self) -> usize {
        self.codes.len() / self.latent
    }

    /// Code d of each example.
    fn code(&self, d: usize) -> Vec<f32> {
        self.codes.iter().skip(d).step_by(self.latent).copied().collect()
    }
}

/// The values of a factor that a classifier meets in training, ascending: its classes.
struct Classes(Vec<u32>);

impl Classes {
    fn of(y: &[u32]) -> Self {
        let mut seen = y.to_vec();
        seen.sort_unstable();
        seen.dedup();
        Self(seen)
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// Classes of values that were all met.
    fn encode(&self, y: &[u32]) -> Vec<u32> {
        y.iter().map(|y| self.0.binary_search(y).expect("it was met in training") as u32).collect()
    }

    /// The part of the predicted classes that stand for the value; one that training did not meet cannot be right.
    fn accuracy(&self, predicted: impl Iterator<Item = u32>, y: &[u32]) -> f64 {
        let right = predicted.zip(y).filter(|(p, y)| self.0[*p as usize] == **y).count();
        right as f64 / y.len() as f64
    }
}

/// The largest and the second largest of the numbers, at least two.
fn top_two(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold(
        (f64::NEG_INFINITY, f64::NEG_INFINITY),
        |(first, second), v| {
            if v > first { (v, first) } else { (first, second.max(v)) }
        },
    )
}
