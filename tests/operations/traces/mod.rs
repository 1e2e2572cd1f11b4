//! Traces, as the OpenTelemetry Collector gets them from the program, and as no collector gets them.

mod answering;
mod collector;
mod dead_collectors;
mod program;
mod slow_collectors;
mod spans;
mod variables;
