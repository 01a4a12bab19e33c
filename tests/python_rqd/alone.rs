//! A daemon and its client: what is launched, refused, asked and killed.

use std::time::Duration;

use cue_proto::rqd::rqd_interface_client::RqdInterfaceClient;
use cue_proto::rqd::run_frame::UidOptional;
use cue_proto::rqd::{
    RqdStaticLockAllRequest, RqdStaticShutdownIdleRequest, RqdStaticUnlockAllRequest, RunFrame,
};
use cue_rqd::{
    CallError, KillOutcome, LaunchError, LaunchOutcome, Presence, Refusal, RqdClient, RqdSettings,
};
use cue_simfarm::cuebot::ReportServer;
use cue_simfarm::rqd::Completion;
use cue_simfarm::waiting::{until, within};
use tokio::sync::mpsc::Receiver;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::cable::Cable;
use crate::daemon::Daemon;
use crate::environment::python;

/// A daemon of 8 cores, its client and the ends of its frames.
struct Bench {
    daemon: Daemon,
    client: RqdClient,
    ends: Receiver<Completion>,
    _cuebot: ReportServer,
}

impl Bench {
    async fn start() -> Option<Self> {
        let python = python()?;
        let mut cuebot = ReportServer::start().unwrap();
        let daemon = Daemon::start(python, &cuebot, "127.0.0.1", 8).await;
        Some(Self {
            client: client(&daemon.address().to_string()),
            daemon,
            ends: cuebot.completions().unwrap(),
            _cuebot: cuebot,
        })
    }

    fn frame(&self, command: &str) -> RunFrame {
        RunFrame {
            resource_id: id(),
            job_id: id(),
            job_name: "job".to_owned(),
            frame_id: id(),
            frame_name: "0001-render".to_owned(),
            layer_id: id(),
            command: command.to_owned(),
            user_name: "artist".to_owned(),
            log_dir: self.daemon.directory().join("logs").display().to_string(),
            show: "show".to_owned(),
            shot: "shot".to_owned(),
            num_cores: 100,
            ..RunFrame::default()
        }
    }

    async fn launch(&self, frame: &RunFrame) -> Result<(), LaunchError> {
        self.client.launch("h", frame.clone()).await
    }

    /// Launches a frame that sleeps, and waits until it does and the daemon lists it.
    async fn sleeper(&self) -> RunFrame {
        let begun = self.daemon.directory().join(id());
        let frame = self.frame(&format!("touch {} && sleep 60", begun.display()));
        self.launch(&frame).await.unwrap();
        // A listed frame may have no process yet, and then the daemon kills itself when it is asked
        // to kill the frame.
        until("the frame to begin", async || begun.exists()).await;
        let frames = self.client.running_frames("h").await.unwrap();
        let runs = Presence::RunsAs(&frame.resource_id);
        assert_eq!(frames.presence(&frame.frame_id), runs);
        frame
    }

    async fn refused(&self, frame: RunFrame) -> Option<Refusal> {
        let error = self.launch(&frame).await.unwrap_err();
        assert_eq!(error.outcome(), LaunchOutcome::NotRunning, "{error:?}");
        error.refusal()
    }

    async fn end(&mut self) -> Completion {
        within("the end of a frame", self.ends.recv())
            .await
            .unwrap()
    }

    fn operator(&self) -> RqdInterfaceClient<Channel> {
        let address = format!("http://{}", self.daemon.address());
        RqdInterfaceClient::new(Endpoint::from_shared(address).unwrap().connect_lazy())
    }
}

fn client(address: &str) -> RqdClient {
    RqdClient::new(RqdSettings {
        address: address.parse().unwrap(),
        keepalive: Duration::from_secs(1),
        ..RqdSettings::default()
    })
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

#[tokio::test]
async fn a_launched_frame_runs_and_its_end_is_reported() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let frame = bench.frame("echo of proc $CUE_TEST");
    let frame = RunFrame {
        environment: [("CUE_TEST".to_owned(), "seven".to_owned())].into(),
        ..frame
    };
    bench.launch(&frame).await.unwrap();
    let end = bench.end().await;
    assert_eq!((&*end.frame_id, end.exit_status), (&*frame.frame_id, 0));
    assert_eq!(end.resource_id, frame.resource_id);
    let log = bench.daemon.frame_log("job", "0001-render");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("of proc seven"), "{log}");

    let frame = bench.frame("exit 3");
    bench.launch(&frame).await.unwrap();
    assert_eq!(bench.end().await.exit_status, 3);
}

