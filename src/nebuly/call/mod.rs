//! One call over HTTP: where it goes, what comes back, and how it is observed.

pub(in crate::nebuly) mod acceptance;
pub(in crate::nebuly) mod attempt;
pub(in crate::nebuly) mod endpoint;
pub(in crate::nebuly) mod trace;
pub(in crate::nebuly) mod wire;
