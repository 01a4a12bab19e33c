//! A pooler in transaction mode between the program and its database: the program refuses to start, and says why.
//!
//! Each transaction of a client gets a session of the server, which it shares with all other clients. Prepared
//! statements are followed as poolers do today: each client has names of its own, and a session that does not
//! know a statement is given it first.

use std::collections::{HashMap, HashSet};
use std::io::Result;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::task::JoinSet;

use crate::ended::ended;

/// Sessions of the server.
const SESSIONS: usize = 2;

/// Choice of the session for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// The one that was free last.
    Last,
    /// Each in its turn.
    Turns,
    /// The same, by a pooler that does not follow prepared statements.
    TurnsOfOld,
}

/// A message of the protocol: its kind and its body.
type Message = (u8, Vec<u8>);

struct Session {
    stream: TcpStream,
    /// Its words after the start.
    greeting: Vec<Message>,
    /// Statements that it has prepared.
    knows: HashSet<String>,
}

/// State that the clients share.
struct Pool {
    choice: Choice,
    sessions: [Mutex<Option<Session>>; SESSIONS],
    transactions: AtomicUsize,
    clients: AtomicUsize,
    target: String,
}

struct Pooler {
    address: SocketAddr,
    target: String,
    _task: JoinSet<()>,
}

impl Pooler {
    async fn before(url: &str, choice: Choice) -> Self {
        let options = PgConnectOptions::from_str(url).unwrap();
        let target = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pool = Arc::new(Pool {
            choice,
            sessions: Default::default(),
            transactions: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            target: target.clone(),
        });
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let pool = Arc::clone(&pool);
                clients.spawn(async move { pool.serve(client).await });
            }
        });
        Self {
            address,
            target,
            _task: task,
        }
    }

    fn url(&self, direct: &str) -> String {
        direct.replace(&self.target, &self.address.to_string())
    }
}

impl Session {
    async fn open(target: &str, start: &[u8]) -> Result<Self> {
        let mut stream = TcpStream::connect(target).await?;
        stream.write_all(start).await?;
        let mut greeting = Vec::new();
        while greeting.last().is_none_or(|last: &Message| last.0 != b'Z') {
            greeting.push(read(&mut stream).await?);
        }
        Ok(Self {
            stream,
            greeting,
            knows: HashSet::new(),
        })
    }
}

impl Pool {
    /// Serves a client until it leaves.
    async fn serve(&self, mut client: TcpStream) -> Result<()> {
        let start = start_of(&mut client).await?;
        let name = format!("c{}_", self.clients.fetch_add(1, Ordering::Relaxed));
        let greeting = self.session(&start, 0).await?.greeting.clone();
        for message in &greeting {
            write(&mut client, message).await?;
        }
        let mut prepared = HashMap::new();
        while let Some(mut batch) = next_batch(&mut client).await? {
            let n = self.transactions.fetch_add(1, Ordering::Relaxed);
            let n = if self.choice == Choice::Last { 0 } else { n };
            let mut session = self.session(&start, n % SESSIONS).await?;
            let mut names = (&*name, &mut prepared);
            while self
                .exchange(&mut session, &mut client, batch, &mut names)
                .await?
                != b'I'
            {
                batch = match next_batch(&mut client).await? {
                    Some(next) => next,
                    None => return Ok(()),
                };
            }
        }
        Ok(())
    }

