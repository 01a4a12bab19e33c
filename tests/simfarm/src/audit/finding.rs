//! Findings of an audit.

use std::fmt;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The invariant that does not hold.
    pub invariant: &'static str,
    /// Rows that break it, with their ids and numbers.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// Result of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Findings; of each invariant at most five rows are shown, the last says how many more.
    pub findings: Vec<Finding>,
    /// Number of invariants that were checked.
    pub checked: usize,
}

impl Audit {
    /// Returns true if nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ok() {
            return write!(f, "audit: OK ({} invariants)", self.checked);
        }
        for (n, finding) in self.findings.iter().enumerate() {
            write!(f, "{}{finding}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Findings of the details shown; the last one says how many were left out.
pub(super) fn findings(
    invariant: &'static str,
    details: impl Iterator<Item = String>,
    shown: usize,
    all: usize,
) -> Vec<Finding> {
    let mut findings: Vec<_> = details
        .map(|detail| Finding { invariant, detail })
        .collect();
    if let Some(last) = findings.last_mut().filter(|_| all > shown) {
        last.detail
            .push_str(&format!(" (and {} more)", all - shown));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_is_one_line_or_one_line_a_finding() {
        let mut audit = Audit {
            findings: Vec::new(),
            checked: 27,
        };
        assert_eq!(audit.to_string(), "audit: OK (27 invariants)");
        audit.findings = findings(
            "a_cap_holds",
            ["job 1", "job 2"].map(String::from).into_iter(),
            2,
            7,
        );
        assert_eq!(
            audit.to_string(),
            "a_cap_holds: job 1\na_cap_holds: job 2 (and 5 more)"
        );
        assert!(!audit.is_ok());
    }
}
