//! Element types, and buffers of them on the host.

/// What a buffer's 4-byte words mean. The reference executor holds `F32` at f64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// IEEE binary32.
    F32,
    /// Unsigned integers: random words, indices, packed bytes, counters.
    U32,
}

/// A buffer on the host, as it is written to or read from a device.
#[derive(Clone, PartialEq, Debug)]
pub enum HostBuf {
    /// Real numbers.
    F32(Vec<f32>),
    /// Integers.
    U32(Vec<u32>),
}

impl HostBuf {
    /// `n` zeros.
    pub fn zeros(dtype: DType, n: usize) -> Self {
        match dtype {
            DType::F32 => Self::F32(vec![0.0; n]),
            DType::U32 => Self::U32(vec![0; n]),
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::U32(_) => DType::U32,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::U32(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The words as bytes, in the host's (little-endian) order.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(v) => bytemuck::cast_slice(v),
            Self::U32(v) => bytemuck::cast_slice(v),
        }
    }

    /// The reals; panics on integers, which is a bug of the caller.
    #[track_caller]
    pub fn f32(&self) -> &[f32] {
        match self {
            Self::F32(v) => v,
            Self::U32(_) => panic!("a buffer of u32 was read as f32"),
        }
    }

    /// The integers; panics on reals, which is a bug of the caller.
    #[track_caller]
    pub fn u32(&self) -> &[u32] {
        match self {
            Self::U32(v) => v,
            Self::F32(_) => panic!("a buffer of f32 was read as u32"),
        }
    }
}

impl From<Vec<f32>> for HostBuf {
    fn from(v: Vec<f32>) -> Self {
        Self::F32(v)
    }
}

impl From<Vec<u32>> for HostBuf {
    fn from(v: Vec<u32>) -> Self {
        Self::U32(v)
    }
}
