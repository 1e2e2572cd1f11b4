//! The source of a crate without its tests: which file defines what, and which file uses it.
//!
//! It reads tokens, and follows each name through `use` to the file that defines it. So a name that is imported from a
//! parent which only re-exports it is no use of the parent, and the re-export itself is no use of the child. Methods
//! are not seen, since they need no import.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::tokens::{Token, tokens};

/// The names of a module from the root of the crate, or the segments of a path.
type Segments = Vec<String>;

/// More re-exports than any name goes through; an import that leads to itself ends there.
const MAX_HOPS: usize = 16;

/// The files of a crate by their modules.
pub(crate) struct Source(BTreeMap<Segments, File>);

#[derive(Default)]
struct File {
    /// Where it is, from `src`.
    path: String,
    /// The items at its top.
    items: BTreeSet<String>,
    /// The types among them.
    types: Vec<String>,
    /// The name that each `use` gives, and the path that it stands for.
    imports: Vec<(String, Segments)>,
    /// The paths that end in `*`.
    globs: Vec<Segments>,
    /// All paths, those of `use` too, but not those of re-exports.
    paths: BTreeSet<Segments>,
    /// The names of functions, each once for every call.
    calls: Vec<String>,
    /// Its modules that are compiled in tests alone.
    test_modules: BTreeSet<String>,
}

