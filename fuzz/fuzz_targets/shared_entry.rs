#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nebulink::fuzzing::shared_entry(input));
