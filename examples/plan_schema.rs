//! Prints the JSON schema of what `inviter sync --format json` prints.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serde_json::to_writer_pretty(std::io::stdout(), &inviter::plan::json::Document::schema())?;
    println!();
    Ok(())
}
