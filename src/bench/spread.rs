//! How long a thing takes, measured several times.

/// Order statistics of some measurements, which tell how noisy they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many there are.
    pub samples: usize,
    /// The least.
    pub min: f64,
    /// A quarter are below.
    pub q1: f64,
    /// Half are below.
    pub median: f64,
    /// A quarter are above.
    pub q3: f64,
}

impl Spread {
    /// Of at least one measurement.
    #[track_caller]
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values[quarter * (values.len() - 1) / 4];
        Self { samples: values.len(), min: at(0), q1: at(1), median: values[values.len() / 2], q3: at(3) }
    }

    /// In another unit.
    pub fn times(self, by: f64) -> Self {
        let Self { samples, min, q1, median, q3 } = self;
        Self { samples, min: by * min, q1: by * q1, median: by * median, q3: by * q3 }
    }
}
