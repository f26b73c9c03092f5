//! Kerberos, with the KDC of a domain controller.

use std::process::{Command, Stdio};

use super::runtime;
use crate::support::inviter::{Inviter, Outcome};
use crate::support::samba::{SUFFIX, Samba};

const KRB5: &str = "[libdefaults]\ndefault_realm = EXAMPLE.COM\ndns_lookup_kdc = false\nrdns = false\n\
                    dns_canonicalize_hostname = false\nudp_preference_limit = 1\n";

#[test]
fn who_has_a_ticket_or_a_keytab_needs_no_password() {
    let server = Samba::shared();
    server.add_principal();
    let unit = format!("OU=kerberos,{SUFFIX}");
    server.add(&format!("dn: {unit}\nobjectClass: organizationalUnit\n"));
    server.add(&format!(
        "dn: CN=kim,{unit}\nobjectClass: user\nsAMAccountName: kim\nuserAccountControl: 544\n\n\
         dn: CN=xxxkrbxxxexample.com,{unit}\nobjectClass: group\nsAMAccountName: krb\nmember: CN=kim,{unit}\n"
    ));
    let inviter = Inviter::new(&format!(
        "[matrix]\nhomeserver = \"https://matrix.example.com\"\naccess_token = \"x\"\n[[idp]]\nname = \"corp\"\n\
         type = \"ldap\"\nmxid_homeserver = \"example.com\"\nurl = {:?}\nca_file = \"{}\"\ngssapi = true\n\
         user_base = {unit:?}\ngroup_base = {unit:?}\n",
        server.ldaps_url(),
        server.ca_file().display()
    ));
    let realm = format!("{KRB5}[realms]\nEXAMPLE.COM = {{\n kdc = {}\n}}\n", server.address());
    let config = inviter.file("krb5.conf", &realm).display().to_string();
    let cache = inviter.folder().join("tickets").display().to_string();
    let inviter = inviter.env("KRB5_CONFIG", &config).env("KRB5CCNAME", &cache);
    let run = |inviter: &Inviter| -> Outcome { runtime().block_on(inviter.run(&["idp"])) };

    let without = run(&inviter).status(1).stderr;
    assert!(
        without.contains("cannot bind by a Kerberos ticket for ldap/127.") && without.contains("klist"),
        "{without}"
    );

    let mut kinit = Command::new("kinit")
        .arg("Administrator@EXAMPLE.COM")
        .envs([("KRB5_CONFIG", &config), ("KRB5CCNAME", &cache)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("kinit does not start ({error}): run tests/setup"));
    std::io::Write::write_all(&mut kinit.stdin.take().unwrap(), format!("{}\n", server.password()).as_bytes()).unwrap();
    assert!(kinit.wait().unwrap().success());
    let with = run(&inviter).success().stdout;
    assert!(with.contains("@kim:example.com"), "{with}");

    let keytab = inviter.folder().join("keytab");
    server.export_keytab("Administrator", &keytab);
    std::fs::remove_file(&cache).unwrap();
    let by_keytab = run(&inviter.env("KRB5_CLIENT_KTNAME", &keytab.display().to_string())).success().stdout;
    assert_eq!(by_keytab, with);
}