impl Source {
    /// The source of this crate.
    pub(crate) fn of_this_crate() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = crate::files(&root, "rs");
        let texts = files.iter().map(|path| {
            (
                path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(),
                fs::read_to_string(path).unwrap(),
            )
        });
        Self::new(texts)
    }

    /// The source that these files hold, each with its path from `src`.
    pub(crate) fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut source = BTreeMap::new();
        for (path, text) in files {
            let module = module_of(&path);
            let is_test = |name: &String| name == "tests" || name.ends_with("_tests");
            if module != ["main"] && !module.iter().any(is_test) {
                let mut file = File { path, ..File::default() };
                file.read(&tokens(&text), true);
                source.insert(module, file);
            }
        }
        let of_tests: Vec<Segments> = source
            .iter()
            .flat_map(|(module, file)| file.test_modules.iter().map(|name| child(module, name)))
            .collect();
        source.retain(|module, _| !of_tests.iter().any(|of_tests| module.starts_with(of_tests)));
        Self(source)
    }

    /// Each file and the files that define what it uses.
    pub(crate) fn uses(&self) -> BTreeSet<(&str, &str)> {
        let mut uses = BTreeSet::new();
        for (module, file) in &self.0 {
            let definers = file.paths.iter().filter_map(|path| self.definer(module, path, MAX_HOPS));
            uses.extend(definers.map(|definer| (file.path.as_str(), definer)));
        }
        uses.into_iter().filter(|(from, to)| from != to).collect()
    }

    /// The modules of the crate that each file of a module names, re-exports too.
    pub(crate) fn modules_named_in(&self, module: &str) -> BTreeSet<(&str, &str)> {
        let mut named = BTreeSet::new();
        for (of_file, file) in self.files_of(module) {
            let modules = file.named().filter_map(|path| {
                let from_root = match path.iter().take_while(|segment| *segment == "super").count() {
                    0 => path.strip_prefix(&["crate".to_owned()])?,
                    // From within an inline module, more of them may lead no further than to its file.
                    hops if hops == of_file.len() => &path[hops..],
                    _ => return None,
                };
                from_root.first().map(String::as_str)
            });
            named.extend(modules.map(|module| (file.path.as_str(), module)));
        }
        named
    }

    /// The libraries that each file of a module imports; the crate and its modules are none.
    pub(crate) fn libraries_of(&self, module: &str) -> BTreeSet<(&str, &str)> {
        let mut libraries = BTreeSet::new();
        for (of_file, file) in self.files_of(module) {
            let imported = file.imports.iter().map(|(_, path)| path).chain(&file.globs);
            let is_own = |name: &str| {
                ["crate", "super", "self"].contains(&name)
                    || file.items.contains(name)
                    || self.0.contains_key(&child(of_file, name))
            };
            let first = imported.filter_map(|path| path.first()).filter(|first| !is_own(first));
            libraries.extend(first.map(|first| (file.path.as_str(), first.as_str())));
        }
        libraries
    }

    /// How often each file of a module calls a function or method of this name, if it does.
    pub(crate) fn calls_in(&self, module: &str, function: &str) -> BTreeMap<&str, usize> {
        let calls = |file: &File| file.calls.iter().filter(|called| *called == function).count();
        let counts = self.files_of(module).map(|(_, file)| (file.path.as_str(), calls(file)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// The files of a module at the top of the crate; there is one at least.
    fn files_of(&self, module: &str) -> impl Iterator<Item = (&Segments, &File)> {
        assert!(self.0.contains_key(&child(&[], module)), "there is no module {module}");
        self.0.iter().filter(move |(of_file, _)| of_file.first().is_some_and(|first| first == module))
    }

    /// The circles in each folder, between its files and the folders in it: every use that is part of one.
    pub(crate) fn circles(&self) -> Vec<String> {
        let uses = self.uses();
        let folders: BTreeSet<_> = uses.iter().flat_map(|(from, _)| folders_of(from)).collect();
        let mut found = Vec::new();
        for folder in folders {
            let entry = |path: &str| Some(path.strip_prefix(folder)?.split(['/', '.']).next()?.to_owned());
            let ends = |(from, to): &(&str, &str)| Some((entry(from)?, entry(to)?));
            let arrows: BTreeSet<_> = uses.iter().filter_map(ends).filter(|(from, to)| from != to).collect();
            let in_circle = |(from, to): &(String, String)| reachable(&arrows, to).contains(from);
            let circles: BTreeSet<_> = arrows.iter().filter(|arrow| in_circle(arrow)).collect();
            let in_circle =
                uses.iter().filter(|used| ends(used).is_some_and(|arrow| circles.contains(&arrow)));
            found.extend(in_circle.map(|(from, to)| format!("{from} uses {to}")));
        }
        found
    }

    /// The names that more than one type has, each with the files that define one.
    pub(crate) fn types_of_one_name(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut types = BTreeMap::<_, Vec<_>>::new();
        for file in self.0.values() {
            for name in &file.types {
                types.entry(name.as_str()).or_default().push(file.path.as_str());
            }
        }
        types.retain(|_, files| files.len() > 1);
        types
    }

    /// The file that defines what a path names in a module; none if another crate does, or if it is a module.
    fn definer(&self, module: &[String], path: &[String], hops: usize) -> Option<&str> {
        let (mut module, mut path, hops) = (module.to_vec(), path, hops.checked_sub(1)?);
        if path.first()? == "crate" {
            (module, path) = (Segments::new(), path.get(1..)?);
        }
        while let Some((first, rest)) = path.split_first() {
            let file = self.0.get(&module)?;
            if first == "super" {
                module.pop()?;
            } else if !rest.is_empty() && self.0.contains_key(&child(&module, first)) {
                module.push(first.clone());
            } else if file.items.contains(first) {
                return Some(&file.path);
            } else if first != "self" {
                let named = file.imports.iter().filter(|(name, _)| name == first);
                let further = named.map(|(_, target)| [target, rest].concat());
                let all = file.globs.iter().map(|glob| [glob, path].concat());
                return further.chain(all).find_map(|target| self.definer(&module, &target, hops));
            }
            path = rest;
        }
        None
    }
}

impl File {
    /// All paths, those of re-exports too.
    fn named(&self) -> impl Iterator<Item = &Segments> {
        self.paths.iter().chain(self.imports.iter().map(|(_, path)| path)).chain(&self.globs)
    }

    /// Reads all paths, and what the top of the file defines and imports.
    fn read(&mut self, tokens: &[Token], is_top: bool) {
        let mut rest = tokens;
        while let Some((first, after)) = rest.split_first() {
            rest = match first {
                Token::Punct('#') if is_of_tests(after) => self.skip_test_item(after),
                // A re-export is no use, and what is in brackets behind `pub` is none either.
                Token::Name(keyword) if keyword == "pub" => {
                    let after = if let [Token::Group('(', _), after @ ..] = after { after } else { after };
                    match after {
                        [Token::Name(keyword), after @ ..] if keyword == "use" => {
                            let (import, after) = until_semicolon(after);
                            self.import(&[], import, true);
                            after
                        }
                        _ => after,
                    }
                }
                // Within a function, too; but not `use<'a>` of a type.
                Token::Name(keyword) if keyword == "use" && after.first() != Some(&Token::Punct('<')) => {
                    let (import, after) = until_semicolon(after);
                    self.import(&[], import, false);
                    after
                }
                Token::Name(_) => {
                    let (path, after) = path_at(rest);
                    if is_top && let [keyword] = path.as_slice() {
                        self.define(keyword, after);
                    }
                    if let Some(Token::Group('(', _)) = after.first() {
                        self.calls.extend(path.last().cloned());
                    }
                    self.paths.insert(path);
                    after
                }
                Token::Group(_, group) => {
                    self.read(group, false);
                    after
                }
                Token::Punct(_) => after,
            };
        }
    }

    /// Notes the item behind a keyword.
    fn define(&mut self, keyword: &str, after: &[Token]) {
        let keywords = ["struct", "enum", "trait", "type", "union", "fn", "const", "static"];
        if let Some(Token::Name(name)) = after.first()
            && let Some(index) = keywords.iter().position(|known| *known == keyword)
        {
            self.items.insert(name.clone());
            if index < 5 {
                self.types.push(name.clone());
            }
        }
    }

    /// Notes what a `use` behind a prefix imports: one path, or several in braces.
    fn import(&mut self, prefix: &[String], tree: &[Token], is_re_export: bool) {
        let (path, rest) = path_at(tree);
        let mut path = [prefix, &path].concat();
        match rest {
            [.., Token::Group(_, trees)] => {
                for tree in trees.split(|token| *token == Token::Punct(',')).filter(|tree| !tree.is_empty()) {
                    self.import(&path, tree, is_re_export);
                }
            }
            [.., Token::Punct('*')] => self.globs.push(path),
            _ => {
                // `a::{self}` is `a`.
                path.retain(|segment| segment != "self" || prefix.is_empty());
                let name = match rest {
                    [.., Token::Name(name)] => Some(name.clone()),
                    _ => path.last().cloned(),
                };
                self.imports.extend(name.map(|name| (name, path.clone())));
                if !is_re_export {
                    self.paths.insert(path);
                }
            }
        }
    }

    /// Passes over what `#[cfg(test)]` stands before, and notes it if it is a module.
    fn skip_test_item<'a>(&mut self, after: &'a [Token]) -> &'a [Token] {
        // Braces behind `::` are those of a `use`.
        let is_end = |pair: &[Token]| {
            pair[1] == Token::Punct(';')
                || matches!(pair, [before, Token::Group('{', _)] if *before != Token::Punct(':'))
        };
        let end = after.windows(2).position(is_end).map(|end| end + 1);
        let (item, rest) = after.split_at(end.map_or(after.len(), |end| end + 1));
        if let [.., Token::Name(keyword), Token::Name(name), _] = item
            && keyword == "mod"
        {
            self.test_modules.insert(name.clone());
        }
        rest
    }
}

