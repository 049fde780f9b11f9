//! Which of the ways to compute a call an adapter takes: one by its class, or a better one that `elbo bench tune` has measured
//! and cached. Plans say what is computed, and are the same for every device; a choice changes no bit of a result on a device.

use super::Context;
use crate::kernels::matmul_vec4::FORM;
use crate::kernels::wgsl::Source;
use crate::kernels::{Call, Kernel, kernel, map, matmul_subgroup, matmul_tiled, scalars};
use crate::plan::MAX_LOOP;
use crate::values::{Error, Result, note};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How many invocations share a sum of [`SHARED`] terms or more on a real GPU; and how many there are in a plan's workgroups.
const LANES: u32 = 64;
/// Sums of fewer terms are one invocation's.
const SHARED: u32 = 64;

/// A way to compute a call: a kernel, its overrides and its `Params`; the bindings are the call's.
#[derive(Clone)]
pub struct Way {
    /// The kernel.
    pub kernel: &'static dyn Kernel,
    /// With what overrides.
    pub call: Call,
}

/// Workgroups of products: along n and along m.
const TWO: [(u32, u32); 8] = [(8, 1), (4, 2), (2, 4), (1, 8), (8, 4), (8, 8), (16, 8), (32, 4)];
/// Workgroups of what goes through elements.
const ONE: [u32; 4] = [32, 64, 128, 256];
/// Kernels whose invocations are alone, or share a run with neighbours by `LANES`: how many more stand in a workgroup is free.
/// (`elbo check` proves it of every kernel.)
const ALONE: [&str; 8] = ["adam", "argmax", "copy", "gather", "map", "patches", "reduce", "segment_sum"];

/// The ways to compute a call that form its sums in the same order: itself, and others.
pub fn ways(k: &'static dyn Kernel, call: &Call) -> Vec<Way> {
    let place = |name: &str| k.overrides().iter().position(|o| *o == name);
    let with = |changes: &[(usize, u32)]| {
        let mut call = call.clone();
        changes.iter().for_each(|&(i, v)| call.consts[i] = v);
        Way { kernel: k, call }
    };
    // Of those that share a run there are at least as many in a workgroup.
    let lanes = place("LANES").map_or(1, |i| call.consts[i]);
    let mut others = match (place("WGX"), place("WGY"), place("WG")) {
        (Some(x), Some(y), _) => TWO.map(|(wgx, wgy)| with(&[(x, wgx), (y, wgy)])).to_vec(),
        (_, _, Some(wg)) if ALONE.contains(&k.name()) => {
            ONE.iter().filter(|&&n| n >= lanes).map(|&n| with(&[(wg, n)])).collect()
        }
        _ => vec![],
    };
    others.retain(|w| w.call.consts != call.consts && w.kernel.work(&w.call).loop_bound <= MAX_LOOP);
    [vec![with(&[])], others].concat()
}

/// How a real GPU computes a call, unless something better was measured: its invocations have few registers and much company,
/// its workgroups fast memory, so that a tile is a workgroup's and a long sum is shared.
fn shared(k: &'static dyn Kernel, call: &Call) -> Option<Way> {
    let lanes = |place: usize, lanes: u32| {
        let mut call = call.clone();
        call.consts[place] = lanes;
        Way { kernel: k, call }
    };
    let p = &call.params;
    let way = match k.name() {
        "matmul_vec4" | "matmul_scalar" => {
            let side = matmul_tiled::side(p[0], p[1], p[2], p[3]);
            let consts = [&call.consts[..FORM], &[side]].concat();
            Way { kernel: kernel("matmul_tiled"), call: Call { consts, params: p.clone() } }
        }
        "weight_grad" => {
            let consts = vec![matmul_tiled::side(p[0], p[1] + 1, p[2], 1)];
            Way { kernel: kernel("weight_grad_tiled"), call: Call { consts, params: p.clone() } }
        }
        // Sums of few terms are many, or short.
        "reduce" if p[4] >= SHARED => lanes(2, LANES),
        "map" if p[1] >= SHARED => lanes(map::LANES, LANES),
        // Of a matrix an invocation has sixteen columns to add up.
        "segment_sum" if p[4] >= SHARED => lanes(1, 16),
        "finite" if p[1] >= SHARED => lanes(1, LANES),
        "gate" => lanes(0, LANES),
        "scalars" => lanes(scalars::LANES, LANES),
        _ => return None,
    };
    (way.kernel.work(&way.call).loop_bound <= MAX_LOOP).then_some(way)
}

