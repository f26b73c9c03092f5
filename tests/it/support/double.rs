//! A small LDAP server, for what no real one does on demand.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use ldap3::asn1::{PL, StructureTag, parse_tag};

/// The OID of the page control.
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// The OID by which Active Directory is known.
pub const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

/// An entry: its DN and its attributes.
pub type Entry = (String, Vec<(String, Vec<Vec<u8>>)>);

/// How the server behaves.
#[derive(Debug, Clone, Default)]
pub struct Manners {
    /// Its root DSE.
    pub root: Vec<(&'static str, Vec<&'static str>)>,
    /// The result of the search for that.
    pub root_result: u8,
    /// The most entries of a page; without it, the page control is not known.
    pub page: Option<usize>,
    /// Whether further pages come without the control.
    pub forgets_pages: bool,
    /// The most entries of an answer: more is a size limit exceeded.
    pub size_limit: Option<usize>,
    /// The most values of an attribute, which then comes in ranges.
    pub range: Option<usize>,
    /// How many times the first value goes away between one range and the next.
    pub shifts: usize,
    /// The result of each search below a base with this in it, and how many entries come before it.
    pub result: Option<(&'static str, u8, usize)>,
    /// What it says about each result that is no success (`diagnosticMessage`).
    pub says: &'static str,
    /// Whether the connection ends before that result.
    pub hangs_up: bool,
}

/// A running server.
#[derive(Debug, Clone)]
pub struct Double {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    manners: Manners,
    entries: Vec<Entry>,
    /// Their DNs in one spelling.
    names: Vec<String>,
    searches: Vec<String>,
    /// The DNs of binds.
    binds: Vec<String>,
}

impl Double {
    /// Starts a server with these entries.
    pub fn start(manners: Manners, entries: Vec<Entry>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let names = entries.iter().map(|(dn, _)| normal(dn)).collect();
        let state = State { manners, entries, names, searches: Vec::new(), binds: Vec::new() };
        let double = Self { port, state: Arc::new(Mutex::new(state)) };
        let shared = double.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || shared.serve(stream));
            }
        });
        double
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// The base and the attributes of each search so far.
    pub fn searches(&self) -> Vec<String> {
        self.state.lock().expect("no panic").searches.clone()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        let mut chunk = vec![0; 65536];
        loop {
            while let Ok((rest, message)) = parse_tag(&buffer) {
                let used = buffer.len() - rest.len();
                let answer = self.answer(message);
                buffer.drain(..used);
                let Some((answer, stays)) = answer else { return };
                if stream.write_all(&answer).is_err() || !stays {
                    return;
                }
            }
            match stream.read(&mut chunk) {
                Ok(length) if length > 0 => buffer.extend(&chunk[..length]),
                _ => return,
            }
        }
    }

    fn answer(&self, message: StructureTag) -> Option<(Vec<u8>, bool)> {
        let parts = children(message);
        let id = tag(2, &bytes(&parts[0]));
        let reply = |operation: Vec<u8>| [id.clone(), operation];
        let mut state = self.state.lock().expect("no panic");
        match parts[1].id {
            0 => {
                let bind = children(parts[1].clone());
                state.binds.push(text(&bind[1]));
                Some((tag(0x30, &reply(result(0x61, 0)).concat()), true))
            }
            3 => {
                let (operations, controls, stays) = state.search(&parts[1], parts.get(2));
                let last = operations.len() - 1;
                let mut all = Vec::new();
                for (at, operation) in operations.into_iter().enumerate() {
                    if at == last && !stays {
                        break;
                    }
                    let mut message = reply(operation).concat();
                    if at == last {
                        message.extend(&controls);
                    }
                    all.extend(tag(0x30, &message));
                }
                Some((all, stays))
            }
            2 => None,
            _ => Some((tag(0x30, &reply(result(0x78, 2)).concat()), true)),
        }
    }
}

