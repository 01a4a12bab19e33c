//! Sources that can be read in one go.

use super::sources;

/// Most lines of a file of the service.
const LONGEST: usize = 300;

/// Most lines of any other source.
const LONGEST_TEST: usize = 400;

/// Files of the service that are still longer. An entry whose file is short fails, so the list only shrinks.
const LONG: [&str; 0] = [];

#[test]
fn every_source_says_its_purpose_and_can_be_read_in_one_go() {
    let sources = sources(".rs");
    assert!(sources.len() > 100, "the sources were found");
    let mut bad = Vec::new();
    for source in &sources {
        let (path, lines) = (source.path.as_str(), source.text.lines().count());
        if !source.text.starts_with("//! ") {
            bad.push(format!("{path} does not begin with `//!`"));
        }
        let most = if source.is_product() {
            LONGEST
        } else {
            LONGEST_TEST
        };
        let is_exempt = LONG.contains(&path);
        if lines > most && !is_exempt {
            bad.push(format!("{path} has {lines} lines, more than {most}"));
        }
        if lines <= most && is_exempt {
            bad.push(format!("{path} is short; remove it from the list"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The text in a log macro that gives an error as such: in JSON only its outermost words are written.
const SHORTENED: &str = "as &dyn std::error::Error";

#[test]
fn an_error_in_a_log_line_carries_its_causes() {
    let sources = sources(".rs");
    let bad: Vec<&str> = sources
        .iter()
        .filter(|source| source.is_product() && source.text.contains(SHORTENED))
        .map(|source| source.path.as_str())
        .collect();
    assert!(bad.is_empty(), "use cue_flow::Chain in {bad:?}");
}
