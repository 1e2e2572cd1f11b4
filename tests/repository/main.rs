//! The repository itself: the layers of its code, and what its pages name.

mod architecture;
mod documentation;
