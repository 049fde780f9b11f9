//! Which of the ways to compute a call an adapter takes: one by its class, or a better one that `elbo bench tune` has measured
//! and cached. Plans say what is computed, and are the same for every device; a choice changes no bit of a result on a device.

use crate::kernels::{Call, Kernel, kernel, matmul_tiled};
use crate::plan::MAX_LOOP;
use crate::values::{Error, Result, note};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A way to compute a call: a kernel, and its overrides; `Params` and bindings are the call's.
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
/// Kernels whose invocations are alone: how many stand in a workgroup is free. (`elbo check` proves it of every kernel.)
const ALONE: [&str; 8] = ["adam", "argmax", "copy", "gather", "map", "patches", "reduce", "segment_sum"];

/// The ways to compute a call that form its sums in the same order: itself, and others.
pub fn ways(k: &'static dyn Kernel, call: &Call) -> Vec<Way> {
    let place = |name: &str| k.overrides().iter().position(|o| *o == name);
    let with = |changes: &[(usize, u32)]| {
        let mut call = call.clone();
        changes.iter().for_each(|&(i, v)| call.consts[i] = v);
        Way { kernel: k, call }
    };
    let mut others = match (place("WGX"), place("WGY"), place("WG")) {
        (Some(x), Some(y), _) => TWO.map(|(wgx, wgy)| with(&[(x, wgx), (y, wgy)])).to_vec(),
        (_, _, Some(wg)) if ALONE.contains(&k.name()) => ONE.map(|n| with(&[(wg, n)])).to_vec(),
        _ => vec![],
    };
    if k.name() == "matmul_vec4" {
        others.push(tiled(call));
    }
    others.retain(|w| w.call.consts != call.consts && w.kernel.work(&w.call).loop_bound <= MAX_LOOP);
    [vec![with(&[])], others].concat()
}

/// A product by tiles.
fn tiled(call: &Call) -> Way {
    let consts = call.consts[..matmul_tiled::FORM].to_vec();
    Way { kernel: kernel("matmul_tiled"), call: Call { consts, params: call.params.clone() } }
}

/// A way that was measured to be better, as the cache has it.
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
    /// Those of the way that the plan names.
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
    /// By kernel, overrides and parameters of a call: the kernel and the overrides to take.
    measured: HashMap<Named, (String, Vec<u32>)>,
}

impl Choices {
    /// Of an adapter, with what was measured on it. A cache that cannot be read is passed over, loudly.
    pub fn of(info: &wgpu::AdapterInfo) -> Self {
        let mut choices = Self { real: !super::is_software(info), ..Self::default() };
        let cached = cache_file(&info.name, &driver(info)).and_then(|path| read(&path)).unwrap_or_else(|e| {
            note(format_args!("note: what was tuned is passed over: {e}"));
            Cache::default()
        });
        if cached.kernels == texts() {
            for m in cached.choices {
                choices.measured.insert((m.kernel, m.consts, m.params), (m.take, m.with));
            }
        }
        choices
    }

    /// How a call is computed here.
    pub fn way(&self, k: &'static dyn Kernel, call: &Call) -> Way {
        let known = self.measured.get(&(k.name().to_string(), call.consts.clone(), call.params.clone()));
        let plain = || Way { kernel: k, call: call.clone() };
        if let Some((take, with)) = known {
            // Only what is a way: a file is not trusted with more.
            return ways(k, call)
                .into_iter()
                .find(|w| w.kernel.name() == take && w.call.consts == *with)
                .unwrap_or_else(plain);
        }
        if self.real && ["matmul_vec4", "matmul_scalar"].contains(&k.name()) {
            let way = tiled(call);
            if way.kernel.work(&way.call).loop_bound <= MAX_LOOP {
                return way;
            }
        }
        plain()
    }
}

/// The cache of an adapter with what was measured, and the file that it belongs in, for later runs; what was known of other
/// calls stays.
pub fn kept(adapter: &str, driver: &str, found: Vec<Measured>) -> Result<(PathBuf, String)> {
    let path = cache_file(adapter, driver)?;
    let known = read(&path).ok().filter(|c| c.kernels == texts()).map_or_else(Vec::new, |c| c.choices);
    let same = |a: &Measured, b: &Measured| a.kernel == b.kernel && a.consts == b.consts && a.params == b.params;
    let mut choices: Vec<Measured> = known.into_iter().filter(|k| !found.iter().any(|f| same(k, f))).collect();
    // Where the plan's own way is the best, that is known by there being nothing.
    choices.extend(found.into_iter().filter(|m| (&m.take, &m.with) != (&m.kernel, &m.consts)));
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
    crate::kernels::REGISTRY.iter().for_each(|k| sum.update(k.wgsl().as_bytes()));
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::matmul_vec4::Form;

    fn product(k: u32) -> Call {
        Call { consts: Form { wg: (8, 1), ..Form::product(false, true) }.consts().into(), params: vec![128, 400, k, 1] }
    }

    #[test]
    fn a_real_gpu_takes_products_by_tiles_where_their_loops_end_in_time() {
        let (vec4, map) = (kernel("matmul_vec4"), kernel("map"));
        let [software, real] = [false, true].map(|real| Choices { real, measured: HashMap::new() });
        assert_eq!(software.way(vec4, &product(784)).kernel.name(), "matmul_vec4");
        assert_eq!(real.way(vec4, &product(784)).kernel.name(), "matmul_tiled");
        assert_eq!(real.way(vec4, &product(100_000)).kernel.name(), "matmul_vec4", "more rounds than a loop may have");
        let case = map.cases().remove(0);
        assert_eq!(real.way(map, &case.call).kernel.name(), "map");
    }

    #[test]
    fn a_measured_way_is_taken_if_it_is_one() {
        let (vec4, call) = (kernel("matmul_vec4"), product(784));
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
