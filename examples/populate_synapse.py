"""Fills Synapse's SQLite database with copies of a room, in which everybody is joined.

    python populate_synapse.py DATABASE ROOM_ID NAME COUNT MEMBERS PEOPLE

ROOM_ID is a room whose alias and name are NAME; the copies are NAME0, NAME1 and so on. Room N has MEMBERS of the users
named person0 to person(PEOPLE - 1), from person(N * MEMBERS % PEOPLE) on. Synapse may run, if it has not been asked for the
rooms of the creator: joining so many people through its API takes a fiftieth of a second each.
"""

import hashlib
import json
import sqlite3
import sys

from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import compute_content_hash
from synapse.events import make_event_from_dict
from unpaddedbase64 import encode_base64

database, room, name = sys.argv[1:4]
count, members, people = map(int, sys.argv[4:7])
connection = sqlite3.connect(database, timeout=60)
connection.row_factory = sqlite3.Row
connection.execute("PRAGMA synchronous = OFF")
# Synapse counts upwards in memory, and has nothing below zero or this far up.
ordering = -1_000_000_000 + connection.execute("SELECT COUNT(*) FROM events").fetchone()[0]
group = 1_000_000_000 + connection.execute("SELECT COUNT(*) FROM state_groups").fetchone()[0]


def rows(table, column, value):
    return [dict(row) for row in connection.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,))]


def insert(table, row):
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


template = rows("rooms", "room_id", room)[0]
version = KNOWN_ROOM_VERSIONS[template["room_version"]]
alias = rows("room_aliases", "room_id", room)[0]
server = alias["room_alias"].split(":", 1)[1]
events = sorted(rows("events", "room_id", room), key=lambda event: event["stream_ordering"])
bodies = {event["event_id"]: rows("event_json", "event_id", event["event_id"])[0] for event in events}
current = {row["event_id"]: row for row in rows("current_state_events", "room_id", room)}
creator = next(event["sender"] for event in events if event["type"] == "m.room.create")
chunk = json.loads(bodies[events[-1]["event_id"]]["json"])
auth_of_joins = [
    event["event_id"] for event in events if event["type"] in ("m.room.power_levels", "m.room.join_rules")
]
own_join = next(event for event in events if event["type"] == "m.room.member")
own_membership = rows("room_memberships", "event_id", own_join["event_id"])[0]

for number in range(count):
    new = f"{name}{number}"
    ids, room_id, previous, depth, state = {}, None, [], 0, []

    def add(event, body, body_row):
        """Adds an event after those that there are; returns its ID."""
        global ordering
        ordering += 1
        body["prev_events"], body["depth"] = list(previous), depth
        body.pop("unsigned", None)
        body["hashes"] = {"sha256": encode_base64(compute_content_hash(body, hashlib.sha256)[1])}
        made = make_event_from_dict(body, version)
        place = room_id or made.room_id
        insert("events", {**event, "event_id": made.event_id, "room_id": place, "depth": depth,
                          "topological_ordering": depth, "stream_ordering": ordering, "sender": body["sender"],
                          "state_key": body["state_key"]})
        insert("event_json", {**body_row, "event_id": made.event_id, "room_id": place, "json": json.dumps(body)})
        insert("state_events", {"event_id": made.event_id, "room_id": place, "type": body["type"],
                                "state_key": body["state_key"]})
        membership = body["content"].get("membership") if body["type"] == "m.room.member" else None
        insert("current_state_events", {"event_id": made.event_id, "room_id": place, "type": body["type"],
                                        "state_key": body["state_key"], "membership": membership,
                                        "event_stream_ordering": ordering})
        for before in previous:
            insert("event_edges", {"event_id": made.event_id, "prev_event_id": before, "room_id": None, "is_state": 0})
        for auth in body["auth_events"]:
            insert("event_auth", {"event_id": made.event_id, "auth_id": auth, "room_id": place})
        if membership:
            insert("room_memberships", {**own_membership, "event_id": made.event_id, "room_id": place,
                                        "user_id": body["state_key"], "sender": body["sender"],
                                        "membership": membership, "event_stream_ordering": ordering})
            insert("local_current_membership", {"room_id": place, "user_id": body["state_key"],
                                                "event_id": made.event_id, "membership": membership,
                                                "event_stream_ordering": ordering})
        state.append((body["type"], body["state_key"], made.event_id))
        return made

    for event in events:
        body_row = bodies[event["event_id"]]
        body = json.loads(body_row["json"].replace(name, new))
        if room_id:
            body["room_id"] = room_id
        else:
            body["origin_server_ts"] -= number + 1
        body["auth_events"] = [ids[auth] for auth in body["auth_events"]]
        depth += 1
        made = add(event, body, body_row)
        if not room_id:
            room_id = made.room_id
            insert("rooms", {**template, "room_id": room_id, "has_auth_chain_index": 0})
            insert("room_aliases", {**alias, "room_alias": f"#{new}:{server}", "room_id": room_id})
            insert("room_alias_servers", {"room_alias": f"#{new}:{server}", "server": server})
        ids[event["event_id"]] = made.event_id
        previous = [made.event_id]
    for at in range(members):
        user = f"@person{(number * members + at) % people}:{server}"
        body = {**chunk, "type": "m.room.member", "state_key": user, "sender": user, "room_id": room_id,
                "content": {"membership": "join", "displayname": user[1:].split(":")[0]},
                "auth_events": [ids[auth] for auth in auth_of_joins]}
        depth += 1
        made = add(own_join, body, bodies[own_join["event_id"]])
        previous = [made.event_id]

    group += 1
    insert("state_groups", {"id": group, "room_id": room_id, "event_id": previous[0]})
    for kind, key, event_id in state:
        insert("state_groups_state", {"state_group": group, "room_id": room_id, "type": kind, "state_key": key,
                                      "event_id": event_id})
    insert("event_to_state_groups", {"event_id": previous[0], "state_group": group})
    insert("event_forward_extremities", {"event_id": previous[0], "room_id": room_id})
    insert("room_depth", {"room_id": room_id, "min_depth": 1})
connection.commit()
