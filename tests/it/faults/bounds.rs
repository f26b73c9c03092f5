//! Answers that are longer than anything honest.

use std::process::Command;

use crate::support::inviter::Inviter;
use crate::support::odd::Odd;
use crate::support::recorder::Action;
use crate::sync::scene::Scene;

/// A body that no machine should have to hold.
const HUGE: u64 = 1 << 30;
/// What a packed body is unpacked.
const PACKED: u64 = 256 << 20;
/// What a run holds at most while a state is read, in KiB: 128 MiB of the answer, once more while that grows, and the rest.
const MOST: u64 = 320 << 10;

/// Runs the program; how much memory it held at most, in KiB, its exit status and its standard error.
async fn peak(inviter: &Inviter) -> (u64, i32, String) {
    let folder = inviter.folder().to_owned();
    let binary = env!("CARGO_BIN_EXE_inviter");
    tokio::task::spawn_blocking(move || {
        // The last word of the shell is about the program that it waited for.
        let script = r#""$1" -c inviter.toml sync 2>err >out & pid=$!
            while grep VmHWM "/proc/$pid/status" >hwm.new 2>/dev/null && [ -s hwm.new ]; do mv hwm.new hwm; sleep 0.02; done
            wait $pid; echo $? >status"#;
        let shell = Command::new("sh").args(["-c", script, "sh", binary]).current_dir(&folder).status().unwrap();
        assert!(shell.success());
        let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let most = file("hwm").split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
        (most, file("status").trim().parse().unwrap(), [file("err"), file("out")].concat())
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let scene = Scene::new("huge").await;
    scene.people(&["alice"]).await;
    let inviter = scene.with_file(&[("ops", &["alice"])], "");
    inviter.run(&["sync"]).await.success();
    for (part, status, answer) in [
        ("whoami", 1, Odd::Huge(HUGE)),
        ("whoami", 1, Odd::Bomb(PACKED)),
        ("/versions", 1, Odd::Huge(HUGE)),
        ("joined_rooms", 1, Odd::Huge(HUGE)),
        ("/directory/room", 3, Odd::Huge(HUGE)),
        ("/state", 3, Odd::Huge(HUGE)),
        ("/state", 3, Odd::Bomb(PACKED)),
    ] {
        let odd = answer.clone();
        scene.recorder.on_request(move |_, request| {
            let answer = answer.clone();
            if request.path.contains(part) { Action::Odd { processed: false, answer } } else { Action::Forward }
        });
        let (most, code, said) = peak(&inviter).await;
        println!("{part}, {odd:?}: {} MiB at most", most >> 10);
        assert_eq!(code, status, "{part}: {said}");
        let told = if part == "/state" { "is longer than 128 MiB" } else { "is longer than 16 MiB" };
        assert!(said.contains(told), "{part}: {said}");
        assert!(most < MOST, "{part}: {most} KiB");
    }
    scene.recorder.forward_all();
    inviter.run(&["sync"]).await.success();
}
