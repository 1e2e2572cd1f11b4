//! Files that settings name: how their paths are shown, how they are read in bounded time, and how changes are seen.

mod path;
mod small_file;
mod watched_file;

pub use self::path::FilePath;
pub use self::small_file::{DEADLINE, MAX_LEN, PendingRead, SmallFile, open_regular, within_deadline};
pub use self::watched_file::{RELOAD_PERIOD, Reload, WatchedFile, WatchedFileError};
