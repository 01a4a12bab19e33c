//! Citations of pages in the sources: each names a section that exists.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tidy::{Source, sources};

/// Stands between the page and the section of a citation, as in `(OPENCUE.md, Limits)`.
const MIDDLE: &str = ".md, ";

/// Pages and sections that a source cites.
fn citations(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices(MIDDLE).filter_map(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + MIDDLE.len()..]);
        let (_, page) = before.rsplit_once('(')?;
        let (section, _) = after.split_once(')')?;
        let is_path = |sign: char| sign.is_alphanumeric() || "/_-".contains(sign);
        (!page.is_empty() && page.chars().all(is_path)).then_some((page, section))
    })
}

/// Headings of a page.
fn sections(page: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(page)
        .with_extension("md");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let headings = text.lines().filter_map(|line| line.split_once("# "));
    let headings = headings.filter(|(before, _)| before.chars().all(|sign| sign == '#'));
    headings.map(|(_, title)| title.to_owned()).collect()
}

/// Returns true if a text cites a numbered section of a page that is not in the repository.
fn cites_elsewhere(text: &str) -> bool {
    text.match_indices("contract").any(|(at, word)| {
        let after = text[at + word.len()..].trim_start_matches([' ', '(']);
        let after = after.strip_prefix("sections ").unwrap_or(after);
        after.starts_with(|sign: char| sign.is_ascii_digit())
    })
}

fn all() -> Vec<Source> {
    let endings = [".rs", ".sql", ".proto"];
    let all = endings.into_iter().flat_map(sources);
    all.filter(|source| !source.path.ends_with("farm/citations.rs"))
        .collect()
}

#[test]
fn every_citation_names_a_section() {
    let mut cited = BTreeSet::new();
    let mut dead = Vec::new();
    for source in &all() {
        for (page, section) in citations(&source.text) {
            if sections(page).contains(section) {
                cited.insert((page.to_owned(), section.to_owned()));
            } else {
                dead.push(format!("{}: {page}.md, {section}", source.path));
            }
        }
        if cites_elsewhere(&source.text) {
            dead.push(format!("{}: a contract by number", source.path));
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(cited.len() > 10, "{cited:?}");
}

#[test]
fn a_citation_is_found_with_its_page() {
    let text = "as it is (OPENCUE.md, Lock order), see (bench/README.md, Indexes) and a.md, b";
    let found: Vec<_> = citations(text).collect();
    let wanted = [("OPENCUE", "Lock order"), ("bench/README", "Indexes")];
    assert_eq!(found, wanted);
    assert!(cites_elsewhere("the order of contract 5.4"));
    assert!(cites_elsewhere("the contract (sections 2, 3)"));
    assert!(!cites_elsewhere("part of the contract."));
}
