//! Link preview robots, by the names in `user-agent`.

use http::HeaderMap;
use http::header::USER_AGENT;

/// The first bytes of a user agent that are looked at: those of robots are shorter.
const MAX_LEN: usize = 512;

/// Returns true if the request comes from a link preview robot, according to its user-agent.
///
/// Every opened link pays for this: it allocates nothing, and compares only where a word begins, with the few names that
/// begin with its letter.
pub(in crate::web) fn is_preview_robot(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|agent| names_a_robot(agent.as_bytes()))
}

fn names_a_robot(agent: &[u8]) -> bool {
    let agent = agent.get(..MAX_LEN).unwrap_or(agent);
    let mut within_word = false;
    agent.iter().enumerate().any(|(at, byte)| {
        let begins = !within_word && byte.is_ascii_alphabetic();
        within_word = byte.is_ascii_alphanumeric();
        begins && names_from(*byte).iter().any(|name| is_at(agent, at, name))
    })
}

fn is_at(agent: &[u8], at: usize, name: &str) -> bool {
    agent.get(at..at + name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// The beginnings of the names of robots of chats, trackers and the services behind them, by their first letter.
///
/// Only names that stand for a robot and nothing else: not those of apps in which people open links (`Slack_SSB`,
/// `Teams`, `[Pinterest/iOS]`), of search engines, of libraries such as curl, or of headless browsers. All of those want
/// the redirect.
const fn names_from(letter: u8) -> &'static [&'static str] {
    match letter.to_ascii_lowercase() {
        b'a' => &["atlassian"],
        b'b' => &["bingpreview", "bitlybot", "bitrix link preview"],
        // Bluesky, and Atlassian's.
        b'c' => &["cardyb", "confluence"],
        // The name of Google's previews since Google+.
        b'd' => &["discordbot", "developers.google.com/+/web/snippet"],
        b'e' => &["embedly"],
        b'f' => &["facebookexternalhit", "facebookcatalog", "facebot", "flipboardproxy"],
        b'g' => &["googlemessages", "google-pagerenderer"],
        b'i' => &["iframely"],
        b'j' => &["jira"],
        b'k' => &["kakaotalk-scrap"],
        b'l' => &["linkedinbot", "larkurl2png", "line-poker"],
        b'm' => &["microsoftpreview", "mattermost-bot", "mastodon", "meta-externalfetcher"],
        b'n' => &["notion-", "notionbot"],
        b'p' => &["pinterestbot", "pinterest/0."],
        b'q' => &["quora link preview"],
        b'r' => &["redditbot"],
        // The last one is Matrix's.
        b's' => &["slackbot", "slack-imgproxy", "skypeuripreview", "snap url preview", "synapse (bot"],
        b't' => &["twitterbot", "telegrambot"],
        b'v' => &["vkshare"],
        // Signal's, too.
        b'w' => &["whatsapp"],
        b'x' => &["xing-contenttabreceiver"],
        b'y' => &["yahoo link preview"],
        b'z' => &["zulipurlpreview"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn link_preview_robots_are_known_by_the_names_that_they_give() {
        for agent in [
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Slack-ImgProxy (+https://api.slack.com/robots)",
            "Slackbot 1.0 (+https://api.slack.com/robots)",
            "Twitterbot/1.0",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "FACEBOOKEXTERNALHIT/1.1",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "TelegramBot (like TwitterBot)",
            "WhatsApp/2.23.20.0 A",
            "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; MicrosoftPreview/2.0; +https://aka.ms/MicrosoftPreview)",
            "Mozilla/5.0 Google-PageRenderer Google (+https://developers.google.com/+/web/snippet/)",
            "GoogleMessages/2.0",
            "Atlassian HttpClient 0.17",
            "Mattermost-Bot/1.1",
            "Mozilla/5.0 (compatible; ZulipURLPreview/8.0; +https://zulip.example)",
            "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
            "Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
            "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
            "Iframely/1.3.1 (+https://iframely.com/docs/about)",
            "Synapse (bot; +https://github.com/matrix-org/synapse)",
            "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
        ] {
            assert!(names_a_robot(agent.as_bytes()), "{agent}");
        }
    }

    #[test]
    fn people_libraries_and_search_engines_get_the_redirect() {
        for agent in [
            "",
            "curl/8.5.0",
            "Wget/1.21.4",
            "python-requests/2.32.3",
            "python-httpx/0.27.0",
            "Go-http-client/2.0",
            "okhttp/4.12.0",
            "axios/1.7.2",
            "Apache-HttpClient/4.5.14 (Java/17.0.9)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Teams/24.1 Chrome/120.0 Electron/28.0 Safari/537.36",
            "Mozilla/5.0 (Macintosh) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Electron/31.0 Safari/537.36 Slack_SSB/4.39",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile [Pinterest/iOS]",
            "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/470.0]",
            "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 [LinkedInApp]/9.29",
            "Mozilla/5.0 (Macintosh) Chrome/120.0 Electron/28.0 Safari/537.36 Notion/3.11",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "notslackbot/1.0",
        ] {
            assert!(!names_a_robot(agent.as_bytes()), "{agent}");
        }
        assert!(!is_preview_robot(&HeaderMap::new()));
    }

    #[test]
    fn each_name_is_in_lower_case_and_under_its_letter() {
        for letter in b'a'..=b'z' {
            for name in names_from(letter) {
                assert_eq!((name.to_ascii_lowercase(), name.as_bytes()[0]), ((*name).to_owned(), letter));
                assert!(
                    names_a_robot(format!("Mozilla/5.0 ({}/1.0", name.to_uppercase()).as_bytes()),
                    "{name}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_user_agent_makes_it_panic(agent in prop::collection::vec(any::<u8>(), 0..700)) {
            let _robot = names_a_robot(&agent);
        }
    }
}
