//! WGSL on the host: `#import`, parse, validate and reflect with naga. The .wgsl is the only source of truth for its
//! interface; nothing of it is restated by hand. No wgpu here.

use super::Kernel;
use crate::values::{DType, Error, Result};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The importable files, by the name after `#import`.
pub const LIBRARY: &[(&str, &str)] = &[
    ("elementwise", include_str!("../../shaders/lib/elementwise.wgsl")),
    ("epilogue", include_str!("../../shaders/lib/epilogue.wgsl")),
    ("half", include_str!("../../shaders/lib/half.wgsl")),
    ("index", include_str!("../../shaders/lib/index.wgsl")),
    ("numerics", include_str!("../../shaders/lib/numerics.wgsl")),
    ("program", include_str!("../../shaders/lib/program.wgsl")),
    ("rng", include_str!("../../shaders/lib/rng.wgsl")),
    ("step", include_str!("../../shaders/lib/step.wgsl")),
    ("tiles", include_str!("../../shaders/lib/tiles.wgsl")),
];

/// The first line of a kernel whose invocations speak to each other.
pub const ENABLE_SUBGROUPS: &str = "enable subgroups;";

/// A kernel's text with its imports put in, and where each line came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// What a driver compiles.
    pub text: String,
    /// For each line of `text`: the file under shaders/ and the line there, from 1.
    lines: Vec<(String, usize)>,
}

impl Source {
    /// Puts the text of every imported file in place of its `#import` line, each file once.
    pub fn resolve(name: &str, text: &str) -> Result<Self> {
        let mut s = Self { text: String::new(), lines: Vec::new() };
        let mut seen = Vec::new();
        s.include(&format!("{name}.wgsl"), text, &mut seen)?;
        Ok(s)
    }

    fn include(&mut self, file: &str, text: &str, seen: &mut Vec<&'static str>) -> Result<()> {
        for (i, line) in current(file, text)?.lines().enumerate() {
            if let Some(wanted) = line.strip_prefix("#import ") {
                let Some(&(name, body)) = LIBRARY.iter().find(|(n, _)| *n == wanted.trim()) else {
                    return Err(Error::failure(format!("shaders/{file}:{}: no lib/{wanted}.wgsl", i + 1)));
                };
                if !seen.contains(&name) {
                    seen.push(name);
                    self.include(&format!("lib/{name}.wgsl"), body, seen)?;
                }
            } else {
                // naga has what the extension enables, and refuses the line that asks for it, which other compilers want.
                let line = if line.trim() == ENABLE_SUBGROUPS { "" } else { line };
                self.text.push_str(line);
                self.text.push('\n');
                self.lines.push((file.to_string(), i + 1));
            }
        }
        Ok(())
    }

    /// The real place of line `n` (from 1) of the resolved text.
    pub fn place(&self, n: usize) -> String {
        self.lines.get(n.saturating_sub(1)).map_or_else(|| "?".into(), |(f, l)| format!("shaders/{f}:{l}"))
    }

    /// Parses and validates; errors name the real file and line.
    pub fn parse(&self) -> Result<(naga::Module, naga::valid::ModuleInfo)> {
        let at = |line: Option<u32>, what: String| {
            let place = line.map_or_else(String::new, |l| self.place(l as usize));
            Error::failure(format!("{place}: {what}"))
        };
        let module = naga::front::wgsl::parse_str(&self.text)
            .map_err(|e| at(e.location(&self.text).map(|l| l.line_number), e.message().to_string()))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP)
            .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
            .subgroup_operations(naga::valid::SubgroupOperationSet::all())
            .validate(&module)
            .map_err(|e| at(e.location(&self.text).map(|l| l.line_number), e.into_inner().to_string()))?;
        Ok((module, info))
    }

    /// Reads the interface off the module.
    pub fn reflect(&self) -> Result<Interface> {
        let (m, _) = self.parse()?;
        interface(&m).ok_or_else(|| Error::failure(format!("{}: not the form of a kernel", self.place(1))))
    }
}

/// The text of shaders/`file`: what was embedded when this was built. In the mutation pass (feature `mutants`) it is read
/// from the folder `$ELBO_SHADERS`, where that is set.
fn current<'t>(file: &str, embedded: &'t str) -> Result<Cow<'t, str>> {
    #[cfg(feature = "mutants")]
    if let Some(folder) = std::env::var_os("ELBO_SHADERS") {
        let path = std::path::Path::new(&folder).join(file);
        let text = std::fs::read_to_string(&path);
        return text.map(Cow::Owned).map_err(|e| Error::failure(format!("{}: {e}", path.display())));
    }
    let _ = file;
    Ok(Cow::Borrowed(embedded))
}

/// How a kernel uses one storage buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// `read`: an input.
    Read,
    /// `read_write`: an output, written whole or updated in place.
    Write,
}

/// One storage binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Its name in the .wgsl.
    pub name: String,
    /// Its use.
    pub access: Access,
    /// The type of its words.
    pub dtype: DType,
    /// Words an array element: 1, or 4 for `array<vec4f>`.
    pub lanes: u32,
}