impl State {
    fn search(&mut self, request: &StructureTag, controls: Option<&StructureTag>) -> (Vec<Vec<u8>>, Vec<u8>, bool) {
        let request = children(request.clone());
        let (base, subtree) = (text(&request[0]), bytes(&request[1]) == [2]);
        let wanted: Vec<String> = children(request[7].clone()).iter().map(text).collect();
        self.searches.push(format!("{base}: {}", wanted.join(" ")));
        if base.is_empty() && !subtree {
            let owned = |(name, values): &(&str, Vec<&str>)| {
                (name.to_string(), values.iter().map(|value| value.as_bytes().to_vec()).collect())
            };
            let root: Entry = (String::new(), self.manners.root.iter().map(owned).collect());
            let code = self.manners.root_result;
            let entry = (code == 0).then(|| self.entry(&root, &wanted));
            return (entry.into_iter().chain([result(0x65, code)]).collect(), Vec::new(), true);
        }
        let base = normal(&base);
        let inside = format!(",{base}");
        let below = |dn: &String| *dn == base || subtree && dn.ends_with(&inside);
        let named = self.names.iter().zip(&self.entries).filter(|(dn, _)| below(dn));
        let judged = named.map(|(_, it)| Some((matches(&request[6], it)?, it)));
        let found: Option<Vec<(bool, &Entry)>> = judged.collect();
        let Some(found) = found else { return (vec![result(0x65, 53)], Vec::new(), true) };
        let found: Vec<&Entry> = found.into_iter().filter_map(|(is, entry)| is.then_some(entry)).collect();
        if !subtree && found.is_empty() {
            return (vec![result(0x65, 32)], Vec::new(), true);
        }
        let page = if subtree { controls.and_then(page_of) } else { None };
        let start: usize = page.as_ref().map_or(0, |(_, cookie)| String::from_utf8_lossy(cookie).parse().unwrap_or(0));
        let most = match (&page, self.manners.page) {
            (Some((size, _)), Some(most)) => (*size).min(most),
            _ => usize::MAX,
        };
        let limit = self.manners.size_limit.unwrap_or(usize::MAX);
        let all = found.len();
        let end = all.min(start.saturating_add(most)).min(start.saturating_add(limit));
        let mut operations: Vec<_> = found[start..end].iter().map(|entry| self.entry(entry, &wanted)).collect();
        let cut = end < all && end - start < most;
        let mut code = if cut { 4 } else { 0 };
        let mut stays = true;
        if let Some((part, result, before)) = self.manners.result
            && subtree
            && base.contains(part)
            && all >= start + before
        {
            operations.truncate(before);
            code = result;
            stays = !self.manners.hangs_up;
        }
        operations.push(result_saying(0x65, code, self.manners.says));
        let answer = match (page, self.manners.page) {
            (Some(_), Some(_)) if start == 0 || !self.manners.forgets_pages => {
                let cookie = if end < all { end.to_string() } else { String::new() };
                let value = tag(0x30, &[tag(2, &[0]), tag(4, cookie.as_bytes())].concat());
                let control = tag(0x30, &[tag(4, PAGED_RESULTS.as_bytes()), tag(4, &value)].concat());
                tag(0xa0, &control)
            }
            _ => Vec::new(),
        };
        let ranged = wanted.iter().any(|name| name.contains(";range=") && !name.ends_with(";range=0-*"));
        if self.manners.shifts > 0 && ranged {
            self.manners.shifts -= 1;
            for (_, attributes) in &mut self.entries {
                for (_, values) in attributes.iter_mut().filter(|(_, values)| values.len() > 1) {
                    values.remove(0);
                }
            }
        }
        (operations, answer, stays)
    }

    fn entry(&self, (dn, attributes): &Entry, wanted: &[String]) -> Vec<u8> {
        let mut list = Vec::new();
        for (name, values) in attributes {
            for name_wanted in wanted {
                let (bare, range) = name_wanted.split_once(";range=").unwrap_or((name_wanted, "0-*"));
                if !bare.eq_ignore_ascii_case(name) && bare != "*" {
                    continue;
                }
                let most = self.manners.range.unwrap_or(usize::MAX);
                let first: usize = range.split_once('-').and_then(|(first, _)| first.parse().ok()).unwrap_or(0);
                if values.len() <= most && !name_wanted.contains(";range=") {
                    list.extend(attribute(name, values));
                    continue;
                }
                let first = first.min(values.len());
                let end = values.len().min(first.saturating_add(most));
                let until = if end == values.len() { "*".to_owned() } else { (end - 1).to_string() };
                list.extend(attribute(name, &[]));
                list.extend(attribute(&format!("{name};range={first}-{until}"), &values[first..end]));
            }
        }
        tag(0x64, &[tag(4, dn.as_bytes()), tag(0x30, &list)].concat())
    }
}

