//! A browser of one test's own.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    By, ChromiumLikeCapabilities as _, DesiredCapabilities, Key, LoggingPrefsLogLevel, TypingData, WebDriver,
    WebElement,
};

use crate::support::process::Running;
use crate::support::skip::skip;
use crate::support::{PATIENCE, eventually};
use crate::view::{View, is_phone};

/// A fresh profile, nothing that the browser would do by itself, and no sandbox: that does not work for root.
const ARGUMENTS: [&str; 13] = [
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "no-proxy-server",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "disable-breakpad",
    "hide-scrollbars",
    // A mouse, unless a view is that of a phone.
    "blink-settings=primaryPointerType=4,availablePointerTypes=4,primaryHoverType=2,availableHoverTypes=2",
    // It ends when nobody holds the other end of its pipe: with its driver, however that ends.
    "remote-debugging-pipe",
];

/// How often a driver is started on another port.
const ATTEMPTS: usize = 5;

/// The keys that lead to the next link or field, and use it; in the spelling of the driver.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

/// A browser with a profile of its own. It ends with its value.
pub(crate) struct Browser {
    driver: WebDriver,
    process: Pid,
    /// Taken to end the driver.
    chromedriver: Option<Running>,
    /// The profile, and all else that they write.
    _files: TempDir,
}

/// A request of the browser.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BrowserRequest {
    pub(crate) url: String,
    /// True for a page, false for what a page loads.
    pub(crate) is_page: bool,
}

