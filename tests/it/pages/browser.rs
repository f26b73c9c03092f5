//! The pages in a real browser.

use std::collections::BTreeSet;

use inviter::plan::html;
use scraper::{Html, Selector};

use super::managed;
use crate::planner::renderings::{busy, report};
use crate::planner::world::World;
use crate::support::browser::{Look, Picture, document, picture};

fn pages() -> [String; 2] {
    let world = busy();
    [html::page(&world.plan(), &[], Some(&report(&world))), managed(&world).html()]
}

/// Three rooms, of which alice is in two.
fn rooms() -> String {
    let mut world = World::with_room("ops", &["alice*", "bob"]);
    for (room, name) in [("dev", "bob"), ("lunch", "alice"), ("lunch", "carol")] {
        if !world.desired.rooms.contains_key(&crate::planner::world::alias(room)) {
            world.want_room(room);
        }
        world.want(room, name);
    }
    world.settle();
    managed(&world).html()
}

/// The words of all elements that can be seen and match.
pub fn seen(document: &str, selector: &str) -> Vec<String> {
    let document = Html::parse_document(document);
    let selector = Selector::parse(selector).unwrap();
    let is_hidden = |element: &scraper::ElementRef<'_>| {
        let own = element.value().attr("hidden").is_some();
        own || element
            .ancestors()
            .filter_map(scraper::ElementRef::wrap)
            .any(|above| above.value().attr("hidden").is_some())
    };
    document
        .select(&selector)
        .filter(|element| !is_hidden(element))
        .map(|element| element.text().collect::<Vec<_>>().join(" ").trim().to_owned())
        .collect()
}

fn colors(picture: &Picture) -> BTreeSet<[u8; 3]> {
    picture.pixels.iter().copied().collect()
}

#[test]
fn the_pages_are_drawn_at_a_desk_and_on_a_phone_light_and_dark() {
    let phone = Look { width: 400, height: 800, dark: true };
    let mut pictures: Vec<Picture> = Vec::new();
    for page in pages() {
        for look in [Look::DESK, phone] {
            let picture = picture(&page, look);
            assert_eq!((picture.width, picture.height), (look.width, look.height));
            // Letters have soft edges: a page without any would have the few colours of its boxes.
            assert!(colors(&picture).len() > 50, "{}", colors(&picture).len());
            let corner = picture.pixels[0];
            assert_eq!(corner.iter().all(|part| *part < 64), look.dark, "{corner:?}");
            assert!(pictures.iter().all(|other| *other != picture), "two pages look the same");
            pictures.push(picture);
        }
    }
}

#[test]
fn what_is_on_a_page_is_there_without_its_script() {
    for page in pages() {
        // The policy of the page lets only the script run that it knows.
        let bare = document(&page.replace("\"use strict\";", "\"use strict\"; "), "", Look::DESK);
        for selector in ["h1", "h2", "th", "td", "li"] {
            assert_eq!(seen(&bare, selector), seen(&page, selector), "{selector}");
        }
        // What does nothing is not shown.
        assert_eq!(seen(&bare, "label"), Vec::<String>::new());
    }
}

#[test]
fn a_link_to_what_is_searched_for_shows_that_alone() {
    let page = rooms();
    let found = |fragment: &str| {
        let document = document(&page, fragment, Look::DESK);
        let people = seen(&document, "td:first-child");
        (seen(&document, "h2"), people, seen(&document, "[role=status]").concat())
    };
    let list = |items: &[&str]| -> Vec<String> { items.iter().map(|item| format!("{item}:example.com")).collect() };
    let all = (list(&["#dev", "#lunch", "#ops"]), list(&["@bob", "@alice", "@carol", "@alice", "@bob"]), String::new());
    assert_eq!(found(""), all);
    assert_eq!(seen(&document(&page, "", Look::DESK), "label"), ["Find rooms, people and groups"]);
    let alice = (list(&["#lunch", "#ops"]), list(&["@alice", "@alice"]), "2 of 3 shown".to_owned());
    assert_eq!(found("#q=alice"), alice);
    // A room by its name has all its people, and a room and a person narrow each other.
    let lunch = (list(&["#lunch"]), list(&["@alice", "@carol"]), "1 of 3 shown".to_owned());
    assert_eq!(found("#q=%23lunch"), lunch);
    assert_eq!(found("#q=OPS%20Moderator"), (list(&["#ops"]), list(&["@alice"]), "1 of 3 shown".to_owned()));
}

#[test]
fn no_other_script_than_that_of_the_page_runs() {
    let evil = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">";
    let mut world = busy();
    world.desired.warnings.insert(evil.into());
    let page = html::page(&world.plan(), &[], None);
    let title = |page: &str| seen(&document(page, "", Look::DESK), "title").concat();
    assert!(!title(&page).contains("taken"));
    // Even if it came through, the policy of the page would hold it back; without the policy it would run.
    let broken = page.replacen("<main>", &format!("<main>{evil}"), 1);
    assert!(!title(&broken).contains("taken"));
    let open = broken.replace("Content-Security-Policy", "none");
    assert_eq!(title(&open), "taken");
}
