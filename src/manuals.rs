//! Manual pages and shell completions, made from the command line itself.
//!
//! Invariant: a page or a completion cannot differ from the program that printed it.

use std::io;
use std::path::Path;

use clap_complete::Shell;

use crate::cli;

/// Shells for which completions are written.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes the pages and completions into `folder`, which is made if it is missing.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut command = cli::command();
    let name = command.get_name().to_owned();
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut command, &name, folder)?;
    }
    // Pages about a command that prints pages help nobody.
    clap_mangen::generate_to(cli::command().disable_help_subcommand(true), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_completes_it() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let completions = [
            read("cue-scheduler.bash"),
            read("_cue-scheduler"),
            read("cue-scheduler.fish"),
        ];
        let command = cli::command();
        let shown = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set());
        let mut pages = 0;
        for command in shown {
            let name = command.get_name();
            let page = read(&format!("cue-scheduler-{name}.1"));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
            for completion in &completions {
                assert!(completion.contains(name), "{name}");
            }
            pages += 1;
        }
        assert!(pages >= 5, "{pages}");
        assert!(read("cue-scheduler.1").contains("OpenCue"));
        let unread = std::process::Command::new("bash")
            .arg("-n")
            .arg(folder.path().join("cue-scheduler.bash"))
            .status();
        // A machine without bash has nothing to read it.
        assert!(unread.is_err() || unread.unwrap().success());
    }
}
