//! Priors over the codes of a run: `elbo prior` trains them, `elbo sample` draws from them, `elbo eval` says what they cost.

#[path = "common/run.rs"]
mod run;

use elbo::config::{Config, Model};
use elbo::data::{Dataset, Sequence, Split, Stored};
use elbo::exec::{self, Choice};
use elbo::train::Session;
use run::{elbo, fast_devices, mean, settings, steps, succeeds};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Maps of 2 × 2 codes of 3: a, b, a + b mod 3, a, where a is 2 in a quarter of them, else 0, and b 1 in a half, else 0.
fn pattern(n: usize) -> Split {
    let map = |i: usize| map_of(if i % 4 == 3 { 2 } else { 0 }, i as u32 / 4 % 2);
    let bytes = (0..n).flat_map(|i| map(i).into_iter().flat_map(|c| (c as f32).to_le_bytes())).collect();
    Split::stored(bytes, vec![], 16)
}

fn map_of(a: u32, b: u32) -> [u32; 4] {
    [a, b, (a + b) % 3, a]
}

fn patterns() -> Dataset {
    Dataset {
        name: "patterns".into(),
        shape: [1, 1, 1],
        sequence: Some(Sequence { frames: 4, stored: Stored::Reals }),
        train: pattern(256),
        validation: pattern(0),
        test: pattern(64),
    }
}

fn prior_of(map: [usize; 4], more: &[&str]) -> Config {
    let small =
        ["model.channels=8", "model.layers=2", "model.radius=1", "train.batch=32", "optimizer.learning_rate=1e-2"];
    let mut c = settings("prior", &[&small[..], more].concat());
    let Model::Prior(p) = &mut c.model else { unreachable!("the recipe prior is one") };
    p.map = map;
    c
}

/// What a trained prior draws has the frequencies and the dependences of what it learned; a map is the same however many are
/// drawn with it; and the devices draw the same.
#[test]
fn what_is_drawn_is_what_was_learned() {
    let c = prior_of([2, 2, 1, 3], &[]);
    let drawn = fast_devices().into_iter().map(|device| {
        let mut s = Session::new(exec::open(&device).unwrap(), &c, patterns(), None).unwrap();
        steps(&mut s, 200);
        let e = s.evaluate("test").unwrap();
        let entropy = -(0.75f64.ln() * 0.75 + 0.25f64.ln() * 0.25) + 2f64.ln();
        let nats = mean(&e, "-ln p(codes)");
        assert!(nats > 0.99 * entropy && nats < 1.1 * entropy, "{device}: {nats} nats, at best {entropy}");
        assert!((mean(&e, "bits a code") - nats / 4.0 / std::f64::consts::LN_2).abs() < 1e-5);
        assert!(mean(&e, "unigram") > 1.0, "{e:?}");
        let mut places = Vec::new();
        let codes = s.draw_codes(400, &[], 1.0, |done, all| places.push((done, all))).unwrap();
        // Seven times 64 maps at most, four positions each.
        assert_eq!(places, (1..=7).map(|i| (4 * i, 28)).collect::<Vec<_>>());
        assert_eq!(s.draw_codes(70, &[], 1.0, |_, _| ()).unwrap(), codes[..4 * 70]);
        let maps: Vec<&[u32]> = codes.chunks(4).collect();
        // The two that are free are independent: each pair has its own share. 400 draws of 3/8 have a standard deviation of
        // 9.7, of 1/8 one of 6.6.
        for (a, b, share) in [(0, 0, 150), (0, 1, 150), (2, 0, 50), (2, 1, 50)] {
            let drawn = maps.iter().filter(|m| ***m == map_of(a, b)).count();
            assert!(
                drawn.abs_diff(share) <= 35,
                "{device}: {drawn} of 400 maps begin with {a}, {b}, and {share} should"
            );
        }
        // A low temperature leaves the likelier one.
        assert!(s.draw_codes(64, &[], 0.1, |_, _| ()).unwrap().chunks(4).all(|m| m[0] == 0), "{device}");
        codes
    });
    let drawn: Vec<Vec<u32>> = drawn.collect();
    // Weights that differ by rounding may decide otherwise where two codes are all but equal.
    let same = drawn[0].iter().zip(&drawn[drawn.len() - 1]).filter(|(a, b)| a == b).count();
    assert!(same >= 1560, "{same} of 1600 codes are the same on both devices");
}

