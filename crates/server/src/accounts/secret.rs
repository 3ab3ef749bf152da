//! Random texts that open doors. Only their SHA-256 is kept: who reads the database cannot come in.

use crate::error::Problem;
use crate::ids::Sha;

/// 256 random bits as 43 letters, digits, `-` and `_` (RFC 4648, base64url without padding).
///
/// # Errors
/// [`Problem`] if the machine gives no randomness.
pub(crate) fn random() -> Result<String, Problem> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    Ok(base64url(&bytes))
}

/// A password that nobody has to think of: 80 random bits as four groups of letters and digits that look like no other.
///
/// # Errors
/// [`Problem`] if the machine gives no randomness.
pub fn made_password() -> Result<String, Problem> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    Ok(letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

/// Under which hash a secret is kept. One round is enough: it has 256 bits, unlike a password.
pub(crate) fn sha(secret: &str) -> Sha {
    Sha::of(secret.as_bytes())
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let all = three.iter().chain([&0, &0]).take(3).fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[all >> (18 - 6 * digit) & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_that_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("~~?", "fn4_")]
        {
            assert_eq!(base64url(bytes.as_bytes()), text, "{bytes}");
        }
    }

    #[test]
    fn no_secret_comes_twice() {
        let (first, second) = (random().unwrap(), random().unwrap());
        assert_eq!(first.len(), 43, "{first}");
        assert_ne!(first, second);
    }
}
