//! The ways to compute a call: each gives the same bits, and what `elbo bench tune` keeps changes no result.

#[path = "common/run.rs"]
mod run;

use elbo::check::{Proof, observe};
use elbo::exec::gpu::choice::{Choices, ways};
use elbo::exec::gpu::{Context, Gpu};
use elbo::exec::{Choice, adapter, open_as_written};
use elbo::kernels::{Case, kernel};
use elbo::train::Session;
use run::{elbo, gpu_wanted, mnist, session, settings, steps, succeeds};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// The cases that are tried: of reals, the longest sums and the widest of each form.
fn cases(name: &str) -> Vec<Case> {
    let mut all: Vec<Case> = kernel(name).cases().into_iter().filter(|c| !c.exact).collect();
    all.sort_by_key(|c| std::cmp::Reverse(c.ins.iter().map(elbo::values::HostBuf::len).sum::<usize>()));
    let mut forms = BTreeSet::new();
    // Two of a form, for each is some pipelines, and a software adapter takes seconds for one of products.
    all.into_iter().filter(|c| forms.insert(kernel(name).describe(&c.call))).take(3).collect()
}

#[test]
fn every_way_gives_the_same_bits() {
    if !gpu_wanted() {
        return;
    }
    let mut gpu = open_as_written(&Choice::Gpu).unwrap();
    for (name, least) in [("matmul_vec4", 8), ("matmul_scalar", 8), ("map", 4), ("reduce", 4)] {
        let cases = cases(name);
        assert!(!cases.is_empty(), "{name} has cases of reals");
        for case in cases {
            let all = ways(kernel(name), &case.call);
            assert!(all.len() >= least, "{name} has {} ways", all.len());
            // The first, the last, and one between: all of them are a matter of minutes.
            let some: Vec<_> = [0, all.len() / 2, all.len() - 1].map(|i| &all[i]).into();
            let mut seen = Vec::new();
            for way in some {
                let case = Case { call: way.call.clone(), ..case.clone() };
                let outs = observe(&mut *gpu, &Proof::new(way.kernel, case)).unwrap().outs;
                seen.push(outs.iter().map(|b| b.bytes().to_vec()).collect::<Vec<_>>());
            }
            assert!(seen.iter().all(|s| *s == seen[0]), "{name}, {}: bits differ between its ways", case.name);
        }
    }
}

/// What a real GPU takes, on whatever adapter there is: steps end in the same numbers as on the host, and in the same bits when
/// they are made again.
#[test]
fn the_ways_of_a_real_gpu_train_alike() {
    if !gpu_wanted() {
        return;
    }
    let adapter = adapter(&Choice::Gpu).unwrap().expect("an adapter");
    // Products of odd extents, weight gradients, sums over batches, losses, segments.
    // Where a code lies between two entries, it is the last bit that says which.
    let recipes: [(&str, f32, &[&str]); 2] = [
        ("vae", 1e-4, &["train.batch=128", "model.hidden=[37]", "model.latent=3"]),
        ("vq-vae", 1e-2, &["train.batch=64", "model.channels=8", "model.residual=4", "model.dimensions=4"]),
    ];
    for (recipe, tolerance, changes) in recipes {
        let config = settings(recipe, changes);
        let real = || {
            let gpu = Gpu::new(Context::open(&adapter, false).unwrap()).taking(Choices::of_real());
            steps(&mut Session::new(Box::new(gpu), &config, mnist(), None).unwrap(), 4)
        };
        let (first, again) = (real(), real());
        let bits = |rows: &[Vec<f32>]| rows.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&first), bits(&again), "{recipe}");
        let host = steps(&mut session(&Choice::Cpu, &config), 4);
        for (a, b) in first.iter().flatten().zip(host.iter().flatten()) {
            assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{recipe}: {first:?} {host:?}");
        }
    }
}

const SMALL: &str = "--set data.limit=128 --set train.batch=32 --set model.hidden=[5] --set model.latent=3";

/// With a cache and without one a run ends in the same bytes, and a damaged one is said, and passed over.
#[test]
fn what_was_tuned_changes_no_bit() {
    if !gpu_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let with_cache = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
        command.env("NODEVICE_SELECT", "1").env("ELBO_CACHE", at.join("cache")).current_dir(at);
        let o = command.args(words.split_whitespace()).output().unwrap();
        let [out, err] = [o.stdout, o.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(o.status.success(), "{words}: {err}");
        (out, err)
    };
    let train = |out: &str| {
        let (_, err) = with_cache(&format!("train ae --device gpu --quiet --steps 3 {SMALL} --out {out}"));
        (fs::read(at.join(out).join("checkpoints/step-3.safetensors")).unwrap(), err)
    };
    let (before, _) = train("before");
    let (out, err) = with_cache(&format!("bench tune --device gpu --recipe ae {SMALL} --json"));
    let lines: Vec<serde_json::Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.iter().any(|l| l["kernel"] == "matmul_scalar" && l["ways"].as_u64() >= Some(8)), "{out}");
    assert!(lines.iter().all(|l| l["us"].as_f64() > Some(0.0) && l["gain"].as_f64() > Some(0.0)), "{out}");
    assert!(err.contains("keeps the choices for this adapter"), "{err}");
    let file = fs::read_dir(at.join("cache")).unwrap().next().unwrap().unwrap().path();
    // What the measurements said is a matter of luck: here every product takes another workgroup than the plan's.
    let text = fs::read_to_string(&file).unwrap();
    let mut cache: serde_json::Value = serde_json::from_str(&text).unwrap();
    let calls: Vec<_> = lines.iter().filter(|l| l["kernel"] == "matmul_scalar").map(|l| l["call"].clone()).collect();
    assert!(!calls.is_empty(), "{out}");
    cache["choices"] = calls
        .into_iter()
        .map(|call| {
            let mut with: Vec<u64> = serde_json::from_value(call["consts"].clone()).unwrap();
            (with[6], with[7]) = if with[6] == 8 && with[7] == 8 { (4, 2) } else { (8, 8) };
            serde_json::json!({ "kernel": "matmul_scalar", "consts": call["consts"], "params": call["params"],
                "take": "matmul_scalar", "with": with, "us": 1.0, "plain_us": 2.0 })
        })
        .collect();
    fs::write(&file, cache.to_string()).unwrap();
    assert!(train("tuned").0 == before, "to the last bit");
    fs::write(&file, "{").unwrap();
    let (after, err) = train("damaged");
    assert!(after == before && err.contains("what was tuned is passed over") && err.contains("delete it"), "{err}");
}

#[test]
fn only_a_gpu_is_tuned() {
    let folder = tempfile::tempdir().unwrap();
    let o = elbo(folder.path(), "bench tune --device cpu");
    assert_eq!(o.status.code(), Some(2));
    assert!(String::from_utf8(o.stderr).unwrap().contains("--device cpu is no GPU"));
    succeeds(folder.path(), "help bench tune");
}
