//! The convolutions that may stand before an encoder's dense layers.

use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// A convolution of the encoder: `[channels, kernel, stride]`, or with the kernel of the transposed one that mirrors it in
/// the decoder, where that is another. The activation of hidden layers follows it. Zeros around make the result
/// ⌈extent / stride⌉ long along each axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Convolution {
    /// Channels of the result.
    pub channels: usize,
    /// Taps along an axis.
    pub kernel: usize,
    /// Pixels from one place to the next.
    pub stride: usize,
    /// Taps of the decoder's mirror image.
    pub mirror: usize,
}

impl Convolution {
    /// Channels and taps, at most.
    const MOST: (usize, usize) = (1 << 14, 64);

    pub(super) fn validate(layers: &[Self]) -> Result<()> {
        let (channels, taps) = Self::MOST;
        for c in layers {
            let within = (1..=channels).contains(&c.channels) && (1..=taps).contains(&c.kernel.max(c.mirror));
            if !within || c.stride == 0 || c.stride > c.kernel.min(c.mirror) {
                return Err(Error::usage(format!(
                    "model.conv has a layer {:?}: channels are from 1 to {channels}, kernels from 1 to {taps}, and a \
                     stride is from 1 to the kernel",
                    Vec::from(*c)
                )));
            }
        }
        Ok(())
    }

    /// Refuses convolutions where a model has no use for them.
    pub(super) fn none(layers: &[Self], why: &str) -> Result<()> {
        if layers.is_empty() { Ok(()) } else { Err(Error::usage(format!("model.conv must be [] where {why}"))) }
    }
}

impl TryFrom<Vec<usize>> for Convolution {
    type Error = String;

    fn try_from(v: Vec<usize>) -> std::result::Result<Self, String> {
        match v[..] {
            [channels, kernel, stride] => Ok(Self { channels, kernel, stride, mirror: kernel }),
            [channels, kernel, stride, mirror] => Ok(Self { channels, kernel, stride, mirror }),
            _ => Err(format!(
                "a convolution is [channels, kernel, stride] or has the decoder's kernel as fourth, not {v:?}"
            )),
        }
    }
}

impl From<Convolution> for Vec<usize> {
    fn from(c: Convolution) -> Self {
        let mirror = (c.mirror != c.kernel).then_some(c.mirror);
        [c.channels, c.kernel, c.stride].into_iter().chain(mirror).collect()
    }
}
