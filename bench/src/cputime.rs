//! Processor time of a server on this machine, all of its processes together.

use std::path::Path;

/// Clock ticks a second in `/proc`; Linux has no other value for programs.
const TICKS: f64 = 100.0;

/// Processor seconds of the server whose scratch directory this is, ended processes included; `None` if the
/// system does not say.
#[must_use]
pub fn seconds(dir: &Path) -> Option<f64> {
    let file = std::fs::read_to_string(dir.join("data/postmaster.pid")).ok()?;
    let postmaster: u32 = file.lines().next()?.trim().parse().ok()?;
    let mut ticks = Usage::of(postmaster)?.with_ended();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(usage) = pid.and_then(Usage::of) else {
            continue;
        };
        if usage.parent == postmaster {
            ticks += usage.own;
        }
    }
    Some(ticks / TICKS)
}

struct Usage {
    parent: u32,
    own: f64,
    ended: f64,
}

impl Usage {
    fn of(pid: u32) -> Option<Self> {
        Self::read(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads a line of `/proc/PID/stat`. The name in parentheses may hold anything.
    fn read(line: &str) -> Option<Self> {
        let (_, fields) = line.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: number(11)? + number(12)?,
            ended: number(13)? + number(14)?,
        })
    }

    fn with_ended(&self) -> f64 {
        self.own + self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn a_name_with_parentheses_and_blanks_moves_no_field() {
        let line = "42 (post gres: (x) y) S 7 42 42 0 -1 4194560 1 2 3 4 50 8 100 20 20 0 1 0 5";
        let usage = Usage::read(line).unwrap();
        assert_eq!((usage.parent, usage.own, usage.ended), (7, 58.0, 120.0));
    }
}
