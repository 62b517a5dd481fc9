//! Tags as people type them into a search field: `error=true http.route="/a b"`.

/// The keys and values in `text`. A key alone means `true`; a quoted value may hold spaces and,
/// after a backslash, quotes.
pub(crate) fn parse(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let key = rest[..end].to_owned();
        rest = &rest[end..];
        let value = match rest.strip_prefix('=') {
            Some(after) => take_value(after, &mut rest),
            None => String::from("true"),
        };
        if !key.is_empty() {
            pairs.push((key, value));
        }
        rest = rest.trim_start();
    }
    pairs
}

fn take_value<'a>(text: &'a str, rest: &mut &'a str) -> String {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        *rest = &text[end..];
        return text[..end].to_owned();
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => {
                *rest = &quoted[at + 1..];
                return value;
            }
            _ => {
                value.push(c);
                escaped = false;
            }
        }
    }
    *rest = "";
    value
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn pairs(text: &str) -> Vec<String> {
        parse(text).into_iter().map(|(key, value)| format!("{key}→{value}")).collect()
    }

    #[test]
    fn keys_values_and_quotes_are_understood() {
        assert_eq!(
            pairs(r#"error  http.route="/a \"b\" c" id=7 empty="" =lost open="x y"#),
            ["error→true", "http.route→/a \"b\" c", "id→7", "empty→", "open→x y"]
        );
    }
}
