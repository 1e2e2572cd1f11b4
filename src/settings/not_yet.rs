//! Settings whose function this version does not have yet.

/// A value other than the default of one of these is a problem: silently doing nothing would be worse. `projects`
/// stands for more than one project. An entry leaves when its function arrives.
pub(super) const NOT_YET: &[&str] = &[
    "projects",
    "projects.project_id",
    "projects.organization_id",
    "server.public_url",
    "server.trusted_proxies",
    "nebuly.resolve",
    "cache.stale",
    "cache.snapshot_file",
    "cache.snapshot_interval",
    "shared_cache.url",
    "shared_cache.url_file",
    "shared_cache.ca_file",
    "shared_cache.timeout",
    "shared_cache.key_prefix",
    "redirect.max_wait",
    "redirect.on_outage",
    "access.identity_header",
    "access.api_tokens_file",
    "access.cors_origins",
    "limits.cold_per_second",
    "limits.cold_burst",
    "limits.batch",
    "preview.details",
    "preview.fields",
    "preview.unfurl",
    "lookup.tags",
    "lookup.window",
];

/// What is said of them.
pub(super) const NO_EFFECT: &str = "has no effect in this version";
