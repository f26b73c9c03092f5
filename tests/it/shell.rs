//! What shells and manuals are given.

use std::fs;
use std::process::Command;

use crate::support::inviter::Inviter;

#[tokio::test]
async fn each_shell_takes_its_completions() {
    let inviter = Inviter::new("");
    for (shell, word) in [("bash", "--dry-run"), ("zsh", "--dry-run"), ("fish", "dry-run")] {
        let script = inviter.run(&["completions", shell]).await.success().stdout;
        assert!(script.contains(word) && script.contains("unmanage"), "{shell}: {script}");
    }
    // Bash is everywhere, and says whether it can read it and what it completes.
    let script = inviter.run(&["completions", "bash"]).await.success().stdout;
    let script = inviter.file("inviter.bash", &script);
    let words = "source \"$1\"; COMP_WORDS=(inviter sync --dr); COMP_CWORD=2; _inviter inviter --dr sync; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", words, "bash"]).arg(script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--dry-run\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn there_is_a_manual_page_for_the_program_and_for_each_command() {
    let inviter = Inviter::new("");
    let folder = inviter.folder().join("man");
    inviter.run(&["man", "man"]).await.success();
    let mut pages: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let help = inviter.run(&["--help"]).await.success().stdout;
    let list = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| line.starts_with("  "));
    // A line that goes on with the text of the one above begins further in.
    let commands = list.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    for command in commands.filter(|command| *command != "help") {
        assert!(pages.contains(&format!("inviter-{command}.1")), "{command}: {pages:?}");
    }
    let page = fs::read_to_string(folder.join("inviter.1")).unwrap();
    assert!(page.contains(".TH inviter 1") && page.contains("Exit status:"), "{page}");
    // Without a folder the page is printed. Of the two only one knows the command `help`, so that the text counts.
    let printed = inviter.run(&["man"]).await.success().stdout;
    let said = |page: &str| page.lines().filter(|line| !line.contains("help")).map(str::to_owned).collect::<Vec<_>>();
    let missing: Vec<String> = said(&page).into_iter().filter(|line| !printed.contains(line.as_str())).collect();
    assert_eq!(missing, [""; 0], "{printed}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told() {
    let inviter = Inviter::new("");
    inviter.file("man", "a file");
    let outcome = inviter.run(&["man", "man"]).await.status(1);
    assert!(outcome.stderr.starts_with("error: the manual pages cannot be written into man: "), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_slip_in_a_command_an_option_or_an_alias_is_answered_with_what_may_be_meant() {
    let config = "[matrix]\nhomeserver = \"https://localhost:1\"\naccess_token = \"a\"\n[[idp]]\nname = \"a\"\n\
                  mxid_homeserver = \"example.com\"\ntype = \"file\"\npath = \"rooms.toml\"\n";
    let inviter = Inviter::new(config);
    inviter.file("rooms.toml", "[[rooms]]\nalias = \"#operations:example.com\"\nmembers = [\"alice\"]\n");
    for (arguments, status, meant) in [
        (&["snyc"][..], 64, "'sync'"),
        (&["sync", "--dryrun"], 64, "'--dry-run'"),
        (&["unmange", "#a:b", "@a:b"], 64, "'unmanage'"),
    ] {
        let outcome = inviter.run(arguments).await.status(status);
        assert!(outcome.stderr.contains(meant), "{arguments:?}: {}", outcome.stderr);
    }
}