#[tokio::test]
async fn every_refusal_is_understood() {
    let Some(bench) = Bench::start().await else {
        return;
    };
    let cores = bench.daemon.cores();
    let frame = |change: fn(&mut RunFrame)| {
        let mut frame = bench.frame("true");
        change(&mut frame);
        frame
    };
    let root = frame(|frame| frame.uid_optional = Some(UidOptional::Uid(0)));
    assert_eq!(bench.refused(root).await, Some(Refusal::BadRequest));
    let none = frame(|frame| frame.num_cores = 0);
    assert_eq!(bench.refused(none).await, Some(Refusal::BadRequest));
    let gpus = frame(|frame| frame.num_gpus = 1);
    assert_eq!(bench.refused(gpus).await, Some(Refusal::NoRoom));
    let mut large = bench.frame("true");
    large.num_cores = cores + 100;
    assert_eq!(bench.refused(large.clone()).await, Some(Refusal::NoRoom));
    // Hyper-threads are counted on the machine, whatever cores the daemon was given.
    large.num_cores = 102_400;
    large.environment = [("CUE_THREADABLE".to_owned(), "1".to_owned())].into();
    assert_eq!(bench.refused(large).await, Some(Refusal::NoRoom));

    let mut operator = bench.operator();
    operator.lock_all(RqdStaticLockAllRequest {}).await.unwrap();
    let locked = bench.refused(bench.frame("true")).await;
    assert_eq!(locked, Some(Refusal::NoRoom));
    let unlock = RqdStaticUnlockAllRequest {};
    operator.unlock_all(unlock).await.unwrap();
    bench.sleeper().await;

    let idle = RqdStaticShutdownIdleRequest {};
    operator.shutdown_rqd_idle(idle).await.unwrap();
    let leaving = bench.refused(bench.frame("true")).await;
    assert_eq!(leaving, Some(Refusal::HostUnavailable));
}

#[tokio::test]
async fn a_launch_of_a_frame_that_runs_is_in_doubt_and_the_answer_names_the_first_run() {
    let Some(bench) = Bench::start().await else {
        return;
    };
    let first = bench.sleeper().await;
    let second = RunFrame {
        resource_id: id(),
        ..first.clone()
    };
    let error = bench.launch(&second).await.unwrap_err();
    assert_eq!(error.outcome(), LaunchOutcome::MayRun, "{error:?}");
    assert!(error.answer().is_some());
    let frames = bench.client.running_frames("h").await.unwrap();
    let runs = Presence::RunsAs(&first.resource_id);
    assert_eq!(frames.presence(&first.frame_id), runs);
}

#[tokio::test]
async fn one_report_answers_for_all_frames() {
    let Some(bench) = Bench::start().await else {
        return;
    };
    let (a, b) = (bench.sleeper().await, bench.sleeper().await);
    let frames = bench.client.running_frames("h").await.unwrap();
    for frame in [&a, &b] {
        let runs = Presence::RunsAs(&frame.resource_id);
        assert_eq!(frames.presence(&frame.frame_id), runs);
    }
    assert_eq!(frames.presence(&id()), Presence::Absent);
}

#[tokio::test]
async fn a_frame_whose_setup_fails_is_never_listed_and_not_absent_before_its_end() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    // Its log directory cannot be made, which the daemon finds out after it said OK.
    let frame = RunFrame {
        log_dir: "/proc/no/such/place".to_owned(),
        ..bench.frame("true")
    };
    bench.launch(&frame).await.unwrap();
    let frames = bench.client.running_frames("h").await.unwrap();
    assert_eq!(frames.presence(&frame.frame_id), Presence::Unclear);
    // A kill finds it as little, which therefore proves nothing about a launch of a moment ago.
    let killed = bench.client.kill("h", &frame.frame_id, "test").await;
    assert_eq!(killed.unwrap(), KillOutcome::NotRunning);

    let end = bench.end().await;
    assert_eq!((&*end.frame_id, end.exit_status), (&*frame.frame_id, 256));
    let frames = bench.client.running_frames("h").await.unwrap();
    assert_eq!(frames.presence(&frame.frame_id), Presence::Absent);
}

#[tokio::test]
async fn a_frame_is_killed_once_and_then_not_found() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let frame = bench.sleeper().await;
    let kill = async |id: &str| bench.client.kill("h", id, "test").await.unwrap();
    assert_eq!(kill(&frame.frame_id).await, KillOutcome::Killed);
    assert_eq!(kill(&id()).await, KillOutcome::NotRunning);
    let end = bench.end().await;
    assert_eq!(end.frame_id.as_ref(), frame.frame_id);
    assert_ne!((end.exit_status, end.exit_signal), (0, 0));
    let kill = bench.client.kill("h", &frame.frame_id, "test").await;
    assert_eq!(kill.unwrap(), KillOutcome::NotRunning);
}

#[tokio::test]
async fn a_daemon_that_dies_in_mid_run_is_unreachable_and_says_nothing_of_its_frames() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    bench.sleeper().await;
    bench.daemon.lose_power();
    // The first question may still be sent over the connection that breaks.
    until("the daemon to be unreachable", async || {
        let asked = bench.client.running_frames("h").await;
        matches!(asked.unwrap_err(), CallError::Unreachable { .. })
    })
    .await;
    let error = bench.launch(&bench.frame("true")).await.unwrap_err();
    assert!(
        matches!(error, LaunchError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_idle_client_keeps_its_connection() {
    let Some(bench) = Bench::start().await else {
        return;
    };
    let near = ([127, 0, 0, 1], 0).into();
    let cable = Cable::lay(near, bench.daemon.address()).await;
    let client = client(&cable.address().to_string());
    client.launch("h", bench.frame("true")).await.unwrap();
    // A client that pinged every second would be sent away (`too_many_pings`) after three pings.
    tokio::time::sleep(Duration::from_secs(6)).await;
    client.launch("h", bench.frame("true")).await.unwrap();
    assert_eq!(cable.connections(), 1);
}
