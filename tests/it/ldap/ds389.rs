//! What only 389 Directory Server and `FreeIPA` have.

use super::{error, fetch, group, idp, members, told};
use crate::support::ds389::{Ds389, IPA_SUFFIX, SUFFIX};

fn connection(server: &Ds389, url: &str) -> String {
    format!(
        "url = {url:?}\nca_file = \"{}\"\nbind_dn = {:?}\nbind_password = {:?}\n",
        server.ca_file().display(),
        server.bind_dn(),
        server.password()
    )
}

/// The keys of a unit with people and groups of one test's own.
fn unit(server: &Ds389, suffix: &str, name: &str) -> (String, String) {
    let unit = format!("ou={name},{suffix}");
    server.add(&format!("dn: {unit}\nobjectClass: organizationalUnit\nou: {name}\n"));
    (format!("user_base = {unit:?}\ngroup_base = {unit:?}\n"), unit)
}

fn user(unit: &str, uid: &str, more: &str) -> String {
    format!("dn: uid={uid},{unit}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: x\n{more}\n")
}

fn group_of(unit: &str, cn: &str, class: &str, members: &[&str]) -> String {
    let members = members.iter().fold(String::new(), |all, member| all + "member: " + *member + "," + unit + "\n");
    format!("dn: cn={cn},{unit}\nobjectClass: {class}\nobjectClass: groupOfNames\ncn: {cn}\n{members}\n")
}

#[test]
fn a_server_is_read_over_ldaps_and_with_starttls() {
    let server = Ds389::shared();
    let (keys, unit) = unit(server, SUFFIX, "tls");
    server.add(&user(&unit, "tilda", ""));
    server.add(&group_of(&unit, "xxxtlsxxxexample.com", "top", &["uid=tilda"]));
    let ldaps = connection(server, &server.ldaps_url());
    let starttls = connection(server, &server.url()) + "starttls = true\n";
    for secured in [&ldaps, &starttls] {
        assert_eq!(members(&fetch(&idp(secured, &keys)).unwrap(), "xxxtlsxxxexample.com"), ["tilda"]);
        let error = error(&idp(&secured.replace("ca_file", "#"), &keys));
        assert!(error.contains("the server's certificate is not trusted"), "{error}");
    }
}

#[test]
fn accounts_that_a_role_locks_are_left_out() {
    let server = Ds389::shared();
    let (keys, unit) = unit(server, SUFFIX, "roles");
    let role = format!("cn=closed,{unit}");
    let template = format!("cn=templates,{unit}");
    server.add(&format!(
        "dn: {role}\nobjectClass: LDAPsubentry\nobjectClass: nsRoleDefinition\nobjectClass: nsSimpleRoleDefinition\n\
         objectClass: nsManagedRoleDefinition\ncn: closed\n\n\
         dn: {template}\nobjectClass: nsContainer\ncn: templates\n\n\
         dn: cn=\"{role}\",{template}\nobjectClass: extensibleObject\nobjectClass: costemplate\n\
         objectClass: ldapsubentry\nnsAccountLock: true\n\n\
         dn: cn=lock,{unit}\nobjectClass: LDAPsubentry\nobjectClass: cosSuperDefinition\n\
         objectClass: cosClassicDefinition\ncosTemplateDn: {template}\ncosSpecifier: nsRole\n\
         cosAttribute: nsAccountLock operational\ncn: lock\n"
    ));
    server.add(&user(&unit, "open", ""));
    server.add(&user(&unit, "shut", &format!("nsRoleDN: {role}\n")));
    server.add(&group_of(&unit, "xxxrolesxxxexample.com", "top", &["uid=open", "uid=shut"]));
    // The server takes in what such definitions say a while after they were added.
    server.wait_until(|| server.search(&unit, "(uid=shut)", &["nsAccountLock"]).contains("nsAccountLock: true"));
    for mode in ["all", "members"] {
        let keys = format!("{keys}read_people = {mode:?}\n");
        let snapshot = fetch(&idp(&connection(server, &server.ldaps_url()), &keys)).unwrap();
        assert_eq!(members(&snapshot, "xxxrolesxxxexample.com"), ["open"], "{mode}");
    }
}