/// What the .wgsl says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// The storage bindings, 0, 1, …: inputs first, then outputs.
    pub storage: Vec<Binding>,
    /// The binding of `Params`, right after the storage bindings.
    pub params: u32,
    /// The fields of `Params` with their byte offsets.
    pub fields: Vec<(String, DType, u32)>,
    /// The binding of the step row, if the kernel reads it.
    pub step: Option<u32>,
    /// The overrides, in order of declaration.
    pub overrides: Vec<String>,
}

impl Interface {
    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.storage.iter().filter(|b| b.access == Access::Read).count()
    }

    /// The types of what is read or written, where the bindings of these bits hold reals ([`Kernel::reals`]).
    pub fn types(&self, access: Access, reals: u32) -> Vec<DType> {
        let of = |(i, b): (usize, &Binding)| if reals >> i & 1 != 0 { DType::F32 } else { b.dtype };
        self.storage.iter().enumerate().filter(|(_, b)| b.access == access).map(of).collect()
    }
}

/// What a kernel's .wgsl says of itself, read once a process.
pub fn interface_of(kernel: &dyn Kernel) -> Result<Arc<Interface>> {
    // By the place of its text: tests break kernels that keep their names.
    static KNOWN: LazyLock<Mutex<HashMap<usize, Arc<Interface>>>> = LazyLock::new(Mutex::default);
    let text = kernel.wgsl();
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = text.as_ptr() as usize;
    if let Some(found) = known().get(&place) {
        return Ok(found.clone());
    }
    let read = Arc::new(Source::resolve(kernel.name(), text)?.reflect()?);
    known().insert(place, read.clone());
    Ok(read)
}

fn scalar_dtype(s: naga::Scalar) -> Option<DType> {
    match (s.kind, s.width) {
        (naga::ScalarKind::Float, 4) => Some(DType::F32),
        (naga::ScalarKind::Uint, 4) => Some(DType::U32),
        _ => None,
    }
}

fn interface(m: &naga::Module) -> Option<Interface> {
    use naga::{AddressSpace, StorageAccess, TypeInner};
    let mut storage = Vec::new();
    let (mut params, mut step, mut fields) = (None, None, Vec::new());
    let mut globals: Vec<_> = m.global_variables.iter().filter_map(|(_, v)| v.binding.map(|b| (b, v))).collect();
    globals.sort_by_key(|(b, _)| (b.group, b.binding));
    for (place, (b, v)) in globals.iter().enumerate() {
        if b.group != 0 || b.binding as usize != place {
            return None;
        }
        match (v.space, &m.types[v.ty].inner) {
            (AddressSpace::Storage { access }, TypeInner::Array { base, .. }) => {
                let (dtype, lanes) = match m.types[*base].inner {
                    TypeInner::Scalar(s) => (scalar_dtype(s)?, 1),
                    TypeInner::Vector { size: naga::VectorSize::Quad, scalar } => (scalar_dtype(scalar)?, 4),
                    _ => return None,
                };
                let access = if access.contains(StorageAccess::STORE) { Access::Write } else { Access::Read };
                storage.push(Binding { name: v.name.clone()?, access, dtype, lanes });
            }
            (AddressSpace::Uniform, TypeInner::Struct { members, .. }) => {
                if m.types[v.ty].name.as_deref() == Some("Step") {
                    step = Some(b.binding);
                    continue;
                }
                params = Some(b.binding);
                for f in members {
                    let TypeInner::Scalar(s) = m.types[f.ty].inner else { return None };
                    fields.push((f.name.clone()?, scalar_dtype(s)?, f.offset));
                }
            }
            _ => return None,
        }
    }
    let overrides = m.overrides.iter().map(|(_, o)| o.name.clone()).collect::<Option<_>>()?;
    let reads_first = storage.is_sorted_by_key(|b: &Binding| b.access == Access::Write);
    (params == Some(storage.len() as u32) && reads_first && m.entry_points.len() == 1).then_some(Interface {
        params: storage.len() as u32,
        storage,
        fields,
        step,
        overrides,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_an_imported_file_names_that_file_and_its_line() {
        let s = Source::resolve("probe", "// one\n#import index\nfn f() -> f32 { return 1u; }\n").unwrap();
        let library_lines = LIBRARY.iter().find(|(name, _)| *name == "index").unwrap().1.lines().count();
        assert_eq!(s.place(2), "shaders/lib/index.wgsl:1");
        assert_eq!(s.place(library_lines + 2), "shaders/probe.wgsl:3");
        let e = s.parse().unwrap_err().to_string();
        assert!(e.starts_with("shaders/probe.wgsl:3: "), "{e}");
    }

    #[test]
    fn an_unknown_import_is_refused() {
        assert!(Source::resolve("probe", "#import nothing\n").unwrap_err().to_string().contains("lib/nothing.wgsl"));
    }
}
