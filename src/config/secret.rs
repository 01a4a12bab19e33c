//! A text that must not be shown, and how an address with a password is shown.
//!
//! Invariant: masking errs on the safe side. What cannot be told apart from a password is hidden.

use std::fmt;

/// A text that logs and debug output never show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who must use it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An address with its password hidden, wherever it stands.
pub(super) fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "***".to_owned();
    };
    // The last `@` ends the user's part even when a careless password has a `/` or `@` in it.
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => {
            let name = user.split(':').next().unwrap_or_default();
            let shown = if user.contains(':') {
                format!("{name}:***@")
            } else {
                format!("{name}@")
            };
            (shown, place)
        }
        None => (String::new(), rest),
    };
    let Some((base, query)) = place.split_once('?') else {
        return format!("{scheme}://{user}{place}");
    };
    let pairs: Vec<String> = query.split('&').map(mask_pair).collect();
    format!("{scheme}://{user}{base}?{}", pairs.join("&"))
}

fn mask_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=***"),
        _ => pair.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        for (url, shown) in [
            ("postgresql://u:pw@h:5432/d", "postgresql://u:***@h:5432/d"),
            ("postgresql://u:p/w@x@h/d", "postgresql://u:***@h/d"),
            ("postgresql://u@h/d", "postgresql://u@h/d"),
            (
                "postgresql://h/d?password=pw&a=b",
                "postgresql://h/d?password=***&a=b",
            ),
            ("postgresql:///d", "postgresql:///d"),
            ("u:pw@h", "***"),
        ] {
            assert_eq!(mask_url(url), shown);
        }
        assert_eq!(format!("{:?}", Secret::new("pw")), "***");
    }
}
