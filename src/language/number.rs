//! Numbers in digits and in words. No input or output.

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

/// The number of words in the longest number, "nine hundred and ninety nine thousand nine hundred and ninety nine".
pub const LONGEST: usize = 11;

/// The number that a word of a template stands for: "25", "five", "twenty-five".
pub fn of(word: &str) -> Option<u32> {
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()) {
        return word.parse().ok().filter(|n| *n < 1_000_000);
    }
    let parts: Vec<&str> = word.split('-').collect();
    let (number, taken) = below_hundred(&parts)?;
    (taken == parts.len()).then_some(number)
}

/// The number that the first two or more of `words` say together, and how many words it takes: "one hundred and six
/// percent" begins with 106 in four words.
pub fn together(words: &[&str]) -> Option<(u32, usize)> {
    let (mut number, mut at) = below_thousand(words)?;
    if number > 0 && is(words.get(at), "thousand") {
        let (rest, taken) = more(&words[at + 1..], below_thousand);
        (number, at) = (number * 1000 + rest, at + 1 + taken);
    }
    (at > 1).then_some((number, at))
}

fn below_thousand(words: &[&str]) -> Option<(u32, usize)> {
    let one = is(words.first(), "a") && (is(words.get(1), "hundred") || is(words.get(1), "thousand"));
    let (number, at) = if one { (1, 1) } else { below_hundred(words)? };
    if !(1..10).contains(&number) || !is(words.get(at), "hundred") {
        return Some((number, at));
    }
    let (rest, taken) = more(&words[at + 1..], below_hundred);
    Some((number * 100 + rest, at + 1 + taken))
}

fn below_hundred(words: &[&str]) -> Option<(u32, usize)> {
    let first = words.first()?.to_lowercase();
    if let Some(small) = SMALL.iter().position(|w| *w == first) {
        return Some((small as u32, 1));
    }
    let ten = 20 + 10 * TENS.iter().position(|w| *w == first)? as u32;
    let one = words.get(1).and_then(|word| SMALL[..10].iter().position(|w| w.eq_ignore_ascii_case(word)));
    Some(one.filter(|one| *one > 0).map_or((ten, 1), |one| (ten + one as u32, 2)))
}

/// The number that `read` finds at the start of `words` or after an "and", and how many words it takes; 0 if it finds
/// none.
fn more(words: &[&str], read: impl Fn(&[&str]) -> Option<(u32, usize)>) -> (u32, usize) {
    let and = usize::from(is(words.first(), "and"));
    read(&words[and..]).filter(|(number, _)| *number > 0).map_or((0, 0), |(number, taken)| (number, and + taken))
}

fn is(word: Option<&&str>, wanted: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(wanted))
}

/// The ways to write a number below a million in words, and in digits with a comma.
pub fn words(n: u32) -> Vec<String> {
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
    let mut heads: Vec<String> = words(n / unit).into_iter().map(|w| format!("{w} {name}")).collect();
    if n / unit == 1 {
        heads.push(format!("a {name}"));
    }
    if n.is_multiple_of(unit) {
        return heads;
    }
    let tails = words(n % unit);
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
    fn number_words_that_stand_together_are_one_number() {
        let cases = [
            ("twenty five", Some((25, 2))),
            ("twenty ten", None),
            ("one hundred", Some((100, 2))),
            ("a hundred percent", Some((100, 2))),
            ("a lamp", None),
            ("one hundred and six percent", Some((106, 4))),
            ("one hundred and a half", Some((100, 2))),
            ("two thousand five hundred", Some((2500, 4))),
            ("five", None),
            ("five six", None),
            ("twenty five hundred", Some((25, 2))),
            ("zero thousand", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let words: Vec<&str> = text.split_whitespace().collect();
            assert_eq!(together(&words), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_in_words_is_read_as_the_same_number() {
        for n in (0..1000).chain((1000..1_000_000).step_by(997)) {
            for form in words(n) {
                let read = of(&form.replace(',', ""))
                    .or_else(|| together(&form.replace('-', " ").split(' ').collect::<Vec<_>>()).map(|(n, _)| n));
                assert_eq!(read, Some(n), "{form:?}");
            }
        }
        assert_eq!((of("Twenty-Five"), of("1000000"), of("seven-eleven"), of("")), (Some(25), None, None, None));
    }
}
