// What is done to the sums of a product: an activation, and the slope of the one before in terms of what it gave. Where `act`
// is an override, one of them is left.
#import numerics

const NONE = 0u;
const RELU = 1u;
const SIGMOID = 2u;
const TANH = 3u;

// act(v).
fn activated(act: u32, v: f32) -> f32 {
  switch act {
    // select, not max: max(NaN, 0) is 0 on some drivers.
    case RELU { return select(v, 0.0, v < 0.0); }
    case SIGMOID { return sigmoid_(v); }
    case TANH { return tanh_(v); }
    default { return v; }
  }
}

// v act'(u).
fn sloped(act: u32, v: f32, u: f32) -> f32 {
  switch act {
    case RELU { return select(0.0, v, u > 0.0); }
    case SIGMOID { return v * (u * (1.0 - u)); }
    case TANH { return v * (1.0 - u * u); }
    default { return v; }
  }
}
