//! The checkpoints of a run: written whole or not at all, the last two kept, the newest good one found.

use super::{Progress, Saved, collect, format, without_paths};
use crate::train::Session;
use crate::values::{Error, Result, note};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// How many checkpoints stay.
const KEPT: usize = 2;

/// Writes `checkpoints/step-N.safetensors`, points `latest` at it, and drops all but the last two.
pub fn save(session: &mut Session, step: u64, progress: &Progress, run: &Path) -> Result<PathBuf> {
    let dir = run.join("checkpoints");
    let name = format!("step-{step}.safetensors");
    let tensors = collect(session)?;
    let table: toml::Table =
        without_paths(&session.config).to_toml().parse().map_err(|e| Error::failure(format!("the settings: {e}")))?;
    let config = serde_json::to_value(table).map_err(|e| Error::failure(format!("the settings: {e}")))?;
    let is_weight = |name: &str| session.layout.find(name).is_some();
    let bytes = format::bytes(&tensors, is_weight, session.config.checkpoint.dtype, config, progress, step)?;
    write_whole(&dir, &name, &bytes)?;
    write_whole(&dir, "latest", format!("{name}\n").as_bytes())?;
    // One of a later step can only be one that was passed over as bad: it must not push out a good one.
    for (_, old) in steps(&dir)?.into_iter().filter(|(n, _)| *n <= step).skip(KEPT) {
        // A checkpoint too many does no harm; the next save tries again.
        let _ = fs::remove_file(old);
    }
    Ok(dir.join(name))
}

/// The newest checkpoint of a run that is whole; what was wrong with newer ones goes to stderr, loudly. None where there
/// is none at all; an error where every one is bad.
pub fn latest(run: &Path) -> Result<Option<Saved>> {
    let mut all = steps(&run.join("checkpoints"))?.into_iter().peekable();
    while let Some((_, path)) = all.next() {
        match format::read(&path) {
            Ok(saved) => return Ok(Some(saved)),
            Err(e) if all.peek().is_some() => note(format_args!("WARNING: {e}; trying the checkpoint before it")),
            Err(e) => return Err(Error::failure(format!("{e}; the run has no other checkpoint"))),
        }
    }
    Ok(None)
}

/// Removes what a killed run may have left half-written.
pub fn clean(run: &Path) -> Result<()> {
    let dir = run.join("checkpoints");
    let entries = fs::read_dir(&dir).into_iter().flatten().filter_map(|e| Some(e.ok()?.path()));
    let temporary = entries.filter(|p| p.extension().is_some_and(|e| e == "tmp"));
    for path in temporary.chain(["config.toml.tmp", "metrics.jsonl.tmp"].map(|n| run.join(n))) {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io("cannot remove", &path, &e)),
            _ => {}
        }
    }
    Ok(())
}

/// The checkpoints of a folder, the newest first.
fn steps(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        // A run that was killed before it had any.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| Error::io("cannot read the folder", dir, &e))?,
    };
    let entries = entries.filter_map(|e| Some(e.ok()?.path()));
    let step = |p: &PathBuf| p.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
    let mut all: Vec<(u64, PathBuf)> = entries.filter_map(|p| Some((step(&p)?, p))).collect();
    all.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    Ok(all)
}

/// [`write_whole`], by path. A link is followed; what is no regular file (`/dev/null`, a pipe) is written into.
pub fn write_whole_at(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    if fs::metadata(&target).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let mut file = File::options().write(true).open(&target).map_err(|e| Error::io("cannot write", path, &e))?;
        return file.write_all(bytes).map_err(|e| Error::io("cannot write", path, &e));
    }
    let dir = target.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match target.file_name().and_then(|n| n.to_str()) {
        Some(name) => write_whole(dir, name, bytes),
        None => Err(Error::usage(format!("{} names no file to write", path.display()))),
    }
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
    #[cfg(unix)]
    fn a_link_is_followed_and_a_device_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("link"), dir.path().join("target"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_whole_at(&link, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        write_whole_at(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn steps_are_ordered_by_number() {
        let dir = tempfile::tempdir().unwrap();
        for n in
            ["step-9.safetensors", "step-10.safetensors", "latest", "step-x.safetensors", "step-11.safetensors.tmp"]
        {
            fs::write(dir.path().join(n), "").unwrap();
        }
        assert_eq!(steps(dir.path()).unwrap().iter().map(|s| s.0).collect::<Vec<_>>(), [10, 9]);
    }
}
