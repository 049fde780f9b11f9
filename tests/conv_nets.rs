//! Convolutions before dense layers, by settings: extents, the executors, what they cannot be combined with.

#[path = "common/run.rs"]
mod run;

use elbo::checkpoint;
use elbo::config::{Config, Convolution};
use elbo::exec::Choice;
use elbo::models::architecture;
use elbo::train::{Session, programs};
use run::{mean, refusal, session, settings, steps, ten_losses_agree};

/// Both networks, for images of 28 × 28 in a second or two.
const SMALL: &[&str] = &[
    "model.conv=[[8,4,2],[8,3,2,4]]",
    "model.hidden=[32]",
    "model.latent=6",
    "train.batch=32",
    "model.activation=relu",
];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [SMALL, more].concat()
}

/// The parameters of a config over so many numbers an example: paths and extents.
fn parameters(c: &Config, features: usize) -> Vec<(String, Vec<usize>)> {
    let layout = programs::layout(c, features, 1 << 28).unwrap();
    layout.params.iter().map(|p| (p.path.clone(), p.shape.dims().to_vec())).collect()
}

/// Locatello et al. 2019: 32(4,2)-32(4,2)-64(2,2)-64(2,2)-256-10, and back by kernels of 4 alone.
#[test]
fn the_networks_of_the_disentanglement_papers_can_be_written() {
    let set = ["model.conv=[[32,4,2],[32,4,2],[64,2,2,4],[64,2,2,4]]", "model.hidden=[256]", "model.latent=10"];
    let c = settings("beta-vae", &set);
    let got = parameters(&c, 64 * 64);
    let weights: Vec<(&str, &[usize])> =
        got.iter().filter(|(p, _)| p.ends_with("weight")).map(|(p, d)| (p.as_str(), &d[..])).collect();
    let expected: [(&str, &[usize]); 13] = [
        ("encoder.conv.0.weight", &[32, 4, 4, 1]),
        ("encoder.conv.1.weight", &[32, 4, 4, 32]),
        ("encoder.conv.2.weight", &[64, 2, 2, 32]),
        ("encoder.conv.3.weight", &[64, 2, 2, 64]),
        ("encoder.0.weight", &[256, 4 * 4 * 64]),
        ("encoder.mean.weight", &[10, 256]),
        ("encoder.log_var.weight", &[10, 256]),
        ("decoder.0.weight", &[256, 10]),
        ("decoder.map.weight", &[4 * 4 * 64, 256]),
        ("decoder.conv.0.weight", &[4, 4, 64, 64]),
        ("decoder.conv.1.weight", &[4, 4, 32, 64]),
        ("decoder.conv.2.weight", &[4, 4, 32, 32]),
        ("decoder.output.weight", &[4, 4, 1, 32]),
    ];
    assert_eq!(weights, expected);
    assert_eq!(
        architecture(&c, 4096),
        "beta-vae 4096-32c4s2-32c4s2-64c2s2-64c2s2-256-(10)-256-64c4s2-64c4s2-32c4s2-32c4s2-4096"
    );
}

/// What a convolution halves its mirror image doubles, of odd extents and of colours too.
#[test]
fn the_decoder_gives_back_the_extent() {
    for (features, stride) in [(28 * 28, 2), (7 * 7, 2), (32 * 32 * 3, 3), (5 * 5 * 3, 1), (1, 1)] {
        let conv = format!("model.conv=[[4,4,{stride}],[6,3,{stride}]]");
        for recipe in ["ae", "vae"] {
            let c = settings(recipe, &[&conv, "model.hidden=[]", "model.latent=3"]);
            let last = parameters(&c, features).into_iter().rfind(|(p, _)| p == "decoder.output.bias").unwrap();
            assert_eq!(last.1, [if features % 3 == 0 && features != 3 * 3 { 3 } else { 1 }], "{features}");
        }
    }
}

#[test]
fn the_executors_agree() {
    ten_losses_agree("ae", &small(&[]));
    ten_losses_agree("dae", &small(&["model.tied=false", "model.loss=cross-entropy"]));
    ten_losses_agree("vae", &small(&["model.samples=2"]));
    ten_losses_agree("beta-vae", &small(&["model.activation=tanh"]));
}

#[test]
fn it_learns() {
    let c = settings("ae", &small(&["model.latent=16", "optimizer.learning_rate=3e-3"]));
    let mut s = session(&elbo::exec::Choice::Cpu, &c);
    let before = mean(&s.evaluate("test").unwrap(), "squared error");
    steps(&mut s, 300);
    let after = mean(&s.evaluate("test").unwrap(), "squared error");
    // Without a code, the mean image at best, it would have some 52; so short a run comes to 41.
    assert!(before > 60.0 && after < 46.0, "{before}, then {after}");
    // Of such an encoder ∂code/∂x is found by differentiation.
    let norms = s.jacobian_norms("test").unwrap().expect("16 units are few");
    assert!(norms.len() == run::EXAMPLES && norms.iter().all(|n| *n > 0.0 && n.is_finite()), "{norms:?}");
}

