//! Prints the JSON schema of what the lists print with `--format json`.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    serde_json::to_writer_pretty(&mut out, &inviter::list::Document::schema())?;
    Ok(out.write_all(b"\n")?)
}
