//! The spellings that Whisper may use for a word of the user, and the words that a text by Whisper says. No input or
//! output.
//!
//! Users write "tv", "percent", "25"; the model writes " TV", "%", " twenty-five". For each word of a grammar the
//! search accepts all spellings and finds the one that the model prefers. A spelling begins with a space, unless it is
//! written without a space after the word before ("%", "-ounce").

use super::number;

/// Words that sound the same or have a written abbreviation: the spoken word, and what Whisper may write for it. A form
/// without a space at its start is written directly after the word before: "50%", "20°C", "7am", "5:00".
const WRITTEN: [(&str, &[&str]); 44] = [
    ("percent", &["%", " per cent"]),
    ("degrees", &["°"]),
    ("degree", &["°"]),
    ("celsius", &["C", " C", " centigrade"]),
    ("fahrenheit", &["F", " F"]),
    ("ounce", &[" oz", " oz.", "-oz"]),
    ("ounces", &[" oz", " oz.", "-oz"]),
    ("pound", &[" lb", " lb."]),
    ("pounds", &[" lbs", " lbs.", " lb"]),
    ("gram", &[" g", "g"]),
    ("grams", &[" g", "g"]),
    ("kilogram", &[" kg", "kg"]),
    ("kilograms", &[" kg", "kg"]),
    ("kilometers", &[" km", "km"]),
    ("centimeters", &[" cm", "cm"]),
    ("millimeters", &[" mm", "mm"]),
    ("milliliters", &[" ml", "ml", " mL"]),
    ("inches", &["\""]),
    ("hertz", &[" Hz", "Hz"]),
    ("am", &[" a.m.", " A.M.", "am"]),
    ("pm", &[" p.m.", " P.M.", "pm"]),
    ("o'clock", &[" oclock", ":00"]),
    ("and", &[" &"]),
    ("plus", &[" +"]),
    ("minus", &[" -"]),
    ("equals", &[" ="]),
    ("doctor", &[" Dr."]),
    ("mister", &[" Mr.", " Mr"]),
    ("missus", &[" Mrs.", " Mrs"]),
    ("saint", &[" St."]),
    ("street", &[" St."]),
    ("versus", &[" vs.", " vs"]),
    ("first", &[" 1st"]),
    ("second", &[" 2nd"]),
    ("third", &[" 3rd"]),
    ("fourth", &[" 4th"]),
    ("fifth", &[" 5th"]),
    ("sixth", &[" 6th"]),
    ("seventh", &[" 7th"]),
    ("eighth", &[" 8th"]),
    ("ninth", &[" 9th"]),
    ("tenth", &[" 10th"]),
    ("wifi", &[" Wi-Fi", " WiFi"]),
    ("hifi", &[" Hi-Fi", " HiFi"]),
];

/// Words with two spellings; the model writes the second one more often. The pairs also count with an "s" at the end.
const SAME: [(&str, &str); 34] = [
    ("ok", "okay"),
    ("colour", "color"),
    ("coloured", "colored"),
    ("grey", "gray"),
    ("favourite", "favorite"),
    ("centre", "center"),
    ("theatre", "theater"),
    ("metre", "meter"),
    ("kilometre", "kilometer"),
    ("centimetre", "centimeter"),
    ("millimetre", "millimeter"),
    ("litre", "liter"),
    ("millilitre", "milliliter"),
    ("programme", "program"),
    ("neighbour", "neighbor"),
    ("pyjama", "pajama"),
    ("cosy", "cozy"),
    ("draught", "draft"),
    ("yoghurt", "yogurt"),
    ("doughnut", "donut"),
    ("whisky", "whiskey"),
    ("whats", "what's"),
    ("wheres", "where's"),
    ("hows", "how's"),
    ("whos", "who's"),
    ("thats", "that's"),
    ("theres", "there's"),
    ("lets", "let's"),
    ("dont", "don't"),
    ("doesnt", "doesn't"),
    ("isnt", "isn't"),
    ("cant", "can't"),
    ("todays", "today's"),
    ("oclock", "o'clock"),
];

