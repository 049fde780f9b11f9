//! Convolutions against plain loops, against JAX (`scripts/conv-fixtures.py`), and by their plans.

mod common;

use common::{BOTH, Evaluated, Rng, kernels_of, panic_text, param};
use elbo::graph::{Graph, Tensor, Window, vjp};
use elbo::nn::{Mode, Scope, Taps, conv_transpose2d, conv2d, convolve, convolve_transposed};
use serde_json::Value;

/// Images, \[n, height, width, channels\], and a convolution of them.
#[derive(Clone, Copy, Debug)]
struct Layer {
    n: usize,
    image: [usize; 2],
    channels: usize,
    out: usize,
    taps: Taps,
    extra: usize,
    transposed: bool,
}

impl Layer {
    fn weight(&self) -> [usize; 4] {
        let k = self.taps.kernel;
        if self.transposed { [k, k, self.out, self.channels] } else { [self.out, k, k, self.channels] }
    }

    fn result(&self) -> [usize; 2] {
        let Taps { kernel, stride, padding } = self.taps;
        self.image.map(|n| match self.transposed {
            true => (n - 1) * stride + kernel + self.extra - 2 * padding,
            false => (n + 2 * padding - kernel) / stride + 1,
        })
    }

    fn apply<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        match self.transposed {
            true => conv_transpose2d(net, x, self.out, self.taps, self.extra),
            false => conv2d(net, x, self.out, self.taps),
        }
    }

    /// y by its definition, one product at a time.
    fn by_loops(&self, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
        let ([h, wd], [oh, ow], [c, o]) = (self.image, self.result(), [self.channels, self.out]);
        let Taps { kernel: k, stride, padding } = self.taps;
        let mut y = vec![0.0; self.n * oh * ow * o];
        for (i, y) in y.iter_mut().enumerate() {
            *y = b[i % o];
        }
        // Every product has a pixel of the smaller images, here called the place, and one of the larger.
        let (places, pixels) = if self.transposed { ([h, wd], [oh, ow]) } else { ([oh, ow], [h, wd]) };
        for n in 0..self.n {
            for (i, j) in (0..places[0]).flat_map(|i| (0..places[1]).map(move |j| (i, j))) {
                for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                    let (row, col) =
                        ((i * stride + ky) as isize - padding as isize, (j * stride + kx) as isize - padding as isize);
                    if row < 0 || col < 0 || row >= pixels[0] as isize || col >= pixels[1] as isize {
                        continue;
                    }
                    let place = (n * places[0] + i) * places[1] + j;
                    let pixel = (n * pixels[0] + row as usize) * pixels[1] + col as usize;
                    for (q, p) in (0..o).flat_map(|q| (0..c).map(move |p| (q, p))) {
                        match self.transposed {
                            true => y[pixel * o + q] += w[((ky * k + kx) * o + q) * c + p] * x[place * c + p],
                            false => y[place * o + q] += w[((q * k + ky) * k + kx) * c + p] * x[pixel * c + p],
                        }
                    }
                }
            }
        }
        y
    }
}

fn layers() -> Vec<Layer> {
    let mut layers = Vec::new();
    for (kernel, stride, padding) in
        [(1, 1, 0), (3, 1, 1), (3, 1, 0), (4, 2, 1), (2, 2, 0), (3, 2, 1), (5, 3, 2), (1, 2, 0), (2, 1, 1)]
    {
        let taps = Taps { kernel, stride, padding };
        for (n, image, channels, out) in [(2, [7, 5], 3, 4), (1, [6, 8], 1, 2), (3, [5, 5], 4, 1)] {
            layers.push(Layer { n, image, channels, out, taps, extra: 0, transposed: false });
            let extras = if stride > 1 { vec![0, stride - 1] } else { vec![0] };
            layers.extend(extras.into_iter().map(|extra| Layer {
                n,
                image,
                channels,
                out,
                taps,
                extra,
                transposed: true,
            }));
        }
    }
    layers
}

