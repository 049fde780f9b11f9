//! Parameters: their declaration, and where each lies in the flat buckets of its group.

use crate::values::{Error, HostBuf, Philox, Result, Shape, stream};

/// How a parameter begins; drawn on the host from integers, so equal on every device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Init {
    /// 0.
    Zeros,
    /// Uniform on (−bound, bound).
    Uniform {
        /// The bound; 1/√fan_in for a dense layer.
        bound: f64,
    },
}

/// A trainable tensor.
#[derive(Clone, PartialEq, Debug)]
pub struct ParamDecl {
    /// Its name in checkpoints: `encoder.0.weight`.
    pub path: String,
    /// Its shape.
    pub shape: Shape,
    /// Its first value.
    pub init: Init,
    /// The order of its axes in files, where the field has another than the kernels: axis i of the file is `axes[i]`.
    pub axes: Option<[usize; 4]>,
}

impl ParamDecl {
    /// The parameter group: the first part of the path (`encoder`), what alternating optimisation tells apart.
    pub fn group(&self) -> &str {
        self.path.split('.').next().unwrap_or_default()
    }

    /// The first value under a seed.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let n = self.shape.len();
        match self.init {
            Init::Zeros => vec![0.0; n],
            Init::Uniform { bound } => {
                let rng = Philox::new(seed, stream(&format!("init.{}", self.path), 0), 0);
                (0..n).map(|i| ((2.0 * rng.unit(i as u64) - 1.0) * bound) as f32).collect()
            }
        }
    }
}

/// A flat, persistent tensor that holds parameters, of one group or of all, at 256-byte boundaries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// `model`, or of a group `encoder`; `encoder.1` and on where it does not fit one binding.
    pub name: String,
    /// Elements, gaps included.
    pub len: usize,
}

/// Where a parameter lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The bucket's index.
    pub bucket: usize,
    /// The first element.
    pub offset: usize,
}

/// The buckets of a model and the place of every parameter in them: a function of the declarations alone, so that
/// every plan over one Store agrees.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ParamLayout {
    /// The parameters in order of declaration.
    pub params: Vec<ParamDecl>,
    /// For each parameter, its place.
    pub places: Vec<Place>,
    /// The buckets.
    pub buckets: Vec<Bucket>,
}

/// Elements between the starts of neighbours: 256 bytes, the strictest binding alignment.
pub const ALIGN: usize = 64;

/// Elements between the starts of parameters: of a copy of half the size, too, each then starts where a binding can.
pub const PLACE: usize = 2 * ALIGN;

impl ParamLayout {
    /// Lays out parameters in a bucket a group, of at most `limit` elements (an adapter's binding limit).
    pub fn new(params: Vec<ParamDecl>, limit: usize) -> Result<Self> {
        Self::by(params, limit, ParamDecl::group)
    }

    /// Lays out parameters in one bucket, as far as `limit` allows: an optimizer that updates all of them at once needs one
    /// dispatch.
    pub fn together(params: Vec<ParamDecl>, limit: usize) -> Result<Self> {
        Self::by(params, limit, |_| "model")
    }

    fn by(params: Vec<ParamDecl>, limit: usize, group: impl Fn(&ParamDecl) -> &str) -> Result<Self> {
        let mut l = Self::default();
        for p in &params {
            let need = p.shape.len().next_multiple_of(PLACE);
            if need > limit {
                return Err(Error::failure(format!(
                    "the parameter {} of {} elements is larger than the {limit} that one binding of this device holds",
                    p.path,
                    p.shape.len()
                )));
            }
            let group = group(p);
            let same_group = |b: &Bucket| b.name == group || b.name.starts_with(&format!("{group}."));
            let members = l.buckets.iter().filter(|b| same_group(b)).count();
            let fits = l.buckets.iter().position(|b| same_group(b) && b.len + need <= limit);
            let bucket = fits.unwrap_or_else(|| {
                let name = if members == 0 { group.into() } else { format!("{group}.{members}") };
                l.buckets.push(Bucket { name, len: 0 });
                l.buckets.len() - 1
            });
            l.places.push(Place { bucket, offset: l.buckets[bucket].len });
            l.buckets[bucket].len += need;
        }
        l.params = params;
        Ok(l)
    }

    /// The index of a parameter.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.params.iter().position(|p| p.path == path)
    }

    /// The Store path of a bucket's parameters.
    pub fn path(&self, bucket: usize) -> String {
        format!("params/{}", self.buckets[bucket].name)
    }

    /// The first contents of a bucket: every parameter's initial value, zeros in the gaps.
    pub fn initial(&self, bucket: usize, seed: u64) -> HostBuf {
        let mut flat = vec![0.0; self.buckets[bucket].len];
        for (p, place) in self.params.iter().zip(&self.places).filter(|(_, place)| place.bucket == bucket) {
            flat[place.offset..][..p.shape.len()].copy_from_slice(&p.initial(seed));
        }
        flat.into()
    }

    /// The number of trainable numbers.
    pub fn count(&self) -> usize {
        self.params.iter().map(|p| p.shape.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decl(path: &str, n: usize) -> ParamDecl {
        ParamDecl { path: path.into(), shape: Shape::new(&[n]), init: Init::Uniform { bound: 0.5 }, axes: None }
    }

    #[test]
    fn groups_get_buckets_of_their_own_and_split_at_the_limit() {
        let l =
            ParamLayout::new(vec![decl("e.w", 200), decl("d.w", 10), decl("e.b", 1), decl("e.x", 128)], 384).unwrap();
        let names: Vec<_> = l.buckets.iter().map(|b| (b.name.as_str(), b.len)).collect();
        assert_eq!(names, [("e", 384), ("d", 128), ("e.1", 128)]);
        assert_eq!(l.places[2], Place { bucket: 0, offset: 256 });
        assert!(ParamLayout::new(vec![decl("e.w", 400)], 384).unwrap_err().to_string().contains("e.w"));
    }

    #[test]
    fn initial_values_lie_within_the_bound_and_differ_by_path() {
        let (a, b) = (decl("e.a", 1000).initial(1), decl("e.b", 1000).initial(1));
        assert!(a != b && a.iter().all(|v| v.abs() < 0.5));
        let mean = a.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.05, "{mean}");
    }
}
