//! The elbo program.
fn main() {}