/// How a software adapter with subgroups computes a call: a load costs it more than arithmetic, so that what one invocation has
/// read it tells its neighbours.
fn told(k: &'static dyn Kernel, call: &Call) -> Option<Way> {
    let p = &call.params;
    let (name, call) = match k.name() {
        "matmul_vec4" => ("matmul_subgroup", matmul_subgroup::call(call)),
        "weight_grad" => ("weight_grad_subgroup", Call { consts: vec![], params: p.clone() }),
        _ => return None,
    };
    let way = Way { kernel: kernel(name), call };
    (matmul_subgroup::suits(p[1]) && way.kernel.work(&way.call).loop_bound <= MAX_LOOP).then_some(way)
}

/// The way that was measured to be the best, as the cache has it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The kernel that a plan names.
    pub kernel: String,
    /// Its overrides there.
    pub consts: Vec<u32>,
    /// And parameters.
    pub params: Vec<u32>,
    /// The kernel to take.
    pub take: String,
    /// Its overrides.
    pub with: Vec<u32>,
    /// Microseconds, the median.
    pub us: f64,
    /// Those of the way that the adapter's class takes.
    pub plain_us: f64,
}

/// The cache of an adapter.
#[derive(Default, Serialize, Deserialize)]
struct Cache {
    adapter: String,
    driver: String,
    /// A checksum of every kernel's text: what was measured of others says nothing.
    kernels: u32,
    choices: Vec<Measured>,
}

/// A call by the name of its kernel, its overrides and its parameters.
type Named = (String, Vec<u32>, Vec<u32>);

/// What an adapter takes.
#[derive(Default)]
pub struct Choices {
    /// Workgroups share fast memory, and each invocation has few registers: any real GPU.
    real: bool,
    /// There are subgroups.
    subgroups: bool,
    /// By kernel, overrides and parameters of a call: the kernel and the overrides to take.
    measured: HashMap<Named, (String, Vec<u32>)>,
}

impl Choices {
    /// Of an adapter's class.
    pub fn of_class(info: &wgpu::AdapterInfo, subgroups: bool) -> Self {
        Self { real: !super::is_software(info), subgroups, ..Self::default() }
    }

    /// Of a real GPU, whatever there is: what it takes can be tried on any adapter.
    pub fn of_real() -> Self {
        Self { real: true, ..Self::default() }
    }

    /// Of an adapter, with what was measured on it. A cache that cannot be read is passed over, loudly.
    pub fn of(context: &Context) -> Self {
        let info = &context.info;
        let mut choices = Self::of_class(info, context.subgroups);
        let cached = cache_file(&info.name, &driver(info)).and_then(|path| read(&path)).unwrap_or_else(|e| {
            note(format_args!("note: what was tuned is passed over: {e}"));
            Cache::default()
        });
        // To read every kernel's text takes time, and most starts have no cache.
        if !cached.choices.is_empty() && cached.kernels == texts() {
            for m in cached.choices {
                choices.measured.insert((m.kernel, m.consts, m.params), (m.take, m.with));
            }
        }
        choices
    }

    /// How a call is computed here.
    pub fn way(&self, k: &'static dyn Kernel, call: &Call) -> Way {
        let own = self.by_class(k, call);
        let known = self.measured.get(&(k.name().to_string(), call.consts.clone(), call.params.clone()));
        let Some((take, with)) = known else { return own };
        // Only what is a way: a file is not trusted with more.
        let all = ways(own.kernel, &own.call);
        all.into_iter().find(|w| w.kernel.name() == take && w.call.consts == *with).unwrap_or(own)
    }

    /// All ways to compute a call here with the same bits, the one that the adapter's class takes first.
    pub fn ways(&self, k: &'static dyn Kernel, call: &Call) -> Vec<Way> {
        let Way { kernel, call } = self.by_class(k, call);
        ways(kernel, &call)
    }

    fn by_class(&self, k: &'static dyn Kernel, call: &Call) -> Way {
        let better = match (self.real, self.subgroups) {
            (true, _) => shared(k, call),
            (false, true) => told(k, call),
            (false, false) => None,
        };
        better.unwrap_or_else(|| Way { kernel: k, call: call.clone() })
    }
}

/// The cache of an adapter with what was measured, and the file that it belongs in, for later runs; what was known of other
/// calls stays.
pub fn kept(adapter: &str, driver: &str, found: Vec<Measured>) -> Result<(PathBuf, String)> {
    let path = cache_file(adapter, driver)?;
    let known = read(&path).ok().filter(|c| c.kernels == texts()).map_or_else(Vec::new, |c| c.choices);
    let same = |a: &Measured, b: &Measured| a.kernel == b.kernel && a.consts == b.consts && a.params == b.params;
    let mut choices: Vec<Measured> = known.into_iter().filter(|k| !found.iter().any(|f| same(k, f))).collect();
    choices.extend(found);
    let cache = Cache { adapter: adapter.into(), driver: driver.into(), kernels: texts(), choices };
    let text = serde_json::to_string_pretty(&cache).map_err(|e| Error::failure(format!("the choices: {e}")))?;
    Ok((path, text))
}

