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
        begins && names_from(*byte).iter().any(|(name, ..)| is_at(agent, at, name))
    })
}

fn is_at(agent: &[u8], at: usize, name: &str) -> bool {
    agent.get(at..at + name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// A robot: how its name begins, in lower case; whose it is; who says so; and the day on which they first said so, or on
/// which we last read it there.
type Robot = (&'static str, &'static str, &'static str, &'static str);

// Lists that are kept, with their own days.
const CRAWLER_USER_AGENTS: &str = "https://github.com/monperrus/crawler-user-agents";
const CRAWLER_DETECT: &str = "https://github.com/JayBizzle/Crawler-Detect";
const ISBOT: &str = "https://github.com/omrilotan/isbot";

/// No page and no kept list that we found has the name. No app in which people open links is known to have it either.
const UNCONFIRMED: &str = "unconfirmed";

/// The robots of chats, trackers and the services behind them, by the first letter of their names.
///
/// Only names that stand for a robot and nothing else: not those of apps in which people open links (`Slack_SSB`,
/// `Teams`, `[Pinterest/iOS]`, `AtlassianMobileApp`), of search engines, of libraries such as curl, or of headless
/// browsers. All of those want the redirect.
///
/// To bring it up to date, look for previews among what the lists got since their newest day here, and read the other
/// sources again. Before a name comes in, look for an app that has it too.
const fn names_from(letter: u8) -> &'static [Robot] {
    match letter.to_ascii_lowercase() {
        b'a' => &[
            // As Jenkins gets it from Bitbucket.
            (
                "atlassian httpclient",
                "Jira, Confluence, Bitbucket",
                "https://github.com/jenkinsci/bitbucket-branch-source-plugin",
                "2025-06-05",
            ),
        ],
        b'b' => &[
            ("bingpreview", "Microsoft", CRAWLER_USER_AGENTS, "2017-04-23"),
            ("bitlybot", "Bitly", CRAWLER_USER_AGENTS, "2018-06-27"),
            ("bitrix link preview", "Bitrix24", CRAWLER_DETECT, "2021-05-24"),
        ],
        b'c' => {
            &[("cardyb", "Bluesky", "https://github.com/bluesky-social/social-app/issues/6521", "2024-11-22")]
        }
        b'd' => &[
            ("discordbot", "Discord", CRAWLER_USER_AGENTS, "2017-09-22"),
            // The name of Google's previews since Google+.
            ("developers.google.com/+/web/snippet", "Google", CRAWLER_USER_AGENTS, "2023-09-08"),
        ],
        b'e' => &[("embedly", "Embedly", CRAWLER_USER_AGENTS, "2016-04-25")],
        b'f' => &[
            // Apple's Messages gives this name as well.
            ("facebookexternalhit", "Meta", CRAWLER_USER_AGENTS, "2012-05-07"),
            ("facebookcatalog", "Meta", CRAWLER_USER_AGENTS, "2024-10-03"),
            ("facebot", "Meta", CRAWLER_USER_AGENTS, "2014-12-30"),
            ("flipboardproxy", "Flipboard", CRAWLER_USER_AGENTS, "2018-06-27"),
        ],
        b'g' => &[
            ("googlemessages", "Google", CRAWLER_DETECT, "2025-10-01"),
            ("google-pagerenderer", "Google", CRAWLER_USER_AGENTS, "2023-09-08"),
        ],
        // The smart links of Jira and Confluence come by it, too.
        b'i' => &[("iframely", "Iframely", CRAWLER_USER_AGENTS, "2023-09-08")],
        b'k' => &[("kakaotalk-scrap", "KakaoTalk", "https://devtalk.kakao.com/t/scrap/33984", "2026-11-22")],
        b'l' => &[
            ("linkedinbot", "LinkedIn", CRAWLER_USER_AGENTS, "2017-09-19"),
            ("larkurl2png", "Lark", UNCONFIRMED, "2026-11-22"),
            ("line-poker", "LINE", ISBOT, "2019-07-26"),
        ],
        b'm' => &[
            ("microsoftpreview", "Microsoft", CRAWLER_USER_AGENTS, "2025-02-11"),
            ("mattermost-bot", "Mattermost", CRAWLER_USER_AGENTS, "2026-04-17"),
            ("mastodon", "Mastodon", CRAWLER_USER_AGENTS, "2017-11-02"),
            ("meta-externalfetcher", "Meta", CRAWLER_USER_AGENTS, "2024-10-03"),
        ],
        b'n' => &[
            ("notionembedder", "Notion", CRAWLER_DETECT, "2019-10-05"),
            // The app is `Notion/` with another version, and without the address.
            ("notion/1.0 (https://notion.so", "Notion", CRAWLER_USER_AGENTS, "2026-04-17"),
            ("notionbot", "Notion", UNCONFIRMED, "2026-11-22"),
        ],
        b'p' => &[
            ("pinterestbot", "Pinterest", CRAWLER_USER_AGENTS, "2017-03-03"),
            ("pinterest/0.", "Pinterest", CRAWLER_USER_AGENTS, "2017-03-03"),
        ],
        b'q' => &[("quora link preview", "Quora", CRAWLER_DETECT, "2016-07-01")],
        b'r' => &[("redditbot", "Reddit", CRAWLER_USER_AGENTS, "2016-11-03")],
        b's' => &[
            ("slackbot", "Slack", CRAWLER_USER_AGENTS, "2016-11-03"),
            ("slack-imgproxy", "Slack", CRAWLER_USER_AGENTS, "2016-04-25"),
            ("skypeuripreview", "Skype, Teams", CRAWLER_USER_AGENTS, "2016-10-10"),
            ("snap url preview", "Snapchat", CRAWLER_USER_AGENTS, "2022-11-13"),
            ("synapse (bot", "Matrix", CRAWLER_USER_AGENTS, "2023-09-08"),
        ],
        b't' => &[
            ("twitterbot", "X", CRAWLER_USER_AGENTS, "2014-09-12"),
            ("telegrambot", "Telegram", CRAWLER_USER_AGENTS, "2017-10-01"),
        ],
        b'v' => &[("vkshare", "VK", CRAWLER_USER_AGENTS, "2018-07-02")],
        b'w' => &[("whatsapp", "WhatsApp, Signal", CRAWLER_USER_AGENTS, "2016-11-15")],
        b'x' => &[("xing-contenttabreceiver", "XING", CRAWLER_DETECT, "2016-09-05")],
        b'y' => &[("yahoo link preview", "Yahoo", CRAWLER_USER_AGENTS, "2017-06-28")],
        // zerver/lib/url_preview/preview.py
        b'z' => &[("zulipurlpreview", "Zulip", "https://github.com/zulip/zulip", "2026-11-22")],
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
            "Atlassian HttpClient 4.2.0 / Bitbucket-9.5.2 (9005002) / Default",
            "Atlassian HttpClient0.17.3 / JIRA-6.3.15 (6346) / Default",
            "Iframely/1.3.1 (+https://iframely.com/docs/about) Atlassian",
            "NotionEmbedder",
            "Notion/1.0 (https://notion.so; team@makenotion.com)",
            "facebookexternalhit/1.1;line-poker/1.0",
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
            "Mozilla/5.0 (iPhone; CPU iPhone OS 14_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/604.1 AtlassianMobileApp",
            "Mozilla/5.0 (Linux; Android 9) AppleWebKit/537.36 (KHTML, like Gecko) Confluence/1.0",
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
            for (name, ..) in names_from(letter) {
                assert_eq!((name.to_ascii_lowercase(), name.as_bytes()[0]), ((*name).to_owned(), letter));
                assert!(
                    names_a_robot(format!("Mozilla/5.0 ({}/1.0", name.to_uppercase()).as_bytes()),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn each_name_has_an_owner_a_source_and_a_day() {
        for (name, owner, source, day) in (b'a'..=b'z').flat_map(names_from) {
            assert!(!owner.is_empty(), "{name}");
            assert!(source.starts_with("https://") || *source == UNCONFIRMED, "{name}: {source}");
            let parts: Vec<u16> = day.split('-').map(|part| part.parse().unwrap()).collect();
            let [year, month, day_of_month] = parts[..] else { panic!("{name}: {day}") };
            assert_eq!(*day, format!("{year:04}-{month:02}-{day_of_month:02}"), "{name}");
            assert!(
                year > 2000 && (1..=12).contains(&month) && (1..=31).contains(&day_of_month),
                "{name}: {day}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_user_agent_makes_it_panic(agent in prop::collection::vec(any::<u8>(), 0..700)) {
            let _robot = names_a_robot(&agent);
        }
    }
}
