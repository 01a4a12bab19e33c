//! The frames of a host, as one report of it lists them.
//!
//! Presence is certain: a listed frame is there, as the proc it is listed with. Absence is certain
//! only of a complete report, and even then the frame may have ended a moment ago.
//!
//! The Rust RQD lists a frame before it answers the launch. The Python RQD answers first and lists
//! the frame after its setup (user, log directory), and when the setup fails the frame is never
//! listed, but reported as ended ten seconds later. It also builds its reports in one object that
//! its threads share, so a report can lack frames that have run for hours. In all these cases the
//! cores of the missing frame are booked already. So a report is complete when the frames it lists
//! account for all booked cores, and a report without such a sum never is.

use std::collections::HashMap;

use cue_proto::report::{HostReport, RunningFrameInfo};

/// The frames that a host lists in one report.
#[derive(Clone, Debug, PartialEq)]
pub struct HostFrames {
    /// The procs that the frames are listed with, by frame.
    procs: HashMap<String, String>,
    complete: bool,
}

/// The presence of one frame, by a report of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence<'a> {
    /// The frame is there, launched as the proc of this id (`proc.pk_proc`). Compare it: another
    /// run of the frame can be meant.
    RunsAs(&'a str),
    /// The frame is not there: it was not launched, or has ended.
    Absent,
    /// The report does not list the frame, and lacks frames that are there.
    Unclear,
}

impl HostFrames {
    /// The presence of a frame.
    pub fn presence(&self, frame_id: &str) -> Presence<'_> {
        match self.procs.get(frame_id) {
            Some(proc) => Presence::RunsAs(proc),
            None if self.complete => Presence::Absent,
            None => Presence::Unclear,
        }
    }
}

impl From<HostReport> for HostFrames {
    fn from(report: HostReport) -> Self {
        let booked = report.core_info.map(|cores| i64::from(cores.booked_cores));
        // A frame that is listed twice is one frame.
        let frames: HashMap<String, RunningFrameInfo> = report
            .frames
            .into_iter()
            .map(|info| (info.frame_id.clone(), info))
            .collect();
        let listed: i64 = frames.values().map(|info| i64::from(info.num_cores)).sum();
        let procs = frames
            .into_iter()
            .map(|(frame, info)| (frame, info.resource_id));
        Self {
            procs: procs.collect(),
            complete: booked.is_some_and(|booked| booked <= listed),
        }
    }
}

#[cfg(test)]
mod tests {
    use cue_proto::report::CoreDetail;

    use super::*;

    fn info(frame_id: &str, resource_id: &str, num_cores: i32) -> RunningFrameInfo {
        RunningFrameInfo {
            frame_id: frame_id.to_owned(),
            resource_id: resource_id.to_owned(),
            num_cores,
            ..RunningFrameInfo::default()
        }
    }

    fn frames(booked_cores: Option<i32>, frames: &[RunningFrameInfo]) -> HostFrames {
        HostFrames::from(HostReport {
            frames: frames.to_vec(),
            core_info: booked_cores.map(|booked_cores| CoreDetail {
                booked_cores,
                ..CoreDetail::default()
            }),
            ..HostReport::default()
        })
    }

    #[test]
    fn a_listed_frame_is_there_whatever_else_the_report_lacks() {
        for booked in [None, Some(0), Some(100), Some(9900)] {
            let host = frames(booked, &[info("f1", "p1", 100)]);
            assert_eq!(host.presence("f1"), Presence::RunsAs("p1"), "{booked:?}");
        }
    }

    #[test]
    fn absence_counts_only_if_the_listed_frames_account_for_all_booked_cores() {
        let two = [info("f1", "p1", 100), info("f2", "p2", 300)];
        for (booked, expected) in [
            (Some(400), Presence::Absent),
            // The cores of a frame that ends are free before it leaves the list.
            (Some(100), Presence::Absent),
            // One more frame is starting.
            (Some(500), Presence::Unclear),
            (None, Presence::Unclear),
        ] {
            assert_eq!(frames(booked, &two).presence("f3"), expected, "{booked:?}");
        }
        assert_eq!(frames(Some(0), &[]).presence("f1"), Presence::Absent);
    }

    #[test]
    fn a_frame_that_is_listed_twice_hides_no_other() {
        // Two threads of the Python RQD filled one report: `f1` twice, `f2` not at all.
        let host = frames(Some(200), &[info("f1", "p1", 100), info("f1", "p1", 100)]);
        assert_eq!(host.presence("f2"), Presence::Unclear);
    }
}