/// Words that may be written together with the word before, or apart: bedroom, night light, dish-washer, good night.
const SECOND_HALVES: [&str; 21] = [
    "bell", "board", "bye", "fan", "house", "lamp", "light", "lights", "list", "maker", "mind", "night", "room",
    "rooms", "stairs", "time", "top", "tub", "washer", "way", "yard",
];
/// Fewest letters of the word before, so that "slight" is not read as "s light".
const FIRST_HALF: usize = 3;

/// Every accepted spelling of `word`, without repetition.
pub fn spellings(word: &str) -> Vec<String> {
    let lower = word.to_lowercase();
    let mut bases = vec![word.to_string()];
    bases.extend(other(&lower));
    bases.extend(taken_apart(word));
    bases.extend(halves(&lower));
    if lower.contains('\'') {
        bases.push(lower.replace('\'', ""));
    }
    let number = number::of(word);
    bases.extend(number.into_iter().flat_map(|n| [vec![n.to_string()], number::words(n)].concat()));
    let mut out: Vec<String> = Vec::new();
    for base in &bases {
        out.extend(cases(base).into_iter().map(|form| format!(" {form}")));
        out.push(format!("-{}", base.to_lowercase()));
    }
    // "7:30"
    out.extend(number.filter(|n| *n < 60).map(|n| format!(":{n:02}")));
    let names = [lower.replace('-', ""), other(&lower).unwrap_or_default()];
    let written = WRITTEN.iter().filter(|(spoken, _)| names.iter().any(|name| name == spoken));
    out.extend(written.flat_map(|(_, forms)| forms.iter().map(|f| f.to_string())));
    out.extend(SECOND_HALVES.contains(&lower.as_str()).then_some(lower));
    let mut seen = std::collections::HashSet::new();
    out.retain(|form| seen.insert(form.clone()));
    out
}

/// The same text for all words that can be written the same: "TV" and "tv", "five" and "5", "colour" and "color".
pub fn plain(word: &str) -> String {
    let lower = word.to_lowercase();
    if let Some(number) = number::of(&lower) {
        return number.to_string();
    }
    let usual = SAME.iter().find_map(|(one, usual)| respelled(&lower, one, usual)).unwrap_or(lower);
    usual.replace(['\'', '-'], "")
}

/// The words that a text says, each in one spelling: lower case, without punctuation, numbers in words, abbreviations
/// and variants replaced by means of the tables. So a sentence of the user and Whisper's text for it have the same
/// words, as "tv at fifty percent" and "T.V. at 50%".
pub fn canonical(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for written in text.to_lowercase().split_whitespace() {
        let mut after_number = words.last().is_some_and(|word| number::of(word).is_some() || word == "degrees");
        for part in parts(written) {
            let word = if part.chars().all(|c| c.is_ascii_digit()) { part } else { spoken(&part, after_number) };
            after_number = number::of(&word).is_some() || word == "degrees";
            words.extend(word.split(' ').filter(|word| !word.is_empty()).map(String::from));
        }
    }
    numbers_in_words(&words)
}

/// Splits a written word: "50%" and "twenty-five" are two words, "T.V." and "1,500" are one.
fn parts(written: &str) -> Vec<String> {
    let bare = |c: char| !(c.is_alphanumeric() || "%°+=&\"'".contains(c));
    let mut parts: Vec<String> = Vec::new();
    let trimmed = written.trim_matches(|c| bare(c) || c == '\'');
    for piece in trimmed.split(['-', '/', ':']).filter(|piece| !piece.is_empty()) {
        let mut kind = None;
        for c in piece.chars().filter(|c| !bare(*c) && *c != '\'') {
            let now = (c.is_ascii_digit(), c.is_alphabetic());
            if kind != Some(now) {
                parts.push(String::new());
            }
            kind = Some(now);
            parts.last_mut().into_iter().for_each(|part| part.push(c));
        }
    }
    // "1st" is one word, not a number and a word.
    if written.starts_with(|c: char| c.is_ascii_digit()) && WRITTEN.iter().any(|(_, forms)| names_form(forms, trimmed))
    {
        return vec![trimmed.into()];
    }
    parts
}

