//! `invite-member`, `kick-member` and `invite-admin`.

use serde_json::json;

use super::{BY_HAND, VERSIONS, document, with_foreign_people};
use crate::sync::scene::{Scene, run};

#[tokio::test(flavor = "multi_thread")]
async fn an_external_member_is_invited_and_removed_by_hand_and_sync_minds_neither() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("guest{version}")).await;
        let people = scene.people(&["guest"]).await;
        let inviter = with_foreign_people(&scene, &[("ops", &[])], &format!("[room]\nroom_version = {version:?}\n"));
        run(&inviter, &["sync"]).await.success();
        scene.recorder.clear();
        let (alias, guest) = (scene.alias("ops"), scene.user("guest"));

        let dry = run(&inviter, &["invite-member", &alias, &guest, "--dry-run"]).await.success();
        assert!(dry.stdout.contains(&format!("  + invite {guest}\nDry run: nothing was written.\n")), "{dry}");
        assert_eq!(scene.recorder.writes(), []);
        let done = run(&inviter, &["invite-member", &alias, &guest]).await.success();
        assert!(done.stdout.ends_with(&format!("  + invite {guest}\nDone.\n")), "{done}");
        let again = run(&inviter, &["invite-member", &alias, &guest]).await.success();
        assert!(again.stdout.contains(&format!("Nothing to do: {guest} is already invited.")), "{again}");
        scene.accept("ops", &people, &["guest"]).await;
        let again = run(&inviter, &["invite-member", &alias, &guest]).await.success();
        assert!(again.stdout.contains(&format!("Nothing to do: {guest} is already in the room.")), "{again}");
        assert_eq!(scene.recorder.writes().len(), 1);

        run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(scene.roster("ops").await, ["guest join 0"]);

        let room = scene.room("ops").await;
        let mut levels = scene.me.power_levels(&room).await;
        levels["users"][&guest] = json!(50);
        scene.me.put_state(&room, "m.room.power_levels", "", levels).await;
        scene.recorder.clear();
        let dry = run(&inviter, &["kick-member", &alias, &guest, "--dry-run"]).await.success();
        assert!(dry.stdout.contains(&format!("  ~ power level of {guest}: 50 -> 0\n  - kick {guest}\n")), "{dry}");
        assert_eq!(scene.recorder.writes(), []);
        let kicked = run(&inviter, &["--format", "json", "kick-member", &alias, &guest]).await.success();
        let told = document(&kicked, BY_HAND);
        assert_eq!(told["steps"][1]["outcome"]["status"], "applied");
        assert_eq!(scene.roster("ops").await, Vec::<String>::new(), "the entry is gone as well");
        let again = run(&inviter, &["kick-member", &alias, &guest]).await.success();
        assert!(again.stdout.contains(&format!("Nothing to do: {guest} is already out of the room.")), "{again}");

        run(&inviter, &["invite-member", &alias, &guest]).await.success();
        let withdrawn = run(&inviter, &["kick-member", &alias, &guest]).await.success();
        assert!(withdrawn.stdout.contains(&format!("  - withdraw the invitation of {guest}\n")), "{withdrawn}");
        assert_eq!(scene.roster("ops").await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_admin_is_invited_for_good_below_version_12() {
    for version in VERSIONS {
        let scene = Scene::new(&format!("admin{version}")).await;
        let people = scene.people(&["ally"]).await;
        let inviter = with_foreign_people(&scene, &[("ops", &[])], &format!("[room]\nroom_version = {version:?}\n"));
        run(&inviter, &["sync"]).await.success();
        scene.recorder.clear();
        let (alias, ally) = (scene.alias("ops"), scene.user("ally"));
        let before = scene.me.power_levels(&scene.room("ops").await).await;

        let dry = run(&inviter, &["invite-admin", &alias, &ally, "--dry-run"]).await.success();
        assert_eq!(dry.stdout.contains("inviter cannot take this away again"), version == "11", "{dry}");
        assert_eq!(scene.recorder.writes(), []);
        run(&inviter, &["invite-admin", &alias, &ally]).await.success();
        let mut expected = before;
        expected["users"][&ally] = json!(100);
        assert_eq!(scene.me.power_levels(&scene.room("ops").await).await, expected, "all else is kept");
        scene.accept("ops", &people, &["ally"]).await;
        let again = run(&inviter, &["invite-admin", &alias, &ally]).await.success();
        assert!(
            again.stdout.contains(&format!("Nothing to do: {ally} is already in the room, and an admin.")),
            "{again}"
        );
        assert_eq!(scene.recorder.writes().len(), 2);

        let refused = run(&inviter, &["kick-member", &alias, &ally]).await.status(1);
        assert!(refused.stderr.contains("is an admin of the room (power level 100)"), "{refused}");
        run(&inviter, &["sync", "--kick"]).await.success();
        assert_eq!(scene.roster("ops").await, ["ally join 100"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_becomes_an_admin_where_they_are() {
    let scene = Scene::new("promote").await;
    let people = scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    run(&inviter, &["sync"]).await.success();
    scene.accept("ops", &people, &["alice"]).await;
    run(&inviter, &["invite-admin", &scene.alias("ops"), &scene.user("alice")]).await.success();
    assert_eq!(scene.roster("ops").await, ["alice join 100"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_cannot_be_reached_is_told() {
    let scene = Scene::new("unreached").await;
    let inviter = scene.with_file(&[("ops", &[])], "");
    run(&inviter, &["sync"]).await.success();
    let failed = run(&inviter, &["invite-admin", &scene.alias("ops"), "@ally:elsewhere.test"]).await.status(3);
    assert!(failed.stdout.contains("+ invite @ally:elsewhere.test  (failed: "), "{failed}");
    assert!(failed.stdout.contains("(skipped: the step before it was not done)"), "{failed}");
    assert_eq!(scene.roster("ops").await, Vec::<String>::new(), "nobody gets power who could not be invited");
}
