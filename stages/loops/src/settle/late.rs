//! Late launches: requests that arrived after their booking was taken back. Their frames are killed.

use std::time::Duration;

use cue_dispatch::{LateQuestion, Launch};
use cue_rqd::{KillOutcome, Presence};
use cue_store::Unlaunched;

use super::Settle;
use super::spans::record_outcome;

/// Time in which a listed frame has its process. The Python RQD lists a frame before, with process id 0, and
/// to kill the frame then kills the daemon and not the frame.
const BEGINS_WITHIN: Duration = Duration::from_secs(1);

/// Reason for a kill, as the host logs it.
const REASON: &str = "its launch arrived after its booking had been taken back";

impl Settle {
    /// Kills launches that were taken back and run after all.
    pub(super) async fn kill_late(&self, mut late: LateQuestion) {
        let running = self.running(&late.host, &late.launches).await;
        late.answered = running.is_some();
        let running = running.unwrap_or_default();
        if running.is_empty() {
            return;
        }
        tokio::time::sleep(BEGINS_WITHIN).await;
        let still = self.running(&late.host, &running).await;
        late.answered = still.is_some();
        for launch in still.unwrap_or_default() {
            self.kill(&late.host, &launch).await;
        }
    }

    /// Those of the launches that the host lists; `None` if it does not answer.
    async fn running(&self, host: &str, launches: &[Launch]) -> Option<Vec<Launch>> {
        let frames = self.rqd.running_frames(host).await.ok()?;
        let runs = |launch: &&Launch| {
            let Unlaunched { frame, proc, .. } = &launch.booking;
            frames.presence(frame.as_str()) == Presence::RunsAs(proc.as_str())
        };
        Some(launches.iter().filter(runs).cloned().collect())
    }

    async fn kill(&self, host: &str, launch: &Launch) {
        let Unlaunched { frame, proc, .. } = &launch.booking;
        let killed = self.rqd.kill(host, frame.as_str(), REASON).await;
        if matches!(killed, Ok(KillOutcome::Killed)) {
            self.metrics.late_killed.inc();
            record_outcome(launch, "killed", None);
        }
        tracing::warn!(host, frame.id = %frame, proc.id = %proc, killed = ?killed, "a frame ran without a booking: {REASON}");
    }
}
