//! Manifests declare what sources name: no crate carries a dependency that it does not use.
//!
//! Invariant: a dependency for tests alone is declared for tests alone.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Table;

use crate::tidy::{files, is_test};

/// Dependencies of code that is generated at build time, by crate.
const GENERATED: [(&str, &str); 2] = [("cue-proto", "prost"), ("cue-proto", "tonic-prost")];

/// Names of the dependencies in a section of a manifest.
fn declared(manifest: &Table, section: &str) -> BTreeSet<String> {
    let table = manifest.get(section).and_then(|table| table.as_table());
    table.into_iter().flat_map(Table::keys).cloned().collect()
}

/// The files of the crate in `folder`, without those of crates below it.
fn sources<'a>(
    folder: &'a Path,
    folders: &'a [&Path],
    all: &'a [(&Path, String)],
) -> impl Iterator<Item = (&'a Path, &'a str)> {
    let is_inner = move |path: &Path| {
        let mut inner = folders.iter().filter(|inner| **inner != folder);
        inner.any(|inner| inner.starts_with(folder) && path.starts_with(inner))
    };
    all.iter().filter_map(move |(path, text)| {
        let inside = path.strip_prefix(folder).ok()?;
        (!is_inner(path)).then_some((inside, text.as_str()))
    })
}

/// The text without comments, and without the test modules at its end if it must ship.
pub(crate) fn code(text: &str, ships: bool) -> String {
    let is_inner = |rest: &str| {
        let module = rest.lines().nth(1);
        module.is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    };
    let tests = text
        .match_indices("#[cfg(test)]\n")
        .find(|(at, _)| is_inner(&text[*at..]));
    let text = match tests {
        Some((at, _)) if ships => &text[..at],
        _ => text,
    };
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns true if the code names the crate: in a path, or in a `use` of the crate itself.
fn is_named(code: &str, dependency: &str) -> bool {
    let name = dependency.replace('-', "_");
    code.match_indices(&name).any(|(at, _)| {
        let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
        let before = &code[..at];
        let after = code[at + name.len()..].trim_start();
        let starts = !before.ends_with(is_word) && !before.ends_with("::");
        let is_use = before.trim_end().ends_with("use");
        let ends = after.starts_with("::") || is_use && after.starts_with([';', 'a']);
        starts && ends
    })
}

#[test]
fn every_dependency_is_named_by_the_sources_of_its_crate() {
    let manifests = files("Cargo.toml");
    let folders: Vec<&Path> = manifests
        .iter()
        .map(|path| path.parent().unwrap())
        .collect();
    let paths = files(".rs");
    let all: Vec<(&Path, String)> = paths
        .iter()
        .map(|path| (path.as_path(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let mut unused = Vec::new();
    for (manifest, folder) in manifests.iter().zip(&folders) {
        let manifest: Table = toml::from_str(&std::fs::read_to_string(manifest).unwrap()).unwrap();
        let name = manifest["package"]["name"].as_str().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let ships = section == "dependencies";
            let builds = section == "build-dependencies";
            let texts: Vec<String> = sources(folder, &folders, &all)
                .filter(|(path, _)| builds == (*path == Path::new("build.rs")))
                .filter(|(path, _)| !ships || !is_test(path))
                .map(|(_, text)| code(text, ships))
                .collect();
            for dependency in declared(&manifest, section) {
                let is_generated = GENERATED.contains(&(name, dependency.as_str()));
                if !is_generated && !texts.iter().any(|text| is_named(text, &dependency)) {
                    unused.push(format!("{name}: {dependency} in [{section}]"));
                }
            }
        }
    }
    assert!(unused.is_empty(), "declared and not used: {unused:#?}");
}

#[test]
fn every_dependency_of_the_workspace_is_one_of_a_crate() {
    let text = include_str!("../../Cargo.toml");
    let workspace: Table = toml::from_str(text).unwrap();
    let mut wanted = BTreeSet::new();
    for manifest in files("Cargo.toml") {
        let manifest: Table = toml::from_str(&std::fs::read_to_string(manifest).unwrap()).unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            wanted.extend(declared(&manifest, section));
        }
    }
    let declared = declared(workspace["workspace"].as_table().unwrap(), "dependencies");
    let unused: Vec<_> = declared.difference(&wanted).collect();
    assert!(unused.is_empty(), "no crate wants {unused:?}");
}

#[test]
fn a_crate_is_named_by_a_path_and_by_nothing_else() {
    for (code, wanted) in [
        ("use tokio_stream::wrappers;", true),
        ("use tokio_stream as streams;", true),
        ("fn f() -> tokio_stream::Pending {}", true),
        ("my_tokio_stream::f()", false),
        ("crate::tokio_stream::f()", false),
        ("let tokio_stream = 1;", false),
        ("// as tokio_stream::wrappers does", false),
    ] {
        assert_eq!(
            is_named(&self::code(code, true), "tokio-stream"),
            wanted,
            "{code}"
        );
    }
    let module = "fn f() {}\n#[cfg(test)]\nmod tests {\n    use rand::Rng;\n}\n";
    assert!(!is_named(&code(module, true), "rand"));
    assert!(is_named(&code(module, false), "rand"));
}
