//! Prints the JSON schema of what `inviter check --format json` prints.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    serde_json::to_writer_pretty(&mut out, &inviter::check::Findings::schema())?;
    Ok(out.write_all(b"\n")?)
}
