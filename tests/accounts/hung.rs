//! The leader hangs: the real program is stopped by SIGSTOP, and goes on later.

use std::path::Path;
use std::time::{Duration, Instant};

use cue_simfarm::completion::Accounting;
use cue_simfarm::waiting::{until, within};
use tokio::process::Command;

use crate::binary::{BUILT, Service, command};
use crate::yard::Yard;

async fn accounts(service: &Service) -> serde_json::Value {
    let (_, body) = service.get("/status").await;
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    status["accounts"].clone()
}

async fn leads(service: &Service) -> bool {
    accounts(service).await["this"] == true
}

async fn signal(service: &Service, signal: &str) {
    let kill = format!("kill -{signal} {}", service.id());
    let sent = Command::new("sh").args(["-c", &kill]).status().await;
    assert!(sent.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_leader_that_hangs_has_a_successor_within_seconds_and_does_no_harm_later() {
    let yard = Yard::new(8).await;
    // No host is asked: what runs was booked by the test, and the rest of the job is paused.
    yard.db.run("UPDATE job SET b_paused = true").await;
    let mut services = Vec::new();
    for _ in 0..3 {
        let environment = [("CUE_DATABASE_URL", &*yard.db.url), ("CUE_DRY_RUN", "true")];
        services.push(Service::start(&environment).await);
    }
    let mut leading = None;
    until("one leader that all have heard of", async || {
        let mut found = Vec::new();
        let mut known = true;
        for (n, service) in services.iter().enumerate() {
            let now = accounts(service).await;
            known &= !now["checked_ms_ago"].is_null();
            if now["this"] == true {
                found.push(n);
            }
        }
        leading = found.first().copied();
        known && found.len() == 1
    })
    .await;
    let hung = services.remove(leading.unwrap());
    signal(&hung, "STOP").await;
    yard.release(3, Accounting::Managed).await;
    let began = Instant::now();
    until("the counters to be right again", async || {
        yard.is_sound().await
    })
    .await;
    let healed = began.elapsed();
    eprintln!("healed {healed:?} after the leader was stopped");
    assert!(healed < Duration::from_secs(10), "{healed:?}");
    until("a successor", async || {
        let mut leaders = 0;
        for service in &services {
            leaders += usize::from(leads(service).await);
        }
        leaders == 1
    })
    .await;

    signal(&hung, "CONT").await;
    until("the one that hung to follow", async || {
        let now = accounts(&hung).await;
        now["this"] == false && now["checked_ms_ago"].as_u64().is_some_and(|ms| ms < 5_000)
    })
    .await;
    yard.release(3, Accounting::Managed).await;
    until("the counters to be right again", async || {
        yard.is_sound().await
    })
    .await;
    services.push(hung);
    for service in services {
        let (code, log) = within("the program to end", service.terminate()).await;
        assert_eq!(code, Some(0), "{log}");
    }
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn check_says_which_replica_compares_the_accounts_and_when_none_does() {
    let yard = Yard::new(2).await;
    yard.db.run("UPDATE job SET b_paused = true").await;
    let environment = [("CUE_DATABASE_URL", &*yard.db.url), ("CUE_DRY_RUN", "true")];
    let service = Service::start(&environment).await;
    let check = async || {
        let mut program = command(Path::new(BUILT), &["check"], &environment);
        let ended = within("check to end", program.output()).await.unwrap();
        String::from_utf8(ended.stdout).unwrap()
    };
    until("the replica to lead", async || leads(&service).await).await;
    let text = check().await;
    let name = accounts(&service).await["by"].as_str().unwrap().to_owned();
    let wanted = format!("ok    accounting  {name} compares the accounts with the procs, every ");
    assert!(text.contains(&wanted), "{text}");
    signal(&service, "STOP").await;
    let text = check().await;
    let wanted =
        "warn  accounting  no replica has compared the accounts for 10 s, and 1 are connected";
    assert!(text.contains(wanted), "{text}");
    signal(&service, "CONT").await;
    let (code, log) = within("the program to end", service.terminate()).await;
    assert_eq!(code, Some(0), "{log}");
}