#[test]
fn the_members_are_those_that_the_plugin_for_member_of_knows() {
    let server = Ds389::shared();
    let (keys, unit) = unit(server, SUFFIX, "plugin");
    for uid in ["ann", "ben", "cid"] {
        server.add(&user(&unit, uid, ""));
    }
    server.add(&group_of(&unit, "inner", "top", &["uid=ben", "uid=cid"]));
    server.add(&group_of(&unit, "xxxpluginxxxexample.com", "top", &["uid=ann", "cn=inner"]));
    let by_plugin = server.search(&unit, &format!("(memberOf=cn=xxxpluginxxxexample.com,{unit})"), &["uid"]);
    let mut by_plugin: Vec<_> = by_plugin.lines().filter_map(|line| line.strip_prefix("uid: ")).collect();
    by_plugin.sort_unstable();
    assert_eq!(by_plugin, ["ann", "ben", "cid"]);
    let connection = connection(server, &server.ldaps_url());
    assert_eq!(members(&fetch(&idp(&connection, &keys)).unwrap(), "xxxpluginxxxexample.com"), by_plugin);
    let filter = format!("user_filter = \"(&(objectClass=person)(memberOf=cn=inner,{unit}))\"\n");
    let filtered = fetch(&idp(&connection, &(keys + filter.as_str()))).unwrap();
    assert_eq!(members(&filtered, "xxxpluginxxxexample.com"), ["ben", "cid"]);
}

#[test]
fn a_principal_that_has_expired_is_left_out() {
    let server = Ds389::shared();
    let (keys, unit) = unit(server, IPA_SUFFIX, "expiry");
    let expires = |time: &str| format!("objectClass: krbPrincipalAux\nkrbPrincipalExpiration: {time}\n");
    server.add(&user(&unit, "past", &expires("20200101000000Z")));
    server.add(&user(&unit, "future", &expires("20991231235959Z")));
    server.add(&user(&unit, "never", ""));
    let everybody = ["uid=past", "uid=future", "uid=never"];
    server.add(&group_of(&unit, "xxxexpiryxxxexample.com", "ipaUserGroup", &everybody).replace(
        "objectClass: groupOfNames",
        "objectClass: ipaObject\nipaUniqueID: 5bd2a9b4-0000-0000-0000-000000000000\nobjectClass: nestedGroup\n\
         objectClass: groupOfNames",
    ));
    let snapshot = fetch(&idp(&connection(server, &server.ldaps_url()), &(keys + "schema = \"freeipa\"\n"))).unwrap();
    assert_eq!(members(&snapshot, "xxxexpiryxxxexample.com"), ["future", "never"]);
}

#[test]
fn members_beside_a_url_that_is_not_worked_out_make_a_group_unknown() {
    let server = Ds389::shared();
    let (keys, unit) = unit(server, SUFFIX, "dynamic");
    server.add(&user(&unit, "static", ""));
    server.add(&user(&unit, "dynamic", ""));
    let group_entry = group_of(&unit, "xxxdynamicxxxexample.com", "groupOfURLs", &["uid=static"]);
    server.add(&format!("{}memberURL: ldap:///{unit}??sub?(uid=dynamic)\n", group_entry.trim_end().to_owned() + "\n"));
    let snapshot = fetch(&idp(&connection(server, &server.ldaps_url()), &keys)).unwrap();
    let unknown = &group(&snapshot, "xxxdynamicxxxexample.com").members;
    assert_eq!(unknown.certain().len(), 1);
    assert!(unknown.unknown_because().unwrap().contains("memberURL"));
}

#[test]
fn hostile_usernames_find_nobody_else() {
    let server = Ds389::shared();
    let (keys, unit) = unit(server, SUFFIX, "hostile");
    server.add(&user(&unit, "victim", ""));
    server.add(&user(&unit, "named", ""));
    server.add(&format!(
        "dn: cn=xxxhostilexxxexample.com,{unit}\nobjectClass: posixGroup\ncn: xxxhostilexxxexample.com\ngidNumber: 1\n\
         memberUid: *)(uid=*\nmemberUid: *\nmemberUid: vict*\nmemberUid: named\n"
    ));
    for mode in ["all", "members"] {
        let keys = format!("{keys}read_people = {mode:?}\n");
        let snapshot = fetch(&idp(&connection(server, &server.ldaps_url()), &keys)).unwrap();
        assert_eq!(members(&snapshot, "xxxhostilexxxexample.com"), ["named"], "{mode}");
    }
}

#[test]
fn members_are_looked_up_by_the_hundred() {
    let server = Ds389::shared();
    let (keys, unit) = unit(server, SUFFIX, "lookups");
    let uids: Vec<_> = (0..250).map(|number| format!("many{number:03}")).collect();
    server.add(&uids.iter().map(|uid| user(&unit, uid, "")).collect::<String>());
    let members: Vec<_> = uids.iter().map(|uid| format!("uid={uid}")).collect();
    let members: Vec<_> = members.iter().map(String::as_str).collect();
    server.add(&group_of(&unit, "xxxlookupsxxxexample.com", "top", &members));
    let keys = format!("{keys}read_people = \"members\"\n");
    let said = told(&connection(server, &server.ldaps_url()), &keys, "-vv").stderr;
    assert!(said.contains("members can be looked up by an attribute attribute=\"entryDN\""), "{said}");
    assert_eq!(said.matches("searched base=").count(), 1 + 3 + 3, "groups, members, usernames: {said}");
}