#[test]
fn they_are_what_plain_loops_make() {
    for layer in layers() {
        let mut rng = Rng::new(&format!("{layer:?}"), 1);
        let (dims, w) = ([layer.n, layer.image[0], layer.image[1], layer.channels], layer.weight());
        let [x, w, b] = [dims.iter().product(), w.iter().product(), layer.out].map(|n| rng.away(n));
        let expected = layer.by_loops(&x, &w, &b);
        for options in BOTH {
            let g = Graph::new();
            let y = layer.apply(&(&Scope::root(&g, Mode::Train) / "conv"), param(&g, "x.0", &dims).with_batch_axis(0));
            assert_eq!(y.shape().dims(), [layer.n, layer.result()[0], layer.result()[1], layer.out], "{layer:?}");
            assert_eq!(y.batch_axis(), Some(0));
            let mut e = Evaluated::new(&g, &[y], options);
            for (path, v) in [("x.0", &x), ("conv.weight", &w), ("conv.bias", &b)] {
                e.set(path, 0, v);
            }
            let got = e.run().remove(0);
            assert_eq!(got.len(), expected.len());
            for (i, (g, y)) in got.iter().zip(&expected).enumerate() {
                assert!((g - y).abs() <= 1e-12 * (1.0 + y.abs()), "{layer:?} {options:?}: {g} for {y} at {i}");
            }
        }
    }
}

/// Samples in front of the batch are more images.
#[test]
fn axes_in_front_are_images_too() {
    let g = Graph::new();
    let x = param(&g, "x.0", &[2, 3, 4, 4, 2]).with_batch_axis(1);
    let net = Scope::root(&g, Mode::Train);
    let y = conv2d(&(&net / "conv"), x, 3, Taps::HALF);
    let z = conv_transpose2d(&(&net / "up"), y, 2, Taps::HALF, 0);
    let flat = conv2d(&(&net / "conv"), x.reshape(&[6, 4, 4, 2]), 3, Taps::HALF);
    assert_eq!((y.shape().dims(), y.batch_axis()), (&[2, 3, 2, 2, 3][..], Some(1)));
    assert_eq!((z.shape().dims(), z.batch_axis()), (&[2, 3, 4, 4, 2][..], Some(1)));
    let mut e = Evaluated::new(&g, &[y, flat], BOTH[0]);
    for p in g.params() {
        e.set(&p.path, 0, &Rng::new(&p.path, 1).away(p.shape.len()));
    }
    let got = e.run();
    assert!(got[0] == got[1] && got[0].iter().any(|v| v.abs() > 0.1));
}

