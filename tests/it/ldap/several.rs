//! More than one server, and clients that are known by their certificate.

use std::net::{TcpListener, UdpSocket};
use std::thread;

use super::{ROOM, Slapd, SlapdOptions, error, fetch, idp, ldaps, members, notices};
use crate::support::slapd::person_dn;
use crate::support::tls::Authority;

fn closed() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("ldaps://localhost:{port}")
}

#[test]
fn a_replica_that_is_down_is_passed_over_with_a_notice() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice"]);
    slapd.group(ROOM, &["alice"]);
    let (url, down) = (slapd.ldaps_url(), closed());
    let list = |urls: [&str; 2]| ldaps(&slapd).replace(&format!("{url:?}"), &format!("{urls:?}"));
    let second = fetch(&idp(&list([&down, &url]), "")).unwrap();
    assert_eq!(members(&second, ROOM), ["alice"]);
    let told = notices(&second).concat();
    assert!(told.starts_with(&format!("the server {down} was passed over: cannot connect to {down}")), "{told}");
    let first = fetch(&idp(&list([&url, &down]), "")).unwrap();
    assert_eq!((members(&first, ROOM), notices(&first).len()), (vec!["alice".to_owned()], 0));
}

#[test]
fn when_no_server_can_be_read_each_says_why() {
    let (one, two) = (closed(), closed());
    let error = error(&idp(&format!("url = [{one:?}, {two:?}]\n"), ""));
    assert!(error.contains("no server can be read") && error.contains(&one) && error.contains(&two), "{error}");
}

#[test]
fn a_wrong_password_is_not_tried_at_each_server() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let url = slapd.ldaps_url();
    let twice = ldaps(&slapd).replace(&format!("{url:?}"), &format!("[{url:?}, {url:?}]"));
    let error = error(&idp(&twice.replace(slapd.password(), "wrong-secret"), ""));
    assert!(error.contains("cannot bind as") && !error.contains("no server can be read"), "{error}");
    assert_eq!(slapd.log().matches("tag=97 err=49").count(), 1, "{}", slapd.log());
}

#[test]
fn who_has_a_certificate_needs_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("client.pem");
    let key = folder.path().join("client.key");
    let client = Authority::shared().client("inviter-client");
    std::fs::write(&certificate, client.certificate).unwrap();
    std::fs::write(&key, client.key).unwrap();
    let map = "authz-regexp \"^.*cn=inviter-client.*$\" \"cn=inviter,ou=services,dc=example,dc=com\"\n";
    let slapd =
        Slapd::start(&SlapdOptions { global_config: format!("TLSVerifyClient try\n{map}"), ..Default::default() });
    slapd.people(&["alice"]);
    slapd.group(ROOM, &["alice"]);
    let base = format!("url = {:?}\nca_file = {:?}\n", slapd.ldaps_url(), slapd.ca_file());
    let with = format!("{base}client_certificate_file = {certificate:?}\nclient_key_file = {key:?}\n");
    assert_eq!(members(&fetch(&idp(&with, "")).unwrap(), ROOM), ["alice"]);
    assert!(slapd.search("(uid=alice)", &["uid"]).contains(&person_dn("alice")));

    let swapped = format!("{base}client_certificate_file = {key:?}\nclient_key_file = {certificate:?}\n");
    let swapped = error(&idp(&swapped, ""));
    assert!(swapped.contains("client_certificate_file") && swapped.contains("is of no use"), "{swapped}");
}

/// A DNS server on loopback: the records of one service, each with priority, weight, port and host.
fn dns(service: &'static str, records: Vec<(u16, u16, u16, &'static str)>) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let name = |name: &str| {
        let labels =
            name.split('.').flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat());
        labels.chain([0]).collect::<Vec<u8>>()
    };
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            // Header; question; the additional record of EDNS is not repeated.
            let asked = &query[12..length];
            let end = asked.iter().position(|byte| *byte == 0).unwrap() + 5;
            let question = &asked[..end];
            let known = question.to_ascii_lowercase().starts_with(&name(service));
            let count = if known { records.len() } else { 0 };
            let (count, code) = (u8::try_from(count).unwrap(), if known { 0 } else { 3 });
            let mut answer = [&query[..2], &[0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0], question].concat();
            for (priority, weight, port, host) in records.iter().take(count.into()) {
                let data =
                    [&priority.to_be_bytes()[..], &weight.to_be_bytes(), &port.to_be_bytes(), &name(host)].concat();
                // The name of the question, SRV, IN, one minute.
                answer.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
                answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
                answer.extend(data);
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

fn port(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
fn servers_are_found_in_the_dns_and_tried_by_priority() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice"]);
    slapd.group(ROOM, &["alice"]);
    // The domain looks like an address, since resolvers know better than to ask anybody for localhost.
    let records = vec![
        (30, 1, 1, "never.127.0.0.1"),
        (20, 5, port(&slapd.ldaps_url()), "127.0.0.1"),
        (10, 5, port(&closed()), "127.0.0.1"),
        (5, 5, port(&slapd.ldaps_url()), "elsewhere.example.org"),
    ];
    let server = dns("_ldaps._tcp.127.0.0.1", records);
    let url = format!("url = {:?}", slapd.ldaps_url());
    let srv = ldaps(&slapd).replace(&url, &format!("srv = \"127.0.0.1\"\ndns_server = {server:?}"));
    let snapshot = fetch(&idp(&srv, "")).unwrap();
    assert_eq!(members(&snapshot, ROOM), ["alice"]);
    let told = notices(&snapshot);
    assert!(told.len() == 1 && told[0].contains("was passed over: cannot connect to ldaps://127.0.0.1:"), "{told:?}");
}

#[test]
fn a_domain_without_servers_is_told() {
    let server = dns("_ldap._tcp.elsewhere", vec![]);
    let error = error(&idp(&format!("srv = \"example.com\"\ndns_server = {server:?}\n"), ""));
    assert!(
        error.contains("cannot find the directory servers of example.com in the DNS: there is no record"),
        "{error}"
    );
}
