//! What a command prints on standard output.

use std::io::{self, Write};

use anyhow::Context;

use crate::cli::Format;
use crate::plan::{self, Digest, Plan, Refusal};
use crate::printable::HarmlessJson;
use crate::report::Report;

/// Prints plan and report: text and Markdown at once, JSON and a page as one document at the end.
pub(crate) struct Printer<'a, W> {
    pub(crate) format: Format,
    pub(crate) dress: plan::text::Dress,
    pub(crate) out: &'a mut W,
}

impl<W: Write> Printer<'_, W> {
    /// A plan that cannot be shown is not applied.
    pub(crate) fn plan(&mut self, plan: &Plan, refusals: &[Refusal]) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.print(&plan::text::plan(plan, refusals, self.dress)),
            Format::Markdown => self.print(&plan::markdown::plan(plan, refusals)),
            Format::Json | Format::Html => Ok(()),
        }
        .context("the plan cannot be printed, so nothing was changed")
    }

    /// What `--expect` wants, which the documents hold themselves.
    pub(crate) fn digest(&mut self, digest: &Digest) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.print(&plan::text::digest(digest)),
            Format::Markdown => self.print(&plan::markdown::digest(digest)),
            Format::Json | Format::Html => Ok(()),
        }
    }

    pub(crate) fn report(&mut self, plan: &Plan, refusals: &[Refusal], report: Option<&Report>) -> anyhow::Result<()> {
        match (self.format, report) {
            (Format::Json, report) => {
                let document = plan::json::Document::new(plan, refusals, report);
                self.json(&document)
            }
            (Format::Html, report) => self.print(&plan::html::page(plan, refusals, report)),
            (Format::Text, Some(report)) if !plan.is_empty() => {
                self.print(&plan::text::report(plan, report, self.dress))
            }
            (Format::Markdown, Some(report)) if !plan.is_empty() => self.print(&plan::markdown::report(plan, report)),
            (Format::Text | Format::Markdown, _) => Ok(()),
        }
        .context("the report cannot be printed; see the homeserver for what was done")
    }

    /// Prints what a person reads, and nothing for programs.
    pub(crate) fn text(&mut self, text: impl FnOnce(plan::text::Dress) -> String) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.print(&text(self.dress)),
            Format::Json | Format::Markdown | Format::Html => Ok(()),
        }
    }

    /// Prints one document for programs.
    pub(crate) fn json(&mut self, document: &impl serde::Serialize) -> anyhow::Result<()> {
        let mut out = io::BufWriter::new(HarmlessJson(&mut *self.out));
        serde_json::to_writer_pretty(&mut out, document)?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    pub(crate) fn print(&mut self, text: &str) -> anyhow::Result<()> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}
