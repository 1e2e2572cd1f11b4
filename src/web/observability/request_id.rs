//! The id of a request, by which a person finds its line in the log.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use http::{HeaderMap, HeaderValue};

use crate::web::headers::{X_REQUEST_ID, single};

/// The longest id that is taken over from a caller, in bytes.
const MAX_LEN: usize = 64;

thread_local! {
    /// The next id of this thread. It starts at random, so that the ids of two threads or processes hardly ever collide.
    static NEXT: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
}

/// The caller's, if it is 1 to 64 of `A-Z a-z 0-9 . _ - `, or a new one.
#[derive(Debug, Clone)]
pub(in crate::web) struct RequestId(HeaderValue);

impl RequestId {
    /// The id of the request with these headers.
    pub(in crate::web) fn of(headers: &HeaderMap) -> Self {
        let given = single(headers, &X_REQUEST_ID).filter(|id| is_plain(id.as_bytes()));
        given.map_or_else(Self::new, |id| Self(id.clone()))
    }

    /// A new id: 16 hexadecimal digits.
    fn new() -> Self {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let number = scatter(NEXT.replace(NEXT.get().wrapping_add(1)));
        let text: [u8; 16] = std::array::from_fn(|index| {
            let digit = (number >> (60 - 4 * index)) & 0xf;
            DIGITS.get(digit as usize).copied().unwrap_or(b'0')
        });
        Self(HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0")))
    }

    /// The id as text.
    pub(in crate::web) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(in crate::web) fn into_header(self) -> HeaderValue {
        self.0
    }
}

fn is_plain(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(plain)
}

/// Makes neighbours look different, one to one, so that ids are told apart at a glance (the finalizer of `SplitMix64`).
const fn scatter(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
