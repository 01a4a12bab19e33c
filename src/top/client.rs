//! Asks the admin server of a running service, over plain HTTP.
//!
//! It asks in HTTP/1.0, so an answer is what comes until the connection closes. Invariant: every wait
//! and every line has a bound, and an error says which address was asked and what to look at.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::admin::live::Sample;

/// How long a connection or an answer may take. A sample comes every second.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer or line that is read, in bytes.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "cannot reach cue-scheduler at {address}: check that it runs and that this is its CUE_ADMIN_ADDR, or give --addr HOST:PORT"
    )]
    Unreachable {
        /// What was dialled.
        address: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to {address} broke")]
    Broke {
        /// Who was asked.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is cue-scheduler, and cannot answer now.
    #[error("cue-scheduler at {address} says: {told}")]
    Refuses {
        /// Who was asked.
        address: String,
        /// Why, in its words.
        told: String,
    },
    /// Somebody else listens there, or another version.
    #[error("{address} did not answer as cue-scheduler does: {found}")]
    Strange {
        /// Who was asked.
        address: String,
        /// What came instead.
        found: String,
    },
}

impl ClientError {
    /// What is wrong in a few words, for a line that is narrow.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Unreachable { address, .. } => format!("{address} cannot be reached"),
            Self::Broke { address, .. } => format!("the connection to {address} broke"),
            Self::Refuses { address, told } => format!("{address} says: {told}"),
            Self::Strange { address, .. } => format!("{address} is no cue-scheduler"),
        }
    }
}

/// An answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The body.
    pub body: String,
}

/// The samples of a running service.
#[derive(Debug)]
pub(super) struct Samples {
    address: String,
    stream: BufReader<TcpStream>,
}

/// Asks once and reads the whole answer.
///
/// # Errors
/// Nobody listens there, or it is not cue-scheduler.
pub async fn get(address: &str, path: &str) -> Result<Answer, ClientError> {
    let (code, stream) = ask(address, path).await?;
    let body = rest(address, stream).await?;
    Ok(Answer { code, body })
}

impl Samples {
    pub(super) async fn open(address: &str) -> Result<Self, ClientError> {
        let (code, stream) = ask(address, "/events").await?;
        if code != 200 {
            return Err(refusal(address, code, &rest(address, stream).await?));
        }
        Ok(Self {
            address: address.to_owned(),
            stream,
        })
    }

    /// The next sample.
    pub(super) async fn next(&mut self) -> Result<Sample, ClientError> {
        loop {
            let line = line(&self.address, &mut self.stream).await?;
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).map_err(|error| ClientError::Strange {
                    address: self.address.clone(),
                    found: format!("a sample of another version ({error})"),
                });
            }
        }
    }
}

/// Why there are no samples: in the words of the service, if it is one that answered.
fn refusal(address: &str, code: u16, body: &str) -> ClientError {
    let told = serde_json::from_str::<serde_json::Value>(body).ok();
    let told = told.as_ref().and_then(|body| body.get("error")?.as_str());
    let address = address.to_owned();
    match told {
        Some(told) => ClientError::Refuses {
            address,
            told: told.to_owned(),
        },
        None => ClientError::Strange {
            address,
            found: format!("status {code} for /events"),
        },
    }
}

/// What comes until the connection closes.
async fn rest(address: &str, stream: BufReader<TcpStream>) -> Result<String, ClientError> {
    let mut body = String::new();
    let mut bounded = stream.take(LONGEST);
    let read = bounded.read_to_string(&mut body);
    in_time(read).await.map_err(|source| ClientError::Broke {
        address: address.to_owned(),
        source,
    })?;
    Ok(body)
}

/// Sends a question and reads the head of the answer.
async fn ask(address: &str, path: &str) -> Result<(u16, BufReader<TcpStream>), ClientError> {
    let unreachable = |source| ClientError::Unreachable {
        address: address.to_owned(),
        source,
    };
    let dialled = in_time(async {
        let mut stream = TcpStream::connect(address).await?;
        let question = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(question.as_bytes()).await?;
        Ok(stream)
    });
    let mut stream = BufReader::new(dialled.await.map_err(unreachable)?);
    let status = line(address, &mut stream).await?;
    let code = status
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| ClientError::Strange {
            address: address.to_owned(),
            found: status.chars().take(60).collect(),
        })?;
    while !line(address, &mut stream).await?.is_empty() {}
    Ok((code, stream))
}

/// The next line without its end.
async fn line(address: &str, stream: &mut BufReader<TcpStream>) -> Result<String, ClientError> {
    let mut line = String::new();
    let read = async {
        let mut bounded = (&mut *stream).take(LONGEST);
        match bounded.read_line(&mut line).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    };
    in_time(read).await.map_err(|source| ClientError::Broke {
        address: address.to_owned(),
        source,
    })?;
    line.truncate(line.trim_end().len());
    Ok(line)
}

async fn in_time<T>(wait: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {}", humantime::format_duration(PATIENCE)),
        )),
    }
}
