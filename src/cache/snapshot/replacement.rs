//! Replaces a file atomically: a reader finds the old one or the new one, whatever happens in between.
//!
//! We do not use the crate tempfile: its builder puts the whole path into its errors, and a path here is a setting that
//! may hold a key by mistake, which [`FilePath`] shows nowhere. Nor could leftovers of a crash be told from files of other
//! programs by its names. Without the builder it would save only a few lines.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::files::FilePath;

/// The text between the file's name and the random part of a temporary file's name, which is 16 hexadecimal digits.
const INFIX: &str = ".nebulink-";

/// The end of the names of temporary files.
const SUFFIX: &str = ".tmp";

/// Only the owner may read the file: its links lead to what people said.
const OWNER_ALONE: u32 = 0o600;

/// The most names that are tried, when another process takes the temporary file for a leftover before it is locked.
const ATTEMPTS: u32 = 8;

/// A temporary file that is to replace another, in the same folder. It is removed when it is dropped.
///
/// It is locked while it is written, so temporary files without a lock are those that a crash left.
#[derive(Debug)]
pub(super) struct Replacement {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    folder: PathBuf,
}

impl Replacement {
    /// Begins to replace a file, and removes temporary files that crashes left. A symbolic link is followed: its target is
    /// replaced.
    pub(super) fn begin(path: &FilePath) -> io::Result<Self> {
        let target = match fs::canonicalize(path.as_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.as_path().to_owned(),
            target => target?,
        };
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let folder = match target.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        for _ in 0..ATTEMPTS {
            let temporary = folder.join(temporary_name(&name, fastrand::u64(..)));
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(OWNER_ALONE).open(&temporary)?;
            let replacement = Self { file, temporary, target: target.clone(), folder: folder.clone() };
            // Some file systems have no locks; there, leftovers stay. A lock that is taken is that of a process about to
            // remove the file.
            if matches!(replacement.file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
                continue;
            }
            let metadata = replacement.file.metadata()?;
            if metadata.nlink() > 0 {
                remove_leftovers(&folder, &name, metadata.uid(), path);
                return Ok(replacement);
            }
        }
        Err(io::Error::other("another process removes each temporary file"))
    }

    /// The temporary file, to be written to.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the temporary file to the disk, and renames it to the name of the other.
    pub(super) fn commit(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.target)?;
        // The new name must survive a power failure as well. Some file systems cannot sync a folder.
        match File::open(&self.folder)?.sync_all() {
            Err(error)
                if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After a commit there is no file of this name.
        drop(fs::remove_file(&self.temporary));
    }
}

fn temporary_name(name: &OsStr, random: u64) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!("{INFIX}{random:016x}{SUFFIX}"));
    temporary
}

/// Returns true if this is the name of a temporary file for a file of that name.
fn is_temporary_name(candidate: &OsStr, name: &OsStr) -> bool {
    let random = candidate
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_prefix(name.as_encoded_bytes()))
        .and_then(|rest| rest.strip_prefix(INFIX.as_bytes()))
        .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    random.is_some_and(|random| {
        random.len() == 16 && random.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Removes temporary files that no process is writing: regular files of the same owner with a name of ours. One that
/// cannot be examined stays, which does no harm.
fn remove_leftovers(folder: &Path, name: &OsStr, owner: u32, snapshot: &FilePath) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !is_temporary_name(&entry.file_name(), name) {
            continue;
        }
        // Another process may remove it at any moment.
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if !metadata.is_file() || metadata.uid() != owner {
            continue;
        }
        let Ok(leftover) = OpenOptions::new().write(true).open(&path) else { continue };
        if leftover.try_lock().is_ok() {
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!(%snapshot, "removed a leftover temporary file of the snapshot"),
                Err(error) => {
                    tracing::warn!(%snapshot, %error, "failed to remove a leftover temporary file of the snapshot");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn replace(path: &Path, content: &str) {
        let replacement = Replacement::begin(&path.into()).unwrap();
        replacement.file().write_all(content.as_bytes()).unwrap();
        replacement.commit().unwrap();
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_when_it_is_committed_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("links");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let replacement = Replacement::begin(&(&path).into()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&replacement.temporary), 0o600);
        replacement.file().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        replacement.commit().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o600));
        assert_eq!(names(folder.path()), ["links"]);
    }

    #[test]
    fn what_is_not_committed_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        drop(Replacement::begin(&folder.path().join("links").into()).unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn leftovers_are_removed_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let kept = [
            ".links.nebulink-0123456789abcde.tmp",
            ".links.nebulink-0123456789abcdeF.tmp",
            ".links.nebulink-0123456789abcdef.tmp.bak",
            ".links.tmp",
            ".other.nebulink-0123456789abcdef.tmp",
            "links.nebulink-0123456789abcdef.tmp",
        ];
        for name in kept {
            fs::write(at(name), "somebody's").unwrap();
        }
        fs::write(at(".links.nebulink-0123456789abcdef.tmp"), "half a file").unwrap();
        symlink(at("links.tmp"), at(".links.nebulink-00000000000000aa.tmp")).unwrap();
        fs::create_dir(at(".links.nebulink-00000000000000bb.tmp")).unwrap();
        // Somebody else is writing this one.
        let other = Replacement::begin(&at("links").into()).unwrap();
        replace(&at("links"), "new");
        let mut expected: Vec<OsString> = kept.map(OsString::from).into();
        expected.extend(
            [".links.nebulink-00000000000000aa.tmp", ".links.nebulink-00000000000000bb.tmp"]
                .map(OsString::from),
        );
        expected.extend(other.temporary.file_name().map(OsStr::to_owned));
        expected.push("links".into());
        expected.sort();
        assert_eq!(names(folder.path()), expected);
        other.commit().unwrap();
    }

    #[test]
    fn of_a_symbolic_link_the_target_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        replace(&link, "new");
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
