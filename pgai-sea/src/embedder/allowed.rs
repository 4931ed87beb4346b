//! What a vectorizer's configuration may name: the server that gets its texts, and the environment variable whose value
//! that server gets.

use super::{EmbedError, ServerAddress};
use crate::config::{Embedding, EmbeddingLiteLlm};

/// The providers' own servers.
const PROVIDERS: [&str; 5] = [
    "api.openai.com",
    "api.voyageai.com",
    "api.cohere.com",
    "api.mistral.ai",
    "router.huggingface.co",
];
/// What the names of keys end in.
const KEY: &str = "_API_KEY";

/// What the operator allows beyond the providers' own servers and the usual names of keys.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    asker: Asker,
    hosts: Vec<String>,
    keys: Vec<String>,
}

/// Who asks the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A worker.
    #[cfg(feature = "worker")]
    Worker,
    /// A program that searches.
    Search,
}

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Author<'o> {
    /// The owner of the vectorizer, where that is known.
    pub(crate) name: Option<&'o str>,
    /// Whether the owner may name any server and key.
    pub(crate) is_trusted: bool,
}

impl Allowed {
    pub(crate) fn new(asker: Asker) -> Self {
        Self {
            asker,
            hosts: Vec::new(),
            keys: Vec::new(),
        }
    }

    pub(crate) fn allow_host(&mut self, host: String) {
        self.hosts.push(host);
    }

    pub(crate) fn allow_key(&mut self, name: String) {
        self.keys.push(name);
    }

    /// Refuses the name of a key.
    pub(crate) fn check_key(&self, config: &Embedding, author: Author<'_>) -> Result<(), EmbedError> {
        let Some(name) = config.secret_name() else {
            return Ok(());
        };
        let is_usual = name.strip_suffix(KEY).is_some_and(|begin| !begin.is_empty());
        if is_usual || self.keys.iter().any(|key| key == name) || (self.keys.is_empty() && author.is_trusted) {
            return Ok(());
        }
        Err(self.refused(format!(
            "its api_key_name is `{name}`, and {}, whose value {} would send to the server: names that end in `{KEY}` \
             are allowed, another one with {}",
            self.distrust(author),
            self.asker.name(),
            self.asker.allowing("key", name)
        )))
    }

    /// Refuses the server of an embedder, if the configuration names it. `own` is the server without what the
    /// configuration says: a default, or the one that the operator's environment names.
    pub(crate) fn check_host(
        &self,
        server: Option<&ServerAddress>,
        own: impl FnOnce() -> Option<ServerAddress>,
        author: Author<'_>,
    ) -> Result<(), EmbedError> {
        // an address that is none fails before anything is sent
        let Some(server) = server else { return Ok(()) };
        let is_provider = server.port == Some(443) && PROVIDERS.contains(&server.host.as_str());
        let is_said = || self.hosts.iter().any(|host| is_meant(host, server));
        if is_provider || is_said() || (self.hosts.is_empty() && author.is_trusted) || own().as_ref() == Some(server) {
            return Ok(());
        }
        let host = &server.host;
        Err(self.refused(format!(
            "it names the server `{host}`, and {}, which texts and key would go to: allow it with {}",
            self.distrust(author),
            self.asker.allowing("host", host)
        )))
    }

    fn distrust(&self, author: Author<'_>) -> String {
        let asker = self.asker.name();
        match author.name {
            Some(name) if !author.is_trusted => format!("{asker} was not told to believe its owner {name} in this"),
            _ => format!("{asker} was not told to allow this one"),
        }
    }

    fn refused(&self, message: String) -> EmbedError {
        EmbedError::Configuration {
            provider: self.asker.name(),
            message,
        }
    }
}

impl Asker {
    fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "worker")]
            Self::Worker => "the worker",
            Self::Search => "the application",
        }
    }

    /// How a `host` or a `key` is allowed.
    fn allowing(self, kind: &str, name: &str) -> String {
        match self {
            #[cfg(feature = "worker")]
            Self::Worker => {
                format!("`Worker::allow_{kind}(\"{name}\")` or `pgai-sea worker --allow-{kind} {name}`")
            }
            Self::Search => {
                format!("`Embedders::allow_{kind}(\"{name}\")` or `pgai-sea change compare --allow-{kind} {name}`")
            }
        }
    }
}

/// `host`, `host:port`, or `*` for every host.
fn is_meant(allowed: &str, server: &ServerAddress) -> bool {
    let host = server.host.as_str();
    let allowed = allowed.trim();
    let with_port = server.port.map(|port| {
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    });
    allowed == "*"
        || allowed.trim_matches(['[', ']']).eq_ignore_ascii_case(host)
        || with_port.is_some_and(|server| server.eq_ignore_ascii_case(allowed))
}

