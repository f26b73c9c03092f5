//! Prints the JSON schema of the configuration, as `inviter schema` does.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    serde_json::to_writer_pretty(&mut out, &inviter::config::schema::schema())?;
    Ok(out.write_all(b"\n")?)
}