/// What is known stays, and is what the others follow.
#[test]
fn a_level_is_drawn_after_the_one_above() {
    let mut c = prior_of([2, 2, 1, 3], &[]);
    let Model::Prior(p) = &mut c.model else { unreachable!("the recipe prior is one") };
    (p.above, p.level) = (vec![1, 1, 1, 3], "bottom".into());
    // The level above is the first code of the pattern.
    let with_first = |n: usize| {
        let split = pattern(n);
        let maps = split.bytes().chunks(16).flat_map(|m| [&m[..4], m].concat()).collect();
        Split::stored(maps, vec![], 20)
    };
    let data = Dataset {
        sequence: Some(Sequence { frames: 5, stored: Stored::Reals }),
        train: with_first(256),
        validation: with_first(0),
        test: with_first(64),
        ..patterns()
    };
    let mut s = Session::new(exec::open(&Choice::Cpu).unwrap(), &c, data, None).unwrap();
    steps(&mut s, 200);
    let nats = mean(&s.evaluate("test").unwrap(), "-ln p(codes)");
    assert!((nats - 2f64.ln()).abs() < 0.02, "{nats}: nothing is left to be said but b");
    let codes = s.draw_codes(30, &[2, 0, 2].repeat(10), 1.0, |_, _| ()).unwrap();
    for (i, codes) in codes.chunks(5).enumerate() {
        let a = [2, 0, 2][i % 3];
        assert!(codes[0] == a && codes[1..] == map_of(a, codes[2]), "{codes:?}");
    }
}

const RUN: &str = "--device cpu --quiet --set data.limit=128 --set train.batch=32 --set model.channels=8 --set model.residual=4 \
                   --set model.dimensions=4 --set model.entries=16 --steps 4";
const PRIOR: &str = "--device cpu --quiet --set model.channels=8 --set model.layers=2 --set train.batch=32 \
                     --set checkpoint.every=3 --steps 6";

fn refused(at: &Path, words: &str) -> String {
    let o = elbo(at, words);
    let err = String::from_utf8(o.stderr).unwrap();
    assert_eq!(o.status.code(), Some(2), "{words}: {err}");
    err
}

fn checkpoint(at: &Path, run: &str, step: u64) -> Vec<u8> {
    fs::read(at.join(run).join(format!("checkpoints/step-{step}.safetensors"))).unwrap()
}

