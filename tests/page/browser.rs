//! A headless Chromium, spoken to over its debugging protocol.
//!
//! Invariant: a browser that outlives its test is killed with it, and its profile is a directory of
//! its own that goes away too. Every wait has a bound.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

use cue_simfarm::waiting::within;

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "chrome-headless-shell",
];

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
];

/// A page of a browser.
pub struct Page {
    socket: TcpStream,
    calls: u64,
    session: Option<Value>,
    // Kept open, so that the browser can go on writing to it.
    _log: Lines<BufReader<ChildStderr>>,
    _browser: Child,
    _profile: tempfile::TempDir,
}

/// The first Chromium on the search path.
async fn found() -> Option<&'static str> {
    for name in NAMES {
        let mut asked = Command::new(name);
        asked
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if asked.status().await.is_ok_and(|status| status.success()) {
            return Some(name);
        }
    }
    None
}

impl Page {
    /// An empty page, or none where there is no Chromium.
    pub async fn open() -> Option<Self> {
        let name = found().await?;
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Command::new(name)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(browser.stderr.take().unwrap()).lines();
        let address = within("the browser to listen", async {
            loop {
                let line = lines.next_line().await.unwrap().unwrap();
                if let Some(address) = line.strip_prefix("DevTools listening on ws://") {
                    return address.to_owned();
                }
            }
        })
        .await;
        let socket = within("the debugging protocol", upgrade(&address)).await;
        let mut page = Self {
            socket,
            calls: 0,
            session: None,
            _log: lines,
            _browser: browser,
            _profile: profile,
        };
        let blank = json!({ "url": "about:blank" });
        let target = page.call("Target.createTarget", &blank).await["targetId"].clone();
        let wanted = json!({ "targetId": target, "flatten": true });
        let session = page.call("Target.attachToTarget", &wanted).await;
        page.session = Some(session["sessionId"].clone());
        Some(page)
    }

    /// Loads an address.
    pub async fn go(&mut self, address: &str) {
        self.call("Page.navigate", &json!({ "url": address })).await;
    }

    /// Runs a script in each page that is loaded from now on, before the page's own.
    pub async fn before(&mut self, script: &str) {
        self.call("Page.enable", &json!({})).await;
        let wanted = json!({ "source": script });
        self.call("Page.addScriptToEvaluateOnNewDocument", &wanted)
            .await;
    }

    /// Makes the page this many CSS pixels wide and high.
    pub async fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size).await;
    }

    /// Asks for light or dark, as the reader's system would.
    pub async fn theme(&mut self, name: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": name });
        let wanted = json!({ "features": [feature] });
        self.call("Emulation.setEmulatedMedia", &wanted).await;
    }

    /// Presses Enter in what has the focus.
    pub async fn enter(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                              "windowsVirtualKeyCode": 13 });
            self.call("Input.dispatchKeyEvent", &key).await;
        }
    }

    /// Runs an expression and waits for what it promises.
    pub async fn run(&mut self, expression: &str) -> Value {
        let wanted =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &wanted).await;
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until a condition of the page holds.
    pub async fn until(&mut self, condition: &str) {
        let promise = format!(
            "new Promise((done) => {{ const look = () => ({condition}) ? done(true) : setTimeout(look, 50); look(); }})"
        );
        within(condition, self.run(&promise)).await;
    }

    /// Does something in the page and waits until the browser leaves the page for another.
    pub async fn until_left(&mut self, statement: &str) {
        let never = format!("{statement}; new Promise(() => {{}})");
        let wanted = json!({ "expression": never, "awaitPromise": true });
        let left = within("the page to be left", self.ask("Runtime.evaluate", &wanted)).await;
        let error = left.unwrap_err().to_string();
        assert!(error.contains("navigated"), "{error}");
    }

    async fn call(&mut self, method: &str, parameters: &Value) -> Value {
        match self.ask(method, parameters).await {
            Ok(answer) => answer,
            Err(error) => panic!("{method}: {error}"),
        }
    }

    async fn ask(&mut self, method: &str, parameters: &Value) -> Result<Value, Value> {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = session.clone();
        }
        send(&mut self.socket, call.to_string().as_bytes()).await;
        loop {
            let answer: Value = serde_json::from_slice(&receive(&mut self.socket).await).unwrap();
            if answer["id"] == self.calls {
                return match answer.get("error") {
                    None => Ok(answer["result"].clone()),
                    Some(error) => Err(error.clone()),
                };
            }
        }
    }
}

async fn upgrade(address: &str) -> TcpStream {
    let (host, path) = address.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let ask = format!(
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    stream
}

/// Sends a text in one frame; with a mask of zeros it stays as it is.
async fn send(stream: &mut TcpStream, text: &[u8]) {
    let length = u16::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text);
    stream.write_all(&frame).await.unwrap();
}

/// Receives a message, which may come in several frames.
async fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut message = Vec::new();
    loop {
        let last = stream.read_u8().await.unwrap() & 0x80 != 0;
        let length = match stream.read_u8().await.unwrap() & 0x7f {
            126 => u64::from(stream.read_u16().await.unwrap()),
            127 => stream.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut part = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut part).await.unwrap();
        message.append(&mut part);
        if last {
            return message;
        }
    }
}