impl Browser {
    /// Starts a browser; nothing if it is not installed here.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a browser with further arguments, without their dashes.
    pub(crate) async fn start_with(arguments: &[&str]) -> Option<Self> {
        let files = tempfile::tempdir().unwrap();
        let (chromedriver, port) = start_chromedriver(&files).await?;
        let mut wanted = DesiredCapabilities::chrome();
        for argument in ARGUMENTS.iter().chain(arguments) {
            wanted.add_arg(argument).unwrap();
        }
        wanted.set_logging_prefs("browser", LoggingPrefsLogLevel::All).unwrap();
        wanted.set_logging_prefs("performance", LoggingPrefsLogLevel::All).unwrap();
        // The client for the driver cannot be built without one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().timeout(3 * PATIENCE).build().unwrap();
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), wanted).client(client);
        let driver = driver.connect().await.unwrap();
        let process = driver.capabilities().get("goog:processID").and_then(Value::as_i64).unwrap();
        let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
        Some(Self { driver, process, chromedriver: Some(chromedriver), _files: files })
    }

    /// Looks at all pages in this way from now on.
    pub(crate) async fn look_through(&self, view: View) {
        let media = json!({"name": "prefers-color-scheme", "value": view.scheme.name()});
        self.resize(view.width, view.height()).await;
        // 16 and 13 pixels unless the reader says otherwise.
        let [standard, fixed] = [16, 13].map(|pixels| pixels * view.text_size / 100);
        for (method, parameters) in [
            ("Emulation.setTouchEmulationEnabled", json!({"enabled": is_phone(view.width)})),
            ("Emulation.setEmulatedMedia", json!({"features": [media]})),
            ("Emulation.setScriptExecutionDisabled", json!({"value": !view.runs_scripts})),
            ("Page.setFontSizes", json!({"fontSizes": {"standard": standard, "fixed": fixed}})),
        ] {
            self.command(method, parameters).await;
        }
    }

    /// Gives the window this size in CSS pixels; a narrow one is that of a phone.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone(width),
        });
        self.command("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Opens an address as somebody who types it, and waits until its page has been loaded.
    pub(crate) async fn open(&self, url: &str) {
        self.console_messages().await;
        self.requests().await;
        self.driver.goto(url).await.unwrap();
    }

    /// The address of the page.
    pub(crate) async fn url(&self) -> String {
        self.driver.current_url().await.unwrap().to_string()
    }

    /// The title of the page.
    pub(crate) async fn title(&self) -> String {
        self.driver.title().await.unwrap()
    }

    /// Goes back by one page, as the browser's button does.
    pub(crate) async fn back(&self) {
        self.driver.back().await.unwrap();
    }

    /// The console's messages since this was asked last, or since the page was opened.
    pub(crate) async fn console_messages(&self) -> Vec<String> {
        let messages = self.driver.get_log("browser").await.unwrap();
        messages.into_iter().map(|entry| entry.message).collect()
    }

    /// All that was requested since this was asked last, or since the page was opened: itself, its favicon, whatever it loads,
    /// and each step of a redirect.
    pub(crate) async fn requests(&self) -> Vec<BrowserRequest> {
        let events = self.driver.get_log("performance").await.unwrap();
        let events = events.iter().map(|entry| serde_json::from_str::<Value>(&entry.message).unwrap());
        let requests = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let of = |event: Value| {
            let parameters = &event["message"]["params"];
            BrowserRequest {
                url: text(&parameters["request"]["url"]),
                is_page: parameters["type"] == "Document",
            }
        };
        requests.map(of).collect()
    }

    /// The result of a script in the page, which works in spite of its policy, and even with scripts switched off.
    pub(crate) async fn evaluate(&self, script: &str, arguments: &[Value]) -> Value {
        let result = self.driver.execute(script, arguments.to_vec()).await;
        result.unwrap_or_else(|error| panic!("{script:.200}: {error}")).json().clone()
    }

    /// Waits until a script's result is true, in this page or in one that takes its place.
    pub(crate) async fn eventually(&self, script: &str) {
        let is_true =
            async || self.driver.execute(script, []).await.is_ok_and(|result| *result.json() == json!(true));
        eventually(is_true).await;
    }

    /// The first element that this selector fits.
    pub(crate) async fn element(&self, selector: &str) -> WebElement {
        let mut found = self.driver.find_all(By::Css(selector)).await.unwrap();
        if found.is_empty() {
            self.is_missing(selector).await;
        }
        found.remove(0)
    }

    /// The text of an element, as a person sees it.
    pub(crate) async fn text_of(&self, selector: &str) -> String {
        self.element(selector).await.text().await.unwrap()
    }

    /// Returns true if this selector fits an element that can be seen.
    pub(crate) async fn shows(&self, selector: &str) -> bool {
        for element in self.driver.find_all(By::Css(selector)).await.unwrap() {
            if element.is_displayed().await.unwrap() {
                return true;
            }
        }
        false
    }

    /// Clicks on an element as a mouse does: where it is, and only if nothing covers it.
    pub(crate) async fn click(&self, selector: &str) {
        let clicked = self.element(selector).await.click().await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Clicks on the first link or button with this label in the elements that the selector fits.
    pub(crate) async fn click_on(&self, scope: &str, label: &str) {
        let script = "const all = [...document.querySelectorAll(arguments[0] + ' :is(a, button)')];
            return all.find(element => element.textContent.trim().replace(/\\s+/g, ' ') === arguments[1])";
        let found = self.driver.execute(script, vec![json!(scope), json!(label)]).await.unwrap();
        if found.json().is_null() {
            self.is_missing(&format!("{label:?} in {scope}")).await;
        }
        let element = found.element().unwrap();
        // Far down in a long list, rows get their real height only when they come into view, and move the rest once.
        if element.click().await.is_err() {
            element.click().await.unwrap_or_else(|error| panic!("{label}: {error}"));
        }
    }

    /// Clicks on a link or button with this label, and waits for the page that it leads to in this tab.
    pub(crate) async fn follow(&self, scope: &str, label: &str) {
        self.evaluate("document.documentElement.dataset.isLeft = ''", &[]).await;
        self.click_on(scope, label).await;
        self.eventually(
            "return document.readyState === 'complete' && !('isLeft' in document.documentElement.dataset)",
        )
        .await;
    }

    /// Puts a text into a field as an input method does, in one step.
    pub(crate) async fn fill_in(&self, selector: &str, text: &str) {
        self.click(selector).await;
        self.command("Input.insertText", json!({"text": text})).await;
    }

    /// The value of a field.
    pub(crate) async fn value_of(&self, selector: &str) -> String {
        text(&self.evaluate("return document.querySelector(arguments[0]).value", &[json!(selector)]).await)
    }

    /// The text in the clipboard. Browsers let no page read it that came over plain HTTP from another machine.
    pub(crate) async fn clipboard(&self) -> String {
        let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
        self.command("Browser.grantPermissions", permissions).await;
        text(&self.evaluate("return navigator.clipboard.readText()", &[]).await)
    }

    /// The address of the page that the last click opened in a tab of its own, which is closed again.
    pub(crate) async fn url_of_new_tab(&self) -> String {
        let own = self.driver.window().await.unwrap();
        eventually(async || self.driver.windows().await.unwrap().len() == 2).await;
        let mut tabs = self.driver.windows().await.unwrap();
        tabs.retain(|tab| *tab != own);
        self.driver.switch_to_window(tabs.remove(0)).await.unwrap();
        eventually(async || self.url().await != "about:blank").await;
        let url = self.url().await;
        self.driver.close_window().await.unwrap();
        self.driver.switch_to_window(own).await.unwrap();
        url
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.unwrap();
    }

    /// Presses a key while Control is held down.
    pub(crate) async fn press_with_control(&self, key: &str) {
        let chain = self.driver.action_chain().key_down(Key::Control).send_keys(key);
        chain.key_up(Key::Control).perform().await.unwrap();
    }

    /// Fails because the page has no such thing, and says what it has.
    async fn is_missing(&self, what: &str) -> ! {
        let text = self.evaluate("return document.body.innerText", &[]).await;
        panic!("no {what} in {}:\n{}", self.url().await, text.as_str().unwrap());
    }

    /// Sends a command of the `DevTools` protocol.
    pub(crate) async fn command(&self, method: &str, parameters: Value) -> Value {
        let answer = self.driver.cdp().send_raw(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Otherwise it would be told to end the session by a driver that has ended.
        drop(self.driver.clone().leak());
        drop(self.chromedriver.take());
        // Whatever it still writes cannot be deleted. Where nobody takes note of orphans that end, it seems to live on.
        let began = Instant::now();
        while test_kill_process(self.process).is_ok() && began.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Starts a driver, and returns its port; nothing if it is not installed here. It chooses a free port that somebody else may
/// take before it listens.
async fn start_chromedriver(files: &TempDir) -> Option<(Running, u16)> {
    for _ in 0..ATTEMPTS {
        let spawned = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .env("HOME", files.path())
            .env("TMPDIR", files.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut chromedriver = match spawned {
            Ok(child) => Running(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                skip("chromedriver", ".ci/install, or apt-get install chromium chromium-driver");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let out = BufReader::new(chromedriver.0.stdout.take().unwrap());
        let port = tokio::task::spawn_blocking(move || port_in(out));
        if let Some(port) = tokio::time::timeout(PATIENCE, port).await.unwrap().unwrap() {
            return Some((chromedriver, port));
        }
    }
    panic!("chromedriver does not start");
}

/// The port in the line that says that the driver listens; nothing if it ends before. The rest is read, too, so that a full
/// pipe holds nothing up.
fn port_in(mut out: impl io::BufRead + Send + 'static) -> Option<u16> {
    let port = out.by_ref().lines().find_map(|line| {
        let line = line.unwrap();
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    thread::spawn(move || drop(io::copy(&mut out, &mut io::sink())));
    port
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
