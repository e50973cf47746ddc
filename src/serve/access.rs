//! Who may use a server. No input or output but for reading the token.

use std::fmt;
use std::io;
use std::path::Path;

use subtle::ConstantTimeEq;

use crate::runtime::secret;

/// Fewest characters of a token: 16 of base64 are 96 random bits, which nobody tries out over a network.
const LEAST_TOKEN: usize = 16;
/// Names of this machine's own loopback addresses in the header `Host`.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A secret that a request must show. It is never printed.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Reads the token in `file`, without the white space around it. A name without a slash is that of a systemd
    /// credential.
    ///
    /// # Errors
    /// The kernel's; `InvalidData` for a token that is too short, or that has other characters than visible ASCII.
    pub fn read(file: &Path) -> io::Result<Token> {
        let text = secret::read(file)?;
        let token = text.trim();
        if token.len() < LEAST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let needed = format!("at least {LEAST_TOKEN} letters, digits or signs are needed, without a space");
            return Err(io::Error::new(io::ErrorKind::InvalidData, needed));
        }
        Ok(Token(token.into()))
    }

    /// Whether the header `Authorization` of a request shows this token. How long that takes does not tell how many of
    /// its characters are right.
    pub fn is_shown(&self, authorization: Option<&str>) -> bool {
        let shown = authorization.and_then(|header| header.split_once(' '));
        let Some((_, shown)) = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else { return false };
        shown.trim().as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

/// Whether a request comes from a page of another site that is open in a browser: its `Origin` is not the `Host` that
/// it was sent to. Programs that are no browsers send no `Origin`.
pub fn is_foreign_page(host: Option<&str>, origin: Option<&str>) -> bool {
    origin.is_some_and(|origin| origin.split_once("://").map(|(_, authority)| authority) != host)
}

/// Whether a `Host` means this machine itself. Where no token is needed, another name is that of a foreign page whose
/// owner lets it point to this machine.
pub fn is_local_name(host: Option<&str>) -> bool {
    host.is_none_or(|host| {
        let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
        LOCAL_NAMES.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_whole_token_is_right() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, " 0123456789abcdef\n").unwrap();
        let token = Token::read(&file).unwrap();
        let cases = [
            (Some("Bearer 0123456789abcdef"), true),
            (Some("bearer 0123456789abcdef"), true),
            (Some("Bearer 0123456789abcde"), false),
            (Some("Bearer 0123456789abcdeg"), false),
            (Some("Basic 0123456789abcdef"), false),
            (Some("0123456789abcdef"), false),
            (Some("Bearer "), false),
            (None, false),
        ];
        for (header, shown) in cases {
            assert_eq!(token.is_shown(header), shown, "{header:?}");
        }
        assert_eq!(format!("{token:?}"), "Token");
        for bad in ["", "short", "0123456789 abcdef", "0123456789abcdéf"] {
            fs::write(&file, bad).unwrap();
            assert_eq!(Token::read(&file).unwrap_err().kind(), io::ErrorKind::InvalidData, "{bad:?}");
        }
    }

    #[test]
    fn a_page_of_another_site_and_another_name_are_foreign() {
        let pages = [
            (Some("localhost:8765"), None, false),
            (Some("localhost:8765"), Some("http://localhost:8765"), false),
            (Some("localhost:8765"), Some("http://localhost:80"), true),
            (Some("localhost:8765"), Some("https://evil.example"), true),
            (Some("localhost:8765"), Some("null"), true),
            (None, Some("http://localhost:8765"), true),
        ];
        for (host, origin, foreign) in pages {
            assert_eq!(is_foreign_page(host, origin), foreign, "{host:?} {origin:?}");
        }
        for (host, local) in
            [("localhost:8765", true), ("127.0.0.1", true), ("[::1]:80", true), ("evil.example", false)]
        {
            assert_eq!(is_local_name(Some(host)), local, "{host}");
        }
        assert!(is_local_name(None));
    }
}
