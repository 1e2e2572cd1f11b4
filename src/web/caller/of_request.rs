//! The caller of one request, found out only when it is needed.

use std::sync::OnceLock;

use http::request::Parts;

use super::authenticator::{Admitted, Gate};
use crate::domain::{Caller, LazyCaller};

/// Who asks in this request. The table of callers is asked once at most, and not at all for what the cache knows.
pub(in crate::web) struct CallerOfRequest<'a> {
    gate: &'a Gate,
    admitted: &'a Admitted<'a>,
    parts: &'a Parts,
    caller: OnceLock<Caller>,
}

impl<'a> CallerOfRequest<'a> {
    pub(in crate::web) const fn new(gate: &'a Gate, admitted: &'a Admitted<'a>, parts: &'a Parts) -> Self {
        Self { gate, admitted, parts, caller: OnceLock::new() }
    }
}

impl LazyCaller for CallerOfRequest<'_> {
    fn caller(&self) -> &Caller {
        self.caller.get_or_init(|| self.gate.caller(self.admitted, self.parts))
    }
}
