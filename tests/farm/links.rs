//! The pages: every link from one file of the repository to another leads somewhere, and so does its anchor.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tidy::files;

/// The lines of a page without its blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The anchors of a page, as the usual renderers make them from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let headings = headings.filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let slug = |heading: &str| -> String {
        let kept = heading.trim().chars().filter_map(|sign| match sign {
            ' ' => Some('-'),
            '-' | '_' => Some(sign),
            _ if sign.is_alphanumeric() => Some(sign.to_ascii_lowercase()),
            _ => None,
        });
        kept.collect()
    };
    headings.map(slug).collect()
}

/// The targets of the links of a page within the repository.
fn links(text: &str) -> Vec<&str> {
    let parts = prose(text).flat_map(|line| line.split("](").skip(1));
    let targets = parts.filter_map(|part| part.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

/// Fault of a link from a page; nothing if it leads somewhere.
fn broken(page: &Path, text: &str, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = page.parent()?.join(path);
    let of_another = match path {
        "" => None,
        _ if !target.exists() => return Some(format!("{}: {link} leads nowhere", page.display())),
        _ => std::fs::read_to_string(&target).ok(),
    };
    let there = anchors(of_another.as_deref().unwrap_or(text));
    let missing = !anchor.is_empty() && !there.contains(anchor);
    missing.then(|| format!("{}: {link} names no heading", page.display()))
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in files(".md") {
        let text = std::fs::read_to_string(&page).unwrap();
        let all = links(&text);
        seen += all.len();
        wrong.extend(all.iter().filter_map(|link| broken(&page, &text, link)));
    }
    assert_eq!(wrong, [""; 0], "{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} links were found");
}

#[test]
fn a_link_without_a_file_and_one_without_a_heading_are_found() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = "# One two\n```sh\n[x](gone.md)\n```\n[a](#one-two) [b](#three) [c](gone.md) [d](https://x/#y)\n";
    let wrong: Vec<_> = links(text)
        .into_iter()
        .filter_map(|link| broken(&page, text, link))
        .collect();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(
        wrong[0].ends_with("#three names no heading")
            && wrong[1].ends_with("gone.md leads nowhere")
    );
}
