//! Greedy layer-wise pretraining: one layer after the other, then all of them.

#[path = "common/run.rs"]
mod run;

use elbo::config::Config;
use elbo::exec::{Choice, open};
use elbo::train::Session;
use elbo::values::HostBuf;
use run::{fast_devices, grouped, mnist, session, settings, succeeds};
use std::collections::BTreeMap;

/// 784-24-16-(8)-16-24-784, one epoch of 16 steps a layer.
fn small(recipe: &str, more: &[&str]) -> Config {
    let changes = [
        "model.hidden=[24,16]",
        "model.latent=8",
        "model.activation=sigmoid",
        "train.batch=32",
        "train.pretrain=1",
        "optimizer.learning_rate=3e-3",
    ];
    settings(recipe, &[&changes, more].concat())
}

/// Every parameter, by path.
fn weights(s: &mut Session) -> BTreeMap<String, Vec<u32>> {
    let layout = s.layout.clone();
    let mut all = BTreeMap::new();
    for (p, place) in layout.params.iter().zip(&layout.places) {
        let bucket = s.exec.read(&layout.path(place.bucket)).unwrap();
        let values = &bucket.f32()[place.offset..][..p.shape.len()];
        all.insert(p.path.clone(), values.iter().map(|v| v.to_bits()).collect());
    }
    all
}

/// Which layer of the encoder and which of the decoder are trained together.
const PAIRS: [[&str; 2]; 3] =
    [["encoder.0.", "decoder.output."], ["encoder.1.", "decoder.1."], ["encoder.code.", "decoder.0."]];

#[test]
fn each_layer_is_trained_in_its_turn_and_all_others_keep_every_bit() {
    for device in fast_devices() {
        for (recipe, tied) in [("ae", "model.tied=false"), ("dae", "model.tied=true")] {
            let mut s = session(&device, &small(recipe, &[tied]));
            assert_eq!((s.pretraining(), s.layers()), (48, 3));
            let mut before = weights(&mut s);
            for layer in 0..4 {
                s.begin_epoch(layer).unwrap();
                let mut step = 16 * layer;
                while step < 16 * (layer + 1) {
                    let count = (s.phase_end(step) - step).min(8);
                    let ticket = s.submit(step, count as usize).unwrap();
                    s.exec.fetch(ticket).unwrap();
                    step += count;
                }
                let after = weights(&mut s);
                for (path, values) in &after {
                    let mine = PAIRS.get(layer as usize).is_none_or(|pair| pair.iter().any(|p| path.starts_with(p)));
                    assert_eq!(*values != before[path], mine, "{device}, {recipe}, layer {layer}: {path}");
                }
                before = after;
            }
        }
    }
}

/// The first layer's training is that of an autoencoder of one layer: the same losses and the same weights, bit for bit.
#[test]
fn the_first_layer_is_trained_as_an_autoencoder_of_its_own() {
    for recipe in ["ae", "dae"] {
        let mut stacked = session(&Choice::Cpu, &small(recipe, &[]));
        let rows = grouped(&mut stacked, 16, 8);
        // The code of the small one has the activation, and the name, of its only layer.
        let alone = ["model.hidden=[]", "model.latent=24", "model.code=sigmoid", "train.pretrain=0"];
        let mut one = session(&Choice::Cpu, &small(recipe, &alone));
        // First weights are drawn by name: those of the layer take the place of the code's.
        let start = session(&Choice::Cpu, &small(recipe, &[])).layout;
        for (from, to) in [("encoder.0", "encoder.code"), ("decoder.output", "decoder.output")] {
            for what in ["weight", "bias"] {
                let (Some(p), Some(i)) =
                    (start.find(&format!("{from}.{what}")), one.layout.find(&format!("{to}.{what}")))
                else {
                    continue;
                };
                let place = one.layout.places[i];
                let values = HostBuf::F32(start.params[p].initial(1));
                let path = one.layout.path(place.bucket);
                one.exec.write(&path, place.offset, &values).unwrap();
            }
        }
        let alone = grouped(&mut one, 16, 8);
        let losses = |rows: &[Vec<f32>]| rows.iter().map(|r| r[0].to_bits()).collect::<Vec<_>>();
        assert_eq!(losses(&rows), losses(&alone), "{recipe}");
        let (a, b) = (weights(&mut stacked), weights(&mut one));
        assert!(a["encoder.0.weight"] == b["encoder.code.weight"], "{recipe}");
        assert!(a["decoder.output.bias"] == b["decoder.output.bias"], "{recipe}");
    }
}

