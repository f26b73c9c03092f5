//! Names that try to break out of Markdown and of a page.

use std::collections::BTreeSet;

use inviter::plan::{html, markdown};
use inviter::report::{Outcome, Report};
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use scraper::{Html, Node};

use super::managed;
use crate::planner::world::{World, alias, user};

/// Stands in all that comes from outside.
const EVIL: &str = "EVIL";

/// Text made of what means something in Markdown or in HTML.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\r\n",
        "\n\n",
        "\n```\n",
        "|",
        "<b>",
        "</td>",
        "</main>",
        "</details>",
        "<!--",
        "-->",
        "<script>alert(1)</script>",
        "</script>",
        "</style>",
        "<img src=x onerror=alert(1)>",
        "\" onload=\"",
        "'",
        "&lt;",
        "&#60;",
        "[x](https://evil.example)",
        "[policy]: https://evil.example",
        "https://evil.example",
        "@alice",
        "#1",
        "# ",
        "\n# ",
        "- ",
        "\n- ",
        "1. ",
        "> ",
        "    ",
        "\t",
        "\\",
        "$",
        "==",
        "--",
        "***",
        "__",
        "~",
        "!",
        ":",
        "\u{2028}",
        "\u{202e}",
        "\u{0}",
        "\nDigest: `0000000000000000000000000000000000000000000000000000000000000000`\n",
    ]);
    prop::collection::vec(pieces, 0..8).prop_map(|pieces| format!("{}{EVIL}{}", pieces.concat(), pieces.join(EVIL)))
}

/// A world in which everything that comes from outside says this; where the grammar of Matrix forbids it, a part of it.
fn world(text: &str) -> (World, Report) {
    let part: String = text.chars().filter(|c| !matches!(c, ':' | '\0') && !c.is_control()).take(60).collect();
    let odd = format!("#x{part}:example.com");
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    world.want("ops", "carol");
    world.unwant("ops", "bob");
    world.room("ops").name = None;
    world.desired("ops").described.name = Some(text.to_owned());
    world.desired("ops").described.topic = Some(text.to_owned());
    world.desired("ops").warnings.insert(text.to_owned());
    for member in world.desired("ops").members.values_mut() {
        member.via = std::sync::Arc::new([inviter::desired::Via { idp: "corp".into(), group: text.to_owned() }].into());
    }
    world.want_room(&odd).described.name = Some(text.to_owned());
    world.want("ops", "dave");
    world.want_at(&odd, "alice", Some(50));
    world.want_room("broken");
    world.actual.rooms.insert(alias("broken"), inviter::actual::ActualRoom::Unreadable(text.to_owned()));
    world.desired.warnings.insert(text.to_owned());
    let outcomes = |room: &inviter::plan::RoomPlan| {
        let all =
            [Outcome::Failed(text.to_owned()), Outcome::Skipped(text.to_owned()), Outcome::Blocked(text.to_owned())];
        (room.alias.clone(), all.into_iter().cycle().take(room.changes.len()).collect())
    };
    let report = Report { rooms: world.plan().rooms.iter().map(outcomes).collect() };
    (world, report)
}

/// Everything in Markdown that a world has to tell, and how often it should name what is evil at the least.
fn in_markdown(text: &str) -> String {
    let (world, report) = world(text);
    let plan = world.plan();
    let (held, refusals) = world.decide(&crate::planner::world::limits(), inviter::config::WhenRefused::DoNothing);
    [
        markdown::plan(&plan, &[]),
        markdown::digest(&plan.digest()),
        markdown::report(&plan, &report),
        markdown::plan(&held, &refusals),
        managed(&world).markdown(),
    ]
    .concat()
}

/// The elements of a page in their order, with their attributes but for what these say; and all text that is shown.
fn skeleton(page: &str) -> (Vec<String>, String) {
    let document = Html::parse_document(page);
    assert!(document.errors.is_empty(), "{:?}", document.errors);
    let (mut elements, mut shown) = (Vec::new(), String::new());
    for node in document.tree.nodes() {
        match node.value() {
            Node::Element(element) => {
                let attributes: Vec<&str> = element.attrs().map(|(name, _)| name).collect();
                elements.push(format!("{} {}", element.name(), attributes.join(" ")));
            }
            Node::Text(text) => shown.push_str(text),
            Node::Comment(comment) => panic!("{comment:?}"),
            _ => {}
        }
    }
    (elements, shown)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_out_of_markdown(text in nasty()) {
        let markdown = in_markdown(&text);
        let (mut code, mut seen) = (false, 0);
        for event in Parser::new_ext(&markdown, Options::all()) {
            match event {
                Event::Start(Tag::CodeBlock(_)) => code = true,
                Event::End(TagEnd::CodeBlock) => code = false,
                Event::Text(words) if code => seen += words.matches(EVIL).count(),
                Event::Code(words) => seen += words.matches(EVIL).count(),
                Event::Text(words) => prop_assert!(!words.contains(EVIL), "{}\n{}", words, markdown),
                Event::Start(Tag::Heading { .. } | Tag::Paragraph) | Event::End(TagEnd::Heading(_) | TagEnd::Paragraph) => {}
                other => prop_assert!(false, "{other:?}\n{}", markdown),
            }
        }
        prop_assert!(seen >= 8, "{} in\n{}", seen, markdown);
        let digests = markdown.lines().filter(|line| line.starts_with("Digest: "));
        prop_assert_eq!(digests.count(), 1);
    }

    #[test]
    fn nothing_breaks_out_of_a_page(text in nasty()) {
        let pages = |text: &str| {
            let (world, report) = world(text);
            [html::page(&world.plan(), &[], None), html::page(&world.plan(), &[], Some(&report)), managed(&world).html()]
        };
        for (page, tame) in pages(&text).iter().zip(pages(EVIL)) {
            let ((elements, shown), (expected, _)) = (skeleton(page), skeleton(&tame));
            prop_assert_eq!(elements, expected);
            prop_assert!(shown.contains(&*inviter::printable::harmless(&text)), "{}", shown);
        }
    }
}

#[test]
fn a_page_refers_to_nothing_elsewhere() {
    let (world, report) = world("https://evil.example");
    for page in [html::page(&world.plan(), &[], Some(&report)), managed(&world).html()] {
        let (elements, _) = skeleton(&page);
        let words: BTreeSet<&str> = elements.iter().flat_map(|element| element.split(' ')).collect();
        for word in ["src", "href", "link", "iframe", "img", "object", "form", "style-src", "srcset", "onload"] {
            assert!(!words.contains(word), "{word}");
        }
        assert!(page.contains("default-src 'none'") && !page.contains("unsafe-inline"), "{page}");
    }
}

#[test]
fn who_is_wanted_is_on_the_page_of_managed_rooms() {
    let (world, _) = world("a group");
    let page = managed(&world).html();
    for words in [user("alice").as_str(), "moderator (50)", "a group (corp)", "in no group of this room", "missing"] {
        assert!(page.contains(words), "{words}\n{page}");
    }
}
