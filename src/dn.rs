//! Distinguished names in one spelling, so that they can be compared.

use std::fmt;

/// A distinguished name (RFC 4514) in normal form: two spellings of one name are equal.
///
/// Attribute types are lower case and have their short name; values are without case, and without the spaces that
/// do not count (RFC 4518, section 2.6.1); what can be written without an escape is; the parts of a multi-valued
/// RDN are sorted. This is the matching of nearly all naming attributes. Where a schema equates more than that,
/// the lookup of the name at the server finds the entry's own spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Dn(String);

/// A value that is no distinguished name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotADn;

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Dn {
    /// Reads a name as servers write it: RFC 4514, and from before that semicolons, quoted values and spaces
    /// (RFC 2253, section 4).
    pub(crate) fn parse(text: &str) -> Result<Self, NotADn> {
        let mut rdns = Vec::new();
        let mut rest = Reader { rest: text };
        rest.skip_spaces();
        if rest.rest.is_empty() {
            return Ok(Self(String::new()));
        }
        let mut rdn = Vec::new();
        loop {
            rdn.push(rest.part()?);
            let end = rest.next();
            if end == Some('+') {
                continue;
            }
            rdn.sort();
            rdn.dedup();
            rdns.push(rdn.join("+"));
            rdn = Vec::new();
            match end {
                None => return Ok(Self(rdns.join(","))),
                Some(',' | ';') => {}
                Some(_) => return Err(NotADn),
            }
        }
    }

    /// Whether an entry with this name is the one with the other name, or below it.
    pub(crate) fn is_at_or_below(&self, base: &Self) -> bool {
        let Some(above) = self.0.strip_suffix(&base.0) else { return false };
        // A comma after a backslash is a part of a value; other backslashes are escaped themselves.
        let ends_an_rdn = |above: &str| above.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0;
        above.is_empty() || base.is_empty() || above.strip_suffix(',').is_some_and(ends_an_rdn)
    }

    /// Whether this is the name of no entry: the placeholder in groups that may not be empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The values that an attribute has in the first RDN of a name, as they are written there; empty if there are none
/// or the name is none.
pub(crate) fn naming_values(text: &str, attribute: &str) -> Vec<String> {
    let wanted = short_name(attribute);
    leading_parts(text).into_iter().filter(|(kind, _)| *kind == wanted).map(|(_, value)| value).collect()
}

/// The values of the first RDN of a name, as they are written there; empty if the name is none.
pub(crate) fn leading_values(text: &str) -> Vec<String> {
    leading_parts(text).into_iter().map(|(_, value)| value).collect()
}

fn leading_parts(text: &str) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    let mut rest = Reader { rest: text };
    loop {
        let Ok((kind, value)) = rest.kind_and_value() else { return Vec::new() };
        if let Value::Text(value) = value {
            parts.push((kind, value));
        }
        if rest.next() != Some('+') {
            return parts;
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

enum Value {
    Text(String),
    Binary(Vec<u8>),
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = self.rest.get(next.len_utf8()..).unwrap_or_default();
        Some(next)
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    /// One `type=value`, in normal form.
    fn part(&mut self) -> Result<String, NotADn> {
        let (kind, value) = self.kind_and_value()?;
        let mut part = kind;
        part.push('=');
        match value {
            Value::Text(text) => push_escaped(&mut part, &folded(&text)),
            Value::Binary(bytes) => {
                part.push('#');
                part.push_str(&hexadecimal(&bytes));
            }
        }
        Ok(part)
    }

    fn kind_and_value(&mut self) -> Result<(String, Value), NotADn> {
        self.skip_spaces();
        let length = self.rest.find(|c: char| !is_in_type(c)).ok_or(NotADn)?;
        let (kind, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.skip_spaces();
        if kind.is_empty() || self.next() != Some('=') {
            return Err(NotADn);
        }
        let kind = short_name(kind);
        // Other white space may be what the value begins with, before a # that is a part of it.
        self.rest = self.rest.trim_start_matches(' ');
        let value = match self.peek() {
            Some('#') => self.hexadecimal()?,
            Some('"') => self.quoted()?,
            _ => self.string()?,
        };
        Ok((kind, value))
    }

    /// `#` and the BER of the value (RFC 4514, section 2.4).
    fn hexadecimal(&mut self) -> Result<Value, NotADn> {
        self.next();
        let length = self.rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.skip_spaces();
        let bytes = digits.as_bytes().chunks(2).map(hex_pair).collect::<Option<Vec<u8>>>().ok_or(NotADn)?;
        if bytes.is_empty() { Err(NotADn) } else { Ok(string_in_ber(&bytes).map_or(Value::Binary(bytes), Value::Text)) }
    }

    fn quoted(&mut self) -> Result<Value, NotADn> {
        self.next();
        let mut bytes = Vec::new();
        loop {
            match self.next().ok_or(NotADn)? {
                '"' => break,
                '\\' => bytes.extend(self.escaped()?),
                c => push(&mut bytes, c),
            }
        }
        self.skip_spaces();
        Ok(value(bytes))
    }

    fn string(&mut self) -> Result<Value, NotADn> {
        let mut bytes = Vec::new();
        while let Some(c) = self.peek() {
            if matches!(c, ',' | ';' | '+') {
                break;
            }
            self.next();
            match c {
                '\\' => bytes.extend(self.escaped()?),
                '\0' => return Err(NotADn),
                c => push(&mut bytes, c),
            }
        }
        Ok(value(bytes))
    }

    /// What follows a backslash: two hexadecimal digits or a character that stands for itself.
    fn escaped(&mut self) -> Result<Vec<u8>, NotADn> {
        if let Some(byte) = self.rest.as_bytes().get(..2).and_then(hex_pair) {
            self.rest = self.rest.get(2..).unwrap_or_default();
            return Ok(vec![byte]);
        }
        match self.next() {
            Some(c @ (' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\')) => {
                let mut bytes = Vec::new();
                push(&mut bytes, c);
                Ok(bytes)
            }
            _ => Err(NotADn),
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\n' | '\r' | '\t')
}

fn is_in_type(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn value(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Binary(error.into_bytes()),
    }
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// The text of a BER string type: octets, UTF-8, numeric, printable, IA5 and visible strings.
fn string_in_ber(bytes: &[u8]) -> Option<String> {
    let [0x04 | 0x0c | 0x12 | 0x13 | 0x16 | 0x1a, length, rest @ ..] = bytes else { return None };
    let (length, content) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(*rest.first()?) << 8 | usize::from(*rest.get(1)?), rest.get(2..)?),
        _ => return None,
    };
    if length == content.len() { String::from_utf8(content.to_vec()).ok() } else { None }
}

/// Without case and without the spaces that do not count. Character by character, since what becomes of a letter
/// may not depend on its place in the word.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split(char::is_whitespace).filter(|word| !word.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

fn push_escaped(part: &mut String, text: &str) {
    for (at, c) in text.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => part.push('\\'),
            '#' if at == 0 => part.push('\\'),
            '\0' => {
                part.push_str("\\00");
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
}

/// The short name of an attribute type in lower case (RFC 4514, section 3; RFC 4519).
fn short_name(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    let name = match lower.strip_prefix("oid.").unwrap_or(&lower) {
        "2.5.4.3" | "commonname" => "cn",
        "2.5.4.4" | "surname" => "sn",
        "2.5.4.5" => "serialnumber",
        "2.5.4.6" | "countryname" => "c",
        "2.5.4.7" | "localityname" => "l",
        "2.5.4.8" | "stateorprovincename" | "s" => "st",
        "2.5.4.9" | "streetaddress" => "street",
        "2.5.4.10" | "organizationname" => "o",
        "2.5.4.11" | "organizationalunitname" => "ou",
        "2.5.4.12" => "title",
        "2.5.4.41" => "name",
        "2.5.4.42" | "gn" => "givenname",
        "0.9.2342.19200300.100.1.1" | "userid" => "uid",
        "0.9.2342.19200300.100.1.3" | "rfc822mailbox" => "mail",
        "0.9.2342.19200300.100.1.25" | "domaincomponent" => "dc",
        "1.2.840.113549.1.9.1" | "e" | "email" | "pkcs9email" => "emailaddress",
        other => other,
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