/// Each layer's first loss by hand, of the weights and of the images in the order of the epoch: the error of its own input,
/// which is what the layers below it give.
#[test]
fn a_layers_loss_is_the_error_of_what_the_layers_below_give() {
    let mut s = session(&Choice::Reference, &small("ae", &["model.loss=cross-entropy"]));
    let layout = s.layout.clone();
    let f = |a: f64| 1.0 / (1.0 + (-a).exp());
    for stage in 0..3u64 {
        s.begin_epoch(stage).unwrap();
        let order = s.exec.read("order/train").unwrap().u32().to_vec();
        let buckets: Vec<HostBuf> = (0..layout.buckets.len()).map(|i| s.exec.read(&layout.path(i)).unwrap()).collect();
        // W h + b, of a layer by name.
        let affine = |name: &str, h: &[f64]| -> Vec<f64> {
            let at = |what: &str| {
                let place = layout.places[layout.find(&format!("{name}.{what}")).unwrap()];
                &buckets[place.bucket].f32()[place.offset..]
            };
            let outputs = layout.params[layout.find(&format!("{name}.bias")).unwrap()].shape.len();
            let row =
                |o: usize| h.iter().zip(&at("weight")[o * h.len()..]).map(|(h, w)| h * f64::from(*w)).sum::<f64>();
            (0..outputs).map(|o| row(o) + f64::from(at("bias")[o])).collect()
        };
        let [encoder, decoder] = PAIRS[stage as usize].map(|name| name.trim_end_matches('.'));
        let loss = order[..32].iter().map(|&i| {
            let x: Vec<f64> = mnist().train.image(i as usize).iter().map(|&b| f64::from(b) / 255.0).collect();
            let h = PAIRS[..stage as usize]
                .iter()
                .fold(x, |h, [below, _]| affine(below.trim_end_matches('.'), &h).into_iter().map(f).collect());
            let z: Vec<f64> = affine(encoder, &h).into_iter().map(|a| if stage == 2 { a } else { f(a) }).collect();
            let nats = |(a, h): (f64, &f64)| -(h * f(a).ln() + (1.0 - h) * f(-a).ln());
            affine(decoder, &z).into_iter().zip(&h).map(nats).sum::<f64>()
        });
        let want = loss.sum::<f64>() / 32.0;
        let ticket = s.submit(16 * stage, 1).unwrap();
        let got = f64::from(s.exec.fetch(ticket).unwrap()[0][0]);
        assert!((got - want).abs() < 1e-6 * want, "layer {stage}: {got}, by hand {want}");
        let ticket = s.submit(16 * stage + 1, 1).unwrap();
        s.exec.fetch(ticket).unwrap();
    }
}

/// A layer's loss falls while it is trained, and the whole network begins better than one that was not pretrained.
#[test]
fn what_is_learned_in_layers_is_a_better_start() {
    let mut s = session(&Choice::Cpu, &small("ae", &["train.pretrain=4"]));
    assert_eq!(s.pretraining(), 192);
    let rows = grouped(&mut s, 193, 16);
    let mean = |rows: &[Vec<f32>]| rows.iter().map(|r| f64::from(r[0])).sum::<f64>() / rows.len() as f64;
    for layer in rows[..192].chunks(64) {
        let (early, late) = (mean(&layer[..16]), mean(&layer[48..]));
        assert!(late < 0.9 * early, "{early} → {late}");
    }
    let start = grouped(&mut session(&Choice::Cpu, &small("ae", &["train.pretrain=0"])), 1, 1);
    let (with, without) = (rows[192][0], start[0][0]);
    assert!(with < 0.8 * without, "{with} with, {without} without pretraining");
}

/// By schedule each stage begins at its first step, and its first update is Adam's first: ±the learning rate.
#[test]
fn schedules_and_moments_begin_anew_in_each_stage() {
    let rate = "optimizer.learning_rate={from=1e-2,to=1e-3,steps=16}";
    let mut s = session(&Choice::Cpu, &small("ae", &[rate]));
    for stage in 0..4u64 {
        s.begin_epoch(stage).unwrap();
        for (at, want) in [(0u64, 1e-2), (15, 0.0)] {
            // The steps between.
            if at == 15 {
                let ticket = s.submit(16 * stage + 1, 14).unwrap();
                s.exec.fetch(ticket).unwrap();
            }
            let before = weights(&mut s);
            let ticket = s.submit(16 * stage + at, 1).unwrap();
            s.exec.fetch(ticket).unwrap();
            let after = weights(&mut s);
            let moved = after.iter().flat_map(|(path, after)| {
                let f = |bits: u32| f64::from(f32::from_bits(bits));
                after.iter().zip(&before[path]).map(|(a, b)| (f(*a) - f(*b)).abs()).collect::<Vec<_>>()
            });
            let most = moved.fold(0.0, f64::max);
            let fits = if want > 0.0 { (most / want - 1.0).abs() < 1e-3 } else { most < 5e-3 };
            assert!(fits, "stage {stage}, step {at}: {most}");
        }
    }
}

