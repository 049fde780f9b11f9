//! Sequences: [batch, time, …], time inside a row of the batch, so that the rows of a sequence lie together.

use super::arena::Graph;
use super::op::{Jumps, Op};
use super::tensor::{Tensor, bad};
use crate::kernels::lstm::{MAX_UNITS, TAPE};
use crate::kernels::sinusoids::MOST_PERIODS;
use crate::values::{DType, Shape};

impl<'g> Tensor<'g> {
    /// h of an LSTM that begins with h = c = 0 (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000):
    /// c_t = f c_{t−1} + i g, h_t = o tanh c_t, where i, f, o = sigmoid and g = tanh of a_t + h_{t−1} W, in the order i, f,
    /// g, o. self is a, what the inputs and biases give the gates: \[batch, time, 4·units\]; `w` is W, \[units,
    /// 4·units\]; h: \[batch, time, units\], at most 160 units. It can be differentiated once.
    #[track_caller]
    pub fn lstm(self, w: Self) -> Self {
        let (a, s) = (self.shape(), w.shape());
        if a.rank() != 3 || s.rank() != 2 || s[1] != 4 * s[0] || a[2] != s[1] {
            bad(self.graph, "lstm", &[a, s], "[batch, time, 4·units] and [units, 4·units] are expected");
        }
        if s[0] > MAX_UNITS {
            bad(self.graph, "lstm", &[a, s], &format!("{} units are more than {MAX_UNITS}", s[0]));
        }
        let shape = Shape::new(&[a[0], a[1], s[0]]);
        self.make(Op::Lstm, &[self.id, w.id], shape, self.batch_axis().filter(|&axis| axis == 0))
    }

    /// The cotangent of the a of an LSTM of which self is the h, given that of h.
    pub(super) fn lstm_grad(self, w: Self, dh: Self) -> Self {
        let h = self.shape();
        let tape = self.make(Op::LstmTape, &[self.id], Shape::new(&[h[0], h[1], TAPE * h[2]]), None);
        let shape = Shape::new(&[h[0], h[1], 4 * h[2]]);
        self.make(Op::LstmGrad, &[tape.id, w.transpose().id, dh.id], shape, self.batch_axis())
    }

    /// y\[s, b, :\] = self\[b, t\[s, b\], :\]; self: \[batch, time, d\], `t`: \[samples, batch\], whole numbers below
    /// `time`, through which no gradient passes.
    #[track_caller]
    pub fn at_time(self, t: Self) -> Self {
        let (x, s) = (self.shape(), t.shape());
        if x.rank() != 3 || s.rank() != 2 || s[1] != x[0] {
            bad(self.graph, "at_time", &[x, s], "[batch, time, d] and [samples, batch] are expected");
        }
        self.make(Op::AtTime, &[self.id, t.id], Shape::new(&[s[0], x[0], x[2]]), Some(1))
    }

    /// sin(2π t/P) and cos(2π t/P) of whole numbers t, at least 0, in `periods` periods P = 4, 8, 16, …: self: \[…\], y: \[…,
    /// 2·periods\], the sine of each period before its cosine. No gradient passes.
    #[track_caller]
    pub fn sinusoids(self, periods: usize) -> Self {
        if !(1..=MOST_PERIODS).contains(&periods) {
            bad(self.graph, "sinusoids", &[self.shape()], &format!("1 to {MOST_PERIODS} periods are expected"));
        }
        let shape = Shape::new(&[self.shape().dims(), &[2 * periods]].concat());
        self.make(Op::Sinusoids(periods), &[self.id], shape, self.batch_axis())
    }

    /// The adjoint of [`Tensor::at_time`] in x: \[batch, time, d\], where x\[b, u, :\] = Σ_s self\[s, b, :\] over the s
    /// with t\[s, b\] = u; self: \[samples, batch, d\], `t`: \[samples, batch\], whole numbers below `time`.
    #[track_caller]
    pub fn placed(self, t: Self, time: usize) -> Self {
        let (y, s) = (self.shape(), t.shape());
        if y.rank() != 3 || s.rank() != 2 || s.dims() != &y.dims()[..2] {
            bad(self.graph, "placed", &[y, s], "[samples, batch, d] and [samples, batch] are expected");
        }
        self.make(Op::Placed, &[self.id, t.id], Shape::new(&[y[1], time, y[2]]), Some(0))
    }
}

impl Graph {
    /// Two times (t1, t2) of each of `batch` sequences, drawn `samples` times, on integers: \[samples, batch, 2\]. The
    /// stream is the hash of `path` and the ordinal of this draw under it; `jumps.stream` is not read. Panics where a jump
    /// is as long as the sequence.
    #[track_caller]
    pub fn jumps(&self, path: &str, samples: usize, batch: usize, jumps: Jumps) -> Tensor<'_> {
        let fits = |[lo, hi]: [usize; 2]| lo <= hi && hi < jumps.time;
        assert!(fits(jumps.near) && fits(jumps.far), "jumps of {:?} and {:?} in {}", jumps.near, jumps.far, jumps.time);
        let jumps = Jumps { stream: self.next_stream(path), ..jumps };
        self.push(Op::Jumps(jumps), &[], Shape::new(&[samples, batch, 2]), DType::F32, Some(1))
    }
}
