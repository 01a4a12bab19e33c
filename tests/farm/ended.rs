//! The real program, run to its end.

use std::path::Path;
use std::process::Output;

use cue_simfarm::waiting::within;

use crate::binary::{BUILT, command};

/// Output and exit code of the program.
pub async fn ended(words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut program = command(Path::new(BUILT), words, environment);
    within("the program to end", program.output())
        .await
        .unwrap()
}
