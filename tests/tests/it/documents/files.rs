//! Files: below the allowed folders, and nowhere else.

use std::os::unix::fs::symlink;

use pgai_sea::document::DocumentError;

use super::support::in_child;

#[tokio::test]
async fn only_files_below_an_allowed_folder_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (allowed, outside) = (dir.path().join("allowed"), dir.path().join("outside"));
    for folder in [&allowed, &outside] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("a b.txt"), "text").unwrap();
    }
    std::fs::create_dir(dir.path().join("allowed-too")).unwrap();
    std::fs::write(dir.path().join("allowed-too/c.txt"), "text").unwrap();
    symlink(outside.join("a b.txt"), allowed.join("link.txt")).unwrap();
    symlink(&outside, allowed.join("folder")).unwrap();
    symlink("a b.txt", allowed.join("inside.txt")).unwrap();
    let documents = in_child().allow_path(&allowed);
    let at = |path: &str| format!("{}/{path}", dir.path().display());
    for address in [
        at("allowed/a b.txt"),
        format!("file://{}", at("allowed/a%20b.txt")),
        "a b.txt".to_owned(),
        at("allowed/inside.txt"),
        at("outside/../allowed/a b.txt"),
    ] {
        assert_eq!(documents.read(&address).await.unwrap().markdown(), "text", "{address}");
    }
    for address in [
        at("outside/a b.txt"),
        at("allowed/../outside/a b.txt"),
        at("allowed/link.txt"),
        at("allowed/folder/a b.txt"),
        at("allowed-too/c.txt"),
        "../outside/a b.txt".to_owned(),
        "../outside/none.txt".to_owned(),
        "file:///etc/passwd".to_owned(),
        "/etc/no such file".to_owned(),
        "/proc/self/environ".to_owned(),
    ] {
        let error = documents.read(&address).await.unwrap_err();
        assert!(matches!(error, DocumentError::NotAllowed { .. }), "{address}: {error}");
        assert!(error.to_string().contains("--allow-path"), "{error}");
    }
    let error = documents.read(&at("allowed/none.txt")).await.unwrap_err();
    assert!(matches!(error, DocumentError::Missing { .. }), "{error}");
    // to read a pipe would never end
    std::process::Command::new("mkfifo")
        .arg(allowed.join("pipe"))
        .status()
        .unwrap();
    for address in ["pipe", "."] {
        let error = documents.read(address).await.unwrap_err();
        assert!(error.to_string().contains("not a file"), "{error}");
    }
    let error = documents.clone().most_bytes(3).read("a b.txt").await.unwrap_err();
    assert_eq!(error, DocumentError::TooLarge { most: 3 });
    let error = in_child().read("a b.txt").await.unwrap_err();
    assert!(matches!(error, DocumentError::NotAllowed { .. }), "{error}");
}
