//! Synapse's own rate limits: learnt from its answers, never hammered, and no reason to idle.

use std::collections::BTreeMap;
use std::time::Duration;

use super::scene::{Scene, run, summary};
use crate::support::recorder::Recorded;
use crate::support::synapse::{Options, RateLimits, Synapse};

fn limited() -> &'static Synapse {
    let options = Options { rate_limits: RateLimits::Default, ..Options::default() };
    Box::leak(Box::new(Synapse::start(options)))
}

fn is_creation(write: &Recorded) -> bool {
    write.path.ends_with("/createRoom")
}

#[tokio::test(flavor = "multi_thread")]
async fn with_synapses_own_limits_a_run_does_what_it_can_and_leaves_the_rest() {
    let synapse = limited();
    let names: Vec<String> = (0..16).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rooms: Vec<String> = (0..6).map(|number| format!("room{number}")).collect();
    let rooms: Vec<(&str, &[&str])> = rooms.iter().map(|room| (room.as_str(), names.as_slice())).collect();
    let scene = Scene::on(synapse, "limits").await;
    // Registering is limited as well; nobody has to exist to be invited.
    let inviter = scene.with_file(&rooms, "");
    let outcome = run(&inviter, &["sync", "--deadline", "18s"]).await.status(3);
    assert!(outcome.duration < Duration::from_secs(26), "{outcome}");

    let writes = scene.recorder.writes();
    let (done, refused): (Vec<&Recorded>, Vec<&Recorded>) = writes.iter().partition(|write| write.status == Some(200));
    // The one that finds out how many people can be invited with a creation.
    let (too_many, refused): (Vec<&Recorded>, Vec<&Recorded>) =
        refused.into_iter().partition(|write| is_creation(write) && write.status == Some(400));
    assert_eq!(too_many.len(), 1);
    assert!(refused.iter().all(|write| write.status == Some(429)), "{refused:#?}");
    // At most those that were under way when the first was refused.
    assert!(refused.len() <= 16, "{}", refused.len());
    assert_eq!(done.iter().filter(|write| is_creation(write)).count(), rooms.len(), "other work goes on");
    // The burst is one of ten writes, creations among them, even one that was refused.
    assert!(done.len() >= 9, "{}", done.len());
    let last_burst = refused.iter().map(|write| write.at).max().unwrap();
    let paced: Vec<Duration> =
        writes.iter().filter(|write| write.at > last_burst && !is_creation(write)).map(|write| write.at).collect();
    for pair in paced.windows(2) {
        assert!(pair[1].saturating_sub(pair[0]) >= Duration::from_secs(4), "a paced request came too early: {paced:?}");
    }
    let mut recipients: BTreeMap<&str, usize> = BTreeMap::new();
    for write in done.iter().filter(|write| write.path.ends_with("/invite")) {
        *recipients.entry(write.body.as_str()).or_default() += 1;
    }
    assert!(
        recipients.len() >= 3 && recipients.values().all(|times| *times <= 2),
        "the recipients alternate: {recipients:?}"
    );
    let (written, skipped) = (done.len(), outcome.stdout.matches("skipped: ").count());
    let carried = 10 * rooms.len();
    assert_eq!(summary(&outcome), format!("102 writes: {} done, {skipped} skipped.", written + carried));
    assert!(outcome.stdout.contains("With Synapse's default rate limits this takes about 3 min.\n"), "{outcome}");
    println!("{written} done, {} refused (429), {skipped} left, {:?}", refused.len(), outcome.duration);
}
