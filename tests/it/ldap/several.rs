//! More than one server, and clients that are known by their certificate.

use std::net::TcpListener;

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
    let map = format!("authz-regexp \"^.*cn=inviter-client.*$\" \"cn=inviter,ou=services,dc=example,dc=com\"\n");
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
