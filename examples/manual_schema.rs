//! Prints the JSON schema of what the commands for one room and one person print with `--format json`.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    serde_json::to_writer_pretty(&mut out, &inviter::manual::json::Document::schema())?;
    Ok(out.write_all(b"\n")?)
}