/// The module that a file holds.
fn module_of(path: &str) -> Segments {
    let mut module: Segments = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    module.pop_if(|name| name == "mod" || name == "lib");
    module
}

fn child(module: &[String], name: &str) -> Segments {
    [module, &[name.to_owned()]].concat()
}

/// All folders that a file is in, with the `/` at their ends; `src` is empty.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(index, _)| index + 1);
    std::iter::once(0).chain(ends).map(|end| &path[..end])
}

/// Follows arrows from here, in any number of steps.
fn reachable<'a>(arrows: &'a BTreeSet<(String, String)>, from: &'a String) -> BTreeSet<&'a String> {
    let (mut reached, mut last) = (BTreeSet::from([from]), 0);
    while reached.len() > last {
        last = reached.len();
        let next: Vec<_> =
            arrows.iter().filter(|(from, _)| reached.contains(from)).map(|(_, to)| to).collect();
        reached.extend(next);
    }
    reached
}

/// Names joined by `::`, and what comes behind them. A `::` before `{`, `*` or `<` is passed over.
fn path_at(tokens: &[Token]) -> (Segments, &[Token]) {
    let (mut path, mut rest) = (Segments::new(), tokens);
    while let [Token::Name(name), after @ ..] = rest {
        path.push(name.clone());
        match after {
            [Token::Punct(':'), Token::Punct(':'), after @ ..] => rest = after,
            _ => return (path, after),
        }
    }
    (path, rest)
}

