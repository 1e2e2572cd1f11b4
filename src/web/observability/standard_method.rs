//! The methods that metrics and traces may name: any other is a word of the caller's.

use http::Method;

/// In the order of [`place_of`].
pub(in crate::web) const STANDARD_METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Where a method stands in [`STANDARD_METHODS`], if it does.
pub(in crate::web) const fn place_of(method: &Method) -> Option<usize> {
    Some(match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::DELETE => 4,
        Method::CONNECT => 5,
        Method::OPTIONS => 6,
        Method::TRACE => 7,
        Method::PATCH => 8,
        _ => return None,
    })
}

/// Its name, if it is one of these.
pub(in crate::web) fn name_of(method: &Method) -> Option<&'static str> {
    STANDARD_METHODS.get(place_of(method)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_stands_where_its_name_does() {
        for (place, name) in STANDARD_METHODS.into_iter().enumerate() {
            let method = name.parse().unwrap();
            assert_eq!((place_of(&method), name_of(&method)), (Some(place), Some(name)));
        }
        for other in ["get", "PROPFIND"] {
            assert_eq!(name_of(&other.parse().unwrap()), None);
        }
    }
}
