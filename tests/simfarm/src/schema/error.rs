//! Failures of a schema's installation, and their cures.
//!
//! Invariant: a failure names the folder or the file, and in a file the place.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The reason why a schema could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A folder or file of migrations cannot be read.
    #[error("cannot read {}, which OPENCUE_MIGRATIONS names", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A folder without migrations.
    #[error(
        "OPENCUE_MIGRATIONS names {}, where no file is called V<number>__<title>.sql; \
         name the folder cuebot/src/main/resources/conf/ddl/postgres/migrations of a clone of OpenCue",
        folder.display()
    )]
    NoMigrations {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder in which migrations are missing.
    #[error("{} lacks {}, without which no farm has a schema; clone OpenCue again", folder.display(), Versions(missing))]
    Gap {
        /// The folder.
        folder: PathBuf,
        /// The numbers that are missing.
        missing: Vec<u32>,
    },
    /// Two files of one number.
    #[error("{} and {} are both migration {version}; keep one of them", first.display(), second.display())]
    Twice {
        /// The number.
        version: u32,
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
    /// The server lacks an extension that the schema needs.
    #[error(
        "this PostgreSQL has no extension uuid-ossp, which OpenCue's schema needs; install the package with its \
         extensions (Debian: postgresql-contrib), or set DATABASE_URL to a server that has it"
    )]
    NoExtension,
    /// A file failed.
    #[error("{file} failed at {place}")]
    Statement {
        /// The file.
        file: String,
        /// Position in the file.
        place: Place,
        /// The error of the database.
        #[source]
        source: sqlx::Error,
    },
    /// A statement around the files failed.
    #[error("cannot {what}")]
    Sql {
        /// The failed step.
        what: &'static str,
        /// The error of the database.
        #[source]
        source: sqlx::Error,
    },
}

/// A place in a file of statements, as precise as the database says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The line, from 1.
    Line(usize),
    /// The statement, from 1.
    Statement(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Statement(number) => write!(f, "its statement {number}"),
        }
    }
}

struct Versions<'a>(&'a [u32]);

impl fmt::Display for Versions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, version) in self.0.iter().enumerate() {
            write!(f, "{}V{version}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
