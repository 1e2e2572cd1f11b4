//! The tokens for `/api`: which one a request carries, and the file that they come from.

mod file;
mod set;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::AUTHORIZATION;

pub use self::file::{ApiTokensError, ApiTokensFile};
pub use self::set::InvalidApiTokens;

use self::set::TokenSet;

/// The scheme of RFC 6750, in any case.
const BEARER: &str = "bearer";

/// The tokens that are valid now.
#[derive(Default)]
pub struct ApiTokens(ArcSwap<TokenSet>);

impl ApiTokens {
    /// The name of the token that a request carries. `None` unless it carries exactly one, which is known.
    pub(super) fn name_of(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let mut lines = headers.get_all(AUTHORIZATION).into_iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return None };
        let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case(BEARER) {
            return None;
        }
        self.0.load().name_of(token.trim_matches(' '))
    }

    fn replace(&self, tokens: TokenSet) {
        self.0.store(Arc::new(tokens));
    }
}

/// Shows no token.
impl fmt::Debug for ApiTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiTokens([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TOKEN: &str = "canary-0123456789";

    fn name(lines: &[&str]) -> Option<String> {
        let tokens = ApiTokens::default();
        tokens.replace(TokenSet::parse(&format!("robot = {TOKEN}")).unwrap());
        let value = |line: &&str| HeaderValue::from_bytes(line.as_bytes()).unwrap();
        let headers: HeaderMap = lines.iter().map(|line| (AUTHORIZATION, value(line))).collect();
        tokens.name_of(&headers).map(|name| name.to_string())
    }

    #[test]
    fn a_token_is_taken_from_one_authorization_with_the_scheme_bearer() {
        for scheme in ["Bearer ", "bearer ", "BEARER  "] {
            assert_eq!(name(&[&format!("{scheme}{TOKEN}")]).as_deref(), Some("robot"));
        }
        let good = format!("Bearer {TOKEN}");
        for lines in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &[TOKEN],
            &[&format!("Basic {TOKEN}")],
            &[&format!("Bearer {TOKEN}x")],
            &[&format!("Bearer {}", TOKEN.trim_start_matches('c'))],
            &[&format!("Bearer {TOKEN} {TOKEN}")],
            &[&format!("Bearer\t{TOKEN}")],
            &[&format!("Bearer {TOKEN}ü")],
            &[&good, &good],
            &[&good, ""],
        ] {
            assert_eq!(name(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn no_token_is_shown() {
        let tokens = ApiTokens::default();
        tokens.replace(TokenSet::parse(&format!("robot = {TOKEN}")).unwrap());
        let shown = format!("{tokens:?} {:?}", tokens.0.load());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
