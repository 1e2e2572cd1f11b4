//! Files that settings name: how their paths are shown, and how they are read without waiting for ever.

mod bounded;
mod path;

pub use self::bounded::{DEADLINE, MAX_LEN, Reading, SmallFile, open_regular, within_deadline};
pub use self::path::FilePath;
