//! For any environment or file, loading returns settings or problems, and shows no key.

use proptest::prelude::*;

use super::super::schema::{self, Schema};
use super::*;

const CANARY: &str = "CANARYcanary0123";

/// A file with a key in every possible place.
fn file_with_keys() -> String {
    format!(
        "[nebuly]\nproxy = \"http://u:{CANARY}@proxy:1\"\n[shared_cache]\nurl = \"redis://:{CANARY}@cache\"\n\
         [[projects]]\nname = \"one\"\napi_key = \"{CANARY}\"\n[[projects]]\nname = \"two\"\napi_key = '{CANARY}'\n"
    )
}

/// Any text, or text that looks like a value.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,20}(ms|s|m|h|d|w|M|y|MiB|EiB| )?[0-9]{0,20}(ms|s|ns)?",
        "(https?|rediss?)://[a-z0-9:@#?/.%\\[\\]-]{0,20}",
        "[a-z*.:/,=-]{0,12}",
    ]
}

/// Text that replaces some bytes of a file.
fn damage() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\[\\]{}=\"'#.,\\\\\n 0-9a-z]{0,4}"]
}

proptest! {
    #[test]
    fn any_value_of_any_variable_loads_or_is_a_problem_of_it(index in any::<prop::sample::Index>(), value in value()) {
        let schema = Schema::embedded().unwrap();
        let variables: Vec<_> =
            schema.settings().map(|(section, name)| schema::variable(section, name)).collect();
        let name = index.get(&variables);
        if let Err(problems) = load_environment(&[KEY, (name, &value)]) {
            for problem in &problems {
                prop_assert_eq!(&problem.source, &SettingSource::Environment(name.clone()));
            }
        }
    }

    #[test]
    fn any_environment_loads_or_is_refused(name in "NEBUL(Y|INK)_{0,2}[A-Z_]{0,12}", value in value()) {
        drop(load_environment(&[(&name, &value)]));
        drop(load_environment(&[KEY, (&name, &value)]));
    }

    #[test]
    fn any_file_loads_or_is_refused(content in any::<Vec<u8>>()) {
        let file = file_with(&content);
        drop(load(&SettingSources { config_file: Some(file.path().to_owned()), ..SettingSources::default() }));
    }

    #[test]
    fn a_damaged_file_shows_no_key(
        at in any::<prop::sample::Index>(),
        len in 0_usize..20,
        damage in damage(),
    ) {
        let mut content = file_with_keys();
        let start = at.index(content.len() + 1);
        let end = (start + len).min(content.len());
        content.replace_range(start..end, &damage);
        let shown = match load_file(&content, &[]) {
            Ok(loaded) => format!("{loaded:?}"),
            Err(problems) => format!("{problems} {problems:?}"),
        };
        prop_assert!(!shown.contains(CANARY), "{}", shown);
    }
}
