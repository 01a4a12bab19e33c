//! Texts that fit their place: a sentence over several lines, a name cut in its middle, a list that
//! says how much of it is left out.
//!
//! Invariant: no line is wider than was asked for, and nothing is left out without a sign. Widths are
//! in columns, of which some letters take two and some none.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A sentence in lines of at most `width` characters, broken at blanks; a word that is longer than a
/// line is cut. The last of `most` lines ends in a sign if there was more.
pub(super) fn wrap(sentence: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        let word = short(word, width);
        match lines.last_mut() {
            Some(line) if long(line) + 1 + long(&word) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = head(&format!("{last} …"), width);
        }
    }
    lines
}

/// A text that is no longer than `most`, cut in the middle, where cluster names differ least.
pub(super) fn short(text: &str, most: usize) -> String {
    let length = long(text);
    if length <= most || most < 4 {
        return start(text, most);
    }
    let tail = (most - 1) / 3;
    let head = start(text, most - 1 - tail);
    let backwards: String = text.chars().rev().collect();
    let tail: String = start(&backwards, tail).chars().rev().collect();
    format!("{head}…{tail}")
}

/// A text that is no longer than `most`, cut at its end with a sign.
pub(super) fn head(text: &str, most: usize) -> String {
    if long(text) <= most || most == 0 {
        return start(text, most);
    }
    format!("{}…", start(text, most - 1).trim_end())
}

fn long(text: &str) -> usize {
    text.width()
}

/// As much of the beginning of a text as fits.
fn start(text: &str, most: usize) -> String {
    let mut taken = 0;
    let fits = |sign: &char| {
        taken += sign.width().unwrap_or(0);
        taken <= most
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_sentence_about_a_bottleneck_fits_where_it_is_drawn() {
        let sentence = "cluster_feed is the bottleneck: its queue is 100 % full, 100 % of its 256 \
                        workers are busy, and the stages before it wait. Half its passes take over \
                        123.4 s.";
        let lines = wrap(sentence, 80, 3);
        assert_eq!(lines.join(" "), sentence);
        assert!(lines.iter().all(|line| long(line) <= 80), "{lines:?}");
        assert!(lines[0].ends_with("of its 256"), "{lines:?}");
    }

    #[test]
    fn what_does_not_fit_leaves_a_sign() {
        assert_eq!(wrap("one two three four", 7, 2), ["one two", "three …"]);
        assert_eq!(wrap("aaaaaaaaaaaa b", 6, 2), ["aaaa…a", "b"]);
        assert!(wrap(" ", 6, 2).is_empty());
        assert_eq!(head("loops: one, two", 9), "loops: o…");
        assert_eq!(head("exactly", 7), "exactly");
        assert_eq!(short("yard/alpha/hostname:h1", 12), "yard/alp…:h1");
        assert_eq!(wrap("日本語 日本語日本語", 6, 9), ["日本語", "日本…"]);
        assert_eq!(head("日本語", 5), "日本…");
        for width in 0..4 {
            assert!(
                wrap("some words here", width, 3)
                    .iter()
                    .all(|line| long(line) <= width)
            );
        }
    }
}
