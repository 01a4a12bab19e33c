//! Language of comments, pages and names.
//!
//! Invariant: the lists are exact enough for honest uses: a word is in them only if a plain one can always stand
//! in its place.

use super::{Source, sources};

/// First words of an indirect question.
const QUESTIONS: [&str; 14] = [
    "What",
    "Whatever",
    "Which",
    "Whichever",
    "How",
    "Whether",
    "When",
    "Where",
    "Wherever",
    "Why",
    "Who",
    "Whoever",
    "Whose",
    "Whom",
];

/// Words and phrases of no field.
const DIALECT: [&str; 12] = [
    "told",
    "tells",
    "whoever",
    "anew",
    "so many",
    "in vain",
    "to be had",
    "besides",
    "come of",
    "came of",
    "comes of",
    "manieth",
];

/// Names of types for which the field has a word.
const NAMES: [&str; 23] = [
    "Levers",
    "Exhibits",
    "Oracle",
    "Shelves",
    "Shelf",
    "Ladder",
    "Climb",
    "Rooms",
    "Want",
    "Debt",
    "Debts",
    "Doubt",
    "Resting",
    "Tally",
    "TurnBook",
    "Whereabouts",
    "Census",
    "Desk",
    "Office",
    "Crew",
    "Fate",
    "Never",
    "Meddler",
];

/// Names of values that say nothing about the value.
const LOCALS: [&str; 4] = ["what", "how", "told", "here"];

/// Most words of the lists in the whole repository.
const MOST_DIALECT: usize = 20;

/// Comment lines among which one may begin with a question.
const QUESTION_IN: usize = 50;

/// Texts of the comment lines of a source, with the numbers of their lines.
fn comments(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let sign = if source.path.ends_with(".sql") {
        "--"
    } else {
        "//"
    };
    source
        .text
        .lines()
        .enumerate()
        .filter_map(move |(at, line)| {
            let text = line.trim_start().strip_prefix(sign)?;
            Some((at + 1, text.trim_start_matches(['/', '!']).trim()))
        })
}

/// The position of a word in a text in lower case, at which it is no part of another.
fn position(text: &str, word: &str) -> Option<usize> {
    let is_letter = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == '`';
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let after = &text[at + word.len()..];
        !text[..*at].ends_with(is_letter) && !after.starts_with(is_letter)
    })
}

fn dialect(text: &str) -> impl Iterator<Item = &'static str> {
    let text = text.to_lowercase();
    let found = DIALECT.iter().copied();
    found.filter(move |word| position(&text, word).is_some())
}

/// The name that a line of code gives to a type or a value.
fn declared(line: &str) -> Option<&str> {
    let words: Vec<&str> = line
        .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let at = words
        .iter()
        .position(|word| ["struct", "enum", "trait", "type", "let"].contains(word))?;
    let name = words.get(at + 1).filter(|word| **word != "mut");
    name.or(words.get(at + 2)).copied()
}

#[test]
fn a_comment_begins_with_its_subject_and_not_with_a_question() {
    let mut all = 0;
    let mut questions = Vec::new();
    for source in sources(".rs").iter().chain(&sources(".sql")) {
        for (line, text) in comments(source) {
            all += 1;
            let first = text.split(|sign: char| !sign.is_alphabetic()).next();
            if first.is_some_and(|first| QUESTIONS.contains(&first)) {
                questions.push(format!("{}:{line}: {text}", source.path));
            }
        }
    }
    let found = questions.len();
    assert!(all > 1_000, "only {all} comment lines were found");
    assert!(
        found * QUESTION_IN <= all,
        "{found} of {all} lines:\n{}",
        questions.join("\n")
    );
}

#[test]
fn the_words_are_those_of_the_field() {
    let mut found = Vec::new();
    for source in sources(".rs").iter().chain(&sources(".sql")) {
        for (line, text) in comments(source) {
            found.extend(dialect(text).map(|word| format!("{}:{line}: {word}", source.path)));
        }
        if source.path.ends_with("tidy/language.rs") {
            continue;
        }
        for (at, line) in source.text.lines().enumerate() {
            let name = declared(line).filter(|_| !line.trim_start().starts_with("//"));
            let banned = name.filter(|name| NAMES.contains(name) || LOCALS.contains(name));
            found.extend(banned.map(|name| format!("{}:{}: {name}", source.path, at + 1)));
        }
    }
    for page in sources(".md") {
        if page.path == "CHANGELOG.md" {
            continue;
        }
        for (at, line) in page.text.lines().enumerate() {
            found.extend(dialect(line).map(|word| format!("{}:{}: {word}", page.path, at + 1)));
        }
    }
    assert!(
        found.len() <= MOST_DIALECT,
        "{} words:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn a_word_is_found_whole_and_nowhere_else() {
    let found = |text| dialect(text).collect::<Vec<_>>();
    assert_eq!(found("Whoever asks is told."), ["told", "whoever"]);
    assert_eq!(
        found("Retold in so many_words; `told` is a field."),
        [""; 0]
    );
    assert_eq!(declared("    let mut told = 1;"), Some("told"));
    assert_eq!(declared("pub(crate) struct Seats {"), Some("Seats"));
    assert_eq!(declared("tell(whatever);"), None);
}
