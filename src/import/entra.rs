//! The section `azure_ad` of the maubot plugin for Azure AD and LDAP.

use super::ImportError;
use super::connector;
use super::render::Toml;
use super::section::Section;

/// The file that the secret goes into, beside the configuration.
const SECRET_FILE: &str = "client-secret";

const CLOUDS: [(&str, &str); 4] = [
    ("login.microsoftonline.com", "public"),
    ("login.microsoftonline.us", "us_government"),
    ("login.chinacloudapi.cn", "china"),
    ("login.partner.microsoftonline.cn", "china"),
];

pub(super) fn idp(toml: &mut Toml, homeserver: Option<&str>, azure: &mut Section) -> Result<(), ImportError> {
    toml.header("[[idp]]");
    toml.text("name", "entra");
    toml.text("type", "entra");
    connector::mxid_homeserver(toml, homeserver);
    cloud(toml, azure)?;
    for (old, new) in
        [("azure_tenant_id", "tenant_id"), ("azure_client_id", "client_id"), ("azure_root_group_id", "root_group_id")]
    {
        match azure.text(old)? {
            Some((id, _)) => toml.text(new, &id),
            None => toml.fill_in(
                new,
                "00000000-0000-0000-0000-000000000000",
                &format!("the bot's configuration has no {old}."),
            ),
        }
    }
    let has_secret = azure.take("azure_client_secret").is_some_and(|entry| entry.is_given());
    toml.ask(&format!(
        "put the client secret into the file {SECRET_FILE} beside this one{}.",
        if has_secret { "; it is the bot's azure_client_secret, which is not copied here" } else { "" }
    ));
    toml.text("client_secret_file", SECRET_FILE);
    toml.comment("CHANGED: the bot cut the first word off the names of groups, whatever it was.");
    toml.text("room_prefix", "MTRX ");
    Ok(())
}

fn cloud(toml: &mut Toml, azure: &mut Section) -> Result<(), ImportError> {
    let Some((text, entry)) = azure.text("azure_cloud_instance")? else { return Ok(()) };
    let host = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or("").to_lowercase();
    let Some((_, cloud)) = CLOUDS.iter().find(|(known, _)| *known == host) else {
        let known: Vec<&str> = CLOUDS.iter().map(|(known, _)| *known).collect();
        return Err(entry.error(format!("expected the address of a cloud: {}", known.join(", "))));
    };
    if *cloud != "public" {
        toml.comment("CHANGED: the bot never looked at azure_cloud_instance, and always asked the public cloud.");
    }
    toml.text("cloud", cloud);
    Ok(())
}
