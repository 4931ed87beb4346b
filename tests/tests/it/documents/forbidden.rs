//! Addresses of the web that must not be reached: named, behind a redirect, behind a name.

use std::time::Duration;

use pgai_sea::document::{DocumentError, Documents};

use super::support::{Reply, Web, in_child};

async fn refused(documents: &Documents, address: &str) -> String {
    let error = documents.read(address).await.unwrap_err();
    assert!(
        matches!(error, DocumentError::NotAllowed { .. } | DocumentError::Load { .. }),
        "{address}: {error:?}"
    );
    error.to_string()
}

#[tokio::test]
async fn private_networks_are_not_reached_however_they_are_written() {
    let web = Web::start().await;
    web.serve("/", Reply::ok("secret"));
    let port = web.address.port();
    let documents = in_child().allow_prefix("http://").allow_prefix("https://");
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ] {
        let said = refused(&documents, &format!("http://{host}:{port}/")).await;
        assert!(said.contains("--allow-private-hosts"), "{host}: {said}");
    }
    assert!(web.asked().is_empty(), "{:?}", web.asked());
    // where clouds serve credentials, not even then
    let private = documents.allow_private_hosts();
    for host in [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ] {
        refused(&private, &format!("http://{host}/latest/meta-data/")).await;
    }
    assert_eq!(private.read(&web.url("/")).await.unwrap().markdown(), "secret");
}

#[tokio::test]
async fn a_redirect_is_looked_at_like_the_first_address() {
    let (web, other) = (Web::start().await, Web::start().await);
    other.serve("/secret", Reply::ok("secret"));
    web.serve("/public/end", Reply::ok("the end"));
    web.serve("/private", Reply::ok("secret"));
    for (path, to) in [
        ("/public/inside", "end"),
        ("/public/out", "/private"),
        ("/public/up", "../private"),
        ("/public/elsewhere", other.url("/secret").as_str()),
        ("/public/metadata", "http://169.254.169.254/latest/meta-data/"),
        ("/public/file", "file:///etc/passwd"),
        ("/public/loop", "/public/loop"),
    ] {
        web.serve(path, Reply::redirect(to));
    }
    let documents = in_child().allow_private_hosts().allow_prefix(web.url("/public/"));
    let inside = documents.read(&web.url("/public/inside")).await.unwrap();
    assert_eq!(inside.markdown(), "the end");
    for path in ["out", "up", "elsewhere", "metadata", "file", "loop"] {
        refused(&documents, &web.url(&format!("/public/{path}"))).await;
    }
    assert!(other.asked().is_empty(), "{:?}", other.asked());
    assert!(
        web.asked().iter().all(|asked| asked.target.starts_with("/public/")),
        "{:?}",
        web.asked()
    );
}

#[tokio::test]
async fn a_prefix_is_asked_for_and_nothing_secret_is_said() {
    let web = Web::start().await;
    let documents = in_child()
        .allow_private_hosts()
        .allow_prefix("http://docs.example.com/");
    let address = format!("http://me:password@{}/a.pdf?signature=1234", web.address);
    let said = refused(&documents, &address).await;
    assert!(
        said.contains(&format!("--allow-prefix http://{}/", web.address)),
        "{said}"
    );
    assert!(!said.contains("password") && !said.contains("1234"), "{said}");
    let documents = documents.allow_prefix("http://");
    let error = documents.read(&address).await.unwrap_err();
    assert!(matches!(error, DocumentError::Missing { .. }), "{error}");
    // presigned addresses carry their signature in the query
    assert_eq!(web.asked()[0].target, "/a.pdf?signature=1234");
}

#[tokio::test]
async fn a_response_is_bounded_and_its_status_counts() {
    let web = Web::start().await;
    let documents = in_child()
        .allow_private_hosts()
        .allow_prefix("http://")
        .most_bytes(1000);
    web.serve("/large", Reply::ok(vec![b'a'; 1001]));
    let error = documents.read(&web.url("/large")).await.unwrap_err();
    assert_eq!(error, DocumentError::TooLarge { most: 1000 });
    for status in [401, 403, 429, 500] {
        web.serve("/failing", Reply::status(status));
        let error = documents.read(&web.url("/failing")).await.unwrap_err();
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
    web.serve(
        "/tides",
        Reply::ok("port,tide\nBrest,7 m").header("content-type", "text/csv; charset=utf-8"),
    );
    let tides = documents.read(&web.url("/tides")).await.unwrap();
    assert!(tides.markdown().contains("| Brest"), "{tides:?}");
    // a server that accepts and says nothing
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let documents = documents.timeout(Duration::from_secs(1));
    let address = format!("http://{}/", silent.local_addr().unwrap());
    let error = documents.read(&address).await.unwrap_err();
    assert!(error.to_string().contains("nothing came within 1s"), "{error}");
}
