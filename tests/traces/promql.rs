//! PromQL, read as far as it takes to know which metrics, labels and values a query names.
//!
//! Invariant: what is not understood here is an error; nothing is passed over.

use std::ops::Range;

const AGGREGATES: [&str; 5] = ["sum", "min", "max", "avg", "count"];
const BETWEEN: [&str; 3] = ["and", "or", "unless"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Sign(char),
}

/// `metric{label="value"}`, and where it stands.
pub struct Selector {
    pub at: usize,
    pub metric: String,
    /// Label, operator and value of each.
    pub matchers: Vec<(String, String, String)>,
}

/// The labels of `by (…)` or `on (…)`, and the part of the query that must have them.
pub struct Grouping {
    pub labels: Vec<String>,
    pub over: Range<usize>,
}

/// A query, as far as it is understood.
#[derive(Default)]
pub struct Query {
    pub selectors: Vec<Selector>,
    pub groupings: Vec<Grouping>,
    /// The labels of the result; those of the first metric if nothing is summed up before it.
    pub result: Option<Vec<String>>,
}

/// Cuts a query up. What is in square brackets says for how long, and no more.
fn tokens(query: &str) -> Result<Vec<Token<'_>>, String> {
    let mut all = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_:.$".contains(c);
        let end_of = |close: char| {
            let end = rest.get(1..).and_then(|rest| rest.find(close));
            end.ok_or_else(|| format!("{first} without {close}"))
        };
        let length = match first {
            '"' => end_of('"')? + 2,
            '[' => end_of(']')? + 2,
            c if is_part(c) => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        match first {
            '"' => all.push(Token::Text(&rest[1..length - 1])),
            '[' => {}
            c if is_part(c) => all.push(Token::Word(&rest[..length])),
            c => all.push(Token::Sign(c)),
        }
        rest = rest[length..].trim_start();
    }
    Ok(all)
}

impl Query {
    /// Reads a query.
    pub fn read(text: &str) -> Result<Self, String> {
        let tokens = &*tokens(text)?;
        let mut query = Self::default();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1).copied();
            let Token::Word(word) = *token else {
                at += 1;
                continue;
            };
            let opens = next == Some(Token::Sign('('));
            if word == "by" || word == "on" {
                at = query.grouping(word, tokens, at + 1)?;
            } else if AGGREGATES.contains(&word) {
                if opens {
                    query.settle(Vec::new);
                } else if next != Some(Token::Word("by")) {
                    return Err(format!("{word} of what?"));
                }
                at += 1;
            } else if opens || BETWEEN.contains(&word) || word.starts_with(char::is_numeric) {
                at += 1;
            } else {
                at = query.selector(word, tokens, at)?;
            }
        }
        if query.selectors.is_empty() {
            return Err("it names no metric".to_owned());
        }
        Ok(query)
    }

    /// The labels of the result are those of the first that says something about them.
    fn settle(&mut self, labels: impl FnOnce() -> Vec<String>) {
        if self.selectors.is_empty() && self.result.is_none() {
            self.result = Some(labels());
        }
    }

    /// Reads the labels after `by` or `on`; returns where they end.
    fn grouping(&mut self, word: &str, tokens: &[Token<'_>], from: usize) -> Result<usize, String> {
        let end = closing(tokens, from)?;
        let labels: Vec<String> = tokens[from + 1..end - 1]
            .iter()
            .filter_map(|token| match token {
                Token::Word(label) => Some((*label).to_owned()),
                _ => None,
            })
            .collect();
        let over = if word == "by" {
            let inside = closing(tokens, end);
            end..inside.map_err(|_| "by must stand before what it groups".to_owned())?
        } else {
            0..tokens.len()
        };
        if word == "by" {
            self.settle(|| labels.clone());
        }
        self.groupings.push(Grouping { labels, over });
        Ok(end)
    }

    /// Reads a metric and what is in its braces; returns where it ends.
    fn selector(&mut self, metric: &str, tokens: &[Token<'_>], at: usize) -> Result<usize, String> {
        let mut selector = Selector {
            at,
            metric: metric.to_owned(),
            matchers: Vec::new(),
        };
        let mut next = at + 1;
        if tokens.get(next) == Some(&Token::Sign('{')) {
            let (mut label, mut how) = ("", String::new());
            loop {
                next += 1;
                match tokens.get(next) {
                    Some(Token::Word(word)) => (label, how) = (word, String::new()),
                    Some(Token::Text(value)) => {
                        let matcher = (label.to_owned(), how.clone(), (*value).to_owned());
                        selector.matchers.push(matcher);
                    }
                    Some(Token::Sign('}')) => break,
                    Some(Token::Sign(sign)) => how.push(*sign),
                    None => return Err(format!("the braces of {metric} stay open")),
                }
            }
            next += 1;
        }
        self.selectors.push(selector);
        Ok(next)
    }
}

/// End of the parentheses that open here: one behind the closing one.
fn closing(tokens: &[Token<'_>], from: usize) -> Result<usize, String> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            _ => {}
        }
        if depth <= 0 {
            let opened = at > from;
            return opened.then_some(at + 1).ok_or("no ( here".to_owned());
        }
    }
    Err("a ( stays open".to_owned())
}
