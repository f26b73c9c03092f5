//! A thin Matrix client.

use std::{collections::BTreeMap, fmt, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// A user of a homeserver, signed in.
#[derive(Clone)]
pub struct Account {
    /// The full user ID.
    pub user_id: String,
    /// The token that the user is signed in with.
    pub access_token: String,
    client: Client,
    url: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user_id)
    }
}

/// An HTTP client, for one runtime only: its connections die with the runtime that made them.
pub fn client() -> Client {
    Client::builder()
        .no_proxy()
        // The servers of the tests speak plain HTTP, and loading the system's roots takes its time.
        .tls_certs_only([])
        .timeout(Duration::from_mins(1))
        .build()
        .expect("a client can be built")
}

/// Encodes a path segment, so that any room, alias or state key may stand in it.
pub fn encode(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

impl Account {
    /// Nobody in particular, for endpoints that need no token.
    pub fn anonymous(client: Client, url: String) -> Self {
        Self {
            user_id: String::new(),
            access_token: String::new(),
            client,
            url,
        }
    }

    /// The same connection for a user.
    pub fn with_token(self, user_id: String, access_token: String) -> Self {
        Self {
            user_id,
            access_token,
            ..self
        }
    }

    /// Sends a request to a path that is encoded already.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let method = Method::from_bytes(method.as_bytes()).expect("an HTTP method");
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !self.access_token.is_empty() {
            request = request.bearer_auth(&self.access_token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let status = answer.status().as_u16();
        let text = answer
            .text()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error:?}"));
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// Sends a request that must be answered with 200.
    pub async fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.request(method, path, body).await;
        assert_eq!(status, 200, "{self:?} {method} {path}: {answer}");
        answer
    }

    /// Creates a room from a request body and returns its ID.
    pub async fn create_room(&self, body: Value) -> String {
        let answer = self
            .ok("POST", "/_matrix/client/v3/createRoom", Some(&body))
            .await;
        string(&answer["room_id"])
    }

    /// The room that an alias (`#name:server`) points to.
    pub async fn resolve_alias(&self, alias: &str) -> Option<String> {
        let path = format!("/_matrix/client/v3/directory/room/{}", encode(alias));
        let (status, answer) = self.request("GET", &path, None).await;
        match status {
            200 => Some(string(&answer["room_id"])),
            404 => None,
            _ => panic!("{alias}: {status} {answer}"),
        }
    }

    /// All state events of a room.
    pub async fn state(&self, room: &str) -> Vec<Value> {
        match self.ok("GET", &room_path(room, "state"), None).await {
            Value::Array(events) => events,
            other => panic!("the state of {room} is no list: {other}"),
        }
    }

    /// The content of one state event.
    pub async fn state_event(&self, room: &str, kind: &str, key: &str) -> Option<Value> {
        let path = state_path(room, kind, key);
        let (status, answer) = self.request("GET", &path, None).await;
        match status {
            200 => Some(answer),
            404 => None,
            _ => panic!("{kind} of {room}: {status} {answer}"),
        }
    }

    /// Sets a state event.
    pub async fn put_state(&self, room: &str, kind: &str, key: &str, content: Value) {
        self.ok("PUT", &state_path(room, kind, key), Some(&content))
            .await;
    }

    /// Invites a user.
    pub async fn invite(&self, room: &str, user: &str) {
        self.on_user(room, "invite", user).await;
    }

    /// Kicks a user.
    pub async fn kick(&self, room: &str, user: &str) {
        self.on_user(room, "kick", user).await;
    }

    /// Bans a user.
    pub async fn ban(&self, room: &str, user: &str) {
        self.on_user(room, "ban", user).await;
    }

    /// Joins a room, by its ID or by its alias.
    pub async fn join(&self, room_or_alias: &str) {
        let path = format!("/_matrix/client/v3/join/{}", encode(room_or_alias));
        self.ok("POST", &path, Some(&json!({}))).await;
    }

    /// Leaves a room, or declines its invite.
    pub async fn leave(&self, room: &str) {
        self.ok("POST", &room_path(room, "leave"), Some(&json!({})))
            .await;
    }

    /// The membership of everyone who has one, by user ID.
    pub async fn members(&self, room: &str) -> BTreeMap<String, String> {
        let answer = self.ok("GET", &room_path(room, "members"), None).await;
        let events = answer["chunk"].as_array().expect("a list of members");
        events
            .iter()
            .map(|event| {
                (
                    string(&event["state_key"]),
                    string(&event["content"]["membership"]),
                )
            })
            .collect()
    }

    /// The content of the room's power levels.
    pub async fn power_levels(&self, room: &str) -> Value {
        self.state_event(room, "m.room.power_levels", "")
            .await
            .unwrap_or_else(|| panic!("{room} has no power levels"))
    }

    /// The rooms that this user has joined, sorted.
    pub async fn joined_rooms(&self) -> Vec<String> {
        let answer = self
            .ok("GET", "/_matrix/client/v3/joined_rooms", None)
            .await;
        let rooms = answer["joined_rooms"].as_array().expect("a list of rooms");
        let mut rooms: Vec<_> = rooms.iter().map(string).collect();
        rooms.sort();
        rooms
    }

    async fn on_user(&self, room: &str, action: &str, user: &str) {
        let body = json!({ "user_id": user });
        self.ok("POST", &room_path(room, action), Some(&body)).await;
    }
}

fn room_path(room: &str, rest: &str) -> String {
    format!("/_matrix/client/v3/rooms/{}/{rest}", encode(room))
}

fn state_path(room: &str, kind: &str, key: &str) -> String {
    room_path(room, &format!("state/{}/{}", encode(kind), encode(key)))
}

fn string(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a string: {value}"))
        .to_owned()
}
