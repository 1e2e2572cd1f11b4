//! Files that settings name: how their paths are shown, and how they are read without waiting for ever.

mod path;
mod small_file;

pub use self::path::FilePath;
pub use self::small_file::{DEADLINE, MAX_LEN, Reading, SmallFile, open_regular, within_deadline};
