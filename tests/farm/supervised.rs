//! The real program under a service manager: its messages from the start to the drain.

use std::time::Duration;

use cue_simfarm::waiting::within;
use tokio::net::UnixDatagram;

use crate::binary::Service;
use crate::world::{World, endless, yard};

/// Socket on which a service manager takes messages.
struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn listen() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { socket, folder }
    }

    fn address(&self) -> String {
        self.folder.path().join("notify").display().to_string()
    }

    async fn next(&self) -> String {
        let mut bytes = [0; 256];
        let received = within("a message", self.socket.recv(&mut bytes)).await;
        String::from_utf8(bytes[..received.unwrap()].to_vec()).unwrap()
    }

    /// The next message that is none of the watchdog.
    async fn next_state(&self) -> String {
        loop {
            let message = self.next().await;
            if message != "WATCHDOG=1\n" {
                return message;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_hears_of_start_progress_reload_and_drain() {
    let (db, _farm) = yard(2).await;
    let world = World::open(db, endless()).await;
    let manager = Manager::listen();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), &world.db.url).unwrap();
    let settings = tempfile::NamedTempFile::new().unwrap();
    let service = Service::start(&[
        ("CUE_DATABASE_URL_FILE", secret.path().to_str().unwrap()),
        ("CUE_CONFIG", settings.path().to_str().unwrap()),
        ("CUE_RQD_ADDRESS", &world.rqd.address().to_string()),
        ("NOTIFY_SOCKET", &manager.address()),
        ("WATCHDOG_USEC", "200000"),
    ])
    .await;
    assert_eq!(manager.next().await, "READY=1\n");
    for _ in 0..3 {
        assert_eq!(manager.next().await, "WATCHDOG=1\n");
    }

    let text = "logging.filter = \"warn\"\nstages.dispatch.workers = 3\n";
    std::fs::write(settings.path(), text).unwrap();
    service.signal("HUP").await;
    let reloading = manager.next_state().await;
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(manager.next_state().await, "READY=1\n");
    let (_, body) = service.get("/status").await;
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    let stages = status["stages"].as_array().unwrap();
    let dispatch = stages.iter().find(|stage| stage["name"] == "dispatch");
    assert_eq!(dispatch.unwrap()["workers"], 3, "{body}");
    assert_eq!(status["log_filter"], "warn", "{body}");

    let end = tokio::time::timeout(Duration::from_secs(60), service.terminate());
    let (stopping, ended) = tokio::join!(manager.next_state(), end);
    assert_eq!(stopping, "STOPPING=1\n");
    assert_eq!(ended.unwrap().0, Some(0));
    world.close().await;
}
