//! The key under which a caller is remembered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use equivalent::Equivalent;

use crate::domain::CallerKey;

/// A [`CallerKey`] in the table of callers, where an address counts by what one caller has of it. It owns its text or
/// borrows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TableKey<T> {
    Identity(T),
    IdentityWithApiToken(T),
    ApiToken(T),
    V4(Ipv4Addr),
    /// The first 64 bits.
    V6(u64),
}

impl<'a> From<&CallerKey<'a>> for TableKey<&'a str> {
    fn from(key: &CallerKey<'a>) -> Self {
        match *key {
            CallerKey::Identity(name) => Self::Identity(name),
            CallerKey::IdentityWithApiToken(name) => Self::IdentityWithApiToken(name),
            CallerKey::ApiToken(name) => Self::ApiToken(name),
            CallerKey::Address(address) => match address.to_canonical() {
                IpAddr::V4(address) => Self::V4(address),
                IpAddr::V6(address) => Self::V6(first_half(address)),
            },
        }
    }
}

impl TableKey<&str> {
    /// Returns true if the caller has an API token, and so higher limits.
    pub(super) const fn has_api_token(&self) -> bool {
        matches!(self, Self::IdentityWithApiToken(_) | Self::ApiToken(_))
    }

    pub(super) fn into_owned(self) -> TableKey<Box<str>> {
        match self {
            Self::Identity(name) => TableKey::Identity(name.into()),
            Self::IdentityWithApiToken(name) => TableKey::IdentityWithApiToken(name.into()),
            Self::ApiToken(name) => TableKey::ApiToken(name.into()),
            Self::V4(address) => TableKey::V4(address),
            Self::V6(prefix) => TableKey::V6(prefix),
        }
    }
}

/// So that a caller is found without a copy of its name: a boxed text hashes as the text does.
impl Equivalent<TableKey<Box<str>>> for TableKey<&str> {
    fn equivalent(&self, other: &TableKey<Box<str>>) -> bool {
        match (self, other) {
            (Self::Identity(one), TableKey::Identity(other))
            | (Self::IdentityWithApiToken(one), TableKey::IdentityWithApiToken(other))
            | (Self::ApiToken(one), TableKey::ApiToken(other)) => *one == &**other,
            (Self::V4(one), TableKey::V4(other)) => one == other,
            (Self::V6(one), TableKey::V6(other)) => one == other,
            _ => false,
        }
    }
}

fn first_half(address: Ipv6Addr) -> u64 {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d].into_iter().fold(0, |prefix, segment| prefix << 16 | u64::from(segment))
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    fn key(address: &str) -> TableKey<Box<str>> {
        TableKey::from(&CallerKey::Address(address.parse().unwrap())).into_owned()
    }

    #[test]
    fn an_address_is_told_by_all_of_ipv4_and_the_first_half_of_ipv6() {
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("::1"), key("0.0.0.0"));
    }

    #[test]
    fn keys_of_different_sorts_never_meet() {
        let text = "192.0.2.1";
        let keys = [
            CallerKey::Identity(text),
            CallerKey::IdentityWithApiToken(text),
            CallerKey::ApiToken(text),
            CallerKey::Address(text.parse().unwrap()),
        ];
        let hashes = RandomState::new();
        for (index, one) in keys.iter().enumerate() {
            for (other_index, other) in keys.iter().enumerate() {
                let (one, other) = (TableKey::from(one), TableKey::from(other).into_owned());
                assert_eq!(one.equivalent(&other), index == other_index, "{one:?} {other:?}");
                if index == other_index {
                    assert_eq!(hashes.hash_one(&one), hashes.hash_one(&other), "{one:?}");
                }
            }
        }
    }
}