/// The driver, as [`DeviceInfo`](crate::exec::DeviceInfo) has it.
pub fn driver(info: &wgpu::AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_string()
}

/// `tune-HASH.json` in `$ELBO_CACHE`, or `elbo` in the system's folder of caches.
fn cache_file(adapter: &str, driver: &str) -> Result<PathBuf> {
    let dir = std::env::var_os("ELBO_CACHE").map(PathBuf::from).or_else(|| dirs::cache_dir().map(|d| d.join("elbo")));
    let dir = dir.ok_or_else(|| Error::failure("there is no folder for caches: set ELBO_CACHE"))?;
    let id = crc32fast::hash(format!("{adapter}\n{driver}").as_bytes());
    Ok(dir.join(format!("tune-{id:08x}.json")))
}

/// The cache at a path; an empty one where there is none.
fn read(path: &Path) -> Result<Cache> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|e| Error::failure(format!("{} is damaged: {e}; delete it", path.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Cache::default()),
        Err(e) => Err(Error::io("cannot read", path, &e)),
    }
}

fn texts() -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for k in crate::kernels::REGISTRY {
        let text = Source::resolve(k.name(), k.wgsl()).map_or_else(|e| e.to_string(), |source| source.text);
        sum.update(text.as_bytes());
    }
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::matmul_vec4::Form;

    fn product(m: u32, k: u32) -> Call {
        Call { consts: Form { wg: (8, 1), ..Form::product(false, true) }.consts().into(), params: vec![m, 400, k, 1] }
    }

    #[test]
    fn a_real_gpu_takes_products_by_tiles_where_their_loops_end_in_time() {
        let vec4 = kernel("matmul_vec4");
        let real = Choices::of_real();
        let [bare, software] = [false, true].map(|subgroups| Choices { subgroups, ..Choices::default() });
        assert_eq!(bare.way(vec4, &product(128, 784)).kernel.name(), "matmul_vec4");
        assert_eq!(software.way(vec4, &product(128, 784)).kernel.name(), "matmul_subgroup");
        let narrow = Call { params: vec![128, 20, 400, 1], ..product(128, 400) };
        assert_eq!(software.way(vec4, &narrow).kernel.name(), "matmul_vec4");
        assert_eq!(real.way(vec4, &product(128, 784)).kernel.name(), "matmul_tiled");
        let long = product(4096, 100_000);
        assert_eq!(real.way(vec4, &long).kernel.name(), "matmul_vec4", "more rounds than a loop may have");
    }

    #[test]
    fn a_real_gpu_shares_long_sums_and_no_short_ones() {
        let real = Choices::of_real();
        let reduce = kernel("reduce");
        let lanes = |[k, inner]: [u32; 2]| {
            let call = Call { consts: vec![0, 64, 1], params: vec![1, k, inner, 1, k, 1f32.to_bits()] };
            assert_eq!(Choices::default().way(reduce, &call).call.consts, call.consts);
            real.way(reduce, &call).call.consts[2]
        };
        assert_eq!([lanes([1000, 30]), lanes([10, 3000])], [LANES, 1]);
    }

    #[test]
    fn a_measured_way_is_taken_if_it_is_one() {
        let (vec4, call) = (kernel("matmul_vec4"), product(128, 784));
        let mut choices = Choices::default();
        let key = ("matmul_vec4".to_string(), call.consts.clone(), call.params.clone());
        let other = Form { wg: (4, 2), ..Form::of(&call.consts) }.consts().to_vec();
        choices.measured.insert(key.clone(), ("matmul_vec4".into(), other.clone()));
        assert_eq!(choices.way(vec4, &call).call.consts, other);
        // A file that says what computes something else.
        choices.measured.insert(key, ("matmul_vec4".into(), Form::product(true, false).consts().to_vec()));
        assert_eq!(choices.way(vec4, &call).call.consts, call.consts);
    }

    #[test]
    fn ways_begin_with_the_call_and_are_all_different() {
        for k in crate::kernels::REGISTRY {
            for case in k.cases().into_iter().take(3) {
                let all = ways(*k, &case.call);
                assert_eq!((all[0].kernel.name(), &all[0].call.consts), (k.name(), &case.call.consts));
                let seen: std::collections::HashSet<_> =
                    all.iter().map(|w| (w.kernel.name(), &w.call.consts)).collect();
                assert_eq!(seen.len(), all.len(), "{}", k.name());
            }
        }
    }
}
