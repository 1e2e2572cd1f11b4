//! The trace that a request is part of, as its caller says (W3C Trace Context, level 1). The authenticator decides if the
//! caller is trusted.
//!
//! The SDK's `TraceContextPropagator` would lose this: it accepts ids of any length, signs, white space around the
//! value and a dash at its end, and reads one line of each header, so a repeated `traceparent` would count. It also
//! allocates, and parses a `tracestate` of any length, before the sampling decision.

use http::{HeaderMap, HeaderName};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use crate::web::headers::single;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of version 00: `00-{32}-{16}-{2}`. Later versions may have more after another dash.
const LEN: usize = 55;

/// The longest `tracestate` that is taken over, in bytes: what the specification asks for at least.
const LONGEST_STATE: usize = 512;

/// The value of `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct TraceParent {
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
}

impl TraceParent {
    /// The caller's, if it is there once and well formed.
    pub(in crate::web) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(single(headers, &TRACEPARENT)?.as_bytes())
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let (known, rest) = line.split_at_checked(LEN)?;
        let mut fields = std::str::from_utf8(known).ok()?.split('-');
        let is_lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let mut hex =
            |len| fields.next().filter(|field| field.len() == len && field.bytes().all(is_lower_hex));
        let (version, trace_id, span_id, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let ends_well = match version {
            "00" => rest.is_empty(),
            "ff" => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let parent = Self {
            trace_id: TraceId::from_hex(trace_id).ok()?,
            span_id: SpanId::from_hex(span_id).ok()?,
            // The only flag of this version.
            flags: TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED,
        };
        let is_valid = parent.trace_id != TraceId::INVALID && parent.span_id != SpanId::INVALID;
        (ends_well && is_valid).then_some(parent)
    }

    /// Returns true if the caller traces this request.
    pub(in crate::web) fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    /// The trace's id as a number from 0 to 1: its lower 63 bits, as in OpenTelemetry's samplers.
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no 63 bits")]
    pub(in crate::web) fn fraction(&self) -> f64 {
        let low = u128::from_be_bytes(self.trace_id.to_bytes()) & ((1 << 64) - 1);
        (low >> 1) as f64 / (1_u64 << 63) as f64
    }

    /// The same with `tracestate`, which is left out if it is too long or malformed.
    pub(in crate::web) fn to_context(self, headers: &HeaderMap) -> SpanContext {
        let lines = headers.get_all(TRACESTATE).into_iter().map(|line| line.to_str().ok());
        let state = lines.collect::<Option<Vec<_>>>().map(|lines| lines.join(","));
        let state = state.filter(|state| state.len() <= LONGEST_STATE);
        let state = state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
        SpanContext::new(self.trace_id, self.span_id, self.flags, true, state)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn of(lines: &[&str]) -> Option<TraceParent> {
        let headers = lines.iter().map(|line| (TRACEPARENT, HeaderValue::from_str(line).unwrap())).collect();
        TraceParent::of(&headers)
    }

    #[test]
    fn a_well_formed_parent_is_read_with_its_decision() {
        for (line, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("00-{TRACE}-{SPAN}-00"), false),
            (format!("00-{TRACE}-{SPAN}-ff"), true),
            (format!("00-{TRACE}-{SPAN}-02"), false),
            (format!("cc-{TRACE}-{SPAN}-01"), true),
            (format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), true),
        ] {
            let parent = of(&[&line]).unwrap_or_else(|| panic!("{line}"));
            let context = parent.to_context(&HeaderMap::new());
            assert_eq!(context.trace_id().to_string(), TRACE);
            assert_eq!(context.span_id().to_string(), SPAN);
            assert_eq!((parent.is_sampled(), context.is_remote()), (sampled, true), "{line}");
        }
    }

    #[test]
    fn a_malformed_or_repeated_parent_is_ignored() {
        let good = format!("00-{TRACE}-{SPAN}-01");
        for line in [
            String::new(),
            "00".to_owned(),
            good.to_uppercase(),
            format!("{good}-01"),
            format!("{good} "),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-001"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}{SPAN}--01-"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("cc-{TRACE}-{SPAN}-01."),
            format!("00-{}g-{SPAN}-01", TRACE.trim_start_matches('4')),
        ] {
            assert_eq!(of(&[&line]), None, "{line}");
        }
        assert_eq!(of(&[&good, &good]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_state_is_taken_over_if_it_is_well_formed_and_short() {
        let parent = of(&[&format!("00-{TRACE}-{SPAN}-01")]).unwrap();
        let state = |lines: &[&str]| {
            let headers =
                lines.iter().map(|line| (TRACESTATE, HeaderValue::from_str(line).unwrap())).collect();
            parent.to_context(&headers).trace_state().header()
        };
        assert_eq!(state(&["a=1,b=2"]), "a=1,b=2");
        assert_eq!(state(&["a=1", "b=2"]), "a=1,b=2");
        assert_eq!(state(&["no state"]), "");
        assert_eq!(state(&[&format!("a={}", "x".repeat(600))]), "");
    }
}
