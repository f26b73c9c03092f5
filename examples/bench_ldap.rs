//! How long it takes to read a large directory, against one or two `memberOf` searches per room, on the same slapd; and
//! what it takes to look people up instead of reading all of them.
//!
//!     cargo run --release --example bench_ldap [PEOPLE [GROUPS]]

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unused_self,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on panics, and prints its figures"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use inviter::config::Config;
use ldap3::{LdapConnAsync, LdapConnSettings, Scope, SearchEntry, ldap_escape};

#[path = "../tests/it/support/mod.rs"]
mod support;

use support::slapd::{Slapd, SlapdOptions, group_dn, group_entry, person_dn, person_entry};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [step, file, prefix] = arguments.as_slice()
        && step == "read"
    {
        return read(file, prefix);
    }
    let number = |at: usize, default: usize| arguments.get(at).map_or(default, |text| text.parse().expect("a number"));
    let (people, groups) = (number(0, 50_000), number(1, 2_000));

    let options =
        SlapdOptions { member_of: true, extra_config: "index memberOf eq\n".into(), ..SlapdOptions::default() };
    let slapd = Slapd::start(&options);
    let started = Instant::now();
    load(&slapd, people, groups);
    println!("{people} people and {groups} nested groups loaded: {:.1?}", started.elapsed());

    for _ in 0..3 {
        measure(&slapd, "xxx", "auto");
    }
    runtime().block_on(one_by_one(&slapd, groups));
    runtime().block_on(lookups(&slapd, people));
    for members in SOME.into_iter().filter(|members| *members <= people) {
        println!("\n{members} of {people} people in rooms:");
        for mode in ["all", "members", "auto"] {
            measure(&slapd, &some(members), mode);
        }
    }
    drop(slapd);

    let uids: Vec<_> = (0..people).map(uid).collect();
    let sizes = || SOME.into_iter().take(2).filter(|members| *members <= people);
    let entries = uids.iter().map(|uid| person_entry(uid)).chain(sizes().map(|members| some_group(members, &uids)));
    let slapd = Slapd::start(&SlapdOptions {
        entries: entries.collect(),
        global_config: "TLSVerifyClient never\naccess to attrs=entryDN by * none".into(),
        ..SlapdOptions::default()
    });
    for members in sizes() {
        println!("\n{members} of {people} people in rooms, where no attribute finds entries by their names:");
        measure(&slapd, &some(members), "members");
    }
}

/// How many people are in the groups that are read apart from all others.
const SOME: [usize; 4] = [200, 5_000, 15_000, 30_000];

/// The name of the group with that many people.
fn some(members: usize) -> String {
    format!("zzz{members}zzz")
}

fn measure(slapd: &Slapd, prefix: &str, mode: &str) {
    let file = slapd.ca_file().with_file_name("inviter.toml");
    std::fs::write(&file, configuration(slapd, mode)).expect("the folder is writable");
    let itself = std::env::current_exe().expect("it has a file");
    print!("read_people = {mode:?}: ");
    std::io::Write::flush(&mut std::io::stdout()).expect("somebody reads");
    let process = std::fs::read_to_string(slapd.ca_file().with_file_name("pid")).expect("it runs");
    let before = processor_time(process.trim());
    let status = Command::new(&itself).arg("read").arg(&file).arg(prefix).status().expect("it starts");
    assert!(status.success());
    println!("    CPU time of slapd: {:.2?}", processor_time(process.trim()).saturating_sub(before));
}

