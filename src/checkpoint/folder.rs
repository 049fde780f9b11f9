//! The checkpoints of a run: written whole or not at all, the last two kept, the newest good one found.

use super::{Progress, Saved, collect, format};
use crate::train::Session;
use crate::values::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// How many checkpoints stay.
const KEPT: usize = 2;

/// Writes `checkpoints/step-N.safetensors`, points `latest` at it, and drops all but the last two.
pub fn save(session: &mut Session, step: u64, progress: &Progress, run: &Path) -> Result<PathBuf> {
    let dir = run.join("checkpoints");
    let name = format!("step-{step}.safetensors");
    let tensors = collect(session)?;
    let table: toml::Table =
        session.config.to_toml().parse().map_err(|e| Error::failure(format!("the settings: {e}")))?;
    let config = serde_json::to_value(table).map_err(|e| Error::failure(format!("the settings: {e}")))?;
    let is_weight = |name: &str| session.layout.find(name).is_some();
    let bytes = format::bytes(&tensors, is_weight, session.config.checkpoint.dtype, config, progress, step)?;
    write_whole(&dir, &name, &bytes)?;
    write_whole(&dir, "latest", format!("{name}\n").as_bytes())?;
    for (_, old) in steps(&dir).into_iter().skip(KEPT) {
        // A checkpoint too many does no harm; the next save tries again.
        let _ = fs::remove_file(old);
    }
    Ok(dir.join(name))
}

/// The newest checkpoint of a run that is whole; what was wrong with newer ones goes to stderr, loudly. None where there
/// is none at all; an error where every one is bad.
pub fn latest(run: &Path) -> Result<Option<Saved>> {
    let mut last = None;
    for (_, path) in steps(&run.join("checkpoints")) {
        match format::read(&path) {
            Ok(saved) => return Ok(Some(saved)),
            Err(e) => {
                eprintln!("WARNING: {e}; trying the checkpoint before it");
                last = Some(e);
            }
        }
    }
    last.map_or(Ok(None), Err)
}

/// The checkpoints of a folder, the newest first.
fn steps(dir: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(|e| Some(e.ok()?.path()));
    let step = |p: &PathBuf| p.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
    let mut all: Vec<(u64, PathBuf)> = entries.filter_map(|p| Some((step(&p)?, p))).collect();
    all.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    all
}

/// Writes a file whole or not at all: a temporary sibling, fsynced, renamed, the folder fsynced.
pub fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (path, temporary) = (dir.join(name), dir.join(format!("{name}.tmp")));
    let attempt = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        // The rename is durable once the folder is.
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    };
    attempt().map_err(|e| {
        let _ = fs::remove_file(&temporary);
        Error::io("cannot write", &path, &e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        write_whole(dir.path(), "a", b"old").unwrap();
        // The temporary's name is taken by a folder: it cannot be made.
        fs::create_dir(dir.path().join("a.tmp")).unwrap();
        let text = write_whole(dir.path(), "a", b"new").unwrap_err().to_string();
        assert!(text.starts_with("cannot write "), "{text}");
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"old");
    }

    #[test]
    fn steps_are_ordered_by_number() {
        let dir = tempfile::tempdir().unwrap();
        for n in
            ["step-9.safetensors", "step-10.safetensors", "latest", "step-x.safetensors", "step-11.safetensors.tmp"]
        {
            fs::write(dir.path().join(n), "").unwrap();
        }
        assert_eq!(steps(dir.path()).iter().map(|s| s.0).collect::<Vec<_>>(), [10, 9]);
    }
}
