//! Servers that are away, slow, or odd.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use super::{ROOM, Slapd, SlapdOptions, connection, error, fetch, idp, members, runtime};
use crate::support::inviter::Inviter;

fn at(url: &str) -> String {
    format!("url = \"{url}\"\nallow_plaintext = true\nconnect_timeout = \"1s\"\noperation_timeout = \"1s\"\n")
}

/// Listens, and gives each connection to the function.
fn listen(address: &str, serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    port
}

/// Passes a connection on to a server, whose answers end after some bytes.
fn forward(address: &str, to: String, most: u64) -> u16 {
    listen(address, move |client| {
        let server = TcpStream::connect(&to).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let _ = std::io::copy(&mut server.take(most), &mut &client);
        let _ = client.shutdown(Shutdown::Both);
    })
}

fn host_and_port(url: &str) -> String {
    url.split_once("//").unwrap().1.replace("localhost", "127.0.0.1")
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = error(&idp(&at(&format!("ldap://127.0.0.1:{port}")), ""));
    assert!(
        error.contains(&format!("cannot connect to ldap://127.0.0.1:{port}: the connection was refused")),
        "{error}"
    );
}

#[test]
fn a_host_that_does_not_exist_is_told() {
    let error = error(&idp(&at("ldap://nowhere.invalid").replace("1s", "20s"), ""));
    assert!(error.contains("the host name nowhere.invalid cannot be resolved"), "{error}");
}

#[test]
fn a_server_that_does_not_answer_is_told() {
    let port = listen("127.0.0.1:0", |mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let search = error(&idp(&at(&format!("ldap://127.0.0.1:{port}")), ""));
    assert!(search.contains("no complete answer after 1s, with 0 entries read"), "{search}");
    let bind = at(&format!("ldap://127.0.0.1:{port}")) + "bind_dn = \"cn=x\"\nbind_password = \"secret\"\n";
    let bind = error(&idp(&bind, ""));
    assert!(bind.contains("cannot bind as \"cn=x\": no complete answer after 1s. Is the server"), "{bind}");
    let tls = error(&idp(&at(&format!("ldaps://127.0.0.1:{port}")), ""));
    assert!(tls.contains("no connection after 1s while negotiating TLS"), "{tls}");
    let starttls = at(&format!("ldap://127.0.0.1:{port}")) + "starttls = true\n";
    let starttls = error(&idp(&starttls, ""));
    assert!(starttls.contains("no connection after 1s while asking for StartTLS"), "{starttls}");
}

#[test]
fn a_server_that_speaks_no_ldap_is_told() {
    let alert = b"\x15\x03\x03\x00\x02\x02\x46".as_slice(); // of TLS
    // A message whose result is no result: the library panics on it.
    let odd = b"\x30\x05\x02\x01\x01\x65\x00".as_slice();
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice();
    let told = "the server sent something that cannot be read";
    for (answer, told) in [(alert, told), (odd, told), (http, "the server closed it in the middle of an answer")] {
        let port = listen("127.0.0.1:0", move |mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        });
        let search = at(&format!("ldap://127.0.0.1:{port}"));
        let bind = search.clone() + "bind_dn = \"cn=x\"\nbind_password = \"secret\"\n";
        for connection in [search, bind] {
            let error = error(&idp(&connection, ""));
            assert!(error.contains(told), "{error}");
        }
    }
}

#[test]
fn nothing_but_the_error_is_printed_about_an_answer_that_is_malformed() {
    let port = listen("127.0.0.1:0", |mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"\x30\x05\x02\x01\x01\x65\x00");
    });
    let config = format!(
        "[matrix]\nhomeserver = \"https://matrix.example.com\"\naccess_token = \"x\"\n[[idp]]\nname = \"corp\"\n\
         type = \"ldap\"\nmxid_homeserver = \"example.com\"\ngroup_base = \"ou=groups\"\nuser_base = \"ou=people\"\n{}",
        at(&format!("ldap://127.0.0.1:{port}"))
    );
    let stderr = runtime().block_on(Inviter::new(&config).run(&["idp"])).status(1).stderr;
    assert!(stderr.starts_with("error: ") && stderr.contains("that cannot be read"), "{stderr}");
    assert!(stderr.lines().count() == 1 && !stderr.contains("panicked"), "{stderr}");
}

#[test]
fn a_connection_that_is_lost_at_any_byte_is_an_error() {
    let slapd = Slapd::start(&SlapdOptions::default());
    slapd.people(&["alice", "bob"]);
    slapd.group(ROOM, &["alice", "bob"]);
    let mut most = 0;
    let whole = loop {
        let port = forward("127.0.0.1:0", host_and_port(&slapd.ldap_url()), most);
        let url = format!("ldap://127.0.0.1:{port}");
        let provider = idp(&(connection(&slapd, &url, slapd.password()) + "allow_plaintext = true\n"), "");
        match fetch(&provider) {
            Err(error) if most == 200 => println!("{error}"),
            Err(error) => assert!(error.contains("the connection was lost"), "{most}: {error}"),
            Ok(snapshot) => break snapshot,
        }
        most += 7;
    };
    assert!(most > 500, "{most}");
    assert_eq!(members(&whole, ROOM), ["alice", "bob"]);
}

#[test]
fn a_certificate_for_another_name_is_told() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let port = forward("127.0.0.2:0", host_and_port(&slapd.ldaps_url()), u64::MAX);
    let url = format!("ldaps://127.0.0.2:{port}");
    let error = error(&idp(&connection(&slapd, &url, slapd.password()), ""));
    assert!(
        error.contains("the server's certificate is not for 127.0.0.2, but for localhost, 127.0.0.1. Put"),
        "{error}"
    );
}

#[test]
fn an_ipv6_address_must_be_in_the_certificate() {
    let slapd = Slapd::start(&SlapdOptions::default());
    let port = forward("[::1]:0", host_and_port(&slapd.ldaps_url()), u64::MAX);
    let url = format!("ldaps://[::1]:{port}");
    let error = error(&idp(&connection(&slapd, &url, slapd.password()), ""));
    assert!(error.contains("the server's certificate is not for ::1"), "{error}");
}
