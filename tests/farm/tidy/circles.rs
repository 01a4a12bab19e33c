//! Directions between files: no circle in any crate, and one order of the modules of the service.

use std::collections::{BTreeMap, BTreeSet};

use super::{is_test, sources};
use crate::dependencies::code;

/// Modules of `src`, each knowing only those before it.
const ORDER: [&str; 24] = [
    "words",
    "output",
    "config",
    "telemetry",
    "supervisor",
    "liveness",
    "lifecycle",
    "status",
    "client",
    "hosts",
    "pause",
    "why",
    "check",
    "record",
    "top",
    "admin",
    "reload",
    "cli",
    "manuals",
    "pipeline",
    "report",
    "service",
    "start",
    "main",
];

/// Names from the root of a crate to a module; none for the root.
type Module = Vec<String>;

/// Names of a path, and if the path is in a `pub use`.
type Named = (Vec<String>, bool);

/// Modules of every crate, by folder of the crate, with the paths that they name.
fn crates() -> BTreeMap<String, BTreeMap<Module, Vec<Named>>> {
    let mut crates: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for source in sources(".rs") {
        let Some((folder, path)) = source.path.split_once("src/") else {
            continue;
        };
        if is_test(std::path::Path::new(&source.path)) {
            continue;
        }
        let mut module: Module = path
            .trim_end_matches(".rs")
            .split('/')
            .map(str::to_owned)
            .collect();
        module.pop_if(|last| ["lib", "mod"].contains(&last.as_str()));
        let named = named(&tokens(&code(&source.text, true)));
        let modules = crates.entry(folder.to_owned()).or_default();
        modules.insert(module, named);
    }
    crates
}

/// Identifiers, `::`, and all other signs one by one.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
        let length = match rest.find(|sign| !is_word(sign)) {
            Some(0) if rest.starts_with("::") => 2,
            Some(0) => first.len_utf8(),
            Some(length) => length,
            None => rest.len(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|sign: char| sign.is_alphabetic() || sign == '_')
}

/// The paths in a file.
fn named(tokens: &[&str]) -> Vec<Named> {
    let mut named = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let is_public = at > 0 && ["pub", ")"].contains(&tokens[at - 1]);
            let mut paths = Vec::new();
            at = tree(tokens, at + 1, &mut Vec::new(), &mut paths);
            named.extend(paths.into_iter().map(|path| (path, is_public)));
            continue;
        }
        let mut path = Vec::new();
        while at < tokens.len() && is_word(tokens[at]) {
            path.push(tokens[at].to_owned());
            at += 1;
            match tokens.get(at..at + 2) {
                Some(["::", next]) if is_word(next) => at += 1,
                _ => break,
            }
        }
        at += usize::from(path.is_empty());
        if path.len() > 1 {
            named.push((path, false));
        }
    }
    named
}

/// Reads one tree of a `use` below `prefix`, and returns the position behind it.
fn tree(
    tokens: &[&str],
    from: usize,
    prefix: &mut Vec<String>,
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let (length, mut at) = (prefix.len(), from);
    while let Some(token) = tokens.get(at) {
        match *token {
            "{" => {
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = tree(tokens, at + 1, prefix, paths);
                }
                prefix.truncate(length);
                return at + 1;
            }
            "::" => at += 1,
            "as" => at += 2,
            "*" | "," | "}" | ";" => break,
            name => {
                prefix.push(name.to_owned());
                at += 1;
            }
        }
    }
    if prefix.len() > length {
        paths.push(prefix.clone());
    }
    prefix.truncate(length);
    at + usize::from(tokens.get(at) == Some(&"*"))
}

/// The module that a path leads to from `module`, and the item in it.
fn target<'a, V>(
    modules: &BTreeMap<Module, V>,
    module: &Module,
    path: &'a [String],
) -> Option<(Module, Option<&'a String>)> {
    let mut base = module.clone();
    let mut names = path;
    match path.first()?.as_str() {
        "crate" => {
            base.clear();
            names = &names[1..];
        }
        "self" | "super" => {
            while let Some((name, after)) = names.split_first()
                && ["self", "super"].contains(&name.as_str())
            {
                if name == "super" {
                    base.pop()?;
                }
                names = after;
            }
        }
        _ => {}
    }
    let is_local = names.len() < path.len();
    let mut found = is_local;
    while let Some((name, after)) = names.split_first() {
        base.push(name.clone());
        if !modules.contains_key(&base) {
            base.pop();
            break;
        }
        (names, found) = (after, true);
    }
    found.then(|| (base, names.first()))
}

