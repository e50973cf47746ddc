//! How Whisper may write a word that the user wrote plainly. Pure.
//!
//! Users write "tv", "percent", "25"; the model writes " TV", "%", " twenty-five". Each word of a grammar becomes all of
//! its spellings; the search then finds the one that the model prefers. A spelling begins with a space, or with what
//! glues it to the word before ("%", "-ounce").

/// Words for the numbers from 0 to 19.
const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
/// Words for the tens from 20.
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// Words that Whisper abbreviates, with what it writes for them; a sign that is glued on has no space before it.
const ABBREVIATED: [(&str, &[&str]); 7] = [
    ("percent", &["%", " per cent"]),
    ("degrees", &["°"]),
    ("okay", &[" OK", " ok"]),
    ("ok", &[" okay", " Okay"]),
    ("and", &[" &"]),
    ("plus", &[" +"]),
    ("doctor", &[" Dr."]),
];

/// Every spelling of `word` that is accepted for it, without repetition.
pub fn spellings(word: &str) -> Vec<String> {
    let mut bases = vec![word.to_string()];
    if let Some(number) = number(word) {
        bases.push(number.to_string());
        bases.extend(number_words(number));
    }
    bases.extend(taken_apart(word));
    let mut out: Vec<String> = Vec::new();
    for base in &bases {
        out.extend(cases(base).into_iter().map(|form| format!(" {form}")));
        out.push(format!("-{}", base.to_lowercase()));
    }
    let lower = word.to_lowercase();
    let abbreviations = ABBREVIATED.iter().filter(|(plain, _)| *plain == lower);
    out.extend(abbreviations.flat_map(|(_, forms)| forms.iter().map(|f| f.to_string())));
    let mut seen = std::collections::HashSet::new();
    out.retain(|form| seen.insert(form.clone()));
    out
}

fn cases(base: &str) -> Vec<String> {
    let lower = base.to_lowercase();
    let titled: Vec<String> = lower.split(' ').map(capital).collect();
    let mut forms = vec![base.to_string(), capital(&lower), titled.join(" "), lower.clone()];
    let letters = lower.chars().count();
    let all_letters = lower.chars().all(char::is_alphabetic);
    if all_letters && (letters <= 3 || base.chars().all(char::is_uppercase)) {
        forms.push(lower.to_uppercase());
    }
    let spelled_out = all_letters && (2..=3).contains(&letters) && !lower.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    if spelled_out || (all_letters && letters > 1 && base.chars().all(char::is_uppercase)) {
        forms.push(lower.to_uppercase().chars().map(|c| format!("{c}.")).collect());
    }
    forms
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// "EcoBee" may be heard as two words, "night-light" may be written as one or two.
fn taken_apart(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = None;
    for letter in word.chars() {
        if letter == '-' || (letter.is_uppercase() && before.is_some_and(char::is_lowercase)) {
            parts.push(String::new());
        }
        if letter != '-' {
            parts.last_mut().into_iter().for_each(|part| part.push(letter));
        }
        before = Some(letter);
    }
    parts.retain(|part| !part.is_empty());
    if parts.len() < 2 { Vec::new() } else { vec![parts.join(" "), parts.concat(), parts.join("-")] }
}

/// The number that a word of a template stands for.
fn number(word: &str) -> Option<u32> {
    if word.chars().all(|c| c.is_ascii_digit()) {
        return word.parse().ok().filter(|n| *n < 1_000_000);
    }
    let lower = word.to_lowercase();
    let small = SMALL.iter().position(|w| *w == lower);
    small.or_else(|| TENS.iter().position(|w| *w == lower).map(|i| 20 + 10 * i)).map(|n| n as u32)
}

/// The ways to write a number below a million in words, and in digits with a comma.
fn number_words(n: u32) -> Vec<String> {
    let mut forms = Vec::new();
    match n {
        0..20 => forms.push(SMALL[n as usize].to_string()),
        20..100 => {
            let ten = TENS[(n / 10 - 2) as usize];
            match n % 10 {
                0 => forms.push(ten.to_string()),
                one => {
                    forms.extend([format!("{ten}-{}", SMALL[one as usize]), format!("{ten} {}", SMALL[one as usize])])
                }
            }
        }
        100..1000 => forms.extend(large(n, 100, "hundred", " and ")),
        _ => {
            forms.push(format!("{},{:03}", n / 1000, n % 1000));
            forms.extend(large(n, 1000, "thousand", " "));
        }
    }
    forms
}

fn large(n: u32, unit: u32, name: &str, and: &str) -> Vec<String> {
    let mut heads: Vec<String> = number_words(n / unit).into_iter().map(|w| format!("{w} {name}")).collect();
    if n / unit == 1 {
        heads.push(format!("a {name}"));
    }
    if n.is_multiple_of(unit) {
        return heads;
    }
    let tails = number_words(n % unit);
    let glue = [" ", and];
    let mut forms: Vec<String> = heads
        .iter()
        .flat_map(|head| tails.iter().flat_map(move |tail| glue.map(|glue| format!("{head}{glue}{tail}"))))
        .collect();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_word_covers_what_whisper_writes() {
        let cases = [
            ("turn", &[" turn", " Turn", "-turn"][..]),
            ("tv", &[" tv", " TV", " Tv", " T.V."]),
            ("TV", &[" TV", " tv", " T.V."]),
            ("EcoBee", &[" EcoBee", " Ecobee", " ecobee", " eco bee", " Eco Bee", " Eco bee"]),
            ("percent", &[" percent", "%"]),
            ("what's", &[" what's", " What's"]),
            ("night-light", &[" night-light", " nightlight", " night light"]),
            ("5", &[" 5", " five", " Five", "-five", "-5"]),
            ("five", &[" five", " 5"]),
            ("25", &[" 25", " twenty-five", " twenty five", " Twenty-five"]),
            ("50", &[" 50", " fifty"]),
            ("100", &[" 100", " one hundred", " a hundred", " One hundred"]),
            ("120", &[" one hundred and twenty", " one hundred twenty", " a hundred twenty"]),
            ("2500", &[" 2500", " 2,500", " two thousand five hundred"]),
            ("größer", &[" größer", " Größer"]),
        ];
        for (word, expected) in cases {
            let forms = spellings(word);
            for form in expected {
                assert!(forms.iter().any(|f| f == form), "{word}: {form:?} is not among {forms:?}");
            }
        }
    }

    #[test]
    fn no_spelling_is_listed_twice_or_empty() {
        for word in ["on", "a", "TV", "EcoBee", "999999", "0", "twenty", "what's", "x-y-z"] {
            let forms = spellings(word);
            let distinct: std::collections::HashSet<_> = forms.iter().collect();
            assert_eq!(distinct.len(), forms.len(), "{word}: {forms:?}");
            assert!(forms.iter().all(|f| !f.trim().is_empty() && f != "-"), "{word}: {forms:?}");
        }
    }
}