fn attribute(name: &str, values: &[Vec<u8>]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|value| tag(4, value)).collect();
    tag(0x30, &[tag(4, name.as_bytes()), tag(0x31, &values)].concat())
}

fn result(operation: u8, code: u8) -> Vec<u8> {
    result_saying(operation, code, "")
}

fn result_saying(operation: u8, code: u8, says: &str) -> Vec<u8> {
    tag(operation, &[tag(10, &[code]), tag(4, b""), tag(4, says.as_bytes())].concat())
}

/// A DN in one spelling: case, spaces around `=` and after a comma, and hexadecimal escapes do not matter.
fn normal(dn: &str) -> String {
    let mut normal = String::new();
    let mut rest = dn.to_lowercase();
    while let Some((before, after)) = rest.split_once('\\') {
        normal.push_str(before);
        let hex = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (c, length) = match hex {
            Some(byte) => (char::from(byte), 2),
            None => {
                (after.chars().next().expect("something is escaped"), after.chars().next().map_or(0, char::len_utf8))
            }
        };
        // Kept apart from what separates.
        normal.push('\\');
        normal.push(c);
        rest = after[length..].to_owned();
    }
    normal.push_str(&rest);
    normal.replace(" = ", "=").replace(", ", ",")
}

/// BER with a length of up to four bytes.
fn tag(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut tag = vec![kind];
    if content.len() < 128 {
        tag.push(u8::try_from(content.len()).expect("it is short"));
    } else {
        tag.push(0x84);
        tag.extend(u32::try_from(content.len()).expect("it is not that long").to_be_bytes());
    }
    tag.extend(content);
    tag
}

fn children(tag: StructureTag) -> Vec<StructureTag> {
    match tag.payload {
        PL::C(children) => children,
        PL::P(_) => Vec::new(),
    }
}

fn bytes(tag: &StructureTag) -> Vec<u8> {
    match &tag.payload {
        PL::P(bytes) => bytes.clone(),
        PL::C(_) => Vec::new(),
    }
}

fn text(tag: &StructureTag) -> String {
    String::from_utf8(bytes(tag)).expect("requests are text")
}

/// Size and cookie of a page control.
fn page_of(controls: &StructureTag) -> Option<(usize, Vec<u8>)> {
    let control = children(controls.clone()).into_iter().find_map(|control| {
        let parts = children(control);
        (text(&parts[0]) == PAGED_RESULTS).then(|| bytes(parts.last().expect("it has a value")))
    })?;
    let (_, value) = parse_tag(&control).ok()?;
    let parts = children(value);
    let size = bytes(&parts[0]).iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    Some((size, bytes(&parts[1])))
}

/// Whether an entry matches; `None` if the filter is one that this server does not know.
fn matches(filter: &StructureTag, entry: &Entry) -> Option<bool> {
    let values = |name: String| {
        entry.1.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(&name)).flat_map(|(_, values)| values)
    };
    let parts = || children(filter.clone());
    match filter.id {
        0 => parts().iter().try_fold(true, |all, part| Some(matches(part, entry)? && all)),
        1 => parts().iter().try_fold(false, |any, part| Some(matches(part, entry)? || any)),
        2 => Some(!matches(parts().first()?, entry)?),
        3 => {
            let parts = parts();
            let (name, value) = (text(&parts[0]), bytes(&parts[1]));
            let known = !name.eq_ignore_ascii_case("memberOf");
            known.then(|| values(name).any(|it| it.eq_ignore_ascii_case(&value)))
        }
        7 => Some(values(text(filter)).next().is_some()),
        _ => None,
    }
}
