//! A part of a benchmark in a fresh process of this program: one that has seeded nothing, or whose
//! telemetry is set up again. Its figures are the JSON it says on its standard output.

use std::process::Stdio;

use anyhow::{Context, ensure};
use serde::de::DeserializeOwned;
use tokio::process::Command;

/// Runs the hidden subcommand `name` with these arguments and settings, and reads its figures.
///
/// # Errors
/// It could not be run, failed, or said no figures.
pub(crate) async fn figures<T: DeserializeOwned>(
    name: &str,
    arguments: &[&str],
    settings: &[(&str, String)],
) -> anyhow::Result<T> {
    let program = std::env::current_exe().context("this program has no path")?;
    let mut command = Command::new(program);
    command.arg(name).args(arguments);
    for (name, value) in settings {
        command.arg("--set").arg(format!("{name}={value}"));
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .context("the process that schedules could not be run")?;
    ensure!(
        output.status.success(),
        "the process that schedules failed: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).context("the process that schedules said no figures")
}
