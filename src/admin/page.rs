//! The live page at `/`: one HTML document with its style and script in it.
//!
//! Invariant: the page asks nobody but the server it came from, and runs no script but its own: the
//! policy names a number that is drawn anew for each answer.

use axum::http::header;
use axum::response::{IntoResponse, Response};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: [&str; 9] = [
    include_str!("page/draw.js"),
    include_str!("page/farm.js"),
    include_str!("page/map.js"),
    include_str!("page/host.js"),
    include_str!("page/change.js"),
    include_str!("page/levers.js"),
    include_str!("page/clusters.js"),
    include_str!("page/why.js"),
    include_str!("page/live.js"),
];

/// The page, with a policy of its own.
pub(super) async fn page() -> Response {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src \
         'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, document(&nonce)).into_response()
}

fn document(nonce: &str) -> String {
    HTML.replace("/*style*/", STYLE)
        .replace("/*script*/", &SCRIPT.concat())
        .replace("{nonce}", nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_whole_and_names_nobody_else() {
        let page = document("n0");
        assert!(!page.contains("/*style*/") && !page.contains("/*script*/"));
        assert_eq!(
            page.matches("nonce=\"n0\"").count(),
            2,
            "one style, one script"
        );
        for outside in [
            "http://", "https://", "//cdn", "@import", "style=\"", "onclick",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
