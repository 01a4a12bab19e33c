//! Client of the admin server of a running service, over plain HTTP.
//!
//! A request is HTTP/1.0, so an answer ends with its connection. Invariant: every wait and every line has a bound,
//! and an error names the address and what to look at.

use std::io;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::status::{ErrorBody, Status};

/// Longest time of a connection or a line. A sample comes every second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest time until an answer begins. The service gives up after 30 s and says so.
const ANSWER_PATIENCE: Duration = Duration::from_secs(35);

/// Longest answer or line, in bytes.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Failure to get an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens at the address.
    #[error(
        "cannot reach cue-scheduler at {0}: check that it runs and that this is its CUE_ADMIN_ADDR, or give --addr HOST:PORT"
    )]
    Unreachable(String, #[source] io::Error),
    /// The connection broke.
    #[error("the connection to {0} broke")]
    Broke(String, #[source] io::Error),
    /// The service cannot answer now, and gives the reason.
    #[error("cue-scheduler at {0} says: {1}")]
    Refuses(String, String),
    /// Another program listens at the address, or another version.
    #[error("{0} did not answer as cue-scheduler does: {1}")]
    Strange(String, String),
}

impl ClientError {
    /// The error in a few words, for a narrow line.
    pub(crate) fn brief(&self) -> String {
        match self {
            Self::Unreachable(address, _) => format!("{address} cannot be reached"),
            Self::Broke(address, _) => format!("the connection to {address} broke"),
            Self::Refuses(address, error) => format!("{address} says: {error}"),
            Self::Strange(address, _) => format!("{address} is no cue-scheduler"),
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub code: u16,
    /// Body.
    pub body: String,
}

/// Requests a path and reads the whole answer.
///
/// # Errors
/// Nobody listens at the address, or it is not cue-scheduler.
pub async fn get(address: &str, path: &str) -> Result<Answer, ClientError> {
    let (code, mut stream) = Connection::open(address, path, ANSWER_PATIENCE).await?;
    let body = stream.rest().await?;
    Ok(Answer { code, body })
}

/// Sends a change with the token, if there is one, and reads the whole answer.
///
/// # Errors
/// Nobody listens at the address, or it is not cue-scheduler.
pub async fn put(
    address: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Result<Answer, ClientError> {
    let token = token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let head = format!("{token}Content-Length: {}\r\n", body.len());
    let request = Request {
        method: "PUT",
        path,
        head: &head,
        body,
    };
    let (code, mut stream) = Connection::send(address, request, ANSWER_PATIENCE).await?;
    let body = stream.rest().await?;
    Ok(Answer { code, body })
}

/// The value of an answer.
///
/// # Errors
/// The service refuses to answer, or something else answered.
pub(crate) fn answered<T: DeserializeOwned>(
    address: &str,
    answer: &Answer,
) -> Result<T, ClientError> {
    if answer.code == 200
        && let Ok(value) = serde_json::from_str(&answer.body)
    {
        return Ok(value);
    }
    Err(match serde_json::from_str::<ErrorBody>(&answer.body) {
        Ok(body) => ClientError::Refuses(address.to_owned(), body.error),
        Err(_) => {
            let found = format!("status {} with a body of another kind", answer.code);
            ClientError::Strange(address.to_owned(), found)
        }
    })
}

/// A text as a part of a path: what is not plain is written in hexadecimal.
pub(crate) fn encoded(text: &str) -> String {
    const OTHERS: AsciiSet = NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/');
    utf8_percent_encode(text, &OTHERS).to_string()
}

/// Samples of a running service.
#[derive(Debug)]
pub(crate) struct Samples(Connection);

impl Samples {
    pub(crate) async fn open(address: &str) -> Result<Self, ClientError> {
        let (code, mut stream) = Connection::open(address, "/events", PATIENCE).await?;
        if code == 200 {
            return Ok(Self(stream));
        }
        let body = stream.rest().await?;
        Err(match serde_json::from_str::<ErrorBody>(&body) {
            Ok(body) => ClientError::Refuses(stream.address, body.error),
            Err(_) => ClientError::Strange(stream.address, format!("status {code} for /events")),
        })
    }

    /// The next sample.
    pub(crate) async fn next(&mut self) -> Result<Status, ClientError> {
        loop {
            let line = self.0.line(PATIENCE).await?;
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).map_err(|error| {
                    let found = format!("a sample of another version ({error})");
                    ClientError::Strange(self.0.address.clone(), found)
                });
            }
        }
    }
}

/// A request.
struct Request<'a> {
    method: &'static str,
    path: &'a str,
    /// Further lines of its head, each with its end.
    head: &'a str,
    body: &'a str,
}

/// A connection whose answer has begun.
#[derive(Debug)]
struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Asks for a path and reads the head of the answer. Returns the status code.
    async fn open(address: &str, path: &str, limit: Duration) -> Result<(u16, Self), ClientError> {
        let request = Request {
            method: "GET",
            path,
            head: "",
            body: "",
        };
        Self::send(address, request, limit).await
    }

    /// Sends a request and reads the head of the answer. Returns the status code.
    async fn send(
        address: &str,
        request: Request<'_>,
        limit: Duration,
    ) -> Result<(u16, Self), ClientError> {
        let dialled = in_time(PATIENCE, async {
            let mut stream = TcpStream::connect(address).await?;
            // The service answers under its address, whatever names it was given.
            let host = stream.peer_addr()?;
            let Request {
                method,
                path,
                head,
                body,
            } = request;
            let request = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n{head}\r\n{body}");
            stream.write_all(request.as_bytes()).await?;
            Ok(stream)
        });
        let address = address.to_owned();
        let stream = match dialled.await {
            Ok(stream) => BufReader::new(stream),
            Err(error) => return Err(ClientError::Unreachable(address, error)),
        };
        let mut opened = Self { address, stream };
        let line = opened.line(limit).await?;
        let code = line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1));
        let Some(code) = code.and_then(|code| code.parse().ok()) else {
            let found = line.chars().take(60).collect();
            return Err(ClientError::Strange(opened.address, found));
        };
        while !opened.line(limit).await?.is_empty() {}
        Ok((code, opened))
    }

    /// The next line without its end.
    async fn line(&mut self, limit: Duration) -> Result<String, ClientError> {
        let mut line = String::new();
        let mut bounded = (&mut self.stream).take(LONGEST);
        match in_time(limit, bounded.read_line(&mut line)).await {
            Ok(0) => Err(self.broke(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(self.broke(error)),
        }
    }

    /// The body, until the connection closes.
    async fn rest(&mut self) -> Result<String, ClientError> {
        let mut body = String::new();
        let mut bounded = (&mut self.stream).take(LONGEST);
        let read = in_time(PATIENCE, bounded.read_to_string(&mut body)).await;
        read.map_err(|error| self.broke(error))?;
        Ok(body)
    }

    fn broke(&self, error: io::Error) -> ClientError {
        ClientError::Broke(self.address.clone(), error)
    }
}

async fn in_time<T>(limit: Duration, wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, wait).await.unwrap_or_else(|_| {
        let limit = humantime::format_duration(limit);
        let error = format!("no answer within {limit}");
        Err(io::Error::new(io::ErrorKind::TimedOut, error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_path() {
        assert_eq!(encoded("a-b_c.d/0001-é ?"), "a-b_c.d/0001-%C3%A9%20%3F");
    }
}
