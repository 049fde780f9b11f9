//! Batches for an executor: a split that lies on the device, or one that is uploaded batch by batch. Both give the
//! same bits, since the kernel that makes a batch is the same. Of sprites only the order is uploaded: they are drawn there.

use super::SetShape;
use crate::data::{Images, Split, pack};
use crate::exec::Executor;
use crate::kernels::outlines;
use crate::values::{DType, HostBuf, Philox, Result, permutation, stream};

/// A split and how it reaches the device.
pub(super) struct Feed {
    pub shape: SetShape,
    split: Split,
    order: Vec<u32>,
}

/// Words that are uploaded at once: a set may be as large as the host's memory, and need not be there twice.
const UPLOAD: usize = 1 << 20;

impl Feed {
    /// Makes the buffers, and uploads the bytes where the split is resident.
    pub fn new(exec: &mut dyn Executor, shape: SetShape, split: Split) -> Result<Self> {
        let order: Vec<u32> = match &split.images {
            Images::Stored(_) => (0..shape.examples as u32).collect(),
            Images::Sprites(places) => places.clone(),
        };
        exec.create(&shape.order_path(), DType::U32, shape.examples)?;
        exec.write(&shape.order_path(), 0, &HostBuf::U32(order.clone()))?;
        if shape.resident {
            exec.create(&shape.data_path(0), DType::U32, shape.data_words(0))?;
            if shape.drawn {
                exec.write(&shape.data_path(0), 0, &HostBuf::U32(outlines::table().to_vec()))?;
            } else {
                for (i, part) in split.bytes().chunks(4 * UPLOAD).enumerate() {
                    exec.write(&shape.data_path(0), i * UPLOAD, &HostBuf::U32(pack(part)))?;
                }
            }
        }
        Ok(Self { shape, split, order })
    }

    /// Whether it feeds a split, images or labels.
    pub fn is_of(&self, split: &str) -> bool {
        self.shape.split.split('.').next() == Some(split)
    }

    /// Its examples, in the set's own order.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// The labels of its examples, in the set's own order; none where there are none.
    pub fn labels(&self) -> &[u8] {
        &self.split.labels
    }

    /// Makes what a program of this batch size needs beyond that.
    pub fn prepare(&self, exec: &mut dyn Executor, batch: usize) -> Result<()> {
        if self.shape.resident {
            return Ok(());
        }
        exec.create(&self.shape.data_path(batch), DType::U32, self.shape.data_words(batch))
    }

    /// The order of an epoch: a permutation that is a function of the seed and the epoch.
    pub fn shuffle(&mut self, exec: &mut dyn Executor, seed: u64, epoch: u64) -> Result<()> {
        self.order = permutation(self.shape.examples, Philox::new(seed, stream("data.shuffle", 0), epoch as u32));
        if let Images::Sprites(places) = &self.split.images {
            self.order.iter_mut().for_each(|i| *i = places[*i as usize]);
        }
        exec.write(&self.shape.order_path(), 0, &HostBuf::U32(self.order.clone()))
    }

    /// Before a submit of one step whose batch begins at position `first`: uploads it where it must be.
    pub fn upload(&self, exec: &mut dyn Executor, first: usize, batch: usize) -> Result<()> {
        if self.shape.resident {
            return Ok(());
        }
        let rows = &self.order[first..first + batch];
        let mut bytes = Vec::with_capacity(batch * self.shape.features);
        rows.iter().for_each(|&i| bytes.extend_from_slice(&self.split.image(i as usize)));
        exec.write(&self.shape.data_path(batch), 0, &HostBuf::U32(pack(&bytes)))
    }

    /// The most steps of one submit.
    pub fn group_limit(&self) -> usize {
        if self.shape.resident { crate::plan::LOG_ROWS } else { 1 }
    }
}
