//! One call over HTTP: where it goes, what comes back, and how it is observed.

pub(in crate::nebuly) mod answer;
pub(in crate::nebuly) mod api;
pub(in crate::nebuly) mod endpoint;
pub(in crate::nebuly) mod key_check;
pub(in crate::nebuly) mod trace;
pub(in crate::nebuly) mod wire;