/// The spoken form of a word that may be an abbreviation. A single letter counts as one only after a number or
/// "degrees".
fn spoken(word: &str, after_number: bool) -> String {
    let letter = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    let written = WRITTEN.iter().find(|(_, forms)| (!letter || after_number) && names_form(forms, word));
    // If several words may be written the same, as "ounce" and "ounces", the first of the table is used for all.
    let forms = written.or_else(|| WRITTEN.iter().find(|(spoken, _)| *spoken == word)).map(|(_, forms)| *forms);
    let first =
        forms.and_then(|forms| WRITTEN.iter().find(|(_, others)| others.iter().any(|form| forms.contains(form))));
    let (word, letter) = (first.map_or(word, |(spoken, _)| spoken), letter && written.is_none());
    let usual = SAME.iter().find_map(|(one, usual)| respelled(word, &one.replace('\'', ""), usual).filter(|_| !letter));
    usual.unwrap_or_else(|| word.into()).replace('\'', "")
}

/// Whether one of the written `forms` is `word`, apart from case and punctuation.
fn names_form(forms: &[&str], word: &str) -> bool {
    let bare = |form: &str| form.to_lowercase().replace(['.', ' ', '-', ':', '\''], "");
    forms.iter().any(|form| bare(form) == word)
}

/// Replaces numbers, in digits or in several words, by one way to say them: "a hundred" becomes "one hundred".
fn numbers_in_words(words: &[String]) -> Vec<String> {
    let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < words.len() {
        let alone = number::of(borrowed[at]).map(|number| (number, 1));
        match number::together(&borrowed[at..]).or(alone) {
            Some((number, taken)) => {
                let said = number::words(number).into_iter().find(|said| !said.contains(|c: char| c.is_ascii_digit()));
                let said = said.unwrap_or_default();
                out.extend(said.split([' ', '-']).map(String::from));
                at += taken;
            }
            None => {
                out.push(words[at].clone());
                at += 1;
            }
        }
    }
    out
}

/// The other spelling of a word that has two spellings.
fn other(lower: &str) -> Option<String> {
    SAME.iter().find_map(|(one, two)| respelled(lower, one, two).or_else(|| respelled(lower, two, one)))
}

fn respelled(word: &str, from: &str, to: &str) -> Option<String> {
    let ending = word.strip_prefix(from).filter(|ending| matches!(*ending, "" | "s"))?;
    Some(format!("{to}{ending}"))
}

/// The two-word spelling of a compound such as "bedroom".
fn halves(lower: &str) -> Option<String> {
    let half = |second: &&&str| lower.strip_suffix(**second).is_some_and(|first| first.chars().count() >= FIRST_HALF);
    let second = SECOND_HALVES.iter().filter(half).max_by_key(|second| second.len())?;
    let first = lower.strip_suffix(second)?;
    first.chars().all(char::is_alphabetic).then(|| format!("{first} {second}"))
}