#[test]
fn a_model_without_layers_is_refused() {
    for kind in ["vae", "k-sparse", "sparse", "contractive"] {
        let c = settings(kind, &["train.pretrain=1"]);
        let e = Session::new(open(&Choice::Cpu).unwrap(), &c, mnist(), None).err().expect("no layers");
        let want = format!("train.pretrain is not for model.kind = {kind:?}: ae and dae are pretrained layer by layer");
        assert_eq!((e.to_string(), e.exit_code()), (want, 2));
    }
}

#[test]
fn a_run_says_which_layer_it_trains_and_resumes_in_each_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let run = "train dae --device cpu --set data.limit=256 --set data.validation=64 --set train.batch=32 \
               --set model.hidden=[16] --set model.latent=4 --set train.pretrain=2 --set train.log_every=5";
    // Layers of 16 steps, then 16 of the whole.
    let (_, err) = succeeds(at, &format!("{run} --epochs 2 --out whole"));
    let shown: Vec<&str> = err.lines().filter(|l| l.starts_with("epoch ")).collect();
    for (line, start) in shown.iter().zip([
        "epoch 1/6  layer 1/2  loss ",
        "epoch 2/6  layer 1/2  loss ",
        "epoch 3/6  layer 2/2  loss ",
        "epoch 4/6  layer 2/2  loss ",
        "epoch 5/6  loss ",
        "epoch 6/6  loss ",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(shown.len(), 6, "{err}");
    assert_eq!(err.lines().filter(|l| l.starts_with("validation ")).count(), 2, "of the whole network alone: {err}");
    let lines = |run: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(at.join(run).join("metrics.jsonl")).unwrap();
        let all = text.lines().map(|l| serde_json::from_str(l).unwrap());
        all.filter(|l: &serde_json::Value| l["kind"] == "train").collect()
    };
    let of_run: Vec<(u64, Option<u64>)> =
        lines("whole").iter().map(|l| (l["step"].as_u64().unwrap(), l["layer"].as_u64())).collect();
    let layer = |step| if step <= 16 { Some(1) } else { Some(2).filter(|_| step <= 32) };
    assert_eq!(of_run, [5, 10, 15, 16, 20, 25, 30, 32, 35, 40, 45].map(|step| (step, layer(step))));
    // What a run leaves that was killed after so many steps, in a layer and where one ends.
    let config = at.join("whole/config.toml").display().to_string();
    let c = elbo::config::resolve(&elbo::config::load(&config).unwrap()).unwrap();
    let data = || {
        elbo::data::load("mnist", &elbo::data::Options { validation: 64, limit: 256, ..elbo::data::Options::WHOLE })
            .unwrap()
    };
    let file = |run: &str, step: u64| at.join(run).join(format!("checkpoints/step-{step}.safetensors"));
    let last = std::fs::read(file("whole", 48)).unwrap();
    for stop in [7, 16, 32, 40] {
        let other = format!("r{stop}");
        std::fs::create_dir_all(at.join(&other).join("checkpoints")).unwrap();
        std::fs::copy(&config, at.join(&other).join("config.toml")).unwrap();
        let mut s = Session::new(open(&Choice::Cpu).unwrap(), &c, data(), None).unwrap();
        grouped(&mut s, stop, 8);
        elbo::checkpoint::save(&mut s, stop, &elbo::checkpoint::Progress::default(), &at.join(&other)).unwrap();
        let (_, err) = succeeds(at, &format!("{run} --epochs 2 --out {other} --resume"));
        assert!(err.contains(&format!("resumed at step {stop} of 48")), "{err}");
        assert!(last == std::fs::read(file(&other, 48)).unwrap(), "stopped after {stop}: other bits");
        // Of what was under way when it was killed, this one has no sums.
        let after =
            |run: &str| lines(run).into_iter().filter(|l| l["step"].as_u64() > Some(stop + 4)).collect::<Vec<_>>();
        assert_eq!(after("whole"), after(&other), "stopped after {stop}");
    }
}
