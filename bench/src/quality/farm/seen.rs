//! Remains of a farm after a scenario.

use cue_simfarm::completion::CompletionStats;
use cue_simfarm::rqd::LaunchRecord;

use crate::latency::End;
use crate::quality::outcome::Outcome;
use crate::quality::timeline::Timeline;
use crate::stats::count;

/// Remains of a farm after a scenario.
pub struct Seen {
    /// Every run.
    pub timeline: Timeline,
    /// Every launch, for measures that look at hosts.
    pub launches: Vec<LaunchRecord>,
    /// Every end.
    pub ends: Vec<End>,
    /// Work of the stand-in for Cuebot.
    pub completions: CompletionStats,
    /// Counters that differed from what they count, in all audits of counters.
    pub counter_findings: u64,
    /// Findings of the last audit, and of the watch over caps.
    pub audit: Vec<String>,
    /// Circumstances that the reader must know.
    pub remarks: Vec<String>,
}

impl Seen {
    /// The outcome, to which figures are added. It has those of the audit already.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome {
            completed: self.completions.completed,
            remarks: self.remarks.clone(),
            ..Outcome::default()
        };
        outcome.remarks.extend(self.audit.iter().cloned());
        match self.audit.len() {
            0 => outcome,
            findings => outcome.at_most("findings of the audit", count(findings as u64), 0.0),
        }
    }
}