    /// Waits for a session, and opens it if nobody has.
    async fn session(&self, start: &[u8], n: usize) -> Result<MappedMutexGuard<'_, Session>> {
        let mut session = self.sessions[n].lock().await;
        let open = match session.take() {
            Some(open) => open,
            None => Session::open(&self.target, start).await?,
        };
        Ok(MutexGuard::map(session, |session| session.insert(open)))
    }

    /// Forwards messages up to a sync, and their answers. Returns the state of the transaction.
    async fn exchange(
        &self,
        session: &mut Session,
        client: &mut TcpStream,
        batch: Vec<Message>,
        (name, prepared): &mut (&str, &mut HashMap<String, Message>),
    ) -> Result<u8> {
        let mut given = 0;
        for (kind, body) in batch {
            let (statement, body) = match self.choice {
                Choice::TurnsOfOld => (None, body),
                Choice::Last | Choice::Turns => renamed(kind, body, name),
            };
            let message = (kind, body);
            if let Some(statement) = statement {
                if kind == b'P' {
                    prepared.insert(statement.clone(), message.clone());
                    session.knows.insert(statement);
                } else if session.knows.insert(statement.clone()) {
                    write(&mut session.stream, &prepared[&statement]).await?;
                    given += 1;
                }
            }
            write(&mut session.stream, &message).await?;
        }
        loop {
            let answer = read(&mut session.stream).await?;
            if answer.0 == b'1' && given > 0 {
                given -= 1;
                continue;
            }
            write(client, &answer).await?;
            if answer.0 == b'Z' {
                return Ok(answer.1[0]);
            }
        }
    }
}

/// Gives the statement that a message names a name of this client's own. Returns it, and the message's body.
fn renamed(kind: u8, body: Vec<u8>, client: &str) -> (Option<String>, Vec<u8>) {
    let text = |from: usize| {
        let end = body[from..].iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8_lossy(&body[from..from + end]).into_owned()
    };
    let at = match kind {
        b'P' => 0,
        b'B' => text(0).len() + 1,
        b'D' if body[0] == b'S' => 1,
        _ => return (None, body),
    };
    let statement = text(at);
    if statement.is_empty() {
        return (None, body);
    }
    let name = format!("{client}{statement}");
    let rest = &body[at + statement.len()..];
    let body = [&body[..at], name.as_bytes(), rest].concat();
    (Some(name), body)
}

/// The start message of a client, whole.
async fn start_of(client: &mut TcpStream) -> Result<Vec<u8>> {
    const SSL_REQUEST: u32 = 80_877_103;
    loop {
        let length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        if body[..4] != SSL_REQUEST.to_be_bytes() {
            return Ok([&length.to_be_bytes()[..], &body].concat());
        }
        client.write_all(b"N").await?;
    }
}

/// The messages of a client up to the next one that is answered with the state of the transaction; none if it leaves.
async fn next_batch(client: &mut TcpStream) -> Result<Option<Vec<Message>>> {
    let mut messages = Vec::new();
    loop {
        let message = read(client).await?;
        let kind = message.0;
        messages.push(message);
        match kind {
            b'X' => return Ok(None),
            b'S' | b'Q' => return Ok(Some(messages)),
            _ => {}
        }
    }
}

async fn read(stream: &mut TcpStream) -> Result<Message> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

async fn write(stream: &mut TcpStream, (kind, body): &Message) -> Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap();
    let message = [&[*kind], &length.to_be_bytes()[..], body].concat();
    stream.write_all(&message).await
}

async fn is_refused(choice: Choice) {
    let db = TestDb::fresh().await;
    Fixture::new(&db.pool).await.unwrap();
    let pooler = Pooler::before(&db.url, choice).await;
    let url = pooler.url(&db.url);
    let environment = [("CUE_DATABASE_URL", &*url), ("CUE_ADMIN_ADDR", "off")];
    for words in [["run"], ["check"]] {
        let output = ended(&words, &environment).await;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(!output.status.success(), "{words:?}: {text}");
        assert!(
            text.contains("a pooler shares sessions"),
            "{words:?}: {text}"
        );
    }
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_gives_both_sessions_the_same_one_is_refused_at_start() {
    is_refused(Choice::Last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_gives_each_transaction_another_session_is_refused_at_start() {
    is_refused(Choice::Turns).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_loses_prepared_statements_is_refused_at_start() {
    is_refused(Choice::TurnsOfOld).await;
}