/// The configuration without the server that it names; `None` if it names none.
pub(crate) fn without_server(config: &Embedding) -> Option<Embedding> {
    let mut bare = config.clone();
    let named = match &mut bare {
        Embedding::OpenAi(openai) => openai.base_url.take().is_some(),
        Embedding::Ollama(ollama) => ollama.base_url.take().is_some(),
        Embedding::LiteLlm(EmbeddingLiteLlm {
            extra_options: Some(options),
            ..
        }) => options.as_object_mut().is_some_and(|options| {
            let [base, url] = ["api_base", "base_url"].map(|name| options.remove(name).is_some());
            base || url
        }),
        Embedding::LiteLlm(_) | Embedding::VoyageAi(_) | Embedding::Local(_) | Embedding::Other(_) => false,
    };
    named.then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(is_trusted: bool) -> Author<'static> {
        Author {
            name: Some("app"),
            is_trusted,
        }
    }

    fn allowed(hosts: &[&str], keys: &[&str]) -> Allowed {
        let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Allowed {
            asker: Asker::Search,
            hosts: own(hosts),
            keys: own(keys),
        }
    }

    #[test]
    fn a_server_is_asked_if_the_operator_or_the_provider_says_so() {
        let is_asked = |hosts: &[&str], (host, port): (&str, u16), is_trusted: bool| {
            let own = || Some(ServerAddress::new("localhost", 11434));
            let server = ServerAddress::new(host, port);
            allowed(hosts, &[])
                .check_host(Some(&server), own, owner(is_trusted))
                .is_ok()
        };
        let elsewhere = ("10.0.0.1", 80);
        assert!(is_asked(&[], ("api.openai.com", 443), false));
        assert!(!is_asked(&[], ("api.openai.com", 80), false));
        assert!(is_asked(&[], ("localhost", 11434), false));
        for host in [
            "localhost",
            "127.0.0.1",
            "169.254.169.254",
            "::1",
            "api.openai.com.evil.example",
        ] {
            assert!(!is_asked(&[], (host, 443), false), "{host}");
        }
        assert!(is_asked(&[], elsewhere, true));
        // what is said holds for all
        assert!(!is_asked(&["gpu"], elsewhere, true));
        assert!(is_asked(&["gpu", "10.0.0.1"], elsewhere, false));
        assert!(is_asked(&["10.0.0.1:80"], elsewhere, false));
        assert!(!is_asked(&["10.0.0.1:81"], elsewhere, false));
        assert!(is_asked(&["[::1]:8080"], ("::1", 8080), false));
        assert!(is_asked(&["*"], elsewhere, false));
    }

    #[test]
    fn a_refusal_names_the_owner_the_host_and_the_setting() {
        let server = ServerAddress::new("gpu", 80);
        let error = allowed(&[], &[]).check_host(Some(&server), || None, owner(false));
        let error = error.unwrap_err().to_string();
        for part in [
            "owner app",
            "`gpu`",
            "--allow-host gpu",
            "Embedders::allow_host(\"gpu\")",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let config = Embedding::openai("m", 3).api_key_name("AWS_SECRET_ACCESS_KEY").into();
        let error = allowed(&[], &[])
            .check_key(&config, owner(false))
            .unwrap_err()
            .to_string();
        assert!(error.contains("allow_key(\"AWS_SECRET_ACCESS_KEY\")"), "{error}");
    }

    #[test]
    fn a_key_is_sent_if_its_name_says_what_it_is_or_the_operator_does() {
        let is_sent = |keys: &[&str], name: &str, is_trusted: bool| {
            let config = Embedding::openai("m", 3).api_key_name(name).into();
            allowed(&[], keys).check_key(&config, owner(is_trusted)).is_ok()
        };
        assert!(is_sent(&[], "TEAM_API_KEY", false));
        for name in [
            "AWS_SECRET_ACCESS_KEY",
            "PGPASSWORD",
            "_API_KEY",
            "DATABASE_URL",
            "API_KEY_",
        ] {
            assert!(!is_sent(&[], name, false), "{name}");
            assert!(is_sent(&[], name, true), "{name}");
            assert!(is_sent(&[name], name, false), "{name}");
            assert!(!is_sent(&["OTHER"], name, true), "{name}");
        }
    }

    #[test]
    fn the_server_of_a_configuration_is_where_it_is_named() {
        let named = |config: Embedding| without_server(&config).is_some();
        assert!(named(Embedding::openai("m", 3).base_url("http://h").into()));
        assert!(named(Embedding::ollama("m", 3).base_url("http://h").into()));
        for option in ["api_base", "base_url"] {
            let options = serde_json::json!({option: "http://h"});
            assert!(named(Embedding::litellm("azure/m", 3).extra_options(options).into()));
        }
        assert!(!named(Embedding::ollama("m", 3).into()));
        assert!(!named(Embedding::voyageai("m", 3).into()));
    }
}