fn until_semicolon(tokens: &[Token]) -> (&[Token], &[Token]) {
    let end = tokens.iter().position(|token| *token == Token::Punct(';')).unwrap_or(tokens.len());
    tokens.split_at(end)
}

/// Returns true if an attribute is a `cfg` of tests. None here says `not(test)`.
fn is_of_tests(attribute: &[Token]) -> bool {
    let Some(Token::Group('[', attribute)) = attribute.first() else { return false };
    let [Token::Name(name), Token::Group('(', condition)] = attribute.as_slice() else { return false };
    let names_test = |tokens: &[Token]| tokens.contains(&Token::Name("test".to_owned()));
    let all_or_any =
        condition.iter().any(|token| matches!(token, Token::Group(_, group) if names_test(group)));
    name == "cfg" && (names_test(condition) || all_or_any)
}

fn source<const FILES: usize>(files: [(&str, &str); FILES]) -> Source {
    Source::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())))
}

#[test]
fn a_circle_of_files_is_found_and_the_files_that_lead_to_it_are_not() {
    let source = source([
        ("lib.rs", "mod web;"),
        ("web/mod.rs", "mod a; mod b; mod c; mod d; pub use a::A;"),
        ("web/a.rs", "use super::b::{self, B}; pub struct A;"),
        ("web/b.rs", "pub struct B; fn f() { crate::web::c::run() }"),
        ("web/c.rs", "pub fn run() -> super::A {}"),
        ("web/d.rs", "use super::{A, c::run};"),
    ]);
    let circle =
        ["web/a.rs uses web/b.rs", "web/b.rs uses web/c.rs", "web/c.rs uses web/a.rs"].map(str::to_owned);
    assert_eq!(source.circles(), circle);
}

#[test]
fn a_circle_of_folders_is_found_at_the_folder_that_holds_both() {
    let source = source([
        ("lib.rs", "mod one; mod two;"),
        ("one/mod.rs", "mod a; mod b; pub use b::*;"),
        ("one/a.rs", "use crate::two::T;"),
        ("one/b.rs", "pub struct B;"),
        ("two/mod.rs", "mod t; pub(crate) use t::T;"),
        ("two/t.rs", "pub struct T(crate::one::B);"),
    ]);
    let circle = ["one/a.rs uses two/t.rs", "two/t.rs uses one/b.rs"].map(str::to_owned);
    assert_eq!(source.circles(), circle);
}

