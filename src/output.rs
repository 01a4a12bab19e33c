//! Printing: answers to standard output, complaints to standard error.
//!
//! Invariant: a reader that went away, as in `| head -1`, ends nothing by a panic. It has read all that it
//! wants, so the exit code is that of the answer.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes an answer. A closed pipe is no error.
///
/// # Errors
/// The text cannot be written, for example because the disk is full.
pub fn answer(out: &mut impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line to standard error. Where that is closed too, nobody is left to read it.
pub fn complain(line: impl Display) {
    let _unread = writeln!(io::stderr(), "{line}");
}

/// An error with all its causes in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    cue_flow::Chain(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails every write in one way.
    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_error_and_a_full_disk_is() {
        answer(&mut Failing(ErrorKind::BrokenPipe), "text").unwrap();
        let full = answer(&mut Failing(ErrorKind::StorageFull), "text").unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }
}