/// The CPU time of a process so far, in steps of 10 ms (`proc_pid_stat(5)`).
fn processor_time(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks: u64 = after_name.split(' ').skip(11).take(2).map(|part| part.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(10 * ticks)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// What `inviter` does. In a process of its own, for the memory that it takes.
fn read(file: &str, prefix: &str) {
    let config = Config::load(Path::new(file), &[]).expect("the configuration is right");
    let started = Instant::now();
    let wanted = |name: &str| name.starts_with(prefix);
    let snapshot = runtime().block_on(inviter::idp::fetch(&config.idps[0], &wanted)).expect("the directory is read");
    let took = started.elapsed();
    let members: usize = snapshot.groups.iter().map(|group| group.members.certain().len()).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    println!(
        "{took:.2?}, CPU time {:.2?}, {most} at most: {} accounts, {} groups, {members} memberships through groups in groups",
        processor_time("self"),
        snapshot.accounts.len(),
        snapshot.groups.len()
    );
}

/// What its predecessor did: for each room, a search for the members and one for the owners.
async fn one_by_one(slapd: &Slapd, groups: usize) {
    let (connection, mut ldap) =
        LdapConnAsync::with_settings(LdapConnSettings::new(), &slapd.ldap_url()).await.expect("it answers");
    ldap3::drive!(connection);
    ldap.simple_bind(slapd.bind_dn(), slapd.password()).await.and_then(ldap3::LdapResult::success).expect("it binds");
    let (started, mut members) = (Instant::now(), 0);
    for number in 0..groups {
        for suffix in ["", "_owners"] {
            let group = group_dn(&format!("{}{suffix}", room(number)));
            let filter = format!("(&(objectClass=person)(memberOf={}))", ldap_escape(group));
            let found = ldap.search("ou=people,dc=example,dc=com", Scope::Subtree, &filter, ["uid"]).await;
            let (entries, _) = found.and_then(ldap3::SearchResult::success).expect("it finds");
            members += entries.into_iter().map(SearchEntry::construct).filter(|it| !it.attrs.is_empty()).count();
        }
    }
    println!(
        "two memberOf searches per room: {:.2?}, {} searches, {members} memberships, direct ones only",
        started.elapsed(),
        2 * groups
    );
}

/// What looking up 2,000 people by their names takes, with so many in each search.
async fn lookups(slapd: &Slapd, people: usize) {
    let (connection, ldap) =
        LdapConnAsync::with_settings(LdapConnSettings::new(), &slapd.ldap_url()).await.expect("it answers");
    ldap3::drive!(connection);
    let bound = ldap.clone().simple_bind(slapd.bind_dn(), slapd.password()).await;
    bound.and_then(ldap3::LdapResult::success).expect("it binds");
    let names: Vec<String> = (0..2_000).map(|number| person_dn(&uid(number * people / 2_000))).collect();
    println!();
    for each in [1, 20, 50, 100, 200, 500] {
        let started = Instant::now();
        let searches = names.chunks(each).map(async |names| {
            let mut ldap = ldap.clone();
            let found = if let [name] = names {
                ldap.search(name, Scope::Base, "(objectClass=person)", ["uid"]).await
            } else {
                let terms = names.iter().map(|name| format!("(entryDN={})", ldap_escape(name.as_str())));
                let filter = format!("(&(objectClass=person)(|{}))", terms.collect::<String>());
                ldap.search("ou=people,dc=example,dc=com", Scope::Subtree, &filter, ["uid"]).await
            };
            found.and_then(ldap3::SearchResult::success).expect("it finds").0.len()
        });
        let at_a_time = if each == 1 { 64 } else { 1 };
        let found: usize = stream::iter(searches).buffered(at_a_time).collect::<Vec<_>>().await.into_iter().sum();
        println!("2000 names, {each} in a search, {at_a_time} under way: {:.1?}, {found} found", started.elapsed());
    }
}

fn uid(number: usize) -> String {
    format!("user{number:06}")
}

fn room(number: usize) -> String {
    format!("xxxroom{number}xxxexample.com")
}

/// Each group has 30 people and two groups, in a tree whose root reaches everybody.
fn load(slapd: &Slapd, people: usize, groups: usize) {
    let uids: Vec<_> = (0..people).map(uid).collect();
    for uids in uids.chunks(10_000) {
        slapd.people(&uids.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let each = 30.max(people.div_ceil(groups));
    for number in (0..groups).rev() {
        let mut members: Vec<String> = (0..each).map(|at| uids[(number * each + at) % people].clone()).collect();
        members.extend((2 * number + 1..=2 * number + 2).filter(|inner| *inner < groups).map(|at| group_dn(&room(at))));
        slapd.group(&room(number), &members.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for members in SOME.into_iter().filter(|members| *members <= people) {
        slapd.add(&some_group(members, &uids));
    }
}

fn some_group(members: usize, uids: &[String]) -> String {
    let members_of: Vec<_> = (0..members).map(|number| uids[number * uids.len() / members].as_str()).collect();
    group_entry(&some(members), &members_of)
}

fn configuration(slapd: &Slapd, mode: &str) -> String {
    format!(
        "[matrix]\nhomeserver = \"https://matrix.example.com\"\naccess_token = \"x\"\n[[idp]]\nname = \"corp\"\n\
         type = \"ldap\"\nmxid_homeserver = \"example.com\"\nurl = {:?}\nca_file = \"{}\"\nbind_dn = {:?}\n\
         bind_password = {:?}\nread_people = {mode:?}\ngroup_base = \"ou=groups,dc=example,dc=com\"\nuser_base = \"ou=people,dc=example,dc=com\"\n",
        slapd.ldaps_url(),
        slapd.ca_file().display(),
        slapd.bind_dn(),
        slapd.password()
    )
}
