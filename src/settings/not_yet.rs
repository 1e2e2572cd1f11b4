//! Settings whose function this version does not have yet.

/// A value other than the default of one of these is a problem: silently doing nothing would be worse. An
/// entry leaves when its function arrives.
pub(super) const NOT_YET: &[&str] = &[
    "server.public_url",
    "server.contact",
    "limits.batch",
    "preview.details",
    "preview.fields",
    "lookup.tags",
    "lookup.window",
];

/// What is said of them.
pub(super) const NO_EFFECT: &str = "has no effect in this version";
