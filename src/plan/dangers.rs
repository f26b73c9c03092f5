//! What a room's power levels let everybody do: a moderator who was deceived, or left in anger, may have lowered them.

use std::collections::BTreeMap;

use crate::power::{MODERATOR, PermissionKey, PowerLevels};

/// A warning, if whoever is in the room may do what takes a moderator elsewhere, once these permissions are set.
pub(super) fn danger(levels: &PowerLevels, permissions: &BTreeMap<PermissionKey, i64>) -> Option<String> {
    let levels = levels.with(permissions);
    let everybody = levels.users_default();
    let bars = [
        (levels.to_send_state("m.room.power_levels"), "change power levels"),
        (levels.to_kick(), "kick"),
        (levels.to_ban(), "ban"),
        (levels.to_send_state("m.room.join_rules"), "let anybody in"),
        (levels.to_send_state("m.room.canonical_alias"), "move the alias"),
        (levels.to_send_state("m.room.tombstone"), "close the room"),
    ];
    let may: Vec<&str> = bars.into_iter().filter(|(need, _)| *need <= everybody).map(|(_, what)| what).collect();
    if may.is_empty() && everybody < MODERATOR {
        return None;
    }
    let may = if may.is_empty() { "act as a moderator".to_owned() } else { may.join(", ") };
    Some(format!(
        "everybody in the room has power level {everybody} (users_default) and may {may}: set permissions under [room] to \
         mend that"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    fn told(content: &Value, permissions: &[(&str, i64)]) -> Option<String> {
        let levels = PowerLevels::new(content.as_object().cloned(), BTreeSet::new(), None);
        let permissions = permissions.iter().map(|(key, to)| (PermissionKey::Top((*key).into()), *to)).collect();
        danger(&levels, &permissions)
    }

    #[test]
    fn what_everybody_may_do_is_told_unless_the_configuration_mends_it() {
        assert_eq!(told(&json!({}), &[]), None);
        assert_eq!(told(&json!({ "invite": 0, "users": { "@a:x": 100 } }), &[]), None);
        let lowered = json!({ "state_default": 0, "events": { "m.room.power_levels": 100, "m.room.tombstone": 100 } });
        assert_eq!(
            told(&lowered, &[]).unwrap(),
            "everybody in the room has power level 0 (users_default) and may let anybody in, move the alias: set \
             permissions under [room] to mend that"
        );
        assert_eq!(told(&lowered, &[("state_default", 50)]), None);
        assert!(told(&json!({ "kick": -1 }), &[]).unwrap().contains(" may kick: "));
        let risen = json!({ "users_default": 50, "kick": 60, "ban": 60, "state_default": 60 });
        assert!(told(&risen, &[]).unwrap().contains("50 (users_default) and may act as a moderator: "));
        assert_eq!(told(&risen, &[("users_default", 0)]), None);
    }
}