/// Modules that each module of a crate names. A `pub use` passes an item on and names nothing itself.
fn edges(modules: &BTreeMap<Module, Vec<Named>>) -> BTreeMap<&Module, BTreeSet<Module>> {
    let mut passed_on = BTreeMap::new();
    for (module, named) in modules {
        for (path, _) in named.iter().filter(|(_, is_public)| *is_public) {
            if let Some((from, Some(item))) = target(modules, module, path) {
                passed_on.insert((module.clone(), item.clone()), from);
            }
        }
    }
    let origin = |(mut module, item): (Module, Option<&String>)| {
        while let Some(item) = item
            && let Some(next) = passed_on.get(&(module.clone(), item.clone()))
            && *next != module
        {
            module.clone_from(next);
        }
        module
    };
    let of_module = |(module, named)| {
        let named: &Vec<Named> = named;
        let paths = named.iter().filter(|(_, is_public)| !is_public);
        let targets = paths.filter_map(|(path, _)| target(modules, module, path));
        let targets: BTreeSet<Module> = targets.map(&origin).collect();
        (module, targets)
    };
    modules.iter().map(of_module).collect()
}

/// Modules that can be reached from `start`.
fn reached(edges: &BTreeMap<&Module, BTreeSet<Module>>, start: &Module) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut next = vec![start.clone()];
    while let Some(module) = next.pop() {
        let others = edges.get(&module).into_iter().flatten();
        let others = others.filter(|other| **other != module);
        next.extend(
            others
                .filter(|other| reached.insert((*other).clone()))
                .cloned(),
        );
    }
    reached
}

#[test]
fn no_file_needs_a_file_that_needs_it() {
    let mut circles = BTreeSet::new();
    for (folder, modules) in crates() {
        let edges = edges(&modules);
        let reach: BTreeMap<&Module, _> = modules.keys().map(|m| (m, reached(&edges, m))).collect();
        for (module, others) in &reach {
            let back = others
                .iter()
                .filter(|other| reach[*other].contains(*module));
            let circle: BTreeSet<String> = back.map(|module| module.join("::")).collect();
            if circle.len() > 1 {
                circles.insert(format!("{folder}: {circle:?}"));
            }
        }
    }
    let circles: Vec<_> = circles.into_iter().collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn the_modules_of_the_service_have_one_direction() {
    let place = |module: &Module| {
        let first = module.first()?;
        ORDER.iter().position(|name| name == first)
    };
    let crates = crates();
    let modules = &crates[""];
    let mut bad = BTreeSet::new();
    for (module, targets) in edges(modules) {
        if !module.is_empty() && place(module).is_none() {
            bad.insert(format!("{} has no place", module[0]));
        }
        for other in targets {
            if place(&other) > place(module) && place(module).is_some() {
                bad.insert(format!("{} names {}", module.join("::"), other.join("::")));
            }
        }
    }
    let bad: Vec<_> = bad.into_iter().collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn a_circle_is_found_through_a_facade_and_a_one_way_street_is_none() {
    let read = |files: [(&str, &str); 3]| -> BTreeMap<Module, Vec<Named>> {
        let module = |name: &str| name.split_terminator("::").map(str::to_owned).collect();
        let files = files.into_iter();
        files
            .map(|(name, code)| (module(name), named(&tokens(code))))
            .collect()
    };
    let root = "mod a; mod b; pub use b::{B, C as D};";
    let one_way = read([
        ("", root),
        ("a", "use crate::B; fn f() -> B {}"),
        ("b", "use std::fmt;"),
    ]);
    let to_b: BTreeSet<Module> = [vec!["b".to_owned()]].into();
    assert_eq!(edges(&one_way)[&vec!["a".to_owned()]], to_b);
    let circle = read([
        ("", root),
        ("a", "use crate::{B, D};"),
        ("b", "fn g() { super::a::f() }"),
    ]);
    let from_b = reached(&edges(&circle), &vec!["b".to_owned()]);
    assert!(from_b.contains(&vec!["b".to_owned()]), "{from_b:?}");
}
