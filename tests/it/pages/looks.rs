//! How they read.

use inviter::config::WhenRefused;
use inviter::plan::{Limits, html, markdown};

use super::managed;
use crate::planner::renderings::{busy, report};
use crate::planner::world::{World, limits};

/// The part of a page that differs from page to page, a line for each element.
fn main_of(page: &str) -> String {
    let (_, rest) = page.split_once("<main>").expect("a page has a main part");
    let (main, _) = rest.split_once("</main>").expect("which ends");
    main.replace("><", ">\n<")
}

#[test]
fn a_plan_and_its_report_in_markdown() {
    let world = busy();
    let plan = world.plan();
    let text = [markdown::plan(&plan, &[]), markdown::digest(&plan.digest()), markdown::report(&plan, &report(&world))];
    insta::assert_snapshot!(text.concat().replace(&plan.digest().to_string(), "(64 hexadecimal digits)"));
}

#[test]
fn a_refused_plan_in_markdown_names_the_limits_and_the_way_to_go_on() {
    let (plan, refusals) = busy().decide(&Limits { max_kicks: 0, ..limits() }, WhenRefused::DoTheRest);
    insta::assert_snapshot!(markdown::plan(&plan, &refusals));
}

#[test]
fn nothing_to_do_is_a_heading() {
    let plan = World::with_room("ops", &["alice"]).plan();
    assert_eq!(markdown::plan(&plan, &[]), "## 1 room: nothing to do\n");
}

#[test]
fn a_list_in_markdown_is_its_text() {
    let list = managed(&World::with_room("ops", &["alice"]));
    let text = list.text(inviter::plan::text::Dress::new(false));
    assert_eq!(list.markdown(), format!("\n```text\n{text}```\n"));
}

#[test]
fn a_plan_and_its_report_as_a_page() {
    let world = busy();
    insta::assert_snapshot!(main_of(&html::page(&world.plan(), &[], Some(&report(&world)))));
}

#[test]
fn a_dry_run_as_a_page_tells_the_digest_and_what_was_refused() {
    let (plan, refusals) = busy().decide(&Limits { max_kicks: 0, ..limits() }, WhenRefused::DoTheRest);
    let page = html::page(&plan, &refusals, None);
    assert!(page.contains(&format!("<code>{}</code>", plan.digest())), "{page}");
    for refusal in &refusals {
        assert!(page.contains(&format!("<p class=\"limit\">{refusal}</p>")), "{refusal}\n{page}");
    }
    assert!(!refusals.is_empty() && !page.contains("Outcome"));
}

#[test]
fn the_managed_rooms_as_a_page() {
    insta::assert_snapshot!(main_of(&managed(&busy()).html()));
}

#[test]
fn a_page_is_the_same_bytes_each_time() {
    let page = || [html::page(&busy().plan(), &[], Some(&report(&busy()))), managed(&busy()).html()];
    assert_eq!(page(), page());
}