fn cases(base: &str) -> Vec<String> {
    let lower = base.to_lowercase();
    let titled: Vec<String> = lower.split(' ').map(capital).collect();
    let mut forms = vec![base.to_string(), capital(&lower), titled.join(" "), lower.clone()];
    let letters = lower.chars().count();
    let all_letters = lower.chars().all(char::is_alphabetic);
    // For example "tv" or "hdmi", or a word in capitals.
    let no_vowel = (2..=5).contains(&letters) && !lower.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    let an_abbreviation = all_letters && letters > 1 && (no_vowel || base.chars().all(char::is_uppercase));
    if an_abbreviation || (all_letters && letters <= 3) {
        forms.push(lower.to_uppercase());
    }
    if an_abbreviation {
        forms.push(lower.to_uppercase().chars().map(|c| format!("{c}.")).collect());
    }
    forms
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The spelling of a compound such as "EcoBee" or "night-light" as several words.
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
            ("whats", &[" what's", " What's", " whats"]),
            ("today's", &[" today's", " Today's", " todays"]),
            ("bedroom", &[" bedroom", " Bedroom", " bed room", " Bed room", "-bedroom"]),
            ("room", &[" room", "-room", "room"]),
            ("ounce", &[" ounce", "-ounce", " oz"]),
            ("grey", &[" grey", " gray", " Gray"]),
            ("colors", &[" colors", " colours"]),
            ("kilometres", &[" kilometres", " kilometers", " km"]),
            ("okay", &[" okay", " Okay", " OK", " ok"]),
            ("o'clock", &[" o'clock", " oclock", ":00"]),
            ("HDMI", &[" HDMI", " hdmi", " H.D.M.I."]),
            ("mqtt", &[" MQTT", " M.Q.T.T."]),
            ("pm", &[" PM", " p.m.", "pm"]),
            ("wifi", &[" Wi-Fi", " wifi"]),
            ("wi-fi", &[" Wi-Fi", " wi-fi", " wifi", " WiFi"]),
            ("first", &[" first", " 1st"]),
            ("30", &[" 30", " thirty", ":30"]),
            ("twenty-five", &[" 25", " twenty-five", " twenty five"]),
            ("5", &[" 5", " five", " Five", "-five", "-5", ":05"]),
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
    fn a_text_and_a_sentence_that_say_the_same_have_the_same_words() {
        let same = [
            ("Set the light to 40%.", "set the light to forty percent"),
            ("an 8-ounce mocha", "an eight ounce mocha"),
            ("an 8 oz. mocha", "an eight ounce mocha"),
            ("T.V. at 1,005!", "tv at one thousand five"),
            ("20°C", "twenty degrees celsius"),
            ("20 degrees C", "twenty degrees celsius"),
            ("1,500 or 3, 4", "one thousand five hundred or three four"),
            ("a hundred", "one hundred"),
            ("Twenty-five, twenty five", "25 25"),
            ("Okay. OK! ok", "ok ok ok"),
            ("5 km, 3 kg", "five kilometers three kilograms"),
            ("What's the colour?", "whats the color"),
            ("at 7 a.m.", "at seven am"),
            ("the 1st", "the first"),
            ("vitamin C", "vitamin c"),
            ("Wi-Fi", "wi fi"),
            ("call 99999999999", "call 99999999999"),
            ("größer", "GRÖSSER".to_lowercase().replace("ss", "ß").as_str()),
            ("... *Sigh* [MUSIC]", "sigh music"),
            ("", ""),
        ]
        .map(|(text, words)| (text.to_string(), words.to_string()));
        for (text, words) in same {
            assert_eq!(canonical(&text), canonical(&words), "{text}");
        }
        let said = |text| canonical(text).join(" ");
        assert_eq!(said("Dim to 12%"), "dim to twelve percent");
        assert_eq!(said("It's 7:30"), "its seven thirty");
        assert_eq!(said("g c f"), "g c f");
    }

    #[test]
    fn every_way_to_write_a_number_says_the_same() {
        for n in (0..1000).chain((1000..1_000_000).step_by(997)) {
            for form in number::words(n) {
                assert_eq!(canonical(&form), canonical(&n.to_string()), "{form}");
            }
        }
    }

    #[test]
    fn a_word_is_not_written_as_another_one() {
        let cases = [("light", " slight"), ("slight", " s light"), ("lights", " light"), ("on", "on"), ("61", ":61")];
        for (word, form) in cases {
            assert!(!spellings(word).iter().any(|f| f == form), "{word}: {form:?}");
        }
    }

    #[test]
    fn words_that_can_be_written_the_same_have_one_plain_name() {
        let same = [["TV", "tv"], ["five", "5"], ["colours", "colors"], ["whats", "What's"], ["OK", "okay"]];
        for [one, other] in same {
            assert_eq!(plain(one), plain(other));
        }
        let different = [["on", "off"], ["light", "lights"], ["5", "6"]];
        assert!(different.iter().all(|[one, other]| plain(one) != plain(other)));
    }

    #[test]
    fn no_spelling_is_listed_twice_or_empty() {
        for word in ["on", "a", "TV", "EcoBee", "999999", "0", "twenty", "what's", "x-y-z", "okay", "light", "bedroom"]
        {
            let forms = spellings(word);
            let distinct: std::collections::HashSet<_> = forms.iter().collect();
            assert_eq!(distinct.len(), forms.len(), "{word}: {forms:?}");
            assert!(forms.iter().all(|f| !f.trim().is_empty() && f != "-"), "{word}: {forms:?}");
        }
    }
}
