//! The real program, run to its end.

use std::process::Output;

use cue_simfarm::waiting::within;

use crate::binary::command;

/// What it said, and with which exit code it ended.
pub async fn ended(words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut program = command(words, environment);
    within("the program to end", program.output())
        .await
        .unwrap()
}
