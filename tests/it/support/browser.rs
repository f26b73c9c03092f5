//! A real browser, without a window.

use std::fs;
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;

use super::installed::on_path;

/// One at a time: a browser is as heavy as all the rest of a test.
static TURN: Mutex<()> = Mutex::new(());

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The width of the window in pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Whether the person prefers dark colours.
    pub dark: bool,
}

impl Look {
    /// At a desk, in light colours.
    pub const DESK: Self = Self { width: 1200, height: 1000, dark: false };
}

/// The document of a page after its script ran, as HTML; the fragment is that of the address, with its `#`.
pub fn document(page: &str, fragment: &str, look: Look) -> String {
    let (_, said) = open(page, fragment, look, &["--dump-dom"]);
    assert!(said.contains("</html>"), "{said}");
    said
}

/// A picture of a page.
pub fn picture(page: &str, look: Look) -> Picture {
    let (folder, said) = open(page, "", look, &["--screenshot=page.png", "--hide-scrollbars"]);
    let file = folder.path().join("page.png");
    let file = fs::File::open(&file).unwrap_or_else(|error| panic!("{}: {error}\n{said}", file.display()));
    let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut bytes).expect("a picture");
    let pixels = bytes[..info.buffer_size()]
        .chunks(info.color_type.samples())
        .map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    Picture { width: info.width, height: info.height, pixels }
}

/// The pixels of a page.
#[derive(Debug, PartialEq)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Red, green and blue, line by line.
    pub pixels: Vec<[u8; 3]>,
}

/// Opens a page and returns the browser's folder and what it printed.
fn open(page: &str, fragment: &str, look: Look, task: &[&str]) -> (TempDir, String) {
    let browser = on_path("chromium");
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let file = folder.path().join("page.html");
    fs::write(&file, page).expect("the folder is writable");
    // 0 is dark, 1 is light.
    let scheme = u8::from(!look.dark);
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let output = Command::new(browser)
        .current_dir(folder.path())
        // It wants a home to write to, and as root it has no sandbox.
        .env("HOME", folder.path())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-extensions", "--disable-background-networking", "--virtual-time-budget=1000"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--window-size={},{}", look.width, look.height))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .args(task)
        .arg(format!("file://{}{fragment}", file.display()))
        .output()
        .expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    (folder, said)
}