#[test]
fn they_and_their_gradients_are_those_of_jax() {
    let text = include_str!("fixtures/convolutions.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(cases.len() >= 9);
    for case in &cases {
        let at = |name: &str| case[name].as_u64().unwrap() as usize;
        let two = |name: &str| [0, 1].map(|i| case[name][i].as_u64().unwrap() as usize);
        let numbers = |name: &str, unit: f64| -> Vec<f64> {
            case[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() / unit).collect()
        };
        let taps = Taps { kernel: at("kernel"), stride: at("stride"), padding: at("padding") };
        let transposed = case["transposed"].as_bool().unwrap();
        let (n, image, channels, out) = (at("n"), two("image"), at("in"), at("out"));
        let layer = Layer { n, image, channels, out, taps, extra: at("extra"), transposed };
        assert_eq!(layer.result(), two("image_out"), "{layer:?}");
        let g = Graph::new();
        let x = param(&g, "x.0", &[n, image[0], image[1], channels]);
        let y = layer.apply(&(&Scope::root(&g, Mode::Train) / "conv"), x);
        let [w, b] = [param(&g, "conv.weight", &layer.weight()), param(&g, "conv.bias", &[out])];
        let dy = param(&g, "dy.0", y.shape().dims());
        let d = vjp(&[y], &[dy], &[x, w, b]);
        let mut e = Evaluated::new(&g, &[&[y][..], &d].concat(), BOTH[0]);
        for (path, name) in [("x.0", "x"), ("conv.weight", "w"), ("conv.bias", "b"), ("dy.0", "dy")] {
            e.set(path, 0, &numbers(name, 8.0));
        }
        for (name, got) in ["y", "dx", "dw", "db"].into_iter().zip(e.run()) {
            assert_eq!(got, numbers(name, 64.0), "{layer:?}: {name}");
        }
    }
}

/// A convolution of one tap unfolds nothing, and its bias and activation are part of the product.
#[test]
fn one_tap_is_a_dense_layer() {
    let [kernels, _] = kernels_of(BOTH, "one tap", |g| {
        let x = param(g, "x.0", &[2, 4, 4, 8]);
        vec![conv2d(&(&Scope::root(g, Mode::Train) / "conv"), x, 8, Taps::same(1)).relu()]
    });
    assert_eq!(kernels, ["matmul_vec4 nt+bias+relu"]);
    let [kernels, _] = kernels_of(BOTH, "three taps", |g| {
        let x = param(g, "x.0", &[2, 4, 4, 8]);
        vec![conv2d(&(&Scope::root(g, Mode::Train) / "conv"), x, 8, Taps::same(3)).relu()]
    });
    assert_eq!(kernels, ["patches unfold 3x3/1x1 of 4x4x8", "matmul_vec4 nt+bias+relu"]);
}

/// A weight gradient sums over every place of every example: in runs, whose sum is the same.
#[test]
fn long_products_are_made_in_runs() {
    fn build(g: &Graph) -> Vec<Tensor<'_>> {
        let (x, dy) = (param(g, "x.0", &[6000, 8]), param(g, "dy.0", &[6000, 4]));
        let dw = dy.matmul_as(x, true, false);
        vec![dw, dy.matmul_as(x.relu(), true, false) + dw]
    }
    let [kernels, _] = kernels_of(BOTH, "long", build);
    let products: Vec<&String> = kernels.iter().filter(|k| k.starts_with("matmul")).collect();
    assert_eq!(products, ["matmul_vec4 tn", "matmul_vec4 tn"], "{kernels:?}");
    assert_eq!(kernels.iter().filter(|k| k.starts_with("reduce sum [1,3,32]")).count(), 2, "{kernels:?}");
    let g = Graph::new();
    let mut e = Evaluated::new(&g, &build(&g)[..1], BOTH[0]);
    let (x, dy) = (Rng::new("x", 1).away(48_000), Rng::new("dy", 1).away(24_000));
    e.set("x.0", 0, &x);
    e.set("dy.0", 0, &dy);
    let got = e.run().remove(0);
    for (i, j) in (0..4).flat_map(|i| (0..8).map(move |j| (i, j))) {
        let sum: f64 = (0..6000).map(|r| dy[r * 4 + i] * x[r * 8 + j]).sum();
        assert!((got[i * 8 + j] - sum).abs() < 1e-9, "{} for {sum}", got[i * 8 + j]);
    }
}

#[test]
fn what_does_not_fit_says_so() {
    let of = |f: fn(&Scope<'_>)| panic_text(move || f(&Scope::root(&Graph::new(), Mode::Train)));
    let small = of(|net| {
        conv2d(net, param(net.graph(), "x.0", &[1, 3, 3, 1]), 1, Taps { kernel: 5, stride: 1, padding: 0 });
    });
    assert_eq!(small, "5 taps do not fit 1x3x3x1 with padding 0");
    let flat = of(|net| {
        conv2d(net, param(net.graph(), "x.0", &[3, 3]), 1, Taps::same(3));
    });
    assert!(flat.contains("[batch, height, width, channels] is expected"), "{flat}");
    let window = Window { image: [3, 3], patches: [2, 2], kernel: [2, 2], stride: [1, 1], before: [0, 0] };
    let g = Graph::new();
    let (x, u) = (param(&g, "x.0", &[1, 4, 3, 1]), param(&g, "u.0", &[1, 2, 2, 5]));
    let text = panic_text(std::panic::AssertUnwindSafe(|| _ = x.unfold(window)));
    assert!(text.contains("unfold of 1x4x3x1") && text.contains("[…, 3, 3, a multiple of 1]"), "{text}");
    let text = panic_text(std::panic::AssertUnwindSafe(|| _ = u.fold(window)));
    assert!(text.contains("fold of 1x2x2x5") && text.contains("a multiple of 4"), "{text}");
    let (w, v) = (param(&g, "w.0", &[2, 2, 2, 3]), param(&g, "v.0", &[2, 2, 3, 3]));
    let x = param(&g, "x.1", &[1, 3, 3, 1]);
    assert!(panic_text(std::panic::AssertUnwindSafe(|| _ = convolve(x, w, window))).contains("reshape"));
    assert!(panic_text(std::panic::AssertUnwindSafe(|| _ = convolve_transposed(x, v, window))).contains("expected"));
}