/// One command trains the priors of both levels; gone on with after an end at step 3 they come to the same bytes; samples are
/// a function of the seed; evaluation adds up what an image costs.
#[test]
fn priors_of_two_levels_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    succeeds(at, &format!("train vq-vae-2 --out run {RUN}"));
    assert!(
        refused(at, "sample run --device cpu")
            .contains("there is no prior in run/prior-top yet: `elbo prior run` trains it")
    );
    assert!(refused(at, &format!("prior run {PRIOR} --level middle")).contains("its levels are top and bottom"));
    assert!(refused(at, &format!("prior run {PRIOR} --set model.map=[1,1,1,1]")).contains("follows from the run"));
    let (out, err) = succeeds(at, &format!("prior run {PRIOR}"));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 2 && lines.iter().all(|l| l.starts_with("test -ln p(codes) ")), "{out}");
    assert!(lines.iter().all(|l| l.contains("bits a code") && l.contains("unigram")), "{out}");
    assert!(err.contains("encoding the 128 train examples"), "{err}");
    let codes = fs::read_dir(at.join("run/codes")).unwrap().next().unwrap().unwrap().path();
    assert!(codes.file_name().unwrap().to_str().unwrap().starts_with("step-4-"), "{codes:?}");

    // As if it had been killed after step 3 of the second.
    let whole = checkpoint(at, "run/prior-bottom", 6);
    fs::remove_file(at.join("run/prior-bottom/checkpoints/step-6.safetensors")).unwrap();
    let err = refused(at, &format!("prior run {PRIOR}"));
    assert!(err.contains("there is a prior in run/prior-top already: --resume goes on with it"), "{err}");
    succeeds(at, &format!("prior run {PRIOR} --resume"));
    assert!(checkpoint(at, "run/prior-bottom", 6) == whole, "to the last bit");
    // As if it had been killed between the two.
    fs::remove_dir_all(at.join("run/prior-bottom")).unwrap();
    succeeds(at, &format!("prior run {PRIOR} --resume"));
    assert!(checkpoint(at, "run/prior-bottom", 6) == whole, "to the last bit");

    let sampled = |seed: u64| {
        let (out, err) = succeeds(at, &format!("sample run --device cpu -n 6 --seed {seed} --out s.png"));
        assert!(out == "s.png\n" && err.contains("drawing codes (bottom 7×7 of 16) | 3×3 of 16"), "{out}{err}");
        fs::read(at.join("s.png")).unwrap()
    };
    let (one, again, other) = (sampled(1), sampled(1), sampled(2));
    assert!(one == again && one != other);

    let (json, _) = succeeds(at, "eval run --device cpu --json");
    let v: Value = serde_json::from_str(&json).unwrap();
    let n = |name: &str| v[name].as_f64().unwrap_or_else(|| panic!("no {name} in {json}"));
    let density = 392.0 * ((2.0 * std::f64::consts::PI * n("MSE")).ln() + 1.0) + 784.0 * 255f64.ln();
    let bits = (density + n("prior top, nats") + n("prior bottom, nats")) / 784.0 / std::f64::consts::LN_2;
    assert!((n("bits/dim") - bits).abs() < 1e-9, "{json}");

    // Wherever the run lies, and whether or not its codes are still there.
    fs::rename(at.join("run"), at.join("moved")).unwrap();
    fs::remove_dir_all(at.join("moved/codes")).unwrap();
    let (_, err) = succeeds(at, "sample moved --device cpu -n 6 --seed 1 --set data.limit=40 --out s.png");
    assert!(err.contains("encoding the 128 train examples") && fs::read(at.join("s.png")).unwrap() == one, "{err}");
    succeeds(at, &format!("prior moved {PRIOR} --resume"));
    assert!(checkpoint(at, "moved/prior-bottom", 6) == whole, "to the last bit");
    fs::rename(at.join("moved"), at.join("run")).unwrap();

    // What is not ready is left out of the run's own numbers, and what was not finished is named.
    fs::rename(at.join("run/prior-bottom/checkpoints"), at.join("kept")).unwrap();
    let (out, err) = succeeds(at, "eval run --device cpu");
    assert!(
        out.contains("squared error") && err.contains("the priors are left out: run/prior-bottom has no checkpoint"),
        "{err}"
    );
    fs::rename(at.join("kept"), at.join("run/prior-bottom/checkpoints")).unwrap();
    let config = fs::read_to_string(at.join("run/prior-top/config.toml")).unwrap();
    fs::write(at.join("run/prior-top/config.toml"), config.replace("steps = 6", "steps = 7")).unwrap();
    let (_, err) = succeeds(at, "sample run --device cpu -n 6 --seed 1 --out s.png");
    assert!(err.contains("the prior in run/prior-top stopped at step 6 of 7"), "{err}");

    // A prior is a run of its own for what is of its numbers, and says what it is not.
    succeeds(at, "eval run/prior-top --device cpu");
    succeeds(at, "report run/prior-top --device cpu");
    succeeds(at, "plan prior");
    succeeds(at, "plan run/prior-bottom/config.toml");
    succeeds(at, "encode run --device cpu --out c.npy");
    assert!(refused(at, "decode run/prior-top c.npy --device cpu").contains("prior over the codes of another"));
    for command in ["sample", "reconstruct", "encode", "traverse", "interpolate"] {
        let err = refused(at, &format!("{command} run/prior-top --device cpu"));
        assert!(err.contains("prior over the codes of another"), "{command}: {err}");
    }
    assert!(
        refused(at, "eval run/prior-top --device cpu --probe").contains("is a prior over codes, measured by their NLL")
    );
    assert!(refused(at, "train prior --device cpu --out p").contains("`elbo prior RUN`"));
    assert!(refused(at, "prior run/prior-top --device cpu").contains("is a prior"), "a prior has no codes");

    // Of a run that went on, the codes are others.
    succeeds(at, &format!("train vq-vae-2 --out run {} --resume", RUN.replace("--steps 4", "--steps 8")));
    let err = refused(at, "sample run --device cpu");
    assert!(err.contains("another checkpoint than step-8-") && err.contains("--force"), "{err}");
    let err = refused(at, &format!("prior run {PRIOR} --resume"));
    assert!(err.contains("another checkpoint than step-8-") && err.contains("--force"), "{err}");
    // What replaces a run has none of its priors.
    succeeds(at, &format!("train vq-vae-2 --out run {RUN} --force"));
    assert!(!at.join("run/codes").exists() && !at.join("run/prior-top").exists());
}

#[test]
fn a_prior_is_refused_to_what_has_no_discrete_codes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    succeeds(at, "train ae --device cpu --quiet --steps 1 --out run --set data.limit=128");
    assert!(refused(at, "prior run --device cpu").contains("a prior is of discrete codes"));
    assert!(refused(at, "sample run --device cpu --temperature 0.5").contains("--temperature is of codes"));
}