#[test]
fn what_convolutions_cannot_do_is_refused_by_key() {
    let conv = SMALL[0];
    for (recipe, set, want) in [
        ("ae", "model.tied=true", "model.conv must be [] where model.tied is true"),
        ("sparse", "model.tied=false", "model.conv must be [] where model.kind is sparse"),
        ("contractive", "model.tied=false", "model.conv must be [] where model.kind is contractive"),
        ("ae", "train.pretrain=1", "train.pretrain is for dense layers: with model.conv it must be 0"),
    ] {
        let text = refusal(recipe, &[conv, set]);
        assert!(text.starts_with(want), "{text}");
    }
    for (conv, want) in [
        (
            "[[3]]",
            "model.conv cannot be [[3]]: a convolution is [channels, kernel, stride] or has the decoder's kernel",
        ),
        ("[[0,3,1]]", "model.conv has a layer [0, 3, 1]: channels are from 1 to 16384, kernels from 1 to 64"),
        ("[[8,2,3]]", "model.conv has a layer [8, 2, 3]: "),
        ("[[8,4,3,2]]", "model.conv has a layer [8, 4, 3, 2]: "),
        ("[8,4,2]", "model.conv cannot be [8, 4, 2]: expected a list, found integer"),
    ] {
        let text = refusal("vae", &[&format!("model.conv={conv}")]);
        assert!(text.starts_with(want), "{text}");
    }
    let e = programs::layout(&settings("vae", &[conv]), 785, 1 << 28).unwrap_err();
    assert_eq!(e.exit_code(), 2);
    assert_eq!(
        e.to_string(),
        "an example of 785 numbers is no square image, grey or of three colours, which convolutions take"
    );
}

/// Settings that are written are read back the same, the decoder's kernel left out where it is the encoder's.
#[test]
fn layers_are_written_as_they_are_read() {
    let c = settings("vae", &["model.conv=[[8,4,2],[8,3,2,4]]"]);
    assert!(c.to_toml().contains("\nconv = [[8, 4, 2], [8, 3, 2, 4]]\n"), "{}", c.to_toml());
    assert_eq!(c.model.conv()[0], Convolution { channels: 8, kernel: 4, stride: 2, mirror: 4 });
}

/// In files weights have the axes of the field: [out, in, kh, kw], of transposed convolutions [in, out, kh, kw], their moments
/// too; and come back to the same bits.
#[test]
fn files_have_the_axes_of_the_field() {
    let c = settings("ae", &small(&[]));
    let mut s = session(&Choice::Cpu, &c);
    steps(&mut s, 2);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
    let path = checkpoint::save(&mut s, 2, &checkpoint::Progress::default(), folder.path()).unwrap();
    let saved = checkpoint::read(&path).unwrap();
    let stored = |s: &mut Session, kind: &str, path: &str| {
        let place = s.layout.places[s.layout.find(path).unwrap()];
        let bucket = s.exec.read(&format!("{kind}/{}", s.layout.buckets[place.bucket].name)).unwrap();
        bucket.f32()[place.offset..].to_vec()
    };
    for (kind, prefix) in [("params", ""), ("adam.m", "adam.m.")] {
        let (shape, values) = saved.tensor(&format!("{prefix}encoder.conv.1.weight")).unwrap();
        let (w, v) = (stored(&mut s, kind, "encoder.conv.1.weight"), values.f32());
        assert_eq!(shape, &[8, 8, 3, 3]);
        for (o, i, y, x) in [(0, 1, 2, 0), (7, 3, 0, 1), (4, 4, 1, 2)] {
            assert_eq!(v[((o * 8 + i) * 3 + y) * 3 + x], w[((o * 3 + y) * 3 + x) * 8 + i], "{kind} {o} {i} {y} {x}");
        }
        let (shape, values) = saved.tensor(&format!("{prefix}decoder.output.weight")).unwrap();
        let (w, v) = (stored(&mut s, kind, "decoder.output.weight"), values.f32());
        assert_eq!(shape, &[8, 1, 4, 4]);
        for (i, y, x) in [(0, 1, 2), (7, 3, 0), (4, 2, 1)] {
            assert_eq!(v[(i * 4 + y) * 4 + x], w[(y * 4 + x) * 8 + i], "{kind} {i} {y} {x}");
        }
    }
    let mut other = session(&Choice::Cpu, &c);
    checkpoint::restore(&mut other, &saved, true).unwrap();
    for kind in ["params", "adam.v"] {
        for path in ["encoder.conv.1.weight", "decoder.output.weight"] {
            let n = s.layout.params[s.layout.find(path).unwrap()].shape.len();
            assert_eq!(stored(&mut other, kind, path)[..n], stored(&mut s, kind, path)[..n], "{kind} {path}");
        }
    }
}