#[test]
fn a_use_of_a_re_export_is_a_use_of_the_file_that_defines_the_name() {
    let uses_of_child = |parent: &str| {
        let files = [
            ("lib.rs", "mod web;"),
            ("web/mod.rs", parent),
            ("web/a.rs", "use super::C; pub fn run() {}"),
            ("web/b.rs", "pub struct B;"),
        ];
        source(files).uses().into_iter().find(|(from, _)| *from == "web/a.rs").unwrap().1.to_owned()
    };
    assert_eq!(uses_of_child("mod a; mod b; pub(crate) use b::B as C;"), "web/b.rs");
    assert_eq!(uses_of_child("mod a; mod b; pub use b::B; pub type C = B;"), "web/mod.rs");
}

#[test]
fn a_parent_and_its_child_are_a_circle_only_if_each_uses_what_the_other_defines() {
    let circles = |parent: &str| {
        let files =
            [("lib.rs", "mod web;"), ("web/mod.rs", parent), ("web/a.rs", "use super::C; pub fn run() {}")];
        source(files).circles()
    };
    assert!(circles("mod a; pub use a::run; pub struct C;").is_empty());
    let circle = ["web/a.rs uses web/mod.rs", "web/mod.rs uses web/a.rs"].map(str::to_owned);
    assert_eq!(circles("mod a; pub use a::run; pub struct C; fn f() { run() }"), circle);
    assert_eq!(circles("mod a; use a::run as go; pub struct C; fn f() { go() }"), circle);
}

#[test]
fn tests_are_no_part_of_the_source() {
    let source = source([
        ("lib.rs", "mod a; mod b; #[cfg(any(test, fuzzing))] pub mod fuzzing;"),
        ("a.rs", "use crate::b::B; pub struct A; #[cfg(test)] mod tests { use crate::b::C; struct B; }"),
        (
            "b.rs",
            "pub struct B; #[cfg(test)] use crate::a::{A}; #[cfg(test)] #[path = \"b_tests.rs\"] mod tests;",
        ),
        ("b_tests.rs", "use crate::a::A; struct A;"),
        ("fuzzing.rs", "use crate::a::A; struct A;"),
    ]);
    assert_eq!(source.uses(), BTreeSet::from([("a.rs", "b.rs")]));
    assert_eq!(source.types_of_one_name(), BTreeMap::new());
}

#[test]
fn two_types_of_one_name_are_found_and_associated_types_are_not() {
    let source = source([
        ("a.rs", "pub struct State; trait T { type Error; } impl T for State { type Error = (); }"),
        ("b.rs", "enum State {} type Error = u8; fn f() { let Error = 1; }"),
    ]);
    assert_eq!(source.types_of_one_name(), BTreeMap::from([("State", vec!["a.rs", "b.rs"])]));
}

#[test]
fn what_a_module_names_is_found_below_its_tests_through_super_and_in_re_exports() {
    let source = source([
        ("lib.rs", "mod web; mod text; mod files; mod cache; mod sync;"),
        (
            "web/mod.rs",
            "#[cfg(test)] mod tests { use crate::app; } mod a; use crate::{text, files::{self, Read}};",
        ),
        (
            "web/a.rs",
            "pub use super::super::cache::C; #[cfg(test)] use crate::app::A; /// See crate::app.
             fn f() { tokio::spawn(crate::sync::go); tasks.spawn(super::g()) }",
        ),
        (
            "files.rs",
            "pub use url::Url; use std::{fmt, io}; use self::Kind::*; use super::text; enum Kind {}",
        ),
    ]);
    let named =
        [("web/a.rs", "cache"), ("web/a.rs", "sync"), ("web/mod.rs", "files"), ("web/mod.rs", "text")];
    assert_eq!(source.modules_named_in("web"), named.into());
    assert_eq!(source.modules_named_in("files"), [("files.rs", "text")].into());
    assert_eq!(source.libraries_of("files"), [("files.rs", "std"), ("files.rs", "url")].into());
    assert_eq!(source.calls_in("web", "spawn"), [("web/a.rs", 2)].into());
}
