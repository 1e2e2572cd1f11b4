//! How one part of the description refers to another.

use utoipa::openapi::Ref;

/// A reference to a component of this kind, such as `headers`.
pub(super) fn component(kind: &str, name: &str) -> Ref {
    Ref::new(format!("#/components/{kind}/{name}"))
}
