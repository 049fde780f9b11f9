//! F5: functions over [`Tensor`](crate::graph::Tensor): scopes and layers, distributions, corruptions, averages,
//! quantisation, optimizers, the norm of a Jacobian. What existing ops can express stands here, and is no op.

mod average;
mod causal;
mod clock;
mod conv;
pub mod corruption;
mod distributions;
mod gaussian;
pub mod jacobian;
mod layers;
pub mod optim;
pub mod quantize;
mod recurrent;
mod scope;

pub use average::moving_average;
pub use causal::{GatedPixelCnn, Streams, causal_attention};
pub use clock::Clock;
pub use conv::{
    Taps, conv_transpose_window, conv_transpose2d, conv_window, conv2d, convolve, convolve_transposed, residual,
    residual_stack,
};
pub use distributions::{
    DiagonalGaussian, LOG_VAR_MAX, LOG_VAR_MIN, bernoulli_kl, bernoulli_nll, categorical_kl, categorical_nll,
    categorical_nll_at, gaussian_nll, standard_log_prob,
};
pub use gaussian::Gaussian;
pub use layers::{Layer, activate, dense, layers, linear, linear_zeros, mlp, transposed};
pub use recurrent::{gated_gaussian, lstm, lstm_step};
pub use scope::{Mode, Scalars, Scope, state_path};
